/* matmul, on the product kernels. */
#include "autograd/ops/ops_internal.h"

static int64_t extent(tl_tensor t, int axis)
{
    return t.shape.dims[t.shape.rank + axis];
}

tl_status tl_as_rows(const tl_op_call *call, tl_tensor out, tl_tensor in, tl_tensor *out_rows,
                     tl_tensor *in_rows)
{
    tl_tensor both[] = {out, in}, rows[2];
    if (!tl_tensors_as_rows(2, both, rows)) {
        both[1] = tl_scratch_tensor(call, in.dtype, in.shape);
        if (!both[1].storage)
            return TL_ERROR_MEMORY;
        tl_tensor order = out;
        order.strides[out.shape.rank - 1] = 0; /* innermost */
        tl_tensor_set_strides_like(&both[1], order);
        tl_compute_store(both[1], in, false);
        if (!tl_tensors_as_rows(2, both, rows))
            return tl_error(TL_ERROR_SHAPE, "%s: a result of shape %s without rows", call->op->name,
                            TL_SHAPE_TEXT(out.shape));
    }
    *out_rows = rows[0];
    *in_rows = rows[1];
    return TL_OK;
}

/* Axes of a matrix exchanged. */
static tl_tensor flip(tl_tensor t)
{
    return tl_tensor_transpose(t, -1, -2);
}

/* out [..., n] (+)= a [..., k] times a packed matrix. */
static tl_status multiply_packed(const tl_op_call *call, tl_tensor out, tl_tensor a, const void *packed,
                                 bool add)
{
    tl_tensor out_rows, a_rows, target = out;
    bool direct = tl_tensors_as_rows(1, &out, &out_rows);
    if (!direct) { /* a gradient that lies the other way round: write aside, then put in place */
        target = tl_scratch_tensor(call, out.dtype, out.shape);
        if (!target.storage)
            return TL_ERROR_MEMORY;
    }
    if (tl_as_rows(call, target, a, &out_rows, &a_rows) != TL_OK)
        return tl_error_status();
    tl_product product = {.m = out_rows.shape.dims[0],
                          .n = out_rows.shape.dims[1],
                          .k = a_rows.shape.dims[1],
                          .a = tl_address(a_rows),
                          .a_row = a_rows.strides[0],
                          .b = packed,
                          .c = add && direct ? tl_address(out_rows) : NULL,
                          .c_row = out_rows.strides[0],
                          .out = tl_address(out_rows),
                          .out_row = out_rows.strides[0]};
    tl_compute_product(out.dtype, &product);
    if (!direct)
        tl_compute_store(out, target, add);
    return TL_OK;
}

tl_status tl_rows_times(const tl_op_call *call, tl_tensor out, tl_tensor rows, tl_tensor w, bool add)
{
    const void *packed = tl_tape_pack(call->tape, w);
    return packed ? multiply_packed(call, out, rows, packed, add) : TL_ERROR_MEMORY;
}

/* The same for one matrix of a batch, which is not worth keeping packed. */
static tl_status multiply(const tl_op_call *call, tl_tensor out, tl_tensor a, tl_tensor b, bool add)
{
    const tl_kernels *kernels = tl_kernels_for(out.dtype);
    void *packed = tl_scratch(call, kernels->packed_bytes(b.shape.dims[0], b.shape.dims[1]));
    if (!packed)
        return TL_ERROR_MEMORY;
    kernels->pack(b.shape.dims[0], b.shape.dims[1], tl_address(b), b.strides[0], b.strides[1], packed);
    return multiply_packed(call, out, a, packed, add);
}

