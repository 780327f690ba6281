/* checkpoint_every: steps computed once more on the way back give the very gradients of steps that were kept,
 * bit for bit, in less memory. */
#include "tensor/threads.h"
#include "tests/nn/cells_internal.h"
#include "tests/nn/testing_internal.h"
#include "tests/support/heap_calls.h"

#include <stdio.h>

enum { ROWS = 5, TIME = 75, WIDTH = 3, UNITS = 4, WORDS = 9 };

/* --- Cells --- */

/* h' = tanh(x u + h), where the state is an addend: the gradient of u waits or not with what is known of h.
 */
static tl_var *residual_step(void *self, tl_var *x, tl_var *state[])
{
    user_cell *c = self;
    tl_var *in = tl_slice(user_input(c, x), -1, 0, c->units);
    return state[0] = tl_affine(in, user_gate(c, tl_use(tl_tape_of(x), c->recurrent), 0), state[0], TL_TANH);
}

/* The states change places, one of them is a view, and the output is neither: h, c = tanh(x + c u), h. */
static tl_var *swapping_step(void *self, tl_var *x, tl_var *state[])
{
    user_cell *c = self;
    tl_var *h = state[0], *in = tl_slice(user_input(c, x), -1, 0, c->units);
    tl_var *next = tl_tanh(tl_add(in, user_recurrent(c, state[1], 0)));
    state[0] = tl_slice(tl_concat((tl_var *[]){next, h}, 2, 1), 1, 0, c->units);
    state[1] = h;
    return tl_add(next, h);
}

/* Its second state is what it was at first. */
static tl_var *constant_step(void *self, tl_var *x, tl_var *state[])
{
    user_cell *c = self;
    tl_var *in = tl_slice(user_input(c, x), -1, 0, c->units);
    return state[0] = tl_tanh(tl_add(tl_add(in, state[1]), user_recurrent(c, state[0], 0)));
}

/* A weight for the output alone, and dropout of the step's own. */
static tl_var *dropping_step(void *self, tl_var *x, tl_var *state[])
{
    user_cell *c = self;
    tl_var *in = tl_slice(user_input(c, x), -1, 0, c->units);
    state[0] = tl_tanh(tl_add(in, user_recurrent(c, tl_dropout(state[0], 0.3), 0)));
    return tl_matmul(state[0], user_gate(c, tl_use(tl_tape_of(x), c->recurrent), 1));
}

/* Nothing flows back to a state that nobody reads; if zeros did, they would meet an infinite slope. */
static tl_var *unread_step(void *self, tl_var *x, tl_var *state[])
{
    user_cell *c = self;
    tl_var *in = tl_slice(user_input(c, x), -1, 0, c->units);
    state[0] = tl_tanh(tl_add(in, user_recurrent(c, state[0], 0)));
    state[1] = tl_sqrt(tl_scale(state[0], 0));
    return state[0];
}

static const struct {
    const char *name;
    int states;
    tl_var *(*step)(void *self, tl_var *x, tl_var *state[]);
} odd_cells[] = {{"residual", 1, residual_step},
                 {"swapping", 2, swapping_step},
                 {"constant", 2, constant_step},
                 {"dropping", 1, dropping_step},
                 {"unread", 2, unread_step}};
enum { ODD_CELLS = sizeof odd_cells / sizeof odd_cells[0], SIMPLE = 2 * (USER_CELLS + ODD_CELLS) };
enum { LAYERS = SIMPLE + 1 };

static user_cell new_odd_cell(int which, bool projects)
{
    user_cell c = new_cell(0, UNITS, projects); /* with the parameters of a GRU */
    c.cell.name = odd_cells[which].name;
    c.cell.step = odd_cells[which].step;
    for (int i = 1; i < odd_cells[which].states; i++)
        c.cell.states[i] = UNITS;
    return c;
}

/* Layers by number: users' cells with and without a projection, then SimpleRNN. `cell` must outlive them. */
static tl_module *new_layer(int which, user_cell *cell, tl_rnn_options o)
{
    if (which == SIMPLE)
        return tl_simple_rnn(UNITS, .return_sequences = o.return_sequences, .go_backwards = o.go_backwards,
                             .stateful = o.stateful, .dropout = o.dropout,
                             .recurrent_dropout = o.recurrent_dropout,
                             .checkpoint_every = o.checkpoint_every);
    *cell = which / 2 < USER_CELLS ? new_cell(which / 2, UNITS, which % 2)
                                   : new_odd_cell(which / 2 - USER_CELLS, which % 2);
    o.size = sizeof o;
    o.cell = cell;
    return tl_rnn_with(&o);
}

