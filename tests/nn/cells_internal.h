/* Recurrent cells as a user writes them, of generic ops: a GRU, an LSTM with its two states, and a minimal
 * gate. Each with a projection of its inputs, or taking them as they are. */
#ifndef TL_TESTS_NN_CELLS_INTERNAL_H
#define TL_TESTS_NN_CELLS_INTERNAL_H

#include "nn/rnn.h"

typedef struct user_cell {
    tl_cell cell;
    int64_t units;
    int gates;
    bool projects; /* outside the steps */
    tl_parameter *kernel, *recurrent, *bias;
} user_cell;

static inline tl_status user_build(void *self, tl_builder *builder, int64_t features)
{
    user_cell *c = self;
    int64_t width = c->gates * c->units;
    c->kernel = tl_build_parameter(builder, "kernel", tl_shape(features, width), TL_GLOROT_UNIFORM);
    c->recurrent = tl_build_parameter(builder, "recurrent", tl_shape(c->units, width), TL_GLOROT_UNIFORM);
    c->bias = tl_build_parameter(builder, "bias", tl_shape(width), TL_RANDOM_NORMAL);
    return c->kernel && c->recurrent && c->bias ? TL_OK : tl_error_status();
}

static inline tl_var *user_project(void *self, tl_var *x)
{
    const user_cell *c = self;
    tl_tape *tape = tl_tape_of(x);
    return tl_add(tl_matmul(x, tl_use(tape, c->kernel)), tl_use(tape, c->bias));
}

static inline tl_var *user_input(user_cell *c, tl_var *x)
{
    return c->projects ? x : user_project(c, x);
}

/* Part `gate` of gates side by side. */
static inline tl_var *user_gate(const user_cell *c, tl_var *gates, int gate)
{
    return tl_slice(gates, -1, gate * c->units, c->units);
}

static inline tl_var *user_recurrent(const user_cell *c, tl_var *h, int gate)
{
    return tl_matmul(h, user_gate(c, tl_use(tl_tape_of(h), c->recurrent), gate));
}

/* z, r = sigmoid(x + h u); n = tanh(x + (r h) u); h + z (n - h) */
static inline tl_var *gru_step(void *self, tl_var *x, tl_var *state[])
{
    user_cell *c = self;
    tl_var *h = state[0], *in = user_input(c, x);
    tl_var *z = tl_sigmoid(tl_add(user_gate(c, in, 0), user_recurrent(c, h, 0)));
    tl_var *r = tl_sigmoid(tl_add(user_gate(c, in, 1), user_recurrent(c, h, 1)));
    tl_var *n = tl_tanh(tl_add(user_gate(c, in, 2), user_recurrent(c, tl_mul(r, h), 2)));
    return state[0] = tl_add(h, tl_mul(z, tl_sub(n, h)));
}

/* i, f, o = sigmoid(x + h u), g = tanh(x + h u); c = f c + i g; h = o tanh(c) */
static inline tl_var *lstm_step(void *self, tl_var *x, tl_var *state[])
{
    user_cell *c = self;
    tl_var *all = tl_add(user_input(c, x), tl_matmul(state[0], tl_use(tl_tape_of(x), c->recurrent)));
    tl_var *kept = tl_mul(tl_sigmoid(user_gate(c, all, 1)), state[1]);
    tl_var *added = tl_mul(tl_sigmoid(user_gate(c, all, 0)), tl_tanh(user_gate(c, all, 3)));
    state[1] = tl_add(kept, added);
    return state[0] = tl_mul(tl_sigmoid(user_gate(c, all, 2)), tl_tanh(state[1]));
}

/* gate = sigmoid(x + h u); n = tanh(x + (gate h) u); h + gate (n - h) */
static inline tl_var *minimal_gate_step(void *self, tl_var *x, tl_var *state[])
{
    user_cell *c = self;
    tl_var *h = state[0], *in = user_input(c, x);
    tl_var *gate = tl_sigmoid(tl_add(user_gate(c, in, 0), user_recurrent(c, h, 0)));
    tl_var *next = tl_tanh(tl_add(user_gate(c, in, 1), user_recurrent(c, tl_mul(gate, h), 1)));
    return state[0] = tl_add(h, tl_mul(gate, tl_sub(next, h)));
}

/* The output is no state: twice the new state, which is tanh(x + h u). */
static inline tl_var *doubled_step(void *self, tl_var *x, tl_var *state[])
{
    user_cell *c = self;
    state[0] = tl_tanh(tl_add(user_input(c, x), user_recurrent(c, state[0], 0)));
    return tl_scale(state[0], 2);
}

static const struct {
    const char *name;
    int gates, states;
    tl_var *(*step)(void *self, tl_var *x, tl_var *state[]);
} user_cells[] = {{"gru", 3, 1, gru_step},
                  {"lstm", 4, 2, lstm_step},
                  {"minimal_gate", 2, 1, minimal_gate_step},
                  {"doubled", 1, 1, doubled_step}};
enum { USER_CELLS = sizeof user_cells / sizeof user_cells[0] };

static inline user_cell new_cell(int which, int64_t units, bool projects)
{
    user_cell c = {.cell = {.name = user_cells[which].name,
                            .states = {units},
                            .build = user_build,
                            .project = projects ? user_project : NULL,
                            .step = user_cells[which].step},
                   .units = units,
                   .gates = user_cells[which].gates,
                   .projects = projects};
    for (int i = 1; i < user_cells[which].states; i++)
        c.cell.states[i] = units;
    return c;
}

#endif
