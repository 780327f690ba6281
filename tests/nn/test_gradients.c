/* Gradients of whole models with recurrent layers: SimpleRNN and the user's cells, with masks, projections,
 * dropout and both directions. */
#include "tests/nn/cells_internal.h"
#include "tests/nn/gradients_internal.h"

enum { ROWS = 13, TIME = 6, WORDS = 11, WIDTH = 3, UNITS = 4 };

/* Layers by number: SimpleRNN with each of its activations that is smooth, then the user's cells. */
enum { ACTIVATIONS = 3, LAYERS = ACTIVATIONS + USER_CELLS };

enum { SEQUENCES = 1, BACKWARDS = 2, PROJECTS = 4, DROPS = 8, MASKED = 16, ALL_FLAGS = 31 };

static tl_module *new_layer(user_cell *cell, int which, int flags)
{
    static const tl_activation activations[ACTIVATIONS] = {TL_TANH, TL_SIGMOID, TL_LINEAR};
    bool sequences = flags & SEQUENCES, backwards = flags & BACKWARDS, projects = flags & PROJECTS;
    double dropout = flags & DROPS ? 0.3 : 0;
    if (which < ACTIVATIONS)
        return tl_simple_rnn(UNITS, .activation = activations[which], .return_sequences = sequences,
                             .go_backwards = backwards, .no_bias = !projects, .dropout = dropout,
                             .recurrent_dropout = dropout);
    *cell = new_cell(which - ACTIVATIONS, UNITS, projects);
    return tl_rnn(cell, .return_sequences = sequences, .go_backwards = backwards, .dropout = dropout,
                  .recurrent_dropout = dropout);
}

START_TEST(features_through_recurrence)
{
    for (int flags = 0; flags <= ALL_FLAGS; flags++) {
        user_cell cell;
        tl_model *model = tl_sequential(new_layer(&cell, _i, flags), tl_dense(2, .activation = TL_SOFTMAX));
        build_randomly(model, tl_shape(TIME, WIDTH), TL_F64, 0.6);
        tl_tensor x = random_tensor(TL_F64, tl_shape(3, TIME, WIDTH), 4), mask = {0};
        if (flags & MASKED)
            mask = tl_tensor_of(TL_U8, tl_shape(3, TIME),
                                (uint8_t[]){1, 1, 1, 1, 1, 1, 0, 0, 1, 0, 1, 1, 0, 0, 0, 0, 0, 1});
        check_on_tape(model, x, mask);
        tl_tensor_free(&x);
        tl_tensor_free(&mask);
        tl_model_free(model);
    }
}
END_TEST

START_TEST(words_through_two_layers)
{
    user_cell cells[2];
    tl_model *model =
        tl_sequential(tl_embedding(WORDS, WIDTH, .mask_zero = true), tl_dense(WIDTH, .activation = TL_TANH),
                      new_layer(&cells[0], _i, SEQUENCES | PROJECTS), new_layer(&cells[1], _i, BACKWARDS),
                      tl_dense(1, .activation = TL_SIGMOID));
    build_randomly(model, tl_shape(TIME), TL_F64, 0.6);
    tl_tensor ids = padded_ids(4, TIME, WORDS, 3);
    check_on_tape(model, ids, (tl_tensor){0});
    tl_tensor_free(&ids);
    tl_model_free(model);
}
END_TEST

START_TEST(training_on_words)
{
    tl_tensor x = padded_ids(ROWS, TIME, WORDS, 1), y = random_labels(ROWS, 2, 1);
    for (int projects = 0; projects < 2; projects++) {
        user_cell cell;
        tl_model *model = tl_sequential(tl_embedding(WORDS, WIDTH, .mask_zero = true),
                                        new_layer(&cell, _i, projects ? PROJECTS : 0),
                                        tl_dense(1, .activation = TL_SIGMOID));
        check_trained(model, tl_shape(TIME), x, y, TL_BINARY_CROSSENTROPY);
    }
    tl_tensor_free(&x);
    tl_tensor_free(&y);
}
END_TEST

/* A loss at every step, the padded ones left out. */
START_TEST(training_on_tagged_words)
{
    user_cell cell;
    tl_tensor x = padded_ids(ROWS, TIME, WORDS, 1), y = random_ids(tl_shape(ROWS, TIME), 3, 1);
    tl_model *model =
        tl_sequential(tl_embedding(WORDS, WIDTH, .mask_zero = true),
                      new_layer(&cell, _i, SEQUENCES | PROJECTS), tl_dense(3, .activation = TL_SOFTMAX));
    check_trained(model, tl_shape(TIME), x, y, TL_SPARSE_CATEGORICAL_CROSSENTROPY);
    tl_tensor_free(&x);
    tl_tensor_free(&y);
}
END_TEST

START_TEST(training_on_features)
{
    tl_tensor x = random_tensor(TL_F64, tl_shape(ROWS, TIME, WIDTH), 1),
              y = random_tensor(TL_F64, tl_shape(ROWS, 2), 2);
    user_cell cell;
    tl_model *model = tl_sequential(new_layer(&cell, _i, BACKWARDS | PROJECTS), tl_dense(2));
    check_trained(model, tl_shape(TIME, WIDTH), x, y, TL_MEAN_SQUARED_ERROR);
    tl_tensor_free(&x);
    tl_tensor_free(&y);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("gradients");
    tcase_add_loop_test(tests, features_through_recurrence, 0, LAYERS);
    tcase_add_loop_test(tests, words_through_two_layers, 0, LAYERS);
    tcase_add_loop_test(tests, training_on_words, 0, LAYERS);
    tcase_add_loop_test(tests, training_on_tagged_words, 0, LAYERS);
    tcase_add_loop_test(tests, training_on_features, 0, LAYERS);
    return run_tests("gradients", tests);
}
