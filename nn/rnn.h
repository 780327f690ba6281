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
 * through time, which tl_gradcheck_model (gradcheck.h) checks with it. The struct is for one layer and must
 * outlive it, and a step must not write to it, since steps of several shards run at once.
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
     * in place of the sequences that are rows of it. The result is a new var each time. NULL: steps take the
     * input as it is. */
    tl_var *(*project)(void *self, tl_var *x);

    /* One step: x [batch, projected features], state[i] [batch, states[i]]. Replaces the states by others of
     * the same shape and returns the output, as wide as state[0] and usually that. NULL with the error set if
     * it fails. */
    tl_var *(*step)(void *self, tl_var *x, tl_var *state[]);

    /* Many steps at once, for a cell that has one state, which is its output: x [batch, time, projected
     * features] and the state before the first step; the result is [batch, time, states[0]], the state after
     * each step. Steps go from the last to the first if `backwards`; where mask, u8 [batch, time] or empty,
     * is 0 a state stays. Must give what `step` gives, which is still used where steps are to be told apart.
     * NULL: steps are taken one by one. */
    tl_var *(*scan)(void *self, tl_var *x, tl_var *state, bool backwards, tl_tensor mask);

    /* Frees what the struct has, and the struct itself if it was allocated; called when tl_rnn fails as well.
     * NULL: the struct is the caller's. */
    void (*free)(void *self);

    /* The step looks at tl_mask_of(x) itself and keeps the states of rows where it is 0. Otherwise the layer
     * does it, with tl_where. */
    bool applies_mask;

    /* The step takes tl_dropped(x, state) wherever a state meets recurrent weights. Otherwise, with
     * recurrent_dropout, the layer hands it a state[0] that has lost elements already; in a gated cell, whose
     * state also goes on past the weights, what is left would then grow by 1 / (1 - rate) at every step. */
    bool applies_dropout;

    bool taken; /* by a layer: set by tl_rnn */
} tl_cell;

/* What all recurrent layers know. */
#define TL_RNN_OPTIONS                                                                                       \
    bool return_sequences;    /* the output of every step, not of the last alone */                          \
    bool go_backwards;        /* from the last step to the first; sequences are returned in that order */    \
    bool stateful;            /* row i of a batch goes on from the states of row i of the last batch */      \
    double dropout;           /* share of the input's features dropped in training: 0 to less than 1 */      \
    double recurrent_dropout; /* of the state's elements, on their way to the recurrent weights */           \
    int64_t checkpoint_every; /* steps from one kept state to the next, see below; 0: all are kept */

/* A cell over a sequence: [batch, time, features] -> [batch, width of the output], or [batch, time, width]
 * with return_sequences. Steps where the mask is 0 leave states as they are and repeat the last output,
 * or state 0 if there was none. Stretches of steps in which it is 0 for all rows are not taken at all unless
 * sequences are returned, so that what a step draws at random may depend on them. A sequence may have no
 * steps: then the output is state 0, or a sequence of none. More than 2^31 - 1 steps are an error.
 *
 * What dropout takes away stays away for a whole sequence  (Gal and Ghahramani, 2016), as in Keras.
 *
 * With stateful, batches must have one number of rows. tl_fit forgets the states before each epoch and before
 * each validation, tl_evaluate before it starts; tl_predict goes on from call to call, until
 * tl_reset_states. Gradients do not flow back into the last batch: long sequences, cut into windows that
 * follow each other, are so trained by truncated backpropagation through time (see tl_streams,
 * data/windows.h).
 *
 * With checkpoint_every = k, sequences of more than k steps are trained on in less memory: only the state
 * after every k steps, rounded up to a multiple of 16, is kept, and the steps between are taken once more on
 * the way back  (Chen et al., "Training deep nets with sublinear memory cost", 2016; Gruslys et al.,
 * "Memory-efficient backpropagation through time", 2016). Gradients are the same bit for bit. It costs one
 * more forward pass, which may be less than what the memory did; memory is that of time / k states and of k
 * steps with all that a cell computes in them, least near k = sqrt(time) or somewhat above. 100,000 steps of
 * 8 rows by SimpleRNN(64): 5 MB instead of 223 with k = 512. With return_sequences the outputs of all steps
 * are there in any case, so that it pays for cells of many ops alone. A step must give the same when it is
 * taken again, and takes vars from nowhere but its arguments, tl_use and tl_import. Predictions need less
 * memory, too.
 */
