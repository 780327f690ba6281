/* States carried from batch to batch: a long sequence in windows is what it is in one piece, for layers of
 * every kind; when they are forgotten; and truncated backpropagation through time. */
#include "tensor/threads.h"
#include "tests/nn/cells_internal.h"
#include "tests/nn/testing_internal.h"

/* Three shards of rows, the last one short. */
enum { ROWS = 20, TIME = 12, WIDTH = 3, UNITS = 5, WORDS = 9, SIMPLE = 2 * USER_CELLS, LAYERS = SIMPLE + 1 };

/* Layers by number: the user's cells with and without a projection, then SimpleRNN. `cell` must outlive it.
 */
static tl_module *new_layer(user_cell *cell, int which, bool stateful, bool sequences)
{
    if (which == SIMPLE)
        return tl_simple_rnn(UNITS, .return_sequences = sequences, .stateful = stateful);
    *cell = new_cell(which / 2, UNITS, which % 2);
    return tl_rnn(cell, .return_sequences = sequences, .stateful = stateful);
}

/* Two layers over features, or over words with padding. */
typedef struct stack {
    user_cell cells[2];
    tl_model *model;
} stack;

static tl_model *new_stack(stack *s, int which, bool stateful, bool words, tl_dtype dtype)
{
    tl_module *first = new_layer(&s->cells[0], which, stateful, true),
              *second = new_layer(&s->cells[1], which, stateful, true);
    if (words)
        s->model = tl_sequential(tl_embedding(WORDS, WIDTH, .mask_zero = true), first, second);
    else
        s->model = tl_sequential(first, second);
    return build_randomly(s->model, words ? tl_shape(TL_ANY) : tl_shape(TL_ANY, WIDTH), dtype, 0.6);
}

static tl_tensor predict(tl_model *model, tl_tensor x, int64_t batch_size)
{
    tl_tensor y = tl_predict(model, x, batch_size);
    ck_assert_msg(tl_tensor_ok(y), "%s", tl_error_message());
    return y;
}

/* Windows of different lengths, one after the other, against the whole. */
static void check_windows(tl_model *model, tl_tensor x, tl_tensor whole, int threads)
{
    static const int64_t lengths[] = {5, 1, 4, 2};
    check_ok(tl_set_threads(threads));
    check_ok(tl_reset_states(model));
    int64_t start = 0;
    for (int i = 0; i < 4; start += lengths[i++]) {
        tl_tensor part = predict(model, tl_tensor_slice(x, 1, start, lengths[i]), ROWS);
        ck_assert_msg(same_bits(part, tl_tensor_slice(whole, 1, start, lengths[i])),
                      "window %d on %d threads differs by %g", i, threads,
                      difference(part, tl_tensor_slice(whole, 1, start, lengths[i])));
        tl_tensor_free(&part);
    }
}

START_TEST(windows_are_one_long_sequence)
{
    for (int words = 0; words < 2; words++)
        for (int d = 0; d < 2; d++) {
            stack plain, stateful;
            tl_dtype dtype = d ? TL_F32 : TL_F64;
            new_stack(&plain, _i, false, words, dtype);
            new_stack(&stateful, _i, true, words, dtype);
            tl_tensor x = words ? padded_ids(ROWS, TIME, WORDS, 1)
                                : random_tensor(dtype, tl_shape(ROWS, TIME, WIDTH), 1);
            tl_tensor whole = predict(plain.model, x, ROWS);
            for (int threads = 1; threads <= 2; threads++)
                check_windows(stateful.model, x, whole, threads);
            tl_tensor_free(&x);
            tl_tensor_free(&whole);
            tl_model_free(plain.model);
            tl_model_free(stateful.model);
        }
}
END_TEST

/* Sample j * ROWS + b is window j of row b, as tl_streams lays them out. */
enum { WINDOW = 4, WINDOWS = TIME / WINDOW };

static tl_tensor windows_of(tl_tensor x)
{
    tl_shape shape = x.shape;
    shape.dims[0] = WINDOWS * ROWS;
    shape.dims[1] = WINDOW;
    tl_tensor windows = tl_tensor_new(x.dtype, shape);
    for (int64_t j = 0; j < WINDOWS; j++)
        check_ok(tl_tensor_copy(tl_tensor_slice(windows, 0, j * ROWS, ROWS),
                                tl_tensor_slice(x, 1, j * WINDOW, WINDOW)));
    return windows;
}

