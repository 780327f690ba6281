/* Embedding, Dense and Dropout: values against plain loops, masks, defaults, the summary, and what is
 * refused. */
#include "tests/nn/testing_internal.h"

#include <stdio.h>

static const tl_tensor no_mask;

/* --- Embedding --- */

START_TEST(embedding_gives_rows_of_its_table)
{
    tl_model *model = build_randomly(tl_sequential(tl_embedding(6, 3)), tl_shape(4), TL_F32, 1);
    tl_tensor ids = ids_of(tl_shape(2, 4), (int32_t[]){5, 0, 2, 2, 1, 5, 3, 4});
    tl_tensor out = output_of(model, ids, no_mask),
              table = parameter_of(model, "embedding/embeddings")->value;
    ck_assert(tl_shape_equal(table.shape, tl_shape(6, 3)));
    ck_assert(tl_shape_equal(out.shape, tl_shape(2, 4, 3)));
    for (int64_t i = 0; i < 24; i++)
        ck_assert_double_eq(element(out, i), element(table, (int64_t)element(ids, i / 3) * 3 + i % 3));
    tl_tensor_free(&out);
    tl_tensor_free(&ids);
    tl_model_free(model);
}
END_TEST

static tl_tensor mask_from(bool mask_zero, tl_tensor ids)
{
    tl_model *model =
        build_randomly(tl_sequential(tl_embedding(6, 3, .mask_zero = mask_zero)), tl_shape(4), TL_F32, 1);
    tl_tape *tape = tl_tape_new();
    tl_tensor mask = tl_mask_of(tl_forward(model, tl_input(tape, ids))),
              result = tl_tensor_ok(mask) ? copy_of(mask) : mask;
    tl_tape_free(tape);
    tl_model_free(model);
    return result;
}

START_TEST(mask_zero_masks_zeros)
{
    tl_tensor ids = ids_of(tl_shape(2, 4), (int32_t[]){0, 0, 2, 0, 1, 5, 3, 0});
    tl_tensor mask = mask_from(true, ids);
    ck_assert_int_eq(mask.dtype, TL_U8);
    ck_assert(tl_shape_equal(mask.shape, tl_shape(2, 4)));
    ck_assert_mem_eq(tl_data(mask), ((uint8_t[]){0, 0, 1, 0, 1, 1, 1, 0}), 8);
    ck_assert(!tl_tensor_ok(mask_from(false, ids)));
    tl_tensor_free(&mask);
    tl_tensor_free(&ids);
}
END_TEST

START_TEST(embedding_refuses_ids_outside_its_table)
{
    const int32_t wrong[] = {6, -1};
    const char *messages[] = {"id 6, the table has rows 0 to 5", "id -1, the table has rows 0 to 5"};
    tl_model *model = build_randomly(tl_sequential(tl_embedding(6, 3)), tl_shape(2), TL_F32, 1);
    for (int i = 0; i < 2; i++) {
        tl_tensor ids = ids_of(tl_shape(1, 2), (int32_t[]){1, wrong[i]});
        ck_assert(!tl_tensor_ok(tl_predict(model, ids, 0)));
        check_error(TL_ERROR_RANGE, messages[i]);
        tl_tensor_free(&ids);
    }
    tl_tensor floats = random_tensor(TL_F32, tl_shape(1, 2), 1);
    ck_assert(!tl_tensor_ok(tl_predict(model, floats, 0)));
    check_error(TL_ERROR_DTYPE, "ids of f32");
    tl_tensor_free(&floats);
    tl_model_free(model);
}
END_TEST

/* --- Dense --- */

static double activated(double x, tl_activation activation)
{
    switch (activation) {
    case TL_TANH:
        return tanh(x);
    case TL_SIGMOID:
        return 1 / (1 + exp(-x));
    case TL_RELU:
        return fmax(x, 0);
    case TL_SOFTMAX: /* up to the sum */
        return exp(x);
    default:
        return x;
    }
}