typedef struct tl_rnn_options {
    size_t size;
    void *cell; /* a struct that starts with a tl_cell */
    TL_RNN_OPTIONS
} tl_rnn_options;

TL_API tl_module *tl_rnn_with(const tl_rnn_options *options);
#define tl_rnn(...) tl_rnn_with(&(tl_rnn_options){.size = sizeof(tl_rnn_options), .cell = __VA_ARGS__})

/* The output of a built recurrent layer that starts from states of the caller's and tells how they end:
 * Keras's initial_state and return_state. `initial`, one var a state, [batch, width], or NULL for what the
 * layer would start from; `final`, room for TL_MAX_STATES, or NULL. For models written on the bare tape, such
 * as an encoder and the decoder that goes on from it. */
TL_API tl_var *tl_rnn_forward(const tl_module *rnn, tl_var *x, tl_var *const initial[], tl_var *final[]);

/* For the step of a cell: a state with the layer's recurrent dropout, where x is the very input that the step
 * was given; the state itself outside of training or without such dropout. */
TL_API tl_var *tl_dropped(tl_var *x, tl_var *state);

/* h_t = activation(x_t kernel + h_(t-1) recurrent_kernel + bias), h_0 = 0  (Elman, "Finding structure in
 * time", 1990). Parameters: kernel [features, units], recurrent_kernel [units, units], bias [units]. */
typedef struct tl_simple_rnn_options {
    size_t size;
    int64_t units;            /* at least 1 */
    tl_activation activation; /* TL_TANH; not TL_SOFTMAX */
    bool no_bias;
    TL_RNN_OPTIONS
    tl_initializer kernel_initializer;    /* TL_GLOROT_UNIFORM */
    tl_initializer recurrent_initializer; /* TL_ORTHOGONAL */
    tl_initializer bias_initializer;      /* TL_ZEROS */
} tl_simple_rnn_options;

TL_API tl_module *tl_simple_rnn_with(const tl_simple_rnn_options *options);
#define tl_simple_rnn(...)                                                                                   \
    tl_simple_rnn_with(&(tl_simple_rnn_options){.size = sizeof(tl_simple_rnn_options), .units = __VA_ARGS__})

/* How the outputs of the two directions become one: side by side, or element by element. */
typedef enum tl_merge_mode { TL_MERGE_CONCAT = 0, TL_MERGE_SUM, TL_MERGE_MUL, TL_MERGE_AVE } tl_merge_mode;

/* Two recurrent layers over one sequence, in both directions: [batch, time, features] -> [batch, width], or
 * [batch, time, width] if both return sequences, each step's two outputs together  (Schuster and Paliwal,
 * 1997). tl_bidirectional(tl_simple_rnn(32), tl_simple_rnn(32)): the second is run backwards. Both belong to
 * the result, and are freed even when this fails, unless they belong to another layer or model. */
typedef struct tl_bidirectional_options {
    size_t size;
    tl_module *forward, *backward;
    tl_merge_mode merge_mode; /* TL_MERGE_CONCAT */
} tl_bidirectional_options;

TL_API tl_module *tl_bidirectional_with(const tl_bidirectional_options *options);
#define tl_bidirectional(forward_, ...)                                                                      \
    tl_bidirectional_with(&(tl_bidirectional_options){                                                       \
        .size = sizeof(tl_bidirectional_options), .forward = (forward_), .backward = __VA_ARGS__})

#endif