START_TEST(batches_of_one_call_follow_each_other)
{
    stack plain, stateful;
    new_stack(&plain, _i, false, false, TL_F32);
    new_stack(&stateful, _i, true, false, TL_F32);
    tl_tensor x = random_tensor(TL_F32, tl_shape(ROWS, TIME, WIDTH), 1), windows = windows_of(x);
    tl_tensor whole = predict(plain.model, x, 0), expected = windows_of(whole);
    tl_tensor first = predict(stateful.model, windows, ROWS), second = predict(stateful.model, windows, ROWS);
    check_ok(tl_reset_states(stateful.model));
    tl_tensor third = predict(stateful.model, windows, ROWS);
    ck_assert(same_bits(first, expected));
    ck_assert(!same_bits(second, expected)); /* it went on from where the first call ended */
    ck_assert(same_bits(third, expected));
    tl_tensor *all[] = {&x, &windows, &whole, &expected, &first, &second, &third};
    for (int i = 0; i < 7; i++)
        tl_tensor_free(all[i]);
    tl_model_free(plain.model);
    tl_model_free(stateful.model);
}
END_TEST

/* Both directions carry states of their own: backwards, each window goes on from the start of the last. */
START_TEST(a_layer_inside_another_carries_its_states_too)
{
    tl_model *both =
        tl_sequential(tl_bidirectional(tl_simple_rnn(2, .stateful = true, .return_sequences = true),
                                       tl_simple_rnn(2, .stateful = true, .return_sequences = true)));
    build_randomly(both, tl_shape(WINDOW, WIDTH), TL_F32, 0.6);
    tl_tensor x = random_tensor(TL_F32, tl_shape(ROWS, WINDOW, WIDTH), 1);
    tl_tensor first = predict(both, x, ROWS), second = predict(both, x, ROWS);
    check_ok(tl_reset_states(both));
    tl_tensor third = predict(both, x, ROWS);
    for (int direction = 0; direction < 2; direction++)
        ck_assert(!same_bits(tl_tensor_slice(first, 2, 2 * direction, 2),
                             tl_tensor_slice(second, 2, 2 * direction, 2)));
    ck_assert(same_bits(first, third));
    tl_tensor *all[] = {&x, &first, &second, &third};
    for (int i = 0; i < 4; i++)
        tl_tensor_free(all[i]);
    tl_model_free(both);
}
END_TEST

/* --- When they are forgotten --- */

typedef struct regression {
    user_cell cells[2];
    tl_model *stateful, *plain; /* of the same weights */
    tl_tensor x, y;             /* whole sequences */
    tl_tensor windows, targets;
} regression;

static tl_model *new_regression_model(user_cell *cell, int which, bool stateful, tl_optimizer *optimizer)
{
    tl_model *model = tl_sequential(new_layer(cell, which, stateful, true), tl_dense(2));
    check_ok(tl_compile(model, .optimizer = optimizer, .loss = TL_MEAN_SQUARED_ERROR));
    return build_randomly(model, tl_shape(TL_ANY, WIDTH), TL_F64, 0.6);
}

static void start_regression(regression *r, int which, double rate)
{
    r->stateful =
        new_regression_model(&r->cells[0], which, true, tl_sgd(.learning_rate = rate > 0 ? rate : TL_ZERO));
    r->plain = new_regression_model(&r->cells[1], which, false, tl_sgd());
    r->x = random_tensor(TL_F64, tl_shape(ROWS, TIME, WIDTH), 1);
    r->y = random_tensor(TL_F64, tl_shape(ROWS, TIME, 2), 2);
    r->windows = windows_of(r->x);
    r->targets = windows_of(r->y);
}

static void end_regression(regression *r)
{
    tl_tensor *all[] = {&r->x, &r->y, &r->windows, &r->targets};
    for (int i = 0; i < 4; i++)
        tl_tensor_free(all[i]);
    tl_model_free(r->stateful);
    tl_model_free(r->plain);
}

