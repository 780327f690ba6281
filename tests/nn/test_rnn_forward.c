/* tl_rnn_forward: states in and states out, as between an encoder and its decoder. */
#include "tests/nn/cells_internal.h"
#include "tests/nn/gradients_internal.h"

enum { ROWS = 3, TIME = 5, WIDTH = 2, UNITS = 4, SIMPLE = 2 * USER_CELLS, LAYERS = SIMPLE + 1 };

/* Layers by number: the user's cells with and without a projection, then SimpleRNN. `cell` must outlive it.
 */
static tl_module *new_layer(user_cell *cell, int which, bool sequences, bool stateful)
{
    if (which == SIMPLE)
        return tl_simple_rnn(UNITS, .return_sequences = sequences, .stateful = stateful);
    *cell = new_cell(which / 2, UNITS, which % 2);
    return tl_rnn(cell, .return_sequences = sequences, .stateful = stateful);
}

static int states_of(int which)
{
    return which == SIMPLE ? 1 : user_cells[which / 2].states;
}

/* A layer in a model, which gives it weights and frees it. */
typedef struct part {
    user_cell cell;
    tl_module *layer;
    tl_model *model;
} part;

static void make(part *p, int which, bool sequences, tl_dtype dtype)
{
    p->layer = new_layer(&p->cell, which, sequences, false);
    p->model = build_randomly(tl_sequential(p->layer), tl_shape(TIME, WIDTH), dtype, 0.6);
}

static tl_var *forward(const part *p, tl_var *x, tl_var *const initial[], tl_var *final[])
{
    tl_var *y = tl_rnn_forward(p->layer, x, initial, final);
    ck_assert_msg(y != NULL, "%s", tl_error_message());
    return y;
}

/* Cut after any step, with the states handed over, a sequence gives the same outputs and the same end. */
START_TEST(states_go_from_call_to_call)
{
    part p;
    make(&p, _i, true, TL_F32);
    tl_tensor values = random_tensor(TL_F32, tl_shape(ROWS, TIME, WIDTH), 1);
    tl_tape *tape = tl_tape_new();
    tl_var *x = tl_input(tape, values), *end[TL_MAX_STATES], *between[TL_MAX_STATES], *last[TL_MAX_STATES];
    tl_tensor whole = tl_value(forward(&p, x, NULL, end)), plain = tl_value(tl_forward(p.model, x));
    ck_assert(same_bits(whole, plain));
    for (int64_t cut = 0; cut <= TIME; cut++) {
        tl_tensor head = tl_value(forward(&p, tl_slice(x, 1, 0, cut), NULL, between));
        tl_tensor tail = tl_value(forward(&p, tl_slice(x, 1, cut, TIME - cut), between, last));
        ck_assert(same_bits(head, tl_tensor_slice(whole, 1, 0, cut)));
        ck_assert(same_bits(tail, tl_tensor_slice(whole, 1, cut, TIME - cut)));
        for (int i = 0; i < states_of(_i); i++)
            ck_assert(same_bits(tl_value(last[i]), tl_value(end[i])));
        ck_assert_ptr_null(last[states_of(_i)]);
    }
    tl_tape_free(tape);
    tl_tensor_free(&values);
    tl_model_free(p.model);
}
END_TEST

/* For a cell whose output is its state, the end is the last output, padded rows with that of their own. */
START_TEST(the_end_is_the_last_output)
{
    static const uint8_t steps[] = {1, 1, 1, 1, 1, 0, 0, 1, 1, 1, 1, 1, 0, 0, 0};
    part p;
    make(&p, SIMPLE, true, TL_F32);
    tl_tensor values = random_tensor(TL_F32, tl_shape(ROWS, TIME, WIDTH), 1),
              mask = tl_tensor_of(TL_U8, tl_shape(ROWS, TIME), steps);
    tl_tape *tape = tl_tape_new();
    tl_var *end[TL_MAX_STATES];
    tl_tensor y = tl_value(forward(&p, tl_set_mask(tl_input(tape, values), mask), NULL, end));
    ck_assert(same_bits(tl_value(end[0]), tl_tensor_select(y, 1, TIME - 1)));
    ck_assert(same_bits(tl_tensor_select(tl_value(end[0]), 0, 2),
                        tl_tensor_select(tl_tensor_select(y, 0, 2), 0, 1)));
    tl_tape_free(tape);
    tl_tensor_free(&values);
    tl_tensor_free(&mask);
    tl_model_free(p.model);
}
END_TEST

