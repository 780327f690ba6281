#include "tensor/compute_internal.h"
#include "tensor/flush_internal.h"
#include "tensor/iterate_internal.h"
#include "tensor/tensor_internal.h"
#include "tensor/team_internal.h"

#include <math.h>

typedef struct map_context {
    tl_map_kernel *kernel;
    const double *p;
} map_context;

static void unary_run(void *context, int64_t n, char *const at[], const int64_t strides[])
{
    const map_context *c = context;
    c->kernel(n, at[1], strides[1], NULL, 1, at[0], strides[0], c->p);
}

static void binary_run(void *context, int64_t n, char *const at[], const int64_t strides[])
{
    const map_context *c = context;
    c->kernel(n, at[1], strides[1], at[2], strides[2], at[0], strides[0], c->p);
}

/* Multiply-adds below which a second thread costs more than it gives. */
static const int64_t worth_threads = 1 << 20;

static bool parallel_pays(int64_t work)
{
    return work >= worth_threads && tl_team_size(work) > 1;
}

static void *advance(const void *from, int64_t elements, tl_dtype dtype)
{
    return from ? (char *)(uintptr_t)from + elements * (int64_t)tl_dtype_size(dtype) : NULL;
}

/* A map over elements that lie one after the other on all sides. */
static void map_flat(tl_map map, tl_dtype dtype, int64_t n, void *out, const void *a, const void *b,
                     const double *p)
{
    enum { PIECE = 1 << 14 };
    tl_map_kernel *kernel = tl_kernels_for(dtype)->map[map];
    if (!parallel_pays(n * 4)) { /* an element that comes from memory costs about that many */
        kernel(n, a, 1, b, 1, out, 1, p);
        return;
    }
    const unsigned mode = tl_flush_set(0); /* which threads that OpenMP starts here inherit for good */
#pragma omp parallel num_threads(tl_team_size(INT64_MAX))
    {
        const unsigned own = tl_flush_set(mode);
#pragma omp for schedule(static)
        for (int64_t first = 0; first < n; first += PIECE)
            kernel(n - first < PIECE ? n - first : PIECE, advance(a, first, dtype), 1,
                   advance(b, first, dtype), 1, advance(out, first, dtype), 1, p);
        tl_flush_set(own);
    }
    tl_flush_set(mode);
}

/* Whether a has out's elements in out's order, without gaps. */
static bool lies_like(tl_tensor a, tl_tensor out)
{
    return tl_shape_equal(a.shape, out.shape) && tl_tensor_is_row_major(a);
}

void tl_compute_map(tl_map map, tl_tensor out, tl_tensor a, tl_tensor b, const double *p)
{
    if (lies_like(out, out) && lies_like(a, out) && (!b.storage || lies_like(b, out))) {
        map_flat(map, out.dtype, tl_tensor_count(out), tl_address(out), tl_address(a),
                 b.storage ? tl_address(b) : NULL, p);
        return;
    }
    map_context context = {tl_kernels_for(out.dtype)->map[map], p};
    tl_tensor operands[3] = {out, tl_tensor_broadcast(a, out.shape)};
    if (!b.storage) {
        tl_iterate(2, operands, unary_run, &context);
        return;
    }
    operands[2] = tl_tensor_broadcast(b, out.shape);
    tl_iterate(3, operands, binary_run, &context);
}

void tl_compute_store(tl_tensor out, tl_tensor a, bool add)
{
    if (add)
        tl_compute_map(TL_MAP_ADD, out, out, a, NULL);
    else
        tl_compute_map(TL_MAP_COPY, out, a, (tl_tensor){0}, NULL);
}

/* at[0] runs over the input, at[1] over the output: where the output stands still, the run is folded. */
static void sum_run(void *context, int64_t n, char *const at[], const int64_t strides[])
{
    const tl_dtype dtype = *(const tl_dtype *)context;
    const tl_kernels *k = tl_kernels_for(dtype);
    if (strides[1] != 0 || n == 1)
        k->map[TL_MAP_ADD](n, at[1], strides[1], at[0], strides[0], at[1], strides[1], NULL);
    else if (dtype == TL_F32)
        *(float *)at[1] += (float)k->sum(n, at[0], strides[0]);
    else
        *(double *)at[1] += k->sum(n, at[0], strides[0]);
}

static void max_run(void *context, int64_t n, char *const at[], const int64_t strides[])
{
    const tl_dtype dtype = *(const tl_dtype *)context;
    const tl_kernels *k = tl_kernels_for(dtype);
    double folded = 0;
    if (strides[1] == 0)
        folded = k->max(n, at[0], strides[0]);
    float narrow = (float)folded;
    const void *from = strides[1] != 0   ? (const void *)at[0]
                       : dtype == TL_F32 ? (const void *)&narrow
                                         : &folded;
    int64_t count = strides[1] == 0 ? 1 : n;
    k->map[TL_MAP_MAX](count, at[1], strides[1], from, strides[0], at[1], strides[1], NULL);
}

static void reduce(tl_run run, tl_tensor out, tl_tensor a)
{
    tl_tensor operands[] = {a, tl_tensor_broadcast(out, a.shape)};
    tl_iterate(2, operands, run, &a.dtype);
}