START_TEST(evaluation_starts_anew)
{
    regression r;
    start_regression(&r, _i, 0);
    tl_metrics whole, first, second;
    check_ok(tl_evaluate(r.plain, tl_dataset_of(r.x, r.y), 0, &whole));
    check_ok(tl_evaluate(r.stateful, tl_dataset_of(r.windows, r.targets), ROWS, &first));
    check_ok(tl_evaluate(r.stateful, tl_dataset_of(r.windows, r.targets), ROWS, &second));
    ck_assert_double_eq_tol(first.loss, whole.loss, 1e-12);
    ck_assert_double_eq(first.loss, second.loss);
    end_regression(&r);
}
END_TEST

/* With a learning rate of 0 every epoch is the same, and so is every validation. */
START_TEST(epochs_and_validations_start_anew)
{
    regression r;
    start_regression(&r, _i, 0);
    tl_dataset data = tl_dataset_of(r.windows, r.targets);
    tl_metrics measured;
    check_ok(tl_evaluate(r.stateful, data, ROWS, &measured));
    tl_history *history = tl_fit(r.stateful, data, .epochs = 3, .batch_size = ROWS, .no_shuffle = true,
                                 .validation_data = data);
    ck_assert_msg(history != NULL, "%s", tl_error_message());
    for (int i = 0; i < 3; i++) {
        ck_assert_double_eq(history->epochs[i].train.loss, measured.loss);
        ck_assert_double_eq(history->epochs[i].validation.loss, measured.loss);
    }
    tl_history_free(history);
    end_regression(&r);
}
END_TEST

/* --- Truncated backpropagation --- */

/* One window on a bare tape: the output of every step, from states that are given and replaced. */
static tl_var *bare_window(tl_model *model, user_cell *cell, tl_var *x, tl_var *state[])
{
    tl_tape *tape = tl_tape_of(x);
    if (cell->cell.project)
        x = cell->cell.project(cell, x);
    tl_var *outputs[WINDOW];
    for (int t = 0; t < WINDOW; t++)
        outputs[t] = cell->cell.step(cell, tl_select(x, 1, t), state);
    return tl_affine(tl_stack(outputs, WINDOW, 1), tl_use(tape, parameter_of(model, "dense/kernel")),
                     tl_use(tape, parameter_of(model, "dense/bias")), TL_LINEAR);
}

/* An epoch over the windows by hand: the states alone go from one to the next. */
static void train_by_hand(tl_model *model, user_cell *cell, tl_tensor x, tl_tensor y)
{
    tl_tape *tape = tl_tape_new();
    tl_tensor kept[2] = {tl_tensor_new(TL_F64, tl_shape(ROWS, UNITS)),
                         tl_tensor_new(TL_F64, tl_shape(ROWS, UNITS))};
    for (int64_t j = 0; j < WINDOWS; j++) {
        tl_var *state[TL_MAX_STATES] = {tl_input(tape, kept[0]), tl_input(tape, kept[1])};
        tl_var *out =
            bare_window(model, cell, tl_input(tape, tl_tensor_slice(x, 1, j * WINDOW, WINDOW)), state);
        check_ok(tl_backward(tl_mse(out, tl_input(tape, tl_tensor_slice(y, 1, j * WINDOW, WINDOW)))));
        for (int i = 0; i < 2; i++) {
            tl_tensor end = copy_of(tl_value(state[i]));
            tl_tensor_free(&kept[i]);
            kept[i] = end;
        }
        check_ok(tl_optimizer_step(tl_model_optimizer(model)));
        tl_tape_reset(tape);
    }
    tl_tape_free(tape);
    tl_tensor_free(&kept[0]);
    tl_tensor_free(&kept[1]);
}

START_TEST(gradients_stop_at_the_start_of_a_window)
{
    for (int threads = 1; threads <= 2; threads++) {
        regression r;
        check_ok(tl_set_threads(threads));
        start_regression(&r, _i, 0.5);
        user_cell cell;
        tl_model *by_hand = new_regression_model(&cell, _i, true, tl_sgd(.learning_rate = 0.5));
        tl_tensor before = copy_of(cell.recurrent->value);
        tl_history *history =
            tl_fit(r.stateful, tl_dataset_of(r.windows, r.targets), .batch_size = ROWS, .no_shuffle = true);
        ck_assert_msg(history != NULL, "%s", tl_error_message());
        train_by_hand(by_hand, &cell, r.x, r.y);
        ck_assert_double_lt(weights_apart(r.stateful, by_hand), 1e-12);
        ck_assert_double_gt(difference(cell.recurrent->value, before), 1e-3);
        tl_history_free(history);
        tl_tensor_free(&before);
        tl_model_free(by_hand);
        end_regression(&r);
    }
}
END_TEST

