/* tl_gradcheck of functions of vars: what it perturbs, what its tolerances mean, what it refuses. */
#include "tests/autograd/testing_internal.h"

/* x times a factor, with a rule that says something else. */
typedef struct slopes {
    double true_slope, claimed_slope;
} slopes;

static tl_status slope_forward(const tl_op_call *call)
{
    const slopes *at = call->attributes;
    const double *x = tl_data(*call->inputs[0]);
    double *y = tl_data_mut(call->output);
    for (int64_t i = 0; i < tl_tensor_count(call->output); i++)
        y[i] = at->true_slope * x[i];
    return TL_OK;
}

static tl_status slope_backward(const tl_op_call *call)
{
    const slopes *at = call->attributes;
    const double *g = tl_data(call->grad_output);
    double *dx = tl_data_mut(call->grad_inputs[0]);
    for (int64_t i = 0; i < tl_tensor_count(call->output); i++)
        dx[i] = at->claimed_slope * g[i];
    return TL_OK;
}

static const tl_op slope = {.name = "slope",
                            .inputs = 1,
                            .infer = tl_infer_same,
                            .forward = slope_forward,
                            .backward = slope_backward};

static tl_var *apply_slope(void *context, tl_var *const inputs[])
{
    return tl_apply(&slope, inputs, 1, context, sizeof(slopes));
}

static tl_status check_slope(slopes s, const tl_gradcheck_options *options)
{
    tl_tensor x = random_tensor(TL_F64, tl_shape(3), 1);
    tl_status status = tl_gradcheck(apply_slope, &s, &x, 1, options, NULL);
    tl_tensor_free(&x);
    return status;
}

/* |analytic - numeric| <= atol + rtol |numeric|, with 1e-5 and 1e-3; numbers are slopes times weights between
 * a half and one and a half. */
START_TEST(the_default_tolerances_are_torchs)
{
    check_ok(check_slope((slopes){1, 1.0009}, NULL));
    ck_assert_int_eq(check_slope((slopes){1, 1.0012}, NULL), TL_ERROR_NUMERIC);
    check_ok(check_slope((slopes){0, 0.6e-5}, NULL));
    ck_assert_int_eq(check_slope((slopes){0, 2.1e-5}, NULL), TL_ERROR_NUMERIC);
    check_ok(check_slope((slopes){1000, 1000.9}, NULL));
}
END_TEST

/* From one number, twice too large, nobody can tell a factor from a term. */
START_TEST(a_factor_shows_in_two_numbers)
{
    tl_gradcheck_report report;
    for (int64_t count = 1; count <= 2; count++) {
        tl_tensor x = random_tensor(TL_F64, tl_shape(count), 1);
        ck_assert_int_eq(tl_gradcheck(apply_slope, &(slopes){1, 2}, &x, 1, NULL, &report), TL_ERROR_NUMERIC);
        ck_assert_int_eq(report.verdict, count == 1 ? TL_GRADIENT_MISSING_TERM : TL_GRADIENT_FACTOR);
        ck_assert_int_eq(tl_gradcheck(apply_slope, &(slopes){1, -1}, &x, 1, NULL, &report), TL_ERROR_NUMERIC);
        ck_assert_int_eq(report.verdict, TL_GRADIENT_WRONG_SIGN);
        tl_tensor_free(&x);
    }
}
END_TEST

START_TEST(tolerances_can_be_chosen)
{
    ck_assert_int_eq(check_slope((slopes){1, 1.0009}, &(tl_gradcheck_options){.rtol = 1e-4}),
                     TL_ERROR_NUMERIC);
    check_ok(check_slope((slopes){1, 1.05}, &(tl_gradcheck_options){.rtol = 0.1}));
    check_ok(check_slope((slopes){0, 0.6e-2}, &(tl_gradcheck_options){.atol = 1e-2}));
    ck_assert_int_eq(check_slope((slopes){0, 0.9e-5}, &(tl_gradcheck_options){.atol = 1e-7}),
                     TL_ERROR_NUMERIC);
}
END_TEST

static tl_var *cube(void *context, tl_var *const inputs[])
{
    (void)context;
    return tl_pow(inputs[0], 3);
}

