/* Shards: one batch cut over rows, each part forward and backward on one thread's own tape. Rests on tape.h.
 *
 * A recurrent step is too small to be shared among threads, but a batch of rows is not: each thread takes
 * whole shards, with no barrier inside. What a shard leaves in gradients is kept apart and added up in shard
 * order, so the result is the same bit for bit whatever the number of threads. tl_fit works this way; a
 * training loop of one's own may.
 */
#ifndef TL_AUTOGRAD_SHARDS_H
#define TL_AUTOGRAD_SHARDS_H

#include "tape.h"

typedef struct tl_shards tl_shards;

/* What is done for one shard on a tape that was just reset: recording, tl_backward or tl_backward_from, and
 * copying out what is wanted of the values. Called from several threads at once: it must only read what
 * shards share. Gradients do not reach the parameters before tl_shards_merge. */
typedef tl_status (*tl_shard_function)(void *context, int64_t shard, tl_tape *tape);

/* New; the caller frees it. Tapes are made as threads need them, and kept. */
TL_API tl_shards *tl_shards_new(void);
TL_API void tl_shards_free(tl_shards *shards);

/* How many rows of a batch tl_fit gives to a shard: a function of the batch alone, so that no result depends
 * on the machine. A quarter, at least 8, which fill the product kernels, and at most 64. */
TL_API int64_t tl_shard_rows(int64_t batch);

/* Calls f for shards 0 to count - 1 on up to tl_threads() threads, with denormal numbers flushed to zero. If
 * shards fail, the error is that of the lowest. */
TL_API tl_status tl_shards_run(tl_shards *shards, int64_t count, tl_shard_function f, void *context);

/* Adds the gradients of the last run, in shard order, to the parameters, and to the vars of another tape that
 * were imported, which a later tl_backward_all of that tape takes on. Forgets the run. */
TL_API tl_status tl_shards_merge(tl_shards *shards);

/* A var of another tape as a leaf of this one, so that shards can share what was computed once. An error if
 * it waits for somebody to look at it, as rows of a table do: call tl_value on it before. */
TL_API tl_var *tl_import(tl_tape *tape, tl_var *x);

/* Backward from every var of the tape that has a gradient already, as after tl_shards_merge. */
TL_API tl_status tl_backward_all(tl_tape *tape);

/* The most memory, in bytes, that the tapes and kept gradients took at a time. */
TL_API size_t tl_shards_peak_bytes(const tl_shards *shards);

#endif
