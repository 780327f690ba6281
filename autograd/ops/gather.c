/* gather: rows of a table. Lazy, so that a layer that multiplies the rows by a matrix can multiply the table
 * instead; its gradient is given by rows where the table is a parameter. */
#include "autograd/ops/ops_internal.h"

static tl_status infer(const tl_op_call *call, tl_tensor *result)
{
    tl_tensor table = *call->inputs[0], ids = *call->inputs[1];
    if (!tl_dtype_is_float(table.dtype) || ids.dtype != TL_I32)
        return tl_error(TL_ERROR_DTYPE, "gather: table of %s and ids of %s, expected f32 or f64 and i32",
                        tl_dtype_name(table.dtype), tl_dtype_name(ids.dtype));
    if (table.shape.rank != 2 || ids.shape.rank == TL_MAX_RANK)
        return tl_error(TL_ERROR_SHAPE, "gather: table %s and ids %s, expected [v, n] and [...]",
                        TL_SHAPE_TEXT(table.shape), TL_SHAPE_TEXT(ids.shape));
    result->dtype = table.dtype;
    result->shape = ids.shape;
    result->shape.dims[result->shape.rank++] = table.shape.dims[1];
    if (ids.shape.rank == 2) { /* a sequence: time-major */
        result->strides[0] = table.shape.dims[1];
        result->strides[1] = result->strides[0] * ids.shape.dims[0];
        result->strides[2] = 1;
    }
    return TL_OK;
}

/* ids [...] and values [..., n] as [count] and [count, n], in the values' order, copied where need be. */
static tl_status flatten(const tl_op_call *call, tl_tensor values, tl_tensor *ids, tl_tensor *rows)
{
    tl_tensor column = tl_tensor_unsqueeze(*call->inputs[1], -1), id_rows, pair[] = {values, column}, seen[2];
    if (!column.storage)
        return tl_error_status();
    if (tl_tensors_as_rows(2, pair, seen)) {
        *rows = seen[0];
        id_rows = seen[1];
    } else {
        tl_tensor copy = tl_scratch_tensor(call, TL_I32, column.shape), order = values;
        if (!copy.storage)
            return TL_ERROR_MEMORY;
        order.strides[order.shape.rank - 1] = 0;
        tl_tensor_set_strides_like(&copy, order);
        tl_tensor_copy(copy, column);
        pair[1] = copy;
        if (!tl_tensors_as_rows(2, pair, seen))
            return tl_error(TL_ERROR_SHAPE, "gather: values of shape %s without rows",
                            TL_SHAPE_TEXT(values.shape));
        *rows = seen[0];
        id_rows = seen[1];
    }
    *ids = tl_tensor_select(id_rows, 1, 0);
    return TL_OK;
}

static tl_status check_ids(int64_t count, const int32_t *id, int64_t step, int64_t rows)
{
    int32_t least = 0, most = 0;
    for (int64_t i = 0; i < count; i++) {
        least = id[i * step] < least ? id[i * step] : least;
        most = id[i * step] > most ? id[i * step] : most;
    }
    if (least >= 0 && (most < rows || count == 0))
        return TL_OK;
    int64_t i = 0;
    while (id[i * step] >= 0 && id[i * step] < rows)
        i++;
    return tl_error(TL_ERROR_RANGE, "gather: id %d, the table has rows 0 to %lld", id[i * step],
                    (long long)rows - 1);
}

static tl_status forward(const tl_op_call *call)
{
    tl_tensor table = *call->inputs[0], ids, rows;
    if (flatten(call, call->output, &ids, &rows) != TL_OK)
        return tl_error_status();
    const int32_t *id = (const int32_t *)(const void *)tl_address(ids);
    const tl_kernels *k = tl_kernels_for(table.dtype);
    const int64_t count = ids.shape.dims[0], width = table.shape.dims[1];
    if (check_ids(count, id, ids.strides[0], table.shape.dims[0]) != TL_OK)
        return tl_error_status();
    if (table.strides[1] == 1 || width == 1) {
        k->gather(count, width, tl_address(table), table.strides[0], id, ids.strides[0], tl_address(rows),
                  rows.strides[0]);
        return TL_OK;
    }
    for (int64_t i = 0; i < count; i++)
        k->map[TL_MAP_COPY](width, tl_row_address(table, id[i * ids.strides[0]]), table.strides[1], NULL, 1,
                            tl_row_address(rows, i), 1, NULL);
    return TL_OK;
}

static tl_status backward(const tl_op_call *call)
{
    tl_tensor ids, rows, gradient = call->grad_inputs[0];
    if (flatten(call, call->grad_output, &ids, &rows) != TL_OK)
        return tl_error_status();
    if (call->row_grads[0])
        return tl_row_gradient_add(call->row_grads[0], ids, rows);
    if (!tl_wanted(call, 0))
        return TL_OK;
    if (!call->add[0])
        tl_tensor_fill(gradient, 0);
    const int32_t *id = (const int32_t *)(const void *)tl_address(ids);
    for (int64_t i = 0; i < ids.shape.dims[0]; i++)
        tl_compute_store(tl_tensor_select(gradient, 0, id[i * ids.strides[0]]), tl_tensor_select(rows, 0, i),
                         true);
    return TL_OK;
}

#define GATHER(name_, ids_, ...)                                                                             \
    {                                                                                                        \
        .name = name_, .count = 2, .inputs = {                                                               \
            {__VA_ARGS__},                                                                                   \
            {.dtype = TL_I32, .shape = ids_, .low = 0, .high = 3},                                           \
        }                                                                                                    \
    }
#define IDS(rank, ...)                                                                                       \
    {                                                                                                        \
        rank,                                                                                                \
        {                                                                                                    \
            __VA_ARGS__                                                                                      \
        }                                                                                                    \
    }
static const tl_op_case cases[] = {
    GATHER("a row of ids", IDS(1, 6), .shape = {2, {4, 3}}),
    GATHER("sequences", IDS(2, 3, 5), .shape = {2, {4, 3}}),
    GATHER("one id", IDS(0, 0), .shape = {2, {4, 3}}),
    GATHER("no ids", IDS(1, 0), .shape = {2, {4, 3}}),
    GATHER("rank 3", IDS(3, 2, 2, 2), .shape = {2, {4, 1}}),
    GATHER("table transposed", IDS(1, 5), .shape = {2, {4, 3}}, .layout = TL_SAMPLE_TRANSPOSED),
    {.name = "ids transposed",
     .count = 2,
     .inputs =
         {{.shape = {2, {4, 3}}},
          {.dtype = TL_I32, .shape = {2, {3, 5}}, .low = 0, .high = 3, .layout = TL_SAMPLE_TRANSPOSED}}},
};

static const tl_op gather = {.name = "gather",
                             .inputs = 2,
                             .infer = infer,
                             .forward = forward,
                             .backward = backward,
                             .reads = 1u << 1,
                             .accumulates = true,
                             .strided = true,
                             .row_gradients = true,
                             .lazy = true,
                             .cases = cases,
                             .case_count = TL_COUNT(cases)};

const tl_op *const tl_gather_ops[] = {&gather, NULL};

tl_var *tl_gather(tl_var *table, tl_var *ids)
{
    return tl_apply2(&gather, table, ids, NULL, 0);
}

bool tl_is_gathered(const tl_var *x, tl_var **table, tl_var **ids)
{
    if (!x || !x->lazy || x->lazy->op != &gather)
        return false;
    *table = x->lazy->inputs[0];
    *ids = x->lazy->inputs[1];
    return true;
}
