/* Which table is chosen. The choice is made once in a process, so each is made in a process of its own. */
#include "autograd/tape.h"
#include "nn/layers.h"
#include "nn/model.h"
#include "tensor/isa.h"
#include "tests/support/again.h"
#include "tests/support/kernels.h"
#include "tests/support/suite.h"

#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* True if a process in which TAPELOOP_ISA is `isa`, or not set if NULL, takes this table for f32. */
static bool chooses(const char *isa, const tl_kernels *expected)
{
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        if (isa)
            setenv("TAPELOOP_ISA", isa, 1);
        else
            unsetenv("TAPELOOP_ISA");
        bool right = tl_kernels_for(TL_F32) == expected;
        setenv("TAPELOOP_ISA", "plain", 1); /* too late to matter */
        right = right && tl_kernels_for(TL_F32) == expected;
        _exit(right && tl_kernels_for(TL_F64) == &tl_kernels_reference_f64 ? 0 : 1);
    }
    int status;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

START_TEST(the_plain_table_is_first_and_names_differ)
{
    const tl_kernels *tables[TABLES];
    int count = tl_kernels_available(tables, TABLES);
    ck_assert_int_ge(count, 2);
    ck_assert_ptr_eq(tables[0], &tl_kernels_reference_f32);
    ck_assert_str_eq(tables[0]->isa, "plain");
#if defined(__aarch64__)
    ck_assert_str_eq(tables[1]->isa, "neon");
#else
    ck_assert_str_eq(tables[1]->isa, "baseline");
#endif
    for (int i = 0; i < count; i++)
        for (int j = 0; j < i; j++)
            ck_assert_str_ne(tables[i]->isa, tables[j]->isa);
    ck_assert_int_eq(tl_kernels_available(tables, 1), 1);
    ck_assert_int_eq(tl_kernels_available(tables, 0), 0);
}
END_TEST

/* A missing entry would be a call of NULL somewhere else. */
static void check_complete(const tl_kernels *k)
{
    for (int i = 0; i < TL_MAP_COUNT; i++)
        ck_assert_msg(k->map[i] != NULL, "%s has no map %d", k->isa, i);
    for (int i = 0; i < TL_UPDATE_COUNT; i++)
        ck_assert_msg(k->update[i] != NULL, "%s has no update %d", k->isa, i);
    ck_assert(k->sum && k->max && k->square_sum && k->sum_rows && k->softmax && k->log_softmax);
    ck_assert(k->gather && k->add_rows && k->add_up_rows);
    ck_assert(k->packed_bytes && k->pack && k->product && k->outer);
}

START_TEST(every_table_is_complete)
{
    for_each_table(check_complete);
    check_complete(&tl_kernels_reference_f64);
}
END_TEST

START_TEST(tapeloop_isa_chooses_the_table)
{
    const tl_kernels *tables[TABLES];
    int count = tl_kernels_available(tables, TABLES);
    for (int i = 0; i < count; i++)
        ck_assert_msg(chooses(tables[i]->isa, tables[i]), "TAPELOOP_ISA=%s", tables[i]->isa);
}
END_TEST

START_TEST(without_a_choice_the_best_table_is_taken)
{
    const tl_kernels *tables[TABLES];
    int count = tl_kernels_available(tables, TABLES);
    ck_assert(chooses(NULL, tables[count - 1]));
    ck_assert(chooses("", tables[count - 1]));
    ck_assert(chooses("no such instruction set", tables[count - 1])); /* but see below */
}
END_TEST

START_TEST(the_name_of_the_table_can_be_asked_for)
{
    const tl_kernels *tables[TABLES];
    const int count = tl_kernels_available(tables, TABLES);
    char text[TEXT_SIZE], expected[TEXT_SIZE];
    for (int i = 0; i <= count; i++) {
        snprintf(expected, sizeof expected, "%s\n", tables[i < count ? i : count - 1]->isa);
        ck_assert_int_eq(run_again("TAPELOOP_ISA", i < count ? tables[i]->isa : NULL, text), 0);
        ck_assert_str_eq(text, expected);
    }
}
END_TEST

START_TEST(a_name_that_cannot_be_run_is_an_error)
{
    const tl_kernels *tables[TABLES];
    const int count = tl_kernels_available(tables, TABLES);
    char text[TEXT_SIZE], expected[TEXT_SIZE];
    size_t used = (size_t)snprintf(
        expected, sizeof expected,
        "tape: TAPELOOP_ISA=avx1024, expected one of what this machine can run: %s", tables[0]->isa);
    for (int i = 1; i < count; i++)
        used += (size_t)snprintf(expected + used, sizeof expected - used, ", %s", tables[i]->isa);
    snprintf(expected + used, sizeof expected - used, "\n");
    ck_assert_int_eq(run_again("TAPELOOP_ISA", "avx1024", text), 1);
    ck_assert_str_eq(text, expected);
    ck_assert_int_eq(run_again("TAPELOOP_ISA", "AVX2", text), 1); /* names are as they are written */
}
END_TEST

/* Prints the name of the table, or why there is neither that nor a tape nor a model. */
static int show_isa(void)
{
    const char *isa = tl_isa();
    tl_model *model = tl_sequential(tl_dense(1));
    tl_tape *tape = tl_tape_new();
    puts(isa ? isa : tl_error_message());
    const int failed = !isa + !tape + !model;
    tl_tape_free(tape);
    tl_model_free(model);
    return failed == 3 && tl_error_status() == TL_ERROR_ARGUMENT ? 1 : failed ? 2 : 0;
}

int main(int argc, char **argv)
{
    (void)argv;
    if (argc > 1)
        return show_isa();
    return RUN_SUITE("kernel dispatch", the_plain_table_is_first_and_names_differ, every_table_is_complete,
                     tapeloop_isa_chooses_the_table, without_a_choice_the_best_table_is_taken,
                     the_name_of_the_table_can_be_asked_for, a_name_that_cannot_be_run_is_an_error);
}
