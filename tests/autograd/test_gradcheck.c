/* The gradient check: an op of a user's own passes it, and every way of getting its rule wrong is caught and
 * called by its name. */
#include "tests/autograd/testing_internal.h"

#include <stdio.h>

/* --- an op of one's own, as a user writes it --- */

static tl_status softplus_forward(const tl_op_call *call)
{
    const double *x = tl_data(*call->inputs[0]);
    double *y = tl_data_mut(call->output);
    for (int64_t i = 0; i < tl_tensor_count(call->output); i++)
        y[i] = log1p(exp(x[i]));
    return TL_OK;
}

static tl_status softplus_backward(const tl_op_call *call)
{
    const double *x = tl_data(*call->inputs[0]), *g = tl_data(call->grad_output);
    double *dx = tl_data_mut(call->grad_inputs[0]);
    for (int64_t i = 0; i < tl_tensor_count(call->output); i++)
        dx[i] = g[i] / (1 + exp(-x[i]));
    return TL_OK;
}

static const tl_op_case softplus_cases[] = {
    {.name = "matrix", .count = 1, .inputs = {{.shape = {2, {2, 3}}}}},
    {.name = "transposed", .count = 1, .inputs = {{.shape = {2, {2, 3}}, .layout = TL_SAMPLE_TRANSPOSED}}},
    {.name = "scalar", .count = 1, .inputs = {{.shape = {0}}}},
    {.name = "zero size", .count = 1, .inputs = {{.shape = {2, {0, 3}}}}},
};

static const tl_op softplus = {
    .name = "softplus",
    .inputs = 1,
    .infer = tl_infer_same,
    .forward = softplus_forward,
    .backward = softplus_backward,
    .reads = TL_READS_INPUTS,
    .cases = softplus_cases,
    .case_count = 4,
};

START_TEST(an_op_of_ones_own_passes)
{
    tl_gradcheck_report report;
    check_ok(tl_gradcheck_op(&softplus, &report));
    ck_assert_int_eq(report.verdict, TL_GRADIENT_CORRECT);
    ck_assert_int_eq(report.checked, 6 + 6 + 1);
    ck_assert_str_eq(report.message, "");
    check_ok(tl_gradcheck_op(&softplus, NULL));
}
END_TEST

START_TEST(an_op_of_ones_own_works_like_any_other)
{
    tl_tape *tape = tl_tape_new();
    tl_tensor x = random_tensor(TL_F64, tl_shape(4, 3), 1);
    tl_var *v = tl_variable(tape, x);
    tl_var *y = tl_apply(&softplus, &v, 1, NULL, 0);
    tl_var *same =
        tl_log(tl_add(tl_exp(tl_transpose(v, 0, 1)),
                      tl_input(tape, tl_tensor_broadcast(tl_value(tl_exp(tl_zeros(tape, TL_F64, TL_SCALAR))),
                                                         tl_shape(3, 4)))));
    ck_assert_double_le(difference(tl_value(tl_transpose(same, 0, 1)), tl_value(y)), 1e-15);
    check_ok(tl_backward(tl_sum(tl_sub(y, tl_transpose(same, 0, 1)), TL_ALL_AXES, false)));
    for (int64_t i = 0; i < 12; i++)
        ck_assert_double_eq_tol(element(tl_grad(v), i), 0, 1e-15);
    tl_tensor_free(&x);
    tl_tape_free(tape);
}
END_TEST

/* --- the same op with the rule wrong --- */

static tl_status scaled_backward(const tl_op_call *call, double factor)
{
    softplus_backward(call);
    double *dx = tl_data_mut(call->grad_inputs[0]);
    for (int64_t i = 0; i < tl_tensor_count(call->output); i++)
        dx[i] *= factor;
    return TL_OK;
}

static tl_status flipped_backward(const tl_op_call *call)
{
    return scaled_backward(call, -1);
}

