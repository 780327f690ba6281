/* What every rule of the registry promises about memory: it looks at what `reads` declares and at nothing
 * else, which therefore must not be changed in place before backward; it overwrites without reading what was
 * there, or adds to it where the tape says so. */
#include "autograd/tape_internal.h"
#include "tests/autograd/cases_internal.h"

/* Whether backward reads the tensor of an input, by that input or by one that is the same var. */
static bool is_read(const case_run *run, int input)
{
    bool read = false;
    for (int i = 0; i < run->sample->count; i++)
        if (i == input || run->sample->inputs[i].same_as == input + 1)
            read |= (run->op->reads >> i & 1) != 0;
    return read;
}

static bool output_is_read(const case_run *run)
{
    return (run->op->reads & TL_READS_OUTPUT) != 0;
}

static void check_gradients(const case_run *run, const case_result *got, const case_result *expected)
{
    for (int i = 0; i < run->sample->count; i++)
        if (has_gradient(run, i))
            ck_assert_msg(same_bits(got->gradients[i], expected->gradients[i]),
                          "%s (%s): the gradient of input %d differs", run->op->name, run->sample->name, i);
}

/* All bits one: NaN, and masks of a kind; ids are all 0. The version stays, so that nobody notices but a rule
 * that reads it. */
static void ruin(tl_tensor tensor)
{
    memset(tensor.storage->data, tensor.dtype == TL_I32 ? 0 : 0xFF, tensor.storage->bytes);
}

static void ruin_what_is_not_read(const case_run *run)
{
    for (int i = 0; i < run->sample->count; i++)
        if (run->tensors[i].storage && !is_read(run, i))
            ruin(run->tensors[i]);
    if (!run->op->view && !output_is_read(run))
        ruin(tl_value(run->output));
}

typedef void case_test(case_run *run, tl_tape *tape);

static void for_each_case(const tl_op *op, case_test *test)
{
    tl_tape *tape = tl_tape_new();
    for (int i = 0; i < op->case_count; i++) {
        case_run run = new_case_run(op, &op->cases[i], TL_F64);
        test(&run, tape);
        free_case_run(&run);
    }
    tl_tape_free(tape);
}

static void try_with_ruins(case_run *run, tl_tape *tape)
{
    case_result expected = differentiated(run, tape);
    tl_tape_reset(tape);
    record_case(run, tape);
    tl_tensor value = copy_of(tl_value(run->output));
    ruin_what_is_not_read(run);
    ck_assert_msg(differentiate_case(run) == TL_OK, "%s", tl_error_message());
    case_result got = case_result_of(run);
    check_gradients(run, &got, &expected);
    ck_assert(same_bits(value, expected.value));
    tl_tensor_free(&value);
    free_case_result(&got);
    free_case_result(&expected);
}

START_TEST(looks_at_nothing_but_what_it_declares)
{
    for_each_case(tl_op_at(_i), try_with_ruins);
}
END_TEST

/* Whether the gradients differ when one input is ruined before backward, or the output. Each time on a new
 * tape, which has not packed anything. */
static bool is_looked_at(const tl_op *op, const tl_op_case *sample, int input)
{
    case_run run = new_case_run(op, sample, TL_F64);
    bool differs = false;
    if (input == TL_MAX_INPUTS || run.tensors[input].storage) {
        tl_tape *first = tl_tape_new(), *second = tl_tape_new();
        case_result expected = differentiated(&run, first);
        record_case(&run, second);
        ruin(input == TL_MAX_INPUTS ? tl_value(run.output) : run.tensors[input]);
        check_ok(differentiate_case(&run));
        case_result got = case_result_of(&run);
        for (int i = 0; i < sample->count; i++)
            differs |= has_gradient(&run, i) && !same_bits(got.gradients[i], expected.gradients[i]);
        free_case_result(&got);
        free_case_result(&expected);
        tl_tape_free(first);
        tl_tape_free(second);
    }
    free_case_run(&run);
    return differs;
}

/* What is declared too much makes a change in place an error where it would do no harm. */
START_TEST(declares_nothing_that_it_does_not_look_at)
{
    const tl_op *op = tl_op_at(_i);
    for (int input = 0; input <= TL_MAX_INPUTS; input++) {
        bool exists = input == TL_MAX_INPUTS || input < op->cases[0].count, looked_at = false;
        if (!(op->reads >> input & 1) || !exists)
            continue;
        for (int i = 0; i < op->case_count && !looked_at; i++)
            looked_at = is_looked_at(op, &op->cases[i], input);
        ck_assert_msg(looked_at, "%s declares that it reads %s %d, and does not", op->name,
                      input == TL_MAX_INPUTS ? "its output," : "input", input);
    }
}
END_TEST

static void check_change(const case_run *run, bool read, int input, const char *part)
{
    tl_status status = differentiate_case(run);
    if (!read || (status == TL_OK && !is_looked_at(run->op, run->sample, input))) {
        ck_assert_msg(status == TL_OK, "%s (%s): %s", run->op->name, run->sample->name, tl_error_message());
        return;
    }
    ck_assert_msg(status == TL_ERROR_STATE, "%s (%s): a change went unnoticed: %s", run->op->name,
                  run->sample->name, part);
    check_error(TL_ERROR_STATE, part);
    check_error(TL_ERROR_STATE, run->op->name);
    check_error(TL_ERROR_STATE, "was changed in place after it was recorded");
}

