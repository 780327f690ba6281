/* affine: activation(x w + c) in one node, with the addend, the activation and the row mask applied while the
 * product is at hand. */
#include "autograd/ops/ops_internal.h"

#include <stddef.h>

typedef struct affine_attributes {
    tl_map activation, gradient;
    bool masks;
    tl_tensor mask; /* u8 [m], if masks */
} affine_attributes;

static tl_status infer(const tl_op_call *call, tl_tensor *result)
{
    const affine_attributes *at = call->attributes;
    tl_tensor x = *call->inputs[0], w = *call->inputs[1], c = *call->inputs[2];
    if (!tl_dtype_is_float(x.dtype) || x.dtype != w.dtype || x.dtype != c.dtype)
        return tl_error(TL_ERROR_DTYPE, "affine: x of %s, w of %s, c of %s, expected one of f32 and f64",
                        tl_dtype_name(x.dtype), tl_dtype_name(w.dtype), tl_dtype_name(c.dtype));
    if (x.shape.rank < 1 || w.shape.rank != 2 || x.shape.dims[x.shape.rank - 1] != w.shape.dims[0])
        return tl_error(TL_ERROR_SHAPE, "affine: inner dimensions differ: %s x %s", TL_SHAPE_TEXT(x.shape),
                        TL_SHAPE_TEXT(w.shape));
    result->dtype = x.dtype;
    result->shape = x.shape;
    result->shape.dims[x.shape.rank - 1] = w.shape.dims[1];
    tl_shape row = tl_shape(w.shape.dims[1]);
    if (!tl_shape_equal(c.shape, row) && !tl_shape_equal(c.shape, result->shape))
        return tl_error(TL_ERROR_SHAPE, "affine: addend %s, expected %s or %s", TL_SHAPE_TEXT(c.shape),
                        TL_SHAPE_TEXT(row), TL_SHAPE_TEXT(result->shape));
    tl_tensor mask = at->masks ? at->mask : TL_NONE;
    if (at->masks &&
        (mask.dtype != TL_U8 || x.shape.rank != 2 || !tl_shape_equal(mask.shape, tl_shape(x.shape.dims[0])) ||
         w.shape.dims[0] != w.shape.dims[1]))
        return tl_error(TL_ERROR_SHAPE,
                        "affine: mask %s of %s with %s x %s, expected u8 [m] with [m, n] x [n, n]",
                        TL_SHAPE_TEXT(mask.shape), tl_dtype_name(mask.dtype), TL_SHAPE_TEXT(x.shape),
                        TL_SHAPE_TEXT(w.shape));
    if (tl_tensor_is_row_major(x))
        return TL_OK;
    x.strides[x.shape.rank - 1] = 0; /* rows as x has them, their elements together */
    tl_tensor_set_strides_like(result, x);
    return TL_OK;
}

/* The addend as rows that match out's: one row for all, or a row each. */
static tl_status addend_rows(const tl_op_call *call, tl_tensor *rows, int64_t *step)
{
    tl_tensor c = *call->inputs[2], out_rows;
    if (!tl_shape_equal(c.shape, call->output.shape)) {
        *step = 0;
        if (c.strides[0] == 1 || c.shape.dims[0] <= 1) {
            *rows = c;
            return TL_OK;
        }
        *rows = tl_scratch_tensor(call, c.dtype, c.shape);
        if (!rows->storage)
            return TL_ERROR_MEMORY;
        tl_compute_store(*rows, c, false);
        return TL_OK;
    }
    tl_status status = tl_as_rows(call, call->output, c, &out_rows, rows);
    *step = rows->strides[0];
    return status;
}

