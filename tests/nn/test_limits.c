/* Models at their limits: no steps, no rows, nothing that counts, one of everything, labels and numbers that
 * are none, batches and rates beyond measure. */
#include "tests/nn/testing_internal.h"

#include <limits.h>
#include <sys/mman.h>

static const double infinite = (double)INFINITY, not_a_number = (double)NAN;

enum { WORDS = 7, UNITS = 5 };

static tl_model *compiled(tl_model *model, tl_optimizer *optimizer, tl_loss loss)
{
    ck_assert_msg(model != NULL, "%s", tl_error_message());
    check_ok(tl_compile(model, .optimizer = optimizer, .loss = loss));
    return model;
}

static tl_model *word_model(tl_optimizer *optimizer)
{
    return compiled(tl_sequential(tl_embedding(WORDS, 4, .mask_zero = true), tl_simple_rnn(UNITS),
                                  tl_dense(1, .activation = TL_SIGMOID)),
                    optimizer, TL_BINARY_CROSSENTROPY);
}

/* A prediction a step. */
static tl_model *step_model(void)
{
    return compiled(tl_sequential(tl_embedding(WORDS, 4, .mask_zero = true),
                                  tl_simple_rnn(UNITS, .return_sequences = true),
                                  tl_dense(3, .activation = TL_SOFTMAX)),
                    tl_sgd(), TL_SPARSE_CATEGORICAL_CROSSENTROPY);
}

static tl_model *feature_model(tl_module *layer, tl_optimizer *optimizer)
{
    return compiled(tl_sequential(layer, tl_dense(1)), optimizer, TL_MEAN_SQUARED_ERROR);
}

static bool all_finite(const tl_model *model)
{
    int count;
    tl_parameter *const *parameters = tl_model_parameters(model, &count);
    for (int i = 0; i < count; i++)
        for (int64_t j = 0; j < tl_tensor_count(parameters[i]->value); j++)
            if (!isfinite(element(parameters[i]->value, j)))
                return false;
    return true;
}

/* All weights one after the other, to be compared later. */
static tl_tensor weights_of(const tl_model *model)
{
    int count;
    int64_t size = 0, place = 0;
    tl_parameter *const *parameters = tl_model_parameters(model, &count);
    for (int i = 0; i < count; i++)
        size += tl_tensor_count(parameters[i]->value);
    tl_tensor all = tl_tensor_new(TL_F64, tl_shape(size));
    for (int i = 0; i < count; i++)
        for (int64_t j = 0; j < tl_tensor_count(parameters[i]->value); j++)
            ((double *)tl_data_mut(all))[place++] = element(parameters[i]->value, j);
    return all;
}

static void check_weights_stayed(const tl_model *model, tl_tensor before)
{
    tl_tensor after = weights_of(model);
    ck_assert(same_bits(before, after));
    tl_tensor_free(&after);
}

/* --- No steps --- */

static tl_module *recurrent(int kind)
{
    switch (kind) {
    case 0:
        return tl_simple_rnn(UNITS);
    case 1:
        return tl_simple_rnn(UNITS, .go_backwards = true, .checkpoint_every = 16);
    case 2:
        return tl_simple_rnn(UNITS, .dropout = 0.5, .recurrent_dropout = 0.5);
    case 3:
        return tl_simple_rnn(UNITS, .stateful = true);
    default:
        return tl_bidirectional(tl_simple_rnn(UNITS), tl_simple_rnn(UNITS));
    }
}
enum { KINDS = 5 };

/* What a layer gives for no steps is its state before the first, zeros, and the model learns its bias. */
START_TEST(no_steps_leave_the_first_state)
{
    enum { ROWS = 6 };
    tl_model *model = feature_model(recurrent(_i), tl_sgd(.learning_rate = 0.1));
    tl_tensor x = tl_tensor_new(TL_F32, tl_shape(ROWS, 0, 3)), y = tl_tensor_new(TL_F32, tl_shape(ROWS, 1));
    tl_tensor_fill(y, 2);
    tl_history *history = tl_fit(model, tl_dataset_of(x, y), .epochs = 60);
    ck_assert_msg(history != NULL, "%s", tl_error_message());
    ck_assert_double_eq_tol(history->epochs[0].train.loss, 4, 1e-6);
    ck_assert_double_lt(history->epochs[59].train.loss, 1e-4);
    tl_tensor outputs = tl_predict(model, x, 0);
    ck_assert(tl_shape_equal(outputs.shape, tl_shape(ROWS, 1)));
    ck_assert_double_eq_tol(element(outputs, 0), 2, 0.01);
    ck_assert(all_finite(model));
    tl_history_free(history);
    tl_model_free(model);
    tl_tensor_free(&x);
    tl_tensor_free(&y);
    tl_tensor_free(&outputs);
}
END_TEST

