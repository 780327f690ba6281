/* Training: that it learns, and that every average, split and order is exactly what the header says. */
#include "tests/nn/testing_internal.h"

static tl_history *fitted(tl_history *history)
{
    ck_assert_msg(history != NULL, "%s", tl_error_message());
    return history;
}

/* --- It learns --- */

START_TEST(dense_layers_learn_exclusive_or)
{
    tl_tensor x = tl_tensor_of(TL_F32, tl_shape(4, 2), (float[]){0, 0, 0, 1, 1, 0, 1, 1}),
              y = ids_of(tl_shape(4), (int32_t[]){0, 1, 1, 0});
    tl_model *model =
        tl_sequential(tl_dense(8, .activation = TL_TANH), tl_dense(1, .activation = TL_SIGMOID));
    check_ok(tl_compile(model, .optimizer = tl_adam(.learning_rate = 0.05), .loss = TL_BINARY_CROSSENTROPY));
    tl_history *history = fitted(tl_fit(model, tl_dataset_of(x, y), .epochs = 300, .seed = 1));
    ck_assert_int_eq(history->count, 300);
    ck_assert_double_gt(history->epochs[0].train.loss, 0.5);
    ck_assert_double_lt(history->epochs[299].train.loss, 0.05);
    ck_assert_double_eq(history->epochs[299].train.accuracy, 1);
    tl_tensor p = tl_predict(model, x, 0);
    for (int64_t i = 0; i < 4; i++)
        ck_assert_double_eq_tol(element(p, i), element(y, i), 0.1);
    tl_tensor *all[] = {&x, &y, &p};
    for (int i = 0; i < 3; i++)
        tl_tensor_free(all[i]);
    tl_history_free(history);
    tl_model_free(model);
}
END_TEST

/* Whether the first of six words is even: it must be carried over five steps. */
START_TEST(recurrence_learns_to_remember_the_first_word)
{
    enum { SAMPLES = 400, TIME = 6, WORDS = 9 };
    tl_tensor x = random_ids(tl_shape(SAMPLES, TIME), WORDS, 1), y = tl_tensor_new(TL_F32, tl_shape(SAMPLES));
    float *label = tl_data_mut(y);
    for (int64_t i = 0; i < SAMPLES; i++)
        label[i] = (float)((int)element(x, i * TIME) % 2);
    tl_model *model = tl_sequential(tl_embedding(WORDS, 8, .mask_zero = true), tl_simple_rnn(16),
                                    tl_dense(1, .activation = TL_SIGMOID));
    check_ok(tl_compile(model, .optimizer = tl_adam(.learning_rate = 0.01), .loss = TL_BINARY_CROSSENTROPY));
    tl_history *history =
        fitted(tl_fit(model, tl_dataset_of(x, y), .epochs = 25, .validation_split = 0.25, .seed = 2));
    ck_assert_double_lt(history->epochs[24].train.loss, 0.1);
    ck_assert_double_lt(history->epochs[24].validation.loss, 0.2);
    ck_assert_double_gt(history->epochs[24].validation.accuracy, 0.95);
    tl_history_free(history);
    tl_tensor_free(&x);
    tl_tensor_free(&y);
    tl_model_free(model);
}
END_TEST

/* --- Exact averages: a model y = k x + b whose steps a few lines compute --- */

enum { SAMPLES = 13 };

typedef struct line {
    double k, b;
} line;

/* One step of SGD on samples [first, last); returns the sum of losses before it. */
static double step_line(line *l, double rate, tl_dataset data, int64_t first, int64_t last)
{
    double loss = 0, dk = 0, db = 0, n = (double)(last - first);
    for (int64_t i = first; i < last; i++) {
        double x = element(data.x, i), error = l->k * x + l->b - element(data.y, i);
        loss += error * error;
        dk += 2 * error * x / n;
        db += 2 * error / n;
    }
    l->k -= rate * dk;
    l->b -= rate * db;
    return loss;
}

