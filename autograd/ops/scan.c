/* affine_scan: many steps of a plain recurrence in one node, h_t = f(h_(t-1) w + x_t). What a step costs is
 * then its product alone; on the way back the slope of f is taken while the product is at hand, and the
 * gradient of w is one sum over all steps. Rows that a mask keeps still all along are left out. */
#include "autograd/ops/ops_internal.h"

#include <string.h>

typedef struct scan_attributes {
    tl_map activation, slope;
    bool backwards;
    tl_tensor mask; /* u8 [b, t] or empty */
} scan_attributes;

static tl_status infer(const tl_op_call *call, tl_tensor *result)
{
    const scan_attributes *at = call->attributes;
    tl_tensor x = *call->inputs[0], w = *call->inputs[1], h = *call->inputs[2];
    if (!tl_dtype_is_float(x.dtype) || x.dtype != w.dtype || x.dtype != h.dtype)
        return tl_error(TL_ERROR_DTYPE, "affine_scan: x of %s, w of %s, h of %s, expected one of f32 and f64",
                        tl_dtype_name(x.dtype), tl_dtype_name(w.dtype), tl_dtype_name(h.dtype));
    const int64_t b = x.shape.rank == 3 ? x.shape.dims[0] : 0, n = x.shape.rank == 3 ? x.shape.dims[2] : 0;
    if (x.shape.rank != 3 || !tl_shape_equal(w.shape, tl_shape(n, n)) ||
        !tl_shape_equal(h.shape, tl_shape(b, n)))
        return tl_error(TL_ERROR_SHAPE,
                        "affine_scan: x %s, w %s, h %s, expected [b, t, n], [n, n] and [b, n]",
                        TL_SHAPE_TEXT(x.shape), TL_SHAPE_TEXT(w.shape), TL_SHAPE_TEXT(h.shape));
    tl_tensor mask = at->mask;
    if (mask.storage && (mask.dtype != TL_U8 || !tl_shape_equal(mask.shape, tl_shape(b, x.shape.dims[1]))))
        return tl_error(TL_ERROR_SHAPE, "affine_scan: mask %s of %s for x %s, expected u8 [b, t]",
                        TL_SHAPE_TEXT(mask.shape), tl_dtype_name(mask.dtype), TL_SHAPE_TEXT(x.shape));
    result->dtype = x.dtype;
    result->shape = x.shape;
    result->strides[0] = n; /* time-major: a step is one stretch */
    result->strides[1] = b * n;
    result->strides[2] = 1;
    return TL_OK;
}

/* The rows of all steps: element j of row i in step t at base[t * step + i * row + j]. */
typedef struct plane {
    char *base; /* NULL: there is none */
    int64_t step, row;
} plane;

/* A scan as kernels see it. */
typedef struct scan {
    const tl_kernels *kernels;
    int64_t rows, steps, n, size; /* size of an element */
    bool backwards;
    const void *packed;  /* w, or its transpose on the way back */
    const uint8_t *mask; /* [steps, rows], or NULL */
    plane x, y, h;       /* h has one step */
    plane g, dx, dh;     /* the way back */
    bool last_only;      /* g is there for the last step taken alone */
    bool add_dh;
    plane spare[2]; /* with a mask, for the gradients of the states after two steps */
    tl_outer dw;    /* out NULL: not wanted */
} scan;

static char *row_at(const scan *s, plane p, int64_t t, int64_t i)
{
    return p.base + (t * p.step + i * p.row) * s->size;
}

static plane in_step(const scan *s, plane p, int64_t t)
{
    return (plane){p.base ? row_at(s, p, t, 0) : NULL, 0, p.row};
}

/* The place in time of step i. */
static int64_t time_of(const scan *s, int64_t i)
{
    return s->backwards ? s->steps - 1 - i : i;
}

/* The state before step i. */
static plane state_before(const scan *s, int64_t i)
{
    return i == 0 ? s->h : in_step(s, s->y, time_of(s, i - 1));
}

static const uint8_t *mask_at(const scan *s, int64_t i)
{
    return s->mask ? s->mask + time_of(s, i) * s->rows : NULL;
}

