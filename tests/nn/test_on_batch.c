/* tl_train_on_batch is tl_fit with one batch, tl_predict_on_batch is tl_predict into the caller's memory, bit
 * for bit; neither asks anything of the heap from the second call on; what does not fit is said with its
 * values. */
#include "tensor/threads.h"
#include "tests/nn/cells_internal.h"
#include "tests/nn/testing_internal.h"
#include "tests/support/heap_calls.h"

#include <stdio.h>

/* Three shards of rows, the last one short. */
enum { ROWS = 20, TIME = 7, WORDS = 30, CLASSES = 3, STEPS = 5, UNITS = 6 };

enum { TEXT, SEQUENCES, STATEFUL, MODELS };

/* Models with all that a batch may have to do with: masks, dropout, a projected table, targets at each step,
 * states. `cell` must outlive the model. */
static tl_model *new_model(int which, user_cell *cell)
{
    *cell = new_cell(0, UNITS, true);
    tl_model *model;
    if (which == TEXT)
        model = tl_sequential(tl_embedding(WORDS, 5, .mask_zero = true),
                              tl_simple_rnn(UNITS, .dropout = 0.1, .recurrent_dropout = 0.2),
                              tl_dropout_layer(0.3), tl_dense(CLASSES, .activation = TL_SOFTMAX));
    else if (which == SEQUENCES)
        model = tl_sequential(tl_category_encoding(WORDS), tl_rnn(cell, .return_sequences = true),
                              tl_dense(CLASSES, .activation = TL_SOFTMAX));
    else
        model = tl_sequential(tl_embedding(WORDS, 5), tl_simple_rnn(UNITS, .stateful = true),
                              tl_dense(CLASSES, .activation = TL_SOFTMAX));
    check_ok(tl_compile(model, .optimizer = tl_adam(.global_clip_norm = 1),
                        .loss = TL_SPARSE_CATEGORICAL_CROSSENTROPY));
    return model;
}

static tl_dataset new_data(int which)
{
    tl_tensor y = random_labels(ROWS * (which == SEQUENCES ? TIME : 1), CLASSES, 2);
    if (which == SEQUENCES) {
        y.shape = tl_shape(ROWS, TIME);
        y.strides[0] = TIME, y.strides[1] = 1;
    }
    tl_dataset data = tl_dataset_of(padded_ids(ROWS, TIME, WORDS, 1), y);
    ck_assert_msg(tl_dataset_ok(data), "%s", tl_error_message());
    return data;
}

/* Each epoch of tl_fit is one batch; it forgets the states before each. */
START_TEST(steps_are_those_of_fit)
{
    int which = _i / 2, threads = 1 + _i % 2;
    user_cell cells[2];
    tl_model *fitted = new_model(which, &cells[0]), *stepped = new_model(which, &cells[1]);
    tl_dataset data = new_data(which);
    check_ok(tl_set_threads(threads));
    check_ok(tl_build(fitted, tl_shape(TIME), TL_F32, 3));
    check_ok(tl_build(stepped, tl_shape(TIME), TL_F32, 3));
    tl_history *history =
        tl_fit(fitted, data, .epochs = STEPS, .batch_size = ROWS, .no_shuffle = true, .seed = 3);
    ck_assert_msg(history != NULL, "%s", tl_error_message());
    for (int i = 0; i < STEPS; i++) {
        tl_metrics metrics;
        check_ok(tl_reset_states(stepped));
        check_ok(tl_train_on_batch(stepped, data.x, data.y, &metrics));
        ck_assert_mem_eq(&metrics, &history->epochs[i].train, sizeof metrics);
    }
    ck_assert(same_weights(fitted, stepped));
    ck_assert_double_ne(history->epochs[0].train.loss, history->epochs[1].train.loss);
    tl_history_free(history);
    tl_dataset_free(&data);
    tl_model_free(fitted), tl_model_free(stepped);
}
END_TEST