/* The difference of a cube with a step eps is off by eps^2. */
START_TEST(the_step_can_be_chosen)
{
    tl_tensor x = tl_tensor_of(TL_F64, tl_shape(1), &(double){1});
    check_ok(tl_gradcheck(cube, NULL, &x, 1, NULL, NULL));
    check_ok(tl_gradcheck(cube, NULL, &x, 1, &(tl_gradcheck_options){.eps = 0.01}, NULL));
    tl_gradcheck_report report;
    ck_assert_int_eq(tl_gradcheck(cube, NULL, &x, 1, &(tl_gradcheck_options){.eps = 0.5}, &report),
                     TL_ERROR_NUMERIC);
    ck_assert_double_eq_tol(report.numeric / report.analytic, 3.25 / 3, 1e-9);
    tl_tensor_free(&x);
}
END_TEST

/* Embedding, mask and floats together: ids and masks stay as they are. */
static tl_var *mixed(void *context, tl_var *const in[])
{
    (void)context;
    tl_var *rows = tl_gather(in[0], in[1]);
    return tl_sum(tl_where(in[2], tl_matmul(rows, in[3]), tl_tanh(rows)), tl_axes(0), false);
}

START_TEST(every_element_of_every_float_input_is_checked)
{
    static const int32_t ids[] = {4, 0, 4};
    static const uint8_t mask[] = {1, 0, 1};
    tl_tensor inputs[] = {random_tensor(TL_F64, tl_shape(5, 2), 1), tl_tensor_of(TL_I32, tl_shape(3), ids),
                          tl_tensor_of(TL_U8, tl_shape(3, 1), mask),
                          random_tensor(TL_F64, tl_shape(2, 2), 2)};
    tl_tensor before[4];
    uint64_t versions[4];
    for (int i = 0; i < 4; i++) {
        before[i] = copy_of(inputs[i]);
        versions[i] = inputs[i].storage->version;
    }
    tl_gradcheck_report report;
    check_ok(tl_gradcheck(mixed, NULL, inputs, 4, NULL, &report));
    ck_assert_int_eq(report.checked, 10 + 4);
    for (int i = 0; i < 4; i++) { /* only read */
        ck_assert(same_bits(inputs[i], before[i]));
        ck_assert_uint_eq(inputs[i].storage->version, versions[i]);
        tl_tensor_free(&inputs[i]);
        tl_tensor_free(&before[i]);
    }
}
END_TEST

START_TEST(views_are_checked)
{
    tl_tensor x = random_tensor(TL_F64, tl_shape(4, 5), 1);
    tl_tensor inputs[] = {tl_tensor_transpose(x, 0, 1), tl_tensor_slice(x, 1, 1, 2)};
    tl_gradcheck_report report;
    slopes wrong = {1, -1};
    for (int i = 0; i < 2; i++) {
        check_ok(tl_gradcheck(apply_slope, &(slopes){2, 2}, &inputs[i], 1, NULL, &report));
        ck_assert_int_eq(report.checked, tl_tensor_count(inputs[i]));
        ck_assert_int_eq(tl_gradcheck(apply_slope, &wrong, &inputs[i], 1, NULL, &report), TL_ERROR_NUMERIC);
        ck_assert(tl_shape_equal(report.shape, inputs[i].shape));
    }
    tl_tensor_free(&x);
}
END_TEST

/* A wrong rule behind a product: the last element that is moved is one of the right-hand matrix, and it must
 * be back in place when the verdict is looked for. */
static tl_var *wrong_behind_product(void *context, tl_var *const in[])
{
    tl_var *product = tl_tanh(tl_matmul(in[0], in[1]));
    return tl_add(product, apply_slope(context, &in[1]));
}

START_TEST(a_wrong_rule_beside_a_product_is_no_kink)
{
    tl_tensor inputs[] = {random_tensor(TL_F64, tl_shape(2, 2), 1), random_tensor(TL_F64, tl_shape(2, 2), 2)};
    tl_gradcheck_report report;
    slopes wrong = {1, 1.5};
    ck_assert_int_eq(tl_gradcheck(wrong_behind_product, &wrong, inputs, 2, NULL, &report), TL_ERROR_NUMERIC);
    ck_assert_int_eq(report.input, 1);
    ck_assert_msg(report.verdict == TL_GRADIENT_MISSING_TERM, "%s", report.message);
    tl_tensor_free(&inputs[0]);
    tl_tensor_free(&inputs[1]);
}
END_TEST

