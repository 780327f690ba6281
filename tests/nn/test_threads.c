/* Threads change no bit, and neither does a second run: not of histories and weights, nor of a sample's
 * prediction in any company. */
#include "tensor/team_internal.h"
#include "tensor/threads.h"
#include "tests/nn/cells_internal.h"
#include "tests/nn/testing_internal.h"
#include "tests/support/again.h"

enum { TIME = 12, FEATURES = 5, CLASSES = 4, EPOCHS = 3 };

typedef struct problem {
    const char *name;
    tl_model *(*model)(user_cell *cell);
    tl_dtype dtype;
    int64_t words; /* 0: features */
    int64_t samples, time;
    int64_t batch; /* leaves a ragged last one, unless states are carried */
} problem;

enum { FEW = 30, MANY = 5000 }; /* words: a table that is projected, and one of which few rows are touched */

static tl_model *text_model(user_cell *cell)
{
    (void)cell;
    tl_model *model = tl_sequential(tl_embedding(FEW, 8, .mask_zero = true), tl_simple_rnn(16),
                                    tl_dropout_layer(0.3), tl_dense(1, .activation = TL_SIGMOID));
    check_ok(tl_compile(model, .optimizer = tl_rmsprop(), .loss = TL_BINARY_CROSSENTROPY));
    return model;
}

static tl_model *feature_model(user_cell *cell)
{
    *cell = new_cell(0, 9, true);
    tl_model *model = tl_sequential(tl_simple_rnn(12, .return_sequences = true), tl_dropout_layer(0.2),
                                    tl_rnn(cell), tl_dense(CLASSES, .activation = TL_SOFTMAX));
    check_ok(
        tl_compile(model, .optimizer = tl_adam(.clip_norm = 1), .loss = TL_SPARSE_CATEGORICAL_CROSSENTROPY));
    return model;
}

static tl_model *sparse_model(user_cell *cell)
{
    (void)cell;
    tl_model *model = tl_sequential(tl_embedding(MANY, 16, .mask_zero = true), tl_simple_rnn(16),
                                    tl_dense(1, .activation = TL_SIGMOID));
    check_ok(
        tl_compile(model, .optimizer = tl_adagrad(.learning_rate = 0.1), .loss = TL_BINARY_CROSSENTROPY));
    return model;
}

static tl_model *both_ways(user_cell *cell)
{
    (void)cell;
    tl_model *model = tl_sequential(
        tl_embedding(FEW, 8, .mask_zero = true),
        tl_bidirectional(
            tl_simple_rnn(9, .return_sequences = true, .dropout = 0.2, .recurrent_dropout = 0.1),
            tl_simple_rnn(9, .return_sequences = true, .dropout = 0.2, .recurrent_dropout = 0.1)),
        tl_layer_normalization(), tl_global_max_pooling_1d(), tl_dense(1, .activation = TL_SIGMOID));
    check_ok(
        tl_compile(model, .optimizer = tl_adamw(.global_clip_norm = 0.5), .loss = TL_BINARY_CROSSENTROPY));
    return model;
}

static tl_model *carrying_model(user_cell *cell)
{
    *cell = new_cell(0, 9, true);
    tl_model *model =
        tl_sequential(tl_simple_rnn(12, .return_sequences = true, .stateful = true),
                      tl_rnn(cell, .stateful = true), tl_dense(CLASSES, .activation = TL_SOFTMAX));
    check_ok(tl_compile(model, .optimizer = tl_sgd(.learning_rate = 0.1, .momentum = 0.9),
                        .loss = TL_SPARSE_CATEGORICAL_CROSSENTROPY));
    return model;
}

static tl_model *replaying_model(user_cell *cell)
{
    *cell = new_cell(0, 9, true);
    tl_model *model = tl_sequential(
        tl_simple_rnn(12, .return_sequences = true, .checkpoint_every = 16, .recurrent_dropout = 0.2),
        tl_rnn(cell, .checkpoint_every = 32), tl_dense(CLASSES, .activation = TL_SOFTMAX));
    check_ok(tl_compile(model, .optimizer = tl_rmsprop(), .loss = TL_SPARSE_CATEGORICAL_CROSSENTROPY));
    return model;
}

