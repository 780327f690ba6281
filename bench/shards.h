/* How a batch is cut: what a bench has to know of training to do the same with a layer alone. */
#ifndef BENCH_SHARDS_H
#define BENCH_SHARDS_H

#include <stdint.h>

/* Rows of a shard of a batch of so many rows. */
int64_t shard_rows(int64_t batch);

/* Rows whose states are kept at the same time: those of a shard on each thread. */
int64_t rows_at_once(int64_t batch, int threads);

#endif