/* --- On a tape: gradients of all parameters, of the sequence and of the states it starts from --- */

typedef struct setup {
    int layer;
    tl_rnn_options options;
    bool masked, seeds_final; /* the final states are in the loss as well */
    tl_dtype dtype;
    int64_t time;
} setup;

enum { MOST_RESULTS = 3 + 2 * TL_MAX_STATES + 3 };

typedef struct results {
    int count;
    tl_tensor values[MOST_RESULTS];
} results;

static void keep(results *r, tl_tensor value)
{
    ck_assert_int_lt(r->count, MOST_RESULTS);
    r->values[r->count++] = copy_of(value);
}

/* Rows that begin, end, or have gaps in them; row 0 has no step at all, and some chunks are empty. */
static tl_tensor new_mask(int64_t time)
{
    tl_tensor mask = tl_tensor_new(TL_U8, tl_shape(ROWS, time));
    uint8_t *at = tl_data_mut(mask);
    for (int64_t i = 0; i < ROWS; i++)
        for (int64_t t = 0; t < time; t++)
            at[i * time + t] =
                i > 0 && t >= 20 && (t < 36 || t > 51) && (t + i) % (i + 2) != 0 && (i != 2 || t < 60);
    return mask;
}

static tl_var *weighted(tl_var *x, uint64_t stream)
{
    tl_var *weights = tl_zeros(tl_tape_of(x), tl_dtype_of(x), tl_shape_of(x));
    check_ok(tl_random_fill_uniform(tl_value(weights), -1, 1, 7, stream));
    return tl_sum(tl_mul(x, weights), TL_ALL_AXES, false);
}

static void run(const setup *s, int64_t every, results *r)
{
    user_cell cell;
    tl_rnn_options o = s->options;
    o.checkpoint_every = every;
    tl_module *layer = new_layer(s->layer, &cell, o);
    const int states = s->layer == SIMPLE || cell.cell.states[1] == 0 ? 1 : 2; /* no cell here has more */
    tl_model *model = build_randomly(tl_sequential(layer), tl_shape(s->time, WIDTH), s->dtype, 0.6);
    tl_tensor input = random_tensor(s->dtype, tl_shape(s->time, ROWS, WIDTH), 1), mask = new_mask(s->time);
    tl_tensor start = random_tensor(s->dtype, tl_shape(ROWS, UNITS), 2);
    tl_tape *tape = tl_tape_new();
    tl_tape_set_random(tape, 3, 4, 5);
    tl_var *x = tl_variable(tape, tl_tensor_transpose(input, 0, 1)), *initial[TL_MAX_STATES], *final[4];
    for (int i = 0; i < states; i++)
        initial[i] = tl_variable(tape, start);
    tl_var *doubled = tl_scale(x, 2); /* so that what flows to x is passed on */
    if (s->masked)
        doubled = tl_set_mask(doubled, mask);
    tl_var *y = tl_rnn_forward(layer, doubled, s->seeds_final ? initial : NULL, final);
    ck_assert_msg(y != NULL, "%s", tl_error_message());
    tl_var *loss = weighted(tl_dropout(y, 0.1), 1); /* dropouts go on counting behind the layer */
    for (int i = 0; i < states && s->seeds_final; i++)
        loss = tl_add(loss, weighted(final[i], 2 + (uint64_t)i));
    if (s->seeds_final) { /* a weight of the steps has another use behind them */
        tl_var *weight = tl_use(tape, tl_module_parameter(layer, 1));
        loss = tl_add(loss, weighted(tl_matmul(final[0], weight), 9));
    }
    *r = (results){0};
    keep(r, tl_value(y));
    if (tl_tensor_ok(tl_mask_of(y)))
        keep(r, tl_mask_of(y));
    check_ok(tl_backward(loss));
    keep(r, tl_grad(x));
    for (int i = 0; i < states && s->seeds_final; i++) {
        keep(r, tl_value(final[i]));
        keep(r, tl_grad(initial[i]));
    }
    int count;
    tl_parameter *const *parameters = tl_model_parameters(model, &count);
    for (int i = 0; i < count; i++)
        keep(r, parameters[i]->gradient);
    tl_tape_free(tape);
    tl_tensor_free(&input);
    tl_tensor_free(&mask);
    tl_tensor_free(&start);
    tl_model_free(model);
}

