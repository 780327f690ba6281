/* Gradients of recurrent layers against central differences: SimpleRNN with each of its options, cells of a
 * user's, both directions, stacks, states of the caller's and carried ones; over 1 to 50 steps, with padding
 * of every kind. */
#include "tests/nn/cells_internal.h"
#include "tests/nn/gradcheck_internal.h"
#include "tests/nn/gradients_internal.h"

enum { ROWS = 4, WIDTH = 2, UNITS = 3, OUTPUTS = 2, MOST_LAYERS = 8 };

static const int64_t lengths[] = {1, 2, 5, 50};
enum { LENGTHS = sizeof lengths / sizeof lengths[0] };

/* Many steps with padding: element by element where it has holes, which is the hardest, else along
 * directions. */
static tl_gradcheck_options options_for(int64_t time, padding kind)
{
    tl_gradcheck_options options = strict;
    options.fast_mode = time > 10 && kind != NO_PADDING && kind != HOLES;
    return options;
}

/* --- A model of some layers, with padding or without --- */

typedef struct stack {
    user_cell cells[2];
    tl_module *layers[MOST_LAYERS];
    int count;
    bool sequences; /* what the last of them gives */
} stack;

static void add(stack *s, tl_module *layer)
{
    ck_assert_msg(layer != NULL, "%s", tl_error_message());
    s->layers[s->count++] = layer;
}

typedef void add_layers(stack *s, int which);

static tl_model *finish(stack *s)
{
    add(s, tl_dense(OUTPUTS));
    tl_model *model = tl_sequential_of(s->layers, s->count);
    ck_assert_msg(model != NULL, "%s", tl_error_message());
    check_ok(tl_compile(model, .optimizer = tl_sgd(.learning_rate = 1), .loss = TL_MEAN_SQUARED_ERROR));
    return model;
}

static void check_layers(const char *name, add_layers *layers, int which, int64_t time, padding kind)
{
    stack s = {.count = 0};
    if (kind != NO_PADDING)
        add(&s, tl_masking());
    layers(&s, which);
    tl_model *model = finish(&s);
    build_randomly(model, tl_shape(time, WIDTH), TL_F64, 0.6);
    tl_tensor x = padded_sequences(kind, ROWS, time, WIDTH);
    tl_shape target = s.sequences ? tl_shape(ROWS, time, OUTPUTS) : tl_shape(ROWS, OUTPUTS);
    tl_tensor y = random_tensor(TL_F64, target, 2);
    const tl_gradcheck_options options = options_for(time, kind);
    tl_gradcheck_report report;
    tl_status status = tl_gradcheck_model(model, x, y, &options, &report);
    ck_assert_msg(status == TL_OK, "%s, %lld steps, %s: %s", name, (long long)time, padding_names[kind],
                  tl_error_message());
    count_check(&report);
    tl_tensor_free(&x);
    tl_tensor_free(&y);
    tl_model_free(model);
}

/* Over all lengths and kinds of padding. */
static void check_everywhere(const char *name, add_layers *layers, int which)
{
    for (int i = 0; i < LENGTHS; i++)
        for (int kind = 0; kind < PADDINGS; kind++)
            check_layers(name, layers, which, lengths[i], (padding)kind);
}

/* --- SimpleRNN --- */

#define OPTIONS(...)                                                                                         \
    {                                                                                                        \
        .size = sizeof(tl_simple_rnn_options), .units = __VA_ARGS__                                          \
    }