static tl_status forward(const tl_op_call *call)
{
    const affine_attributes *at = call->attributes;
    tl_tensor out_rows, x_rows, c_rows, w = *call->inputs[1], mask = at->masks ? at->mask : TL_NONE;
    int64_t c_step;
    if (tl_as_rows(call, call->output, *call->inputs[0], &out_rows, &x_rows) != TL_OK)
        return tl_error_status();
    if (addend_rows(call, &c_rows, &c_step) != TL_OK)
        return tl_error_status();
    const void *packed = tl_tape_pack(call->tape, w);
    if (!packed)
        return TL_ERROR_MEMORY;
    tl_product product = {.m = out_rows.shape.dims[0],
                          .n = w.shape.dims[1],
                          .k = w.shape.dims[0],
                          .a = tl_address(x_rows),
                          .a_row = x_rows.strides[0],
                          .b = packed,
                          .c = tl_address(c_rows),
                          .c_row = c_step,
                          .out = tl_address(out_rows),
                          .out_row = out_rows.strides[0],
                          .activation = at->activation,
                          .mask = mask.storage ? (const uint8_t *)tl_address(mask) : NULL,
                          .mask_stride = mask.storage ? mask.strides[0] : 0};
    tl_compute_product(call->output.dtype, &product);
    return TL_OK;
}

/* Whether a row kept its state. */
static bool is_masked(const affine_attributes *at, int64_t row)
{
    return !((const uint8_t *)tl_address(at->mask))[row * at->mask.strides[0]];
}

/* The slope of a straight line is the same everywhere. */
static unsigned reads(const void *attributes)
{
    const affine_attributes *at = attributes;
    return 1u << 0 | 1u << 1 | (at->activation == TL_MAP_COPY ? 0 : (unsigned)TL_READS_OUTPUT);
}

/* z = g times the derivative of the activation, and zero where rows kept their state. */
static void through_activation(const tl_op_call *call, tl_tensor z)
{
    const affine_attributes *at = call->attributes;
    tl_compute_map(at->gradient, z, call->grad_output, call->output, NULL);
    for (int64_t i = 0; at->masks && i < z.shape.dims[0]; i++)
        if (is_masked(at, i))
            tl_compute_map(TL_MAP_SCALE, tl_tensor_select(z, 0, i), tl_tensor_select(z, 0, i), TL_NONE,
                           (const double[]){0, 0});
}

/* Whether the gradient of the addend, a row each, can be z itself, written where it belongs. */
static bool fits_addend(const tl_op_call *call)
{
    const affine_attributes *at = call->attributes;
    return tl_wanted(call, 2) && !call->add[2] &&
           tl_shape_equal(call->inputs[2]->shape, call->output.shape) &&
           (at->activation != TL_MAP_COPY || at->masks);
}

/* With z as above: dx = z w^T, plus g itself where rows kept their state; dw = x^T z; dc = z, summed over
 * rows for an addend that they share. */
static tl_status backward(const tl_op_call *call)
{
    const affine_attributes *at = call->attributes;
    tl_tensor x = *call->inputs[0], w = *call->inputs[1], z = call->grad_output;
    bool in_place = fits_addend(call);
    if (in_place) {
        z = call->grad_inputs[2];
    } else if (at->activation != TL_MAP_COPY || at->masks) {
        z = tl_scratch_tensor(call, call->output.dtype, call->output.shape);
        if (!z.storage)
            return TL_ERROR_MEMORY;
        tl_tensor_set_strides_like(&z, call->output);
    }
    if (z.storage != call->grad_output.storage)
        through_activation(call, z);
    tl_status status = TL_OK;
    if (tl_wanted(call, 0))
        status = tl_rows_times(call, call->grad_inputs[0], z, tl_tensor_transpose(w, 0, 1), call->add[0]);
    for (int64_t i = 0; tl_wanted(call, 0) && at->masks && i < x.shape.dims[0]; i++)
        if (is_masked(at, i))
            tl_compute_store(tl_tensor_select(call->grad_inputs[0], 0, i),
                             tl_tensor_select(call->grad_output, 0, i), true);
    if (tl_wanted(call, 1) && status == TL_OK)
        status = tl_rows_outer(call, x, z, !in_place || (call->more->stays & 1u << 2));
    if (tl_wanted(call, 2) && !in_place)
        tl_compute_sum(call->grad_inputs[2], z, call->add[2]);
    return status;
}