/* Weights enough for the optimizer and the merging of gradients to use threads of their own. */
static tl_model *wide_model(user_cell *cell)
{
    (void)cell;
    tl_model *model = tl_sequential(tl_simple_rnn(300), tl_dense(CLASSES, .activation = TL_SOFTMAX));
    check_ok(tl_compile(model, .optimizer = tl_adam(.global_clip_norm = 1),
                        .loss = TL_SPARSE_CATEGORICAL_CROSSENTROPY));
    return model;
}

static const problem problems[] = {
    {"words, small batches", text_model, TL_F32, FEW, 83, TIME, 16},
    {"words, one batch", text_model, TL_F32, FEW, 83, TIME, 100},
    {"words in f64", text_model, TL_F64, FEW, 83, TIME, 30},
    {"words, batches of more than 256", text_model, TL_F32, FEW, 1000, TIME, 600},
    {"few of many words", sparse_model, TL_F32, MANY, 300, TIME, 70},
    {"both ways", both_ways, TL_F32, FEW, 83, TIME, 40},
    {"features, small batches", feature_model, TL_F32, 0, 83, TIME, 20},
    {"features, one batch", feature_model, TL_F32, 0, 83, TIME, 100},
    {"features in f64", feature_model, TL_F64, 0, 83, TIME, 30},
    {"steps taken twice", replaying_model, TL_F32, 0, 50, 70, 30},
    {"many weights", wide_model, TL_F32, 0, 300, 4, 260},
    {"carried states", carrying_model, TL_F32, 0, 100, TIME, 20},
};
enum { PROBLEMS = sizeof problems / sizeof problems[0], WITHOUT_STATES = PROBLEMS - 1 };

static tl_dataset new_data(const problem *p, tl_tensor *x, tl_tensor *y)
{
    *x = p->words ? padded_ids(p->samples, p->time, p->words, 1)
                  : random_tensor(p->dtype, tl_shape(p->samples, p->time, FEATURES), 1);
    *y = random_labels(p->samples, p->words ? 2 : CLASSES, 2);
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
    r->model = p->model(&r->cell);
    tl_shape row = p->words ? tl_shape(p->time) : tl_shape(p->time, FEATURES);
    check_ok(tl_build(r->model, row, p->dtype, 11));
    r->history =
        tl_fit(r->model, data, .epochs = EPOCHS, .batch_size = p->batch, .validation_split = 0.2, .seed = 4);
    ck_assert_msg(r->history != NULL, "%s: %s", p->name, tl_error_message());
    check_ok(tl_evaluate(r->model, data, p->batch, &r->metrics));
    check_ok(tl_reset_states(r->model));
    r->predictions = tl_predict(r->model, data.x, p->batch);
    ck_assert_msg(tl_tensor_ok(r->predictions), "%s", tl_error_message());
}

static void free_result(result *r)
{
    tl_model_free(r->model);
    tl_history_free(r->history);
    tl_tensor_free(&r->predictions);
}

/* A number for all weights together, which any other bit changes (Fowler, Noll and Vo's hash). */
static uint64_t bits_of(const tl_model *model)
{
    uint64_t hash = 0xcbf29ce484222325u;
    int count;
    tl_parameter *const *parameters = tl_model_parameters(model, &count);
    for (int i = 0; i < count; i++) {
        const unsigned char *bytes = tl_data(parameters[i]->value);
        const size_t size = parameters[i]->value.storage->bytes;
        for (size_t j = 0; j < size; j++)
            hash = (hash ^ bytes[j]) * 0x100000001b3u;
    }
    return hash;
}

static void check_same(const char *name, const result *a, const result *b)
{
    ck_assert_int_eq(a->history->count, b->history->count);
    for (int i = 0; i < EPOCHS; i++) {
        const tl_epoch *e = &a->history->epochs[i], *f = &b->history->epochs[i];
        ck_assert_mem_eq(&e->train, &f->train, sizeof e->train);
        ck_assert_mem_eq(&e->validation, &f->validation, sizeof e->validation);
    }
    ck_assert_mem_eq(&a->metrics, &b->metrics, sizeof a->metrics);
    ck_assert_msg(same_weights(a->model, b->model), "%s: weights", name);
    ck_assert_msg(same_bits(a->predictions, b->predictions), "%s: predictions", name);
}