static const struct {
    const char *name;
    tl_simple_rnn_options options;
} variants[] = {
    {"plain", OPTIONS(UNITS)},
    {"one unit", OPTIONS(1)},
    {"sigmoid", OPTIONS(UNITS, .activation = TL_SIGMOID)},
    {"linear", OPTIONS(UNITS, .activation = TL_LINEAR)},
    {"relu", OPTIONS(UNITS, .activation = TL_RELU)},
    {"no_bias", OPTIONS(UNITS, .no_bias = true)},
    {"return_sequences", OPTIONS(UNITS, .return_sequences = true)},
    {"go_backwards", OPTIONS(UNITS, .go_backwards = true)},
    {"sequences backwards", OPTIONS(UNITS, .go_backwards = true, .return_sequences = true)},
    {"stateful", OPTIONS(UNITS, .stateful = true)},
    {"stateful sequences", OPTIONS(UNITS, .stateful = true, .return_sequences = true)},
    {"dropout", OPTIONS(UNITS, .dropout = 0.4)},
    {"recurrent_dropout", OPTIONS(UNITS, .recurrent_dropout = 0.4)},
    {"both dropouts, sequences",
     OPTIONS(UNITS, .dropout = 0.3, .recurrent_dropout = 0.3, .return_sequences = true)},
    {"checkpoint_every", OPTIONS(UNITS, .checkpoint_every = 16)},
    {"checkpoint_every, sequences", OPTIONS(UNITS, .checkpoint_every = 16, .return_sequences = true)},
    {"checkpoint_every, backwards", OPTIONS(UNITS, .checkpoint_every = 32, .go_backwards = true)},
    {"all at once",
     OPTIONS(UNITS, .activation = TL_SIGMOID, .no_bias = true, .return_sequences = true, .go_backwards = true,
             .stateful = true, .dropout = 0.3, .recurrent_dropout = 0.3, .checkpoint_every = 16)},
};
enum { VARIANTS = sizeof variants / sizeof variants[0] };

static void add_variant(stack *s, int which)
{
    add(s, tl_simple_rnn_with(&variants[which].options));
    s->sequences = variants[which].options.return_sequences;
}

START_TEST(simple_rnn)
{
    check_everywhere(variants[_i].name, add_variant, _i);
    print_counts(variants[_i].name);
}
END_TEST

/* --- Cells of a user's, with a projection and without, forwards and backwards --- */

enum { FORMS = 4 };

/* Dropout of the state where all of it goes through the weights; of the input elsewhere (see tl_cell). */
static void add_cell(stack *s, int which)
{
    static const double recurrent[USER_CELLS] = {0, 0.3, 0, 0.3};
    const int cell = which / FORMS;
    const bool projects = which % 2 == 0, sequences = which % FORMS / 2 == 1;
    s->cells[0] = new_cell(cell, UNITS, projects);
    add(s, tl_rnn(&s->cells[0], .return_sequences = sequences, .go_backwards = !sequences,
                  .recurrent_dropout = projects ? 0 : recurrent[cell],
                  .dropout = projects ? 0 : 0.3 - recurrent[cell], .checkpoint_every = sequences ? 16 : 0));
    s->sequences = sequences;
}

START_TEST(cells_of_a_users)
{
    const char *name = user_cells[_i / FORMS].name;
    check_everywhere(name, add_cell, _i);
    print_counts(name);
}
END_TEST

/* --- Both directions --- */

enum { MODES = 4 };

static void add_both(stack *s, int which)
{
    static const tl_merge_mode modes[MODES] = {TL_MERGE_CONCAT, TL_MERGE_SUM, TL_MERGE_MUL, TL_MERGE_AVE};
    const bool sequences = which / MODES == 1;
    s->cells[0] = new_cell(0, UNITS, true);
    add(s, tl_bidirectional(tl_simple_rnn(UNITS, .return_sequences = sequences, .dropout = 0.3),
                            tl_rnn(&s->cells[0], .return_sequences = sequences),
                            .merge_mode = modes[which % MODES]));
    s->sequences = sequences;
}

START_TEST(both_directions)
{
    check_everywhere("bidirectional", add_both, _i);
    print_counts("bidirectional");
}
END_TEST

/* --- One on top of the other --- */

static void add_several(stack *s, int which)
{
    s->cells[0] = new_cell(1, UNITS, which == 1);
    add(s, tl_simple_rnn(UNITS, .return_sequences = true, .go_backwards = which == 1));
    add(s, tl_rnn(&s->cells[0], .return_sequences = true, .dropout = which == 1 ? 0.3 : 0));
    if (which == 2)
        add(s, tl_bidirectional(tl_simple_rnn(2, .return_sequences = true),
                                tl_simple_rnn(2, .return_sequences = true)));
    s->sequences = which != 1;
    add(s, tl_simple_rnn(UNITS, .return_sequences = s->sequences, .checkpoint_every = 16));
}

