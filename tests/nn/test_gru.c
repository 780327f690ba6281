/* The GRU of examples/custom_cell, a cell as a user writes one, against a loop in plain doubles, with all
 * that tl_rnn gives it; its gradients; and what comes of one that cannot be. */
#include "examples/custom_cell/gru.c"
#include "tests/nn/gradients_internal.h"

enum { BATCH = 3, STEPS = 6, WIDTH = 4, UNITS = 5, GATES = 3 * UNITS };

/* --- Values --- */

enum { BACKWARDS = 1, MASKED = 2, DROPS = 4, SEQUENCES = 8, VARIANTS = 16 };

static double sigmoid(double x)
{
    return 1 / (1 + exp(-x));
}

/* sum + row weights[:, column]. */
static double dot(double sum, const double *row, int count, const double *weights, int column)
{
    for (int i = 0; i < count; i++)
        sum += row[i] * weights[i * GATES + column];
    return sum;
}

/* h <- z h + (1 - z) n for one sample and step; `kept`: what h is multiplied by where it meets weights. */
static void plain_step(const tl_model *model, const double *x, const double *kept, double *h)
{
    const double *kernel = tl_data(parameter_of(model, "gru/kernel")->value);
    const double *recurrent = tl_data(parameter_of(model, "gru/recurrent_kernel")->value);
    const double *bias = tl_data(parameter_of(model, "gru/bias")->value);
    double in[GATES], seen[UNITS], reset[UNITS], z[UNITS];
    for (int j = 0; j < GATES; j++)
        in[j] = dot(bias[j], x, WIDTH, kernel, j);
    for (int j = 0; j < UNITS; j++)
        seen[j] = kept[j] * h[j];
    for (int j = 0; j < UNITS; j++) {
        z[j] = sigmoid(dot(in[j], seen, UNITS, recurrent, j));
        reset[j] = seen[j] * sigmoid(dot(in[UNITS + j], seen, UNITS, recurrent, UNITS + j));
    }
    for (int j = 0; j < UNITS; j++) {
        double n = tanh(dot(in[2 * UNITS + j], reset, UNITS, recurrent, 2 * UNITS + j));
        h[j] = z[j] * h[j] + (1 - z[j]) * n;
    }
}

/* The outputs of all steps [batch, time, units], or the last [batch, units]. kept: [batch, units]. */
static tl_tensor plain_gru(const tl_model *model, int variant, tl_tensor x, tl_tensor mask, tl_tensor kept)
{
    bool sequences = variant & SEQUENCES;
    tl_tensor out = tl_tensor_new(TL_F64, sequences ? tl_shape(BATCH, STEPS, UNITS) : tl_shape(BATCH, UNITS));
    double *to = tl_data_mut(out);
    const double *from = tl_data(x), *factors = tl_data(kept);
    for (int row = 0; row < BATCH; row++) {
        double h[UNITS] = {0};
        for (int step = 0; step < STEPS; step++) {
            int t = row * STEPS + (variant & BACKWARDS ? STEPS - 1 - step : step);
            if (!(variant & MASKED) || element(mask, t) > 0)
                plain_step(model, from + t * WIDTH, factors + row * UNITS, h);
            memcpy(to + (sequences ? row * STEPS + step : row) * UNITS, h, sizeof h);
        }
    }
    return out;
}

static tl_tensor new_mask(void)
{
    return tl_tensor_of(TL_U8, tl_shape(BATCH, STEPS),
                        (uint8_t[]){1, 1, 1, 1, 1, 1, 0, 0, 1, 0, 1, 1, 1, 1, 1, 0, 0, 0});
}

/* Gives what a state of ones has become under recurrent dropout. */
static tl_var *probe_step(void *self, tl_var *x, tl_var *state[])
{
    (void)self;
    tl_var *ones = tl_zeros(tl_tape_of(x), tl_dtype_of(state[0]), tl_shape_of(state[0]));
    check_ok(tl_tensor_fill(tl_value(ones), 1));
    return state[0] = tl_dropped(x, ones);
}