static tl_gradcheck_report refuse(tl_gradcheck_function f, const tl_tensor inputs[], int count,
                                  tl_status status, const char *message)
{
    tl_gradcheck_report report;
    ck_assert_int_eq(tl_gradcheck(f, NULL, inputs, count, NULL, &report), status);
    check_error(status, message);
    ck_assert_int_eq(report.verdict == TL_GRADIENT_DTYPE_TOO_NARROW, status == TL_ERROR_DTYPE);
    ck_assert_str_eq(report.message, status == TL_ERROR_DTYPE ? message : "");
    return report;
}

START_TEST(float32_inputs_are_refused)
{
    tl_tensor inputs[] = {random_tensor(TL_F64, tl_shape(2), 1), random_tensor(TL_F32, tl_shape(2), 1)};
    tl_gradcheck_report report =
        refuse(cube, inputs, 2, TL_ERROR_DTYPE,
               "gradcheck: input 1 is f32, which is too narrow for differences; use f64");
    ck_assert_int_eq(report.input, 1);
    ck_assert(tl_shape_equal(report.shape, tl_shape(2)));
    tl_tensor_free(&inputs[0]);
    tl_tensor_free(&inputs[1]);
    refuse(cube, &(tl_tensor){0}, 1, TL_ERROR_ARGUMENT, "gradcheck: input 0 is empty");
}
END_TEST

static tl_var *product_of_both(void *context, tl_var *const in[])
{
    (void)context;
    return tl_tanh(tl_matmul(in[0], in[1]));
}

static tl_var *nothing(void *context, tl_var *const in[])
{
    (void)context;
    (void)in;
    return NULL;
}

static tl_var *narrow(void *context, tl_var *const in[])
{
    (void)context;
    return tl_zeros(tl_tape_of(in[0]), TL_F32, TL_SCALAR);
}

static tl_var *constant(void *context, tl_var *const in[])
{
    (void)context;
    return tl_detach(in[0]);
}

START_TEST(the_error_of_the_function_is_passed_on)
{
    tl_tensor inputs[] = {random_tensor(TL_F64, tl_shape(2, 3), 1), random_tensor(TL_F64, tl_shape(2, 3), 2)};
    tl_error(TL_OK, "%s", "");
    ck_assert_int_ne(tl_gradcheck(nothing, NULL, inputs, 1, NULL, NULL), TL_OK); /* even with none set */
    refuse(product_of_both, inputs, 2, TL_ERROR_SHAPE, "matmul: inner dimensions differ: [2, 3] x [2, 3]");
    refuse(narrow, inputs, 1, TL_ERROR_DTYPE, "gradcheck: the function gives f32, expected f64");
    refuse(constant, inputs, 1, TL_ERROR_STATE, "backward: the loss depends on no parameter or variable");
    tl_tensor_free(&inputs[0]);
    tl_tensor_free(&inputs[1]);
}
END_TEST

/* Two elements whose errors cancel in a plain sum. */
static tl_status cancelling_backward(const tl_op_call *call)
{
    slope_backward(call);
    const double *g = tl_data(call->grad_output);
    double *dx = tl_data_mut(call->grad_inputs[0]);
    dx[0] += g[1] - g[0];
    return TL_OK;
}

static tl_var *apply_cancelling(void *context, tl_var *const inputs[])
{
    static const tl_op op = {.name = "cancelling",
                             .inputs = 1,
                             .infer = tl_infer_same,
                             .forward = slope_forward,
                             .backward = cancelling_backward};
    (void)context;
    return tl_apply(&op, inputs, 1, &(slopes){1, 1}, sizeof(slopes));
}

START_TEST(errors_do_not_cancel_in_a_sum)
{
    tl_tensor x = random_tensor(TL_F64, tl_shape(2), 1);
    tl_gradcheck_report report;
    ck_assert_int_eq(tl_gradcheck(apply_cancelling, NULL, &x, 1, NULL, &report), TL_ERROR_NUMERIC);
    ck_assert_int_eq(report.index[0], 0);
    tl_tensor_free(&x);
}
END_TEST