static tl_status doubled_backward(const tl_op_call *call)
{
    return scaled_backward(call, 2);
}

static tl_status zero_backward(const tl_op_call *call)
{
    return scaled_backward(call, 0);
}

static tl_status nan_backward(const tl_op_call *call)
{
    return scaled_backward(call, (double)NAN);
}

static tl_status infinite_backward(const tl_op_call *call)
{
    return scaled_backward(call, (double)INFINITY);
}

/* As if softplus(x) were log(1 + exp(x)) with exp(x) constant in the denominator's second term. */
static tl_status shortened_backward(const tl_op_call *call)
{
    const double *x = tl_data(*call->inputs[0]), *g = tl_data(call->grad_output);
    double *dx = tl_data_mut(call->grad_inputs[0]);
    for (int64_t i = 0; i < tl_tensor_count(call->output); i++)
        dx[i] = g[i] * exp(x[i]);
    return TL_OK;
}

static tl_status one_wrong_backward(const tl_op_call *call)
{
    softplus_backward(call);
    double *dx = tl_data_mut(call->grad_inputs[0]);
    if (tl_tensor_count(call->output) > 4)
        dx[4] += 1e-2;
    return TL_OK;
}

static tl_op with_rule(tl_status (*backward)(const tl_op_call *call))
{
    tl_op op = softplus;
    op.backward = backward;
    return op;
}

/* The check fails with that verdict, and the message names op, case, input, shape, element and both values.
 */
static tl_gradcheck_report check_caught(const tl_op *op, tl_gradcheck_verdict verdict, const char *reason)
{
    tl_gradcheck_report report;
    char place[TL_SHAPE_TEXT_SIZE], expected[400];
    tl_status status = verdict == TL_GRADIENT_DTYPE_TOO_NARROW ? TL_ERROR_DTYPE : TL_ERROR_NUMERIC;
    ck_assert_int_eq(tl_gradcheck_op(op, &report), status);
    ck_assert_msg(report.verdict == verdict, "verdict %d: %s", (int)report.verdict, report.message);
    tl_shape index = {.rank = report.shape.rank};
    memcpy(index.dims, report.index, sizeof index.dims);
    snprintf(expected, sizeof expected, "%s (%s): input %d %s, element %s: analytic %.6g, numeric %.6g: %s",
             op->name, op->cases[0].name, report.input, TL_SHAPE_TEXT(report.shape),
             tl_shape_text(index, place), report.analytic, report.numeric, reason);
    ck_assert_str_eq(report.message, expected);
    ck_assert_str_eq(tl_error_message(), expected);
    ck_assert_int_eq(tl_error_status(), status);
    ck_assert(tl_shape_equal(report.shape, op->cases[0].inputs[report.input].shape));
    return report;
}

START_TEST(a_flipped_sign_is_caught)
{
    tl_op op = with_rule(flipped_backward);
    tl_gradcheck_report r = check_caught(&op, TL_GRADIENT_WRONG_SIGN, "wrong sign");
    ck_assert_double_eq_tol(r.analytic, -r.numeric, 1e-8);
    ck_assert_double_gt(fabs(r.numeric), 0.1);
}
END_TEST

START_TEST(a_factor_is_caught)
{
    tl_op op = with_rule(doubled_backward);
    tl_gradcheck_report r = check_caught(&op, TL_GRADIENT_FACTOR, "off by a constant factor of 2");
    ck_assert_double_eq_tol(r.factor, 2, 1e-6);
    ck_assert_double_eq_tol(r.analytic, 2 * r.numeric, 1e-8);
}
END_TEST

START_TEST(a_missing_term_is_caught)
{
    tl_op op = with_rule(shortened_backward);
    check_caught(&op, TL_GRADIENT_MISSING_TERM, "a missing or wrong term");
}
END_TEST

START_TEST(a_zero_gradient_is_caught)
{
    tl_op op = with_rule(zero_backward);
    tl_gradcheck_report r = check_caught(&op, TL_GRADIENT_MISSING_TERM, "a missing gradient");
    ck_assert(r.analytic == 0);
}
END_TEST