static tl_model *new_line(double rate)
{
    tl_model *model = tl_sequential(tl_dense(1));
    check_ok(tl_compile(model, .optimizer = tl_sgd(.learning_rate = rate), .loss = TL_MEAN_SQUARED_ERROR));
    return build_randomly(model, tl_shape(1), TL_F64, 1);
}

static line line_of(const tl_model *model)
{
    return (line){element(parameter_of(model, "dense/kernel")->value, 0),
                  element(parameter_of(model, "dense/bias")->value, 0)};
}

static tl_dataset line_data(tl_tensor *x, tl_tensor *y)
{
    *x = random_tensor(TL_F64, tl_shape(SAMPLES, 1), 1);
    *y = random_tensor(TL_F64, tl_shape(SAMPLES), 2);
    return tl_dataset_of(*x, *y);
}

START_TEST(batches_average_over_their_own_samples)
{
    static const int64_t sizes[] = {1, 3, 8, 13, 100}; /* 13 is two shards, 8 leaves a ragged last batch */
    const int64_t batch = sizes[_i];
    tl_tensor x, y;
    tl_dataset data = line_data(&x, &y);
    tl_model *model = new_line(0.1);
    line l = line_of(model);
    double loss[2] = {0};
    for (int epoch = 0; epoch < 2; epoch++)
        for (int64_t first = 0; first < SAMPLES; first += batch)
            loss[epoch] += step_line(&l, 0.1, data, first, first + batch < SAMPLES ? first + batch : SAMPLES);
    tl_history *history = fitted(tl_fit(model, data, .epochs = 2, .batch_size = batch, .no_shuffle = true));
    for (int epoch = 0; epoch < 2; epoch++)
        ck_assert_double_eq_tol(history->epochs[epoch].train.loss, loss[epoch] / SAMPLES, 1e-13);
    ck_assert_double_eq_tol(line_of(model).k, l.k, 1e-13);
    ck_assert_double_eq_tol(line_of(model).b, l.b, 1e-13);
    tl_history_free(history);
    tl_tensor_free(&x);
    tl_tensor_free(&y);
    tl_model_free(model);
}
END_TEST

START_TEST(shuffling_changes_the_order_and_nothing_else)
{
    tl_tensor x, y;
    tl_dataset data = line_data(&x, &y);
    tl_model *models[5];
    const uint64_t seeds[] = {1, 1, 2, 1, 1};
    for (int i = 0; i < 5; i++) {
        models[i] = new_line(0.1);
        tl_history_free(fitted(tl_fit(models[i], data, .batch_size = i < 3 ? 2 : SAMPLES, .seed = seeds[i],
                                      .no_shuffle = i == 4)));
    }
    ck_assert(same_weights(models[0], models[1]));
    ck_assert_double_gt(weights_apart(models[0], models[2]), 1e-6);
    ck_assert_double_lt(weights_apart(models[3], models[4]), 1e-14); /* one batch: only the order of a sum */
    for (int i = 0; i < 5; i++)
        tl_model_free(models[i]);
    tl_tensor_free(&x);
    tl_tensor_free(&y);
}
END_TEST

START_TEST(every_epoch_is_shuffled_anew)
{
    tl_tensor x, y;
    tl_dataset data = line_data(&x, &y);
    tl_model *model = new_line(TL_ZERO), *other = new_line(0.1), *twice = new_line(0.1);
    /* Without learning the epochs measure the same. */
    tl_history *history = fitted(tl_fit(model, data, .epochs = 3, .batch_size = 4, .seed = 1));
    ck_assert_double_eq_tol(history->epochs[0].train.loss, history->epochs[2].train.loss, 1e-14);
    tl_history_free(history);
    /* Two epochs of one fit differ from the first one twice. */
    tl_history_free(fitted(tl_fit(other, data, .epochs = 2, .batch_size = 1, .seed = 1)));
    for (int i = 0; i < 2; i++)
        tl_history_free(fitted(tl_fit(twice, data, .batch_size = 1, .seed = 1)));
    ck_assert_double_gt(weights_apart(other, twice), 1e-9);
    tl_model_free(model);
    tl_model_free(other);
    tl_model_free(twice);
    tl_tensor_free(&x);
    tl_tensor_free(&y);
}
END_TEST