/* Whether step i keeps some rows as they are. */
static bool keeps_rows(const scan *s, int64_t i)
{
    return s->mask && memchr(mask_at(s, i), 0, (size_t)s->rows);
}

static void run_forward(const scan *s, tl_map activation)
{
    for (int64_t i = 0; i < s->steps; i++) {
        const plane before = state_before(s, i), x = in_step(s, s->x, time_of(s, i)),
                    y = in_step(s, s->y, time_of(s, i));
        s->kernels->product(&(tl_product){.m = s->rows,
                                          .n = s->n,
                                          .k = s->n,
                                          .a = before.base,
                                          .a_row = before.row,
                                          .b = s->packed,
                                          .c = x.base,
                                          .c_row = x.row,
                                          .out = y.base,
                                          .out_row = y.row,
                                          .activation = activation,
                                          .mask = keeps_rows(s, i) ? mask_at(s, i) : NULL,
                                          .mask_stride = 1});
    }
}

/* to = z w^T, added to `onto` if there is such, and then through the slope at h. */
static void step_back(const scan *s, plane z, plane onto, tl_map slope, plane h, plane to)
{
    s->kernels->product(&(tl_product){.m = s->rows,
                                      .n = s->n,
                                      .k = s->n,
                                      .a = z.base,
                                      .a_row = z.row,
                                      .b = s->packed,
                                      .c = onto.base,
                                      .c_row = onto.row,
                                      .out = to.base,
                                      .out_row = to.row,
                                      .activation = TL_MAP_COPY,
                                      .slope = slope,
                                      .h = h.base,
                                      .h_row = h.row});
}

static bool has_no_gaps(const scan *s, plane p)
{
    return !p.base || p.row == s->n;
}

/* to = f(a, b); without a, zeros. */
static void map_step(const scan *s, tl_map map, plane a, plane b, plane to)
{
    if (a.base && has_no_gaps(s, a) && has_no_gaps(s, b) && has_no_gaps(s, to)) {
        s->kernels->map[map](s->rows * s->n, a.base, 1, b.base, 1, to.base, 1, NULL);
        return;
    }
    for (int64_t i = 0; i < s->rows; i++)
        if (a.base)
            s->kernels->map[map](s->n, row_at(s, a, 0, i), 1, b.base ? row_at(s, b, 0, i) : NULL, 1,
                                 row_at(s, to, 0, i), 1, NULL);
        else
            memset(row_at(s, to, 0, i), 0, (size_t)(s->n * s->size));
}

/* What reaches the state after step i from outside of the scan. */
static plane from_outside(const scan *s, int64_t i)
{
    return s->last_only && i < s->steps - 1 ? (plane){0} : in_step(s, s->g, time_of(s, i));
}

/* Adds the gradients of rows that step i kept to those of the state before it. */
static void add_kept(const scan *s, int64_t i, plane after, plane before)
{
    for (int64_t r = 0; r < s->rows; r++)
        if (!mask_at(s, i)[r])
            s->kernels->map[TL_MAP_ADD](s->n, row_at(s, before, 0, r), 1, row_at(s, after, 0, r), 1,
                                        row_at(s, before, 0, r), 1, NULL);
}

/* A step back where rows were kept, by this step or the one after it: the gradient of the state is needed as
 * it is, d, and not only behind the slope. */
static plane step_back_masked(const scan *s, int64_t i, plane z, plane after, tl_map slope, plane h, plane to)
{
    const plane d = s->spare[i % 2];
    if (z.base)
        step_back(s, z, from_outside(s, i), TL_MAP_COPY, (plane){0}, d);
    else
        map_step(s, TL_MAP_COPY, from_outside(s, i), (plane){0}, d);
    if (z.base && keeps_rows(s, i + 1))
        add_kept(s, i + 1, after, d);
    map_step(s, slope, d, h, to);
    for (int64_t r = 0; keeps_rows(s, i) && r < s->rows; r++)
        if (!mask_at(s, i)[r])
            memset(row_at(s, to, 0, r), 0, (size_t)(s->n * s->size));
    return d;
}