static void forget(results *r)
{
    for (int i = 0; i < r->count; i++)
        tl_tensor_free(&r->values[i]);
}

static void check_setup(const setup *s)
{
    static const int64_t lengths[] = {1, 17, 48, 1000};
    results plain, checkpointed;
    run(s, 0, &plain);
    for (int i = 0; i < 4; i++) {
        run(s, lengths[i], &checkpointed);
        ck_assert_int_eq(plain.count, checkpointed.count);
        for (int j = 0; j < plain.count; j++)
            ck_assert_msg(same_bits(plain.values[j], checkpointed.values[j]),
                          "layer %d, every %lld of %lld: result %d differs by %g%s%s%s%s%s%s%s", s->layer,
                          (long long)lengths[i], (long long)s->time, j,
                          difference(plain.values[j], checkpointed.values[j]),
                          s->dtype == TL_F64 ? ", f64" : "", s->masked ? ", masked" : "",
                          s->options.go_backwards ? ", backwards" : "",
                          s->options.return_sequences ? ", sequences" : "", s->seeds_final ? ", states" : "",
                          s->options.dropout > 0 ? ", dropout" : "",
                          s->options.recurrent_dropout > 0 ? ", recurrent dropout" : "");
        forget(&checkpointed);
    }
    forget(&plain);
}

START_TEST(gradients_are_those_of_steps_that_were_kept)
{
    for (int i = 0; i < 1 << 7; i++) {
        const setup s = {.layer = _i,
                         .options = {.return_sequences = i & 1,
                                     .go_backwards = i & 2,
                                     .dropout = i & 4 ? 0.2 : 0,
                                     .recurrent_dropout = i & 8 ? 0.2 : 0},
                         .masked = i & 16,
                         .seeds_final = i & 32,
                         .dtype = i & 64 ? TL_F64 : TL_F32,
                         .time = i % 3 == 0 ? 96 : TIME};
        check_setup(&s);
    }
}
END_TEST

/* --- Through the trainer --- */

enum { SAMPLES = 45, BATCH = 20, EPOCHS = 2 };

typedef struct trained {
    user_cell cells[2];
    tl_model *model;
    tl_tensor x, y;
} trained;

/* Models by number: over words that are rows of a projected table, or few of a large one; of two directions;
 * stateful; two layers; nothing but frozen weights in the layer. */
enum { MODELS = 7 };

static void new_model(int which, int64_t every, trained *t)
{
    t->cells[0] = new_cell(which % USER_CELLS, UNITS, true);
    t->cells[1] = new_cell(1, UNITS, true);
    tl_module *dense = tl_dense(1);
    if (which == 0)
        t->model = tl_sequential(tl_embedding(WORDS, WIDTH, .mask_zero = true),
                                 tl_simple_rnn(UNITS, .checkpoint_every = every), dense);
    else if (which == 1)
        t->model =
            tl_sequential(tl_embedding(5000, WIDTH), tl_rnn(&t->cells[0], .checkpoint_every = every), dense);
    else if (which == 2)
        t->model = tl_sequential(
            tl_embedding(WORDS, WIDTH, .mask_zero = true),
            tl_bidirectional(
                tl_simple_rnn(UNITS, .return_sequences = true, .checkpoint_every = every),
                tl_rnn(&t->cells[0], .return_sequences = true, .dropout = 0.1, .checkpoint_every = every)),
            tl_global_average_pooling_1d(), dense);
    else if (which == 3)
        t->model = tl_sequential(tl_category_encoding(WORDS),
                                 tl_rnn(&t->cells[0], .stateful = true, .recurrent_dropout = 0.1,
                                        .return_sequences = true, .checkpoint_every = every),
                                 tl_dropout_layer(0.1),
                                 tl_simple_rnn(UNITS, .stateful = true, .checkpoint_every = every), dense);
    else if (which == 4)
        t->model =
            tl_sequential(tl_embedding(WORDS, WIDTH, .mask_zero = true),
                          tl_rnn(&t->cells[0], .return_sequences = true, .checkpoint_every = every),
                          tl_rnn(&t->cells[1], .go_backwards = true, .checkpoint_every = every), dense);
    else
        t->model =
            tl_sequential(tl_embedding(WORDS, WIDTH),
                          tl_simple_rnn(UNITS, .dropout = which == 6 ? 0.2 : 0, /* the table as it is */
                                        .checkpoint_every = every),
                          dense);
    check_ok(
        tl_compile(t->model, .optimizer = tl_adam(.learning_rate = 0.01), .loss = TL_MEAN_SQUARED_ERROR));
    build_randomly(t->model, tl_shape(TIME), TL_F32, 0.6);
    for (int i = 0; which == 5 && i < 3; i++) {
        static const char *const frozen[] = {"kernel", "recurrent_kernel", "bias"};
        char name[64];
        snprintf(name, sizeof name, "simple_rnn/%s", frozen[i]);
        parameter_of(t->model, name)->trainable = false;
    }
    const int64_t samples = which == 3 ? 2 * BATCH : SAMPLES;
    t->x = padded_ids(samples, TIME, WORDS, 1);
    t->y = random_tensor(TL_F32, tl_shape(samples, 1), 2);
}

