/* How many threads the library may use. Rests on error.h. */
#ifndef TL_TENSOR_THREADS_H
#define TL_TENSOR_THREADS_H

#include "error.h"

/* Sets the number of threads that calls made from this thread may use: products, updates, row shards of a
 * batch. 0: what OpenMP would use, which follows OMP_NUM_THREADS and the cores the process may run on. No
 * result depends on it, bit for bit. An error if negative. The setting is the calling thread's own. */
TL_API tl_status tl_set_threads(int threads);

/* The number in force for this thread, at least 1; 1 inside a parallel region. */
TL_API int tl_threads(void);

#endif