/* Gradients of x, which are those behind the slope, from the last step taken to the first; then that of h. */
static void run_back(const scan *s, tl_map slope)
{
    plane z = {0}, d = {0};
    for (int64_t i = s->steps - 1; i >= 0; i--) {
        const plane h = in_step(s, s->y, time_of(s, i)), to = in_step(s, s->dx, time_of(s, i));
        if (keeps_rows(s, i) || (z.base && keeps_rows(s, i + 1)))
            d = step_back_masked(s, i, z, d, slope, h, to);
        else if (z.base)
            step_back(s, z, from_outside(s, i), slope, h, to);
        else
            map_step(s, slope, from_outside(s, i), h, to);
        z = to;
    }
    if (!s->dh.base)
        return;
    if (s->steps == 0) {
        map_step(s, TL_MAP_COPY, s->add_dh ? s->dh : (plane){0}, (plane){0}, s->dh);
        return;
    }
    step_back(s, z, s->add_dh ? s->dh : (plane){0}, TL_MAP_COPY, (plane){0}, s->dh);
    if (keeps_rows(s, 0))
        add_kept(s, 0, d, s->dh);
}

/* The pairs whose products make up the gradient of w, the last step taken first, a few at a time. */
static void add_weight_gradient(const scan *s)
{
    enum { AT_ONCE = 16 };
    tl_pair pairs[AT_ONCE];
    tl_outer o = s->dw;
    o.pairs = pairs;
    for (int64_t i = s->steps - 1; i >= 0; i--) {
        const plane before = state_before(s, i);
        if (o.count == AT_ONCE || (o.count > 0 && before.row != o.a_row)) {
            s->kernels->outer(&o);
            o.add = true;
            o.count = 0;
        }
        o.a_row = before.row;
        pairs[o.count++] = (tl_pair){before.base, row_at(s, s->dx, time_of(s, i), 0)};
    }
    s->kernels->outer(&o);
}

/* A tensor [b, t, n] or [b, n] as rows, copied where its rows have gaps; no base with the error set. */
static plane plane_of(const tl_op_call *call, tl_tensor t)
{
    const int last = t.shape.rank - 1;
    if (t.strides[last] != 1 && t.shape.dims[last] > 1) {
        tl_tensor copy = tl_scratch_tensor(call, t.dtype, t.shape);
        if (!copy.storage)
            return (plane){0};
        tl_compute_store(copy, t, false);
        t = copy;
    }
    return (plane){tl_address(t), last == 2 ? t.strides[1] : 0, t.strides[0]};
}

/* Room for the rows of so many steps. */
static plane new_plane(const tl_op_call *call, const scan *s, int64_t steps)
{
    return (plane){tl_scratch(call, (size_t)(steps * s->rows * s->n * s->size)), s->rows * s->n, s->n};
}

/* Rows that some step changes. */
static int64_t find_moving(tl_tensor mask, int64_t moving[])
{
    int64_t count = 0;
    for (int64_t i = 0; i < mask.shape.dims[0]; i++) {
        const uint8_t *row = (const uint8_t *)tl_address(mask) + i * mask.strides[0];
        for (int64_t t = 0; t < mask.shape.dims[1]; t++)
            if (row[t * mask.strides[1]]) {
                moving[count++] = i;
                break;
            }
    }
    return count;
}

/* The scan of a call but for x, which is only there on the way forward: all rows, or those that move, in
 * *moving then and else NULL. */