/* Predictions at no steps: nothing counts, and nothing moves. */
START_TEST(sequences_of_no_steps_have_no_loss)
{
    tl_model *model = step_model();
    tl_tensor x = tl_tensor_new(TL_I32, tl_shape(4, 0)), y = tl_tensor_new(TL_I32, tl_shape(4, 0));
    check_ok(tl_build(model, tl_shape(0), TL_F32, 1));
    tl_tensor before = weights_of(model);
    tl_metrics metrics;
    check_ok(tl_train_on_batch(model, x, y, &metrics));
    ck_assert(isnan(metrics.loss) && isnan(metrics.accuracy));
    check_weights_stayed(model, before);
    tl_tensor outputs = tl_predict(model, x, 0);
    ck_assert(tl_shape_equal(outputs.shape, tl_shape(4, 0, 3)));
    tl_model_free(model);
    tl_tensor_free(&x);
    tl_tensor_free(&y);
    tl_tensor_free(&before);
    tl_tensor_free(&outputs);
}
END_TEST

START_TEST(pooling_over_no_steps)
{
    for (int i = 0; i < 2; i++) {
        tl_model *model = tl_sequential(i ? tl_global_max_pooling_1d() : tl_global_average_pooling_1d());
        check_ok(tl_build(model, tl_shape(0, 2), TL_F32, 0));
        tl_tensor x = tl_tensor_new(TL_F32, tl_shape(3, 0, 2));
        tl_tensor outputs = tl_predict(model, x, 0);
        ck_assert(tl_shape_equal(outputs.shape, tl_shape(3, 2)));
        ck_assert(i ? element(outputs, 0) == -infinite : isnan(element(outputs, 0)));
        tl_model_free(model);
        tl_tensor_free(&x);
        tl_tensor_free(&outputs);
    }
}
END_TEST

START_TEST(more_steps_than_can_be_counted_are_refused)
{
    const int64_t steps = (int64_t)INT_MAX + 1;
    tl_model *model = tl_sequential(tl_simple_rnn(UNITS, .return_sequences = true));
    check_ok(tl_build(model, tl_shape(TL_ANY, 3), TL_F32, 0));
    tl_tape *tape = tl_tape_new();
    ck_assert_ptr_null(tl_forward(model, tl_zeros(tape, TL_F32, tl_shape(0, steps, 3))));
    check_error(TL_ERROR_SHAPE, "simple_rnn: input [0, 2147483648, 3], expected at most 2147483647 steps");
    tl_tape_free(tape);
    tl_model_free(model);
}
END_TEST

/* --- No rows --- */

START_TEST(no_samples_are_told_or_give_nothing)
{
    tl_model *model = word_model(tl_sgd());
    tl_tensor x = padded_ids(6, 4, WORDS, 1), y = random_labels(6, 2, 2);
    tl_dataset data = tl_dataset_of(x, y), none = tl_dataset_slice(data, 3, 0);
    tl_metrics metrics;
    ck_assert(tl_dataset_ok(none));
    ck_assert_ptr_null(tl_fit(model, none));
    check_error(TL_ERROR_ARGUMENT, "fit: no samples to train on");
    ck_assert_ptr_null(tl_fit(model, data, .validation_data = none));
    check_error(TL_ERROR_ARGUMENT, "fit: validation_data has no samples");
    ck_assert_ptr_null(tl_fit(model, data, .validation_split = 0.999));
    check_error(TL_ERROR_ARGUMENT, "fit: 6 samples cannot be split with validation_split 0.999");
    ck_assert_ptr_null(tl_fit(model, tl_dataset_slice(data, 0, 1), .validation_split = 0.1));
    check_error(TL_ERROR_ARGUMENT, "fit: 1 samples cannot be split with validation_split 0.1");
    check_ok(tl_build(model, tl_shape(4), TL_F32, 0));
    ck_assert_int_eq(tl_evaluate(model, none, 0, &metrics), TL_ERROR_ARGUMENT);
    check_error(TL_ERROR_ARGUMENT, "evaluate: no samples");
    ck_assert_int_eq(tl_train_on_batch(model, none.x, none.y, NULL), TL_ERROR_SHAPE);
    tl_tensor outputs = tl_predict(model, none.x, 0);
    ck_assert_msg(tl_tensor_ok(outputs), "%s", tl_error_message());
    ck_assert(tl_shape_equal(outputs.shape, tl_shape(0, 1)));
    check_ok(tl_predict_on_batch(model, none.x, outputs));
    tl_tensor_free(&outputs);
    tl_model_free(model);
    tl_tensor_free(&x);
    tl_tensor_free(&y);
}
END_TEST

