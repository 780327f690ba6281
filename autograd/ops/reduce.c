/* sum, mean, max over axes. The result always keeps the axes as ones inside; without keepdims its shape
 * leaves them out, which changes neither count nor order. */
#include "autograd/ops/ops_internal.h"

#include <string.h>

enum kind { SUM, MEAN, MAX, KINDS };

static const char *const names[KINDS] = {"sum", "mean", "max"};

typedef struct reduce_attributes {
    enum kind kind;
    tl_axis_set axes;
    bool keepdims;
} reduce_attributes;

/* The input's shape with ones for the axes that are summed over. */
static tl_status reduced_shape(const char *name, tl_shape shape, tl_axis_set axes, tl_shape *out)
{
    *out = shape;
    for (int i = 0; i < (axes.count ? axes.count : shape.rank); i++) {
        int axis = axes.count ? tl_shape_axis(name, shape, axes.axes[i]) : i;
        if (axis < 0)
            return tl_error_status();
        out->dims[axis] = 1;
    }
    return TL_OK;
}

static bool is_reduced(tl_shape shape, tl_axis_set axes, int axis)
{
    bool found = axes.count == 0;
    for (int i = 0; i < axes.count; i++)
        found |= axes.axes[i] == axis || axes.axes[i] + shape.rank == axis;
    return found;
}

static tl_status infer(const tl_op_call *call, tl_tensor *result)
{
    const reduce_attributes *at = call->attributes;
    tl_shape shape = call->inputs[0]->shape, kept;
    tl_tensor same = {0};
    if (tl_infer_same(call, &same) != TL_OK ||
        reduced_shape(names[at->kind], shape, at->axes, &kept) != TL_OK)
        return tl_error_status();
    result->dtype = same.dtype;
    if (at->keepdims) {
        result->shape = kept;
        return TL_OK;
    }
    result->shape.rank = 0;
    for (int i = 0; i < shape.rank; i++)
        if (!is_reduced(shape, at->axes, i))
            result->shape.dims[result->shape.rank++] = shape.dims[i];
    return TL_OK;
}

/* A tensor of the result's shape, with its axes of extent 1 back in place. */
static tl_tensor with_axes(const tl_op_call *call, tl_tensor t)
{
    const reduce_attributes *at = call->attributes;
    tl_shape shape = call->inputs[0]->shape;
    for (int i = 0; i < shape.rank && !at->keepdims; i++)
        if (is_reduced(shape, at->axes, i))
            t = tl_tensor_unsqueeze(t, i);
    return t;
}

/* 1 over the number of elements that each mean is of. */
static double share(const tl_op_call *call)
{
    return (double)tl_tensor_count(call->output) / (double)tl_tensor_count(*call->inputs[0]);
}

static tl_status forward(const tl_op_call *call)
{
    const reduce_attributes *at = call->attributes;
    tl_tensor out = with_axes(call, call->output);
    if (at->kind == MAX)
        tl_compute_max(out, *call->inputs[0]);
    else
        tl_compute_sum(out, *call->inputs[0], false);
    if (at->kind == MEAN)
        tl_compute_map(TL_MAP_SCALE, out, out, TL_NONE, (const double[]){share(call), 0});
    return TL_OK;
}

/* Each maximum's gradient goes in equal parts to the elements that reach it. */
static tl_status max_backward(const tl_op_call *call, tl_tensor most, tl_tensor g)
{
    tl_tensor reached = call->grad_inputs[0];
    tl_tensor count = tl_scratch_tensor(call, g.dtype, g.shape);
    if (!count.storage)
        return TL_ERROR_MEMORY;
    tl_compute_map(TL_MAP_EQUAL, reached, *call->inputs[0], most, NULL);
    tl_compute_sum(count, reached, false);
    tl_compute_map(TL_MAP_DIV, count, g, count, NULL);
    tl_compute_map(TL_MAP_MUL, reached, reached, count, NULL);
    return TL_OK;
}

static tl_status backward(const tl_op_call *call)
{
    const reduce_attributes *at = call->attributes;
    tl_tensor g = with_axes(call, call->grad_output);
    if (at->kind == MAX)
        return max_backward(call, with_axes(call, call->output), g);
    double factor = at->kind == MEAN ? share(call) : 1;
    tl_compute_map(TL_MAP_SCALE, call->grad_inputs[0], g, TL_NONE, (const double[]){factor, 0});
    return TL_OK;
}