static tl_status describe(const tl_op_call *call, scan *s, const int64_t **moving)
{
    const scan_attributes *at = call->attributes;
    const tl_dtype dtype = call->output.dtype;
    const tl_shape shape = call->output.shape;
    *moving = NULL;
    *s = (scan){.kernels = tl_kernels_for(dtype),
                .rows = shape.dims[0],
                .steps = shape.dims[1],
                .n = shape.dims[2],
                .size = (int64_t)tl_dtype_size(dtype),
                .backwards = at->backwards,
                .h = plane_of(call, *call->inputs[2]),
                .y = plane_of(call, call->output)};
    if (!s->h.base)
        return TL_ERROR_MEMORY;
    if (!at->mask.storage)
        return TL_OK;
    int64_t *rows = tl_scratch(call, (size_t)(s->rows + 1) * sizeof *rows);
    uint8_t *mask = rows ? tl_scratch(call, (size_t)(s->rows * s->steps + 1)) : NULL;
    if (!mask)
        return TL_ERROR_MEMORY;
    s->rows = find_moving(at->mask, rows);
    for (int64_t t = 0; t < s->steps; t++)
        for (int64_t i = 0; i < s->rows; i++)
            mask[t * s->rows + i] = ((const uint8_t *)tl_address(
                at->mask))[rows[i] * at->mask.strides[0] + t * at->mask.strides[1]];
    s->mask = mask;
    *moving = rows;
    return TL_OK;
}

/* Rows rows[i] of `from` to rows i of `to`, or the other way round. */
static void move_rows(const scan *s, plane from, plane to, int64_t steps, const int64_t rows[], bool out)
{
    for (int64_t t = 0; t < steps; t++)
        for (int64_t i = 0; i < s->rows; i++)
            memcpy(row_at(s, to, t, out ? rows[i] : i), row_at(s, from, t, out ? i : rows[i]),
                   (size_t)(s->n * s->size));
}

/* The moving rows of a plane, together. */
static tl_status take_moving(const tl_op_call *call, const scan *s, plane *p, int64_t steps,
                             const int64_t rows[])
{
    const plane all = *p;
    *p = new_plane(call, s, steps);
    if (!p->base)
        return TL_ERROR_MEMORY;
    move_rows(s, all, *p, steps, rows, false);
    return TL_OK;
}

static tl_status forward(const tl_op_call *call)
{
    const scan_attributes *at = call->attributes;
    scan s;
    const int64_t *moving;
    if (describe(call, &s, &moving) != TL_OK)
        return tl_error_status();
    s.x = plane_of(call, *call->inputs[0]);
    s.packed = tl_tape_pack(call->tape, *call->inputs[1]);
    if (!s.x.base || !s.packed)
        return TL_ERROR_MEMORY;
    if (!moving || s.rows == call->output.shape.dims[0]) {
        run_forward(&s, at->activation);
        return TL_OK;
    }
    const plane all = s.y, still = s.h;
    s.y = new_plane(call, &s, s.steps);
    if (!s.y.base || take_moving(call, &s, &s.x, s.steps, moving) != TL_OK ||
        take_moving(call, &s, &s.h, 1, moving) != TL_OK)
        return TL_ERROR_MEMORY;
    run_forward(&s, at->activation);
    for (int64_t t = 0, count = call->output.shape.dims[0]; t < s.steps; t++)
        for (int64_t i = 0; i < count; i++)
            memcpy(row_at(&s, all, t, i), row_at(&s, still, 0, i), (size_t)(s.n * s.size));
    move_rows(&s, s.y, all, s.steps, moving, true);
    return TL_OK;
}

/* Where the gradient of an input is written: in place if that has rows and nothing is there yet that the
 * kernels could not add to, else aside. */
static tl_tensor place_for(const tl_op_call *call, int input, bool adds, bool *aside)
{
    const tl_tensor wanted = call->grad_inputs[input];
    const int last = call->inputs[input]->shape.rank - 1;
    *aside = !wanted.storage || (call->add[input] && !adds) ||
             (wanted.strides[last] != 1 && wanted.shape.dims[last] > 1);
    return *aside ? tl_scratch_tensor(call, call->output.dtype, call->inputs[input]->shape) : wanted;
}

static tl_status put_in_place(const tl_op_call *call, int input, tl_tensor from, bool aside)
{
    if (aside && tl_wanted(call, input))
        tl_compute_store(call->grad_inputs[input], from, call->add[input]);
    return TL_OK;
}