static void train(trained *t, int threads)
{
    check_ok(tl_set_threads(threads));
    tl_history *history = tl_fit(t->model, tl_dataset_of(t->x, t->y), .epochs = EPOCHS, .batch_size = BATCH);
    ck_assert_msg(history != NULL, "%s", tl_error_message());
    tl_history_free(history);
}

static void free_trained(trained *t)
{
    tl_model_free(t->model);
    tl_tensor_free(&t->x);
    tl_tensor_free(&t->y);
}

START_TEST(models_train_alike_on_any_number_of_threads)
{
    static const int threads[] = {1, 2, 5};
    trained plain;
    new_model(_i, 0, &plain);
    train(&plain, 1);
    tl_tensor expected = tl_predict(plain.model, plain.x, BATCH);
    for (int i = 0; i < 3; i++) {
        trained checkpointed;
        new_model(_i, 16, &checkpointed);
        train(&checkpointed, threads[i]);
        ck_assert_msg(same_weights(plain.model, checkpointed.model), "model %d on %d threads differs by %g",
                      _i, threads[i], weights_apart(plain.model, checkpointed.model));
        tl_tensor predicted = tl_predict(checkpointed.model, plain.x, BATCH);
        ck_assert(same_bits(predicted, expected));
        tl_tensor_free(&predicted);
        free_trained(&checkpointed);
    }
    tl_tensor_free(&expected);
    free_trained(&plain);
}
END_TEST

/* --- Memory --- */

/* One training step, over sequences of so many steps and one feature. */
static size_t peak_bytes(bool simple, int64_t time, int64_t every, bool trains)
{
    enum { UNITS_HERE = 32 };
    user_cell cell = new_cell(0, UNITS_HERE, true);
    tl_module *layer = simple ? tl_simple_rnn(UNITS_HERE, .checkpoint_every = every)
                              : tl_rnn(&cell, .checkpoint_every = every);
    tl_model *model = tl_sequential(layer, tl_dense(1));
    check_ok(tl_compile(model, .optimizer = tl_sgd(), .loss = TL_MEAN_SQUARED_ERROR));
    tl_tensor x = random_tensor(TL_F32, tl_shape(8, time, 1), 1),
              y = random_tensor(TL_F32, tl_shape(8, 1), 2);
    tl_metrics metrics;
    check_ok(tl_set_threads(1));
    check_ok(tl_build(model, tl_shape(time, 1), TL_F32, 0));
    check_ok(trains ? tl_train_on_batch(model, x, y, NULL)
                    : tl_evaluate(model, tl_dataset_of(x, y), 8, &metrics));
    size_t bytes = tl_model_peak_bytes(model);
    tl_tensor_free(&x);
    tl_tensor_free(&y);
    tl_model_free(model);
    return bytes;
}

