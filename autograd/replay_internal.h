/* Stretches of a computation that keep nothing but their results, and are computed once more on the way back:
 * memory for time. */
#ifndef TL_AUTOGRAD_REPLAY_INTERNAL_H
#define TL_AUTOGRAD_REPLAY_INTERNAL_H

#include "autograd/tape_internal.h"

/* Computes results from inputs on a tape that is not that of the caller; parameters and vars of other tapes
 * come with tl_use and tl_import. Called twice, it must do the same both times. A result left NULL is none.
 */
typedef tl_status tl_replay_function(const void *context, tl_var *const inputs[], tl_var *results[]);

typedef struct tl_replay {
    tl_replay_function *run;
    const void *context; /* copied */
    size_t context_bytes;
    int inputs, results; /* at most TL_MAX_INPUTS each */
} tl_replay;

/* The results, on the tape of the inputs, which are all different; a result that is an input, or another one,
 * is the same var here. What is computed on the way, and recorded for its gradients, lies in memory that the
 * next replay of the tape has again. Gradients are bit for bit those of a plain recording, since sums go on
 * where they were: a rule adds to what is there in the same order. */
tl_status tl_replay_run(const tl_replay *replay, tl_var *const inputs[], tl_var *results[]);

#endif
