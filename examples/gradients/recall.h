/* A task that only the first of many steps decides: a sequence that begins with 1 or -1 and goes on with
 * small noise; which one was it? */
#ifndef GRADIENTS_RECALL_H
#define GRADIENTS_RECALL_H

#include <tapeloop.h>

typedef struct recall {
    tl_tensor x, y; /* f64 [samples, steps, 1] and [samples], 0 or 1 */
} recall;

/* Others for every seed and stream. Freed with recall_free, also when this fails. */
tl_status recall_new(recall *r, int64_t samples, int64_t steps, uint64_t seed, uint64_t stream);
void recall_free(recall *r);

#endif