START_TEST(stacks)
{
    check_everywhere("stack", add_several, _i);
    print_counts("stack");
}
END_TEST

/* --- States of the caller's, and the gradient of the input --- */

typedef struct passage {
    tl_module *layer;
    tl_tensor mask;
} passage;

/* Of the input and the first state: all outputs and the last state. */
static tl_var *pass(void *context, tl_var *const inputs[])
{
    const passage *p = context;
    tl_var *final[TL_MAX_STATES], *x = inputs[0];
    if (p->mask.storage)
        x = tl_set_mask(tl_scale(x, 1), p->mask);
    tl_var *y = tl_rnn_forward(p->layer, x, &inputs[1], final);
    if (!y)
        return NULL;
    tl_var *parts[] = {tl_reshape(y, tl_shape(-1)), tl_reshape(tl_tanh(final[0]), tl_shape(-1))};
    return tl_concat(parts, 2, 0);
}

static tl_var *pass_of_data(tl_tape *tape, void *context)
{
    const int64_t time = lengths[LENGTHS - 1];
    tl_tensor x = random_tensor(TL_F64, tl_shape(ROWS, time, WIDTH), 1);
    const tl_module *layer = ((const passage *)context)->layer;
    tl_tensor h = random_tensor(TL_F64, tl_shape(ROWS, layer->output.dims[layer->output.rank - 1]), 2);
    tl_var *inputs[] = {tl_zeros(tape, TL_F64, x.shape), tl_zeros(tape, TL_F64, h.shape)};
    check_ok(tl_tensor_copy(tl_value(inputs[0]), x));
    check_ok(tl_tensor_copy(tl_value(inputs[1]), h));
    tl_tensor_free(&x);
    tl_tensor_free(&h);
    tl_var *y = pass(context, inputs);
    return tl_sum(tl_mul(y, y), TL_ALL_AXES, false);
}

static void check_passage(int which, int64_t time, padding kind)
{
    tl_module *layer = tl_simple_rnn_with(&variants[which].options);
    tl_model *model = build_randomly(tl_sequential(layer), tl_shape(TL_ANY, WIDTH), TL_F64, 0.6);
    passage p = {.layer = layer};
    if (kind != NO_PADDING)
        p.mask = padding_mask(kind, ROWS, time);
    tl_tensor inputs[] = {random_tensor(TL_F64, tl_shape(ROWS, time, WIDTH), 1),
                          random_tensor(TL_F64, tl_shape(ROWS, variants[which].options.units), 2)};
    tl_gradcheck_report report;
    const tl_gradcheck_options options = options_for(time, kind);
    tl_status status = tl_gradcheck(pass, &p, inputs, 2, &options, &report);
    ck_assert_msg(status == TL_OK, "%s, %lld steps, %s: %s", variants[which].name, (long long)time,
                  padding_names[kind], tl_error_message());
    count_check(&report);
    if (time == lengths[LENGTHS - 1]) {
        int count;
        tl_parameter *const *parameters = tl_model_parameters(model, &count);
        check_parameters(parameters, count, (tape_function){pass_of_data, &p});
    }
    for (int i = 0; i < 2; i++)
        tl_tensor_free(&inputs[i]);
    tl_tensor_free(&p.mask);
    tl_model_free(model);
}

START_TEST(states_of_the_callers)
{
    for (int i = 0; i < LENGTHS; i++)
        for (int kind = 0; kind < PADDINGS; kind++)
            check_passage(_i, lengths[i], (padding)kind);
    print_counts(variants[_i].name);
}
END_TEST

/* --- Carried states: constants of the batch that goes on from them --- */

