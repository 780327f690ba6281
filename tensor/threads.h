/* How many threads the library may use. Rests on error.h. */
#ifndef TL_TENSOR_THREADS_H
#define TL_TENSOR_THREADS_H

#include "error.h"

/* Sets the number of threads that calls made from this thread may use: products, updates, row shards of a
 * batch. 0: OMP_NUM_THREADS where that is set, else the cores that the process may really use, by its CPU
 * affinity and by the CPU quota of its control groups (cgroups, versions 1 and 2; rounded up), looked up
 * once. No result depends on it, bit for bit. An error if negative. The setting is the calling thread's own.
 *
 * The library never runs more threads than the process has cores to run on, however many are asked for, and
 * work of a few microseconds stays on one. */
TL_API tl_status tl_set_threads(int threads);

/* The number in force for this thread, as it was asked for, at least 1; 1 inside a parallel region. */
TL_API int tl_threads(void);

#endif
