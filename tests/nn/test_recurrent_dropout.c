/* dropout and recurrent_dropout: what is drawn, where it goes in, and what it leaves alone. */
#include "tensor/threads.h"
#include "tests/nn/cells_internal.h"
#include "tests/nn/testing_internal.h"

enum { ROWS = 7, TIME = 6, WIDTH = 3, UNITS = 5, SIMPLE = 2 * USER_CELLS, LAYERS = SIMPLE + 1 };

static const double rate = 0.4, recurrent_rate = 0.3;

/* --- What is drawn --- */

static tl_var *show_input(void *self, tl_var *x, tl_var *state[])
{
    (void)self, (void)state;
    return x;
}

static tl_var *show_state(void *self, tl_var *x, tl_var *state[])
{
    (void)self;
    return tl_dropped(x, state[0]);
}

/* A tape in training mode that draws for rows from `first` on. */
static tl_tape *training_tape(uint64_t seed, uint64_t step, int64_t first)
{
    tl_tape *tape = tl_tape_new();
    tl_tape_set_random(tape, seed, step, first);
    return tape;
}

/* [rows, TIME, features or units]: what a layer of that size multiplies inputs by, or states. */
static tl_tensor factors_of(bool of_state, int64_t rows, int64_t features, int64_t units, tl_tape *tape)
{
    tl_cell cell = {.name = "probe",
                    .states = {of_state ? units : features},
                    .step = of_state ? show_state : show_input,
                    .applies_dropout = true};
    tl_module *layer =
        tl_rnn(&cell, .return_sequences = true, .dropout = rate, .recurrent_dropout = recurrent_rate);
    tl_builder builder = {.dtype = TL_F64};
    check_ok(tl_module_build(layer, &builder, tl_shape(TIME, features)));
    tl_tensor x = tl_tensor_new(TL_F64, tl_shape(rows, TIME, features)),
              state = tl_tensor_new(TL_F64, tl_shape(rows, cell.states[0]));
    tl_tensor_fill(x, 1);
    tl_tensor_fill(state, 1);
    tl_var *initial[] = {tl_input(tape, state)};
    tl_tensor factors = copy_of(tl_value(tl_rnn_forward(layer, tl_input(tape, x), initial, NULL)));
    tl_tape_free(tape);
    tl_module_free(layer);
    tl_tensor_free(&x);
    tl_tensor_free(&state);
    return factors;
}

static bool all_steps_alike(tl_tensor factors)
{
    for (int64_t t = 1; t < TIME; t++)
        if (!same_bits(tl_tensor_select(factors, 1, t), tl_tensor_select(factors, 1, 0)))
            return false;
    return true;
}

/* Loop: of inputs, of states. */
START_TEST(what_is_dropped_stays_dropped_for_a_whole_sequence)
{
    enum { MANY = 200, WIDE = 16 };
    double share = _i ? recurrent_rate : rate;
    int64_t dropped = 0;
    tl_tensor factors = factors_of(_i, MANY, WIDE, WIDE, training_tape(1, 0, 0));
    ck_assert(all_steps_alike(factors));
    for (int64_t i = 0; i < tl_tensor_count(factors); i++) {
        double factor = element(factors, i);
        ck_assert(factor == 0 || factor == 1 / (1 - share));
        dropped += factor == 0;
    }
    ck_assert_double_eq_tol((double)dropped / (double)tl_tensor_count(factors), share, 0.03);
    for (int64_t row = 1; row < MANY; row++)
        ck_assert(!same_bits(tl_tensor_select(factors, 0, row), tl_tensor_select(factors, 0, row - 1)));
    tl_tensor_free(&factors);
}
END_TEST

START_TEST(draws_follow_from_seed_step_and_row)
{
    enum { MANY = 20, SHARD = 8, WIDE = 16 };
    tl_tensor whole = factors_of(_i, MANY, WIDE, WIDE, training_tape(1, 5, 0)),
              again = factors_of(_i, MANY, WIDE, WIDE, training_tape(1, 5, 0)),
              seed = factors_of(_i, MANY, WIDE, WIDE, training_tape(2, 5, 0)),
              step = factors_of(_i, MANY, WIDE, WIDE, training_tape(1, 6, 0)),
              shard = factors_of(_i, SHARD, WIDE, WIDE, training_tape(1, 5, SHARD));
    ck_assert(same_bits(whole, again));
    ck_assert(!same_bits(whole, seed));
    ck_assert(!same_bits(whole, step));
    ck_assert(same_bits(shard, tl_tensor_slice(whole, 0, SHARD, SHARD)));
    tl_tensor *all[] = {&whole, &again, &seed, &step, &shard};
    for (int i = 0; i < 5; i++)
        tl_tensor_free(all[i]);
}
END_TEST

