/* concat and stack. What is joined stays time-major if it is: a concatenation lies in memory as its first
 * part does, and the new axis of a stack lies outermost, so that each part is one stretch. */
#include "autograd/ops/ops_internal.h"

typedef struct join_attributes {
    int axis;
} join_attributes;

static tl_status same_dtype(const tl_op_call *call)
{
    for (int i = 1; i < call->count; i++)
        if (call->inputs[i]->dtype != call->inputs[0]->dtype)
            return tl_error(TL_ERROR_DTYPE, "%s: parts of %s and %s, expected one type", call->op->name,
                            tl_dtype_name(call->inputs[0]->dtype), tl_dtype_name(call->inputs[i]->dtype));
    return TL_OK;
}

static void joined_axis_outermost(tl_tensor *result, int axis)
{
    tl_tensor order = *result;
    tl_tensor_set_row_major(&order);
    order.strides[axis] = INT64_MAX;
    tl_tensor_set_strides_like(result, order);
}

static tl_status concat_infer(const tl_op_call *call, tl_tensor *result)
{
    const join_attributes *at = call->attributes;
    tl_shape first = call->inputs[0]->shape;
    int axis = tl_shape_axis("concat", first, at->axis);
    if (axis < 0 || same_dtype(call) != TL_OK)
        return tl_error_status();
    result->dtype = call->inputs[0]->dtype;
    result->shape = first;
    result->shape.dims[axis] = 0;
    for (int i = 0; i < call->count; i++) {
        tl_shape shape = call->inputs[i]->shape, aligned = shape;
        if (shape.rank == first.rank)
            aligned.dims[axis] = first.dims[axis];
        if (!tl_shape_equal(aligned, first))
            return tl_error(TL_ERROR_SHAPE, "concat: part %d is %s, part 0 is %s, joined along axis %d", i,
                            TL_SHAPE_TEXT(shape), TL_SHAPE_TEXT(first), axis);
        if (shape.dims[axis] > INT64_MAX - result->shape.dims[axis])
            return tl_error(TL_ERROR_SHAPE, "concat: %d parts like %s have too many elements", call->count,
                            TL_SHAPE_TEXT(first));
        result->shape.dims[axis] += shape.dims[axis];
    }
    if (result->shape.rank > 0)
        tl_tensor_set_strides_like(result, *call->inputs[0]);
    return TL_OK;
}

/* The part of a joined tensor that input i is, `start` elements along the axis from its begin. */
static tl_tensor concat_part(const tl_op_call *call, tl_tensor joined, int i, int64_t *start)
{
    const join_attributes *at = call->attributes;
    int axis = at->axis < 0 ? at->axis + joined.shape.rank : at->axis;
    int64_t length = call->inputs[i]->shape.dims[axis];
    tl_tensor part = tl_tensor_slice(joined, axis, *start, length);
    *start += length;
    return part;
}

static tl_status stack_infer(const tl_op_call *call, tl_tensor *result)
{
    const join_attributes *at = call->attributes;
    tl_shape first = call->inputs[0]->shape;
    tl_tensor axes = {.storage = call->inputs[0]->storage, .shape = first};
    int axis = at->axis < 0 ? at->axis + first.rank + 1 : at->axis;
    if (same_dtype(call) != TL_OK)
        return tl_error_status();
    for (int i = 1; i < call->count; i++)
        if (!tl_shape_equal(call->inputs[i]->shape, first))
            return tl_error(TL_ERROR_SHAPE, "stack: part %d is %s, part 0 is %s", i,
                            TL_SHAPE_TEXT(call->inputs[i]->shape), TL_SHAPE_TEXT(first));
    axes = tl_tensor_unsqueeze(axes, at->axis);
    if (!axes.storage)
        return tl_error(TL_ERROR_SHAPE, "stack: axis %d for parts of shape %s", at->axis,
                        TL_SHAPE_TEXT(first));
    result->dtype = call->inputs[0]->dtype;
    result->shape = axes.shape;
    result->shape.dims[axis] = call->count;
    joined_axis_outermost(result, axis);
    return TL_OK;
}

static tl_tensor stack_part(const tl_op_call *call, tl_tensor joined, int i, int64_t *start)
{
    const join_attributes *at = call->attributes;
    (void)start;
    return tl_tensor_select(joined, at->axis < 0 ? at->axis + joined.shape.rank : at->axis, i);
}

typedef tl_tensor (*part_function)(const tl_op_call *call, tl_tensor joined, int i, int64_t *start);

static tl_status copy_in(const tl_op_call *call, part_function part)
{
    int64_t start = 0;
    for (int i = 0; i < call->count; i++)
        tl_tensor_copy(part(call, call->output, i, &start), *call->inputs[i]);
    return TL_OK;
}