/* The last quarter is 4 of 13: Keras keeps floor(13 * 0.75) = 9 to train on. */
START_TEST(the_validation_part_is_the_end_of_the_data_as_they_come)
{
    tl_tensor x, y;
    tl_dataset data = line_data(&x, &y), begin = tl_dataset_slice(data, 0, 9),
               end = tl_dataset_slice(data, 9, 4);
    tl_model *split = new_line(0.1), *given = new_line(0.1), *without = new_line(0.1);
    tl_history *a = fitted(
                   tl_fit(split, data, .epochs = 3, .batch_size = 4, .validation_split = 0.25, .seed = 5)),
               *b = fitted(
                   tl_fit(given, begin, .epochs = 3, .batch_size = 4, .validation_data = end, .seed = 5)),
               *c = fitted(tl_fit(without, begin, .epochs = 3, .batch_size = 4, .seed = 5));
    ck_assert(same_weights(split, given));
    ck_assert(same_weights(split, without));
    for (int i = 0; i < 3; i++) {
        ck_assert_double_eq(a->epochs[i].validation.loss, b->epochs[i].validation.loss);
        ck_assert_double_eq(a->epochs[i].train.loss, c->epochs[i].train.loss);
        ck_assert_double_nan(c->epochs[i].validation.loss);
        ck_assert_double_nan(a->epochs[i].validation.accuracy); /* this loss has none */
    }
    tl_metrics metrics;
    check_ok(tl_evaluate(split, end, 0, &metrics));
    ck_assert_double_eq_tol(metrics.loss, a->epochs[2].validation.loss, 1e-14);
    ck_assert_double_nan(metrics.accuracy);
    tl_history *histories[] = {a, b, c};
    tl_model *models[] = {split, given, without};
    for (int i = 0; i < 3; i++) {
        tl_history_free(histories[i]);
        tl_model_free(models[i]);
    }
    tl_tensor_free(&x);
    tl_tensor_free(&y);
}
END_TEST

/* --- Masks --- */

enum { TIME = 4, WORDS = 5, ROWS = 11 };

/* Prediction k e[id] + b at every step, padding left out of loss, accuracy and gradients. */
typedef struct tagger {
    double e[WORDS], k, b;
} tagger;

static double step_tagger(tagger *m, double rate, tl_tensor x, tl_tensor y)
{
    tagger g = {{0}, 0, 0};
    double loss = 0, n = 0;
    for (int64_t i = 0; i < ROWS * TIME; i++) {
        int id = (int)element(x, i);
        double error = m->k * m->e[id] + m->b - element(y, i);
        if (id == 0)
            continue;
        n++;
        loss += error * error;
        g.e[id] += 2 * error * m->k;
        g.k += 2 * error * m->e[id];
        g.b += 2 * error;
    }
    for (int i = 0; i < WORDS; i++)
        m->e[i] -= rate * g.e[i] / n;
    m->k -= rate * g.k / n;
    m->b -= rate * g.b / n;
    return loss / n;
}

static tl_model *new_tagger(void)
{
    tl_model *model = tl_sequential(tl_embedding(WORDS, 1, .mask_zero = true), tl_dense(1));
    check_ok(tl_compile(model, .optimizer = tl_sgd(.learning_rate = 0.3), .loss = TL_MEAN_SQUARED_ERROR));
    return build_randomly(model, tl_shape(TIME), TL_F64, 1);
}

