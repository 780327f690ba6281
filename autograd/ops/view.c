/* reshape, transpose, slice, select, unsqueeze: new shapes over the same memory, for values and for their
 * gradients. contiguous: the copy that a reshape needs where strides do not allow it. */
#include "autograd/ops/ops_internal.h"

#include <string.h>

typedef struct view_attributes {
    tl_shape shape;
    int axis, other;
    int64_t start, length;
} view_attributes;

static tl_status finish(tl_tensor view, tl_tensor *result)
{
    *result = view;
    return view.storage ? TL_OK : tl_error_status();
}

static tl_status reshape_infer(const tl_op_call *call, tl_tensor *result)
{
    const view_attributes *at = call->attributes;
    return finish(tl_tensor_reshape(*call->inputs[0], at->shape), result);
}

static tl_status transpose_infer(const tl_op_call *call, tl_tensor *result)
{
    const view_attributes *at = call->attributes;
    return finish(tl_tensor_transpose(*call->inputs[0], at->axis, at->other), result);
}

static tl_status slice_infer(const tl_op_call *call, tl_tensor *result)
{
    const view_attributes *at = call->attributes;
    return finish(tl_tensor_slice(*call->inputs[0], at->axis, at->start, at->length), result);
}

static tl_status select_infer(const tl_op_call *call, tl_tensor *result)
{
    const view_attributes *at = call->attributes;
    return finish(tl_tensor_select(*call->inputs[0], at->axis, at->start), result);
}

static tl_status unsqueeze_infer(const tl_op_call *call, tl_tensor *result)
{
    const view_attributes *at = call->attributes;
    return finish(tl_tensor_unsqueeze(*call->inputs[0], at->axis), result);
}

static tl_status contiguous_infer(const tl_op_call *call, tl_tensor *result)
{
    result->dtype = call->inputs[0]->dtype;
    result->shape = call->inputs[0]->shape;
    return TL_OK;
}

static tl_status contiguous_forward(const tl_op_call *call)
{
    return tl_tensor_copy(call->output, *call->inputs[0]);
}

static tl_status contiguous_backward(const tl_op_call *call)
{
    tl_compute_store(call->grad_inputs[0], call->grad_output, false);
    return TL_OK;
}

#define VIEW(name_, attributes_, ...)                                                                        \
    {                                                                                                        \
        .name = name_, .count = 1, .inputs = {{__VA_ARGS__}},                                                \
        .attributes = &(const view_attributes)attributes_, .attribute_bytes = sizeof(view_attributes)        \
    }
#define AT(...)                                                                                              \
    {                                                                                                        \
        __VA_ARGS__                                                                                          \
    }