/* --- Where it goes in --- */

/* Steps masked here and there, in front, and in the last row all of them. */
static tl_tensor new_mask(void)
{
    tl_tensor mask = tl_tensor_new(TL_U8, tl_shape(ROWS, TIME));
    uint8_t *m = tl_data_mut(mask);
    for (int64_t i = 0; i < (ROWS - 1) * TIME; i++)
        m[i] = (i % TIME) >= (i / TIME) / 2 && i % 5 != 3;
    return mask;
}

static tl_var *input_on(tl_tape *tape, tl_tensor x, tl_tensor mask)
{
    return tl_set_mask(tl_input(tape, x), mask);
}

/* h = tanh((x fx) kernel + (h fh) recurrent_kernel + bias), fx and fh the same at every step. */
static void plain_step(const tl_model *model, const double *x, const double *fx, const double *fh, double *h)
{
    const double *kernel = tl_data(parameter_of(model, "simple_rnn/kernel")->value),
                 *recurrent = tl_data(parameter_of(model, "simple_rnn/recurrent_kernel")->value),
                 *bias = tl_data(parameter_of(model, "simple_rnn/bias")->value);
    double next[UNITS];
    for (int j = 0; j < UNITS; j++) {
        double sum = bias[j];
        for (int i = 0; i < WIDTH; i++)
            sum += x[i] * fx[i] * kernel[i * UNITS + j];
        for (int i = 0; i < UNITS; i++)
            sum += h[i] * fh[i] * recurrent[i * UNITS + j];
        next[j] = tanh(sum);
    }
    memcpy(h, next, sizeof next);
}

static tl_tensor plain_rnn(const tl_model *model, tl_tensor x, tl_tensor mask, tl_tensor fx, tl_tensor fh)
{
    tl_tensor out = tl_tensor_new(TL_F64, tl_shape(ROWS, TIME, UNITS));
    double *to = tl_data_mut(out);
    const double *from = tl_data(x), *of_inputs = tl_data(fx), *of_states = tl_data(fh);
    for (int64_t row = 0; row < ROWS; row++) {
        double h[UNITS] = {0};
        for (int64_t t = 0; t < TIME; t++) {
            int64_t place = row * TIME + t;
            if (!tl_tensor_ok(mask) || element(mask, place) > 0)
                plain_step(model, from + place * WIDTH, of_inputs + place * WIDTH, of_states + place * UNITS,
                           h);
            memcpy(to + place * UNITS, h, sizeof h);
        }
    }
    return out;
}

START_TEST(simple_rnn_is_a_plain_loop_with_factors)
{
    tl_model *model =
        build_randomly(tl_sequential(tl_simple_rnn(UNITS, .return_sequences = true, .dropout = rate,
                                                   .recurrent_dropout = recurrent_rate)),
                       tl_shape(TIME, WIDTH), TL_F64, 0.6);
    tl_tensor x = random_tensor(TL_F64, tl_shape(ROWS, TIME, WIDTH), 4);
    tl_tensor mask = _i ? new_mask() : (tl_tensor){0};
    tl_tensor fx = factors_of(false, ROWS, WIDTH, UNITS, training_tape(3, 9, 0)),
              fh = factors_of(true, ROWS, WIDTH, UNITS, training_tape(3, 9, 0));
    tl_tape *tape = training_tape(3, 9, 0);
    tl_tensor out = copy_of(tl_value(tl_forward(model, input_on(tape, x, mask)))),
              expected = plain_rnn(model, x, mask, fx, fh);
    ck_assert_double_lt(difference(out, expected), 1e-12);
    tl_tape_free(tape);
    tl_tensor *all[] = {&x, &mask, &fx, &fh, &out, &expected};
    for (int i = 0; i < 6; i++)
        tl_tensor_free(all[i]);
    tl_model_free(model);
}
END_TEST

/* A state that reaches the next in two ways: h + tanh(x + h u), where only that before u loses elements. */
static tl_var *leaky_step(void *self, tl_var *x, tl_var *state[])
{
    user_cell *c = self;
    tl_var *recurrent = user_recurrent(c, tl_dropped(x, state[0]), 0);
    return state[0] = tl_add(state[0], tl_tanh(tl_add(user_input(c, x), recurrent)));
}

enum { LEAKY = USER_CELLS, CELLS = USER_CELLS + 1 };