/* --- An encoder and a decoder --- */

typedef struct translation {
    part encoder, decoder;
    int states;
    tl_tensor source, target, weights;
} translation;

/* From the states that the encoder starts from, through both layers, to one number. */
static tl_var *translate(const translation *t, tl_var *source, tl_var *target, tl_var *const initial[])
{
    tl_var *states[TL_MAX_STATES];
    if (!tl_rnn_forward(t->encoder.layer, source, initial, states))
        return NULL;
    tl_var *y = tl_rnn_forward(t->decoder.layer, target, states, states);
    y = tl_sum(tl_mul(y, tl_input(tl_tape_of(source), t->weights)), TL_ALL_AXES, false);
    for (int i = 0; i < t->states; i++) /* the last states count as well */
        y = tl_add(y, tl_sum(tl_mul(states[i], states[i]), TL_ALL_AXES, false));
    return y;
}

static void start_translation(translation *t, int which)
{
    make(&t->encoder, which, false, TL_F64);
    make(&t->decoder, which, true, TL_F64);
    t->states = states_of(which);
    t->source = random_tensor(TL_F64, tl_shape(ROWS, TIME, WIDTH), 1);
    t->target = random_tensor(TL_F64, tl_shape(ROWS, 3, WIDTH), 2);
    t->weights = random_tensor(TL_F64, tl_shape(ROWS, 3, UNITS), 3);
}

static void end_translation(translation *t)
{
    tl_tensor *all[] = {&t->source, &t->target, &t->weights};
    for (int i = 0; i < 3; i++)
        tl_tensor_free(all[i]);
    tl_model_free(t->encoder.model);
    tl_model_free(t->decoder.model);
}

/* inputs: source, target, initial states. */
static tl_var *translate_inputs(void *context, tl_var *const inputs[])
{
    return translate(context, inputs[0], inputs[1], inputs + 2);
}

static tl_var *translate_on(tl_tape *tape, void *context)
{
    const translation *t = context;
    return translate(t, tl_input(tape, t->source), tl_input(tape, t->target), NULL);
}

START_TEST(gradients_flow_through_the_states)
{
    translation t;
    start_translation(&t, _i);
    tl_tensor h = random_tensor(TL_F64, tl_shape(ROWS, UNITS), 4),
              c = random_tensor(TL_F64, tl_shape(ROWS, UNITS), 5);
    tl_tensor inputs[] = {t.source, t.target, h, c};
    tl_gradcheck_report report;
    const tl_gradcheck_options strict = {.atol = 1e-7, .rtol = 1e-5};
    tl_status status = tl_gradcheck(translate_inputs, &t, inputs, 2 + t.states, &strict, &report);
    ck_assert_msg(status == TL_OK, "%s", tl_error_message());
    ck_assert_int_eq(report.checked, ROWS * TIME * WIDTH + ROWS * 3 * WIDTH + t.states * ROWS * UNITS);
    for (int i = 0; i < 2; i++) {
        int count;
        tl_parameter *const *parameters = tl_model_parameters((i ? t.decoder : t.encoder).model, &count);
        check_parameters(parameters, count, (tape_function){translate_on, &t});
        for (int j = 0; j < count; j++) /* or the encoder would have nothing to do with it */
            ck_assert_double_gt(fabs(element(parameters[j]->gradient, 0)), 1e-6);
    }
    tl_tensor_free(&h);
    tl_tensor_free(&c);
    end_translation(&t);
}
END_TEST

