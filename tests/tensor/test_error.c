#include "tensor/error.h"
#include "tests/support/suite.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum { MOST = 511 }; /* bytes of a message, as error.h says */

START_TEST(before_any_failure_there_is_no_message)
{
    EXPECT_ERROR(TL_OK, "");
}
END_TEST

START_TEST(an_error_gives_its_status_and_its_sentence)
{
    tl_status status = tl_error(TL_ERROR_SHAPE, "matmul: %d against %s", 3, "[4, 5]");
    ck_assert_int_eq(status, TL_ERROR_SHAPE);
    EXPECT_ERROR(TL_ERROR_SHAPE, "matmul: 3 against [4, 5]");
}
END_TEST

START_TEST(the_last_failure_counts)
{
    tl_error(TL_ERROR_IO, "a long first message");
    tl_error(TL_ERROR_FORMAT, "second");
    EXPECT_ERROR(TL_ERROR_FORMAT, "second");
    tl_error(TL_ERROR_NUMERIC, "%s", "");
    EXPECT_ERROR(TL_ERROR_NUMERIC, "");
}
END_TEST

START_TEST(long_messages_are_cut)
{
    char text[MOST + 100];
    for (size_t length = MOST - 1; length < sizeof text; length++) {
        memset(text, 'x', length);
        text[length] = '\0';
        text[0] = 'a';
        tl_error(TL_ERROR_STATE, "%s", text);
        size_t kept = length < MOST ? length : MOST;
        ck_assert_uint_eq(strlen(tl_error_message()), kept);
        ck_assert_mem_eq(tl_error_message(), text, kept);
    }
}
END_TEST

START_TEST(control_characters_are_taken_out)
{
    tl_error(TL_ERROR_FORMAT, "%s", "a\x1b[31mb\n\t\x01\x7f \u00E9~");
    EXPECT_ERROR(TL_ERROR_FORMAT, "a?[31mb\n??? \u00E9~");
}
END_TEST

START_TEST(the_old_message_may_be_among_the_arguments)
{
    tl_error(TL_ERROR_RANGE, "index 7 of 5");
    tl_error(TL_ERROR_ARGUMENT, "fit: batch %d: %s; so says %s", 2, tl_error_message(), tl_error_message());
    EXPECT_ERROR(TL_ERROR_ARGUMENT, "fit: batch 2: index 7 of 5; so says index 7 of 5");
}
END_TEST

START_TEST(a_long_old_message_is_cut_behind_what_precedes_it)
{
    char text[MOST + 1];
    memset(text, 'y', MOST);
    text[MOST] = '\0';
    tl_error(TL_ERROR_STATE, "%s", text);
    tl_error(TL_ERROR_STATE, "outer: %s", tl_error_message());
    ck_assert_uint_eq(strlen(tl_error_message()), MOST);
    ck_assert_mem_eq(tl_error_message(), "outer: yyyy", 11);
    ck_assert_mem_eq(tl_error_message() + 7, text, MOST - 7);
}
END_TEST

enum { THREADS = 4 };

static pthread_barrier_t all_failed;

typedef struct worker {
    int number;
    bool began_clean, kept_its_own;
} worker;

static void *fail_alone(void *argument)
{
    worker *w = argument;
    w->began_clean = tl_error_status() == TL_OK && strcmp(tl_error_message(), "") == 0;
    tl_error((tl_status)(w->number + 1), "thread %d", w->number);
    pthread_barrier_wait(&all_failed);
    char expected[32];
    snprintf(expected, sizeof expected, "thread %d", w->number);
    w->kept_its_own = (int)tl_error_status() == w->number + 1 && strcmp(tl_error_message(), expected) == 0;
    return NULL;
}

START_TEST(every_thread_has_its_own_message)
{
    pthread_t threads[THREADS];
    worker workers[THREADS];
    tl_error(TL_ERROR_NUMERIC, "the caller's");
    ck_assert_int_eq(pthread_barrier_init(&all_failed, NULL, THREADS), 0);
    for (int i = 0; i < THREADS; i++) {
        workers[i] = (worker){.number = i};
        ck_assert_int_eq(pthread_create(&threads[i], NULL, fail_alone, &workers[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
        ck_assert(workers[i].began_clean);
        ck_assert(workers[i].kept_its_own);
    }
    pthread_barrier_destroy(&all_failed);
    EXPECT_ERROR(TL_ERROR_NUMERIC, "the caller's");
}
END_TEST

int main(void)
{
    return RUN_SUITE("error", before_any_failure_there_is_no_message,
                     an_error_gives_its_status_and_its_sentence, the_last_failure_counts,
                     long_messages_are_cut, control_characters_are_taken_out,
                     the_old_message_may_be_among_the_arguments,
                     a_long_old_message_is_cut_behind_what_precedes_it, every_thread_has_its_own_message);
}