static const tl_op_case reshape_cases[] = {
    VIEW("split and join", AT(.shape = {3, {4, 3, 2}}), .shape = {3, {2, 3, 4}}),
    VIEW("worked out", AT(.shape = {2, {-1, 6}}), .shape = {3, {2, 3, 4}}),
    VIEW("to a scalar", AT(.shape = {0}), .shape = {2, {1, 1}}),
    VIEW("zero size", AT(.shape = {2, {0, 5}}), .shape = {3, {2, 0, 4}}),
    VIEW("of a slice", AT(.shape = {3, {3, 2, 2}}), .shape = {2, {3, 4}}, .layout = TL_SAMPLE_SLICED),
};
static const tl_op_case transpose_cases[] = {
    VIEW("matrix", AT(.axis = 0, .other = 1), .shape = {2, {3, 4}}),
    VIEW("outer axes", AT(.axis = 0, .other = -1), .shape = {3, {2, 3, 4}}),
    VIEW("of a transposed one", AT(.axis = 0, .other = 1), .shape = {2, {3, 4}},
         .layout = TL_SAMPLE_TRANSPOSED),
};
static const tl_op_case slice_cases[] = {
    VIEW("first axis", AT(.axis = 0, .start = 1, .length = 2), .shape = {2, {4, 3}}),
    VIEW("from the end", AT(.axis = -1, .start = -2, .length = 2), .shape = {3, {2, 3, 4}}),
    VIEW("nothing", AT(.axis = 0, .start = 4, .length = 0), .shape = {2, {4, 3}}),
    VIEW("of a slice", AT(.axis = 1, .start = 1, .length = 2), .shape = {2, {3, 4}},
         .layout = TL_SAMPLE_SLICED),
};
static const tl_op_case select_cases[] = {
    VIEW("a step of a sequence", AT(.axis = 1, .start = 2), .shape = {3, {2, 3, 4}}),
    VIEW("the last row", AT(.axis = 0, .start = -1), .shape = {2, {3, 4}}),
    VIEW("of a transposed one", AT(.axis = 0, .start = 1), .shape = {2, {3, 4}},
         .layout = TL_SAMPLE_TRANSPOSED),
};
static const tl_op_case unsqueeze_cases[] = {
    VIEW("in front", AT(.axis = 0), .shape = {2, {3, 4}}),
    VIEW("at the end", AT(.axis = -1), .shape = {2, {3, 4}}),
};
static const tl_op_case contiguous_cases[] = {
    VIEW("plain", AT(.axis = 0), .shape = {2, {3, 4}}),
    VIEW("transposed", AT(.axis = 0), .shape = {3, {2, 3, 4}}, .layout = TL_SAMPLE_TRANSPOSED),
    VIEW("sliced", AT(.axis = 0), .shape = {2, {3, 4}}, .layout = TL_SAMPLE_SLICED),
};

#define VIEW_OP(variable, name_, infer_, cases_)                                                             \
    static const tl_op variable = {.name = name_,                                                            \
                                   .inputs = 1,                                                              \
                                   .infer = infer_,                                                          \
                                   .strided = true,                                                          \
                                   .view = true,                                                             \
                                   .cases = cases_,                                                          \
                                   .case_count = TL_COUNT(cases_)}
VIEW_OP(reshape, "reshape", reshape_infer, reshape_cases);
VIEW_OP(transpose, "transpose", transpose_infer, transpose_cases);
VIEW_OP(slice, "slice", slice_infer, slice_cases);
VIEW_OP(select_op, "select", select_infer, select_cases);
VIEW_OP(unsqueeze, "unsqueeze", unsqueeze_infer, unsqueeze_cases);

static const tl_op contiguous = {.name = "contiguous",
                                 .inputs = 1,
                                 .infer = contiguous_infer,
                                 .forward = contiguous_forward,
                                 .backward = contiguous_backward,
                                 .reads = TL_READS_NOTHING,
                                 .strided = true,
                                 .cases = contiguous_cases,
                                 .case_count = TL_COUNT(contiguous_cases)};

const tl_op *const tl_view_ops[] = {&reshape, &transpose, &slice, &select_op, &unsqueeze, &contiguous, NULL};

static tl_var *view(const tl_op *op, tl_var *x, view_attributes attributes)
{
    return tl_apply1(op, x, &attributes, sizeof attributes);
}

tl_var *tl_reshape(tl_var *x, tl_shape shape)
{
    if (!x || tl_materialize(x) != TL_OK)
        return NULL;
    if (!tl_tensor_is_row_major(x->value))
        x = view(&contiguous, x, (view_attributes){0});
    return view(&reshape, x, (view_attributes){.shape = shape});
}

tl_var *tl_transpose(tl_var *x, int axis, int other)
{
    return view(&transpose, x, (view_attributes){.axis = axis, .other = other});
}

tl_var *tl_slice(tl_var *x, int axis, int64_t start, int64_t length)
{
    return view(&slice, x, (view_attributes){.axis = axis, .start = start, .length = length});
}

tl_var *tl_select(tl_var *x, int axis, int64_t index)
{
    return view(&select_op, x, (view_attributes){.axis = axis, .start = index});
}

tl_var *tl_unsqueeze(tl_var *x, int axis)
{
    return view(&unsqueeze, x, (view_attributes){.axis = axis});
}
