#include "tensor/arena.h"
#include "tensor/memory_internal.h"

typedef struct block {
    struct block *previous;
    size_t size, used;
} block;

struct tl_arena {
    block *top;
    size_t below; /* used in the blocks under the top one */
    size_t peak;
};

enum { SMALLEST_BLOCK = 1 << 16 };

static const size_t header = (sizeof(block) + TL_ALIGNMENT - 1) / TL_ALIGNMENT * TL_ALIGNMENT;

/* Room for `bytes`, rounded up. The limit keeps sums of sizes from wrapping round. */
static tl_status push_block(tl_arena *arena, size_t bytes)
{
    if (bytes > SIZE_MAX / 4)
        return tl_error(TL_ERROR_MEMORY, "out of memory: %zu bytes", bytes);
    block *b = tl_allocate_raw(header + tl_aligned(bytes));
    if (!b)
        return TL_ERROR_MEMORY;
    *b = (block){.previous = arena->top, .size = tl_aligned(bytes)};
    arena->below += arena->top ? arena->top->used : 0;
    arena->top = b;
    return TL_OK;
}

static void pop_all(tl_arena *arena)
{
    while (arena->top) {
        block *previous = arena->top->previous;
        tl_release(arena->top);
        arena->top = previous;
    }
    arena->below = 0;
}

tl_arena *tl_arena_new(size_t bytes)
{
    tl_arena *arena = tl_allocate(sizeof *arena);
    if (arena && bytes > 0 && push_block(arena, bytes) != TL_OK) {
        tl_release(arena);
        return NULL;
    }
    return arena;
}

void tl_arena_free(tl_arena *arena)
{
    if (!arena)
        return;
    pop_all(arena);
    tl_release(arena);
}

void *tl_arena_take(tl_arena *arena, size_t bytes)
{
    size_t left = arena->top ? arena->top->size - arena->top->used : 0;
    if (!arena->top || bytes > left) { /* what is left is whole cache lines, so rounding up still fits */
        size_t grown = arena->top ? arena->top->size * 2 : SMALLEST_BLOCK;
        if (push_block(arena, grown > bytes ? grown : bytes) != TL_OK)
            return NULL;
    }
    block *top = arena->top;
    void *memory = (char *)top + header + top->used;
    top->used += tl_aligned(bytes);
    size_t used = arena->below + top->used;
    arena->peak = used > arena->peak ? used : arena->peak;
    return memory;
}

void tl_arena_reset(tl_arena *arena)
{
    if (!arena->top)
        return;
    if (arena->top->previous) {
        pop_all(arena);
        push_block(arena, arena->peak); /* when that fails, the next take asks again and reports it */
        return;
    }
    arena->top->used = 0;
}

size_t tl_arena_used(const tl_arena *arena)
{
    return arena->below + (arena->top ? arena->top->used : 0);
}

size_t tl_arena_peak(const tl_arena *arena)
{
    return arena->peak;
}