/* The output in training mode on a new tape, where the same places are dropped every time. */
static tl_tensor trained_output(tl_model *model, tl_tensor x, tl_tensor mask)
{
    tl_tape *tape = tl_tape_new();
    tl_var *input = tl_input(tape, x);
    tl_var *y = tl_forward(model, tl_tensor_ok(mask) ? tl_set_mask(input, mask) : input);
    ck_assert_msg(y != NULL, "%s", tl_error_message());
    tl_tensor output = copy_of(tl_value(y));
    tl_tape_free(tape);
    return output;
}

static tl_tensor dropout_factors(double rate, tl_tensor x)
{
    tl_cell probe = {.name = "probe", .states = {UNITS}, .step = probe_step, .applies_dropout = true};
    tl_model *model = tl_sequential(tl_rnn(&probe, .recurrent_dropout = rate));
    check_ok(tl_build(model, tl_shape(STEPS, WIDTH), TL_F64, 0));
    tl_tensor factors = trained_output(model, x, (tl_tensor){0});
    tl_model_free(model);
    return factors;
}

START_TEST(it_is_what_a_plain_loop_computes)
{
    const tl_tensor none = {0};
    double rate = _i & DROPS ? 0.4 : 0;
    tl_model *model =
        build_randomly(tl_sequential(tl_rnn(gru(UNITS), .go_backwards = _i & BACKWARDS,
                                            .return_sequences = _i & SEQUENCES, .recurrent_dropout = rate)),
                       tl_shape(STEPS, WIDTH), TL_F64, 0.8);
    tl_tensor x = random_tensor(TL_F64, tl_shape(BATCH, STEPS, WIDTH), 9), mask = new_mask();
    tl_tensor kept = dropout_factors(rate, x), out = trained_output(model, x, _i & MASKED ? mask : none),
              expected = plain_gru(model, _i, x, mask, kept);
    ck_assert(rate == 0 || tl_tensor_at(kept, (int64_t[]){0, 0}) != 1);
    double apart = difference(out, expected);
    ck_assert_msg(apart < 1e-12, "variant %d: %g apart", _i, apart);
    tl_tensor *all[] = {&x, &mask, &kept, &out, &expected};
    for (int i = 0; i < 5; i++)
        tl_tensor_free(all[i]);
    tl_model_free(model);
}
END_TEST

/* In inference nothing is dropped: the same as a layer without dropout. */
START_TEST(nothing_is_dropped_outside_of_training)
{
    tl_tensor x = random_tensor(TL_F64, tl_shape(BATCH, STEPS, WIDTH), 9), outputs[2];
    for (int i = 0; i < 2; i++) {
        tl_module *layer = tl_rnn(gru(UNITS), .dropout = 0.5 * i, .recurrent_dropout = 0.5 * i);
        tl_model *model = build_randomly(tl_sequential(layer), tl_shape(STEPS, WIDTH), TL_F64, 0.8);
        outputs[i] = output_of(model, x, (tl_tensor){0});
        tl_model_free(model);
    }
    ck_assert(same_bits(outputs[0], outputs[1]));
    tl_tensor *all[] = {&x, &outputs[0], &outputs[1]};
    for (int i = 0; i < 3; i++)
        tl_tensor_free(all[i]);
}
END_TEST

START_TEST(its_parameters_are_those_of_keras)
{
    tl_model *model = tl_sequential(tl_rnn(gru(UNITS)));
    check_ok(tl_build(model, tl_shape(STEPS, WIDTH), TL_F64, 3));
    tl_tensor kernel = parameter_of(model, "gru/kernel")->value,
              recurrent = parameter_of(model, "gru/recurrent_kernel")->value,
              bias = parameter_of(model, "gru/bias")->value;
    ck_assert(tl_shape_equal(kernel.shape, tl_shape(WIDTH, GATES)));
    ck_assert(tl_shape_equal(recurrent.shape, tl_shape(UNITS, GATES)));
    ck_assert(tl_shape_equal(bias.shape, tl_shape(GATES)));
    for (int i = 0; i < UNITS; i++)
        for (int j = 0; j < UNITS; j++) {
            double product = 0;
            for (int k = 0; k < GATES; k++)
                product += element(recurrent, i * GATES + k) * element(recurrent, j * GATES + k);
            ck_assert_double_eq_tol(product, i == j, 1e-12);
        }
    for (int i = 0; i < GATES; i++)
        ck_assert_double_eq(element(bias, i), 0);
    tl_model_free(model);
}
END_TEST

