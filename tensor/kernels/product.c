/* Matrix products in registers: tiles of TILE_ROWS x 2 vectors stay there over the whole inner dimension.
 *
 * The right-hand matrix is packed into panels two vectors wide (the last may have one), each with its k
 * rows one after the other and padded with zeros, so that the inner loop reads it as one stream. The
 * left-hand matrix is read in place, one element broadcast at a time. The blocking is that of Goto and van
 * de Geijn ("Anatomy of high-performance matrix multiplication", ACM TOMS 2008) without the outer levels:
 * recurrent products fit in the cache as they are.
 */
#include "tensor/kernels/vector_internal.h"

enum { PANEL = 2 }; /* vectors in a panel */

#if defined(__AVX512F__)
enum { TILE_ROWS = 12 }; /* 24 of 32 registers accumulate */
#define FOR_EACH_ROW_COUNT(X, nr)                                                                            \
    X(1, nr)                                                                                                 \
    X(2, nr) X(3, nr) X(4, nr) X(5, nr) X(6, nr) X(7, nr) X(8, nr) X(9, nr) X(10, nr) X(11, nr) X(12, nr)
#else
enum { TILE_ROWS = 6 }; /* 12 of 16 */
#define FOR_EACH_ROW_COUNT(X, nr) X(1, nr) X(2, nr) X(3, nr) X(4, nr) X(5, nr) X(6, nr)
#endif

/* Rows whose activation is computed while they are still in the first-level cache. */
enum { BLOCK_ROWS = 4 * TILE_ROWS };

static int64_t vectors_in(int64_t n)
{
    return (n + WIDTH - 1) / WIDTH;
}

size_t FOR_ISA(tl_packed_bytes)(int64_t k, int64_t n)
{
    return (size_t)(k * vectors_in(n) * WIDTH) * sizeof(float);
}

void FOR_ISA(tl_pack)(int64_t k, int64_t n, const void *b, int64_t b_row, int64_t b_column, void *packed)
{
    const float *x = b;
    float *z = packed;
    int64_t vectors = vectors_in(n);
    for (int64_t v = 0; v < vectors; v += PANEL) {
        int64_t width = (vectors - v < PANEL ? vectors - v : PANEL) * WIDTH;
        int64_t first = v * WIDTH, there = n - first < width ? n - first : width;
        for (int64_t i = 0; i < k; i++, z += width) {
            const float *row = x + i * b_row + first * b_column;
            for (int64_t j = 0; j < there; j++)
                z[j] = row[j * b_column];
            for (int64_t j = there; j < width; j++)
                z[j] = 0;
        }
    }
}

/* One tile: `rows` x `columns` of the output, columns at most nr vectors. The left-hand element of row i
 * and inner index l is a[i * a_row + l * a_step]. */
typedef struct tile {
    int64_t k, columns;
    const float *a;
    int64_t a_row, a_step;
    const float *b;
    int64_t b_row;
    const float *c; /* addend or NULL */
    int64_t c_row;
    float *out;
    int64_t out_row;
} tile;

ALWAYS_INLINE vector load_column(const float *from, int j, bool full, int64_t columns)
{
    if (full)
        return load(from + j * WIDTH);
    int64_t left = columns - j * WIDTH;
    return left <= 0 ? splat(0.0f) : load_part(from + j * WIDTH, left < WIDTH ? left : WIDTH);
}

ALWAYS_INLINE void compute_tile(const int mr, const int nr, const bool packed, const tile *t)
{
    vector sum[TILE_ROWS][PANEL];
    const bool full = t->columns == nr * WIDTH;
    UNROLL for (int i = 0; i < mr; i++) UNROLL for (int j = 0; j < nr; j++) sum[i][j] =
        t->c ? load_column(t->c + i * t->c_row, j, full, t->columns) : splat(0.0f);

    const float *a = t->a, *b = t->b;
    const int64_t a_row = t->a_row, a_step = t->a_step, b_row = t->b_row;
    if (packed || full)
        for (int64_t l = 0; l < t->k; l++, a += a_step, b += b_row) {
            vector right[PANEL];
            UNROLL for (int j = 0; j < nr; j++) right[j] = load(b + j * WIDTH);
            UNROLL for (int i = 0; i < mr; i++)
            {
                vector left = splat(a[i * a_row]);
                UNROLL for (int j = 0; j < nr; j++) sum[i][j] = multiply_add(left, right[j], sum[i][j]);
            }
        }
    else
        for (int64_t l = 0; l < t->k; l++, a += a_step, b += b_row) {
            vector right[PANEL];
            UNROLL for (int j = 0; j < nr; j++) right[j] = load_column(b, j, false, t->columns);
            UNROLL for (int i = 0; i < mr; i++)
            {
                vector left = splat(a[i * a_row]);
                UNROLL for (int j = 0; j < nr; j++) sum[i][j] = multiply_add(left, right[j], sum[i][j]);
            }
        }

    UNROLL for (int i = 0; i < mr; i++) UNROLL for (int j = 0; j < nr; j++)
    {
        float *to = t->out + i * t->out_row + j * WIDTH;
        int64_t left = t->columns - j * WIDTH;
        if (full || left >= WIDTH)
            store(to, sum[i][j]);
        else if (left > 0)
            store_part(to, sum[i][j], left);
    }
}

