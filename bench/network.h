/* A model with batches to train it on. */
#ifndef BENCH_NETWORK_H
#define BENCH_NETWORK_H

#include <tapeloop.h>

enum { POOL = 64 }; /* batches, so that no data stay in the cache from step to step */

typedef struct network {
    tl_model *model;
    tl_tensor x, y; /* [batches, rows, ...] */
    int64_t next;   /* batch */
} network;

/* Frees the model and the data. */
void free_network(void *network);

/* Trains on the next batch, round and round. */
tl_status train_network(void *network);

/* The most memory that a step took. */
size_t network_peak_bytes(const void *network);

#endif