/* States of the caller's leave those that a stateful layer carries alone. */
START_TEST(carried_states_are_not_touched)
{
    user_cell cell;
    tl_module *layer = new_layer(&cell, _i, false, true);
    tl_model *model = build_randomly(tl_sequential(layer), tl_shape(TIME, WIDTH), TL_F32, 0.6);
    tl_tensor x = random_tensor(TL_F32, tl_shape(ROWS, TIME, WIDTH), 1),
              h = random_tensor(TL_F32, tl_shape(ROWS, UNITS), 2);
    tl_tensor y[4];
    for (int i = 0; i < 4; i++) { /* twice in a row, and so again, but with a call in between */
        if (i == 2)
            check_ok(tl_reset_states(model));
        if (i == 3) {
            tl_tape *tape = tl_tape_new();
            tl_var *in = tl_input(tape, h), *initial[] = {in, in};
            ck_assert_ptr_nonnull(tl_rnn_forward(layer, tl_input(tape, x), initial, NULL));
            tl_tape_free(tape);
        }
        y[i] = tl_predict(model, x, 0);
    }
    ck_assert(!same_bits(y[0], y[1]));
    ck_assert(same_bits(y[0], y[2]));
    ck_assert(same_bits(y[1], y[3]));
    for (int i = 0; i < 4; i++)
        tl_tensor_free(&y[i]);
    tl_tensor_free(&x);
    tl_tensor_free(&h);
    tl_model_free(model);
}
END_TEST

/* --- Errors --- */

START_TEST(states_that_do_not_fit_are_refused)
{
    static const struct {
        tl_dtype dtype;
        tl_shape shape;
        const char *message;
    } cases[] = {
        {TL_F32, {2, {2, UNITS}}, "lstm: initial state 1 is f32 [2, 4], expected f32 [3, 4]"},
        {TL_F32, {2, {ROWS, 5}}, "lstm: initial state 1 is f32 [3, 5], expected f32 [3, 4]"},
        {TL_F32, {1, {UNITS}}, "lstm: initial state 1 is f32 [4], expected f32 [3, 4]"},
        {TL_F64, {2, {ROWS, UNITS}}, "lstm: initial state 1 is f64 [3, 4], expected f32 [3, 4]"},
    };
    part p;
    make(&p, 2, false, TL_F32); /* the lstm */
    tl_tensor x = random_tensor(TL_F32, tl_shape(ROWS, TIME, WIDTH), 1),
              h = random_tensor(TL_F32, tl_shape(ROWS, UNITS), 2);
    for (int i = 0; i < 4; i++) {
        tl_tensor c = tl_tensor_new(cases[i].dtype, cases[i].shape);
        tl_tape *tape = tl_tape_new();
        tl_var *initial[] = {tl_input(tape, h), tl_input(tape, c)};
        ck_assert_ptr_null(tl_rnn_forward(p.layer, tl_input(tape, x), initial, NULL));
        check_error(TL_ERROR_SHAPE, cases[i].message);
        tl_tape_free(tape);
        tl_tensor_free(&c);
    }
    tl_tensor_free(&x);
    tl_tensor_free(&h);
    tl_model_free(p.model);
}
END_TEST

START_TEST(a_missing_state_is_an_error)
{
    part p;
    make(&p, 2, false, TL_F32);
    tl_tensor x = random_tensor(TL_F32, tl_shape(ROWS, TIME, WIDTH), 1);
    tl_tape *tape = tl_tape_new();
    tl_var *initial[2] = {NULL, NULL};
    ck_assert_int_eq(tl_error_status(), TL_OK);
    ck_assert_ptr_null(tl_rnn_forward(p.layer, tl_input(tape, x), initial, NULL));
    check_error(TL_ERROR_ARGUMENT, "lstm: no initial state");
    tl_tape_free(tape);
    tl_tensor_free(&x);
    tl_model_free(p.model);
}
END_TEST