/* Without tl_build, and without a place for the metrics. */
START_TEST(the_first_step_builds_as_fit_does)
{
    user_cell cells[2];
    tl_model *fitted = new_model(TEXT, &cells[0]), *stepped = new_model(TEXT, &cells[1]);
    tl_dataset data = new_data(TEXT);
    tl_history *history = tl_fit(fitted, data, .batch_size = ROWS, .no_shuffle = true);
    ck_assert_msg(history != NULL, "%s", tl_error_message());
    check_ok(tl_train_on_batch(stepped, data.x, data.y, NULL));
    ck_assert(same_weights(fitted, stepped));
    tl_history_free(history);
    tl_dataset_free(&data);
    tl_model_free(fitted), tl_model_free(stepped);
}
END_TEST

/* The number of the step is that of the optimizer: masks of dropout differ from call to call. */
START_TEST(dropout_differs_from_call_to_call)
{
    tl_model *model = tl_sequential(tl_dropout_layer(0.5), tl_dense(1));
    check_ok(tl_compile(model, .optimizer = tl_sgd(.learning_rate = 1e-30), .loss = TL_MEAN_SQUARED_ERROR));
    tl_tensor x = random_tensor(TL_F32, tl_shape(ROWS, 8), 1),
              y = random_tensor(TL_F32, tl_shape(ROWS, 1), 2);
    double last = -1;
    for (int i = 0; i < STEPS; i++) {
        tl_metrics metrics;
        check_ok(tl_train_on_batch(model, x, y, &metrics));
        ck_assert_double_ne(metrics.loss, last);
        last = metrics.loss;
    }
    tl_tensor_free(&x), tl_tensor_free(&y);
    tl_model_free(model);
}
END_TEST

/* Keras's meaning of states in loops of one's own: they go on, and change what is learned. */
START_TEST(states_go_on_from_step_to_step)
{
    user_cell cells[2];
    tl_model *on = new_model(STATEFUL, &cells[0]), *anew = new_model(STATEFUL, &cells[1]);
    tl_dataset data = new_data(STATEFUL);
    tl_metrics first, second, reset;
    check_ok(tl_train_on_batch(on, data.x, data.y, &first));
    check_ok(tl_train_on_batch(on, data.x, data.y, &second));
    check_ok(tl_train_on_batch(anew, data.x, data.y, &first));
    check_ok(tl_reset_states(anew));
    check_ok(tl_train_on_batch(anew, data.x, data.y, &reset));
    ck_assert_double_ne(second.loss, reset.loss);
    tl_dataset_free(&data);
    tl_model_free(on), tl_model_free(anew);
}
END_TEST

START_TEST(outputs_are_those_of_predict)
{
    int which = _i / 2;
    user_cell cell;
    tl_model *model = new_model(which, &cell);
    tl_dataset data = new_data(which);
    check_ok(tl_set_threads(1 + _i % 2));
    check_ok(tl_build(model, tl_shape(TIME), TL_F32, 3));
    const int64_t rows[] = {ROWS, 1, 9, ROWS};
    for (int i = 0; i < 4; i++) {
        tl_tensor x = tl_tensor_slice(data.x, 0, 0, rows[i]);
        check_ok(tl_reset_states(model));
        tl_tensor expected = tl_predict(model, x, ROWS), out = tl_tensor_new(TL_F32, expected.shape);
        uint64_t version = out.storage->version;
        check_ok(tl_reset_states(model));
        check_ok(tl_predict_on_batch(model, x, out));
        ck_assert(same_bits(out, expected));
        ck_assert_uint_ne(out.storage->version, version);
        tl_tensor_free(&expected), tl_tensor_free(&out);
    }
    tl_dataset_free(&data);
    tl_model_free(model);
}
END_TEST

/* A stateful network, given one step at a time and writing into one step of the outputs, against the same
 * network over the whole sequence. */
