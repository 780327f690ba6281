/* Long sequences, cut into samples: windows over a series, and streams of a text for stateful training. Rests
 * on dataset.h.
 *
 * An empty data set with the error set means that an argument is out of range or memory is short.
 * Thread-safe.
 */
#ifndef TL_DATA_WINDOWS_H
#define TL_DATA_WINDOWS_H

#include "dataset.h"

typedef struct tl_windows_options {
    size_t size;      /* of this struct; the macro below fills it in */
    tl_tensor series; /* [time] or [time, features] */
    int64_t window;   /* steps that are known; at least 1 */
    int64_t horizon;  /* steps to foretell; 0: 1 */
    int64_t step;     /* from the start of one window to that of the next; 0: 1 */
    int64_t target;   /* the feature to foretell */
} tl_windows_options;

/* Every window of a series with what follows it: tl_windows(series, .window = 24, .horizon = 6).
 *
 * x [n, window, features]: x[i, t] is series[i step + t], with a feature axis of 1 for a series without one.
 * y [n, horizon]: y[i, t] is series[i step + window + t, target]. There are n = (time - window - horizon) /
 * step + 1 of them, rounded down. Both are views of the series, which keeps its owner, must outlive them and
 * may have any element type; nothing is copied, and they must not be written to.
 *
 * Windows next to each other share steps: to keep training and test data apart, slice the series first. It is
 * an error if window, horizon or step is negative, window is 0, the series is shorter than window + horizon,
 * or it has no feature `target`. Given an empty series, the result is empty and the message stays. */
#define tl_windows(...)                                                                                      \
    tl_windows_with(&(tl_windows_options){.size = sizeof(tl_windows_options), .series = __VA_ARGS__})
TL_API tl_dataset tl_windows_with(const tl_windows_options *options);

/* A sequence of ids i32 [n] cut into batch_size streams that run side by side, for a stateful model that
 * foretells the next id: every batch goes on where the one before stopped, row by row.
 *
 * A stream has k = (n - 1) / (batch_size window) windows, rounded down; stream b begins at id b k window.
 * Sample j batch_size + b is window j of stream b: x i32 [k batch_size, window] the ids themselves, y the ids
 * one further on. So train with batches of batch_size and without shuffling, and reset the states after every
 * epoch. The last (n - 1) mod (batch_size window) ids are in no x and, but for the first of them, in no y.
 *
 * New tensors, which the caller frees with tl_dataset_free. It is an error if batch_size or window is less
 * than 1, or there are fewer than batch_size window + 1 ids. */
TL_API tl_dataset tl_streams(tl_tensor ids, int64_t batch_size, int64_t window);

#endif