/* One row of activation(x kernel + bias). */
static void dense_row(const tl_model *model, const double *x, tl_activation activation, bool bias, double *y)
{
    tl_tensor kernel = parameter_of(model, "dense/kernel")->value;
    int64_t in = kernel.shape.dims[0], units = kernel.shape.dims[1];
    double sum = 0;
    for (int64_t j = 0; j < units; j++) {
        y[j] = bias ? element(parameter_of(model, "dense/bias")->value, j) : 0;
        for (int64_t i = 0; i < in; i++)
            y[j] += x[i] * element(kernel, i * units + j);
        y[j] = activated(y[j], activation);
        sum += y[j];
    }
    for (int64_t j = 0; j < units && activation == TL_SOFTMAX; j++)
        y[j] /= sum;
}

/* x [..., 5] -> [..., 4] */
static void check_dense(tl_activation activation, bool bias, tl_shape shape, tl_dtype dtype)
{
    enum { IN = 5, UNITS = 4 };
    tl_shape sample = {.rank = shape.rank - 1};
    memcpy(sample.dims, shape.dims + 1, sizeof sample.dims - sizeof sample.dims[0]);
    tl_module *layer = tl_dense(UNITS, .activation = activation, .no_bias = !bias);
    tl_model *model = build_randomly(tl_sequential(layer), sample, dtype, 1);
    tl_tensor x = random_tensor(dtype, shape, 3), out = output_of(model, x, no_mask);
    shape.dims[shape.rank - 1] = UNITS;
    ck_assert(tl_shape_equal(out.shape, shape));
    for (int64_t row = 0; row < tl_tensor_count(x) / IN; row++) {
        double in[IN], expected[UNITS];
        for (int64_t i = 0; i < IN; i++)
            in[i] = element(x, row * IN + i);
        dense_row(model, in, activation, bias, expected);
        for (int64_t j = 0; j < UNITS; j++)
            ck_assert_double_eq_tol(element(out, row * UNITS + j), expected[j],
                                    dtype == TL_F64 ? 1e-13 : 2e-6);
    }
    tl_tensor_free(&out);
    tl_tensor_free(&x);
    tl_model_free(model);
}

START_TEST(dense_is_an_activation_of_an_affine_map)
{
    const tl_activation activations[] = {
        TL_DEFAULT_ACTIVATION, TL_LINEAR, TL_TANH, TL_SIGMOID, TL_RELU, TL_SOFTMAX};
    for (int i = 0; i < 6; i++)
        for (int bias = 0; bias < 2; bias++)
            for (int d = 0; d < 2; d++) {
                check_dense(activations[i], bias, tl_shape(7, 5), d ? TL_F32 : TL_F64);
                check_dense(activations[i], bias, tl_shape(3, 6, 5), d ? TL_F32 : TL_F64);
            }
}
END_TEST

START_TEST(dense_hands_a_mask_on)
{
    tl_model *model =
        build_randomly(tl_sequential(tl_dense(2), tl_dropout_layer(0.5)), tl_shape(3, 4), TL_F32, 1);
    tl_tensor x = random_tensor(TL_F32, tl_shape(1, 3, 4), 1),
              mask = tl_tensor_of(TL_U8, tl_shape(1, 3), (uint8_t[]){0, 1, 1});
    tl_tape *tape = tl_tape_new();
    tl_var *out = tl_forward(model, tl_set_mask(tl_input(tape, x), mask));
    ck_assert_msg(out != NULL, "%s", tl_error_message());
    ck_assert(same_bits(tl_mask_of(out), mask));
    tl_tape_free(tape);
    tl_tensor_free(&x);
    tl_tensor_free(&mask);
    tl_model_free(model);
}
END_TEST

/* --- Dropout --- */