START_TEST(forward_of_no_rows_gives_no_rows)
{
    tl_model *model = compiled(tl_sequential(recurrent(_i), tl_layer_normalization(), tl_dropout_layer(0.5),
                                             tl_dense(2, .activation = TL_SOFTMAX)),
                               tl_adam(), TL_CATEGORICAL_CROSSENTROPY);
    check_ok(tl_build(model, tl_shape(4, 3), TL_F32, 0));
    tl_tensor x = tl_tensor_new(TL_F32, tl_shape(0, 4, 3));
    tl_tensor outputs = tl_predict(model, x, 5);
    ck_assert(tl_shape_equal(outputs.shape, tl_shape(0, 2)));
    if (_i != 3) { /* a stateful layer is for batches */
        tl_tape *tape = tl_tape_new();
        tl_var *y = tl_forward(model, tl_input(tape, x));
        ck_assert_msg(y != NULL, "%s", tl_error_message());
        check_ok(tl_backward(tl_sum(y, TL_ALL_AXES, false)));
        tl_tape_free(tape);
    }
    tl_model_free(model);
    tl_tensor_free(&x);
    tl_tensor_free(&outputs);
}
END_TEST

/* --- Nothing that counts --- */

/* Of a batch of padding alone: the loss of a sequence's end is that of zeros; where steps count, none does.
 */
START_TEST(a_batch_of_padding_alone)
{
    enum { ROWS = 20, TIME = 6 };
    tl_tensor x = tl_tensor_new(TL_I32, tl_shape(ROWS, TIME)), y = random_labels(ROWS, 2, 2);
    tl_model *model = word_model(tl_sgd(.learning_rate = 0.1));
    tl_metrics metrics;
    check_ok(tl_train_on_batch(model, x, y, &metrics));
    ck_assert_double_eq_tol(metrics.loss, log(2), 1e-6);
    tl_tensor table = parameter_of(model, "embedding/embeddings")->gradient;
    for (int64_t i = 0; i < tl_tensor_count(table); i++)
        ck_assert_double_eq(element(table, i), 0);
    ck_assert(all_finite(model));
    tl_model_free(model);

    tl_tensor labels = tl_tensor_new(TL_I32, tl_shape(ROWS, TIME));
    model = step_model();
    check_ok(tl_build(model, tl_shape(TIME), TL_F32, 1));
    tl_tensor before = weights_of(model);
    check_ok(tl_train_on_batch(model, x, labels, &metrics));
    ck_assert(isnan(metrics.loss) && isnan(metrics.accuracy));
    check_weights_stayed(model, before);
    check_ok(tl_evaluate(model, tl_dataset_of(x, labels), 7, &metrics));
    ck_assert(isnan(metrics.loss) && isnan(metrics.accuracy));

    /* One step that counts makes a number of it again. */
    ((int32_t *)tl_data_mut(x))[3 * TIME + 2] = 4;
    check_ok(tl_evaluate(model, tl_dataset_of(x, labels), 7, &metrics));
    ck_assert(isfinite(metrics.loss));
    ck_assert(metrics.accuracy == 0 || metrics.accuracy == 1);
    check_ok(tl_train_on_batch(model, x, labels, &metrics));
    ck_assert(isfinite(metrics.loss) && all_finite(model));
    tl_model_free(model);
    tl_tensor_free(&before);
    tl_tensor_free(&labels);
    tl_tensor_free(&x);
    tl_tensor_free(&y);
}
END_TEST