/* --- the fast mode --- */

static const tl_gradcheck_options fast = {.fast_mode = true};

/* slope 1 throughout, with a claim for each element. */
typedef struct claims {
    const double *claimed;
    int calls; /* of the function */
} claims;

static tl_status claims_forward(const tl_op_call *call)
{
    return tl_tensor_copy(call->output, *call->inputs[0]);
}

static tl_status claims_backward(const tl_op_call *call)
{
    const claims *at = *(claims *const *)call->attributes;
    const double *g = tl_data(call->grad_output);
    double *dx = tl_data_mut(call->grad_inputs[0]);
    for (int64_t i = 0; i < tl_tensor_count(call->output); i++)
        dx[i] = at->claimed[i] * g[i];
    return TL_OK;
}

static tl_var *apply_claims(void *context, tl_var *const inputs[])
{
    static const tl_op op = {.name = "claims",
                             .inputs = 1,
                             .infer = tl_infer_same,
                             .forward = claims_forward,
                             .backward = claims_backward};
    ((claims *)context)->calls++;
    return tl_apply(&op, inputs, 1, &context, sizeof context);
}

enum { MANY = 400 };

static tl_status check_claims(const double claimed[MANY], const tl_gradcheck_options *options,
                              tl_gradcheck_report *report)
{
    tl_tensor x = random_tensor(TL_F64, tl_shape(20, 20), 1);
    tl_status status = tl_gradcheck(apply_claims, &(claims){.claimed = claimed}, &x, 1, options, report);
    tl_tensor_free(&x);
    return status;
}

static void claim_truth(double claimed[MANY])
{
    for (int i = 0; i < MANY; i++)
        claimed[i] = 1;
}

/* Twice its value, twice its gradient, and once on either side for each input, whatever the size. */
START_TEST(fast_mode_costs_two_calls_an_input)
{
    double claimed[MANY];
    claim_truth(claimed);
    for (int64_t count = 1; count <= MANY; count += MANY - 1) {
        claims right = {.claimed = claimed};
        tl_gradcheck_report report;
        tl_tensor x = random_tensor(TL_F64, tl_shape(count), 1);
        check_ok(tl_gradcheck(apply_claims, &right, &x, 1, &fast, &report));
        ck_assert_int_eq(right.calls, 6);
        ck_assert_int_eq(report.checked, 1);
        tl_tensor_free(&x);
    }
}
END_TEST

START_TEST(fast_mode_takes_each_float_input_in_turn)
{
    static const int32_t ids[] = {4, 0, 4};
    static const uint8_t mask[] = {1, 0, 1};
    tl_tensor inputs[] = {random_tensor(TL_F64, tl_shape(5, 2), 1), tl_tensor_of(TL_I32, tl_shape(3), ids),
                          tl_tensor_of(TL_U8, tl_shape(3, 1), mask), random_tensor(TL_F64, tl_shape(2, 2), 2),
                          tl_tensor_new(TL_F64, tl_shape(0, 3))};
    tl_gradcheck_report report;
    check_ok(tl_gradcheck(mixed, NULL, inputs, 5, &fast, &report));
    ck_assert_int_eq(report.checked, 2); /* nothing in the last */
    for (int i = 0; i < 5; i++)
        tl_tensor_free(&inputs[i]);
}
END_TEST

START_TEST(fast_mode_names_the_element_that_is_wrong)
{
    double claimed[MANY];
    tl_gradcheck_report report;
    claim_truth(claimed);
    claimed[47] = 1.5;
    ck_assert_int_eq(check_claims(claimed, &fast, &report), TL_ERROR_NUMERIC);
    ck_assert_int_eq(report.verdict, TL_GRADIENT_MISSING_TERM);
    ck_assert(report.index[0] == 2 && report.index[1] == 7);
    ck_assert_int_eq(report.checked, 1 + MANY);
    for (int i = 0; i < MANY; i++)
        claimed[i] = -1;
    ck_assert_int_eq(check_claims(claimed, &fast, &report), TL_ERROR_NUMERIC);
    ck_assert_int_eq(report.verdict, TL_GRADIENT_WRONG_SIGN);
    claimed[7] = (double)NAN;
    ck_assert_int_eq(check_claims(claimed, &fast, &report), TL_ERROR_NUMERIC);
    ck_assert_int_eq(report.verdict, TL_GRADIENT_NOT_FINITE);
}
END_TEST