static tl_status infer(const tl_op_call *call, tl_tensor *result)
{
    tl_tensor a = *call->inputs[0], b = *call->inputs[1];
    if (!tl_dtype_is_float(a.dtype) || a.dtype != b.dtype)
        return tl_error(TL_ERROR_DTYPE, "matmul: %s x %s, expected f32 or f64 on both sides",
                        tl_dtype_name(a.dtype), tl_dtype_name(b.dtype));
    if (a.shape.rank < 2 || b.shape.rank < 2)
        return tl_error(TL_ERROR_SHAPE, "matmul: %s x %s, expected ranks of 2 or more",
                        TL_SHAPE_TEXT(a.shape), TL_SHAPE_TEXT(b.shape));
    if (extent(a, -1) != extent(b, -2))
        return tl_error(TL_ERROR_SHAPE, "matmul: inner dimensions differ: %s x %s", TL_SHAPE_TEXT(a.shape),
                        TL_SHAPE_TEXT(b.shape));
    result->dtype = a.dtype;
    tl_shape left = a.shape, right = b.shape;
    left.rank -= 2;
    right.rank -= 2;
    if (tl_shape_broadcast("matmul", left, right, &result->shape) != TL_OK)
        return tl_error_status();
    result->shape.dims[result->shape.rank++] = extent(a, -2);
    result->shape.dims[result->shape.rank++] = extent(b, -1);
    if (b.shape.rank == 2) { /* rows in the order in which a has them */
        a.strides[a.shape.rank - 1] = 0;
        tl_tensor_set_strides_like(result, a);
    }
    return TL_OK;
}

/* Runs f on the matrices of three tensors, batch after batch. */
typedef tl_status (*matrix_function)(const tl_op_call *call, tl_tensor x, tl_tensor y, tl_tensor z, bool add);

static tl_status for_each_matrix(const tl_op_call *call, tl_tensor x, tl_tensor y, tl_tensor z, bool add,
                                 matrix_function f)
{
    if (x.shape.rank == 2)
        return f(call, x, y, z, add);
    for (int64_t i = 0; i < x.shape.dims[0]; i++) {
        tl_status status = for_each_matrix(call, tl_tensor_select(x, 0, i), tl_tensor_select(y, 0, i),
                                           tl_tensor_select(z, 0, i), add, f);
        if (status != TL_OK)
            return status;
        if (x.shape.rank == 3)
            tl_pool_end_scratch(&call->tape->pool);
    }
    return TL_OK;
}

/* The leading axes of t broadcast to those of the output. */
static tl_tensor spread(const tl_op_call *call, tl_tensor t)
{
    tl_shape shape = call->output.shape;
    shape.dims[shape.rank - 2] = extent(t, -2);
    shape.dims[shape.rank - 1] = extent(t, -1);
    return tl_tensor_broadcast(t, shape);
}

static tl_status forward(const tl_op_call *call)
{
    tl_tensor a = *call->inputs[0], b = *call->inputs[1], out = call->output;
    if (b.shape.rank > 2)
        return for_each_matrix(call, out, spread(call, a), spread(call, b), false, multiply);
    return tl_rows_times(call, out, a, b, false);
}

static tl_shape full_shape(const tl_op_call *call, int input)
{
    tl_tensor own = *call->inputs[input];
    return call->inputs[1]->shape.rank == 2 ? own.shape : spread(call, own).shape;
}

/* da = g b^T, db = a^T g */
static tl_status backward(const tl_op_call *call)
{
    tl_tensor a = *call->inputs[0], b = *call->inputs[1], g = call->grad_output;
    tl_tensor da = call->grad_inputs[0], db = call->grad_inputs[1];
    tl_status status = TL_OK;
    if (b.shape.rank > 2) {
        if (tl_wanted(call, 0))
            status = for_each_matrix(call, da, g, flip(spread(call, b)), call->add[0], multiply);
        if (tl_wanted(call, 1) && status == TL_OK)
            status = for_each_matrix(call, db, flip(spread(call, a)), g, call->add[1], multiply);
        return status;
    }
    if (tl_wanted(call, 0))
        status = tl_rows_times(call, da, g, flip(b), call->add[0]);
    if (tl_wanted(call, 1) && status == TL_OK)
        status = tl_rows_outer(call, a, g, true);
    return status;
}

