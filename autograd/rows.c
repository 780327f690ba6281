/* Gradients by rows: a batch touches few rows of a large table, so only those are kept. */
#include "autograd/tape_internal.h"
#include "tensor/compute_internal.h"

#include <string.h>

tl_row_gradient *tl_row_gradient_new(tl_tape *tape, tl_tensor table)
{
    tl_row_gradient *g = tl_arena_take(tape->arena, sizeof *g);
    int64_t rows = table.shape.dims[0];
    int32_t *place = g ? tl_arena_take(tape->arena, (size_t)rows * sizeof *place) : NULL;
    if (!place)
        return NULL;
    memset(place, -1, (size_t)rows * sizeof *place);
    *g = (tl_row_gradient){
        .tape = tape, .dtype = table.dtype, .rows = rows, .width = table.shape.dims[1], .place = place};
    return g;
}

static tl_status make_room(tl_row_gradient *g, int64_t more)
{
    int64_t wanted = g->count + more < g->rows ? g->count + more : g->rows;
    if (wanted <= g->capacity)
        return TL_OK;
    int64_t doubled = 2 * g->capacity < g->rows ? 2 * g->capacity : g->rows;
    wanted = wanted > doubled ? wanted : doubled;
    size_t row_bytes = (size_t)g->width * tl_dtype_size(g->dtype);
    int32_t *row = tl_arena_take(g->tape->arena, (size_t)wanted * sizeof *row);
    void *values = row ? tl_arena_take(g->tape->arena, (size_t)wanted * row_bytes) : NULL;
    if (!values)
        return TL_ERROR_MEMORY;
    if (g->count > 0) {
        memcpy(row, g->row, (size_t)g->count * sizeof *row);
        memcpy(values, g->values, (size_t)g->count * row_bytes);
    }
    g->row = row;
    g->values = values;
    g->capacity = wanted;
    return TL_OK;
}

tl_status tl_row_gradient_add(tl_row_gradient *g, tl_tensor ids, tl_tensor values)
{
    int64_t n = ids.shape.dims[0], width = g->width;
    if (make_room(g, n) != TL_OK)
        return TL_ERROR_MEMORY;
    const int32_t *id = (const int32_t *)(const void *)tl_address(ids);
    const tl_kernels *k = tl_kernels_for(g->dtype);
    size_t row_bytes = (size_t)width * tl_dtype_size(g->dtype);
    for (int64_t i = 0; i < n; i++) {
        int32_t row = id[i * ids.strides[0]];
        const char *from = tl_address(values) + (size_t)(i * values.strides[0]) * tl_dtype_size(g->dtype);
        bool seen = g->place[row] >= 0;
        if (!seen) {
            g->row[g->count] = row;
            g->place[row] = (int32_t)g->count++;
        }
        char *to = (char *)g->values + (size_t)g->place[row] * row_bytes;
        if (seen)
            k->map[TL_MAP_ADD](width, to, 1, from, values.strides[1], to, 1, NULL);
        else
            k->map[TL_MAP_COPY](width, from, values.strides[1], NULL, 1, to, 1, NULL);
    }
    return TL_OK;
}

void tl_row_gradient_add_to(const tl_row_gradient *g, tl_tensor dense, int64_t first, int64_t last)
{
    const tl_kernels *k = tl_kernels_for(g->dtype);
    const size_t size = tl_dtype_size(g->dtype), row_bytes = (size_t)g->width * size;
    for (int64_t i = 0; i < g->count; i++) {
        int64_t row = g->row[i];
        if (row < first || row >= last)
            continue;
        char *to = tl_address(dense) + row * dense.strides[0] * (int64_t)size;
        k->map[TL_MAP_ADD](g->width, to, dense.strides[1], (const char *)g->values + (size_t)i * row_bytes, 1,
                           to, dense.strides[1], NULL);
    }
}
