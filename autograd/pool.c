#include "autograd/pool_internal.h"
#include "tensor/memory_internal.h"

#include <stdint.h>
#include <string.h>

/* In front of every block. */
typedef struct header {
    struct header *next;
    size_t class;
} header;

/* Four classes to each power of two: at most a quarter of a block is wasted. */
static size_t class_of(size_t bytes, size_t *rounded)
{
    size_t size = bytes < TL_ALIGNMENT ? TL_ALIGNMENT : bytes;
    size_t exponent = 6;
    while (size >> (exponent + 1))
        exponent++;
    size_t step = (size_t)1 << (exponent - 2);
    size_t quarters = (size - ((size_t)1 << exponent) + step - 1) / step; /* 0 to 4 */
    *rounded = ((size_t)1 << exponent) + quarters * step;
    return (exponent - 6) * 4 + quarters;
}

static header *header_of(void *block)
{
    return (header *)((char *)block - TL_ALIGNMENT);
}

void *tl_pool_take(tl_pool *pool, size_t bytes)
{
    if (bytes > SIZE_MAX / 8) {
        tl_error(TL_ERROR_MEMORY, "out of memory: %zu bytes", bytes);
        return NULL;
    }
    size_t size, class = class_of(bytes, &size);
    if (pool->free[class]) {
        header *h = pool->free[class];
        pool->free[class] = h->next;
        return (char *)h + TL_ALIGNMENT;
    }
    char *memory = tl_arena_take(pool->arena, size + TL_ALIGNMENT);
    if (!memory)
        return NULL;
    ((header *)(void *)memory)->class = class;
    return memory + TL_ALIGNMENT;
}

void tl_pool_give(tl_pool *pool, void *block)
{
    header *h = header_of(block);
    h->next = pool->free[h->class];
    pool->free[h->class] = h;
}

void *tl_pool_scratch(tl_pool *pool, size_t bytes)
{
    void *block = tl_pool_take(pool, bytes);
    if (block) {
        header_of(block)->next = pool->scratch;
        pool->scratch = header_of(block);
    }
    return block;
}

void tl_pool_end_scratch(tl_pool *pool)
{
    while (pool->scratch) {
        header *h = pool->scratch;
        pool->scratch = h->next;
        tl_pool_give(pool, (char *)h + TL_ALIGNMENT);
    }
}

void tl_pool_hold(tl_pool *pool, void *block)
{
    header_of(block)->next = pool->held;
    pool->held = header_of(block);
}

void tl_pool_release_held(tl_pool *pool)
{
    while (pool->held) {
        header *h = pool->held;
        pool->held = h->next;
        tl_pool_give(pool, (char *)h + TL_ALIGNMENT);
    }
}

void tl_pool_reset(tl_pool *pool)
{
    memset(pool->free, 0, sizeof pool->free);
    pool->scratch = pool->held = NULL;
}
