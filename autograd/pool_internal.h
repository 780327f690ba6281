/* Memory that is recycled between two resets of an arena: gradients and scratch come and go in a few sizes,
 * so a free list for each size class serves them without a search. */
#ifndef TL_AUTOGRAD_POOL_INTERNAL_H
#define TL_AUTOGRAD_POOL_INTERNAL_H

#include "tensor/arena.h"

enum { TL_POOL_CLASSES = 256 };

typedef struct tl_pool {
    tl_arena *arena;
    void *free[TL_POOL_CLASSES];
    void *scratch; /* blocks that tl_pool_end_scratch gives back */
    void *held;    /* blocks that tl_pool_release_held gives back */
} tl_pool;

/* A block of at least `bytes`, aligned to 64, contents undefined; NULL with the error set. */
void *tl_pool_take(tl_pool *pool, size_t bytes);

/* Gives a block back. */
void tl_pool_give(tl_pool *pool, void *block);

/* A block that goes back at the next tl_pool_end_scratch. */
void *tl_pool_scratch(tl_pool *pool, size_t bytes);
void tl_pool_end_scratch(tl_pool *pool);

/* Gives a block back, but not before the next tl_pool_release_held. */
void tl_pool_hold(tl_pool *pool, void *block);
void tl_pool_release_held(tl_pool *pool);

/* Forgets all blocks; the arena was reset. */
void tl_pool_reset(tl_pool *pool);

#endif
