/* LayerNormalization: against a plain loop, its options, and in a model. */
#include "tests/nn/testing_internal.h"

enum { ROWS = 5, TIME = 4, FEATURES = 6 };

typedef struct variant {
    bool no_center, no_scale;
    double epsilon, standard; /* what is given, and what it then is */
    tl_dtype dtype;
    int rank;
} variant;

static variant variant_of(int i)
{
    return (variant){.no_center = i & 1,
                     .no_scale = i & 2,
                     .epsilon = i & 4 ? 0.5 : 0,
                     .standard = i & 4 ? 0.5 : 0.001,
                     .dtype = i & 8 ? TL_F32 : TL_F64,
                     .rank = i & 16 ? 3 : 2};
}
enum { VARIANTS = 32 };

static void plain_row(const variant *v, const double *x, const double *gamma, const double *beta, double *y)
{
    double mean = 0, variance = 0;
    for (int i = 0; i < FEATURES; i++)
        mean += x[i] / FEATURES;
    for (int i = 0; i < FEATURES; i++)
        variance += (x[i] - mean) * (x[i] - mean) / FEATURES;
    for (int i = 0; i < FEATURES; i++) {
        y[i] = (x[i] - mean) / sqrt(variance + v->standard);
        if (!v->no_scale)
            y[i] *= gamma[i];
        if (!v->no_center)
            y[i] += beta[i];
    }
}

static void weights_of(const tl_model *model, const char *name, bool left_out, double weights[FEATURES])
{
    for (int i = 0; i < FEATURES && !left_out; i++)
        weights[i] = element(parameter_of(model, name)->value, i);
}

static tl_tensor plain_normalization(const tl_model *model, const variant *v, tl_tensor x)
{
    double gamma[FEATURES], beta[FEATURES], in[FEATURES];
    weights_of(model, "layer_normalization/gamma", v->no_scale, gamma);
    weights_of(model, "layer_normalization/beta", v->no_center, beta);
    tl_tensor out = tl_tensor_new(TL_F64, x.shape);
    double *y = tl_data_mut(out);
    for (int64_t row = 0; row < tl_tensor_count(x) / FEATURES; row++) {
        for (int i = 0; i < FEATURES; i++)
            in[i] = element(x, row * FEATURES + i);
        plain_row(v, in, gamma, beta, y + row * FEATURES);
    }
    return out;
}

static tl_model *new_model(const variant *v)
{
    tl_model *model = tl_sequential(
        tl_layer_normalization(.epsilon = v->epsilon, .no_center = v->no_center, .no_scale = v->no_scale));
    return build_randomly(model, v->rank == 3 ? tl_shape(TIME, FEATURES) : tl_shape(FEATURES), v->dtype, 1);
}

START_TEST(it_is_what_a_plain_loop_computes)
{
    const variant v = variant_of(_i);
    tl_model *model = new_model(&v);
    int count;
    tl_model_parameters(model, &count);
    ck_assert_int_eq(count, !v.no_scale + !v.no_center);
    tl_tensor x =
        random_tensor(v.dtype, v.rank == 3 ? tl_shape(ROWS, TIME, FEATURES) : tl_shape(ROWS, FEATURES), 1);
    tl_tensor out = output_of(model, x, (tl_tensor){0}), expected = plain_normalization(model, &v, x);
    ck_assert_double_lt(difference(out, expected), v.dtype == TL_F32 ? 2e-6 : 1e-14);
    tl_tensor *all[] = {&x, &out, &expected};
    for (int i = 0; i < 3; i++)
        tl_tensor_free(all[i]);
    tl_model_free(model);
}
END_TEST

START_TEST(it_starts_as_in_keras)
{
    tl_model *model = tl_sequential(tl_layer_normalization());
    check_ok(tl_build(model, tl_shape(FEATURES), TL_F32, 3));
    for (int i = 0; i < FEATURES; i++) {
        ck_assert_double_eq(element(parameter_of(model, "layer_normalization/gamma")->value, i), 1);
        ck_assert_double_eq(element(parameter_of(model, "layer_normalization/beta")->value, i), 0);
    }
    tl_model_free(model);
}
END_TEST

/* Rows far from 0 and close together are where a variance by squares alone would be all rounding. */
START_TEST(a_large_mean_costs_nothing)
{
    const float values[] = {10000, 10001, 10002, 10003, 10004, 10005};
    tl_tensor x = tl_tensor_of(TL_F32, tl_shape(1, FEATURES), values);
    tl_model *model = tl_sequential(tl_layer_normalization());
    check_ok(tl_build(model, tl_shape(FEATURES), TL_F32, 3));
    tl_tensor y = tl_predict(model, x, 0);
    for (int i = 0; i < FEATURES; i++)
        ck_assert_double_eq_tol(element(y, i), (i - 2.5) / sqrt(35.0 / 12 + 0.001), 1e-5);
    tl_tensor_free(&x);
    tl_tensor_free(&y);
    tl_model_free(model);
}
END_TEST