static uint8_t mask_values[] = {1, 0, 1, 1, 0};
static tl_storage mask_storage = {.data = mask_values, .bytes = sizeof mask_values};

#define MASKED                                                                                               \
    {                                                                                                        \
        .storage = &mask_storage, .shape = {1, {5}}, .strides = {1}, .dtype = TL_U8                          \
    }
#define ATTRIBUTES(...)                                                                                      \
    .attributes = &(const affine_attributes){__VA_ARGS__}, .attribute_bytes = sizeof(affine_attributes)
#define TANH    ATTRIBUTES(.activation = TL_MAP_TANH, .gradient = TL_MAP_TANH_GRAD)
#define SIGMOID ATTRIBUTES(.activation = TL_MAP_SIGMOID, .gradient = TL_MAP_SIGMOID_GRAD)
#define LINEAR  ATTRIBUTES(.activation = TL_MAP_COPY, .gradient = TL_MAP_COPY)
#define S(...)                                                                                               \
    {                                                                                                        \
        .shape = { __VA_ARGS__ }                                                                             \
    }
static const tl_op_case cases[] = {
    {.name = "row addend", .count = 3, .inputs = {S(2, {5, 3}), S(2, {3, 4}), S(1, {4})}, TANH},
    {.name = "full addend", .count = 3, .inputs = {S(2, {5, 4}), S(2, {4, 4}), S(2, {5, 4})}, SIGMOID},
    {.name = "linear", .count = 3, .inputs = {S(2, {5, 3}), S(2, {3, 4}), S(1, {4})}, LINEAR},
    {.name = "relu",
     .count = 3,
     .inputs = {{.shape = {2, {3, 2}}, .low = 0.1, .high = 1},
                {.shape = {2, {2, 2}}, .low = 0.1, .high = 1},
                {.shape = {1, {2}}, .low = 0.1, .high = 1}},
     ATTRIBUTES(.activation = TL_MAP_RELU, .gradient = TL_MAP_RELU_GRAD)},
    {.name = "vector", .count = 3, .inputs = {S(1, {3}), S(2, {3, 4}), S(1, {4})}, TANH},
    {.name = "sequence", .count = 3, .inputs = {S(3, {2, 3, 4}), S(2, {4, 5}), S(1, {5})}, TANH},
    {.name = "time-major sequence",
     .count = 3,
     .inputs = {{.shape = {3, {2, 3, 4}}, .layout = TL_SAMPLE_TRANSPOSED}, S(2, {4, 5}), S(3, {2, 3, 5})},
     TANH},
    {.name = "masked rows",
     .count = 3,
     .inputs = {S(2, {5, 4}), S(2, {4, 4}), S(2, {5, 4})},
     ATTRIBUTES(.activation = TL_MAP_TANH, .gradient = TL_MAP_TANH_GRAD, .masks = true, .mask = MASKED)},
    {.name = "masked rows, row addend",
     .count = 3,
     .inputs = {S(2, {5, 4}), S(2, {4, 4}), S(1, {4})},
     ATTRIBUTES(.activation = TL_MAP_COPY, .gradient = TL_MAP_COPY, .masks = true, .mask = MASKED)},
    {.name = "no steps", .count = 3, .inputs = {S(3, {2, 0, 3}), S(2, {3, 4}), S(1, {4})}, TANH},
    {.name = "no rows", .count = 3, .inputs = {S(2, {0, 3}), S(2, {3, 4}), S(1, {4})}, TANH},
    {.name = "views",
     .count = 3,
     .inputs = {{.shape = {2, {5, 4}}, .layout = TL_SAMPLE_TRANSPOSED},
                {.shape = {2, {4, 4}}, .layout = TL_SAMPLE_SLICED},
                {.shape = {2, {5, 4}}, .layout = TL_SAMPLE_SLICED}},
     TANH},
    {.name = "x is w is c", .count = 3, .inputs = {S(2, {3, 3}), {.same_as = 1}, {.same_as = 1}}, TANH},
    {.name = "ragged tiles", .count = 3, .inputs = {S(2, {27, 19}), S(2, {19, 50}), S(1, {50})}, TANH},
};

