/* Matrix products in registers: tiles of a few rows x up to four vectors stay there over the whole inner
 * dimension.
 *
 * The right-hand matrix is packed into panels two vectors wide (the last may have one or three), each with
 * its k rows one after the other and padded with zeros, so that the inner loop reads it as one stream. The
 * left-hand matrix is read in place, one element broadcast at a time. The blocking is that of Goto and van
 * de Geijn ("Anatomy of high-performance matrix multiplication", ACM TOMS 2008) without the outer levels:
 * recurrent products fit in the cache as they are.
 *
 * A few columns beyond the last full vector, two of 50 say, would cost as much as a vector of them. They are
 * packed column by column instead, and are dot products along k.
 */
#include "tensor/kernels/tiles_internal.h"

/* Rows whose activation is computed while they are still in the first-level cache. */
enum { BLOCK_ROWS = 4 * MOST_ROWS };

size_t FOR_ISA(tl_packed_bytes)(int64_t k, int64_t n)
{
    const int64_t apart = columns_apart(n);
    return (size_t)(k * vectors_in(n - apart) * WIDTH + apart * vectors_in(k) * WIDTH) * sizeof(float);
}

/* k rows of `there` columns, each padded to `width`. */
static float *pack_panel(int64_t k, int64_t there, int64_t width, const float *from, int64_t row,
                         int64_t column, float *z)
{
    for (int64_t i = 0; i < k; i++, z += width, from += row) {
        for (int64_t j = 0; j < there; j++)
            z[j] = from[j * column];
        for (int64_t j = there; j < width; j++)
            z[j] = 0;
    }
    return z;
}

void FOR_ISA(tl_pack)(int64_t k, int64_t n, const void *b, int64_t b_row, int64_t b_column, void *packed)
{
    const float *x = b;
    float *z = packed;
    const int64_t apart = columns_apart(n), together = n - apart, vectors = vectors_in(together);
    for (int64_t v = 0; v < vectors; v += panel_width(vectors - v)) {
        const int64_t first = v * WIDTH, width = panel_width(vectors - v) * WIDTH;
        const int64_t there = together - first < width ? together - first : width;
        z = pack_panel(k, there, width, x + first * b_column, b_row, b_column, z);
    }
    pack_panel(apart, k, vectors_in(k) * WIDTH, x + together * b_column, b_column, b_row, z);
}

ALWAYS_INLINE void product_tile(const int mr, const int nr, const tile *t)
{
    tile_sums sum;
    start_sums(mr, nr, t, sum);
    multiply(mr, nr, true, t->columns, t->k, t->a, t->a_row, 1, t->b, nr * WIDTH, sum);
    store_sums(mr, nr, t, sum);
}

/* A function for each number of rows and vectors: product_3_2 for 3 rows of 2 vectors, and so on. */
#define DEFINE_TILE(mr, nr)                                                                                  \
    static void product_##mr##_##nr(const tile *t)                                                           \
    {                                                                                                        \
        product_tile(mr, nr, t);                                                                             \
    }
FOR_EACH_TILE(DEFINE_TILE)

#define TILE_ENTRY(mr, nr) [nr][mr] = product_##mr##_##nr,
static tile_function *const product_tiles[WIDEST + 1][MOST_ROWS + 1] = {FOR_EACH_TILE(TILE_ENTRY)};

/* --- Columns apart --- */

enum { MOST_APART = 4, ROWS_OF_DOTS = 4 };

