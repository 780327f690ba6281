/* TL_ANY: models built for any number of steps. */
#include "tests/nn/folder_internal.h"
#include "tests/nn/testing_internal.h"

enum { ROWS = 5, LONGEST = 9, WIDTH = 3, WORDS = 8 };

/* Models by number, over features and over words, to vectors and to sequences. */
static tl_model *new_model(int which)
{
    switch (which) {
    case 0:
        return tl_sequential(tl_masking(), tl_simple_rnn(4), tl_dense(1));
    case 1:
        return tl_sequential(tl_layer_normalization(), tl_simple_rnn(4, .return_sequences = true),
                             tl_dense(2));
    case 2:
        return tl_sequential(tl_embedding(WORDS, 3, .mask_zero = true),
                             tl_bidirectional(tl_simple_rnn(2, .return_sequences = true),
                                              tl_simple_rnn(2, .return_sequences = true)),
                             tl_global_average_pooling_1d(), tl_dense(1));
    default:
        return tl_sequential(tl_category_encoding(WORDS), tl_dropout_layer(0.1),
                             tl_simple_rnn(4, .return_sequences = true, .go_backwards = true), tl_dense(2));
    }
}
enum { MODELS = 4 };

static bool takes_words(int which)
{
    return which >= 2;
}

static bool gives_sequences(int which)
{
    return which % 2 == 1;
}

static tl_model *build(int which, int64_t steps)
{
    return build_randomly(new_model(which), takes_words(which) ? tl_shape(steps) : tl_shape(steps, WIDTH),
                          TL_F32, 0.6);
}

static tl_tensor new_inputs(int which, int64_t steps)
{
    return takes_words(which) ? random_ids(tl_shape(ROWS, steps), WORDS, 1)
                              : random_tensor(TL_F32, tl_shape(ROWS, steps, WIDTH), 1);
}

/* The same as a model built for that length, back and forth. */
START_TEST(predictions_are_those_of_a_model_of_that_length)
{
    static const int64_t lengths[] = {LONGEST, 1, 4, LONGEST};
    tl_model *any = build(_i, TL_ANY);
    for (int i = 0; i < 4; i++) {
        tl_model *fixed = build(_i, lengths[i]);
        tl_tensor x = new_inputs(_i, lengths[i]), a = tl_predict(any, x, 0), b = tl_predict(fixed, x, 0);
        ck_assert_msg(tl_tensor_ok(a), "%s", tl_error_message());
        ck_assert(
            tl_shape_equal(a.shape, gives_sequences(_i) ? tl_shape(ROWS, lengths[i], 2) : tl_shape(ROWS, 1)));
        ck_assert(same_bits(a, b));
        tl_tensor *all[] = {&x, &a, &b};
        for (int j = 0; j < 3; j++)
            tl_tensor_free(all[j]);
        tl_model_free(fixed);
    }
    tl_model_free(any);
}
END_TEST

/* Trained on one length, then on another, and validated on a third. */
START_TEST(each_data_set_may_have_its_own_length)
{
    tl_model *model = new_model(_i);
    check_ok(tl_compile(model, .optimizer = tl_adam(), .loss = TL_MEAN_SQUARED_ERROR));
    check_ok(tl_build(model, takes_words(_i) ? tl_shape(TL_ANY) : tl_shape(TL_ANY, WIDTH), TL_F32, 1));
    tl_dataset data[3];
    for (int64_t i = 0; i < 3; i++)
        data[i] = tl_dataset_of(
            new_inputs(_i, 3 + 2 * i),
            random_tensor(TL_F32, gives_sequences(_i) ? tl_shape(ROWS, 3 + 2 * i, 2) : tl_shape(ROWS, 1), 2));
    double loss = 0;
    for (int i = 0; i < 2; i++) {
        tl_history *history = tl_fit(model, data[i], .epochs = 2, .validation_data = data[2]);
        ck_assert_msg(history != NULL, "%s", tl_error_message());
        loss = history->epochs[1].validation.loss;
        tl_history_free(history);
    }
    tl_metrics metrics;
    check_ok(tl_evaluate(model, data[2], 0, &metrics));
    ck_assert_double_eq(metrics.loss, loss);
    for (int i = 0; i < 3; i++)
        tl_dataset_free(&data[i]);
    tl_model_free(model);
}
END_TEST

START_TEST(the_summary_shows_none)
{
    static const char *const lines[] = {
        "masking (masking)            (None, None, 3)                       0\n"
        "simple_rnn (simple_rnn)      (None, 4)                            32\n",
        "layer_normalization (layer_normalization)  (None, None, 3)                       6\n"
        "simple_rnn (simple_rnn)                    (None, None, 4)                      32\n",
        "embedding (embedding)                                (None, None, 3)                      24\n"
        "bidirectional (bidirectional)                        (None, None, 4)                      24\n"
        "global_average_pooling1d (global_average_pooling1d)  (None, 4)                             0\n",
        "category_encoding (category_encoding)  (None, None, 8)                       0\n"
        "dropout (dropout)                      (None, None, 8)                       0\n",
    };
    enter_folder();
    tl_model *model = build(_i, TL_ANY);
    FILE *file = fopen("summary", "w");
    check_ok(tl_summary(model, file));
    fclose(file);
    char *text = file_contents("summary", NULL);
    ck_assert_msg(strstr(text, lines[_i]) != NULL, "%s", text);
    free(text);
    tl_model_free(model);
    leave_folder();
}
END_TEST

/* --- Errors --- */

START_TEST(only_the_number_of_steps_may_be_any)
{
    static const tl_shape wrong[] = {
        {2, {3, TL_ANY}}, {2, {TL_ANY, TL_ANY}}, {2, {-2, 3}}, {3, {TL_ANY, 2, TL_ANY}}};
    tl_model *model = tl_sequential(tl_dense(2));
    for (int i = 0; i < 4; i++) {
        ck_assert_int_ne(tl_build(model, wrong[i], TL_F32, 0), TL_OK);
        check_error(TL_ERROR_SHAPE, "build: negative extent in shape");
    }
    ck_assert_int_ne(tl_build(model, tl_shape(TL_ANY), TL_F32, 0), TL_OK); /* these would be its features */
    check_error(TL_ERROR_SHAPE, "negative extent in shape [-1, 2]");
    check_ok(tl_build(model, tl_shape(TL_ANY, WIDTH), TL_F32, 0));
    tl_model_free(model);
}
END_TEST

START_TEST(other_shapes_are_refused)
{
    tl_model *model = build(0, TL_ANY);
    const tl_shape wrong[] = {tl_shape(ROWS, 4, WIDTH + 1), tl_shape(ROWS, WIDTH),
                              tl_shape(ROWS, 4, WIDTH, 1)};
    static const char *const rows[] = {"are [4, 4]", "are [3]", "are [4, 3, 1]"};
    for (int i = 0; i < 3; i++) {
        tl_tensor x = tl_tensor_new(TL_F32, wrong[i]);
        ck_assert(!tl_tensor_ok(tl_predict(model, x, 0)));
        check_error(TL_ERROR_SHAPE, rows[i]);
        tl_tensor_free(&x);
    }
    tl_model_free(model);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("any_length");
    tcase_add_loop_test(tests, predictions_are_those_of_a_model_of_that_length, 0, MODELS);
    tcase_add_loop_test(tests, each_data_set_may_have_its_own_length, 0, MODELS);
    tcase_add_loop_test(tests, the_summary_shows_none, 0, MODELS);
    tcase_add_test(tests, only_the_number_of_steps_may_be_any);
    tcase_add_test(tests, other_shapes_are_refused);
    return run_tests("any_length", tests);
}
