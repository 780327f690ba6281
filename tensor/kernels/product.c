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

/* One tile: `rows` x `columns` of the output, columns at most nr vectors. */
typedef struct tile {
    int64_t k, columns;
    const float *a; /* product: the left-hand rows */
    int64_t a_row;
    const float *b; /* product: a panel */
    const tl_outer *outer;
    int64_t row, column; /* outer: of the output's first element */
    const float *c;      /* addend or NULL */
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

ALWAYS_INLINE void start_sums(const int mr, const int nr, const tile *t, vector sum[TILE_ROWS][PANEL])
{
    const bool full = t->columns == nr * WIDTH;
    UNROLL for (int i = 0; i < mr; i++) UNROLL for (int j = 0; j < nr; j++) sum[i][j] =
        t->c ? load_column(t->c + i * t->c_row, j, full, t->columns) : splat(0.0f);
}

ALWAYS_INLINE void store_sums(const int mr, const int nr, const tile *t, vector sum[TILE_ROWS][PANEL])
{
    const bool full = t->columns == nr * WIDTH;
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

/* Adds k products of a column of a, element i of it at a[i * a_row], and a row of b. */
ALWAYS_INLINE void multiply(const int mr, const int nr, const bool full, int64_t columns, int64_t k,
                            const float *a, int64_t a_row, int64_t a_step, const float *b, int64_t b_row,
                            vector sum[TILE_ROWS][PANEL])
{
    for (int64_t l = 0; l < k; l++, a += a_step, b += b_row) {
        vector right[PANEL];
        UNROLL for (int j = 0; j < nr; j++) right[j] = load_column(b, j, full, columns);
        UNROLL for (int i = 0; i < mr; i++)
        {
            vector left = splat(a[i * a_row]);
            UNROLL for (int j = 0; j < nr; j++) sum[i][j] = multiply_add(left, right[j], sum[i][j]);
        }
    }
}

ALWAYS_INLINE void product_tile(const int mr, const int nr, const tile *t)
{
    vector sum[TILE_ROWS][PANEL];
    start_sums(mr, nr, t, sum);
    multiply(mr, nr, true, t->columns, t->k, t->a, t->a_row, 1, t->b, nr * WIDTH, sum);
    store_sums(mr, nr, t, sum);
}

ALWAYS_INLINE void outer_sums(const int mr, const int nr, const bool full, const tile *t,
                              vector sum[TILE_ROWS][PANEL])
{
    const tl_outer *o = t->outer;
    for (int i = 0; i < o->count; i++)
        multiply(mr, nr, full, t->columns, o->m,
                 (const float *)o->pairs[i].a + (o->m - 1) * o->a_row + t->row, 1, -o->a_row,
                 (const float *)o->pairs[i].g + (o->m - 1) * o->g_row + t->column, -o->g_row, sum);
}

ALWAYS_INLINE void outer_tile(const int mr, const int nr, const tile *t)
{
    vector sum[TILE_ROWS][PANEL];
    start_sums(mr, nr, t, sum);
    if (t->columns == nr * WIDTH)
        outer_sums(mr, nr, true, t, sum);
    else
        outer_sums(mr, nr, false, t, sum);
    store_sums(mr, nr, t, sum);
}

typedef void tile_function(const tile *t);

/* A function for each number of rows and vectors: product_3_2 for 3 rows of 2 vectors, and so on. */
#define DEFINE_TILES(mr, nr)                                                                                 \
    static void product_##mr##_##nr(const tile *t)                                                           \
    {                                                                                                        \
        product_tile(mr, nr, t);                                                                             \
    }                                                                                                        \
    static void outer_##mr##_##nr(const tile *t)                                                             \
    {                                                                                                        \
        outer_tile(mr, nr, t);                                                                               \
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
        t->row += height;
        if (t->a)
            t->a += height * t->a_row;
        if (t->c)
            t->c += height * t->c_row;
        t->out += height * t->out_row;
    }
}

/* out = f(out, b) */
static void map_rows(tl_map map, int64_t rows, int64_t n, float *out, int64_t out_row, const float *b,
                     int64_t b_row)
{
    tl_map_kernel *kernel = FOR_ISA(tl_kernels).map[map];
    if (out_row == n && b_row == n) {
        kernel(rows * n, out, 1, b, 1, out, 1, NULL);
        return;
    }
    for (int64_t i = 0; i < rows; i++, out += out_row, b += b ? b_row : 0)
        kernel(n, out, 1, b, 1, out, 1, NULL);
}

enum { ABREAST = 4 };

/* One row times several panels at once: with one alone each sum would wait for the one before. The same sums
 * in the same order as in a tile. */
static void multiply_row(const tl_product *p, int64_t row, int64_t column)
{
    const float *a = (const float *)p->a + row * p->a_row, *b = (const float *)p->b + column * p->k;
    const float *c = p->c ? (const float *)p->c + row * p->c_row + column : NULL;
    float *out = (float *)p->out + row * p->out_row + column;
    const int64_t panel = p->k * PANEL * WIDTH;
    vector sum[ABREAST * PANEL];
    UNROLL for (int j = 0; j < ABREAST * PANEL; j++) sum[j] = c ? load(c + j * WIDTH) : splat(0.0f);
    for (int64_t l = 0; l < p->k; l++, b += PANEL * WIDTH) {
        vector left = splat(a[l]);
        UNROLL for (int j = 0; j < ABREAST * PANEL; j++) sum[j] =
            multiply_add(left, load(b + j / PANEL * panel + j % PANEL * WIDTH), sum[j]);
    }
    UNROLL for (int j = 0; j < ABREAST * PANEL; j++) store(out + j * WIDTH, sum[j]);
}

static void product_block(const tl_product *p, int64_t first, int64_t rows)
{
    const float *a = p->a, *b = p->b, *c = p->c;
    float *out = (float *)p->out + first * p->out_row;
    int64_t vectors = vectors_in(p->n), v = 0;
    for (; rows == 1 && p->n - v * WIDTH >= ABREAST * PANEL * WIDTH; v += ABREAST * PANEL)
        multiply_row(p, first, v * WIDTH);
    for (; v < vectors; v += PANEL) {
        int64_t wide = vectors - v < PANEL ? vectors - v : PANEL, column = v * WIDTH;
        int64_t left = p->n - column;
        tile t = {.k = p->k,
                  .columns = left < wide * WIDTH ? left : wide * WIDTH,
                  .a = a + first * p->a_row,
                  .a_row = p->a_row,
                  .b = b + column * p->k,
                  .c = c ? c + first * p->c_row + column : NULL,
                  .c_row = p->c_row,
                  .out = out + column,
                  .out_row = p->out_row};
        run_tiles(product_tiles[wide], rows, &t);
    }
    if (p->activation != TL_MAP_COPY)
        map_rows(p->activation, rows, p->n, out, p->out_row, NULL, p->out_row);
    if (p->slope != TL_MAP_COPY)
        map_rows(p->slope, rows, p->n, out, p->out_row, (const float *)p->h + first * p->h_row, p->h_row);
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
    int64_t vectors = vectors_in(o->n);
    for (int64_t v = 0; v < vectors; v += PANEL) {
        int64_t wide = vectors - v < PANEL ? vectors - v : PANEL, column = v * WIDTH, left = o->n - column;
        float *out = (float *)o->out + column;
        tile t = {.outer = o,
                  .columns = left < wide * WIDTH ? left : wide * WIDTH,
                  .row = o->first,
                  .column = column,
                  .c = o->add ? out : NULL,
                  .c_row = o->out_row,
                  .out = out,
                  .out_row = o->out_row};
        run_tiles(outer_tiles[wide], o->k, &t);
    }
}