static tl_status hand_back(const tl_op_call *call, part_function part)
{
    int64_t start = 0;
    for (int i = 0; i < call->count; i++) {
        tl_tensor g = part(call, call->grad_output, i, &start);
        if (tl_wanted(call, i))
            tl_compute_store(call->grad_inputs[i], g, call->add[i]);
    }
    return TL_OK;
}

static tl_status concat_forward(const tl_op_call *call)
{
    return copy_in(call, concat_part);
}

static tl_status concat_backward(const tl_op_call *call)
{
    return hand_back(call, concat_part);
}

static tl_status stack_forward(const tl_op_call *call)
{
    return copy_in(call, stack_part);
}

static tl_status stack_backward(const tl_op_call *call)
{
    return hand_back(call, stack_part);
}

/* The part if it lies as the input does, since views of the input are to be views of its gradient. */
static tl_tensor alike(const tl_op_call *call, int i, tl_tensor part)
{
    const tl_tensor *x = call->inputs[i];
    for (int axis = 0; axis < x->shape.rank; axis++)
        if (x->shape.dims[axis] > 1 && part.strides[axis] != x->strides[axis])
            return (tl_tensor){0};
    return part;
}

static tl_tensor lend_concat_part(const tl_op_call *call, int i, int64_t *start)
{
    return alike(call, i, concat_part(call, call->grad_output, i, start));
}

static tl_tensor lend_stack_part(const tl_op_call *call, int i, int64_t *start)
{
    return alike(call, i, stack_part(call, call->grad_output, i, start));
}

static const tl_op_private concat_more = {.lend = lend_concat_part}, stack_more = {.lend = lend_stack_part};

#define JOIN(name_, axis_, count_, ...)                                                                      \
    {                                                                                                        \
        .name = name_, .count = count_, .inputs = {__VA_ARGS__},                                             \
        .attributes = &(const join_attributes){axis_}, .attribute_bytes = sizeof(join_attributes)            \
    }
#define M(a, b)                                                                                              \
    {                                                                                                        \
        .shape = { 2, {a, b} }                                                                               \
    }
static const tl_op_case concat_cases[] = {
    JOIN("first axis", 0, 3, M(2, 3), M(1, 3), M(4, 3)),
    JOIN("last axis", -1, 2, M(2, 3), M(2, 2)),
    JOIN("one part", 1, 1, M(2, 3)),
    JOIN("an empty part", 0, 2, M(0, 3), M(2, 3)),
    JOIN("same var", 1, 3, M(2, 3), {.same_as = 1}, {.same_as = 1}),
    JOIN("views", 1, 2, {.shape = {2, {3, 4}}, .layout = TL_SAMPLE_TRANSPOSED},
         {.shape = {2, {3, 4}}, .layout = TL_SAMPLE_SLICED}),
};
static const tl_op_case stack_cases[] = {
    JOIN("steps to a sequence", 1, 3, M(2, 4), M(2, 4), M(2, 4)),
    JOIN("in front", 0, 2, M(2, 3), M(2, 3)),
    JOIN("at the end", -1, 2, M(2, 3), M(2, 3)),
    JOIN("scalars", 0, 2, {.shape = {0}}, {.shape = {0}}),
    JOIN("same var", 1, 2, M(2, 3), {.same_as = 1}),
    JOIN("views", 1, 2, {.shape = {2, {3, 4}}, .layout = TL_SAMPLE_TRANSPOSED},
         {.shape = {2, {3, 4}}, .layout = TL_SAMPLE_SLICED}),
};

static const tl_op concat = {.name = "concat",
                             .inputs = TL_ANY_NUMBER,
                             .infer = concat_infer,
                             .forward = concat_forward,
                             .backward = concat_backward,
                             .reads = TL_READS_NOTHING,
                             .accumulates = true,
                             .strided = true,
                             .more = &concat_more,
                             .cases = concat_cases,
                             .case_count = TL_COUNT(concat_cases)};
static const tl_op stack = {.name = "stack",
                            .inputs = TL_ANY_NUMBER,
                            .infer = stack_infer,
                            .forward = stack_forward,
                            .backward = stack_backward,
                            .reads = TL_READS_NOTHING,
                            .accumulates = true,
                            .strided = true,
                            .more = &stack_more,
                            .cases = stack_cases,
                            .case_count = TL_COUNT(stack_cases)};

const tl_op *const tl_join_ops[] = {&concat, &stack, NULL};

tl_var *tl_concat(tl_var *const parts[], int count, int axis)
{
    return tl_apply(&concat, parts, count, &(join_attributes){axis}, sizeof(join_attributes));
}

tl_var *tl_stack(tl_var *const parts[], int count, int axis)
{
    return tl_apply(&stack, parts, count, &(join_attributes){axis}, sizeof(join_attributes));
}
