#include "autograd/cases_internal.h"
#include "autograd/ops.h"
#include "tensor/random.h"

#include <math.h>

enum { SLICE_MARGIN = 1 }; /* elements cut off on either side of a sliced sample */

/* The shape of the memory that a sample is a view of. */
static tl_shape memory_shape(const tl_sample *sample)
{
    tl_shape shape = sample->shape;
    int last = shape.rank - 1;
    if (last < 0)
        return shape;
    if (sample->layout == TL_SAMPLE_TRANSPOSED) {
        shape.dims[0] = sample->shape.dims[last];
        shape.dims[last] = sample->shape.dims[0];
    } else if (sample->layout == TL_SAMPLE_SLICED) {
        shape.dims[last] += 2 * SLICE_MARGIN;
    }
    return shape;
}

static double draw(const tl_sample *sample, uint64_t stream, int64_t element)
{
    double low = sample->low, high = sample->high;
    if (low == 0 && high == 0) {
        low = tl_dtype_is_float(sample->dtype) ? -1 : 0;
        high = 1;
    }
    if (!tl_dtype_is_float(sample->dtype)) {
        int64_t span = (int64_t)high - (int64_t)low + 1;
        return low + (double)tl_random_below(1, stream, (uint64_t)element, span);
    }
    double value = low + (high - low) * tl_random_uniform(1, stream, (uint64_t)element);
    if (fabs(value - sample->avoid) < sample->margin)
        value = sample->avoid + (value < sample->avoid ? -sample->margin : sample->margin);
    return value;
}

static tl_tensor make(const tl_sample *sample, tl_dtype dtype, uint64_t stream)
{
    tl_dtype type = tl_dtype_is_float(sample->dtype) ? dtype : sample->dtype;
    tl_tensor tensor = tl_tensor_new(type, memory_shape(sample));
    if (!tensor.storage)
        return tensor;
    tl_tensor flat = tl_tensor_reshape(tensor, tl_shape(tl_tensor_count(tensor)));
    for (int64_t i = 0; i < tl_tensor_count(tensor); i++)
        tl_tensor_fill(tl_tensor_select(flat, 0, i), draw(sample, stream, i));
    return tensor;
}

tl_status tl_case_tensors(const tl_op_case *sample, tl_dtype dtype, tl_tensor tensors[TL_MAX_INPUTS])
{
    for (int i = 0; i < TL_MAX_INPUTS; i++)
        tensors[i] = (tl_tensor){0};
    for (int i = 0; i < sample->count; i++) {
        if (sample->inputs[i].same_as)
            continue;
        tensors[i] = make(&sample->inputs[i], dtype, (uint64_t)i);
        if (!tensors[i].storage)
            return tl_error_status();
    }
    return TL_OK;
}

static tl_var *view(const tl_sample *sample, tl_var *x)
{
    if (sample->shape.rank == 0 || sample->layout == TL_SAMPLE_PLAIN)
        return x;
    if (sample->layout == TL_SAMPLE_TRANSPOSED)
        return tl_transpose(x, 0, -1);
    return tl_slice(x, -1, SLICE_MARGIN, sample->shape.dims[sample->shape.rank - 1]);
}

tl_var *tl_case_apply(const tl_op *op, const tl_op_case *sample, tl_var *const vars[])
{
    tl_var *inputs[TL_MAX_INPUTS] = {0};
    for (int i = 0; i < sample->count; i++) {
        int same = sample->inputs[i].same_as;
        inputs[i] = same ? inputs[same - 1] : view(&sample->inputs[i], vars[i]);
    }
    return tl_apply(op, inputs, sample->count, sample->attributes, sample->attribute_bytes);
}
