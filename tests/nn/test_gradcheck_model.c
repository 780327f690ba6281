/* tl_gradcheck_model: what it compares, what it says of layers with wrong rules, what it leaves as it was and
 * what it refuses. */
#include "nn/gradcheck.h"
#include "tensor/threads.h"
#include "tests/nn/testing_internal.h"

#include <stdio.h>

enum {
    ROWS = 13,
    WIDTH = 3,
    UNITS = 4,
    OUTPUTS = 2,
    WEIGHTS = WIDTH * UNITS + UNITS + UNITS * OUTPUTS + OUTPUTS
};

/* --- A layer of a user's with an op of its own: y = x, element by element, and a rule that may be wrong ---
 */

static tl_status (*forward_rule)(const tl_op_call *call), (*backward_rule)(const tl_op_call *call);

static tl_status apply_forward(const tl_op_call *call)
{
    return forward_rule(call);
}

static tl_status apply_backward(const tl_op_call *call)
{
    return backward_rule(call);
}

static const tl_op plain_op = {.name = "plain",
                               .inputs = 1,
                               .reads = TL_READS_INPUTS,
                               .infer = tl_infer_same,
                               .forward = apply_forward,
                               .backward = apply_backward};

static tl_status copy_forward(const tl_op_call *call)
{
    return tl_tensor_copy(call->output, *call->inputs[0]);
}

static tl_status copy_backward(const tl_op_call *call)
{
    return tl_tensor_copy(call->grad_inputs[0], call->grad_output);
}

static tl_status scaled_copy(const tl_op_call *call, double factor)
{
    const double *g = tl_data(call->grad_output);
    double *dx = tl_data_mut(call->grad_inputs[0]);
    for (int64_t i = 0; i < tl_tensor_count(call->output); i++)
        dx[i] = factor * g[i];
    return TL_OK;
}

static tl_status flipped_backward(const tl_op_call *call)
{
    return scaled_copy(call, -1);
}

static tl_status halved_backward(const tl_op_call *call)
{
    return scaled_copy(call, 0.5);
}

static tl_status nan_backward(const tl_op_call *call)
{
    return scaled_copy(call, (double)NAN);
}

/* The gradient of unit 2 is lost. */
static tl_status forgetful_backward(const tl_op_call *call)
{
    copy_backward(call);
    double *dx = tl_data_mut(call->grad_inputs[0]);
    for (int64_t i = 2; i < tl_tensor_count(call->output); i += UNITS)
        dx[i] = 0;
    return TL_OK;
}

static tl_status narrow_forward(const tl_op_call *call)
{
    const double *x = tl_data(*call->inputs[0]);
    double *y = tl_data_mut(call->output);
    for (int64_t i = 0; i < tl_tensor_count(call->output); i++)
        y[i] = (double)(float)x[i];
    return TL_OK;
}

static tl_status restless_forward(const tl_op_call *call)
{
    static double calls;
    copy_forward(call);
    *(double *)tl_data_mut(call->output) += 1e-9 * calls++;
    return TL_OK;
}

static tl_status build_plain(tl_module *module, tl_builder *builder, tl_shape input, tl_shape *output)
{
    (void)module, (void)builder;
    *output = input;
    return TL_OK;
}

static tl_var *forward_plain(const tl_module *module, tl_var *x)
{
    (void)module;
    return tl_apply(&plain_op, &x, 1, NULL, 0);
}

static tl_module *plain_layer(void)
{
    static const tl_module_type type = {.name = "plain", .build = build_plain, .forward = forward_plain};
    return tl_module_new(&type, sizeof(tl_module));
}

/* --- A model around it --- */

static tl_tensor x, y;

static void set_up(void)
{
    forward_rule = copy_forward;
    backward_rule = copy_backward;
    x = random_tensor(TL_F64, tl_shape(ROWS, WIDTH), 1);
    y = random_tensor(TL_F64, tl_shape(ROWS, OUTPUTS), 2);
}

static void tear_down(void)
{
    tl_tensor_free(&x);
    tl_tensor_free(&y);
}

static tl_model *compiled(tl_model *model)
{
    check_ok(tl_compile(model, .optimizer = tl_sgd(.learning_rate = 1), .loss = TL_MEAN_SQUARED_ERROR));
    return model;
}

