/* Gradients by rows: a batch touches few rows of a large table, so only those are kept. */
#include "autograd/tape_internal.h"
#include "tensor/compute_internal.h"

#include <string.h>

/* Places count rows of blocks of this size; those of the very first block are the zeros' */
enum { BLOCK_ROWS = 256, AT_ONCE = 256 };

static int64_t blocks_for(int64_t rows)
{
    return 1 + (rows + BLOCK_ROWS - 1) / BLOCK_ROWS;
}

static size_t row_bytes(const tl_row_gradient *g)
{
    return (size_t)g->width * tl_dtype_size(g->dtype);
}

tl_row_gradient *tl_row_gradient_new(tl_arena *arena, tl_tensor table)
{
    int64_t rows = table.shape.dims[0];
    size_t places = (size_t)rows * sizeof(uint32_t), blocks = (size_t)blocks_for(rows) * sizeof(void *);
    tl_row_gradient *g = tl_arena_take(arena, sizeof *g);
    uint32_t *place = g ? tl_arena_take(arena, places) : NULL;
    void **block = place ? tl_arena_take(arena, blocks) : NULL;
    if (!block)
        return NULL;
    memset(place, 0, places);
    memset(block, 0, blocks);
    *g = (tl_row_gradient){.arena = arena,
                           .dtype = table.dtype,
                           .rows = rows,
                           .width = table.shape.dims[1],
                           .place = place,
                           .blocks = block};
    block[0] = tl_arena_take(arena, row_bytes(g));
    if (!block[0])
        return NULL;
    memset(block[0], 0, row_bytes(g));
    return g;
}

static inline char *address(const tl_row_gradient *g, uint32_t place, size_t bytes)
{
    return (char *)g->blocks[place / BLOCK_ROWS] + place % BLOCK_ROWS * bytes;
}

/* Sees to it that `more` places are ready, zeros all. */
static tl_status make_places(tl_row_gradient *g, int64_t more, size_t bytes)
{
    int64_t wanted = g->count + more < g->rows ? g->count + more : g->rows;
    for (; g->ready < wanted; g->ready += BLOCK_ROWS) {
        void *block = tl_arena_take(g->arena, BLOCK_ROWS * bytes);
        if (!block)
            return TL_ERROR_MEMORY;
        memset(block, 0, BLOCK_ROWS * bytes);
        g->blocks[1 + g->ready / BLOCK_ROWS] = block;
    }
    return TL_OK;
}

/* Where the rows `id` of the table have their gradients. Whether a row is new is anybody's guess, so there is
 * no branch on it. */
static void find_places(tl_row_gradient *g, int64_t count, const int32_t *id, int64_t stride, size_t bytes,
                        void *to[])
{
    uint32_t next = (uint32_t)(BLOCK_ROWS + g->count);
    for (int64_t i = 0; i < count; i++) {
        uint32_t *slot = &g->place[id[i * stride]], known = *slot;
        uint32_t place = known ? known : next;
        next += known ? 0 : 1;
        *slot = place;
        to[i] = address(g, place, bytes);
    }
    g->count = (int64_t)next - BLOCK_ROWS;
}

tl_status tl_row_gradient_add(tl_row_gradient *g, tl_tensor ids, tl_tensor values)
{
    const int32_t *id = (const int32_t *)(const void *)tl_address(ids);
    const tl_kernels *k = tl_kernels_for(g->dtype);
    const size_t bytes = row_bytes(g);
    void *to[AT_ONCE];
    for (int64_t first = 0; first < ids.shape.dims[0]; first += AT_ONCE) {
        int64_t left = ids.shape.dims[0] - first, count = left < AT_ONCE ? left : AT_ONCE;
        if (make_places(g, count, bytes) != TL_OK)
            return TL_ERROR_MEMORY;
        find_places(g, count, id + first * ids.strides[0], ids.strides[0], bytes, to);
        const char *from = tl_row_address(values, first);
        if (values.strides[1] == 1 || g->width == 1) {
            k->add_rows(count, g->width, from, values.strides[0], to);
            continue;
        }
        for (int64_t i = 0; i < count; i++)
            k->map[TL_MAP_ADD](g->width, to[i], 1, tl_row_address(values, first + i), values.strides[1],
                               to[i], 1, NULL);
    }
    return TL_OK;
}

void tl_row_gradients_add_to(const tl_row_gradient *const gradients[], int count, tl_tensor dense,
                             int64_t first, int64_t last)
{
    if (count == 0)
        return;
    const tl_kernels *k = tl_kernels_for(dense.dtype);
    const int64_t width = gradients[0]->width;
    const size_t bytes = row_bytes(gradients[0]);
    for (int64_t row = first; row < last; row++) {
        const void *from[AT_ONCE];
        int found = 0;
        for (int i = 0; i < count; i++) {
            from[found] = address(gradients[i], gradients[i]->place[row], bytes);
            found += gradients[i]->place[row] != 0;
            if (found < AT_ONCE - 1 && i < count - 1)
                continue;
            char *to = tl_row_address(dense, row);
            if (dense.strides[1] == 1 || width == 1)
                k->add_up_rows(found, width, from, to);
            for (int j = 0; j < found && dense.strides[1] != 1 && width > 1; j++)
                k->map[TL_MAP_ADD](width, to, dense.strides[1], from[j], 1, to, dense.strides[1], NULL);
            found = 0;
        }
    }
}
