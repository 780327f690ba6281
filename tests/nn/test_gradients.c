/* Gradients of whole models in f64 against central differences, weight by weight: on a tape, and through
 * tl_fit, whose change of a weight by plain SGD at rate 1 is minus the gradient of what tl_evaluate measures.
 */
#include "tests/nn/cells_internal.h"
#include "tests/nn/testing_internal.h"

enum { ROWS = 13, TIME = 6, WORDS = 11, WIDTH = 3, UNITS = 4 };

/* The tolerances of tl_gradcheck are 1e-5 and 1e-3; these models are smooth enough for less. */
static void compare(tl_tensor analytic, tl_tensor numeric, const char *name)
{
    for (int64_t i = 0; i < tl_tensor_count(numeric); i++) {
        double a = element(analytic, i), n = element(numeric, i);
        ck_assert_msg(fabs(a - n) <= 1e-7 + 1e-5 * fabs(n), "%s, element %lld: analytic %.10g, numeric %.10g",
                      name, (long long)i, a, n);
    }
}

/* --- On a tape --- */

typedef struct problem {
    tl_model *model;
    tl_tensor x, mask, y; /* y: weights of the outputs */
} problem;

static tl_var *loss_on(tl_tape *tape, const problem *p)
{
    tl_var *x = tl_input(tape, p->x);
    if (tl_tensor_ok(p->mask))
        x = tl_set_mask(x, p->mask);
    return tl_sum(tl_mul(tl_forward(p->model, x), tl_input(tape, p->y)), TL_ALL_AXES, false);
}

static double loss_of(void *context)
{
    tl_tape *tape = tl_tape_new();
    double value = tl_tensor_item(tl_value(loss_on(tape, context)));
    tl_tape_free(tape);
    return value;
}

static void check_on_tape(tl_model *model, tl_tensor x, tl_tensor mask)
{
    tl_tensor out = output_of(model, x, mask);
    problem p = {model, x, mask, random_tensor(TL_F64, out.shape, 8)};
    tl_tape *tape = tl_tape_new();
    check_ok(tl_backward(loss_on(tape, &p)));
    tl_tape_free(tape);
    int count;
    tl_parameter *const *parameters = tl_model_parameters(model, &count);
    for (int i = 0; i < count; i++) {
        tl_tensor numeric = numeric_gradient(parameters[i], loss_of, &p);
        compare(parameters[i]->gradient, numeric, parameters[i]->name);
        tl_tensor_free(&numeric);
    }
    tl_tensor_free(&p.y);
    tl_tensor_free(&out);
}

/* Layers by number: SimpleRNN with each of its activations that is smooth, then the user's cells. */
enum { ACTIVATIONS = 3, LAYERS = ACTIVATIONS + USER_CELLS };

static tl_module *new_layer(user_cell *cell, int which, bool sequences, bool backwards, bool projects)
{
    static const tl_activation activations[ACTIVATIONS] = {TL_TANH, TL_SIGMOID, TL_LINEAR};
    if (which < ACTIVATIONS)
        return tl_simple_rnn(UNITS, .activation = activations[which], .return_sequences = sequences,
                             .go_backwards = backwards, .no_bias = !projects);
    *cell = new_cell(which - ACTIVATIONS, UNITS, projects);
    return tl_rnn(cell, .return_sequences = sequences, .go_backwards = backwards);
}

START_TEST(features_through_recurrence)
{
    for (int flags = 0; flags < 16; flags++) {
        bool sequences = flags & 1, backwards = flags & 2, projects = flags & 4, masked = flags & 8;
        user_cell cell;
        tl_model *model = tl_sequential(new_layer(&cell, _i, sequences, backwards, projects),
                                        tl_dense(2, .activation = TL_SOFTMAX));
        build_randomly(model, tl_shape(TIME, WIDTH), TL_F64, 0.6);
        tl_tensor x = random_tensor(TL_F64, tl_shape(3, TIME, WIDTH), 4), mask = {0};
        if (masked)
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
                      new_layer(&cells[0], _i, true, false, true),
                      new_layer(&cells[1], _i, false, true, false), tl_dense(1, .activation = TL_SIGMOID));
    build_randomly(model, tl_shape(TIME), TL_F64, 0.6);
    tl_tensor ids = padded_ids(4, TIME, WORDS, 3);
    check_on_tape(model, ids, (tl_tensor){0});
    tl_tensor_free(&ids);
    tl_model_free(model);
}
END_TEST

/* --- Through the trainer --- */

typedef struct trained {
    tl_model *model;
    tl_dataset data;
} trained;

static double evaluated(void *context)
{
    const trained *t = context;
    tl_metrics metrics;
    check_ok(tl_evaluate(t->model, t->data, 5, &metrics));
    return metrics.loss;
}

static void check_trained(tl_model *model, tl_shape input, tl_tensor x, tl_tensor y, tl_loss loss)
{
    check_ok(tl_compile(model, .optimizer = tl_sgd(.learning_rate = 1), .loss = loss));
    build_randomly(model, input, TL_F64, 0.6);
    trained t = {model, tl_dataset_of(x, y)};
    int count;
    tl_parameter *const *parameters = tl_model_parameters(model, &count);
    tl_tensor numeric[16], before[16];
    ck_assert_int_le(count, 16);
    for (int i = 0; i < count; i++) {
        numeric[i] = numeric_gradient(parameters[i], evaluated, &t);
        before[i] = copy_of(parameters[i]->value);
    }
    double loss_before = evaluated(&t);
    tl_history *history = tl_fit(model, t.data, .batch_size = ROWS);
    ck_assert_msg(history != NULL, "%s", tl_error_message());
    ck_assert_double_eq_tol(history->epochs[0].train.loss, loss_before, 1e-12);
    for (int i = 0; i < count; i++) {
        tl_tensor change = tl_tensor_new(TL_F64, before[i].shape);
        double *c = tl_data_mut(change);
        for (int64_t j = 0; j < tl_tensor_count(change); j++)
            c[j] = element(before[i], j) - element(parameters[i]->value, j);
        compare(change, numeric[i], parameters[i]->name);
        tl_tensor_free(&change);
        tl_tensor_free(&numeric[i]);
        tl_tensor_free(&before[i]);
    }
    tl_history_free(history);
    tl_model_free(model);
}

START_TEST(training_on_words)
{
    tl_tensor x = padded_ids(ROWS, TIME, WORDS, 1), y = random_labels(ROWS, 2, 1);
    for (int projects = 0; projects < 2; projects++) {
        user_cell cell;
        tl_model *model = tl_sequential(tl_embedding(WORDS, WIDTH, .mask_zero = true),
                                        new_layer(&cell, _i, false, false, projects),
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
        tl_sequential(tl_embedding(WORDS, WIDTH, .mask_zero = true), new_layer(&cell, _i, true, false, true),
                      tl_dense(3, .activation = TL_SOFTMAX));
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
    tl_model *model = tl_sequential(new_layer(&cell, _i, false, true, true), tl_dense(2));
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
