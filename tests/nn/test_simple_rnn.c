/* SimpleRNN against a loop in plain doubles. */
#include "tests/nn/testing_internal.h"

enum { BATCH = 3, FEATURES = 4, UNITS = 5 };

typedef struct variant {
    bool return_sequences, go_backwards, no_bias, masked;
    tl_activation activation;
    int64_t time;
} variant;

static variant variant_of(int i)
{
    static const tl_activation activations[] = {TL_DEFAULT_ACTIVATION, TL_LINEAR, TL_SIGMOID, TL_RELU};
    static const int64_t times[] = {1, 2, 5, 50};
    return (variant){i & 1, i & 2, i & 4, i & 8, activations[i / 16 % 4], times[i / 64]};
}
enum { VARIANTS = 256 };

static double activated(double x, tl_activation activation)
{
    switch (activation) {
    case TL_LINEAR:
        return x;
    case TL_SIGMOID:
        return 1 / (1 + exp(-x));
    case TL_RELU:
        return x > 0 ? x : 0;
    default:
        return tanh(x);
    }
}

/* h <- activation(x kernel + h recurrent_kernel + bias) for one sample and step. */
static void plain_step(const tl_model *model, const variant *v, const double *x, double *h)
{
    const double *kernel = tl_data(parameter_of(model, "simple_rnn/kernel")->value);
    const double *recurrent = tl_data(parameter_of(model, "simple_rnn/recurrent_kernel")->value);
    const double *bias = v->no_bias ? NULL : tl_data(parameter_of(model, "simple_rnn/bias")->value);
    double next[UNITS];
    for (int j = 0; j < UNITS; j++) {
        double sum = bias ? bias[j] : 0;
        for (int i = 0; i < FEATURES; i++)
            sum += x[i] * kernel[i * UNITS + j];
        for (int i = 0; i < UNITS; i++)
            sum += h[i] * recurrent[i * UNITS + j];
        next[j] = activated(sum, v->activation);
    }
    memcpy(h, next, sizeof next);
}

/* Row-major [batch, time, units], or [batch, units]. */
static tl_tensor plain_rnn(const tl_model *model, const variant *v, tl_tensor x, tl_tensor mask)
{
    tl_tensor out =
        tl_tensor_new(TL_F64, v->return_sequences ? tl_shape(BATCH, v->time, UNITS) : tl_shape(BATCH, UNITS));
    double *to = tl_data_mut(out);
    const double *from = tl_data(x);
    for (int64_t row = 0; row < BATCH; row++) {
        double h[UNITS] = {0};
        for (int64_t step = 0; step < v->time; step++) {
            int64_t t = row * v->time + (v->go_backwards ? v->time - 1 - step : step);
            if (!v->masked || element(mask, t) > 0)
                plain_step(model, v, from + t * FEATURES, h);
            int64_t place = v->return_sequences ? row * v->time + step : row;
            memcpy(to + place * UNITS, h, sizeof h);
        }
    }
    return out;
}

static tl_model *new_model(const variant *v, tl_dtype dtype)
{
    tl_module *layer =
        tl_simple_rnn(UNITS, .activation = v->activation, .no_bias = v->no_bias,
                      .return_sequences = v->return_sequences, .go_backwards = v->go_backwards);
    return build_randomly(tl_sequential(layer), tl_shape(v->time, FEATURES), dtype, 0.45);
}

/* Steps masked here and there, in front, and in the last row all of them. */
static tl_tensor new_mask(int64_t time)
{
    tl_tensor mask = tl_tensor_new(TL_U8, tl_shape(BATCH, time));
    uint8_t *m = tl_data_mut(mask);
    for (int64_t i = 0; i < BATCH * time; i++)
        m[i] = i < 2 * time && (i < time ? i % 3 != 1 : i - time >= time / 2);
    return mask;
}

