/* Losses from logits, in forms that neither overflow nor cancel. */
#include "autograd/ops/ops_internal.h"

/* --- sigmoid: element by element --- */

static tl_status sigmoid_infer(const tl_op_call *call, tl_tensor *result)
{
    if (tl_infer_same(call, result) != TL_OK)
        return tl_error_status();
    if (!tl_shape_equal(call->inputs[0]->shape, call->inputs[1]->shape))
        return tl_error(TL_ERROR_SHAPE, "%s: logits %s and labels %s, expected one shape", call->op->name,
                        TL_SHAPE_TEXT(call->inputs[0]->shape), TL_SHAPE_TEXT(call->inputs[1]->shape));
    return TL_OK;
}

static tl_status sigmoid_forward(const tl_op_call *call)
{
    tl_compute_map(TL_MAP_SIGMOID_CROSS_ENTROPY, call->output, *call->inputs[0], *call->inputs[1], NULL);
    return TL_OK;
}

/* dx = g (sigmoid(x) - y), dy = -g x */
static tl_status sigmoid_backward(const tl_op_call *call)
{
    tl_tensor x = *call->inputs[0], y = *call->inputs[1], dx = call->grad_inputs[0],
              dy = call->grad_inputs[1];
    if (tl_wanted(call, 0)) {
        tl_compute_map(TL_MAP_SIGMOID_MINUS, dx, x, y, NULL);
        tl_compute_map(TL_MAP_MUL, dx, dx, call->grad_output, NULL);
    }
    if (tl_wanted(call, 1)) {
        tl_compute_map(TL_MAP_MUL, dy, call->grad_output, x, NULL);
        tl_compute_map(TL_MAP_NEG, dy, dy, TL_NONE, NULL);
    }
    return TL_OK;
}

/* --- softmax: row by row --- */

static tl_status rows_shape(const tl_op_call *call, tl_tensor *result)
{
    tl_tensor x = *call->inputs[0];
    if (!tl_dtype_is_float(x.dtype))
        return tl_error(TL_ERROR_DTYPE, "%s: logits of %s, expected f32 or f64", call->op->name,
                        tl_dtype_name(x.dtype));
    if (x.shape.rank < 1)
        return tl_error(TL_ERROR_SHAPE, "%s: logits %s, expected [..., classes]", call->op->name,
                        TL_SHAPE_TEXT(x.shape));
    result->dtype = x.dtype;
    result->shape = x.shape;
    result->shape.rank--;
    return TL_OK;
}

static tl_status softmax_infer(const tl_op_call *call, tl_tensor *result)
{
    tl_tensor same = {0};
    return rows_shape(call, result) == TL_OK && sigmoid_infer(call, &same) == TL_OK ? TL_OK
                                                                                    : tl_error_status();
}

static tl_status softmax_forward(const tl_op_call *call)
{
    tl_tensor x = *call->inputs[0], logs = tl_scratch_tensor(call, x.dtype, x.shape);
    if (!logs.storage || tl_along_last_axis(call, tl_kernels_for(x.dtype)->log_softmax, logs, x) != TL_OK)
        return tl_error_status();
    tl_compute_map(TL_MAP_MUL, logs, logs, *call->inputs[1], NULL);
    tl_compute_sum(tl_tensor_unsqueeze(call->output, -1), logs, false);
    tl_compute_map(TL_MAP_NEG, call->output, call->output, TL_NONE, NULL);
    return TL_OK;
}

/* dx = g (softmax(x) sum(y) - y), dy = -g log_softmax(x) */
static tl_status softmax_backward(const tl_op_call *call)
{
    tl_tensor x = *call->inputs[0], y = *call->inputs[1], dx = call->grad_inputs[0],
              dy = call->grad_inputs[1];
    tl_tensor g = tl_tensor_unsqueeze(call->grad_output, -1);
    const tl_kernels *k = tl_kernels_for(x.dtype);
    tl_tensor work = tl_scratch_tensor(call, x.dtype, x.shape),
              sums = tl_scratch_tensor(call, x.dtype, g.shape);
    if (!work.storage || !sums.storage)
        return TL_ERROR_MEMORY;
    if (tl_wanted(call, 0)) {
        if (tl_along_last_axis(call, k->softmax, work, x) != TL_OK)
            return tl_error_status();
        tl_compute_sum(sums, y, false);
        tl_compute_map(TL_MAP_MUL, work, work, sums, NULL);
        tl_compute_map(TL_MAP_SUB, work, work, y, NULL);
        tl_compute_map(TL_MAP_MUL, dx, work, g, NULL);
    }
    if (tl_wanted(call, 1)) {
        if (tl_along_last_axis(call, k->log_softmax, work, x) != TL_OK)
            return tl_error_status();
        tl_compute_map(TL_MAP_MUL, work, work, g, NULL);
        tl_compute_map(TL_MAP_NEG, dy, work, TL_NONE, NULL);
    }
    return TL_OK;
}