/* A row of padding among others: it has no part in the gradients of the others. */
START_TEST(rows_of_padding_among_others)
{
    enum { ROWS = 9, TIME = 5 };
    tl_tensor x = random_ids(tl_shape(ROWS, TIME), WORDS, 1), y = tl_tensor_new(TL_I32, tl_shape(ROWS, TIME));
    tl_tensor_fill(tl_tensor_slice(x, 0, ROWS - 2, 2), 0);
    tl_model *with = step_model(), *without = step_model();
    tl_metrics metrics, others;
    check_ok(tl_train_on_batch(with, x, y, &metrics));
    check_ok(tl_train_on_batch(without, tl_tensor_slice(x, 0, 0, ROWS - 2),
                               tl_tensor_slice(y, 0, 0, ROWS - 2), &others));
    ck_assert_double_eq_tol(metrics.loss, others.loss, 1e-6);
    ck_assert_double_eq_tol(metrics.accuracy, others.accuracy, 1e-12);
    ck_assert_double_lt(weights_apart(with, without), 1e-6);
    tl_model_free(with);
    tl_model_free(without);
    tl_tensor_free(&x);
    tl_tensor_free(&y);
}
END_TEST

/* --- One of everything --- */

START_TEST(one_step_one_unit_one_word_one_row)
{
    tl_module *layers[] = {tl_simple_rnn(1), tl_simple_rnn(1, .checkpoint_every = 1, .stateful = true),
                           tl_bidirectional(tl_simple_rnn(1), tl_simple_rnn(1), .merge_mode = TL_MERGE_SUM)};
    tl_tensor x = tl_tensor_new(TL_I32, tl_shape(1, 1)), y = tl_tensor_new(TL_I32, tl_shape(1));
    for (int i = 0; i < 3; i++) {
        tl_model *model =
            compiled(tl_sequential(tl_embedding(1, 1), layers[i], tl_dense(1, .activation = TL_SOFTMAX)),
                     tl_rmsprop(), TL_SPARSE_CATEGORICAL_CROSSENTROPY);
        tl_history *history = tl_fit(model, tl_dataset_of(x, y), .epochs = 3, .batch_size = 1);
        ck_assert_msg(history != NULL, "%s", tl_error_message());
        ck_assert_double_eq(history->epochs[2].train.loss, 0); /* there is but one class */
        ck_assert_double_eq(history->epochs[2].train.accuracy, 1);
        ck_assert(all_finite(model));
        tl_history_free(history);
        tl_model_free(model);
    }
    tl_model *one_hot = tl_sequential(tl_category_encoding(1), tl_simple_rnn(1));
    check_ok(tl_build(one_hot, tl_shape(1), TL_F32, 0));
    tl_tensor outputs = tl_predict(one_hot, x, 0);
    ck_assert(isfinite(element(outputs, 0)));
    tl_model_free(one_hot);
    tl_tensor_free(&outputs);
    tl_tensor_free(&x);
    tl_tensor_free(&y);
}
END_TEST

/* --- Labels and ids --- */

static void expect_refusal(tl_loss loss, tl_activation activation, int64_t classes, tl_tensor y,
                           tl_status status, const char *part)
{
    tl_model *model = compiled(tl_sequential(tl_dense(classes, .activation = activation)), tl_sgd(), loss);
    tl_tensor x = random_tensor(TL_F32, tl_shape(y.shape.dims[0], 3), 1);
    check_ok(tl_build(model, tl_shape(3), TL_F32, 0));
    tl_tensor before = weights_of(model);
    tl_metrics metrics;
    ck_assert_int_eq(tl_train_on_batch(model, x, y, &metrics), status);
    check_error(status, part);
    ck_assert_int_eq(tl_evaluate(model, tl_dataset_of(x, y), 0, &metrics), status);
    check_error(status, part);
    check_weights_stayed(model, before);
    tl_model_free(model);
    tl_tensor_free(&x);
    tl_tensor_free(&before);
}