START_TEST(other_layers_and_inputs_are_refused)
{
    part p;
    make(&p, SIMPLE, false, TL_F32);
    tl_module *dense = tl_dense(2), *unbuilt = tl_simple_rnn(2);
    tl_tensor flat = random_tensor(TL_F32, tl_shape(ROWS, WIDTH), 1);
    tl_tape *tape = tl_tape_new();
    tl_var *x = tl_input(tape, flat);
    ck_assert_ptr_null(tl_rnn_forward(NULL, x, NULL, NULL));
    ck_assert_ptr_null(tl_rnn_forward(p.layer, NULL, NULL, NULL));
    ck_assert_int_eq(tl_error_status(), TL_OK);
    ck_assert_ptr_null(tl_rnn_forward(dense, x, NULL, NULL));
    check_error(TL_ERROR_ARGUMENT, "rnn_forward: layer dense, expected a recurrent one that is built");
    ck_assert_ptr_null(tl_rnn_forward(unbuilt, x, NULL, NULL));
    check_error(TL_ERROR_ARGUMENT, "rnn_forward: layer simple_rnn, expected a recurrent one that is built");
    ck_assert_ptr_null(tl_rnn_forward(p.layer, x, NULL, NULL));
    check_error(TL_ERROR_SHAPE, "simple_rnn: input [3, 2], expected [batch, time, features]");
    tl_tape_free(tape);
    tl_tensor_free(&flat);
    tl_module_free(dense);
    tl_module_free(unbuilt);
    tl_model_free(p.model);
}
END_TEST

/* --- What a step must give --- */

static tl_var *widens(void *self, tl_var *x, tl_var *state[])
{
    (void)self;
    state[1] = tl_concat((tl_var *[]){x, x}, 2, -1);
    return state[0] = tl_tanh(tl_add(x, state[0]));
}

static tl_var *shortens(void *self, tl_var *x, tl_var *state[])
{
    (void)self;
    state[1] = tl_slice(x, 0, 0, 1);
    return state[0] = tl_tanh(tl_add(x, state[0]));
}

static tl_var *loses(void *self, tl_var *x, tl_var *state[])
{
    (void)self;
    state[1] = NULL;
    return state[0] = tl_tanh(tl_add(x, state[0]));
}

START_TEST(a_step_that_breaks_a_state_is_an_error)
{
    static const struct {
        tl_var *(*step)(void *self, tl_var *x, tl_var *state[]);
        const char *message;
    } steps[] = {{widens, "bad: new state 1 is f32 [3, 4], expected f32 [3, 2]"},
                 {shortens, "bad: new state 1 is f32 [1, 2], expected f32 [3, 2]"},
                 {loses, "bad: no new state"}};
    tl_tensor x = random_tensor(TL_F32, tl_shape(ROWS, TIME, WIDTH), 1);
    tl_cell cell = {.name = "bad", .states = {WIDTH, WIDTH}, .step = steps[_i / 2].step};
    tl_model *model = tl_sequential(tl_rnn(&cell, .stateful = _i % 2));
    check_ok(tl_build(model, tl_shape(TIME, WIDTH), TL_F32, 0));
    ck_assert(!tl_tensor_ok(tl_predict(model, x, 0)));
    ck_assert_msg(strstr(tl_error_message(), steps[_i / 2].message) != NULL, "%s", tl_error_message());
    tl_tensor_free(&x);
    tl_model_free(model);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("rnn_forward");
    tcase_add_loop_test(tests, states_go_from_call_to_call, 0, LAYERS);
    tcase_add_test(tests, the_end_is_the_last_output);
    tcase_add_loop_test(tests, gradients_flow_through_the_states, 0, LAYERS);
    tcase_add_loop_test(tests, carried_states_are_not_touched, 0, LAYERS);
    tcase_add_test(tests, states_that_do_not_fit_are_refused);
    tcase_add_test(tests, a_missing_state_is_an_error);
    tcase_add_test(tests, other_layers_and_inputs_are_refused);
    tcase_add_loop_test(tests, a_step_that_breaks_a_state_is_an_error, 0, 6);
    return run_tests("rnn_forward", tests);
}