/* out[j] = the sum of column j, columns spread over threads. */
static void sum_columns(tl_tensor rows, tl_tensor out, bool add)
{
    enum { COLUMNS = 16 };
    const tl_kernels *k = tl_kernels_for(rows.dtype);
    const int64_t m = rows.shape.dims[0], n = rows.shape.dims[1];
    if (n <= COLUMNS || !parallel_pays(m * n * 4)) {
        k->sum_rows(m, n, tl_address(rows), rows.strides[0], tl_address(out), add);
        return;
    }
    const unsigned mode = tl_flush_set(0); /* which threads that OpenMP starts here inherit for good */
#pragma omp parallel num_threads(tl_team_size(INT64_MAX))
    {
        const unsigned own = tl_flush_set(mode);
#pragma omp for schedule(static)
        for (int64_t first = 0; first < n; first += COLUMNS)
            k->sum_rows(m, n - first < COLUMNS ? n - first : COLUMNS,
                        advance(tl_address(rows), first, rows.dtype), rows.strides[0],
                        advance(tl_address(out), first, rows.dtype), add);
        tl_flush_set(own);
    }
    tl_flush_set(mode);
}

void tl_compute_sum(tl_tensor out, tl_tensor a, bool add)
{
    tl_tensor rows;
    if (tl_shape_equal(out.shape, a.shape)) {
        tl_compute_store(out, a, add);
        return;
    }
    if (out.shape.rank == 1 && a.shape.rank > 1 && out.strides[0] == 1 &&
        out.shape.dims[0] == a.shape.dims[a.shape.rank - 1] && tl_tensors_as_rows(1, &a, &rows)) {
        sum_columns(rows, out, add);
        return;
    }
    if (!add)
        tl_tensor_fill(out, 0);
    reduce(sum_run, out, a);
}

void tl_compute_max(tl_tensor out, tl_tensor a)
{
    tl_tensor_fill(out, -(double)INFINITY);
    reduce(max_run, out, a);
}

void tl_compute_product(tl_dtype dtype, const tl_product *product)
{
    const tl_kernels *k = tl_kernels_for(dtype);
    enum { ROWS = 96 };
    if (product->m <= ROWS || !parallel_pays(product->m * product->n * product->k)) {
        k->product(product);
        return;
    }
    const unsigned mode = tl_flush_set(0); /* which threads that OpenMP starts here inherit for good */
#pragma omp parallel num_threads(tl_team_size(INT64_MAX))
    {
        const unsigned own = tl_flush_set(mode);
#pragma omp for schedule(static)
        for (int64_t first = 0; first < product->m; first += ROWS) {
            tl_product part = *product;
            part.m = product->m - first < ROWS ? product->m - first : ROWS;
            part.a = advance(product->a, first * product->a_row, dtype);
            part.c = advance(product->c, first * product->c_row, dtype);
            part.out = advance(product->out, first * product->out_row, dtype);
            part.h = advance(product->h, first * product->h_row, dtype);
            part.mask = product->mask ? product->mask + first * product->mask_stride : NULL;
            k->product(&part);
        }
        tl_flush_set(own);
    }
    tl_flush_set(mode);
}

void tl_compute_outer(tl_dtype dtype, const tl_outer *outer)
{
    const tl_kernels *k = tl_kernels_for(dtype);
    enum { LEAST = 8 };
    if (outer->k <= LEAST || !parallel_pays(outer->count * outer->m * outer->n * outer->k)) {
        k->outer(outer);
        return;
    }
    const int threads = tl_team_size(outer->k);
    const int64_t share = (outer->k + threads - 1) / threads, height = share < LEAST ? LEAST : share;
    const unsigned mode = tl_flush_set(0); /* which threads that OpenMP starts here inherit for good */
#pragma omp parallel num_threads(tl_team_size(INT64_MAX))
    {
        const unsigned own = tl_flush_set(mode);
#pragma omp for schedule(static)
        for (int64_t first = 0; first < outer->k; first += height) {
            tl_outer part = *outer;
            part.k = outer->k - first < height ? outer->k - first : height;
            part.first = outer->first + first;
            part.out = advance(outer->out, first * outer->out_row, dtype);
            k->outer(&part);
        }
        tl_flush_set(own);
    }
    tl_flush_set(mode);
}

void tl_compute_update(tl_dtype dtype, tl_update update, int64_t n, const double *p, const void *g, void *w,
                       void *const states[TL_UPDATE_STATES])
{
    tl_update_kernel *kernel = tl_kernels_for(dtype)->update[update];
    enum { PIECE = 1 << 14 };
    const unsigned mode = tl_flush_set(dtype == TL_F32 ? tl_flushing : 0);
    if (!parallel_pays(n * 16)) { /* an update of one element costs about that many */
        kernel(n, p, g, w, states);
        tl_flush_set(mode);
        return;
    }
    tl_flush_set(0);
#pragma omp parallel num_threads(tl_team_size(INT64_MAX))
    {
        const unsigned own = tl_flush_set(dtype == TL_F32 ? tl_flushing : 0);
#pragma omp for schedule(static)
        for (int64_t first = 0; first < n; first += PIECE) {
            void *parts[TL_UPDATE_STATES];
            for (int i = 0; i < TL_UPDATE_STATES; i++)
                parts[i] = advance(states[i], first, dtype);
            kernel(n - first < PIECE ? n - first : PIECE, p, advance(g, first, dtype),
                   advance(w, first, dtype), parts);
        }
        tl_flush_set(own);
    }
    tl_flush_set(mode);
}
