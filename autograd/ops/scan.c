/* affine_scan: many steps of a plain recurrence in one node, h_t = f(h_(t-1) w + x_t). What a step costs is
 * then its product alone (scan_steps.c). Rows that a mask keeps still all along are left out. */
#include "autograd/ops/scan_internal.h"

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

/* A tensor [b, t, n] or [b, n] as rows, copied where its rows have gaps; no base with the error set. */
static tl_plane plane_of(const tl_op_call *call, tl_tensor t)
{
    const int last = t.shape.rank - 1;
    if (t.strides[last] != 1 && t.shape.dims[last] > 1) {
        tl_tensor copy = tl_scratch_tensor(call, t.dtype, t.shape);
        if (!copy.storage)
            return (tl_plane){0};
        tl_compute_store(copy, t, false);
        t = copy;
    }
    return (tl_plane){tl_address(t), last == 2 ? t.strides[1] : 0, t.strides[0]};
}

/* The scan of a call over all its rows, but for what one way alone needs. */
static tl_status describe(const tl_op_call *call, tl_tensor w, tl_scan *s)
{
    const scan_attributes *at = call->attributes;
    const tl_dtype dtype = call->output.dtype;
    const tl_shape shape = call->output.shape;
    *s = (tl_scan){.kernels = tl_kernels_for(dtype),
                   .rows = shape.dims[0],
                   .steps = shape.dims[1],
                   .n = shape.dims[2],
                   .size = (int64_t)tl_dtype_size(dtype),
                   .backwards = at->backwards,
                   .packed = tl_tape_pack(call->tape, w),
                   .h = plane_of(call, *call->inputs[2]),
                   .y = plane_of(call, call->output)};
    return s->packed && s->h.base ? TL_OK : TL_ERROR_MEMORY;
}

/* --- Rows that move, and rows that a mask keeps still all along --- */

static const uint8_t *mask_row(tl_tensor mask, int64_t i)
{
    return (const uint8_t *)tl_address(mask) + i * mask.strides[0];
}

/* Rows that some step changes. */
static int64_t find_moving(tl_tensor mask, int64_t rows[])
{
    int64_t count = 0;
    for (int64_t i = 0; i < mask.shape.dims[0]; i++)
        for (int64_t t = 0; t < mask.shape.dims[1]; t++)
            if (mask_row(mask, i)[t * mask.strides[1]]) {
                rows[count++] = i;
                break;
            }
    return count;
}

/* The scan of the rows that move, with their mask and the planes of all, and which ones they are; NULL: they
 * are all rows. */
static tl_status pick_moving(const tl_op_call *call, const tl_scan *all, tl_scan *moving,
                             const int64_t **which)
{
    const tl_tensor given = ((const scan_attributes *)call->attributes)->mask;
    *moving = *all;
    *which = NULL;
    if (!given.storage)
        return TL_OK;
    int64_t *rows = tl_scratch(call, (size_t)(all->rows + 1) * sizeof *rows);
    uint8_t *mask = rows ? tl_scratch(call, (size_t)(all->rows * all->steps + 1)) : NULL;
    if (!mask)
        return TL_ERROR_MEMORY;
    moving->mask = mask;
    moving->rows = find_moving(given, rows);
    for (int64_t t = 0; t < moving->steps; t++)
        for (int64_t i = 0; i < moving->rows; i++)
            mask[t * moving->rows + i] = mask_row(given, rows[i])[t * given.strides[1]];
    *which = moving->rows < all->rows ? rows : NULL;
    return TL_OK;
}

/* Room for the rows of so many steps. */
static tl_status new_plane(const tl_op_call *call, const tl_scan *s, int64_t steps, tl_plane *p)
{
    *p = (tl_plane){tl_scratch(call, (size_t)(steps * s->rows * s->n * s->size)), s->rows * s->n, s->n};
    return p->base ? TL_OK : TL_ERROR_MEMORY;
}

/* Rows which[i] of a plane of all rows, together in one of the rows that move. */
static tl_status gather(const tl_op_call *call, const tl_scan *moving, tl_plane all, int64_t steps,
                        const int64_t which[], tl_plane *together)
{
    if (new_plane(call, moving, steps, together) != TL_OK)
        return TL_ERROR_MEMORY;
    for (int64_t t = 0; t < steps; t++)
        for (int64_t i = 0; i < moving->rows; i++)
            memcpy(tl_plane_row(moving, *together, t, i), tl_plane_row(moving, all, t, which[i]),
                   (size_t)(moving->n * moving->size));
    return TL_OK;
}

/* The other way round. */
static void scatter(const tl_scan *moving, tl_plane together, int64_t steps, const int64_t which[],
                    tl_plane all)
{
    for (int64_t t = 0; t < steps; t++)
        for (int64_t i = 0; i < moving->rows; i++)
            memcpy(tl_plane_row(moving, all, t, which[i]), tl_plane_row(moving, together, t, i),
                   (size_t)(moving->n * moving->size));
}

/* --- Forward --- */

/* The states of rows that never move, and of others until those are written. */
static void stand_still(const tl_scan *all)
{
    for (int64_t t = 0; t < all->steps; t++)
        for (int64_t i = 0; i < all->rows; i++)
            memcpy(tl_plane_row(all, all->y, t, i), tl_plane_row(all, all->h, 0, i),
                   (size_t)(all->n * all->size));
}