START_TEST(it_is_what_a_plain_loop_computes)
{
    const variant v = variant_of(_i);
    const tl_tensor none = {0};
    tl_model *model = new_model(&v, TL_F64);
    tl_tensor x = random_tensor(TL_F64, tl_shape(BATCH, v.time, FEATURES), 9), mask = new_mask(v.time);
    tl_tensor out = output_of(model, x, v.masked ? mask : none), expected = plain_rnn(model, &v, x, mask);
    double apart = difference(out, expected);
    ck_assert_msg(apart < 1e-12, "%g apart with sequences %d, backwards %d, mask %d, activation %d, time %d",
                  apart, v.return_sequences, v.go_backwards, v.masked, (int)v.activation, (int)v.time);
    tl_tensor *all[] = {&x, &mask, &out, &expected};
    for (int i = 0; i < 4; i++)
        tl_tensor_free(all[i]);
    tl_model_free(model);
}
END_TEST

/* Layout lives in strides: time-major sequences give the same bits. */
START_TEST(the_layout_of_sequences_does_not_matter)
{
    const variant v = {.return_sequences = true, .masked = true, .time = 6};
    for (int d = 0; d < 2; d++) {
        tl_model *model = new_model(&v, d ? TL_F32 : TL_F64);
        tl_tensor steps = random_tensor(d ? TL_F32 : TL_F64, tl_shape(6, BATCH, FEATURES), 2);
        tl_tensor view = tl_tensor_transpose(steps, 0, 1), rows = copy_of(view), mask = new_mask(6);
        tl_tensor a = output_of(model, view, mask), b = output_of(model, rows, mask);
        ck_assert(same_bits(a, b));
        tl_tensor *all[] = {&steps, &rows, &mask, &a, &b};
        for (int i = 0; i < 5; i++)
            tl_tensor_free(all[i]);
        tl_model_free(model);
    }
}
END_TEST

START_TEST(weights_start_as_in_keras)
{
    tl_model *model = tl_sequential(tl_simple_rnn(24));
    check_ok(tl_build(model, tl_shape(3, 12), TL_F64, 3));
    tl_tensor kernel = parameter_of(model, "simple_rnn/kernel")->value,
              u = parameter_of(model, "simple_rnn/recurrent_kernel")->value,
              bias = parameter_of(model, "simple_rnn/bias")->value;
    double most = 0;
    for (int64_t i = 0; i < 12 * 24; i++)
        most = fmax(most, fabs(element(kernel, i)));
    ck_assert_double_le(most, sqrt(6.0 / (12 + 24)));
    ck_assert_double_gt(most, 0.9 * sqrt(6.0 / (12 + 24)));
    for (int64_t i = 0; i < 24; i++) {
        double square = 0;
        for (int64_t j = 0; j < 24; j++)
            square += element(u, i * 24 + j) * element(u, i * 24 + j);
        ck_assert_double_eq_tol(square, 1, 1e-12);
        ck_assert_double_eq(element(bias, i), 0);
    }
    tl_model_free(model);
}
END_TEST

START_TEST(initializers_can_be_chosen)
{
    tl_model *model = tl_sequential(tl_simple_rnn(
        3, .kernel_initializer = TL_ONES, .recurrent_initializer = TL_IDENTITY, .bias_initializer = TL_ONES));
    check_ok(tl_build(model, tl_shape(3, 2), TL_F32, 3));
    for (int64_t i = 0; i < 6; i++)
        ck_assert_double_eq(element(parameter_of(model, "simple_rnn/kernel")->value, i), 1);
    for (int64_t i = 0; i < 9; i++)
        ck_assert_double_eq(element(parameter_of(model, "simple_rnn/recurrent_kernel")->value, i),
                            i % 4 == 0);
    ck_assert_double_eq(element(parameter_of(model, "simple_rnn/bias")->value, 2), 1);
    tl_model_free(model);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("simple_rnn");
    tcase_add_loop_test(tests, it_is_what_a_plain_loop_computes, 0, VARIANTS);
    tcase_add_test(tests, the_layout_of_sequences_does_not_matter);
    tcase_add_test(tests, weights_start_as_in_keras);
    tcase_add_test(tests, initializers_can_be_chosen);
    return run_tests("simple_rnn", tests);
}