/* What it may miss: in one element of many, an error beyond the tolerance that the sum has room for. */
START_TEST(fast_mode_is_weaker)
{
    double claimed[MANY];
    tl_gradcheck_report report;
    claim_truth(claimed);
    claimed[47] = 1.005;
    check_ok(check_claims(claimed, &fast, &report));
    ck_assert_int_eq(check_claims(claimed, NULL, &report), TL_ERROR_NUMERIC);
    ck_assert(report.index[0] == 2 && report.index[1] == 7);
}
END_TEST

/* Errors within the tolerance may add up to more than it along the direction; then elements decide. */
START_TEST(fast_mode_is_never_stricter)
{
    enum { DRAWS = 20 };
    int undecided = 0;
    for (uint64_t draw = 0; draw < DRAWS; draw++) {
        double claimed[MANY];
        tl_gradcheck_report report;
        for (int i = 0; i < MANY; i++)
            claimed[i] = tl_random_below(5, draw, (uint64_t)i, 2) ? 1.0009 : 0.9991;
        check_ok(check_claims(claimed, &fast, &report));
        ck_assert_int_eq(report.verdict, TL_GRADIENT_CORRECT);
        ck_assert(report.checked == 1 || report.checked == 1 + MANY);
        undecided += report.checked > 1;
    }
    ck_assert_int_gt(undecided, 0);
}
END_TEST

/* --- how much two calls may differ --- */

static tl_var *restless(void *context, tl_var *const inputs[])
{
    int *calls = context;
    tl_var *noise = tl_zeros(tl_tape_of(inputs[0]), TL_F64, tl_shape_of(inputs[0]));
    tl_tensor_fill(tl_value(noise), (*calls)++ % 2 ? 1e-13 : 0);
    return tl_add(tl_tanh(inputs[0]), noise);
}

START_TEST(a_tolerance_for_what_is_not_deterministic)
{
    tl_tensor x = random_tensor(TL_F64, tl_shape(2, 2), 1);
    const tl_gradcheck_options too_little = {.nondet_tol = 1e-15}, enough = {.nondet_tol = 1e-12};
    tl_gradcheck_report report;
    int calls = 0;
    ck_assert_int_eq(tl_gradcheck(restless, &calls, &x, 1, NULL, &report), TL_ERROR_NUMERIC);
    ck_assert_int_eq(report.verdict, TL_GRADIENT_NOT_DETERMINISTIC);
    ck_assert_int_eq(tl_gradcheck(restless, &calls, &x, 1, &too_little, NULL), TL_ERROR_NUMERIC);
    check_ok(tl_gradcheck(restless, &calls, &x, 1, &enough, NULL));
    tl_tensor_free(&x);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("gradcheck of functions");
    tcase_add_test(tests, the_default_tolerances_are_torchs);
    tcase_add_test(tests, a_factor_shows_in_two_numbers);
    tcase_add_test(tests, tolerances_can_be_chosen);
    tcase_add_test(tests, the_step_can_be_chosen);
    tcase_add_test(tests, every_element_of_every_float_input_is_checked);
    tcase_add_test(tests, views_are_checked);
    tcase_add_test(tests, a_wrong_rule_beside_a_product_is_no_kink);
    tcase_add_test(tests, float32_inputs_are_refused);
    tcase_add_test(tests, the_error_of_the_function_is_passed_on);
    tcase_add_test(tests, errors_do_not_cancel_in_a_sum);
    tcase_add_test(tests, fast_mode_costs_two_calls_an_input);
    tcase_add_test(tests, fast_mode_takes_each_float_input_in_turn);
    tcase_add_test(tests, fast_mode_names_the_element_that_is_wrong);
    tcase_add_test(tests, fast_mode_is_weaker);
    tcase_add_test(tests, fast_mode_is_never_stricter);
    tcase_add_test(tests, a_tolerance_for_what_is_not_deterministic);
    return run_tests("gradcheck of functions", tests);
}