START_TEST(threads_change_no_bit)
{
    const problem *p = &problems[_i];
    tl_tensor x, y;
    tl_dataset data = new_data(p, &x, &y);
    result one;
    train(p, data, 1, &one);
    const int threads[] = {1, 2, 3, 8};
    for (int i = 0; i < 4; i++) {
        result many;
        train(p, data, threads[i], &many);
        check_same(p->name, &one, &many);
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
    tl_tensor last = tl_predict(trained.model, tl_tensor_slice(x, 0, -1, 1), 0);
    ck_assert(same_bits(last, tl_tensor_slice(trained.predictions, 0, -1, 1)));
    tl_tensor_free(&last);
    free_result(&trained);
    tl_tensor_free(&x);
    tl_tensor_free(&y);
}
END_TEST

/* An error in a shard is that of the lowest, whoever ran it. */
START_TEST(the_error_is_that_of_the_first_bad_sample)
{
    enum { SAMPLES = 83 };
    tl_tensor x = random_ids(tl_shape(SAMPLES, TIME), FEW, 1), y = random_labels(SAMPLES, 2, 2);
    ((int32_t *)tl_data_mut(x))[20 * TIME] = 900;
    ((int32_t *)tl_data_mut(x))[60 * TIME] = 901;
    const int threads[] = {1, 2, 5};
    for (int i = 0; i < 3; i++) {
        check_ok(tl_set_threads(threads[i]));
        tl_model *model = text_model(NULL);
        ck_assert_ptr_null(tl_fit(model, tl_dataset_of(x, y), .batch_size = SAMPLES, .no_shuffle = true));
        check_error(TL_ERROR_RANGE, "id 900, the table has rows 0 to 29");
        tl_model_free(model);
    }
    tl_tensor_free(&x);
    tl_tensor_free(&y);
}
END_TEST

/* Prints all bits of what the problems come to: the only test of this program when it is run again. */
START_TEST(show_bits)
{
    for (int i = 0; i < PROBLEMS; i++) {
        const problem *p = &problems[i];
        tl_tensor x, y;
        tl_dataset data = new_data(p, &x, &y);
        result r;
        train(p, data, 0, &r);
        printf("%s%a %016llx", i ? ", " : "", r.metrics.loss, (unsigned long long)bits_of(r.model));
        free_result(&r);
        tl_tensor_free(&x);
        tl_tensor_free(&y);
    }
    puts("");
}
END_TEST

START_TEST(neither_the_environment_nor_another_process_changes_a_bit)
{
    static const char *const threads[] = {"1", "2", "3", "8", "1"};
    char first[TEXT_SIZE], text[TEXT_SIZE];
    ck_assert_int_eq(run_again("OMP_NUM_THREADS", NULL, first), 0);
    ck_assert_msg(strlen(first) > 100, "%s", first);
    for (int i = 0; i < 5; i++) {
        ck_assert_int_eq(run_again("OMP_NUM_THREADS", threads[i], text), 0);
        ck_assert_str_eq(text, first);
    }
}
END_TEST

int main(int argc, char **argv)
{
    (void)argv;
    tl_team_set_cores(8); /* so that as many threads are used as are asked for */
    TCase *tests = tcase_create("threads");
    if (argc > 1) {
        tcase_add_test(tests, show_bits);
        return run_quietly(tests);
    }
    tcase_add_loop_test(tests, threads_change_no_bit, 0, PROBLEMS);
    tcase_add_loop_test(tests, predictions_do_not_depend_on_company, 0, WITHOUT_STATES);
    tcase_add_test(tests, neither_the_environment_nor_another_process_changes_a_bit);
    tcase_add_test(tests, the_error_is_that_of_the_first_bad_sample);
    return run_tests("threads", tests);
}