START_TEST(step_by_step_is_the_whole_sequence)
{
    tl_dtype dtype = _i % 2 ? TL_F64 : TL_F32;
    int64_t rows = _i / 2 ? ROWS : 1;
    user_cell cells[2];
    tl_model *models[2];
    for (int i = 0; i < 2; i++) {
        cells[i] = new_cell(1, UNITS, true); /* of two states */
        models[i] = tl_sequential(tl_simple_rnn(UNITS, .return_sequences = true, .stateful = i),
                                  tl_rnn(&cells[i], .return_sequences = true, .stateful = i),
                                  tl_dense(2, .activation = TL_TANH));
        build_randomly(models[i], tl_shape(TL_ANY, 3), dtype, 0.6);
    }
    tl_tensor x = random_tensor(dtype, tl_shape(rows, TIME, 3), 1), whole = tl_predict(models[0], x, rows),
              steps = tl_tensor_new(dtype, tl_shape(rows, TIME, 2));
    for (int round = 0; round < 2; round++) {
        check_ok(tl_reset_states(models[1]));
        check_ok(tl_tensor_fill(steps, 7));
        for (int t = 0; t < TIME; t++)
            check_ok(
                tl_predict_on_batch(models[1], tl_tensor_slice(x, 1, t, 1), tl_tensor_slice(steps, 1, t, 1)));
        ck_assert(same_bits(steps, whole));
    }
    tl_tensor_free(&x), tl_tensor_free(&whole), tl_tensor_free(&steps);
    tl_model_free(models[0]), tl_model_free(models[1]);
}
END_TEST

static bool skipped(void)
{
    start_counting_heap_calls();
    if (!counts_heap_calls())
        puts("test_on_batch: SKIPPED counting calls of the heap: a sanitizer, valgrind or another C library "
             "is in the way");
    return !counts_heap_calls();
}

START_TEST(calls_after_the_first_ask_nothing_of_the_heap)
{
    if (skipped())
        return;
    int which = _i / 2;
    user_cell cell;
    tl_model *model = new_model(which, &cell);
    tl_dataset data = new_data(which);
    check_ok(tl_set_threads(1 + _i % 2));
    tl_metrics metrics;
    check_ok(tl_train_on_batch(model, data.x, data.y, &metrics));
    tl_tensor expected = tl_predict(model, data.x, ROWS), out = tl_tensor_new(TL_F32, expected.shape);
    check_ok(tl_predict_on_batch(model, data.x, out));
    long long before = heap_calls;
    tl_status status = TL_OK;
    for (int i = 0; i < STEPS && status == TL_OK; i++)
        status = tl_train_on_batch(model, data.x, data.y, &metrics);
    long long training = heap_calls - before;
    for (int i = 0; i < STEPS && status == TL_OK; i++)
        status = tl_predict_on_batch(model, data.x, out);
    long long predicting = heap_calls - before - training;
    check_ok(status);
    ck_assert_msg(training == 0, "model %d: %d steps called the heap %lld times", which, STEPS, training);
    ck_assert_msg(predicting == 0, "model %d: %d predictions called the heap %lld times", which, STEPS,
                  predicting);
    ck_assert_int_gt(heap_calls, 0); /* the counter does count */
    tl_tensor_free(&expected), tl_tensor_free(&out);
    tl_dataset_free(&data);
    tl_model_free(model);
}
END_TEST