static const tl_op_private more = {.reads = reads};

static const tl_op affine = {.name = "affine",
                             .inputs = 3,
                             .infer = infer,
                             .forward = forward,
                             .backward = backward,
                             .reads = 1u << 0 | 1u << 1 | TL_READS_OUTPUT,
                             .accumulates = true,
                             .strided = true,
                             .more = &more,
                             .cases = cases,
                             .case_count = TL_COUNT(cases)};

const tl_op *const tl_affine_ops[] = {&affine, NULL};

static const struct {
    const char *name;
    tl_map value, gradient;
    tl_var *(*apply)(tl_var *x);
} activations[] = {
    [TL_DEFAULT_ACTIVATION] = {"default", TL_MAP_COPY, TL_MAP_COPY, NULL},
    [TL_LINEAR] = {"linear", TL_MAP_COPY, TL_MAP_COPY, NULL},
    [TL_TANH] = {"tanh", TL_MAP_TANH, TL_MAP_TANH_GRAD, tl_tanh},
    [TL_SIGMOID] = {"sigmoid", TL_MAP_SIGMOID, TL_MAP_SIGMOID_GRAD, tl_sigmoid},
    [TL_RELU] = {"relu", TL_MAP_RELU, TL_MAP_RELU_GRAD, tl_relu},
    [TL_SOFTMAX] = {"softmax", TL_MAP_COUNT, TL_MAP_COUNT, NULL},
};

static bool known(tl_activation activation)
{
    return (int)activation >= 0 && (int)activation < TL_COUNT(activations);
}

const char *tl_activation_name(tl_activation activation)
{
    return known(activation) ? activations[activation].name : NULL;
}

tl_var *tl_activate(tl_var *x, tl_activation activation)
{
    if (!x)
        return NULL;
    if (!known(activation)) {
        tl_error(TL_ERROR_ARGUMENT, "activate: activation %d is not known", (int)activation);
        return NULL;
    }
    if (activation == TL_SOFTMAX)
        return tl_softmax(x, -1);
    return activations[activation].apply ? activations[activation].apply(x) : x;
}

bool tl_activation_maps(const char *what, tl_activation activation, tl_map *value, tl_map *gradient)
{
    if (!known(activation) || activation == TL_SOFTMAX) {
        tl_error(TL_ERROR_ARGUMENT, "%s: activation %d, expected one that works element by element", what,
                 (int)activation);
        return false;
    }
    *value = activations[activation].value;
    *gradient = activations[activation].gradient;
    return true;
}

tl_var *tl_affine_masked(tl_var *x, tl_var *w, tl_var *c, tl_activation activation, tl_tensor mask)
{
    affine_attributes attributes = {.masks = mask.storage != NULL, .mask = mask};
    if (!x || !tl_activation_maps("affine", activation, &attributes.activation, &attributes.gradient))
        return NULL;
    tl_var *inputs[] = {x, w, c};
    /* Without a mask what is left of the attributes is not worth keeping with every step. */
    size_t bytes = mask.storage ? sizeof attributes : offsetof(affine_attributes, mask);
    return tl_apply(&affine, inputs, 3, &attributes, bytes);
}

tl_var *tl_affine(tl_var *x, tl_var *w, tl_var *c, tl_activation activation)
{
    return tl_affine_masked(x, w, c, activation, TL_NONE);
}