START_TEST(equal_features_give_beta)
{
    tl_model *model = build_randomly(tl_sequential(tl_layer_normalization()), tl_shape(FEATURES), TL_F64, 1);
    tl_tensor x = tl_tensor_new(TL_F64, tl_shape(2, FEATURES)),
              beta = parameter_of(model, "layer_normalization/beta")->value;
    tl_tensor_fill(tl_tensor_select(x, 0, 0), 7);
    tl_tensor y = tl_predict(model, x, 0);
    for (int64_t row = 0; row < 2; row++)
        ck_assert(same_bits(tl_tensor_select(y, 0, row), beta));
    tl_tensor_free(&x);
    tl_tensor_free(&y);
    tl_model_free(model);
}
END_TEST

/* Sequences lie time-major in a batch, and a mask on them goes on. */
START_TEST(layout_does_not_matter_and_masks_go_on)
{
    tl_model *model =
        build_randomly(tl_sequential(tl_layer_normalization()), tl_shape(TIME, FEATURES), TL_F32, 1);
    tl_tensor steps = random_tensor(TL_F32, tl_shape(TIME, ROWS, FEATURES), 2),
              view = tl_tensor_transpose(steps, 0, 1), rows = copy_of(view),
              mask = tl_tensor_new(TL_U8, tl_shape(ROWS, TIME));
    tl_tensor a = output_of(model, view, mask), b = output_of(model, rows, mask);
    ck_assert(same_bits(a, b));
    tl_tape *tape = tl_tape_new();
    ck_assert(same_bits(tl_mask_of(tl_forward(model, tl_set_mask(tl_input(tape, rows), mask))), mask));
    tl_tape_free(tape);
    tl_tensor *all[] = {&steps, &rows, &mask, &a, &b};
    for (int i = 0; i < 5; i++)
        tl_tensor_free(all[i]);
    tl_model_free(model);
}
END_TEST

/* Which of two numbers is larger, be they millionths or thousands. */
START_TEST(it_learns_what_scale_would_hide)
{
    enum { SAMPLES = 200 };
    tl_tensor x = random_tensor(TL_F32, tl_shape(SAMPLES, 2), 1),
              y = tl_tensor_new(TL_F32, tl_shape(SAMPLES));
    float *values = tl_data_mut(x), *label = tl_data_mut(y);
    for (int i = 0; i < SAMPLES; i++) {
        float scale = powf(10, (float)(i % 10 - 6));
        values[2 * i] *= scale;
        values[2 * i + 1] *= scale;
        label[i] = values[2 * i] > values[2 * i + 1];
    }
    tl_model *model =
        tl_sequential(tl_layer_normalization(.epsilon = 1e-20), tl_dense(1, .activation = TL_SIGMOID));
    check_ok(tl_compile(model, .optimizer = tl_adam(.learning_rate = 0.1), .loss = TL_BINARY_CROSSENTROPY));
    tl_history *history = tl_fit(model, tl_dataset_of(x, y), .epochs = 10, .validation_split = 0.25);
    ck_assert_msg(history != NULL, "%s", tl_error_message());
    ck_assert_double_gt(history->epochs[9].validation.accuracy, 0.95);
    tl_history_free(history);
    tl_tensor_free(&x);
    tl_tensor_free(&y);
    tl_model_free(model);
}
END_TEST

START_TEST(impossible_options_and_inputs_are_refused)
{
    static const double epsilons[] = {TL_ZERO, -1, (double)NAN};
    for (int i = 0; i < 3; i++) {
        ck_assert_ptr_null(tl_layer_normalization(.epsilon = epsilons[i]));
        check_error(TL_ERROR_ARGUMENT, "layer_normalization: epsilon");
    }
    tl_model *model = tl_sequential(tl_layer_normalization());
    ck_assert_int_ne(tl_build(model, TL_SCALAR, TL_F32, 0), TL_OK);
    check_error(TL_ERROR_SHAPE, "layer_normalization: input [] without features");
    tl_model_free(model);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("normalization");
    tcase_add_loop_test(tests, it_is_what_a_plain_loop_computes, 0, VARIANTS);
    tcase_add_test(tests, it_starts_as_in_keras);
    tcase_add_test(tests, a_large_mean_costs_nothing);
    tcase_add_test(tests, equal_features_give_beta);
    tcase_add_test(tests, layout_does_not_matter_and_masks_go_on);
    tcase_add_test(tests, it_learns_what_scale_would_hide);
    tcase_add_test(tests, impossible_options_and_inputs_are_refused);
    return run_tests("normalization", tests);
}