START_TEST(what_does_not_fit_is_told)
{
    user_cell cell;
    const tl_tensor none = {0};
    tl_model *model = new_model(TEXT, &cell), *other = tl_sequential(tl_dense(1));
    tl_tensor x = random_ids(tl_shape(ROWS, TIME), WORDS, 1), y = random_labels(ROWS, CLASSES, 2),
              few = random_labels(ROWS - 1, CLASSES, 3), out = tl_tensor_new(TL_F32, tl_shape(ROWS, CLASSES));
    ck_assert_int_eq(tl_train_on_batch(other, x, y, NULL), TL_ERROR_STATE);
    check_error(TL_ERROR_STATE, "train_on_batch: the model is not compiled");
    ck_assert_int_eq(tl_predict_on_batch(model, x, out), TL_ERROR_STATE);
    check_error(TL_ERROR_STATE, "predict_on_batch: the model is not built");
    ck_assert_int_ne(tl_train_on_batch(NULL, x, y, NULL), TL_OK);
    ck_assert_int_ne(tl_predict_on_batch(NULL, x, out), TL_OK);
    check_ok(tl_train_on_batch(model, x, y, NULL));

    ck_assert_int_ne(tl_train_on_batch(model, none, y, NULL), TL_OK);
    ck_assert_int_ne(tl_train_on_batch(model, x, none, NULL), TL_OK);
    ck_assert_int_eq(tl_train_on_batch(model, x, few, NULL), TL_ERROR_SHAPE);
    check_error(TL_ERROR_SHAPE,
                "train_on_batch: x [20, 7] and y [19], expected one number of rows, at least 1");
    ck_assert_int_eq(tl_train_on_batch(model, tl_tensor_slice(x, 0, 0, 0), tl_tensor_slice(y, 0, 0, 0), NULL),
                     TL_ERROR_SHAPE);
    check_error(TL_ERROR_SHAPE, "train_on_batch: x [0, 7] and y [0]");
    ck_assert_int_eq(tl_train_on_batch(model, tl_tensor_slice(x, 1, 0, 3), y, NULL), TL_ERROR_SHAPE);
    check_error(TL_ERROR_SHAPE, "built for samples of shape [7], those of the data [20, 3] are [3]");
    ck_assert_int_eq(tl_train_on_batch(model, x, x, NULL), TL_ERROR_SHAPE);

    ck_assert_int_ne(tl_predict_on_batch(model, none, out), TL_OK);
    ck_assert_int_ne(tl_predict_on_batch(model, x, none), TL_OK);
    ck_assert_int_eq(tl_predict_on_batch(model, tl_tensor_slice(x, 1, 0, 3), out), TL_ERROR_SHAPE);
    check_error(TL_ERROR_SHAPE, "built for samples of shape [7], those of the data [20, 3] are [3]");
    ck_assert_int_eq(tl_predict_on_batch(model, x, tl_tensor_slice(out, 0, 0, 9)), TL_ERROR_SHAPE);
    check_error(TL_ERROR_SHAPE,
                "predict_on_batch: out is f32 [9, 3], for x [20, 7] the model gives f32 [20, 3]");
    ck_assert_int_eq(tl_predict_on_batch(model, x, x), TL_ERROR_DTYPE);
    check_error(TL_ERROR_DTYPE, "predict_on_batch: out is i32 [20, 7], for x [20, 7] the model gives f32");
    tl_tensor_free(&x), tl_tensor_free(&y), tl_tensor_free(&few), tl_tensor_free(&out);
    tl_model_free(model), tl_model_free(other);
}
END_TEST

/* A target or an id that is no such thing shows up in the middle of a batch. */
START_TEST(a_failed_step_changes_no_weight)
{
    user_cell cell;
    tl_model *model = new_model(TEXT, &cell);
    tl_dataset data = new_data(TEXT);
    check_ok(tl_train_on_batch(model, data.x, data.y, NULL));
    int count;
    tl_parameter *const *p = tl_model_parameters(model, &count);
    tl_tensor before[8];
    for (int i = 0; i < count; i++)
        before[i] = copy_of(p[i]->value);
    ((int32_t *)tl_data_mut(data.x))[ROWS * TIME - 1] = 99;
    ck_assert_int_eq(tl_train_on_batch(model, data.x, data.y, NULL), TL_ERROR_RANGE);
    check_error(TL_ERROR_RANGE, "id 99, the table has rows 0 to 29");
    for (int i = 0; i < count; i++) {
        ck_assert(same_bits(p[i]->value, before[i]));
        tl_tensor_free(&before[i]);
    }
    ck_assert_int_eq(tl_optimizer_steps(tl_model_optimizer(model)), 1);
    tl_dataset_free(&data);
    tl_model_free(model);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("on_batch");
    tcase_add_loop_test(tests, steps_are_those_of_fit, 0, 2 * MODELS);
    tcase_add_test(tests, the_first_step_builds_as_fit_does);
    tcase_add_test(tests, dropout_differs_from_call_to_call);
    tcase_add_test(tests, states_go_on_from_step_to_step);
    tcase_add_loop_test(tests, outputs_are_those_of_predict, 0, 2 * MODELS);
    tcase_add_loop_test(tests, step_by_step_is_the_whole_sequence, 0, 4);
    tcase_add_loop_test(tests, calls_after_the_first_ask_nothing_of_the_heap, 0, 2 * MODELS);
    tcase_add_test(tests, what_does_not_fit_is_told);
    tcase_add_test(tests, a_failed_step_changes_no_weight);
    return run_tests("on_batch", tests);
}