static tl_model *new_model(void)
{
    tl_model *model = tl_sequential(tl_dense(UNITS, .activation = TL_TANH), plain_layer(), tl_dense(OUTPUTS));
    return build_randomly(compiled(model), tl_shape(WIDTH), TL_F64, 0.8);
}

START_TEST(every_weight_is_checked)
{
    tl_model *model = new_model();
    tl_gradcheck_report report;
    check_ok(tl_gradcheck_model(model, x, y, NULL, &report));
    ck_assert_int_eq(report.verdict, TL_GRADIENT_CORRECT);
    ck_assert_int_eq(report.checked, WEIGHTS);
    ck_assert_str_eq(report.message, "");
    ck_assert_ptr_null(report.parameter);
    check_ok(tl_gradcheck_model(model, x, y, NULL, NULL));
    tl_model_free(model);
}
END_TEST

START_TEST(fast_mode_checks_a_number_a_parameter)
{
    tl_model *model = new_model();
    tl_gradcheck_report report;
    const tl_gradcheck_options fast = {.fast_mode = true};
    check_ok(tl_gradcheck_model(model, x, y, &fast, &report));
    ck_assert_int_eq(report.checked, 4);
    backward_rule = flipped_backward;
    ck_assert_int_eq(tl_gradcheck_model(model, x, y, &fast, &report), TL_ERROR_NUMERIC);
    ck_assert_int_eq(report.verdict, TL_GRADIENT_WRONG_SIGN);
    ck_assert_int_eq(report.checked, 1 + WEIGHTS);
    tl_model_free(model);
}
END_TEST