static user_cell cell_of(int which)
{
    user_cell cell = new_cell(which == LEAKY ? 3 : which, UNITS, true); /* one gate */
    if (which == LEAKY) {
        cell.cell.name = "leaky";
        cell.cell.step = leaky_step;
        cell.cell.applies_dropout = true;
    }
    return cell;
}

/* The same cell by hand: state 0 is handed to it with its factors, or multiplied where the cell asks. */
static tl_tensor loop_of(user_cell *cell, tl_tensor x, tl_tensor fx, tl_tensor fh)
{
    tl_tape *tape = tl_tape_new();
    tl_var *state[TL_MAX_STATES], *outputs[TIME];
    for (int i = 0; i < 2; i++)
        state[i] = tl_zeros(tape, TL_F64, tl_shape(ROWS, UNITS));
    tl_var *projected = user_project(cell, tl_mul(tl_input(tape, x), tl_input(tape, fx)));
    tl_var *factors = tl_input(tape, tl_tensor_select(fh, 1, 0));
    for (int64_t t = 0; t < TIME; t++) {
        tl_var *in = tl_select(projected, 1, t);
        if (cell->cell.applies_dropout) {
            tl_var *recurrent = user_recurrent(cell, tl_mul(state[0], factors), 0);
            outputs[t] = state[0] = tl_add(state[0], tl_tanh(tl_add(in, recurrent)));
        } else {
            state[0] = tl_mul(state[0], factors);
            outputs[t] = cell->cell.step(cell, in, state);
        }
    }
    tl_tensor result = copy_of(tl_value(tl_stack(outputs, TIME, 1)));
    tl_tape_free(tape);
    return result;
}

START_TEST(cells_of_users_are_handed_dropped_states)
{
    user_cell cell = cell_of(_i);
    tl_model *model = build_randomly(tl_sequential(tl_rnn(&cell, .return_sequences = true, .dropout = rate,
                                                          .recurrent_dropout = recurrent_rate)),
                                     tl_shape(TIME, WIDTH), TL_F64, 0.6);
    tl_tensor x = random_tensor(TL_F64, tl_shape(ROWS, TIME, WIDTH), 4);
    tl_tensor fx = factors_of(false, ROWS, WIDTH, UNITS, training_tape(3, 9, 0)),
              fh = factors_of(true, ROWS, WIDTH, UNITS, training_tape(3, 9, 0));
    tl_tape *tape = training_tape(3, 9, 0);
    tl_tensor out = copy_of(tl_value(tl_forward(model, tl_input(tape, x)))),
              expected = loop_of(&cell, x, fx, fh);
    ck_assert_double_lt(difference(out, expected), 1e-12);
    tl_tape_free(tape);
    tl_tensor *all[] = {&x, &fx, &fh, &out, &expected};
    for (int i = 0; i < 5; i++)
        tl_tensor_free(all[i]);
    tl_model_free(model);
}
END_TEST

/* --- What it leaves alone --- */

/* Layers by number: the user's cells with and without a projection, then SimpleRNN. */
static tl_module *new_layer(user_cell *cell, int which, double dropout, double recurrent_dropout)
{
    if (which == SIMPLE)
        return tl_simple_rnn(UNITS, .return_sequences = true, .dropout = dropout,
                             .recurrent_dropout = recurrent_dropout);
    *cell = new_cell(which / 2, UNITS, which % 2);
    return tl_rnn(cell, .return_sequences = true, .dropout = dropout, .recurrent_dropout = recurrent_dropout);
}

START_TEST(inference_is_unchanged)
{
    user_cell cells[2];
    tl_model *with = tl_sequential(new_layer(&cells[0], _i, rate, recurrent_rate)),
             *without = tl_sequential(new_layer(&cells[1], _i, 0, 0));
    build_randomly(with, tl_shape(TIME, WIDTH), TL_F32, 0.6);
    build_randomly(without, tl_shape(TIME, WIDTH), TL_F32, 0.6);
    tl_tensor x = random_tensor(TL_F32, tl_shape(ROWS, TIME, WIDTH), 4), mask = new_mask();
    tl_tensor a = output_of(with, x, mask), b = output_of(without, x, mask);
    ck_assert(same_bits(a, b));
    tl_tensor *all[] = {&x, &mask, &a, &b};
    for (int i = 0; i < 4; i++)
        tl_tensor_free(all[i]);
    tl_model_free(with);
    tl_model_free(without);
}
END_TEST

