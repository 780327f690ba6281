/* Every op of the registry on its own sample cases: the gradient check in float64, and float32 against it. */
#include "tests/autograd/cases_internal.h"

#include <stdio.h>

/* Largest difference between the two types, as a part of the largest number of the tensor in question (or of
 * 1): rounding is 6e-8 an operation, the longest sums have 37 terms. */
static const double float32_bound = 1e-6;

START_TEST(names_are_unique_and_found)
{
    ck_assert_int_gt(op_count(), 30);
    ck_assert_ptr_null(tl_op_at(-1));
    ck_assert_ptr_null(tl_op_at(op_count()));
    for (int i = 0; i < op_count(); i++) {
        const tl_op *op = tl_op_at(i);
        ck_assert(op->name && op->name[0]);
        ck_assert_msg(tl_op_by_name(op->name) == op, "%s is not found, or not unique", op->name);
    }
    ck_assert_ptr_null(tl_op_by_name("no such op"));
    check_error(TL_ERROR_ARGUMENT, "there is no op 'no such op'");
}
END_TEST

/* The names that ops.h promises, so that none drops out of the registry, and with it out of these tests. */
START_TEST(the_registry_is_complete)
{
    static const char *const names[] = {"add",
                                        "sub",
                                        "mul",
                                        "div",
                                        "neg",
                                        "scale",
                                        "pow",
                                        "tanh",
                                        "sigmoid",
                                        "relu",
                                        "exp",
                                        "log",
                                        "sqrt",
                                        "abs",
                                        "clamp",
                                        "matmul",
                                        "affine",
                                        "affine_scan",
                                        "sum",
                                        "mean",
                                        "max",
                                        "reshape",
                                        "transpose",
                                        "slice",
                                        "select",
                                        "unsqueeze",
                                        "concat",
                                        "stack",
                                        "gather",
                                        "where",
                                        "softmax",
                                        "log_softmax",
                                        "layer_norm",
                                        "dropout",
                                        "sigmoid_cross_entropy_with_logits",
                                        "softmax_cross_entropy_with_logits",
                                        "sparse_softmax_cross_entropy_with_logits"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        ck_assert_msg(tl_op_by_name(names[i]) != NULL, "%s", tl_error_message());
}
END_TEST

/* Each test below, but for a count, is run once for every op. */

START_TEST(has_sample_cases)
{
    const tl_op *op = tl_op_at(_i);
    ck_assert_msg(op->cases && op->case_count > 0, "%s has no sample cases", op->name);
    for (int i = 0; i < op->case_count; i++) {
        const tl_op_case *sample = &op->cases[i];
        ck_assert_msg(sample->name && sample->name[0], "case %d of %s has no name", i, op->name);
        ck_assert_msg(sample->count >= 1 && (op->inputs == TL_ANY_NUMBER || op->inputs == sample->count),
                      "%s (%s) has %d inputs", op->name, sample->name, sample->count);
    }
}
END_TEST

/* The derivatives that there are in a case. */
static int64_t derivatives_of(const tl_op *op, int which)
{
    case_run run = new_case_run(op, &op->cases[which], TL_F64);
    int64_t count = 0;
    for (int i = 0; i < TL_MAX_INPUTS; i++)
        count += has_gradient(&run, i) ? tl_tensor_count(run.tensors[i]) : 0;
    free_case_run(&run);
    return count;
}

static int64_t derivatives_of_op(const tl_op *op)
{
    int64_t count = 0;
    for (int i = 0; i < op->case_count; i++)
        count += derivatives_of(op, i);
    return count;
}

/* What the check below goes through. */
START_TEST(there_are_derivatives_to_check)
{
    int cases = 0;
    int64_t derivatives = 0;
    for (int i = 0; i < op_count(); i++) {
        int64_t own = derivatives_of_op(tl_op_at(i));
        ck_assert_msg(own > 0, "%s has no derivatives", tl_op_at(i)->name);
        cases += tl_op_at(i)->case_count;
        derivatives += own;
    }
    printf("%d ops, %d cases, %lld derivatives\n", op_count(), cases, (long long)derivatives);
}
END_TEST

START_TEST(passes_the_gradient_check)
{
    const tl_op *op = tl_op_at(_i);
    tl_gradcheck_report report;
    tl_status status = tl_gradcheck_op(op, &report);
    ck_assert_msg(status == TL_OK, "%s", tl_error_message());
    ck_assert_int_gt(report.checked, 0);
    ck_assert_int_eq(report.checked, derivatives_of_op(op)); /* none was left out */
    ck_assert_str_eq(report.message, "");
    ck_assert_int_eq(report.verdict, TL_GRADIENT_CORRECT);
}
END_TEST

static void check_within_bound(const case_run *run, const char *what, int input, tl_tensor narrow,
                               tl_tensor wide)
{
    double apart = difference(narrow, wide);
    ck_assert_msg(narrow.dtype == TL_F32 && wide.dtype == TL_F64, "%s (%s): wrong types", run->op->name,
                  run->sample->name);
    ck_assert_msg(apart <= float32_bound, "%s (%s): %s %d in float32 is off by %.3g, the bound is %.3g",
                  run->op->name, run->sample->name, what, input, apart, float32_bound);
}

START_TEST(float32_agrees_with_float64)
{
    const tl_op *op = tl_op_at(_i);
    tl_tape *tape = tl_tape_new();
    for (int i = 0; i < op->case_count; i++) {
        case_run narrow = new_case_run(op, &op->cases[i], TL_F32);
        case_run wide = new_case_run(op, &op->cases[i], TL_F64);
        case_result got = differentiated(&narrow, tape), expected = differentiated(&wide, tape);
        check_within_bound(&wide, "value", 0, got.value, expected.value);
        for (int j = 0; j < TL_MAX_INPUTS; j++)
            if (has_gradient(&wide, j))
                check_within_bound(&wide, "gradient", j, got.gradients[j], expected.gradients[j]);
        free_case_result(&got);
        free_case_result(&expected);
        free_case_run(&narrow);
        free_case_run(&wide);
    }
    tl_tape_free(tape);
}
END_TEST

/* Somewhere among an op's cases every input of a float type gets a gradient that is not all zero; otherwise
 * the tests above would compare nothing with nothing. */
START_TEST(cases_reach_every_input)
{
    const tl_op *op = tl_op_at(_i);
    bool floats[TL_MAX_INPUTS] = {false}, reached[TL_MAX_INPUTS] = {false};
    tl_tape *tape = tl_tape_new();
    for (int i = 0; i < op->case_count; i++) {
        case_run run = new_case_run(op, &op->cases[i], TL_F64);
        case_result result = differentiated(&run, tape);
        for (int j = 0; j < TL_MAX_INPUTS; j++) {
            floats[j] |= has_gradient(&run, j);
            for (int64_t k = 0; has_gradient(&run, j) && k < tl_tensor_count(result.gradients[j]); k++)
                reached[j] |= element(result.gradients[j], k) != 0;
        }
        free_case_result(&result);
        free_case_run(&run);
    }
    for (int j = 0; j < TL_MAX_INPUTS; j++)
        ck_assert_msg(floats[j] == reached[j], "no case of %s gives input %d a gradient", op->name, j);
    tl_tape_free(tape);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("ops");
    tcase_add_test(tests, names_are_unique_and_found);
    tcase_add_test(tests, the_registry_is_complete);
    tcase_add_loop_test(tests, has_sample_cases, 0, op_count());
    tcase_add_test(tests, there_are_derivatives_to_check);
    tcase_add_loop_test(tests, passes_the_gradient_check, 0, op_count());
    tcase_add_loop_test(tests, float32_agrees_with_float64, 0, op_count());
    tcase_add_loop_test(tests, cases_reach_every_input, 0, op_count());
    return run_tests("ops", tests);
}