/* Each diagnosis, at a parameter before the layer; those behind it are right. */
START_TEST(a_wrong_layer_is_diagnosed_by_the_names_of_parameters)
{
    static const struct {
        tl_status (*forward)(const tl_op_call *call), (*backward)(const tl_op_call *call);
        tl_gradcheck_verdict verdict;
        const char *reason;
    } cases[] = {
        {copy_forward, flipped_backward, TL_GRADIENT_WRONG_SIGN, "wrong sign"},
        {copy_forward, halved_backward, TL_GRADIENT_FACTOR, "off by a constant factor of 0.5"},
        {copy_forward, forgetful_backward, TL_GRADIENT_MISSING_TERM, "a missing gradient"},
        {copy_forward, nan_backward, TL_GRADIENT_NOT_FINITE, "not a finite number"},
        {narrow_forward, copy_backward, TL_GRADIENT_DTYPE_TOO_NARROW,
         "dtype too narrow: rounding moves the function more than a step does, as f32 inside of it would"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        tl_model *model = new_model();
        tl_gradcheck_report report;
        char place[TL_SHAPE_TEXT_SIZE], expected[400];
        forward_rule = cases[i].forward;
        backward_rule = cases[i].backward;
        bool narrow = cases[i].verdict == TL_GRADIENT_DTYPE_TOO_NARROW;
        ck_assert_int_eq(tl_gradcheck_model(model, x, y, NULL, &report),
                         narrow ? TL_ERROR_DTYPE : TL_ERROR_NUMERIC);
        ck_assert_msg(report.verdict == cases[i].verdict, "%s", report.message);
        ck_assert_msg(narrow || strncmp(report.parameter, "dense/", 6) == 0, "%s", report.message);
        int count;
        tl_parameter *const *parameters = tl_model_parameters(model, &count);
        ck_assert_ptr_eq(report.parameter, parameters[report.input]->name);
        ck_assert(tl_shape_equal(report.shape, parameters[report.input]->value.shape));
        if (cases[i].verdict == TL_GRADIENT_MISSING_TERM)
            ck_assert_int_eq(report.index[report.shape.rank - 1], 2);
        tl_shape index = {.rank = report.shape.rank};
        memcpy(index.dims, report.index, sizeof index.dims);
        snprintf(expected, sizeof expected, "parameter %s %s, element %s: analytic %.6g, numeric %.6g: %s",
                 report.parameter, TL_SHAPE_TEXT(report.shape), tl_shape_text(index, place), report.analytic,
                 report.numeric, cases[i].reason);
        ck_assert_str_eq(report.message, expected);
        ck_assert_str_eq(tl_error_message(), expected);
        tl_model_free(model);
    }
}
END_TEST

START_TEST(a_kink_of_a_model_is_found)
{
    tl_model *model = tl_sequential(tl_dense(1, .activation = TL_RELU, .no_bias = true), tl_dense(1));
    build_randomly(compiled(model), tl_shape(WIDTH), TL_F64, 0.8);
    check_ok(tl_tensor_fill(parameter_of(model, "dense/kernel")->value, 0));
    tl_gradcheck_report report;
    tl_tensor target = tl_tensor_slice(y, 1, 0, 1);
    ck_assert_int_eq(tl_gradcheck_model(model, x, target, NULL, &report), TL_ERROR_NUMERIC);
    ck_assert_msg(report.verdict == TL_GRADIENT_KINK, "%s", report.message);
    ck_assert_str_eq(report.parameter, "dense/kernel");
    tl_model_free(model);
}
END_TEST

START_TEST(what_is_not_deterministic_is_found)
{
    tl_model *model = new_model();
    tl_gradcheck_report report;
    forward_rule = restless_forward;
    check_ok(tl_set_threads(1)); /* it counts its calls */
    ck_assert_int_eq(tl_gradcheck_model(model, x, y, NULL, &report), TL_ERROR_NUMERIC);
    ck_assert_int_eq(report.verdict, TL_GRADIENT_NOT_DETERMINISTIC);
    check_ok(tl_gradcheck_model(model, x, y, &(tl_gradcheck_options){.nondet_tol = 1e-3, .atol = 1}, NULL));
    tl_model_free(model);
}
END_TEST

/* --- What stays --- */

START_TEST(it_leaves_nothing_behind)
{
    for (int wrong = 0; wrong < 2; wrong++) {
        tl_model *model = new_model();
        tl_tensor before[4];
        int count;
        tl_parameter *const *parameters = tl_model_parameters(model, &count);
        for (int i = 0; i < count; i++) {
            before[i] = copy_of(parameters[i]->value);
            check_ok(tl_tensor_fill(parameters[i]->gradient, 7));
        }
        backward_rule = wrong ? flipped_backward : copy_backward;
        for (int fast = 0; fast < 2; fast++)
            ck_assert_int_eq(
                tl_gradcheck_model(model, x, y, &(tl_gradcheck_options){.fast_mode = fast}, NULL),
                wrong ? TL_ERROR_NUMERIC : TL_OK);
        ck_assert_int_eq(tl_optimizer_steps(tl_model_optimizer(model)), 0);
        for (int i = 0; i < count; i++) {
            ck_assert(same_bits(parameters[i]->value, before[i]));
            for (int64_t j = 0; j < tl_tensor_count(before[i]); j++)
                ck_assert(element(parameters[i]->gradient, j) == 0);
            tl_tensor_free(&before[i]);
        }
        tl_model_free(model);
    }
}
END_TEST

/* Its gradient is that of the step that comes next, dropout and all: what a failed check names is what that
 * step then changes. */
START_TEST(it_checks_the_gradient_of_the_next_step)
{
    backward_rule = halved_backward;
    for (int steps = 0; steps < 3; steps++) {
        tl_model *model =
            compiled(tl_sequential(tl_dense(UNITS), plain_layer(), tl_dropout_layer(0.5), tl_dense(OUTPUTS)));
        build_randomly(model, tl_shape(WIDTH), TL_F64, 0.2);
        for (int i = 0; i < steps; i++)
            check_ok(tl_train_on_batch(model, x, y, NULL));
        tl_gradcheck_report report;
        ck_assert_int_eq(tl_gradcheck_model(model, x, y, NULL, &report), TL_ERROR_NUMERIC);
        tl_tensor value = parameter_of(model, report.parameter)->value;
        double before = tl_tensor_at(value, report.index);
        check_ok(tl_train_on_batch(model, x, y, NULL));
        ck_assert_double_eq_tol(before - tl_tensor_at(value, report.index), report.analytic, 1e-14);
        tl_model_free(model);
    }
}
END_TEST

START_TEST(frozen_parameters_are_left_out)
{
    tl_model *model = new_model();
    int count;
    tl_parameter *const *parameters = tl_model_parameters(model, &count);
    tl_gradcheck_report report;
    backward_rule = flipped_backward; /* which only the first layer would notice */
    parameters[0]->trainable = parameters[1]->trainable = false;
    check_ok(tl_gradcheck_model(model, x, y, NULL, &report));
    ck_assert_int_eq(report.checked, UNITS * OUTPUTS + OUTPUTS);
    parameters[2]->trainable = parameters[3]->trainable = false;
    ck_assert_int_eq(tl_gradcheck_model(model, x, y, NULL, &report), TL_ERROR_ARGUMENT);
    check_error(TL_ERROR_ARGUMENT, "gradcheck: the model has no trainable parameters");
    tl_model_free(model);
}
END_TEST

/* --- What is refused --- */

START_TEST(float32_is_too_narrow)
{
    tl_model *model = compiled(tl_sequential(tl_dense(OUTPUTS)));
    check_ok(tl_build(model, tl_shape(WIDTH), TL_F32, 0));
    tl_gradcheck_report report;
    const char *message =
        "gradcheck: the model is built in f32, which is too narrow for differences; build it in f64";
    ck_assert_int_eq(tl_gradcheck_model(model, x, y, NULL, &report), TL_ERROR_DTYPE);
    ck_assert_int_eq(report.verdict, TL_GRADIENT_DTYPE_TOO_NARROW);
    ck_assert_str_eq(report.message, message);
    check_error(TL_ERROR_DTYPE, message);
    tl_model_free(model);
}
END_TEST

static void refuse(tl_model *model, tl_tensor x_, tl_tensor y_, tl_status status, const char *message)
{
    tl_gradcheck_report report;
    ck_assert_int_eq(tl_gradcheck_model(model, x_, y_, NULL, &report), status);
    check_error(status, message);
    ck_assert_int_eq(report.verdict, TL_GRADIENT_CORRECT);
    ck_assert_int_eq(report.checked, 0);
}

START_TEST(what_does_not_fit_is_an_error)
{
    tl_model *raw = tl_sequential(tl_dense(OUTPUTS));
    refuse(NULL, x, y, TL_ERROR_ARGUMENT, "gradcheck: no model");
    refuse(raw, x, y, TL_ERROR_STATE, "gradcheck: the model is not compiled");
    compiled(raw);
    refuse(raw, x, y, TL_ERROR_STATE, "gradcheck: the model is not built");
    tl_model_free(raw);

    tl_model *model = new_model();
    tl_error(TL_OK, "%s", "");
    refuse(model, (tl_tensor){0}, y, TL_ERROR_ARGUMENT, "gradcheck: no x");
    tl_error(TL_OK, "%s", "");
    refuse(model, x, (tl_tensor){0}, TL_ERROR_ARGUMENT, "gradcheck: no y");
    refuse(model, tl_tensor_slice(x, 0, 0, 2), y, TL_ERROR_SHAPE,
           "gradcheck: x [2, 3] and y [13, 2], expected one number of rows, at least 1");
    refuse(model, tl_tensor_slice(x, 0, 0, 0), tl_tensor_slice(y, 0, 0, 0), TL_ERROR_SHAPE,
           "gradcheck: x [0, 3] and y [0, 2], expected one number of rows, at least 1");
    refuse(model, tl_tensor_slice(x, 1, 0, 2), y, TL_ERROR_SHAPE,
           "the model was built for samples of shape [3]");
    refuse(model, x, x, TL_ERROR_SHAPE, "mean_squared_error: targets");
    tl_model_free(model);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("gradcheck of models");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, every_weight_is_checked);
    tcase_add_test(tests, fast_mode_checks_a_number_a_parameter);
    tcase_add_test(tests, a_wrong_layer_is_diagnosed_by_the_names_of_parameters);
    tcase_add_test(tests, a_kink_of_a_model_is_found);
    tcase_add_test(tests, what_is_not_deterministic_is_found);
    tcase_add_test(tests, it_leaves_nothing_behind);
    tcase_add_test(tests, it_checks_the_gradient_of_the_next_step);
    tcase_add_test(tests, frozen_parameters_are_left_out);
    tcase_add_test(tests, float32_is_too_narrow);
    tcase_add_test(tests, what_does_not_fit_is_an_error);
    return run_tests("gradcheck of models", tests);
}
