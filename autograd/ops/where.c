/* where: a choice between two inputs, element by element. */
#include "autograd/ops/ops_internal.h"
#include "tensor/iterate_internal.h"

#include <string.h>

static tl_status infer(const tl_op_call *call, tl_tensor *result)
{
    tl_tensor condition = *call->inputs[0], a = *call->inputs[1], b = *call->inputs[2];
    if (condition.dtype != TL_U8 || !tl_dtype_is_float(a.dtype) || a.dtype != b.dtype)
        return tl_error(TL_ERROR_DTYPE, "where: %s ? %s : %s, expected u8 and twice f32 or f64",
                        tl_dtype_name(condition.dtype), tl_dtype_name(a.dtype), tl_dtype_name(b.dtype));
    result->dtype = a.dtype;
    if (tl_shape_broadcast("where", a.shape, b.shape, &result->shape) != TL_OK)
        return tl_error_status();
    return tl_shape_broadcast("where", condition.shape, result->shape, &result->shape);
}

/* at: output, condition, a, b. Either of the last two may stand still on a zero. With a row mask the
 * condition stands still too, and what was chosen is copied as one piece. */
static void choose_run(void *context, int64_t n, char *const at[], const int64_t strides[])
{
    const tl_dtype dtype = *(const tl_dtype *)context;
    const size_t size = tl_dtype_size(dtype);
    if (strides[1] == 0) {
        int from = *at[1] ? 2 : 3;
        tl_kernels_for(dtype)->map[TL_MAP_COPY](n, at[from], strides[from], NULL, 1, at[0], strides[0], NULL);
        return;
    }
    for (int64_t i = 0; i < n; i++) {
        int from = at[1][i * strides[1]] ? 2 : 3;
        memcpy(at[0] + i * strides[0] * (int64_t)size, at[from] + i * strides[from] * (int64_t)size, size);
    }
}

static void choose(tl_tensor out, tl_tensor condition, tl_tensor a, tl_tensor b)
{
    tl_tensor operands[] = {out, tl_tensor_broadcast(condition, out.shape), tl_tensor_broadcast(a, out.shape),
                            tl_tensor_broadcast(b, out.shape)};
    tl_iterate(4, operands, choose_run, &out.dtype);
}

static tl_status forward(const tl_op_call *call)
{
    choose(call->output, *call->inputs[0], *call->inputs[1], *call->inputs[2]);
    return TL_OK;
}

static tl_status backward(const tl_op_call *call)
{
    double number = 0; /* all bits zero: 0 in either type */
    tl_storage storage = {.data = &number, .bytes = sizeof number};
    tl_tensor zero = {.storage = &storage, .dtype = call->output.dtype}, g = call->grad_output;
    if (tl_wanted(call, 1))
        choose(call->grad_inputs[1], *call->inputs[0], g, zero);
    if (tl_wanted(call, 2))
        choose(call->grad_inputs[2], *call->inputs[0], zero, g);
    return TL_OK;
}

#define WHERE(name_, ...)                                                                                    \
    {                                                                                                        \
        .name = name_, .count = 3, .inputs = { __VA_ARGS__ }                                                 \
    }
#define MASK(...)                                                                                            \
    {                                                                                                        \
        .dtype = TL_U8, .shape = { __VA_ARGS__ }                                                             \
    }
#define VALUES(...)                                                                                          \
    {                                                                                                        \
        .shape = { __VA_ARGS__ }                                                                             \
    }
static const tl_op_case cases[] = {
    WHERE("one shape", MASK(2, {3, 4}), VALUES(2, {3, 4}), VALUES(2, {3, 4})),
    WHERE("row mask", MASK(2, {3, 1}), VALUES(2, {3, 4}), VALUES(2, {3, 4})),
    WHERE("all broadcast", MASK(1, {4}), VALUES(2, {3, 1}), VALUES(0, {0})),
    WHERE("zero size", MASK(2, {0, 4}), VALUES(2, {0, 4}), VALUES(1, {4})),
    WHERE("same var", MASK(2, {3, 4}), VALUES(2, {3, 4}), {.same_as = 2}),
    WHERE("views", MASK(2, {3, 4}), {.shape = {2, {3, 4}}, .layout = TL_SAMPLE_TRANSPOSED},
          {.shape = {2, {3, 4}}, .layout = TL_SAMPLE_SLICED}),
};

static const tl_op where = {.name = "where",
                            .inputs = 3,
                            .infer = infer,
                            .forward = forward,
                            .backward = backward,
                            .reads = 1u << 0,
                            .full_shape = tl_full_shape_of_output,
                            .strided = true,
                            .cases = cases,
                            .case_count = TL_COUNT(cases)};

const tl_op *const tl_where_ops[] = {&where, NULL};

tl_var *tl_where(tl_var *condition, tl_var *a, tl_var *b)
{
    return tl_apply(&where, (tl_var *[]){condition, a, b}, 3, NULL, 0);
}