/* The way back over the rows that moved; those that did not hand on to h whatever reached them. */
static tl_status go_back(const tl_op_call *call, scan *s, const int64_t moving[])
{
    const scan_attributes *at = call->attributes;
    const plane g = s->g, dx = s->dx, dh = s->dh;
    const int64_t all = call->output.shape.dims[0];
    const bool some = moving && s->rows < all;
    if (moving) {
        s->spare[0] = new_plane(call, s, 1);
        s->spare[1] = new_plane(call, s, 1);
        if (!s->spare[0].base || !s->spare[1].base)
            return TL_ERROR_MEMORY;
    }
    if (some) {
        s->dx = new_plane(call, s, s->steps);
        if (!s->dx.base || take_moving(call, s, &s->h, 1, moving) != TL_OK ||
            take_moving(call, s, &s->y, s->steps, moving) != TL_OK ||
            take_moving(call, s, &s->g, s->steps, moving) != TL_OK ||
            take_moving(call, s, &s->dh, 1, moving) != TL_OK)
            return TL_ERROR_MEMORY;
    }
    s->dw.g_row = s->dx.row;
    s->dw.m = s->rows;
    run_back(s, at->slope);
    if (s->dw.out)
        add_weight_gradient(s);
    if (!some)
        return TL_OK;
    for (int64_t i = 0; i < all; i++) {
        if (!s->add_dh)
            memset(row_at(s, dh, 0, i), 0, (size_t)(s->n * s->size));
        for (int64_t t = 0; t < s->steps; t++) {
            memset(row_at(s, dx, t, i), 0, (size_t)(s->n * s->size));
            if (s->last_only && t != time_of(s, s->steps - 1))
                continue;
            s->kernels->map[TL_MAP_ADD](s->n, row_at(s, dh, 0, i), 1, row_at(s, g, t, i), 1,
                                        row_at(s, dh, 0, i), 1, NULL);
        }
    }
    move_rows(s, s->dx, dx, s->steps, moving, true);
    move_rows(s, s->dh, dh, 1, moving, true);
    return TL_OK;
}

static tl_status backward(const tl_op_call *call)
{
    scan s;
    const int64_t *moving;
    bool dx_aside, dw_aside, dh_aside;
    const tl_tensor dx = place_for(call, 0, false, &dx_aside), dw = place_for(call, 1, true, &dw_aside),
                    dh = place_for(call, 2, true, &dh_aside);
    if (!dx.storage || !dw.storage || !dh.storage || describe(call, &s, &moving) != TL_OK)
        return TL_ERROR_MEMORY;
    s.packed = tl_tape_pack(call->tape, tl_tensor_transpose(*call->inputs[1], 0, 1));
    s.g = plane_of(call, call->grad_output);
    if (!s.packed || !s.g.base)
        return TL_ERROR_MEMORY;
    s.last_only = call->more && call->more->last_only;
    s.dx = plane_of(call, dx);
    s.dh = tl_wanted(call, 2) || moving ? plane_of(call, dh) : (plane){0};
    s.add_dh = !dh_aside && call->add[2];
    if (tl_wanted(call, 1))
        s.dw = (tl_outer){.n = s.n,
                          .k = s.n,
                          .out = tl_address(dw),
                          .out_row = dw.strides[0],
                          .add = !dw_aside && call->add[1]};
    if (go_back(call, &s, moving) != TL_OK)
        return TL_ERROR_MEMORY;
    put_in_place(call, 0, dx, dx_aside);
    put_in_place(call, 1, dw, dw_aside);
    return put_in_place(call, 2, dh, dh_aside);
}

/* The part whose gradient the rule can do with alone. */
static int64_t last_step(const tl_op_call *call)
{
    const scan_attributes *at = call->attributes;
    return at->backwards ? 0 : call->output.shape.dims[1] - 1;
}

static const tl_op_private more = {.last_part = last_step};

static uint8_t mask_values[] = {0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 0, 1, 1, 1, 1, 0};
static tl_storage mask_storage = {.data = mask_values, .bytes = sizeof mask_values};
#define MASK                                                                                                 \
    {                                                                                                        \
        .storage = &mask_storage, .shape = {2, {4, 4}}, .strides = {4, 1}, .dtype = TL_U8                    \
    }
#define ATTRIBUTES(...)                                                                                      \
    .attributes = &(const scan_attributes){__VA_ARGS__}, .attribute_bytes = sizeof(scan_attributes)