#define REDUCE(kind_, name_, keep_, axes_, ...)                                                              \
    {                                                                                                        \
        .name = name_, .count = 1, .inputs = {{__VA_ARGS__}},                                                \
        .attributes = &(const reduce_attributes){kind_, axes_, keep_},                                       \
        .attribute_bytes = sizeof(reduce_attributes)                                                         \
    }
#define ALL                                                                                                  \
    {                                                                                                        \
        0,                                                                                                   \
        {                                                                                                    \
            0                                                                                                \
        }                                                                                                    \
    }
#define ONE_AXIS(a)                                                                                          \
    {                                                                                                        \
        1,                                                                                                   \
        {                                                                                                    \
            a                                                                                                \
        }                                                                                                    \
    }
#define TWO_AXES(a, b)                                                                                       \
    {                                                                                                        \
        2,                                                                                                   \
        {                                                                                                    \
            a, b                                                                                             \
        }                                                                                                    \
    }
#define COMMON(kind)                                                                                         \
    REDUCE(kind, "all", false, ALL, .shape = {3, {2, 3, 4}}),                                                \
        REDUCE(kind, "all, keepdims", true, ALL, .shape = {3, {2, 3, 4}}),                                   \
        REDUCE(kind, "last axis", false, ONE_AXIS(-1), .shape = {2, {3, 37}}),                               \
        REDUCE(kind, "first axis", true, ONE_AXIS(0), .shape = {2, {3, 5}}),                                 \
        REDUCE(kind, "middle axis", false, ONE_AXIS(1), .shape = {3, {2, 3, 4}}),                            \
        REDUCE(kind, "two axes", false, TWO_AXES(0, -1), .shape = {3, {2, 3, 4}}),                           \
        REDUCE(kind, "scalar", false, ALL, .shape = {0}),                                                    \
        REDUCE(kind, "extent 1", false, ONE_AXIS(1), .shape = {2, {3, 1}}),                                  \
        REDUCE(kind, "no rows", false, ONE_AXIS(1), .shape = {2, {0, 3}}),                                   \
        REDUCE(kind, "transposed", false, ONE_AXIS(0), .shape = {3, {2, 3, 4}},                              \
               .layout = TL_SAMPLE_TRANSPOSED),                                                              \
        REDUCE(kind, "sliced", false, ONE_AXIS(-1), .shape = {2, {3, 4}}, .layout = TL_SAMPLE_SLICED)

static const tl_op_case sum_cases[] = {
    COMMON(SUM),
    REDUCE(SUM, "sum of nothing", false, ONE_AXIS(0), .shape = {2, {0, 3}}),
};
static const tl_op_case mean_cases[] = {COMMON(MEAN)};
static const tl_op_case max_cases[] = {COMMON(MAX)};

#define REDUCE_OP(kind, reads_, cases_)                                                                      \
    {                                                                                                        \
        .name = kind, .inputs = 1, .infer = infer, .forward = forward, .backward = backward,                 \
        .reads = reads_, .strided = true, .cases = cases_, .case_count = TL_COUNT(cases_)                    \
    }
static const tl_op ops[KINDS] = {
    [SUM] = REDUCE_OP("sum", TL_READS_NOTHING, sum_cases),
    [MEAN] = REDUCE_OP("mean", TL_READS_NOTHING, mean_cases),
    [MAX] = REDUCE_OP("max", TL_READS_INPUTS | TL_READS_OUTPUT, max_cases),
};

const tl_op *const tl_reduce_ops[] = {&ops[SUM], &ops[MEAN], &ops[MAX], NULL};

static tl_var *reduce(enum kind kind, tl_var *x, tl_axis_set axes, bool keepdims)
{
    reduce_attributes attributes;
    memset(&attributes, 0, sizeof attributes);
    attributes.kind = kind;
    attributes.axes = axes;
    attributes.keepdims = keepdims;
    return tl_apply1(&ops[kind], x, &attributes, sizeof attributes);
}

tl_var *tl_sum(tl_var *x, tl_axis_set axes, bool keepdims)
{
    return reduce(SUM, x, axes, keepdims);
}

tl_var *tl_mean(tl_var *x, tl_axis_set axes, bool keepdims)
{
    return reduce(MEAN, x, axes, keepdims);
}

tl_var *tl_max(tl_var *x, tl_axis_set axes, bool keepdims)
{
    return reduce(MAX, x, axes, keepdims);
}
