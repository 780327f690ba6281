/* What the recurrent weights of a SimpleRNN may start from, and what becomes of it. */
#ifndef GRADIENTS_STARTS_H
#define GRADIENTS_STARTS_H

#include "recall.h"

enum { STARTS = 4 };

typedef struct start {
    const char *name;
    tl_initializer initializer;
    tl_activation activation;
    double factor; /* that the initial recurrent weights are multiplied by */
} start;

extern const start starts[STARTS];

/* SimpleRNN(units), Dense(1, sigmoid), in f32, or in f64, in which no gradient is so small that it is none.
 * Trained by SGD, whose steps are as long as the gradient is; `clip` is the limit of their norm, 0: none.
 * NULL with the error set. */
tl_model *start_model(const start *s, int64_t units, int64_t steps, uint64_t seed, double clip,
                      tl_dtype dtype);

#endif