START_TEST(labels_out_of_range_are_told)
{
    const struct {
        double label;
        const char *said;
    } classes[] = {{-1, "-1"}, {3, "3"}, {1e9, "1000000000"}},
      numbers[] =
          {
              {0.5, "target 0.5, expected the number of a class"},
              {not_a_number, "nan, expected the number of a class"},
              {infinite, "target inf, expected the number of a class"},
              {1e10, "target 1e+10, expected the number of a class"},
          },
      shares[] = {{-0.1, "target -0.1, expected 0 to 1"},
                  {1.5, "target 1.5, expected 0 to 1"},
                  {not_a_number, "nan, expected 0 to 1"},
                  {2, "target 2, expected 0 to 1"}};
    for (int i = 0; i < 3; i++) {
        const int32_t labels[] = {0, 2, (int32_t)classes[i].label, 1};
        tl_tensor y = tl_tensor_of(TL_I32, tl_shape(4), labels);
        char said[64];
        snprintf(said, sizeof said, "label %s, the logits have classes 0 to 2", classes[i].said);
        expect_refusal(TL_SPARSE_CATEGORICAL_CROSSENTROPY, TL_SOFTMAX, 3, y, TL_ERROR_RANGE, said);
        expect_refusal(TL_SPARSE_CATEGORICAL_CROSSENTROPY, TL_LINEAR, 3, y, TL_ERROR_RANGE, said);
        tl_tensor_free(&y);
    }
    for (int i = 0; i < 4; i++)
        for (int wide = 0; wide < 2; wide++) {
            tl_tensor y = tl_tensor_new(wide ? TL_F64 : TL_F32, tl_shape(4));
            tl_tensor_fill(tl_tensor_slice(y, 0, 2, 1), numbers[i].label);
            expect_refusal(TL_SPARSE_CATEGORICAL_CROSSENTROPY, TL_SOFTMAX, 3, y, TL_ERROR_RANGE,
                           numbers[i].said);
            tl_tensor_fill(tl_tensor_slice(y, 0, 2, 1), shares[i].label);
            expect_refusal(TL_BINARY_CROSSENTROPY, TL_SIGMOID, 1, y, TL_ERROR_RANGE, shares[i].said);
            expect_refusal(TL_BINARY_CROSSENTROPY, TL_LINEAR, 1, y, TL_ERROR_RANGE, shares[i].said);
            tl_tensor_free(&y);
        }
    tl_tensor y = tl_tensor_of(TL_I32, tl_shape(2), (const int32_t[]){1, 2});
    expect_refusal(TL_BINARY_CROSSENTROPY, TL_SIGMOID, 1, y, TL_ERROR_RANGE,
                   "binary_crossentropy: target 2, expected 0 to 1");
    tl_tensor_free(&y);
}
END_TEST

START_TEST(nan_targets_of_other_losses_go_through)
{
    tl_tensor x = random_tensor(TL_F32, tl_shape(4, 3), 1), y = tl_tensor_new(TL_F32, tl_shape(4, 1));
    tl_tensor_fill(tl_tensor_slice(y, 0, 2, 1), not_a_number);
    tl_model *model = compiled(tl_sequential(tl_dense(1)), tl_sgd(), TL_MEAN_SQUARED_ERROR);
    tl_metrics metrics;
    check_ok(tl_train_on_batch(model, x, y, &metrics));
    ck_assert(isnan(metrics.loss));
    tl_model_free(model);
    tl_tensor_free(&x);
    tl_tensor_free(&y);
}
END_TEST

/* One class in all of the data: training goes on, and says so by its accuracy. */
START_TEST(one_class_only_is_learned)
{
    tl_tensor x = random_tensor(TL_F32, tl_shape(40, 3), 1), y = tl_tensor_new(TL_F32, tl_shape(40));
    tl_model *model = compiled(tl_sequential(tl_dense(1, .activation = TL_SIGMOID)),
                               tl_sgd(.learning_rate = 1), TL_BINARY_CROSSENTROPY);
    tl_history *history = tl_fit(model, tl_dataset_of(x, y), .epochs = 30);
    ck_assert_double_eq(history->epochs[29].train.accuracy, 1);
    ck_assert_double_lt(history->epochs[29].train.loss, 0.1);
    tl_history_free(history);
    tl_model_free(model);
    tl_tensor_free(&x);
    tl_tensor_free(&y);
}
END_TEST

START_TEST(ids_out_of_range_are_told)
{
    const int32_t wrong[] = {-1, WORDS, INT_MAX, INT_MIN};
    for (int i = 0; i < 4; i++) {
        tl_module *first = i % 2 ? tl_category_encoding(WORDS) : tl_embedding(WORDS, 3);
        tl_model *model = compiled(tl_sequential(first, tl_simple_rnn(UNITS), tl_dense(1)), tl_sgd(),
                                   TL_MEAN_SQUARED_ERROR);
        tl_tensor x = random_ids(tl_shape(12, 4), WORDS, 1), y = tl_tensor_new(TL_F32, tl_shape(12, 1));
        ((int32_t *)tl_data_mut(x))[30] = wrong[i];
        char said[64];
        snprintf(said, sizeof said, "id %d, the table has rows 0 to 6", wrong[i]);
        ck_assert_ptr_null(tl_fit(model, tl_dataset_of(x, y)));
        check_error(TL_ERROR_RANGE, said);
        tl_tensor none = tl_predict(model, x, 0);
        ck_assert(!tl_tensor_ok(none));
        check_error(TL_ERROR_RANGE, said);
        tl_model_free(model);
        tl_tensor_free(&x);
        tl_tensor_free(&y);
    }
}
END_TEST

