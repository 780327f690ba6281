/* Threads change no bit: neither of histories and weights, nor of a sample's prediction in any company. */
#include "tensor/team_internal.h"
#include "tensor/threads.h"
#include "tests/nn/cells_internal.h"
#include "tests/nn/testing_internal.h"

enum { SAMPLES = 83, TIME = 12, WORDS = 30, EPOCHS = 3 };

typedef struct problem {
    const char *name;
    tl_dtype dtype;
    int64_t batch; /* leaves a ragged last one */
    bool words;
} problem;

static const problem problems[] = {
    {"words, small batches", TL_F32, 16, true},  {"words, one batch", TL_F32, 100, true},
    {"words in f64", TL_F64, 30, true},          {"features, small batches", TL_F32, 20, false},
    {"features, one batch", TL_F32, 100, false}, {"features in f64", TL_F64, 30, false},
};
enum { PROBLEMS = sizeof problems / sizeof problems[0] };

static tl_model *text_model(void)
{
    tl_model *model = tl_sequential(tl_embedding(WORDS, 8, .mask_zero = true), tl_simple_rnn(16),
                                    tl_dropout_layer(0.3), tl_dense(1, .activation = TL_SIGMOID));
    check_ok(tl_compile(model, .optimizer = tl_rmsprop(), .loss = TL_BINARY_CROSSENTROPY));
    return model;
}

static tl_model *feature_model(user_cell *cell)
{
    *cell = new_cell(0, 9, true);
    tl_model *model = tl_sequential(tl_simple_rnn(12, .return_sequences = true), tl_dropout_layer(0.2),
                                    tl_rnn(cell), tl_dense(4, .activation = TL_SOFTMAX));
    check_ok(
        tl_compile(model, .optimizer = tl_adam(.clip_norm = 1), .loss = TL_SPARSE_CATEGORICAL_CROSSENTROPY));
    return model;
}

static tl_dataset new_data(const problem *p, tl_tensor *x, tl_tensor *y)
{
    *x = p->words ? padded_ids(SAMPLES, TIME, WORDS, 1)
                  : random_tensor(p->dtype, tl_shape(SAMPLES, TIME, 5), 1);
    *y = random_labels(SAMPLES, p->words ? 2 : 4, 2);
    return tl_dataset_of(*x, *y);
}

typedef struct result {
    tl_model *model;
    tl_history *history;
    tl_metrics metrics;
    tl_tensor predictions;
    user_cell cell;
} result;

static void train(const problem *p, tl_dataset data, int threads, result *r)
{
    check_ok(tl_set_threads(threads));
    r->model = p->words ? text_model() : feature_model(&r->cell);
    tl_shape row = p->words ? tl_shape(TIME) : tl_shape(TIME, 5);
    check_ok(tl_build(r->model, row, p->dtype, 11));
    r->history =
        tl_fit(r->model, data, .epochs = EPOCHS, .batch_size = p->batch, .validation_split = 0.2, .seed = 4);
    ck_assert_msg(r->history != NULL, "%s", tl_error_message());
    check_ok(tl_evaluate(r->model, data, p->batch, &r->metrics));
    r->predictions = tl_predict(r->model, data.x, p->batch);
    ck_assert_msg(tl_tensor_ok(r->predictions), "%s", tl_error_message());
}

static void free_result(result *r)
{
    tl_model_free(r->model);
    tl_history_free(r->history);
    tl_tensor_free(&r->predictions);
}

static void check_same(const result *a, const result *b)
{
    ck_assert_int_eq(a->history->count, b->history->count);
    for (int i = 0; i < EPOCHS; i++) {
        const tl_epoch *e = &a->history->epochs[i], *f = &b->history->epochs[i];
        ck_assert_mem_eq(&e->train, &f->train, sizeof e->train);
        ck_assert_mem_eq(&e->validation, &f->validation, sizeof e->validation);
    }
    ck_assert_mem_eq(&a->metrics, &b->metrics, sizeof a->metrics);
    ck_assert(same_weights(a->model, b->model));
    ck_assert(same_bits(a->predictions, b->predictions));
}

START_TEST(threads_change_no_bit)
{
    const problem *p = &problems[_i];
    tl_tensor x, y;
    tl_dataset data = new_data(p, &x, &y);
    result one;
    train(p, data, 1, &one);
    const int threads[] = {1, 2, 5};
    for (int i = 0; i < 3; i++) {
        result many;
        train(p, data, threads[i], &many);
        check_same(&one, &many);
        free_result(&many);
    }
    /* The weights did change, or the comparison would mean nothing. */
    ck_assert_double_ne(one.history->epochs[0].train.loss, one.history->epochs[2].train.loss);
    free_result(&one);
    tl_tensor_free(&x);
    tl_tensor_free(&y);
}
END_TEST

/* Batches of one sample, of some, and of all: below and above what makes a table worth projecting. */
START_TEST(predictions_do_not_depend_on_company)
{
    const problem *p = &problems[_i];
    tl_tensor x, y;
    tl_dataset data = new_data(p, &x, &y);
    result trained;
    train(p, data, 2, &trained);
    const int64_t batches[] = {1, 2, 7, 64, 1000};
    for (int i = 0; i < 5; i++) {
        tl_tensor other = tl_predict(trained.model, x, batches[i]);
        ck_assert_msg(same_bits(other, trained.predictions),
                      "%s: batches of %d differ from those of %d by %g", p->name, (int)batches[i],
                      (int)p->batch, difference(other, trained.predictions));
        tl_tensor_free(&other);
    }
    tl_tensor last = tl_predict(trained.model, tl_tensor_slice(x, 0, SAMPLES - 1, 1), 0);
    ck_assert(same_bits(last, tl_tensor_slice(trained.predictions, 0, SAMPLES - 1, 1)));
    tl_tensor_free(&last);
    free_result(&trained);
    tl_tensor_free(&x);
    tl_tensor_free(&y);
}
END_TEST

/* An error in a shard is that of the lowest, whoever ran it. */
START_TEST(the_error_is_that_of_the_first_bad_sample)
{
    tl_tensor x = random_ids(tl_shape(SAMPLES, TIME), WORDS, 1), y = random_labels(SAMPLES, 2, 2);
    ((int32_t *)tl_data_mut(x))[20 * TIME] = 900;
    ((int32_t *)tl_data_mut(x))[60 * TIME] = 901;
    const int threads[] = {1, 2, 5};
    for (int i = 0; i < 3; i++) {
        check_ok(tl_set_threads(threads[i]));
        tl_model *model = text_model();
        ck_assert_ptr_null(tl_fit(model, tl_dataset_of(x, y), .batch_size = SAMPLES, .no_shuffle = true));
        check_error(TL_ERROR_RANGE, "id 900, the table has rows 0 to 29");
        tl_model_free(model);
    }
    tl_tensor_free(&x);
    tl_tensor_free(&y);
}
END_TEST

int main(void)
{
    tl_team_set_cores(8); /* so that as many threads are used as are asked for */
    TCase *tests = tcase_create("threads");
    tcase_add_loop_test(tests, threads_change_no_bit, 0, PROBLEMS);
    tcase_add_loop_test(tests, predictions_do_not_depend_on_company, 0, PROBLEMS);
    tcase_add_test(tests, the_error_is_that_of_the_first_bad_sample);
    return run_tests("threads", tests);
}