/* Masked rows go on with the whole state: what they repeat has lost nothing. */
START_TEST(masked_rows_keep_their_whole_states)
{
    user_cell cell;
    tl_module *layer = new_layer(&cell, _i, 0, 0.9);
    tl_model *model = build_randomly(tl_sequential(layer), tl_shape(TIME, WIDTH), TL_F64, 0.6);
    tl_tensor x = random_tensor(TL_F64, tl_shape(ROWS, TIME, WIDTH), 4), mask = new_mask();
    tl_tensor state = random_tensor(TL_F64, tl_shape(ROWS, UNITS), 5);
    tl_tape *tape = training_tape(1, 1, 0);
    tl_var *initial[] = {tl_input(tape, state), tl_input(tape, state)}, *final[TL_MAX_STATES];
    tl_tensor out = tl_value(tl_rnn_forward(layer, input_on(tape, x, mask), initial, final));
    for (int64_t row = 0; row < ROWS; row++)
        for (int64_t t = 0; t < TIME; t++) {
            if (element(mask, row * TIME + t) > 0)
                continue;
            tl_tensor sequence = tl_tensor_select(out, 0, row);
            tl_tensor before = t > 0 ? tl_tensor_select(sequence, 0, t - 1) : tl_tensor_select(state, 0, row);
            ck_assert_msg(same_bits(tl_tensor_select(sequence, 0, t), before), "row %d, step %d", (int)row,
                          (int)t);
        }
    for (int i = 0; i < TL_MAX_STATES && final[i]; i++) /* the last row is all padding */
        ck_assert(same_bits(tl_tensor_select(tl_value(final[i]), 0, ROWS - 1),
                            tl_tensor_select(state, 0, ROWS - 1)));
    tl_tape_free(tape);
    tl_tensor_free(&x);
    tl_tensor_free(&mask);
    tl_tensor_free(&state);
    tl_model_free(model);
}
END_TEST

/* --- In training --- */

enum { SAMPLES = 45, WORDS = 9, EPOCHS = 3 };

static tl_model *new_text_model(user_cell *cell, int which, double learning_rate)
{
    tl_model *model = tl_sequential(
        tl_embedding(WORDS, WIDTH, .mask_zero = true), new_layer(cell, which, rate, recurrent_rate),
        tl_simple_rnn(UNITS, .recurrent_dropout = recurrent_rate), tl_dense(1, .activation = TL_SIGMOID));
    check_ok(tl_compile(model, .optimizer = tl_sgd(.learning_rate = learning_rate),
                        .loss = TL_BINARY_CROSSENTROPY));
    return build_randomly(model, tl_shape(TIME), TL_F32, 0.6);
}

static tl_history *train(tl_model *model, tl_dataset data, int threads, uint64_t seed)
{
    check_ok(tl_set_threads(threads));
    tl_history *history =
        tl_fit(model, data, .epochs = EPOCHS, .batch_size = 20, .no_shuffle = true, .seed = seed);
    ck_assert_msg(history != NULL, "%s", tl_error_message());
    return history;
}

START_TEST(threads_change_no_bit)
{
    tl_tensor x = padded_ids(SAMPLES, TIME, WORDS, 1), y = random_labels(SAMPLES, 2, 2);
    tl_dataset data = tl_dataset_of(x, y);
    user_cell cells[4];
    tl_model *models[4];
    for (int i = 0; i < 4; i++) {
        models[i] = new_text_model(&cells[i], _i, 0.1);
        tl_history_free(train(models[i], data, (int[]){1, 2, 5, 1}[i], i < 3 ? 7 : 8));
    }
    ck_assert(same_weights(models[0], models[1]));
    ck_assert(same_weights(models[0], models[2]));
    ck_assert(!same_weights(models[0], models[3])); /* another seed */
    for (int i = 0; i < 4; i++)
        tl_model_free(models[i]);
    tl_tensor_free(&x);
    tl_tensor_free(&y);
}
END_TEST

/* The weights stand still, so the losses of epochs differ by what was dropped alone. */
START_TEST(every_step_draws_anew)
{
    tl_tensor x = padded_ids(SAMPLES, TIME, WORDS, 1), y = random_labels(SAMPLES, 2, 2);
    user_cell cell;
    tl_model *model = new_text_model(&cell, SIMPLE, TL_ZERO);
    tl_history *history = train(model, tl_dataset_of(x, y), 2, 7);
    for (int i = 1; i < EPOCHS; i++)
        ck_assert_double_ne(history->epochs[i].train.loss, history->epochs[i - 1].train.loss);
    tl_history_free(history);
    tl_model_free(model);
    tl_tensor_free(&x);
    tl_tensor_free(&y);
}
END_TEST

