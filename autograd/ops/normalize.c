/* layer_norm: each row of the last axis to mean 0 and variance 1. */
#include "autograd/ops/ops_internal.h"

typedef struct layer_norm_attributes {
    double epsilon;
} layer_norm_attributes;

static tl_status infer(const tl_op_call *call, tl_tensor *result)
{
    if (tl_infer_same(call, result) != TL_OK)
        return tl_error_status();
    if (result->shape.rank < 1)
        return tl_error(TL_ERROR_SHAPE, "layer_norm: a scalar, expected [..., n]");
    return TL_OK;
}

/* Scratch for one number a row. */
static tl_tensor row_numbers(const tl_op_call *call)
{
    tl_shape shape = call->output.shape;
    shape.dims[shape.rank - 1] = 1;
    return tl_scratch_tensor(call, call->output.dtype, shape);
}

/* means = the mean of each row of x */
static void average(tl_tensor means, tl_tensor x)
{
    double share = 1 / (double)x.shape.dims[x.shape.rank - 1];
    tl_compute_sum(means, x, false);
    tl_compute_map(TL_MAP_SCALE, means, means, TL_NONE, (const double[]){share, 0});
}

/* centered = x - mean, inverse = 1 / sqrt(variance + epsilon); squares is scratch of x's shape. */
static tl_status measure(const tl_op_call *call, tl_tensor centered, tl_tensor squares, tl_tensor inverse)
{
    const layer_norm_attributes *at = call->attributes;
    tl_tensor epsilon = tl_scratch_tensor(call, centered.dtype, TL_SCALAR);
    if (!epsilon.storage || tl_tensor_fill(epsilon, at->epsilon) != TL_OK)
        return TL_ERROR_MEMORY;
    average(inverse, *call->inputs[0]);
    tl_compute_map(TL_MAP_SUB, centered, *call->inputs[0], inverse, NULL);
    tl_compute_map(TL_MAP_MUL, squares, centered, centered, NULL);
    average(inverse, squares);
    tl_compute_map(TL_MAP_ADD, inverse, inverse, epsilon, NULL);
    tl_compute_map(TL_MAP_POW, inverse, inverse, TL_NONE, (const double[]){-0.5, 0});
    return TL_OK;
}

static tl_tensor scratch_like_output(const tl_op_call *call)
{
    tl_tensor scratch = tl_scratch_tensor(call, call->output.dtype, call->output.shape);
    if (scratch.storage)
        tl_tensor_set_strides_like(&scratch, call->output);
    return scratch;
}

static tl_status forward(const tl_op_call *call)
{
    tl_tensor y = call->output, inverse = row_numbers(call), squares = scratch_like_output(call);
    if (!inverse.storage || !squares.storage || measure(call, y, squares, inverse) != TL_OK)
        return TL_ERROR_MEMORY;
    tl_compute_map(TL_MAP_MUL, y, y, inverse, NULL);
    return TL_OK;
}

/* dx = (g - mean(g) - y mean(g y)) / sqrt(variance + epsilon) */
static tl_status backward(const tl_op_call *call)
{
    tl_tensor dx = call->grad_inputs[0], g = call->grad_output, y = call->output;
    tl_tensor inverse = row_numbers(call), means = row_numbers(call), work = scratch_like_output(call);
    if (!inverse.storage || !means.storage || !work.storage || measure(call, dx, work, inverse) != TL_OK)
        return TL_ERROR_MEMORY;
    tl_compute_map(TL_MAP_MUL, work, g, y, NULL);
    average(means, work);
    tl_compute_map(TL_MAP_MUL, work, y, means, NULL);
    average(means, g);
    tl_compute_map(TL_MAP_SUB, dx, g, means, NULL);
    tl_compute_map(TL_MAP_SUB, dx, dx, work, NULL);
    tl_compute_map(TL_MAP_MUL, dx, dx, inverse, NULL);
    return TL_OK;
}

#define LAYER_NORM(name_, epsilon_, ...)                                                                     \
    {                                                                                                        \
        .name = name_, .count = 1, .inputs = {{__VA_ARGS__}},                                                \
        .attributes = &(const layer_norm_attributes){epsilon_},                                              \
        .attribute_bytes = sizeof(layer_norm_attributes)                                                     \
    }
static const tl_op_case cases[] = {
    LAYER_NORM("matrix", 1e-3, .shape = {2, {3, 5}}),
    LAYER_NORM("sequence", 1e-3, .shape = {3, {2, 3, 7}}),
    LAYER_NORM("time-major sequence", 1e-3, .shape = {3, {2, 3, 4}}, .layout = TL_SAMPLE_TRANSPOSED),
    LAYER_NORM("sliced", 1e-5, .shape = {2, {3, 5}}, .layout = TL_SAMPLE_SLICED),
    LAYER_NORM("vector", 1e-3, .shape = {1, {6}}, .low = 2, .high = 9),
    LAYER_NORM("one feature", 1e-3, .shape = {2, {3, 1}}),
    LAYER_NORM("no rows", 1e-3, .shape = {2, {0, 3}}),
    LAYER_NORM("no features", 1e-3, .shape = {2, {3, 0}}),
    LAYER_NORM("far from zero", 1e-3, .shape = {2, {3, 4}}, .low = 10, .high = 30),
};

static const tl_op layer_norm = {.name = "layer_norm",
                                 .inputs = 1,
                                 .infer = infer,
                                 .forward = forward,
                                 .backward = backward,
                                 .reads = TL_READS_INPUTS | TL_READS_OUTPUT,
                                 .strided = true,
                                 .cases = cases,
                                 .case_count = TL_COUNT(cases)};

const tl_op *const tl_normalize_ops[] = {&layer_norm, NULL};

tl_var *tl_layer_norm(tl_var *x, double epsilon)
{
    if (!x)
        return NULL;
    if (!(epsilon > 0)) {
        tl_error(TL_ERROR_ARGUMENT, "layer_norm: epsilon %g, expected more than 0", epsilon);
        return NULL;
    }
    return tl_apply1(&layer_norm, x, &(layer_norm_attributes){epsilon}, sizeof(layer_norm_attributes));
}