START_TEST(dropout_drops_in_training_only)
{
    enum { ROWS = 100, WIDTH = 100 };
    tl_model *model = build_randomly(tl_sequential(tl_dropout_layer(0.2)), tl_shape(WIDTH), TL_F32, 1);
    tl_tensor x = tl_tensor_new(TL_F32, tl_shape(ROWS, WIDTH));
    tl_tensor_fill(x, 3);
    tl_tensor still = output_of(model, x, no_mask);
    ck_assert(same_bits(still, x));
    tl_tape *tape = tl_tape_new();
    const float *out = tl_data(tl_value(tl_forward(model, tl_input(tape, x))));
    int dropped = 0;
    for (int i = 0; i < ROWS * WIDTH; i++) {
        ck_assert(out[i] == 0 || fabs((double)out[i] - 3 / 0.8) < 1e-6);
        dropped += out[i] == 0;
    }
    ck_assert_int_gt(dropped, 1800); /* 2000 +- 5 deviations of 40 */
    ck_assert_int_lt(dropped, 2200);
    tl_tape_free(tape);
    tl_tensor_free(&still);
    tl_tensor_free(&x);
    tl_model_free(model);
}
END_TEST

/* --- All --- */

/* The largest number of a parameter, and whether all are one number. */
static void check_range(const tl_model *model, const char *name, double limit, bool constant)
{
    tl_tensor value = parameter_of(model, name)->value;
    double most = 0;
    for (int64_t i = 0; i < tl_tensor_count(value); i++)
        most = fmax(most, fabs(element(value, i)));
    ck_assert_msg(most <= limit && (constant ? most >= limit : most > 0.9 * limit), "%s: up to %g, not %g",
                  name, most, limit);
}

START_TEST(weights_start_as_in_keras)
{
    tl_model *model = tl_sequential(tl_embedding(100, 8), tl_dense(24, .activation = TL_RELU), tl_dense(6));
    check_ok(tl_build(model, tl_shape(10), TL_F32, 7));
    check_range(model, "embedding/embeddings", 0.05, false);
    check_range(model, "dense/kernel", sqrt(6.0 / (8 + 24)), false);
    check_range(model, "dense/bias", 0, true);
    check_range(model, "dense_1/kernel", sqrt(6.0 / (24 + 6)), false);
    check_range(model, "dense_1/bias", 0, true);
    tl_model_free(model);
    model = tl_sequential(tl_embedding(5, 2, .embeddings_initializer = TL_ONES),
                          tl_dense(2, .kernel_initializer = TL_ZEROS, .bias_initializer = TL_ONES));
    check_ok(tl_build(model, tl_shape(10), TL_F32, 7));
    check_range(model, "embedding/embeddings", 1, true);
    check_range(model, "dense/kernel", 0, true);
    check_range(model, "dense/bias", 1, true);
    tl_model_free(model);
}
END_TEST

START_TEST(the_summary_is_keras_table)
{
    tl_model *model = tl_sequential(tl_embedding(10000, 32), tl_simple_rnn(32, .return_sequences = true),
                                    tl_dropout_layer(0.5), tl_simple_rnn(16), tl_dense(8),
                                    tl_dense(1, .activation = TL_SIGMOID));
    ck_assert_int_eq(tl_summary(model, stdout), TL_ERROR_STATE);
    check_ok(tl_build(model, tl_shape(500), TL_F32, 0));
    parameter_of(model, "dense/kernel")->trainable = false;
    char *text;
    size_t size;
    FILE *file = open_memstream(&text, &size);
    check_ok(tl_summary(model, file));
    fclose(file);
    ck_assert_str_eq(text, "_____________________________________________________________________\n"
                           "Layer (type)                 Output Shape                    Param #\n"
                           "_____________________________________________________________________\n"
                           "embedding (embedding)        (None, 500, 32)                 320,000\n"
                           "simple_rnn (simple_rnn)      (None, 500, 32)                   2,080\n"
                           "dropout (dropout)            (None, 500, 32)                       0\n"
                           "simple_rnn_1 (simple_rnn)    (None, 16)                          784\n"
                           "dense (dense)                (None, 8)                           136\n"
                           "dense_1 (dense)              (None, 1)                             9\n"
                           "_____________________________________________________________________\n"
                           "Total params: 323,009\n"
                           "Trainable params: 322,881\n"
                           "Non-trainable params: 128\n");
    free(text);
    tl_model_free(model);
}
END_TEST

