/* Outer products in registers, for the gradients of weights: tiles of the output to which pairs of rows are
 * added, one pair after the other. */
#include "tensor/kernels/tiles_internal.h"

ALWAYS_INLINE void outer_sums(const int mr, const int nr, const bool full, const tile *t, tile_sums sum)
{
    const tl_outer *o = t->outer;
    const int64_t last = o->m - 1, left_row = t->turned ? o->g_row : o->a_row,
                  right_row = t->turned ? o->a_row : o->g_row;
    for (int i = 0; i < o->count; i++) {
        const float *a = o->pairs[i].a, *g = o->pairs[i].g;
        const float *left = (t->turned ? g : a) + last * left_row + t->row;
        const float *right = (t->turned ? a : g) + last * right_row + t->column;
        multiply(mr, nr, full, t->columns, o->m, left, 1, -left_row, right, -right_row, sum);
    }
}

ALWAYS_INLINE void outer_tile(const int mr, const int nr, const tile *t)
{
    tile_sums sum;
    start_sums(mr, nr, t, sum);
    if (t->columns == nr * WIDTH)
        outer_sums(mr, nr, true, t, sum);
    else
        outer_sums(mr, nr, false, t, sum);
    store_sums(mr, nr, t, sum);
}

/* As in product.c: outer_3_2 for 3 rows of 2 vectors, and so on. */
#define DEFINE_TILE(mr, nr)                                                                                  \
    static void outer_##mr##_##nr(const tile *t)                                                             \
    {                                                                                                        \
        outer_tile(mr, nr, t);                                                                               \
    }
FOR_EACH_TILE(DEFINE_TILE)
FOR_EACH_WIDE_TILE(DEFINE_TILE)

#define TILE_ENTRY(mr, nr) [nr][mr] = outer_##mr##_##nr,
static tile_function *const outer_tiles[WIDEST + 1][MOST_ROWS + 1] = {FOR_EACH_TILE(TILE_ENTRY)
                                                                          FOR_EACH_WIDE_TILE(TILE_ENTRY)};

static int64_t smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* Columns of the output that would be mostly padding are rows of its transpose, whose sums are the same, and
 * done with the k elements of a in vectors. */
static void outer_turned(const tl_outer *o, int64_t column, int64_t columns)
{
    float turned[WIDTH / 4 * WIDEST * WIDTH];
    float *out = (float *)o->out + column;
    for (int64_t row = 0; row < o->k; row += WIDEST * WIDTH) {
        const int64_t count = smaller(o->k - row, WIDEST * WIDTH);
        for (int64_t i = 0; o->add && i < count; i++)
            for (int64_t j = 0; j < columns; j++)
                turned[j * count + i] = out[(row + i) * o->out_row + j];
        tile t = {.outer = o,
                  .turned = true,
                  .columns = count,
                  .row = column,
                  .column = o->first + row,
                  .c = o->add ? turned : NULL,
                  .c_row = count,
                  .out = turned,
                  .out_row = count};
        const int64_t wide = vectors_in(count);
        run_tiles(outer_tiles[wide], tile_rows[wide], columns, &t);
        for (int64_t i = 0; i < count; i++)
            for (int64_t j = 0; j < columns; j++)
                out[(row + i) * o->out_row + j] = turned[j * count + i];
    }
}

void FOR_ISA(tl_outer)(const tl_outer *o)
{
    const int64_t apart = o->k >= WIDTH ? columns_apart(o->n) : 0, together = o->n - apart;
    const int64_t vectors = vectors_in(together);
    for (int64_t v = 0; v < vectors; v += panel_width(vectors - v)) {
        const int64_t wide = panel_width(vectors - v), column = v * WIDTH;
        float *out = (float *)o->out + column;
        tile t = {.outer = o,
                  .columns = smaller(together - column, wide * WIDTH),
                  .row = o->first,
                  .column = column,
                  .c = o->add ? out : NULL,
                  .c_row = o->out_row,
                  .out = out,
                  .out_row = o->out_row};
        run_tiles(outer_tiles[wide], tile_rows[wide], o->k, &t);
    }
    if (apart > 0)
        outer_turned(o, together, apart);
}