#define TANH .activation = TL_MAP_TANH, .slope = TL_MAP_TANH_GRAD
#define S(...)                                                                                               \
    {                                                                                                        \
        .shape = { __VA_ARGS__ }                                                                             \
    }
static const tl_op_case cases[] = {
    {.name = "forwards",
     .count = 3,
     .inputs = {S(3, {3, 4, 2}), S(2, {2, 2}), S(2, {3, 2})},
     ATTRIBUTES(TANH)},
    {.name = "backwards",
     .count = 3,
     .inputs = {S(3, {3, 4, 2}), S(2, {2, 2}), S(2, {3, 2})},
     ATTRIBUTES(TANH, .backwards = true)},
    {.name = "linear",
     .count = 3,
     .inputs = {S(3, {2, 3, 4}), S(2, {4, 4}), S(2, {2, 4})},
     ATTRIBUTES(.activation = TL_MAP_COPY, .slope = TL_MAP_COPY)},
    {.name = "masked",
     .count = 3,
     .inputs = {S(3, {4, 4, 3}), S(2, {3, 3}), S(2, {4, 3})},
     ATTRIBUTES(TANH, .mask = MASK)},
    {.name = "masked, backwards",
     .count = 3,
     .inputs = {S(3, {4, 4, 3}), S(2, {3, 3}), S(2, {4, 3})},
     ATTRIBUTES(.activation = TL_MAP_SIGMOID, .slope = TL_MAP_SIGMOID_GRAD, .backwards = true, .mask = MASK)},
    {.name = "one step",
     .count = 3,
     .inputs = {S(3, {3, 1, 2}), S(2, {2, 2}), S(2, {3, 2})},
     ATTRIBUTES(TANH)},
    {.name = "no rows",
     .count = 3,
     .inputs = {S(3, {0, 4, 2}), S(2, {2, 2}), S(2, {0, 2})},
     ATTRIBUTES(TANH)},
    {.name = "more steps than are summed at a time",
     .count = 3,
     .inputs = {S(3, {2, 19, 3}), S(2, {3, 3}), S(2, {2, 3})},
     ATTRIBUTES(TANH)},
    {.name = "time-major",
     .count = 3,
     .inputs = {{.shape = {3, {2, 3, 3}}, .layout = TL_SAMPLE_TRANSPOSED}, S(2, {3, 3}), S(2, {2, 3})},
     ATTRIBUTES(TANH)},
    {.name = "views",
     .count = 3,
     .inputs = {{.shape = {3, {2, 3, 4}}, .layout = TL_SAMPLE_SLICED},
                {.shape = {2, {4, 4}}, .layout = TL_SAMPLE_TRANSPOSED},
                {.shape = {2, {2, 4}}, .layout = TL_SAMPLE_TRANSPOSED}},
     ATTRIBUTES(TANH)},
    {.name = "w is h",
     .count = 3,
     .inputs = {S(3, {3, 2, 3}), S(2, {3, 3}), {.same_as = 2}},
     ATTRIBUTES(TANH)},
};

static const tl_op affine_scan = {.name = "affine_scan",
                                  .inputs = 3,
                                  .infer = infer,
                                  .forward = forward,
                                  .backward = backward,
                                  .reads = 1u << 1 | 1u << 2 | TL_READS_OUTPUT,
                                  .accumulates = true,
                                  .strided = true,
                                  .more = &more,
                                  .cases = cases,
                                  .case_count = TL_COUNT(cases)};

const tl_op *const tl_scan_ops[] = {&affine_scan, NULL};

tl_var *tl_affine_scan(tl_var *x, tl_var *w, tl_var *h, tl_activation activation, bool backwards,
                       tl_tensor mask)
{
    scan_attributes attributes = {.backwards = backwards, .mask = mask};
    if (!x || !tl_activation_maps("affine_scan", activation, &attributes.activation, &attributes.slope))
        return NULL;
    return tl_apply(&affine_scan, (tl_var *[]){x, w, h}, 3, &attributes, sizeof attributes);
}
