/* Tiles: a few rows x up to four vectors of a matrix, which stay in registers while products are added to
 * them. The products of packed matrices (product.c) and the outer products (outer.c) are made of them. */
#ifndef TL_TENSOR_KERNELS_TILES_INTERNAL_H
#define TL_TENSOR_KERNELS_TILES_INTERNAL_H

#include "tensor/kernels/vector_internal.h"

enum { PANEL = 2, WIDEST = 4 }; /* vectors of a tile as a rule, and at most */

/* Rows of a tile of so many vectors: two thirds of the registers accumulate. Products have no tiles of four
 * vectors. */
#define UP_TO_2(X, nr)  X(1, nr) X(2, nr)
#define UP_TO_4(X, nr)  UP_TO_2(X, nr) X(3, nr) X(4, nr)
#define UP_TO_6(X, nr)  UP_TO_4(X, nr) X(5, nr) X(6, nr)
#define UP_TO_8(X, nr)  UP_TO_6(X, nr) X(7, nr) X(8, nr)
#define UP_TO_12(X, nr) UP_TO_8(X, nr) X(9, nr) X(10, nr) X(11, nr) X(12, nr)
#if defined(__AVX512F__)
enum { MOST_ROWS = 12 };
static const int tile_rows[WIDEST + 1] = {0, 12, 12, 8, 4};
#define FOR_EACH_TILE(X)      UP_TO_12(X, 1) UP_TO_12(X, 2) UP_TO_8(X, 3)
#define FOR_EACH_WIDE_TILE(X) UP_TO_4(X, 4)
#else
enum { MOST_ROWS = 6 };
static const int tile_rows[WIDEST + 1] = {0, 6, 6, 4, 2};
#define FOR_EACH_TILE(X)      UP_TO_6(X, 1) UP_TO_6(X, 2) UP_TO_4(X, 3)
#define FOR_EACH_WIDE_TILE(X) UP_TO_2(X, 4)
#endif

typedef vector tile_sums[MOST_ROWS][WIDEST];

/* One tile: `rows` x `columns` of the output, columns at most nr vectors. */
typedef struct tile {
    int64_t k, columns;
    const float *a; /* product: the left-hand rows */
    int64_t a_row;
    const float *b; /* product: a panel */
    const tl_outer *outer;
    bool turned;         /* outer: a and g change places */
    int64_t row, column; /* outer: of the output's first element */
    const float *c;      /* addend or NULL */
    int64_t c_row;
    float *out;
    int64_t out_row;
} tile;

typedef void tile_function(const tile *t);

static inline int64_t vectors_in(int64_t n)
{
    return (n + WIDTH - 1) / WIDTH;
}

/* How many columns come after the vectors, so few that a vector for them would mostly be padding. */
static inline int64_t columns_apart(int64_t n)
{
    return n % WIDTH <= WIDTH / 4 ? n % WIDTH : 0;
}

/* Vectors of the next panel where `left` are left: rather three than two and one. */
static inline int64_t panel_width(int64_t left)
{
    return left == PANEL + 1 || left < PANEL ? left : PANEL;
}

ALWAYS_INLINE vector load_column(const float *from, int j, bool full, int64_t columns)
{
    if (full)
        return load(from + j * WIDTH);
    int64_t left = columns - j * WIDTH;
    return left <= 0 ? splat(0.0f) : load_part(from + j * WIDTH, left < WIDTH ? left : WIDTH);
}

ALWAYS_INLINE void start_sums(const int mr, const int nr, const tile *t, tile_sums sum)
{
    const bool full = t->columns == nr * WIDTH;
    UNROLL for (int i = 0; i < mr; i++) UNROLL for (int j = 0; j < nr; j++) sum[i][j] =
        t->c ? load_column(t->c + i * t->c_row, j, full, t->columns) : splat(0.0f);
}

ALWAYS_INLINE void store_sums(const int mr, const int nr, const tile *t, tile_sums sum)
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
                            tile_sums sum)
{
    for (int64_t l = 0; l < k; l++, a += a_step, b += b_row) {
        vector right[WIDEST];
        UNROLL for (int j = 0; j < nr; j++) right[j] = load_column(b, j, full, columns);
        UNROLL for (int i = 0; i < mr; i++)
        {
            vector left = splat(a[i * a_row]);
            UNROLL for (int j = 0; j < nr; j++) sum[i][j] = multiply_add(left, right[j], sum[i][j]);
        }
    }
}

static inline void move_down(tile *t, int64_t rows)
{
    t->row += rows;
    t->a += t->a ? rows * t->a_row : 0;
    t->c += t->c ? rows * t->c_row : 0;
    t->out += rows * t->out_row;
}

/* Goes down `rows` rows in tiles of nearly equal height, `most` or less. */
static inline void run_tiles(tile_function *const tiles[], int64_t most, int64_t rows, tile *t)
{
    const int64_t count = (rows + most - 1) / most;
    for (int64_t i = 0, done = 0; i < count; i++) {
        const int64_t height = (rows - done + count - i - 1) / (count - i);
        tiles[height](t);
        done += height;
        move_down(t, height);
    }
}

#endif