/* mr rows times nc columns. */
ALWAYS_INLINE void dot_products(const int mr, const int nc, const tile *t)
{
    const int64_t whole = t->k - t->k % WIDTH, column = vectors_in(t->k) * WIDTH;
    vector sum[MOST_APART][ROWS_OF_DOTS] = {{{0}}};
    for (int64_t l = 0; l < whole; l += WIDTH)
        UNROLL for (int i = 0; i < mr; i++) UNROLL for (int j = 0; j < nc; j++) sum[j][i] =
            multiply_add(load(t->a + i * t->a_row + l), load(t->b + j * column + l), sum[j][i]);
    if (whole < t->k)
        UNROLL for (int i = 0; i < mr; i++)
        {
            const vector left = load_part(t->a + i * t->a_row + whole, t->k - whole);
            UNROLL for (int j = 0; j < nc; j++) sum[j][i] =
                multiply_add(left, load(t->b + j * column + whole), sum[j][i]);
        }
    UNROLL for (int j = 0; j < nc; j++)
    {
        float dots[ROWS_OF_DOTS];
        totals(sum[j], dots);
        UNROLL for (int i = 0; i < mr; i++) t->out[i * t->out_row + j] =
            (t->c ? t->c[i * t->c_row + j] : 0.0f) + dots[i];
    }
}

#define DEFINE_DOTS(nc)                                                                                      \
    static void dots_1_##nc(const tile *t)                                                                   \
    {                                                                                                        \
        dot_products(1, nc, t);                                                                              \
    }                                                                                                        \
    static void dots_4_##nc(const tile *t)                                                                   \
    {                                                                                                        \
        dot_products(ROWS_OF_DOTS, nc, t);                                                                   \
    }
#define FOR_EACH_FEW(X) X(1) X(2) X(3) X(4)
FOR_EACH_FEW(DEFINE_DOTS)

#define ONE_ENTRY(nc)  [nc] = dots_1_##nc,
#define MANY_ENTRY(nc) [nc] = dots_4_##nc,
static tile_function *const dots_of_one[MOST_APART + 1] = {FOR_EACH_FEW(ONE_ENTRY)};
static tile_function *const dots_of_many[MOST_APART + 1] = {FOR_EACH_FEW(MANY_ENTRY)};

static void run_dots(int64_t rows, tile *t)
{
    for (int64_t done = 0; done < rows;) {
        const bool many = rows - done >= ROWS_OF_DOTS;
        (many ? dots_of_many : dots_of_one)[t->columns](t);
        const int64_t height = many ? ROWS_OF_DOTS : 1;
        done += height;
        move_down(t, height);
    }
}

/* --- Whole products --- */

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

/* Whether the next panels are full ones as wide as most. */
static bool has_panels_abreast(int64_t columns, int64_t vectors)
{
    return vectors >= ABREAST * PANEL && vectors != ABREAST * PANEL + 1 &&
           (columns % WIDTH == 0 || vectors > ABREAST * PANEL);
}

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

/* The tile of some columns from the first row on. */
static tile columns_of(const tl_product *p, int64_t first, int64_t column, int64_t columns)
{
    return (tile){.k = p->k,
                  .columns = columns,
                  .a = (const float *)p->a + first * p->a_row,
                  .a_row = p->a_row,
                  .b = (const float *)p->b + column * p->k,
                  .c = p->c ? (const float *)p->c + first * p->c_row + column : NULL,
                  .c_row = p->c_row,
                  .out = (float *)p->out + first * p->out_row + column,
                  .out_row = p->out_row};
}

static void product_block(const tl_product *p, int64_t first, int64_t rows)
{
    const int64_t apart = columns_apart(p->n), together = p->n - apart, vectors = vectors_in(together);
    const float *a = p->a;
    float *out = (float *)p->out + first * p->out_row;
    int64_t v = 0;
    for (; rows == 1 && has_panels_abreast(together, vectors - v); v += ABREAST * PANEL)
        multiply_row(p, first, v * WIDTH);
    for (; v < vectors; v += panel_width(vectors - v)) {
        const int64_t wide = panel_width(vectors - v), left = together - v * WIDTH;
        tile t = columns_of(p, first, v * WIDTH, left < wide * WIDTH ? left : wide * WIDTH);
        run_tiles(product_tiles[wide], tile_rows[wide], rows, &t);
    }
    if (apart > 0) {
        tile t = columns_of(p, first, together, apart);
        run_dots(rows, &t);
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
