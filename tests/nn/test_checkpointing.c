/* checkpoint_every: steps computed once more on the way back give the very gradients of steps that were kept,
 * bit for bit, in less memory. */
#include "autograd/tape_internal.h"
#include "tensor/threads.h"
#include "tests/nn/cells_internal.h"
#include "tests/nn/testing_internal.h"
#include "tests/support/heap_calls.h"

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

static const struct {
    const char *name;
    int states;
    tl_var *(*step)(void *self, tl_var *x, tl_var *state[]);
} odd_cells[] = {{"residual", 1, residual_step},
                 {"swapping", 2, swapping_step},
                 {"constant", 2, constant_step},
                 {"dropping", 1, dropping_step}};
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

int main(void)
{
    TCase *tests = tcase_create("checkpointing");
    tcase_add_loop_test(tests, gradients_are_those_of_steps_that_were_kept, 0, LAYERS);
    return run_tests("checkpointing", tests);
}