START_TEST(memory_is_that_of_a_segment_and_of_the_states_between)
{
    for (int simple = 0; simple < 2; simple++)
        for (int trains = 0; trains < 2; trains++) {
            const size_t plain = peak_bytes(simple, 4000, 0, trains),
                         checkpointed = peak_bytes(simple, 4000, 96, trains);
            ck_assert_msg(checkpointed * (trains ? 8 : 4) < plain, "%zu bytes, plainly %zu", checkpointed,
                          plain);
        }
}
END_TEST

START_TEST(one_segment_costs_nothing)
{
    ck_assert_uint_eq(peak_bytes(true, 200, 200, true), peak_bytes(true, 200, 0, true));
    ck_assert_uint_eq(peak_bytes(true, 200, INT64_MAX, true), peak_bytes(true, 200, 0, true));
}
END_TEST

/* The first step may ask the heap. */
START_TEST(later_steps_ask_nothing_of_the_heap)
{
    start_counting_heap_calls();
    if (!counts_heap_calls()) {
        puts("test_checkpointing: SKIPPED counting calls of the heap");
        return;
    }
    trained t;
    new_model(_i, 16, &t);
    check_ok(tl_set_threads(1 + _i % 2));
    const tl_tensor x = tl_tensor_slice(t.x, 0, 0, BATCH), y = tl_tensor_slice(t.y, 0, 0, BATCH);
    check_ok(tl_train_on_batch(t.model, x, y, NULL));
    const long long before = heap_calls;
    tl_status status = TL_OK;
    for (int i = 0; i < 5 && status == TL_OK; i++)
        status = tl_train_on_batch(t.model, x, y, NULL);
    const long long calls = heap_calls - before;
    check_ok(status);
    ck_assert_msg(calls == 0, "model %d: 5 steps called the heap %lld times", _i, calls);
    free_trained(&t);
}
END_TEST

/* --- A recurrent layer in the step of a cell --- */

typedef struct outer_cell {
    tl_cell cell;
    tl_module *inner;
} outer_cell;

static tl_status outer_build(void *self, tl_builder *builder, int64_t features)
{
    (void)features;
    return tl_module_build(((outer_cell *)self)->inner, builder, tl_shape(40, 1));
}

/* The inner layer reads the features one by one. */
static tl_var *outer_step(void *self, tl_var *x, tl_var *state[])
{
    tl_var *read = tl_rnn_forward(((outer_cell *)self)->inner, tl_unsqueeze(x, -1), NULL, NULL);
    return state[0] = tl_tanh(tl_add(read, state[0]));
}

static void run_nested(int64_t every, results *r)
{
    outer_cell cell = {.cell = {.name = "outer", .states = {UNITS}, .build = outer_build, .step = outer_step},
                       .inner = tl_simple_rnn(UNITS, .recurrent_dropout = 0.1, .checkpoint_every = every)};
    tl_module *layer = tl_rnn(&cell, .checkpoint_every = every);
    tl_builder builder = {.dtype = TL_F32, .seed = 5};
    check_ok(tl_module_build(layer, &builder, tl_shape(50, 40)));
    tl_tape *tape = tl_tape_new();
    tl_tensor input = random_tensor(TL_F32, tl_shape(3, 50, 40), 1);
    tl_var *x = tl_variable(tape, input);
    check_ok(tl_backward(weighted(tl_rnn_forward(layer, x, NULL, NULL), 1)));
    *r = (results){0};
    keep(r, tl_grad(x));
    for (int i = 0; i < tl_module_parameters(cell.inner); i++)
        keep(r, tl_module_parameter(cell.inner, i)->gradient);
    tl_tape_free(tape);
    tl_tensor_free(&input);
    tl_module_free(layer);
    tl_module_free(cell.inner);
}

START_TEST(layers_within_steps_have_segments_of_their_own)
{
    results plain, checkpointed;
    run_nested(0, &plain);
    run_nested(16, &checkpointed);
    ck_assert_int_eq(plain.count, 4);
    for (int i = 0; i < plain.count; i++)
        ck_assert_msg(same_bits(plain.values[i], checkpointed.values[i]), "result %d differs by %g", i,
                      difference(plain.values[i], checkpointed.values[i]));
    forget(&plain);
    forget(&checkpointed);
}
END_TEST