START_TEST(more_ids_than_32_bits_count_are_refused)
{
    const int64_t many = (int64_t)INT_MAX + 1;
    ck_assert_ptr_null(tl_embedding(many, 1));
    check_error(TL_ERROR_ARGUMENT, "embedding: input_dim 2147483648, expected at most 2147483647");
    tl_model *model = tl_sequential(tl_category_encoding(many));
    ck_assert_int_eq(tl_build(model, tl_shape(3), TL_F32, 0), TL_ERROR_SHAPE);
    check_error(TL_ERROR_SHAPE, "[2147483648, 2147483648] has too many elements");
    tl_model_free(model);
    model = tl_sequential(tl_embedding(INT_MAX, INT64_MAX));
    ck_assert_int_eq(tl_build(model, tl_shape(3), TL_F32, 0), TL_ERROR_SHAPE);
    check_error(TL_ERROR_SHAPE, "[2147483647, 9223372036854775807] has too many elements");
    tl_model_free(model);
    model = tl_sequential(tl_dense(INT64_MAX));
    ck_assert_int_eq(tl_build(model, tl_shape(3), TL_F32, 0), TL_ERROR_SHAPE);
    tl_model_free(model);
    model = tl_sequential(tl_simple_rnn((int64_t)1 << 60));
    ck_assert_int_eq(tl_build(model, tl_shape(3, 0), TL_F32, 0), TL_ERROR_SHAPE);
    tl_model_free(model);
}
END_TEST

/* --- Numbers beyond measure --- */

START_TEST(nan_and_infinity_in_features_go_through)
{
    const double bad[] = {not_a_number, infinite, -infinite};
    for (int i = 0; i < 3 * KINDS; i++) {
        const int kind = i / 3;
        tl_model *model = compiled(tl_sequential(recurrent(kind), tl_dense(3, .activation = TL_SOFTMAX)),
                                   tl_adam(.clip_norm = 1), TL_SPARSE_CATEGORICAL_CROSSENTROPY);
        tl_tensor x = random_tensor(TL_F32, tl_shape(20, 4, 3), 1), y = tl_tensor_new(TL_I32, tl_shape(20));
        check_ok(tl_build(model, tl_shape(4, 3), TL_F32, 0));
        tl_tensor before = tl_predict(model, x, 20);
        ((float *)tl_data_mut(x))[11 * 12 + 5] = (float)bad[i % 3];
        check_ok(tl_reset_states(model));
        tl_tensor after = tl_predict(model, x, 20);
        ck_assert(isnan(element(after, 11 * 3)) == (i % 3 == 0)); /* tanh takes infinity */
        for (int64_t j = 0; j < 60; j++)
            ck_assert_msg(j / 3 == 11 || element(after, j) == element(before, j), "another row changed");
        tl_metrics metrics;
        check_ok(tl_reset_states(model));
        check_ok(tl_train_on_batch(model, x, y, &metrics));
        if (i % 3 == 0) {
            ck_assert(isnan(metrics.loss));
            ck_assert_double_le(metrics.accuracy,
                                19.0 / 20); /* NaN is not right, though class 0 is asked for */
        }
        tl_model_free(model);
        tl_tensor_free(&x);
        tl_tensor_free(&y);
        tl_tensor_free(&before);
        tl_tensor_free(&after);
    }
}
END_TEST