/* --- softmax with labels by number --- */

static tl_status sparse_infer(const tl_op_call *call, tl_tensor *result)
{
    if (rows_shape(call, result) != TL_OK)
        return tl_error_status();
    tl_tensor y = *call->inputs[1];
    if (y.dtype != TL_I32 || !tl_shape_equal(y.shape, result->shape))
        return tl_error(TL_ERROR_SHAPE, "%s: labels %s of %s for logits %s, expected %s of i32",
                        call->op->name, TL_SHAPE_TEXT(y.shape), tl_dtype_name(y.dtype),
                        TL_SHAPE_TEXT(call->inputs[0]->shape), TL_SHAPE_TEXT(result->shape));
    return TL_OK;
}

typedef struct labelled_rows {
    tl_tensor rows, labels; /* [count, classes] and [count] */
} labelled_rows;

/* The row-major tensor x [..., classes] and the labels of its rows, flattened; the labels are checked. */
static tl_status label_rows(const tl_op_call *call, tl_tensor x, labelled_rows *out)
{
    tl_tensor labels = tl_scratch_tensor(call, TL_I32, call->inputs[1]->shape);
    if (!labels.storage)
        return TL_ERROR_MEMORY;
    tl_tensor_copy(labels, *call->inputs[1]);
    int64_t count = tl_tensor_count(labels), classes = x.shape.dims[x.shape.rank - 1];
    const int32_t *label = (const int32_t *)(const void *)tl_address(labels);
    for (int64_t i = 0; i < count; i++)
        if (label[i] < 0 || label[i] >= classes)
            return tl_error(TL_ERROR_RANGE, "%s: label %d, the logits have classes 0 to %lld", call->op->name,
                            label[i], (long long)classes - 1);
    out->labels = tl_tensor_reshape(labels, tl_shape(count));
    out->rows = tl_tensor_reshape(x, tl_shape(count, classes));
    return out->rows.storage && out->labels.storage ? TL_OK : tl_error_status();
}

/* The element of row i that its label names. */
static char *at_label(const labelled_rows *in, int64_t i)
{
    const int32_t *label = (const int32_t *)(const void *)tl_address(in->labels);
    return tl_row_address(in->rows, i) + label[i] * (int64_t)tl_size_of(in->rows.dtype);
}

static tl_status sparse_forward(const tl_op_call *call)
{
    tl_tensor x = *call->inputs[0], logs = tl_scratch_tensor(call, x.dtype, x.shape);
    labelled_rows in;
    if (!logs.storage || label_rows(call, logs, &in) != TL_OK ||
        tl_along_last_axis(call, tl_kernels_for(x.dtype)->log_softmax, logs, x) != TL_OK)
        return tl_error_status();
    tl_tensor out = tl_tensor_reshape(call->output, in.labels.shape);
    tl_map_kernel *negate = tl_kernels_for(x.dtype)->map[TL_MAP_NEG];
    for (int64_t i = 0; i < in.labels.shape.dims[0]; i++)
        negate(1, at_label(&in, i), 1, NULL, 1, tl_row_address(out, i), 1, NULL);
    return TL_OK;
}

/* dx = g (softmax(x) - 1 at the label) */
static tl_status sparse_backward(const tl_op_call *call)
{
    tl_tensor x = *call->inputs[0], work = tl_scratch_tensor(call, x.dtype, x.shape);
    labelled_rows in;
    if (!work.storage || label_rows(call, work, &in) != TL_OK ||
        tl_along_last_axis(call, tl_kernels_for(x.dtype)->softmax, work, x) != TL_OK)
        return tl_error_status();
    const float one32 = 1;
    const double one64 = 1;
    const void *one = x.dtype == TL_F32 ? (const void *)&one32 : &one64;
    tl_map_kernel *subtract = tl_kernels_for(x.dtype)->map[TL_MAP_SUB];
    for (int64_t i = 0; i < in.labels.shape.dims[0]; i++)
        subtract(1, at_label(&in, i), 1, one, 1, at_label(&in, i), 1, NULL);
    tl_compute_map(TL_MAP_MUL, call->grad_inputs[0], work, tl_tensor_unsqueeze(call->grad_output, -1), NULL);
    return TL_OK;
}

#define LABELLED(name_, ...)                                                                                 \
    {                                                                                                        \
        .name = name_, .count = 2, .inputs = { __VA_ARGS__ }                                                 \
    }
#define LOGITS(...)                                                                                          \
    {                                                                                                        \
        .low = -4, .high = 4, .shape = { __VA_ARGS__ }                                                       \
    }