static void change_each_in_place(case_run *run, tl_tape *tape)
{
    for (int i = 0; i < run->sample->count; i++) {
        if (!run->tensors[i].storage)
            continue;
        tl_tape_reset(tape);
        record_case(run, tape);
        tl_data_mut(run->tensors[i]);
        check_change(run, is_read(run, i), i, "backward: input ");
    }
    tl_tape_reset(tape);
    record_case(run, tape);
    tl_tensor_fill(tl_value(run->output), 0.5);
    if (!run->op->view)
        check_change(run, output_is_read(run), TL_MAX_INPUTS, "backward: the result of ");
}

START_TEST(changes_in_place_are_noticed_where_they_matter)
{
    for_each_case(tl_op_at(_i), change_each_in_place);
}
END_TEST

/* Fills the memory that the tape is going to hand out. */
static void ruin_tape(tl_tape *tape)
{
    enum { BYTES = 1 << 20 };
    tl_tape_reset(tape);
    void *memory = tl_arena_take(tape->arena, BYTES);
    ck_assert_ptr_nonnull(memory);
    memset(memory, 0xFF, BYTES);
    tl_tape_reset(tape);
    ck_assert_ptr_eq(tl_arena_take(tape->arena, BYTES), memory); /* that very memory comes next */
}

static void try_in_ruined_memory(case_run *run, tl_tape *tape)
{
    tl_tape *other = tl_tape_new();
    ruin_tape(other);
    case_result expected = differentiated(run, tape), got = differentiated(run, other);
    check_gradients(run, &got, &expected);
    ck_assert_msg(same_bits(got.value, expected.value), "%s (%s): the value differs", run->op->name,
                  run->sample->name);
    free_case_result(&expected);
    free_case_result(&got);
    tl_tape_free(other);
}

START_TEST(does_not_depend_on_what_was_in_memory)
{
    for_each_case(tl_op_at(_i), try_in_ruined_memory);
}
END_TEST

/* The second of two uses finds a gradient there, to which it is added, by the rule itself or by the tape. */
static void apply_twice(case_run *run, tl_tape *tape)
{
    case_result once = differentiated(run, tape);
    tl_tape_reset(tape);
    record_case(run, tape);
    run->output = tl_add(run->output, tl_case_apply(run->op, run->sample, run->vars));
    check_ok(differentiate_case(run));
    for (int i = 0; i < run->sample->count; i++) {
        if (!has_gradient(run, i))
            continue;
        double *g = tl_data_mut(once.gradients[i]);
        for (int64_t j = 0; j < tl_tensor_count(once.gradients[i]); j++)
            g[j] *= 2;
        double apart = difference(tl_grad(run->vars[i]), once.gradients[i]);
        ck_assert_msg(apart <= 1e-14, "%s (%s): the gradient of input %d, used twice, is off by %.3g",
                      run->op->name, run->sample->name, i, apart);
    }
    free_case_result(&once);
}

START_TEST(gradients_of_two_uses_add_up)
{
    for_each_case(tl_op_at(_i), apply_twice);
}
END_TEST

/* A rule that reads its input without saying so is what the first test is for. */
static tl_status square_infer(const tl_op_call *call, tl_tensor *result)
{
    return tl_infer_same(call, result);
}

static tl_status square_forward(const tl_op_call *call)
{
    const double *x = tl_data(*call->inputs[0]);
    double *y = tl_data_mut(call->output);
    for (int64_t i = 0; i < tl_tensor_count(call->output); i++)
        y[i] = x[i] * x[i];
    return TL_OK;
}

static tl_status square_backward(const tl_op_call *call)
{
    const double *x = tl_data(*call->inputs[0]), *g = tl_data(call->grad_output);
    double *dx = tl_data_mut(call->grad_inputs[0]);
    for (int64_t i = 0; i < tl_tensor_count(call->output); i++)
        dx[i] = 2 * x[i] * g[i];
    return TL_OK;
}

START_TEST(an_undeclared_read_shows)
{
    static const tl_op_case cases[] = {{.name = "row", .count = 1, .inputs = {{.shape = {1, {3}}}}}};
    static const tl_op honest = {.name = "square",
                                 .inputs = 1,
                                 .infer = square_infer,
                                 .forward = square_forward,
                                 .backward = square_backward,
                                 .reads = TL_READS_INPUTS,
                                 .cases = cases,
                                 .case_count = 1};
    for_each_case(&honest, try_with_ruins);
    for_each_case(&honest, change_each_in_place);

    tl_op forgetful = honest;
    forgetful.reads = 0;
    tl_tape *tape = tl_tape_new();
    case_run run = new_case_run(&forgetful, cases, TL_F64);
    record_case(&run, tape);
    ruin_what_is_not_read(&run);
    check_ok(differentiate_case(&run));
    ck_assert(isnan(element(tl_grad(run.vars[0]), 0)));
    free_case_run(&run);
    tl_tape_free(tape);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("rules");
    tcase_add_loop_test(tests, looks_at_nothing_but_what_it_declares, 0, op_count());
    tcase_add_loop_test(tests, declares_nothing_that_it_does_not_look_at, 0, op_count());
    tcase_add_loop_test(tests, gradients_of_two_uses_add_up, 0, op_count());
    tcase_add_loop_test(tests, changes_in_place_are_noticed_where_they_matter, 0, op_count());
    tcase_add_loop_test(tests, does_not_depend_on_what_was_in_memory, 0, op_count());
    tcase_add_test(tests, an_undeclared_read_shows);
    return run_tests("rules", tests);
}