/* --- Errors --- */

START_TEST(batches_of_another_size_are_refused)
{
    tl_model *model = build_randomly(tl_sequential(tl_simple_rnn(UNITS, .stateful = true)),
                                     tl_shape(TIME, WIDTH), TL_F32, 0.6);
    tl_tensor x = random_tensor(TL_F32, tl_shape(ROWS, TIME, WIDTH), 1), fewer = tl_tensor_slice(x, 0, 0, 7);
    tl_tensor whole = predict(model, x, ROWS);
    ck_assert(!tl_tensor_ok(tl_predict(model, fewer, 0)));
    check_error(TL_ERROR_STATE, "simple_rnn: stateful, with states of 20 rows, but a batch of 7: expected "
                                "batches of one size, or tl_reset_states between them");
    check_ok(tl_reset_states(model));
    tl_tensor part = predict(model, fewer, 0);
    ck_assert(same_bits(part, tl_tensor_slice(whole, 0, 0, 7)));
    ck_assert(!tl_tensor_ok(tl_predict(model, x, 0)));
    check_error(TL_ERROR_STATE, "states of 7 rows, but a batch of 20");
    tl_tensor_free(&x);
    tl_tensor_free(&whole);
    tl_tensor_free(&part);
    tl_model_free(model);
}
END_TEST

START_TEST(a_short_last_batch_is_refused)
{
    regression r;
    start_regression(&r, SIMPLE, 0.1);
    tl_dataset data = tl_dataset_of(r.windows, r.targets);
    ck_assert_ptr_null(tl_fit(r.stateful, data, .batch_size = 32));
    check_error(TL_ERROR_STATE, "states of 32 rows, but a batch of 28");
    tl_metrics metrics;
    ck_assert_int_ne(tl_evaluate(r.stateful, data, 50, &metrics), TL_OK);
    check_error(TL_ERROR_STATE, "states of 50 rows, but a batch of 10");
    end_regression(&r);
}
END_TEST

/* Nobody knows which rows of which batch a tape of one's own goes on from, whatever ran before. */
START_TEST(a_tape_of_ones_own_has_no_states_to_go_on_from)
{
    tl_model *model = build_randomly(tl_sequential(tl_simple_rnn(UNITS, .stateful = true)),
                                     tl_shape(TIME, WIDTH), TL_F32, 0.6);
    tl_tensor x = random_tensor(TL_F32, tl_shape(ROWS, TIME, WIDTH), 1);
    tl_tape *tape = tl_tape_new();
    for (int i = 0; i < 2; i++) {
        ck_assert_ptr_null(tl_forward(model, tl_input(tape, x)));
        check_error(TL_ERROR_STATE, "simple_rnn: stateful, but run outside of tl_fit, tl_evaluate and "
                                    "tl_predict, which keep its states: expected tl_rnn_forward with states");
        tl_tensor y = predict(model, x, ROWS);
        tl_tensor_free(&y);
    }
    tl_tape_free(tape);
    tl_tensor_free(&x);
    tl_model_free(model);
}
END_TEST

START_TEST(resetting_nothing_is_an_error)
{
    ck_assert_int_ne(tl_reset_states(NULL), TL_OK);
    check_error(TL_ERROR_ARGUMENT, "reset_states: no model");
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("stateful");
    tcase_add_loop_test(tests, windows_are_one_long_sequence, 0, LAYERS);
    tcase_add_loop_test(tests, batches_of_one_call_follow_each_other, 0, LAYERS);
    tcase_add_test(tests, a_layer_inside_another_carries_its_states_too);
    tcase_add_loop_test(tests, evaluation_starts_anew, 0, LAYERS);
    tcase_add_loop_test(tests, epochs_and_validations_start_anew, 0, LAYERS);
    tcase_add_loop_test(tests, gradients_stop_at_the_start_of_a_window, 0, 2 * USER_CELLS);
    tcase_add_test(tests, batches_of_another_size_are_refused);
    tcase_add_test(tests, a_short_last_batch_is_refused);
    tcase_add_test(tests, a_tape_of_ones_own_has_no_states_to_go_on_from);
    tcase_add_test(tests, resetting_nothing_is_an_error);
    return run_tests("stateful", tests);
}
