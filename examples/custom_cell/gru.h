/* A gated cell of one's own. The library has none: what it takes is in gru.c. */
#ifndef CUSTOM_CELL_GRU_H
#define CUSTOM_CELL_GRU_H

#include <tapeloop.h>

/* A new cell for tl_rnn, which frees it: tl_rnn(gru(64), .return_sequences = true). NULL with the error set
 * when out of memory. Parameters, as in Keras: kernel [features, 3 units], recurrent_kernel [units, 3 units]
 * and bias [3 units], each with the columns of z, r and the candidate side by side. */
void *gru(int64_t units);

#endif
