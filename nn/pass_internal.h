/* One pass of a cell over a sequence, from the states before it to those behind it: what a recurrent layer
 * (rnn.c) sets up and takes the results from. */
#ifndef TL_NN_PASS_INTERNAL_H
#define TL_NN_PASS_INTERNAL_H

#include "nn/rnn.h"

/* Steps whose input is projected together, and whose weight gradients are one product: few enough to stay in
 * the cache, and at the same steps however a sequence is cut. */
enum { TL_PASS_CHUNK = 16 };

/* What all passes of a layer have in common. */
typedef struct tl_loop {
    tl_rnn_options options;
    tl_cell *cell;
    int states;
    bool in_order;           /* sequences are returned in the order of the input even if it goes backwards */
    tl_dtype dtype;          /* of the states */
    tl_var *projected_table; /* on the step tape of the batch at hand; NULL: sequences are projected */
} tl_loop;

typedef struct tl_pass {
    const tl_loop *loop;
    tl_var *x;       /* [batch, time, features]; from the table: the ids of its rows, [batch, time] */
    bool from_table; /* that was projected */
    bool backwards;
    int64_t origin;  /* the time step of the first step of x: not 0 in segments */
    tl_tensor mask;  /* [batch, time] or empty */
    tl_var *factors; /* of dropout of the input, [batch, 1, features]; NULL: none */
    tl_var *dropout; /* what a state is multiplied by where it meets recurrent weights; NULL: nothing */
    tl_var *state[TL_MAX_STATES];
    tl_var *output; /* of the last step */
    tl_var *chunk;  /* the steps at hand, projected */
    bool in_parts;  /* steps are parts of chunk */
    bool is_kept;   /* one of them is a state or an output */
} tl_pass;

/* A pass over x, which may have a mask, that has no states yet. */
tl_status tl_pass_start(tl_pass *p, const tl_loop *loop, tl_var *x);

/* Gives it those that it starts from. */
tl_status tl_pass_set_state(tl_pass *p, int i, tl_var *state);
tl_shape tl_pass_state_shape(const tl_pass *p, int i);

/* Takes all steps. Returns the output of the layer, without a mask, and leaves the last states in the pass.
 */
tl_var *tl_pass_run(tl_pass *p);

/* The same with checkpoint_every: in segments that keep their last states alone (segments.c), if there is
 * more than one. */
tl_var *tl_pass_run_segments(tl_pass *p);

/* An output that is a sequence, with the mask of its steps. */
tl_var *tl_pass_mask_output(const tl_pass *p, tl_var *y);

/* Whether the loop's dropout takes features from inputs on such a tape. */
bool tl_loop_drops_inputs(const tl_loop *loop, const tl_tape *tape);

#endif