/* --- Gradients --- */

static tl_module *plain(bool sequences)
{
    return tl_rnn(gru(UNITS), .return_sequences = sequences);
}

static tl_module *reversed(bool sequences)
{
    return tl_rnn(gru(UNITS), .return_sequences = sequences, .go_backwards = true);
}

static tl_module *with_recurrent_dropout(bool sequences)
{
    return tl_rnn(gru(UNITS), .return_sequences = sequences, .recurrent_dropout = 0.4);
}

static tl_module *with_dropout(bool sequences)
{
    return tl_rnn(gru(UNITS), .return_sequences = sequences, .dropout = 0.4);
}

static tl_module *in_both_directions(bool sequences)
{
    return tl_bidirectional(plain(sequences), plain(sequences));
}

static tl_module *(*const layers[])(bool sequences) = {plain, reversed, with_recurrent_dropout, with_dropout,
                                                       in_both_directions};
enum { LAYERS = sizeof layers / sizeof layers[0] };

static void check_gradients_of(tl_model *model)
{
    build_randomly(model, tl_shape(STEPS, WIDTH), TL_F64, 0.8);
    tl_tensor x = random_tensor(TL_F64, tl_shape(BATCH, STEPS, WIDTH), 4), mask = new_mask();
    check_on_tape(model, x, (tl_tensor){0});
    int count;
    tl_parameter *const *parameters = tl_model_parameters(model, &count);
    for (int i = 0; i < count; i++)
        check_ok(tl_tensor_fill(parameters[i]->gradient, 0));
    check_on_tape(model, x, mask);
    tl_tensor_free(&x);
    tl_tensor_free(&mask);
    tl_model_free(model);
}

START_TEST(gradients_through_one_layer)
{
    check_gradients_of(tl_sequential(layers[_i](false)));
}
END_TEST

START_TEST(gradients_through_two_layers)
{
    check_gradients_of(tl_sequential(layers[_i](true), layers[_i](false), tl_dense(1)));
}
END_TEST

START_TEST(gradients_of_every_step)
{
    check_gradients_of(tl_sequential(layers[_i](true)));
}
END_TEST

/* Table projection, shards and the loss with its mask on top. */
START_TEST(gradients_in_training)
{
    tl_tensor x = padded_ids(13, STEPS, 11, 1), y = random_labels(13, 2, 1);
    check_trained(tl_sequential(tl_embedding(11, WIDTH, .mask_zero = true), tl_rnn(gru(UNITS)),
                                tl_dense(1, .activation = TL_SIGMOID)),
                  tl_shape(STEPS), x, y, TL_BINARY_CROSSENTROPY);
    tl_tensor_free(&x);
    tl_tensor_free(&y);
}
END_TEST

/* --- What cannot be --- */

START_TEST(a_cell_without_units_is_an_error)
{
    ck_assert_ptr_null(tl_rnn(gru(0)));
    check_error(TL_ERROR_ARGUMENT, "cell gru needs a step and at least one state of width 1 or more");
    ck_assert_ptr_null(tl_rnn(gru(-1)));
    check_error(TL_ERROR_ARGUMENT, "cell gru");
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("gru");
    tcase_add_loop_test(tests, it_is_what_a_plain_loop_computes, 0, VARIANTS);
    tcase_add_test(tests, nothing_is_dropped_outside_of_training);
    tcase_add_test(tests, its_parameters_are_those_of_keras);
    tcase_add_loop_test(tests, gradients_through_one_layer, 0, LAYERS);
    tcase_add_loop_test(tests, gradients_through_two_layers, 0, LAYERS);
    tcase_add_loop_test(tests, gradients_of_every_step, 0, LAYERS);
    tcase_add_test(tests, gradients_in_training);
    tcase_add_test(tests, a_cell_without_units_is_an_error);
    return run_tests("gru", tests);
}