START_TEST(nan_is_never_right)
{
    const struct {
        tl_loss loss;
        int64_t n;
    } losses[] = {{TL_BINARY_CROSSENTROPY, 1},
                  {TL_CATEGORICAL_CROSSENTROPY, 3},
                  {TL_SPARSE_CATEGORICAL_CROSSENTROPY, 3}};
    for (int i = 0; i < 6; i++) {
        const int64_t n = losses[i / 2].n;
        const bool is_sparse = losses[i / 2].loss == TL_SPARSE_CATEGORICAL_CROSSENTROPY;
        tl_tensor p = tl_tensor_new(i % 2 ? TL_F64 : TL_F32, tl_shape(2, n));
        tl_tensor_fill(tl_tensor_slice(p, 0, 0, 1), not_a_number);
        tl_tensor y = is_sparse ? tl_tensor_new(TL_I32, tl_shape(2)) : tl_tensor_new(p.dtype, tl_shape(2, n));
        double right = -1;
        check_ok(tl_loss_accuracy(losses[i / 2].loss, p, y, (tl_tensor){0}, false, &right));
        ck_assert_double_eq(right, 1);
        tl_tensor_free(&p);
        tl_tensor_free(&y);
    }
}
END_TEST

START_TEST(batches_of_any_size_take_what_there_is)
{
    tl_tensor x = padded_ids(10, 4, WORDS, 1), y = random_labels(10, 2, 2);
    tl_dataset data = tl_dataset_of(x, y);
    const int64_t sizes[] = {10, 11, (int64_t)1 << 40, INT64_MAX};
    tl_model *models[4];
    for (int i = 0; i < 4; i++) {
        models[i] = word_model(tl_sgd(.learning_rate = 0.1));
        tl_history *history =
            tl_fit(models[i], data, .epochs = 2, .batch_size = sizes[i], .validation_split = 0.2);
        ck_assert_msg(history != NULL, "%s", tl_error_message());
        ck_assert(isfinite(history->epochs[1].validation.loss));
        ck_assert_int_eq(tl_optimizer_steps(tl_model_optimizer(models[i])), 2);
        tl_metrics metrics;
        check_ok(tl_evaluate(models[i], data, sizes[i], &metrics));
        ck_assert(isfinite(metrics.loss));
        tl_tensor outputs = tl_predict(models[i], x, sizes[i]);
        ck_assert(tl_shape_equal(outputs.shape, tl_shape(10, 1)));
        ck_assert_double_lt(weights_apart(models[i], models[0]), 1e-6);
        ck_assert_int_eq(tl_evaluate(models[i], data, -1, &metrics), TL_ERROR_ARGUMENT);
        check_error(TL_ERROR_ARGUMENT, "evaluate: batches of -1, expected at least 1");
        ck_assert(!tl_tensor_ok(tl_predict(models[i], x, -1)));
        check_error(TL_ERROR_ARGUMENT, "predict: batches of -1, expected at least 1");
        tl_history_free(history);
        tl_tensor_free(&outputs);
    }
    for (int i = 0; i < 4; i++)
        tl_model_free(models[i]);
    tl_tensor_free(&x);
    tl_tensor_free(&y);
}
END_TEST

/* Samples that lie further apart than 32 bits count, of which only what is touched is there. */
START_TEST(samples_past_32_bits_are_trained_on)
{
    enum { ROWS = 8, TIME = 3, FEATURES = 16 };
    const int64_t apart = (int64_t)1 << 33;
    const size_t bytes = (size_t)(ROWS * apart) * sizeof(float);
    void *data =
        mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (data == MAP_FAILED) {
        puts("SKIPPED: this machine gives no address space for samples so far apart");
        return;
    }
    tl_storage storage = {.data = data, .bytes = bytes};
    tl_tensor near = random_tensor(TL_F32, tl_shape(ROWS, TIME, FEATURES), 1), far = near;
    far.storage = &storage;
    far.strides[0] = apart;
    check_ok(tl_tensor_copy(far, near));
    tl_tensor y = random_tensor(TL_F32, tl_shape(ROWS, 1), 2);
    tl_model *models[2];
    for (int i = 0; i < 2; i++) {
        models[i] = feature_model(tl_simple_rnn(UNITS), tl_sgd(.learning_rate = 0.1));
        tl_history *history =
            tl_fit(models[i], tl_dataset_of(i ? far : near, y), .epochs = 2, .batch_size = 5);
        ck_assert_msg(history != NULL, "%s", tl_error_message());
        tl_history_free(history);
    }
    ck_assert(same_weights(models[0], models[1]));
    tl_model_free(models[0]);
    tl_model_free(models[1]);
    tl_tensor_free(&near);
    tl_tensor_free(&y);
    munmap(data, bytes);
}
END_TEST

