/* Recurrent layers: a generic loop over time for any cell, and SimpleRNN, which is one. Rests on module.h.
 *
 * A cell of one's own is a struct that starts with a tl_cell, and a step:
 *
 *     typedef struct my_cell {
 *         tl_cell cell;
 *         int64_t units;
 *         tl_parameter *kernel, *recurrent;
 *     } my_cell;
 *
 *     static tl_var *my_step(void *self, tl_var *x, tl_var *state[])
 *     {
 *         my_cell *c = self;
 *         tl_tape *tape = tl_tape_of(x);
 *         return state[0] = tl_tanh(tl_add(x, tl_matmul(state[0], tl_use(tape, c->recurrent))));
 *     }
 *
 *     my_cell cell = {.cell = {.name = "my_cell", .states = {64}, .build = my_build, .project = my_project,
 *                              .step = my_step}, .units = 64};
 *     tl_module *layer = tl_rnn(&cell, .return_sequences = true);
 *
 * The layer gives it masks, direction, stacking, training over shards and threads, and backpropagation
 * through time. The struct must outlive the layer, and a step must not write to it, since steps of several
 * shards run at once.
 */
#ifndef TL_NN_RNN_H
#define TL_NN_RNN_H

#include "../tensor/options.h"
#include "module.h"

enum { TL_MAX_STATES = 4 };

typedef struct tl_cell {
    const char *name;
    int64_t states[TL_MAX_STATES]; /* the width of each state, 0 behind the last; states start as zeros */

    /* Makes the parameters, with tl_build_parameter, for inputs of so many features. NULL: has none to make.
     */
    tl_status (*build)(void *self, tl_builder *builder, int64_t features);

    /* What of a step depends on its input alone, done for a whole sequence [batch, time, features] at once.
     * It must treat every position alike, because it is also used on a table of embeddings [rows, features]
     * in place of the sequences that are rows of it. NULL: steps take the input as it is. */
    tl_var *(*project)(void *self, tl_var *x);

    /* One step: x [batch, projected features], state[i] [batch, states[i]]. Replaces the states and returns
     * the output, as wide as state[0] and usually that. NULL with the error set if it fails. */
    tl_var *(*step)(void *self, tl_var *x, tl_var *state[]);

    /* Frees what the struct has. NULL: nothing to free. */
    void (*free)(void *self);

    /* The step looks at tl_mask_of(x) itself and keeps the states of rows where it is 0. Otherwise the layer
     * does it, with tl_where. */
    bool applies_mask;
} tl_cell;

/* A cell over a sequence: [batch, time, features] -> [batch, width of the output], or [batch, time, width]
 * with return_sequences. Steps where the mask is 0 leave states as they are and repeat the last output. */
typedef struct tl_rnn_options {
    size_t size;
    void *cell;            /* a struct that starts with a tl_cell */
    bool return_sequences; /* the output of every step, not of the last alone */
    bool go_backwards;     /* from the last step to the first; sequences are returned in that order */
} tl_rnn_options;

TL_API tl_module *tl_rnn_with(const tl_rnn_options *options);
#define tl_rnn(...) tl_rnn_with(&(tl_rnn_options){.size = sizeof(tl_rnn_options), .cell = __VA_ARGS__})

/* h_t = activation(x_t kernel + h_(t-1) recurrent_kernel + bias), h_0 = 0  (Elman, "Finding structure in
 * time", 1990). Parameters: kernel [features, units], recurrent_kernel [units, units], bias [units]. */
typedef struct tl_simple_rnn_options {
    size_t size;
    int64_t units;            /* at least 1 */
    tl_activation activation; /* TL_TANH; not TL_SOFTMAX */
    bool no_bias;
    bool return_sequences;
    bool go_backwards;
    tl_initializer kernel_initializer;    /* TL_GLOROT_UNIFORM */
    tl_initializer recurrent_initializer; /* TL_ORTHOGONAL */
    tl_initializer bias_initializer;      /* TL_ZEROS */
} tl_simple_rnn_options;

TL_API tl_module *tl_simple_rnn_with(const tl_simple_rnn_options *options);
#define tl_simple_rnn(...)                                                                                   \
    tl_simple_rnn_with(&(tl_simple_rnn_options){.size = sizeof(tl_simple_rnn_options), .units = __VA_ARGS__})

#endif
