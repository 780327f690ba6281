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

static void *advance(const void *from, int64_t elements, tl_dtype dtype)
{
    return from ? (char *)(uintptr_t)from + elements * (int64_t)tl_dtype_size(dtype) : NULL;
}

/* Items [first, first + count) of a piece of work. */
typedef void piece_function(const void *work, int64_t first, int64_t count);

/* Runs f over n items: at once, or a share of at least `least` on each thread where so many multiply-adds, or
 * as much time, pay for them. Threads compute in the caller's mode of flushing. */
static void spread(int64_t n, int64_t least, double cost, piece_function *f, const void *work)
{
    static const double worth_threads = 1 << 20;
    const int threads = n > least && cost >= worth_threads ? tl_team_size(n / least + 1) : 1;
    if (threads == 1) {
        f(work, 0, n);
        return;
    }
    const int64_t even = (n + threads - 1) / threads, share = even < least ? least : even;
    const unsigned mode = tl_flush_set(0); /* which threads that OpenMP starts here inherit for good */
#pragma omp parallel num_threads(threads)
    {
        const unsigned own = tl_flush_set(mode);
#pragma omp for schedule(static)
        for (int64_t first = 0; first < n; first += share)
            f(work, first, n - first < share ? n - first : share);
        tl_flush_set(own);
    }
    tl_flush_set(mode);
}

enum { ELEMENTS = 1 << 14 }; /* of element-wise work, at least, on a thread */

/* A map over elements that lie one after the other on all sides. */
typedef struct flat_map {
    tl_map_kernel *kernel;
    tl_dtype dtype;
    void *out;
    const void *a, *b;
    const double *p;
} flat_map;

static void map_piece(const void *work, int64_t first, int64_t count)
{
    const flat_map *m = work;
    m->kernel(count, advance(m->a, first, m->dtype), 1, advance(m->b, first, m->dtype), 1,
              advance(m->out, first, m->dtype), 1, m->p);
}

/* Whether a has out's elements in out's order, without gaps. */
static bool lies_like(tl_tensor a, tl_tensor out)
{
    return tl_shape_equal(a.shape, out.shape) && tl_tensor_is_row_major(a);
}

void tl_compute_map(tl_map map, tl_tensor out, tl_tensor a, tl_tensor b, const double *p)
{
    if (lies_like(out, out) && lies_like(a, out) && (!b.storage || lies_like(b, out))) {
        const flat_map flat = {tl_kernels_for(out.dtype)->map[map], out.dtype, tl_address(out), tl_address(a),
                               b.storage ? tl_address(b) : NULL,    p};
        const int64_t n = tl_tensor_count(out);
        spread(n, ELEMENTS, (double)n * 4, map_piece,
               &flat); /* what comes from memory costs about that many */
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

/* out[j] = the sum of column j. */
typedef struct column_sums {
    tl_tensor rows, out;
    bool add;
} column_sums;

static void sum_piece(const void *work, int64_t first, int64_t count)
{
    const column_sums *c = work;
    const tl_dtype dtype = c->rows.dtype;
    tl_kernels_for(dtype)->sum_rows(c->rows.shape.dims[0], count, advance(tl_address(c->rows), first, dtype),
                                    c->rows.strides[0], advance(tl_address(c->out), first, dtype), c->add);
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
        enum { COLUMNS = 16 };
        const column_sums sums = {rows, out, add};
        spread(rows.shape.dims[1], COLUMNS, (double)tl_tensor_count(rows) * 4, sum_piece, &sums);
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

typedef struct product_work {
    tl_dtype dtype;
    const tl_product *product;
} product_work;

static void product_piece(const void *work, int64_t first, int64_t count)
{
    const product_work *w = work;
    tl_product part = *w->product;
    part.m = count;
    part.a = advance(part.a, first * part.a_row, w->dtype);
    part.c = advance(part.c, first * part.c_row, w->dtype);
    part.out = advance(part.out, first * part.out_row, w->dtype);
    part.h = advance(part.h, first * part.h_row, w->dtype);
    part.mask = part.mask ? part.mask + first * part.mask_stride : NULL;
    tl_kernels_for(w->dtype)->product(&part);
}

void tl_compute_product(tl_dtype dtype, const tl_product *product)
{
    enum { ROWS = 96 };
    spread(product->m, ROWS, (double)product->m * (double)product->n * (double)product->k, product_piece,
           &(product_work){dtype, product});
}

typedef struct outer_work {
    tl_dtype dtype;
    const tl_outer *outer;
} outer_work;

static void outer_piece(const void *work, int64_t first, int64_t count)
{
    const outer_work *w = work;
    tl_outer part = *w->outer;
    part.k = count;
    part.first += first;
    part.out = advance(part.out, first * part.out_row, w->dtype);
    tl_kernels_for(w->dtype)->outer(&part);
}

void tl_compute_outer(tl_dtype dtype, const tl_outer *outer)
{
    enum { LEAST = 8 };
    spread(outer->k, LEAST, (double)outer->count * (double)outer->m * (double)outer->n * (double)outer->k,
           outer_piece, &(outer_work){dtype, outer});
}

typedef struct update_work {
    tl_update_kernel *kernel;
    tl_dtype dtype;
    const double *p;
    const void *g;
    void *w;
    void *const *states;
} update_work;

static void update_piece(const void *work, int64_t first, int64_t count)
{
    const update_work *u = work;
    void *states[TL_UPDATE_STATES];
    for (int i = 0; i < TL_UPDATE_STATES; i++)
        states[i] = advance(u->states[i], first, u->dtype);
    u->kernel(count, u->p, advance(u->g, first, u->dtype), advance(u->w, first, u->dtype), states);
}

void tl_compute_update(tl_dtype dtype, tl_update update, int64_t n, const double *p, const void *g, void *w,
                       void *const states[TL_UPDATE_STATES])
{
    const update_work work = {tl_kernels_for(dtype)->update[update], dtype, p, g, w, states};
    const unsigned mode = tl_flush_set(dtype == TL_F32 ? tl_flushing : 0);
    spread(n, ELEMENTS, (double)n * 16, update_piece,
           &work); /* an update of one element costs about that many */
    tl_flush_set(mode);
}