#define CHANCES(...)                                                                                         \
    {                                                                                                        \
        .low = 0, .high = 1, .shape = { __VA_ARGS__ }                                                        \
    }
#define LABELS(...)                                                                                          \
    {                                                                                                        \
        .dtype = TL_I32, .low = 0, .high = 2, .shape = { __VA_ARGS__ }                                       \
    }
static const tl_op_case sigmoid_cases[] = {
    LABELLED("matrix", LOGITS(2, {3, 4}), CHANCES(2, {3, 4})),
    LABELLED("column", LOGITS(2, {5, 1}), CHANCES(2, {5, 1})),
    LABELLED("zero size", LOGITS(2, {0, 1}), CHANCES(2, {0, 1})),
    LABELLED("far out", {.low = -60, .high = 60, .shape = {1, {9}}, .margin = 0.1}, CHANCES(1, {9})),
    LABELLED("views", {.shape = {2, {3, 4}}, .layout = TL_SAMPLE_TRANSPOSED},
             {.low = 0, .high = 1, .shape = {2, {3, 4}}, .layout = TL_SAMPLE_SLICED}),
};
static const tl_op_case softmax_cases[] = {
    LABELLED("matrix", LOGITS(2, {3, 4}), CHANCES(2, {3, 4})),
    LABELLED("sequence", LOGITS(3, {2, 3, 4}), CHANCES(3, {2, 3, 4})),
    LABELLED("one class", LOGITS(2, {3, 1}), CHANCES(2, {3, 1})),
    LABELLED("no rows", LOGITS(2, {0, 4}), CHANCES(2, {0, 4})),
    LABELLED("views", {.shape = {2, {3, 4}}, .layout = TL_SAMPLE_TRANSPOSED},
             {.low = 0, .high = 1, .shape = {2, {3, 4}}, .layout = TL_SAMPLE_SLICED}),
};
static const tl_op_case sparse_cases[] = {
    LABELLED("matrix", LOGITS(2, {5, 3}), LABELS(1, {5})),
    LABELLED("sequence", LOGITS(3, {2, 3, 4}), LABELS(2, {2, 3})),
    LABELLED("one row", LOGITS(1, {4}), LABELS(0, {0})),
    LABELLED("no rows", LOGITS(2, {0, 3}), LABELS(1, {0})),
    LABELLED("views", {.shape = {3, {2, 3, 4}}, .layout = TL_SAMPLE_TRANSPOSED},
             {.dtype = TL_I32, .low = 0, .high = 2, .shape = {2, {2, 3}}, .layout = TL_SAMPLE_TRANSPOSED}),
};

#define LOSS_OP(variable, name_, infer_, forward_, backward_, cases_)                                        \
    static const tl_op variable = {.name = name_,                                                            \
                                   .inputs = 2,                                                              \
                                   .infer = infer_,                                                          \
                                   .forward = forward_,                                                      \
                                   .backward = backward_,                                                    \
                                   .reads = TL_READS_INPUTS,                                                 \
                                   .strided = true,                                                          \
                                   .cases = cases_,                                                          \
                                   .case_count = TL_COUNT(cases_)}
LOSS_OP(sigmoid_loss, "sigmoid_cross_entropy_with_logits", sigmoid_infer, sigmoid_forward, sigmoid_backward,
        sigmoid_cases);
LOSS_OP(softmax_loss, "softmax_cross_entropy_with_logits", softmax_infer, softmax_forward, softmax_backward,
        softmax_cases);
LOSS_OP(sparse_loss, "sparse_softmax_cross_entropy_with_logits", sparse_infer, sparse_forward,
        sparse_backward, sparse_cases);

const tl_op *const tl_loss_ops[] = {&sigmoid_loss, &softmax_loss, &sparse_loss, NULL};

tl_var *tl_sigmoid_cross_entropy_with_logits(tl_var *x, tl_var *y)
{
    return tl_apply2(&sigmoid_loss, x, y, NULL, 0);
}

tl_var *tl_softmax_cross_entropy_with_logits(tl_var *x, tl_var *y)
{
    return tl_apply2(&softmax_loss, x, y, NULL, 0);
}

tl_var *tl_sparse_softmax_cross_entropy_with_logits(tl_var *x, tl_var *y)
{
    return tl_apply2(&sparse_loss, x, y, NULL, 0);
}

tl_var *tl_mse(tl_var *a, tl_var *b)
{
    if (a && b && !tl_shape_equal(a->value.shape, b->value.shape)) {
        tl_error(TL_ERROR_SHAPE, "mse: %s and %s, expected one shape", TL_SHAPE_TEXT(a->value.shape),
                 TL_SHAPE_TEXT(b->value.shape));
        return NULL;
    }
    tl_var *difference = tl_sub(a, b);
    return tl_mean(tl_mul(difference, difference), TL_ALL_AXES, false);
}