static tl_status forward(const tl_op_call *call)
{
    const scan_attributes *at = call->attributes;
    tl_scan all, moving;
    const int64_t *which;
    if (describe(call, *call->inputs[1], &all) != TL_OK)
        return TL_ERROR_MEMORY;
    all.x = plane_of(call, *call->inputs[0]);
    if (!all.x.base || pick_moving(call, &all, &moving, &which) != TL_OK)
        return TL_ERROR_MEMORY;
    if (which && (gather(call, &moving, all.x, all.steps, which, &moving.x) != TL_OK ||
                  gather(call, &moving, all.h, 1, which, &moving.h) != TL_OK ||
                  new_plane(call, &moving, all.steps, &moving.y) != TL_OK))
        return TL_ERROR_MEMORY;
    tl_scan_forward(&moving, at->activation);
    if (which) {
        stand_still(&all);
        scatter(&moving, moving.y, all.steps, which, all.y);
    }
    return TL_OK;
}

/* --- Back --- */

/* Where the gradient of an input is written. */
typedef struct place {
    tl_tensor tensor; /* empty: nowhere */
    bool aside;       /* in scratch */
    bool add;         /* to what is there */
} place;

/* In place if that has rows and nothing is there yet that the kernels could not add to, else aside. The
 * gradient of x is made even if nobody wants it: the others rest on it. */
static tl_status find_place(const tl_op_call *call, int input, place *to)
{
    const tl_tensor wanted = call->grad_inputs[input];
    const tl_shape shape = call->inputs[input]->shape;
    const bool is_x = input == 0;
    *to = (place){.tensor = wanted};
    if (!wanted.storage && !is_x)
        return TL_OK;
    to->aside = !wanted.storage || (call->add[input] && is_x) ||
                (wanted.strides[shape.rank - 1] != 1 && shape.dims[shape.rank - 1] > 1);
    to->add = !to->aside && call->add[input];
    if (to->aside)
        to->tensor = tl_scratch_tensor(call, call->output.dtype, shape);
    return to->tensor.storage ? TL_OK : TL_ERROR_MEMORY;
}

static void put_in_place(const tl_op_call *call, int input, const place *from)
{
    if (from->aside && tl_wanted(call, input))
        tl_compute_store(call->grad_inputs[input], from->tensor, call->add[input]);
}

/* The way back of the rows that move, next to that of all. */
static tl_status set_out_back(const tl_op_call *call, const tl_scan *all, tl_scan *moving,
                              const int64_t which[])
{
    for (int i = 0; moving->mask && i < 2; i++)
        if (new_plane(call, moving, 1, &moving->spare[i]) != TL_OK)
            return TL_ERROR_MEMORY;
    if (which && (gather(call, moving, all->h, 1, which, &moving->h) != TL_OK ||
                  gather(call, moving, all->y, all->steps, which, &moving->y) != TL_OK ||
                  gather(call, moving, all->g, all->steps, which, &moving->g) != TL_OK ||
                  new_plane(call, moving, all->steps, &moving->dx) != TL_OK ||
                  (all->dh.base && gather(call, moving, all->dh, 1, which, &moving->dh) != TL_OK)))
        return TL_ERROR_MEMORY;
    moving->dw.g_row = moving->dx.row;
    moving->dw.m = moving->rows;
    return TL_OK;
}

/* Rows that never move hand on to h whatever reached them. Of others this is overwritten. */
static void hand_on(const tl_scan *all)
{
    const size_t bytes = (size_t)(all->n * all->size);
    for (int64_t i = 0; i < all->rows; i++) {
        for (int64_t t = 0; t < all->steps; t++)
            memset(tl_plane_row(all, all->dx, t, i), 0, bytes);
        if (!all->dh.base)
            continue;
        char *dh = tl_plane_row(all, all->dh, 0, i);
        if (!all->add_dh)
            memset(dh, 0, bytes);
        for (int64_t t = 0; t < all->steps; t++)
            if (!all->last_only || t == tl_scan_time(all, all->steps - 1))
                all->kernels->map[TL_MAP_ADD](all->n, dh, 1, tl_plane_row(all, all->g, t, i), 1, dh, 1, NULL);
    }
}

static tl_status go_back(const tl_op_call *call, const tl_scan *all)
{
    const scan_attributes *at = call->attributes;
    tl_scan moving;
    const int64_t *which;
    if (pick_moving(call, all, &moving, &which) != TL_OK || set_out_back(call, all, &moving, which) != TL_OK)
        return TL_ERROR_MEMORY;
    tl_scan_back(&moving, at->slope);
    if (moving.dw.out)
        tl_scan_weight_gradient(&moving);
    if (!which)
        return TL_OK;
    hand_on(all);
    scatter(&moving, moving.dx, all->steps, which, all->dx);
    if (all->dh.base)
        scatter(&moving, moving.dh, 1, which, all->dh);
    return TL_OK;
}

static tl_status backward(const tl_op_call *call)
{
    tl_scan s;
    place to[3];
    for (int i = 0; i < 3; i++)
        if (find_place(call, i, &to[i]) != TL_OK)
            return TL_ERROR_MEMORY;
    const place dx = to[0], dw = to[1], dh = to[2];
    if (describe(call, tl_tensor_transpose(*call->inputs[1], 0, 1), &s) != TL_OK)
        return TL_ERROR_MEMORY;
    s.g = plane_of(call, call->grad_output);
    if (!s.g.base)
        return TL_ERROR_MEMORY;
    s.last_only = call->more && call->more->last_only;
    s.dx = plane_of(call, dx.tensor);
    s.dh = dh.tensor.storage ? plane_of(call, dh.tensor) : (tl_plane){0};
    s.add_dh = dh.add;
    if (dw.tensor.storage)
        s.dw = (tl_outer){
            .n = s.n, .k = s.n, .out = tl_address(dw.tensor), .out_row = dw.tensor.strides[0], .add = dw.add};
    if (go_back(call, &s) != TL_OK)
        return TL_ERROR_MEMORY;
    for (int i = 0; i < 3; i++)
        put_in_place(call, i, &to[i]);
    return TL_OK;
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