/* The vectors of ids, as the first layer of a model hands them on. */
static tl_tensor vectors_of(tl_tensor ids, tl_tensor table)
{
    tl_tape *tape = tl_tape_new();
    tl_tensor vectors = copy_of(tl_value(tl_gather(tl_input(tape, table), tl_input(tape, ids))));
    tl_tape_free(tape);
    return vectors;
}

/* A table of 9 rows is far smaller than a batch of words, but what is dropped belongs to sequences. */
START_TEST(tables_are_not_projected_while_inputs_are_dropped)
{
    user_cell cells[2];
    tl_model *words =
                 tl_sequential(tl_embedding(WORDS, WIDTH), new_layer(&cells[0], _i, rate, 0), tl_dense(1)),
             *vectors = tl_sequential(new_layer(&cells[1], _i, rate, 0), tl_dense(1));
    tl_model *models[] = {words, vectors};
    tl_tensor ids = random_ids(tl_shape(SAMPLES, TIME), WORDS, 1),
              y = random_tensor(TL_F64, tl_shape(SAMPLES, TIME, 1), 2);
    for (int i = 0; i < 2; i++)
        check_ok(
            tl_compile(models[i], .optimizer = tl_sgd(.learning_rate = 0.5), .loss = TL_MEAN_SQUARED_ERROR));
    build_randomly(words, tl_shape(TIME), TL_F64, 0.6);
    check_ok(tl_build(vectors, tl_shape(TIME, WIDTH), TL_F64, 1));
    int count, other;
    tl_parameter *const *from = tl_model_parameters(words, &count), *const *to =
                                                                        tl_model_parameters(vectors, &other);
    ck_assert_int_eq(count, other + 1);
    for (int i = 0; i < other; i++)
        check_ok(tl_tensor_copy(to[i]->value, from[i + 1]->value));
    from[0]->trainable = false;
    tl_tensor x = vectors_of(ids, from[0]->value);
    tl_history *a = train(words, tl_dataset_of(ids, y), 2, 7), *b = train(vectors, tl_dataset_of(x, y), 2, 7);
    for (int i = 0; i < EPOCHS; i++)
        ck_assert_double_eq_tol(a->epochs[i].train.loss, b->epochs[i].train.loss, 1e-12);
    for (int i = 0; i < other; i++)
        ck_assert_double_lt(difference(to[i]->value, from[i + 1]->value), 1e-12);
    tl_tensor p = tl_predict(words, ids, 0), q = tl_predict(vectors, x, 0); /* here it is projected */
    ck_assert_double_lt(difference(p, q), 1e-12);
    tl_history_free(a);
    tl_history_free(b);
    tl_tensor *all[] = {&ids, &y, &x, &p, &q};
    for (int i = 0; i < 5; i++)
        tl_tensor_free(all[i]);
    tl_model_free(words);
    tl_model_free(vectors);
}
END_TEST

START_TEST(impossible_rates_are_refused)
{
    static const double rates[][2] = {{1, 0}, {0, 1}, {-0.1, 0}, {0, 7}, {(double)NAN, 0}, {0, (double)NAN}};
    ck_assert_ptr_null(tl_simple_rnn(3, .dropout = rates[_i][0], .recurrent_dropout = rates[_i][1]));
    check_error(TL_ERROR_ARGUMENT, "rnn: cell simple_rnn with dropout");
    ck_assert_ptr_nonnull(strstr(tl_error_message(), "expected 0 to less than 1"));
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("recurrent_dropout");
    tcase_add_loop_test(tests, what_is_dropped_stays_dropped_for_a_whole_sequence, 0, 2);
    tcase_add_loop_test(tests, draws_follow_from_seed_step_and_row, 0, 2);
    tcase_add_loop_test(tests, simple_rnn_is_a_plain_loop_with_factors, 0, 2);
    tcase_add_loop_test(tests, cells_of_users_are_handed_dropped_states, 0, CELLS);
    tcase_add_loop_test(tests, inference_is_unchanged, 0, LAYERS);
    tcase_add_loop_test(tests, masked_rows_keep_their_whole_states, 0, LAYERS);
    tcase_add_loop_test(tests, threads_change_no_bit, 0, LAYERS);
    tcase_add_test(tests, every_step_draws_anew);
    tcase_add_loop_test(tests, tables_are_not_projected_while_inputs_are_dropped, 0, LAYERS);
    tcase_add_loop_test(tests, impossible_rates_are_refused, 0, 6);
    return run_tests("recurrent_dropout", tests);
}
