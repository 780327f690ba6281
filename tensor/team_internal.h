/* How many threads a piece of work gets. Rests on threads.h. */
#ifndef TL_TENSOR_TEAM_INTERNAL_H
#define TL_TENSOR_TEAM_INTERNAL_H

#include "tensor/threads.h"

#include <stdint.h>

/* Threads for work that falls into so many parts: tl_threads(), but no more than there are parts, nor than
 * the process has cores to run on: more would only take turns, and wait for each other at the end. */
int tl_team_size(int64_t parts);

/* Pretends that there are so many cores, for tests that compare numbers of threads; 0: those there are. */
void tl_team_set_cores(int cores);

#endif