START_TEST(padding_has_no_part_in_averages)
{
    tl_tensor x = padded_ids(ROWS, TIME, WORDS, 3), y = random_tensor(TL_F64, tl_shape(ROWS, TIME), 4);
    tl_model *model = new_tagger();
    tl_tensor e = parameter_of(model, "embedding/embeddings")->value;
    line l = line_of(model);
    tagger m = {.k = l.k, .b = l.b};
    for (int i = 0; i < WORDS; i++)
        m.e[i] = element(e, i);
    for (int step = 0; step < 3; step++) {
        double loss = step_tagger(&m, 0.3, x, y);
        tl_metrics metrics;
        check_ok(tl_evaluate(model, tl_dataset_of(x, y), 3, &metrics)); /* in any batches */
        ck_assert_double_eq_tol(metrics.loss, loss, 1e-13);
        tl_history *history = fitted(tl_fit(model, tl_dataset_of(x, y), .no_shuffle = true));
        ck_assert_double_eq_tol(history->epochs[0].train.loss, loss, 1e-13);
        tl_history_free(history);
        l = line_of(model);
        ck_assert_double_eq_tol(l.k, m.k, 1e-13);
        ck_assert_double_eq_tol(l.b, m.b, 1e-13);
        for (int i = 0; i < WORDS; i++)
            ck_assert_double_eq_tol(element(e, i), m.e[i], 1e-13);
    }
    tl_tensor_free(&x);
    tl_tensor_free(&y);
    tl_model_free(model);
}
END_TEST

START_TEST(a_batch_of_padding_alone_changes_nothing)
{
    tl_tensor x = tl_tensor_new(TL_I32, tl_shape(ROWS, TIME)),
              y = random_tensor(TL_F64, tl_shape(ROWS, TIME), 4);
    tl_model *model = new_tagger(), *before = new_tagger();
    tl_history_free(fitted(tl_fit(model, tl_dataset_of(x, y))));
    ck_assert(same_weights(model, before));
    tl_tensor_free(&x);
    tl_tensor_free(&y);
    tl_model_free(model);
    tl_model_free(before);
}
END_TEST

START_TEST(accuracy_leaves_padding_out)
{
    tl_tensor x = ids_of(tl_shape(2, 3), (int32_t[]){0, 1, 2, 0, 0, 2}),
              y = tl_tensor_of(TL_F32, tl_shape(2, 3), (float[]){0, 1, 0, 0, 0, 1});
    tl_model *model =
        tl_sequential(tl_embedding(3, 1, .mask_zero = true), tl_dense(1, .activation = TL_SIGMOID));
    check_ok(tl_compile(model, .optimizer = tl_rmsprop(), .loss = TL_BINARY_CROSSENTROPY));
    build_randomly(model, tl_shape(3), TL_F32, 1);
    tl_tensor_fill(parameter_of(model, "dense/kernel")->value, 0);
    tl_tensor_fill(parameter_of(model, "dense/bias")->value, 2); /* always 1: right at 2 of 3 */
    tl_metrics metrics;
    check_ok(tl_evaluate(model, tl_dataset_of(x, y), 0, &metrics));
    ck_assert_double_eq_tol(metrics.accuracy, 2.0 / 3, 1e-12);
    tl_tensor_free(&x);
    tl_tensor_free(&y);
    tl_model_free(model);
}
END_TEST

/* A frozen layer keeps its weights while the others learn. */
START_TEST(frozen_parameters_stay)
{
    tl_tensor x, y;
    tl_dataset data = line_data(&x, &y);
    tl_model *model = new_line(0.1);
    line before = line_of(model);
    parameter_of(model, "dense/kernel")->trainable = false;
    tl_history_free(fitted(tl_fit(model, data)));
    ck_assert_double_eq(line_of(model).k, before.k);
    ck_assert_double_ne(line_of(model).b, before.b);
    tl_tensor_free(&x);
    tl_tensor_free(&y);
    tl_model_free(model);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("fit");
    tcase_add_test(tests, dense_layers_learn_exclusive_or);
    tcase_add_test(tests, recurrence_learns_to_remember_the_first_word);
    tcase_add_loop_test(tests, batches_average_over_their_own_samples, 0, 5);
    tcase_add_test(tests, shuffling_changes_the_order_and_nothing_else);
    tcase_add_test(tests, every_epoch_is_shuffled_anew);
    tcase_add_test(tests, the_validation_part_is_the_end_of_the_data_as_they_come);
    tcase_add_test(tests, padding_has_no_part_in_averages);
    tcase_add_test(tests, a_batch_of_padding_alone_changes_nothing);
    tcase_add_test(tests, accuracy_leaves_padding_out);
    tcase_add_test(tests, frozen_parameters_stay);
    return run_tests("fit", tests);
}