START_TEST(learning_rates_of_nothing_and_beyond)
{
    tl_tensor x = random_tensor(TL_F32, tl_shape(20, 3), 1), y = random_tensor(TL_F32, tl_shape(20, 1), 2);
    tl_model *still = compiled(tl_sequential(tl_dense(1)), tl_sgd(.learning_rate = TL_ZERO, .momentum = 0.9),
                               TL_MEAN_SQUARED_ERROR);
    check_ok(tl_build(still, tl_shape(3), TL_F32, 0));
    tl_tensor before = weights_of(still);
    for (int i = 0; i < 3; i++)
        check_ok(tl_train_on_batch(still, x, y, NULL));
    check_weights_stayed(still, before);
    tl_model_free(still);
    tl_tensor_free(&before);

    tl_optimizer *huge[] = {tl_sgd(.learning_rate = 1e300), tl_adam(.learning_rate = 1e300),
                            tl_rmsprop(.learning_rate = 1e38), tl_adagrad(.learning_rate = 1e38)};
    for (int i = 0; i < 4; i++) {
        tl_model *model = compiled(tl_sequential(tl_dense(1)), huge[i], TL_MEAN_SQUARED_ERROR);
        tl_metrics metrics;
        for (int j = 0; j < 3; j++)
            check_ok(tl_train_on_batch(model, x, y, &metrics));
        ck_assert(!isfinite(metrics.loss));
        tl_model_free(model);
    }
    ck_assert_ptr_null(tl_sgd(.learning_rate = infinite));
    check_error(TL_ERROR_ARGUMENT, "sgd: learning_rate inf");
    ck_assert_ptr_null(tl_adam(.learning_rate = not_a_number));
    tl_tensor_free(&x);
    tl_tensor_free(&y);
}
END_TEST

START_TEST(dropout_of_next_to_everything)
{
    tl_tensor x = random_tensor(TL_F32, tl_shape(20, 4, 3), 1), y = random_tensor(TL_F32, tl_shape(20, 1), 2);
    tl_model *model =
        compiled(tl_sequential(tl_simple_rnn(UNITS, .dropout = 1 - 0x1p-53, .recurrent_dropout = 1 - 0x1p-53),
                               tl_dropout_layer(1 - 0x1p-53), tl_dense(1)),
                 tl_sgd(), TL_MEAN_SQUARED_ERROR);
    tl_metrics metrics;
    check_ok(tl_train_on_batch(model, x, y, &metrics));
    ck_assert(isfinite(metrics.loss) && all_finite(model));
    tl_model_free(model);
    ck_assert_ptr_null(tl_dropout_layer(1));
    check_error(TL_ERROR_ARGUMENT, "dropout: rate 1, expected 0 <= rate < 1");
    ck_assert_ptr_null(tl_simple_rnn(UNITS, .dropout = not_a_number));
    tl_tensor_free(&x);
    tl_tensor_free(&y);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("limits");
    tcase_add_loop_test(tests, no_steps_leave_the_first_state, 0, KINDS);
    tcase_add_test(tests, sequences_of_no_steps_have_no_loss);
    tcase_add_test(tests, pooling_over_no_steps);
    tcase_add_test(tests, more_steps_than_can_be_counted_are_refused);
    tcase_add_test(tests, no_samples_are_told_or_give_nothing);
    tcase_add_loop_test(tests, forward_of_no_rows_gives_no_rows, 0, KINDS);
    tcase_add_test(tests, a_batch_of_padding_alone);
    tcase_add_test(tests, rows_of_padding_among_others);
    tcase_add_test(tests, one_step_one_unit_one_word_one_row);
    tcase_add_test(tests, labels_out_of_range_are_told);
    tcase_add_test(tests, nan_targets_of_other_losses_go_through);
    tcase_add_test(tests, one_class_only_is_learned);
    tcase_add_test(tests, ids_out_of_range_are_told);
    tcase_add_test(tests, more_ids_than_32_bits_count_are_refused);
    tcase_add_test(tests, nan_and_infinity_in_features_go_through);
    tcase_add_test(tests, nan_is_never_right);
    tcase_add_test(tests, batches_of_any_size_take_what_there_is);
    tcase_add_test(tests, samples_past_32_bits_are_trained_on);
    tcase_add_test(tests, learning_rates_of_nothing_and_beyond);
    tcase_add_test(tests, dropout_of_next_to_everything);
    return run_tests("limits of models", tests);
}