START_TEST(one_wrong_element_is_found)
{
    tl_op op = with_rule(one_wrong_backward);
    tl_gradcheck_report r = check_caught(&op, TL_GRADIENT_MISSING_TERM, "a missing or wrong term");
    ck_assert(r.index[0] == 1 && r.index[1] == 1);
    ck_assert_double_eq_tol(r.analytic, r.numeric + 1e-2, 1e-8);
}
END_TEST

START_TEST(what_is_not_finite_is_caught)
{
    tl_op op = with_rule(nan_backward);
    tl_gradcheck_report r = check_caught(&op, TL_GRADIENT_NOT_FINITE, "not a finite number");
    ck_assert(isnan(r.analytic) && isfinite(r.numeric));
    op = with_rule(infinite_backward);
    r = check_caught(&op, TL_GRADIENT_NOT_FINITE, "not a finite number");
    ck_assert(isinf(r.analytic));

    static const tl_op_case below_zero[] = {
        {.name = "negative", .count = 1, .inputs = {{.shape = {1, {3}}, .low = -2, .high = -1}}}};
    op = *tl_op_by_name("log"); /* NaN in the value, so in the differences */
    tl_op_case cases[] = {below_zero[0]};
    cases[0].attributes = op.cases[0].attributes;
    cases[0].attribute_bytes = op.cases[0].attribute_bytes;
    op.cases = cases;
    op.case_count = 1;
    r = check_caught(&op, TL_GRADIENT_NOT_FINITE, "not a finite number");
    ck_assert(isnan(r.numeric));
}
END_TEST

/* relu(x - 1), whose slope at 1 `slope_at_kink` gives: all sample points lie there. */
static double slope_at_kink;

static tl_status hinge_forward(const tl_op_call *call)
{
    const double *x = tl_data(*call->inputs[0]);
    double *y = tl_data_mut(call->output);
    for (int64_t i = 0; i < tl_tensor_count(call->output); i++)
        y[i] = x[i] > 1 ? x[i] - 1 : 0;
    return TL_OK;
}

static tl_status hinge_backward(const tl_op_call *call)
{
    const double *x = tl_data(*call->inputs[0]), *g = tl_data(call->grad_output);
    double *dx = tl_data_mut(call->grad_inputs[0]);
    for (int64_t i = 0; i < tl_tensor_count(call->output); i++)
        dx[i] = x[i] > 1 ? g[i] : x[i] < 1 ? 0 : slope_at_kink * g[i];
    return TL_OK;
}

START_TEST(a_kink_is_told_from_a_wrong_rule)
{
    static const tl_op_case at_kink[] = {
        {.name = "at the kink", .count = 1, .inputs = {{.shape = {1, {4}}, .low = 1, .high = 1}}}};
    static const tl_op_case beside[] = {
        {.name = "beside",
         .count = 1,
         .inputs = {{.shape = {1, {4}}, .low = 0, .high = 2, .avoid = 1, .margin = 0.01}}}};
    tl_op op = softplus;
    op.name = "hinge";
    op.forward = hinge_forward;
    op.backward = hinge_backward;
    op.case_count = 1;
    const double slopes[] = {0, 1};
    for (int i = 0; i < 2; i++) {
        slope_at_kink = slopes[i];
        op.cases = beside;
        check_ok(tl_gradcheck_op(&op, NULL));
        op.cases = at_kink;
        check_caught(&op, TL_GRADIENT_KINK, "a kink: the slopes on its two sides differ");
    }
}
END_TEST

/* A value that jumps between x - eps and x + eps is no matter of its type. */
static tl_status jump_forward(const tl_op_call *call)
{
    const double *x = tl_data(*call->inputs[0]);
    double *y = tl_data_mut(call->output);
    for (int64_t i = 0; i < tl_tensor_count(call->output); i++)
        y[i] = x[i] + (x[i] > 1);
    return TL_OK;
}

