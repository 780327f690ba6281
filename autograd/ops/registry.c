#include "autograd/ops/ops_internal.h"
#include "tensor/memory_internal.h"

#include <string.h>

static const tl_op *const *const groups[] = {
    tl_arithmetic_ops, tl_function_ops,  tl_matmul_ops,  tl_affine_ops, tl_scan_ops,
    tl_reduce_ops,     tl_view_ops,      tl_join_ops,    tl_gather_ops, tl_where_ops,
    tl_softmax_ops,    tl_normalize_ops, tl_dropout_ops, tl_loss_ops,
};

const tl_op *tl_op_at(int index)
{
    for (int g = 0; g < TL_COUNT(groups) && index >= 0; g++)
        for (const tl_op *const *op = groups[g]; *op; op++)
            if (index-- == 0)
                return *op;
    return NULL;
}

const tl_op *tl_op_by_name(const char *name)
{
    const tl_op *op;
    for (int i = 0; (op = tl_op_at(i)); i++)
        if (strcmp(op->name, name) == 0)
            return op;
    tl_error(TL_ERROR_ARGUMENT, "op_by_name: there is no op '%s'", name);
    return NULL;
}

tl_var *tl_apply1(const tl_op *op, tl_var *x, const void *attributes, size_t bytes)
{
    return tl_apply(op, &x, 1, attributes, bytes);
}

tl_var *tl_apply2(const tl_op *op, tl_var *a, tl_var *b, const void *attributes, size_t bytes)
{
    tl_var *inputs[] = {a, b};
    return tl_apply(op, inputs, 2, attributes, bytes);
}

tl_tensor tl_scratch_tensor(const tl_op_call *call, tl_dtype dtype, tl_shape shape)
{
    size_t bytes = (size_t)tl_shape_count(shape) * tl_dtype_size(dtype);
    size_t header = tl_aligned(sizeof(tl_storage));
    tl_storage *storage = tl_scratch(call, header + bytes);
    if (!storage)
        return TL_NONE;
    *storage = (tl_storage){.data = (char *)storage + header, .bytes = bytes};
    tl_tensor tensor = {.storage = storage, .shape = shape, .dtype = dtype};
    tl_tensor_set_row_major(&tensor);
    return tensor;
}