/* --- Errors --- */

START_TEST(negative_lengths_are_refused)
{
    user_cell cell = new_cell(0, UNITS, true);
    ck_assert_ptr_null(tl_rnn(&cell, .checkpoint_every = -3));
    check_error(TL_ERROR_ARGUMENT, "rnn: cell gru with checkpoint_every -3, expected 0 or more steps");
    ck_assert_ptr_null(tl_simple_rnn(4, .checkpoint_every = -1));
    check_error(TL_ERROR_ARGUMENT, "simple_rnn with checkpoint_every -1");
}
END_TEST

/* Fails at its fortieth step, or at the fortieth that is recorded. */
typedef struct failing_cell {
    tl_cell cell;
    int left;
    bool when_recorded;
} failing_cell;

static tl_var *failing_step(void *self, tl_var *x, tl_var *state[])
{
    failing_cell *c = self;
    const bool counts = !c->when_recorded || tl_tape_is_recording(tl_tape_of(x));
    if (counts && --c->left == 0) {
        tl_error(TL_ERROR_STATE, "failing: out of steps");
        return NULL;
    }
    return state[0] = tl_tanh(tl_add(x, state[0]));
}

START_TEST(a_step_that_fails_says_why)
{
    for (int when_recorded = 0; when_recorded < 2; when_recorded++) {
        failing_cell cell = {.cell = {.name = "failing", .states = {WIDTH}, .step = failing_step},
                             .left = 40,
                             .when_recorded = when_recorded};
        tl_module *layer = tl_rnn(&cell, .checkpoint_every = 16);
        tl_builder builder = {.dtype = TL_F32};
        check_ok(tl_module_build(layer, &builder, tl_shape(TIME, WIDTH)));
        tl_tape *tape = tl_tape_new();
        tl_tensor input = random_tensor(TL_F32, tl_shape(ROWS, TIME, WIDTH), 1);
        for (int again = 0; again < 2; again++) { /* the second time it has steps enough */
            tl_var *y = tl_rnn_forward(layer, tl_variable(tape, input), NULL, NULL);
            ck_assert_int_eq(y != NULL, when_recorded || again);
            ck_assert_int_eq(tl_backward(y ? weighted(y, 1) : NULL) == TL_OK, again);
            if (!again)
                check_error(TL_ERROR_STATE, "failing: out of steps");
            tl_tape_reset(tape);
        }
        tl_tape_free(tape);
        tl_tensor_free(&input);
        tl_module_free(layer);
    }
}
END_TEST

START_TEST(weights_must_stay_until_backward)
{
    tl_model *model = build_randomly(tl_sequential(tl_simple_rnn(UNITS, .checkpoint_every = 16)),
                                     tl_shape(TIME, WIDTH), TL_F32, 0.5);
    tl_tensor input = random_tensor(TL_F32, tl_shape(ROWS, TIME, WIDTH), 1);
    tl_tape *tape = tl_tape_new();
    tl_var *loss = weighted(tl_forward(model, tl_input(tape, input)), 1);
    tl_data_mut(parameter_of(model, "simple_rnn/recurrent_kernel")->value);
    ck_assert_int_ne(tl_backward(loss), TL_OK);
    check_error(
        TL_ERROR_STATE,
        "backward: simple_rnn/recurrent_kernel, shape [4, 4], was changed in place after it was used");
    tl_tape_free(tape);
    tl_tensor_free(&input);
    tl_model_free(model);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("checkpointing");
    tcase_add_loop_test(tests, gradients_are_those_of_steps_that_were_kept, 0, LAYERS);
    tcase_add_loop_test(tests, models_train_alike_on_any_number_of_threads, 0, MODELS);
    tcase_add_test(tests, memory_is_that_of_a_segment_and_of_the_states_between);
    tcase_add_test(tests, one_segment_costs_nothing);
    tcase_add_loop_test(tests, later_steps_ask_nothing_of_the_heap, 0, MODELS);
    tcase_add_test(tests, layers_within_steps_have_segments_of_their_own);
    tcase_add_test(tests, negative_lengths_are_refused);
    tcase_add_test(tests, a_step_that_fails_says_why);
    tcase_add_test(tests, weights_must_stay_until_backward);
    return run_tests("checkpointing", tests);
}