static void check_refused(tl_module *layer, const char *part)
{
    ck_assert_ptr_null(layer);
    check_error(TL_ERROR_ARGUMENT, part);
}

START_TEST(constructors_refuse_impossible_options)
{
    check_refused(tl_dense(-3), "dense: units -3");
    check_refused(tl_dense(0), "dense: units 0");
    check_refused(tl_dense(2, .activation = (tl_activation)99), "dense: activation 99");
    check_refused(tl_embedding(0, 4), "embedding: input_dim 0");
    check_refused(tl_embedding(5, -2), "output_dim -2");
    check_refused(tl_dropout_layer(1), "dropout: rate 1");
    check_refused(tl_dropout_layer(-0.1), "dropout: rate -0.1");
    check_refused(tl_dropout_layer((double)NAN), "dropout: rate nan");
    check_refused(tl_simple_rnn(-3), "simple_rnn: units -3");
    check_refused(tl_simple_rnn(4, .activation = TL_SOFTMAX), "simple_rnn: activation 5");
}
END_TEST

static void check_build_refused(tl_module *layer, tl_shape input, const char *part)
{
    tl_model *model = tl_sequential(layer);
    ck_assert_int_ne(tl_build(model, input, TL_F32, 0), TL_OK);
    check_error(tl_error_status(), part);
    tl_model_free(model);
}

START_TEST(layers_refuse_inputs_that_do_not_suit)
{
    check_build_refused(tl_dense(3), TL_SCALAR, "dense: input []");
    check_build_refused(tl_simple_rnn(3), tl_shape(4), "simple_rnn: input [4], expected [time, features]");
    check_build_refused(tl_embedding(3, 3), tl_shape(1, 1, 1, 1, 1, 1, 1), "embedding: input");
    check_build_refused(tl_dense(3, .bias_initializer = TL_ORTHOGONAL), tl_shape(4), "orthogonal");
}
END_TEST

/* A layer that has never heard of masks. */
static tl_status plain_build(tl_module *module, tl_builder *builder, tl_shape input, tl_shape *output)
{
    (void)module, (void)builder;
    *output = input;
    return TL_OK;
}

static tl_var *plain_forward(const tl_module *module, tl_var *x)
{
    (void)module;
    return tl_scale(x, 2);
}

static const tl_module_type plain = {.name = "plain", .build = plain_build, .forward = plain_forward};

START_TEST(a_layer_that_ignores_masks_says_so)
{
    for (int masked = 0; masked < 2; masked++) {
        tl_model *model = build_randomly(
            tl_sequential(tl_embedding(6, 3, .mask_zero = masked), tl_module_new(&plain, sizeof(tl_module))),
            tl_shape(4), TL_F32, 1);
        tl_tensor ids = random_ids(tl_shape(2, 4), 6, 0), out = tl_predict(model, ids, 0);
        ck_assert_int_eq(tl_tensor_ok(out), !masked);
        if (masked)
            check_error(TL_ERROR_ARGUMENT, "plain: its input has a mask, which this layer would ignore");
        tl_tensor_free(&out);
        tl_tensor_free(&ids);
        tl_model_free(model);
    }
}
END_TEST

START_TEST(a_layer_never_handed_over_is_freed)
{
    tl_module_free(tl_dense(3));
    tl_module_free(tl_simple_rnn(3));
    tl_module_free(NULL);
}
END_TEST

int main(void)
{
    return RUN_SUITE("layers", embedding_gives_rows_of_its_table, mask_zero_masks_zeros,
                     embedding_refuses_ids_outside_its_table, dense_is_an_activation_of_an_affine_map,
                     dense_hands_a_mask_on, dropout_drops_in_training_only, weights_start_as_in_keras,
                     the_summary_is_keras_table, constructors_refuse_impossible_options,
                     layers_refuse_inputs_that_do_not_suit, a_layer_that_ignores_masks_says_so,
                     a_layer_never_handed_over_is_freed);
}
