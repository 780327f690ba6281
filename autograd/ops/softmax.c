/* softmax and log_softmax along an axis. */
#include "autograd/ops/ops_internal.h"

typedef struct softmax_attributes {
    int axis;
} softmax_attributes;

typedef void row_kernel(int64_t n, const void *a, void *out);

static tl_status infer(const tl_op_call *call, tl_tensor *result)
{
    const softmax_attributes *at = call->attributes;
    if (tl_infer_same(call, result) != TL_OK || tl_shape_axis(call->op->name, result->shape, at->axis) < 0)
        return tl_error_status();
    return TL_OK;
}

tl_status tl_along_last_axis(const tl_op_call *call, row_kernel *kernel, tl_tensor out, tl_tensor x)
{
    tl_tensor pair[] = {out, x}, rows[2], copy = TL_NONE;
    if (!tl_tensors_as_rows(2, pair, rows)) {
        copy = tl_scratch_tensor(call, x.dtype, x.shape);
        if (!copy.storage)
            return TL_ERROR_MEMORY;
        tl_compute_store(copy, x, false);
        pair[0] = pair[1] = copy;
        tl_tensors_as_rows(2, pair, rows);
    }
    int64_t size = (int64_t)tl_dtype_size(x.dtype);
    for (int64_t i = 0; i < rows[0].shape.dims[0]; i++)
        kernel(rows[0].shape.dims[1], tl_address(rows[1]) + i * rows[1].strides[0] * size,
               tl_address(rows[0]) + i * rows[0].strides[0] * size);
    if (copy.storage)
        tl_compute_store(out, copy, false);
    return TL_OK;
}

static tl_status run(const tl_op_call *call, row_kernel *kernel)
{
    const softmax_attributes *at = call->attributes;
    return tl_along_last_axis(call, kernel, tl_tensor_transpose(call->output, at->axis, -1),
                              tl_tensor_transpose(*call->inputs[0], at->axis, -1));
}

static tl_status softmax_forward(const tl_op_call *call)
{
    return run(call, tl_kernels_for(call->output.dtype)->softmax);
}

static tl_status log_softmax_forward(const tl_op_call *call)
{
    return run(call, tl_kernels_for(call->output.dtype)->log_softmax);
}

/* Scratch for one number a row along the axis, which stays as 1. */
static tl_tensor row_sums(const tl_op_call *call)
{
    const softmax_attributes *at = call->attributes;
    tl_shape shape = call->output.shape;
    shape.dims[at->axis < 0 ? at->axis + shape.rank : at->axis] = 1;
    return tl_scratch_tensor(call, call->output.dtype, shape);
}

/* dx = y (g - sum(g y)) */
static tl_status softmax_backward(const tl_op_call *call)
{
    tl_tensor dx = call->grad_inputs[0], y = call->output, g = call->grad_output, sums = row_sums(call);
    if (!sums.storage)
        return TL_ERROR_MEMORY;
    tl_compute_map(TL_MAP_MUL, dx, g, y, NULL);
    tl_compute_sum(sums, dx, false);
    tl_compute_map(TL_MAP_SUB, dx, g, sums, NULL);
    tl_compute_map(TL_MAP_MUL, dx, dx, y, NULL);
    return TL_OK;
}

/* dx = g - exp(y) sum(g) */
static tl_status log_softmax_backward(const tl_op_call *call)
{
    tl_tensor dx = call->grad_inputs[0], y = call->output, g = call->grad_output, sums = row_sums(call);
    if (!sums.storage)
        return TL_ERROR_MEMORY;
    tl_compute_sum(sums, g, false);
    tl_compute_map(TL_MAP_EXP, dx, y, TL_NONE, NULL);
    tl_compute_map(TL_MAP_MUL, dx, dx, sums, NULL);
    tl_compute_map(TL_MAP_SUB, dx, g, dx, NULL);
    return TL_OK;
}

#define SOFTMAX(name_, axis_, ...)                                                                           \
    {                                                                                                        \
        .name = name_, .count = 1, .inputs = {{__VA_ARGS__}},                                                \
        .attributes = &(const softmax_attributes){axis_}, .attribute_bytes = sizeof(softmax_attributes)      \
    }
static const tl_op_case cases[] = {
    SOFTMAX("last axis", -1, .shape = {2, {3, 5}}, .low = -3, .high = 3),
    SOFTMAX("first axis", 0, .shape = {2, {3, 5}}, .low = -3, .high = 3),
    SOFTMAX("middle axis", 1, .shape = {3, {2, 3, 4}}, .low = -3, .high = 3),
    SOFTMAX("one class", 1, .shape = {2, {3, 1}}),
    SOFTMAX("no rows", -1, .shape = {2, {0, 3}}),
    SOFTMAX("no steps", -1, .shape = {3, {2, 0, 4}}),
    SOFTMAX("far apart", -1, .shape = {2, {3, 4}}, .low = -40, .high = 40),
    SOFTMAX("transposed", -1, .shape = {2, {3, 5}}, .layout = TL_SAMPLE_TRANSPOSED),
    SOFTMAX("sliced", 1, .shape = {3, {2, 3, 4}}, .layout = TL_SAMPLE_SLICED),
};

static const tl_op softmax = {.name = "softmax",
                              .inputs = 1,
                              .infer = infer,
                              .forward = softmax_forward,
                              .backward = softmax_backward,
                              .reads = TL_READS_OUTPUT,
                              .strided = true,
                              .cases = cases,
                              .case_count = TL_COUNT(cases)};
static const tl_op log_softmax = {.name = "log_softmax",
                                  .inputs = 1,
                                  .infer = infer,
                                  .forward = log_softmax_forward,
                                  .backward = log_softmax_backward,
                                  .reads = TL_READS_OUTPUT,
                                  .strided = true,
                                  .cases = cases,
                                  .case_count = TL_COUNT(cases)};

const tl_op *const tl_softmax_ops[] = {&softmax, &log_softmax, NULL};

tl_var *tl_softmax(tl_var *x, int axis)
{
    return tl_apply1(&softmax, x, &(softmax_attributes){axis}, sizeof(softmax_attributes));
}

tl_var *tl_log_softmax(tl_var *x, int axis)
{
    return tl_apply1(&log_softmax, x, &(softmax_attributes){axis}, sizeof(softmax_attributes));
}