static tl_status one_backward(const tl_op_call *call)
{
    return tl_tensor_copy(call->grad_inputs[0], call->grad_output);
}

START_TEST(a_jump_is_a_kink)
{
    static const tl_op_case at_jump[] = {
        {.name = "at the jump", .count = 1, .inputs = {{.shape = {1, {4}}, .low = 1, .high = 1}}}};
    tl_op op = with_rule(one_backward);
    op.forward = jump_forward;
    op.cases = at_jump;
    op.case_count = 1;
    check_caught(&op, TL_GRADIENT_KINK, "a kink: the slopes on its two sides differ");
}
END_TEST

/* offset + scale softplus(x), rounded to f32, plus `wide` softplus(x) in f64. */
static struct {
    double offset, scale, wide;
} inside;

static tl_status narrow_forward(const tl_op_call *call)
{
    softplus_forward(call);
    double *y = tl_data_mut(call->output);
    for (int64_t i = 0; i < tl_tensor_count(call->output); i++)
        y[i] = (double)(float)(inside.offset + inside.scale * y[i]) + inside.wide * y[i];
    return TL_OK;
}

static tl_status narrow_backward(const tl_op_call *call)
{
    return scaled_backward(call, inside.scale + inside.wide);
}

static tl_status narrow_and_flipped_backward(const tl_op_call *call)
{
    return scaled_backward(call, -inside.scale - inside.wide);
}

/* Where digits are lost, whatever comes on top of it and whatever the rule: nothing else can be told then.
 * With an offset of 100 and a slope of 0.1, values stay the same for many steps before they jump. */
START_TEST(an_inside_in_float32_is_caught)
{
    static const double sums[][3] = {{0, 1, 0}, {10, 1, 0}, {100, 0.1, 0}, {-3, 0.5, 0.5}, {0, 1000, 1}};
    const char *reason =
        "dtype too narrow: rounding moves the function more than a step does, as f32 inside of it would";
    for (size_t i = 0; i < sizeof sums / sizeof sums[0]; i++) {
        inside.offset = sums[i][0];
        inside.scale = sums[i][1];
        inside.wide = sums[i][2];
        tl_op op = with_rule(narrow_backward);
        op.forward = narrow_forward;
        check_caught(&op, TL_GRADIENT_DTYPE_TOO_NARROW, reason);
        op.backward = narrow_and_flipped_backward;
        check_caught(&op, TL_GRADIENT_DTYPE_TOO_NARROW, reason);
    }
}
END_TEST

static tl_status restless_forward(const tl_op_call *call)
{
    static int calls;
    softplus_forward(call);
    double *y = tl_data_mut(call->output);
    y[0] += 1e-9 * calls++;
    return TL_OK;
}

START_TEST(what_is_not_deterministic_is_caught)
{
    tl_op op = softplus;
    op.forward = restless_forward;
    tl_gradcheck_report report;
    ck_assert_int_eq(tl_gradcheck_op(&op, &report), TL_ERROR_NUMERIC);
    ck_assert_int_eq(report.verdict, TL_GRADIENT_NOT_DETERMINISTIC);
    ck_assert_str_eq(report.message, "softplus (matrix): the function is not deterministic: two calls with "
                                     "the same inputs differ");
}
END_TEST

static tl_status restless_backward(const tl_op_call *call)
{
    static int calls;
    softplus_backward(call);
    double *dx = tl_data_mut(call->grad_inputs[0]);
    dx[0] += 1e-9 * calls++;
    return TL_OK;
}

START_TEST(a_gradient_that_is_not_deterministic_is_caught)
{
    tl_op op = with_rule(restless_backward);
    tl_gradcheck_report report;
    ck_assert_int_eq(tl_gradcheck_op(&op, &report), TL_ERROR_NUMERIC);
    ck_assert_int_eq(report.verdict, TL_GRADIENT_NOT_DETERMINISTIC);
    ck_assert_str_eq(report.message, "softplus (matrix): the gradient is not deterministic: two backward "
                                     "passes with the same inputs differ");
}
END_TEST

