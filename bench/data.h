/* Data to time things on: made at random, the same in every run. */
#ifndef BENCH_DATA_H
#define BENCH_DATA_H

#include <tapeloop.h>

/* Numbers uniform in [-1, 1), or ids or labels uniform in 0 ... limit - 1. The caller frees the tensor; empty
 * with the error set when out of memory. */
tl_tensor random_floats(tl_shape shape, uint64_t stream);
tl_tensor random_ids(tl_shape shape, int64_t limit, uint64_t stream);

#endif