typedef void tile_function(const tile *t);

/* A function for each number of rows and vectors: product_3_2 for 3 rows of 2 vectors, and so on. */
#define DEFINE_TILES(mr, nr)                                                                                 \
    static void product_##mr##_##nr(const tile *t)                                                           \
    {                                                                                                        \
        compute_tile(mr, nr, true, t);                                                                       \
    }                                                                                                        \
    static void outer_##mr##_##nr(const tile *t)                                                             \
    {                                                                                                        \
        compute_tile(mr, nr, false, t);                                                                      \
    }
FOR_EACH_ROW_COUNT(DEFINE_TILES, 1)
FOR_EACH_ROW_COUNT(DEFINE_TILES, 2)

#define PRODUCT_TILE(mr, nr) [nr][mr] = product_##mr##_##nr,
#define OUTER_TILE(mr, nr)   [nr][mr] = outer_##mr##_##nr,
static tile_function *const product_tiles[PANEL + 1][TILE_ROWS + 1] = {
    FOR_EACH_ROW_COUNT(PRODUCT_TILE, 1) FOR_EACH_ROW_COUNT(PRODUCT_TILE, 2)};
static tile_function *const outer_tiles[PANEL + 1][TILE_ROWS + 1] = {FOR_EACH_ROW_COUNT(OUTER_TILE, 1)
                                                                         FOR_EACH_ROW_COUNT(OUTER_TILE, 2)};

/* Goes down `rows` rows in tiles of nearly equal height; what moves with the row moves in *t. */
static void run_tiles(tile_function *const tiles[], int64_t rows, tile *t)
{
    int64_t count = (rows + TILE_ROWS - 1) / TILE_ROWS;
    for (int64_t i = 0, done = 0; i < count; i++) {
        int64_t height = (rows - done + count - i - 1) / (count - i);
        tiles[height](t);
        done += height;
        t->a += height * t->a_row;
        if (t->c)
            t->c += height * t->c_row;
        t->out += height * t->out_row;
    }
}

static void product_block(const tl_product *p, int64_t first, int64_t rows)
{
    const float *a = p->a, *b = p->b, *c = p->c;
    float *out = (float *)p->out + first * p->out_row;
    int64_t vectors = vectors_in(p->n);
    for (int64_t v = 0; v < vectors; v += PANEL) {
        int64_t wide = vectors - v < PANEL ? vectors - v : PANEL, column = v * WIDTH;
        int64_t left = p->n - column;
        tile t = {.k = p->k,
                  .columns = left < wide * WIDTH ? left : wide * WIDTH,
                  .a = a + first * p->a_row,
                  .a_row = p->a_row,
                  .a_step = 1,
                  .b = b + column * p->k,
                  .b_row = wide * WIDTH,
                  .c = c ? c + first * p->c_row + column : NULL,
                  .c_row = p->c_row,
                  .out = out + column,
                  .out_row = p->out_row};
        run_tiles(product_tiles[wide], rows, &t);
    }
    if (p->activation != TL_MAP_COPY) {
        tl_map_kernel *activation = FOR_ISA(tl_kernels).map[p->activation];
        if (p->out_row == p->n)
            activation(rows * p->n, out, 1, NULL, 1, out, 1, NULL);
        else
            for (int64_t i = 0; i < rows; i++)
                activation(p->n, out + i * p->out_row, 1, NULL, 1, out + i * p->out_row, 1, NULL);
    }
    if (p->mask)
        for (int64_t i = 0; i < rows; i++)
            if (!p->mask[(first + i) * p->mask_stride])
                memcpy(out + i * p->out_row, a + (first + i) * p->a_row, (size_t)p->n * sizeof(float));
}

void FOR_ISA(tl_product)(const tl_product *p)
{
    for (int64_t first = 0; first < p->m; first += BLOCK_ROWS)
        product_block(p, first, p->m - first < BLOCK_ROWS ? p->m - first : BLOCK_ROWS);
}

/* The same tiles with the left-hand matrix read down its columns. */
void FOR_ISA(tl_outer)(const tl_outer *o)
{
    const float *g = o->g;
    int64_t vectors = vectors_in(o->n);
    for (int64_t v = 0; v < vectors; v += PANEL) {
        int64_t wide = vectors - v < PANEL ? vectors - v : PANEL, column = v * WIDTH, left = o->n - column;
        float *out = (float *)o->out + column;
        tile t = {.k = o->m,
                  .columns = left < wide * WIDTH ? left : wide * WIDTH,
                  .a = o->a,
                  .a_row = 1,
                  .a_step = o->a_row,
                  .b = g + column,
                  .b_row = o->g_row,
                  .c = o->add ? out : NULL,
                  .c_row = o->out_row,
                  .out = out,
                  .out_row = o->out_row};
        run_tiles(outer_tiles[wide], o->k, &t);
    }
}