tl_status tl_rows_outer(const tl_op_call *call, tl_tensor a, tl_tensor g, bool stays)
{
    tl_tensor out = call->grad_inputs[1], a_rows, g_rows, target = out;
    const bool add = call->add[1];
    bool direct = out.shape.dims[1] <= 1 || out.strides[1] == 1;
    if (!direct) {
        target = tl_scratch_tensor(call, out.dtype, out.shape);
        if (!target.storage)
            return TL_ERROR_MEMORY;
    }
    tl_tensor rows;
    if (!tl_tensors_as_rows(1, &g, &rows)) { /* for instance a gradient that was broadcast */
        tl_tensor copy = tl_scratch_tensor(call, g.dtype, g.shape);
        if (!copy.storage)
            return TL_ERROR_MEMORY;
        tl_compute_store(copy, g, false);
        g = copy;
    }
    if (tl_as_rows(call, g, a, &g_rows, &a_rows) != TL_OK)
        return tl_error_status();
    const bool may_wait = stays && a_rows.storage == a.storage && (call->more->may_wait & 1u << 1);
    if (direct && may_wait && tl_outer_wait(call->tape, out, a_rows, g_rows, add))
        return TL_OK;
    const tl_pair pair = {tl_address(a_rows), tl_address(g_rows)};
    tl_outer outer = {.m = g_rows.shape.dims[0],
                      .n = g_rows.shape.dims[1],
                      .k = a_rows.shape.dims[1],
                      .count = 1,
                      .pairs = &pair,
                      .a_row = a_rows.strides[0],
                      .g_row = g_rows.strides[0],
                      .out = tl_address(target),
                      .out_row = target.strides[0],
                      .add = add && direct};
    tl_compute_outer(out.dtype, &outer);
    if (!direct)
        tl_compute_store(out, target, add);
    return TL_OK;
}

#define PAIR(name_, ...)                                                                                     \
    {                                                                                                        \
        .name = name_, .count = 2, .inputs = { __VA_ARGS__ }                                                 \
    }
static const tl_op_case cases[] = {
    PAIR("matrices", {.shape = {2, {3, 4}}}, {.shape = {2, {4, 5}}}),
    PAIR("one by one", {.shape = {2, {1, 1}}}, {.shape = {2, {1, 1}}}),
    PAIR("no rows", {.shape = {2, {0, 4}}}, {.shape = {2, {4, 5}}}),
    PAIR("no steps", {.shape = {3, {2, 0, 4}}}, {.shape = {2, {4, 5}}}),
    PAIR("nothing inside", {.shape = {2, {3, 0}}}, {.shape = {2, {0, 5}}}),
    PAIR("sequence times matrix", {.shape = {3, {2, 3, 4}}}, {.shape = {2, {4, 5}}}),
    PAIR("batched", {.shape = {3, {2, 3, 4}}}, {.shape = {3, {2, 4, 5}}}),
    PAIR("batch broadcast right", {.shape = {4, {2, 3, 2, 4}}}, {.shape = {3, {3, 4, 2}}}),
    PAIR("batch broadcast left", {.shape = {2, {2, 4}}}, {.shape = {3, {3, 4, 2}}}),
    PAIR("batch of ones", {.shape = {3, {1, 2, 4}}}, {.shape = {3, {3, 4, 2}}}),
    PAIR("transposed", {.shape = {2, {3, 4}}, .layout = TL_SAMPLE_TRANSPOSED},
         {.shape = {2, {4, 5}}, .layout = TL_SAMPLE_TRANSPOSED}),
    PAIR("sliced", {.shape = {3, {2, 3, 4}}, .layout = TL_SAMPLE_SLICED},
         {.shape = {2, {4, 5}}, .layout = TL_SAMPLE_SLICED}),
    PAIR("transposed batches", {.shape = {3, {2, 3, 4}}, .layout = TL_SAMPLE_TRANSPOSED},
         {.shape = {3, {2, 4, 5}}, .layout = TL_SAMPLE_TRANSPOSED}),
    PAIR("same var", {.shape = {2, {3, 3}}}, {.same_as = 1}),
    PAIR("ragged tiles", {.shape = {2, {29, 19}}}, {.shape = {2, {19, 37}}}),
};

static const tl_op matmul = {.name = "matmul",
                             .inputs = 2,
                             .infer = infer,
                             .forward = forward,
                             .backward = backward,
                             .reads = TL_READS_INPUTS,
                             .full_shape = full_shape,
                             .accumulates = true,
                             .strided = true,
                             .cases = cases,
                             .case_count = TL_COUNT(cases)};

const tl_op *const tl_matmul_ops[] = {&matmul, NULL};

tl_var *tl_matmul(tl_var *a, tl_var *b)
{
    return tl_apply2(&matmul, a, b, NULL, 0);
}