typedef struct continuation {
    tl_model *model;
    tl_tensor first, second, y;
    tl_tensor weights[8]; /* with which the first batch was seen */
} continuation;

/* The loss of the second batch behind the first, seen with the weights of then. */
static double loss_behind(void *context)
{
    continuation *c = context;
    int count;
    tl_parameter *const *parameters = tl_model_parameters(c->model, &count);
    tl_tensor now[8], out = tl_tensor_new(TL_F64, tl_shape(ROWS, OUTPUTS));
    for (int i = 0; i < count; i++) {
        now[i] = copy_of(parameters[i]->value);
        check_ok(tl_tensor_copy(parameters[i]->value, c->weights[i]));
    }
    check_ok(tl_reset_states(c->model));
    check_ok(tl_predict_on_batch(c->model, c->first, out));
    for (int i = 0; i < count; i++)
        check_ok(tl_tensor_copy(parameters[i]->value, now[i]));
    tl_metrics metrics;
    check_ok(tl_train_on_batch(c->model, c->second, c->y, &metrics));
    for (int i = 0; i < count; i++) {
        check_ok(tl_tensor_copy(parameters[i]->value, now[i]));
        tl_tensor_free(&now[i]);
    }
    tl_tensor_free(&out);
    return metrics.loss;
}

/* A step of plain SGD at rate 1 changes the weights by minus the gradient. */
static void check_continuation(int64_t time)
{
    stack s = {.count = 0};
    add(&s, tl_simple_rnn(UNITS, .stateful = true));
    continuation c = {.model = finish(&s),
                      .first = random_tensor(TL_F64, tl_shape(ROWS, time, WIDTH), 1),
                      .second = random_tensor(TL_F64, tl_shape(ROWS, time, WIDTH), 3),
                      .y = random_tensor(TL_F64, tl_shape(ROWS, OUTPUTS), 4)};
    build_randomly(c.model, tl_shape(time, WIDTH), TL_F64, 0.6);
    int count;
    tl_parameter *const *parameters = tl_model_parameters(c.model, &count);
    tl_tensor numeric[8], out = tl_tensor_new(TL_F64, tl_shape(ROWS, OUTPUTS));
    for (int i = 0; i < count; i++)
        c.weights[i] = copy_of(parameters[i]->value);
    for (int i = 0; i < count; i++)
        numeric[i] = numeric_gradient(parameters[i], loss_behind, &c);
    check_ok(tl_reset_states(c.model));
    check_ok(tl_predict_on_batch(c.model, c.first, out));
    check_ok(tl_train_on_batch(c.model, c.second, c.y, NULL));
    for (int i = 0; i < count; i++) {
        tl_tensor change = copy_of(c.weights[i]);
        double *d = tl_data_mut(change);
        for (int64_t j = 0; j < tl_tensor_count(change); j++)
            d[j] -= element(parameters[i]->value, j);
        compare(change, numeric[i], parameters[i]->name);
        tl_tensor *all[] = {&change, &numeric[i], &c.weights[i]};
        for (int j = 0; j < 3; j++)
            tl_tensor_free(all[j]);
    }
    tl_tensor *all[] = {&c.first, &c.second, &c.y, &out};
    for (int i = 0; i < 4; i++)
        tl_tensor_free(all[i]);
    tl_model_free(c.model);
}

START_TEST(carried_states_are_constants)
{
    check_continuation(lengths[_i]);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("gradcheck of recurrent layers");
    tcase_add_checked_fixture(tests, use_one_thread, NULL);
    tcase_add_loop_test(tests, simple_rnn, 0, VARIANTS);
    tcase_add_loop_test(tests, cells_of_a_users, 0, USER_CELLS * FORMS);
    tcase_add_loop_test(tests, both_directions, 0, 2 * MODES);
    tcase_add_loop_test(tests, stacks, 0, 3);
    tcase_add_loop_test(tests, states_of_the_callers, 0, VARIANTS);
    tcase_add_loop_test(tests, carried_states_are_constants, 0, LENGTHS);
    return run_tests("gradcheck of recurrent layers", tests);
}
