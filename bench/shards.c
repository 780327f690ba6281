#include "shards.h"

int64_t shard_rows(int64_t batch)
{
    enum { LEAST = 8, MOST = 64, SHARDS = 8 };
    int64_t rows = (batch + SHARDS - 1) / SHARDS;
    return rows < LEAST ? LEAST : rows > MOST ? MOST : rows;
}

int64_t rows_at_once(int64_t batch, int threads)
{
    const int64_t most = threads * shard_rows(batch);
    return batch < most ? batch : most;
}