/* a b^2, with the exponent forgotten in the gradient of b. */
static tl_status product_forward(const tl_op_call *call)
{
    const double *a = tl_data(*call->inputs[0]), *b = tl_data(*call->inputs[1]);
    double *y = tl_data_mut(call->output);
    for (int64_t i = 0; i < tl_tensor_count(call->output); i++)
        y[i] = a[i] * b[i] * b[i];
    return TL_OK;
}

static tl_status product_backward(const tl_op_call *call)
{
    const double *a = tl_data(*call->inputs[0]), *b = tl_data(*call->inputs[1]),
                 *g = tl_data(call->grad_output);
    double *da = tl_data_mut(call->grad_inputs[0]), *db = tl_data_mut(call->grad_inputs[1]);
    for (int64_t i = 0; i < tl_tensor_count(call->output); i++) {
        da[i] = g[i] * b[i] * b[i];
        db[i] = g[i] * a[i];
    }
    return TL_OK;
}

START_TEST(a_wrong_second_input_is_caught)
{
    static const tl_op_case cases[] = {
        {.name = "rows",
         .count = 2,
         .inputs = {{.shape = {2, {3, 2}}}, {.shape = {2, {3, 2}}, .low = 0.5, .high = 2}}}};
    static const tl_op op = {.name = "product",
                             .inputs = 2,
                             .infer = tl_infer_same,
                             .forward = product_forward,
                             .backward = product_backward,
                             .reads = TL_READS_INPUTS,
                             .cases = cases,
                             .case_count = 1};
    tl_gradcheck_report r = check_caught(&op, TL_GRADIENT_MISSING_TERM, "a missing or wrong term");
    ck_assert_int_eq(r.input, 1);
    ck_assert_int_eq(r.checked, 12);
}
END_TEST

START_TEST(an_op_needs_cases_and_a_rule)
{
    tl_op op = softplus;
    op.cases = NULL;
    ck_assert_int_eq(tl_gradcheck_op(&op, NULL), TL_ERROR_ARGUMENT);
    ck_assert_str_eq(tl_error_message(), "gradcheck: op softplus has no sample cases");
    op = softplus;
    op.case_count = 0;
    ck_assert_int_eq(tl_gradcheck_op(&op, NULL), TL_ERROR_ARGUMENT);
    op = with_rule(NULL);
    ck_assert_int_eq(tl_gradcheck_op(&op, NULL), TL_ERROR_ARGUMENT);
    ck_assert_str_eq(tl_error_message(), "gradcheck: op softplus has no backward function");
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("gradcheck");
    tcase_add_test(tests, an_op_of_ones_own_passes);
    tcase_add_test(tests, an_op_of_ones_own_works_like_any_other);
    tcase_add_test(tests, a_flipped_sign_is_caught);
    tcase_add_test(tests, a_factor_is_caught);
    tcase_add_test(tests, a_missing_term_is_caught);
    tcase_add_test(tests, a_zero_gradient_is_caught);
    tcase_add_test(tests, one_wrong_element_is_found);
    tcase_add_test(tests, what_is_not_finite_is_caught);
    tcase_add_test(tests, a_kink_is_told_from_a_wrong_rule);
    tcase_add_test(tests, a_jump_is_a_kink);
    tcase_add_test(tests, an_inside_in_float32_is_caught);
    tcase_add_test(tests, what_is_not_deterministic_is_caught);
    tcase_add_test(tests, a_gradient_that_is_not_deterministic_is_caught);
    tcase_add_test(tests, a_wrong_second_input_is_caught);
    tcase_add_test(tests, an_op_needs_cases_and_a_rule);
    return run_tests("gradcheck", tests);
}
