#include "tensor/iterate_internal.h"
#include "tensor/tensor_internal.h"

/* The axes to walk, outermost first: sorted by the first operand's strides, ones dropped, neighbours merged
 * where no operand has a gap between them. */
typedef struct walk {
    int rank;
    int64_t extents[TL_MAX_RANK];
    int64_t strides[TL_MAX_OPERANDS][TL_MAX_RANK];
} walk;

static void add_axis(walk *w, int operands, const tl_tensor tensors[], int axis)
{
    int64_t extent = tensors[0].shape.dims[axis];
    if (extent == 1)
        return;
    int last = w->rank - 1;
    bool merges = last >= 0;
    for (int k = 0; k < operands && merges; k++)
        merges = w->strides[k][last] == tensors[k].strides[axis] * extent;
    int place = merges ? last : w->rank++;
    w->extents[place] = merges ? w->extents[last] * extent : extent;
    for (int k = 0; k < operands; k++)
        w->strides[k][place] = tensors[k].strides[axis];
}

static walk plan(int operands, const tl_tensor tensors[])
{
    int order[TL_MAX_RANK], rank = tensors[0].shape.rank;
    tl_axes_by_stride(tensors[0], rank, order);
    walk w = {0};
    for (int i = 0; i < rank; i++)
        add_axis(&w, operands, tensors, order[i]);
    return w;
}

void tl_iterate(int operands, const tl_tensor tensors[], tl_run run, void *context)
{
    if (tl_tensor_count(tensors[0]) == 0)
        return;
    walk w = plan(operands, tensors);
    char *at[TL_MAX_OPERANDS];
    int64_t inner[TL_MAX_OPERANDS], size[TL_MAX_OPERANDS], index[TL_MAX_RANK] = {0};
    int last = w.rank - 1;
    for (int k = 0; k < operands; k++) {
        at[k] = tl_address(tensors[k]);
        size[k] = (int64_t)tl_dtype_size(tensors[k].dtype);
        inner[k] = last >= 0 ? w.strides[k][last] : 1;
    }
    const int64_t repeats = last >= 1 ? w.extents[last - 1] : 1;
    for (;;) {
        for (int64_t i = 0; i < repeats; i++) {
            run(context, last >= 0 ? w.extents[last] : 1, at, inner);
            for (int k = 0; k < operands && last >= 1; k++)
                at[k] += w.strides[k][last - 1] * size[k];
        }
        for (int k = 0; k < operands && last >= 1; k++)
            at[k] -= w.strides[k][last - 1] * size[k] * repeats;
        int axis = last - 2;
        for (; axis >= 0; axis--) {
            for (int k = 0; k < operands; k++)
                at[k] += w.strides[k][axis] * size[k];
            if (++index[axis] < w.extents[axis])
                break;
            for (int k = 0; k < operands; k++)
                at[k] -= w.strides[k][axis] * size[k] * w.extents[axis];
            index[axis] = 0;
        }
        if (axis < 0)
            return;
    }
}
