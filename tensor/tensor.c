#include "tensor/tensor_internal.h"
#include "tensor/error_internal.h"
#include "tensor/iterate_internal.h"
#include "tensor/memory_internal.h"

#include <math.h>
#include <stdatomic.h>
#include <string.h>

static const tl_tensor empty;

uint64_t tl_next_version(void)
{
    static _Atomic uint64_t version;
    return atomic_fetch_add_explicit(&version, 1, memory_order_relaxed) + 1;
}

void tl_tensor_set_row_major(tl_tensor *tensor)
{
    int64_t stride = 1;
    for (int i = tensor->shape.rank - 1; i >= 0; i--) {
        tensor->strides[i] = stride;
        stride *= tensor->shape.dims[i];
    }
}

void tl_axes_by_stride(tl_tensor tensor, int rank, int order[])
{
    for (int i = 0; i < rank; i++) {
        int place = i;
        for (; place > 0 && tensor.strides[order[place - 1]] < tensor.strides[i]; place--)
            order[place] = order[place - 1];
        order[place] = i;
    }
}

void tl_tensor_set_strides_like(tl_tensor *tensor, tl_tensor like)
{
    int order[TL_MAX_RANK];
    tl_axes_by_stride(like, like.shape.rank, order);
    int64_t stride = 1;
    for (int i = tensor->shape.rank - 1; i >= 0; i--) {
        tensor->strides[order[i]] = stride;
        stride *= tensor->shape.dims[order[i]];
    }
}

/* Whether tensors are matrices already, as most are. */
static bool are_rows(int count, const tl_tensor tensors[])
{
    for (int i = 0; i < count; i++)
        if (tensors[i].shape.rank != 2 || tensors[i].strides[1] != 1)
            return false;
    return true;
}

bool tl_tensors_as_rows(int count, const tl_tensor tensors[], tl_tensor rows[])
{
    if (are_rows(count, tensors)) {
        memcpy(rows, tensors, (size_t)count * sizeof *rows);
        return true;
    }
    int leading = tensors[0].shape.rank - 1;
    if (leading < 0)
        return false;
    int order[TL_MAX_RANK];
    tl_axes_by_stride(tensors[0], leading, order);
    int64_t all = 1;
    for (int i = 0; i < leading; i++)
        all *= tensors[0].shape.dims[i];
    for (int i = 0; i < count && all == 0; i++) { /* no rows: their strides do not matter */
        rows[i] = tensors[i];
        rows[i].shape = tl_shape(0, tensors[i].shape.dims[leading]);
        tl_tensor_set_row_major(&rows[i]);
    }
    for (int i = 0; i < count && all > 0; i++) {
        tl_tensor t = tensors[i];
        int64_t width = t.shape.dims[leading], height = 1, step = width;
        if (width > 1 && t.strides[leading] != 1)
            return false;
        bool started = false;
        for (int j = leading - 1; j >= 0; j--) {
            int axis = order[j];
            if (t.shape.dims[axis] == 1)
                continue;
            if (!started)
                step = t.strides[axis];
            else if (t.strides[axis] != step * height)
                return false;
            started = true;
            height *= t.shape.dims[axis];
        }
        rows[i] = t;
        rows[i].shape = tl_shape(height, width);
        rows[i].strides[0] = step;
        rows[i].strides[1] = 1;
    }
    return true;
}

tl_tensor tl_tensor_new(tl_dtype dtype, tl_shape shape)
{
    if (tl_shape_check("tensor_new", shape) != TL_OK)
        return empty;
    size_t bytes = (size_t)tl_shape_count(shape) * tl_dtype_size(dtype);
    size_t header = tl_aligned(sizeof(tl_storage));
    tl_storage *storage = tl_allocate(header + bytes);
    if (!storage)
        return empty;
    *storage = (tl_storage){.data = (char *)storage + header, .bytes = bytes, .version = tl_next_version()};
    tl_tensor tensor = {.storage = storage, .shape = shape, .dtype = dtype};
    tl_tensor_set_row_major(&tensor);
    return tensor;
}

tl_tensor tl_tensor_of(tl_dtype dtype, tl_shape shape, const void *values)
{
    tl_tensor tensor = tl_tensor_new(dtype, shape);
    if (tensor.storage && values)
        memcpy(tensor.storage->data, values, tensor.storage->bytes);
    return tensor;
}

void tl_tensor_free(tl_tensor *tensor)
{
    if (!tensor)
        return;
    tl_release(tensor->storage);
    *tensor = empty;
}

bool tl_tensor_ok(tl_tensor tensor)
{
    return tensor.storage != NULL;
}

int64_t tl_tensor_count(tl_tensor tensor)
{
    return tl_shape_count(tensor.shape);
}

bool tl_tensor_is_row_major(tl_tensor tensor)
{
    int64_t stride = 1;
    for (int i = tensor.shape.rank - 1; i >= 0; i--) {
        if (tensor.shape.dims[i] != 1 && tensor.strides[i] != stride)
            return tl_tensor_count(tensor) == 0;
        stride *= tensor.shape.dims[i];
    }
    return true;
}

bool tl_tensor_is_dense(tl_tensor tensor)
{
    tl_tensor gapless = tensor;
    tl_tensor_set_strides_like(&gapless, tensor);
    for (int i = 0; i < tensor.shape.rank; i++)
        if (tensor.shape.dims[i] > 1 && tensor.strides[i] != gapless.strides[i])
            return tl_tensor_count(tensor) == 0;
    return true;
}

static tl_status need_row_major(const char *what, tl_tensor tensor)
{
    if (!tensor.storage)
        return tl_error_status();
    if (tl_tensor_is_row_major(tensor))
        return TL_OK;
    return tl_error(TL_ERROR_SHAPE, "%s: a view of shape %s is not row-major; tl_copy_out copies any view",
                    what, TL_SHAPE_TEXT(tensor.shape));
}

const void *tl_data(tl_tensor tensor)
{
    return tensor.storage && need_row_major("data", tensor) == TL_OK ? tl_address(tensor) : NULL;
}

void *tl_data_mut(tl_tensor tensor)
{
    if (!tensor.storage || need_row_major("data_mut", tensor) != TL_OK)
        return NULL;
    tensor.storage->version = tl_next_version();
    return tl_address(tensor);
}

tl_status tl_copy_out(tl_tensor tensor, void *out, size_t bytes)
{
    if (!tensor.storage)
        return tl_missing("copy_out", "tensor");
    size_t needed = (size_t)tl_tensor_count(tensor) * tl_dtype_size(tensor.dtype);
    if (bytes != needed)
        return tl_error(TL_ERROR_ARGUMENT, "copy_out: room for %zu bytes, shape %s of %s takes %zu", bytes,
                        TL_SHAPE_TEXT(tensor.shape), tl_dtype_name(tensor.dtype), needed);
    tl_storage storage = {.data = out, .bytes = bytes};
    tl_tensor target = {.storage = &storage, .shape = tensor.shape, .dtype = tensor.dtype};
    tl_tensor_set_row_major(&target);
    return tl_tensor_copy(target, tensor);
}

double tl_element(const void *address, tl_dtype dtype)
{
    switch (dtype) {
    case TL_F32:
        return (double)*(const float *)address;
    case TL_F64:
        return *(const double *)address;
    case TL_I32:
        return (double)*(const int32_t *)address;
    case TL_U8:
        return (double)*(const uint8_t *)address;
    }
    return (double)NAN;
}

/* C leaves open what becomes of a number that the integer cannot hold. */
static int32_t to_i32(double value)
{
    if (isnan(value))
        return 0;
    return value >= INT32_MAX ? INT32_MAX : value <= INT32_MIN ? INT32_MIN : (int32_t)value;
}

static void write_element(void *address, tl_dtype dtype, double value)
{
    switch (dtype) {
    case TL_F32:
        *(float *)address = (float)value;
        break;
    case TL_F64:
        *(double *)address = value;
        break;
    case TL_I32:
        *(int32_t *)address = to_i32(value);
        break;
    case TL_U8:
        *(uint8_t *)address = (uint8_t)to_i32(value); /* an i32 keeps its low bits, as in C */
        break;
    }
}

double tl_tensor_at(tl_tensor tensor, const int64_t *index)
{
    if (!tensor.storage)
        return (double)NAN;
    int64_t place = 0;
    for (int i = 0; i < tensor.shape.rank; i++) {
        if (index[i] < 0 || index[i] >= tensor.shape.dims[i]) {
            tl_error(TL_ERROR_RANGE, "tensor_at: index %lld on axis %d of shape %s", (long long)index[i], i,
                     TL_SHAPE_TEXT(tensor.shape));
            return (double)NAN;
        }
        place += index[i] * tensor.strides[i];
    }
    return tl_element(tl_address(tensor) + (size_t)place * tl_dtype_size(tensor.dtype), tensor.dtype);
}

double tl_tensor_item(tl_tensor tensor)
{
    if (!tensor.storage)
        return (double)NAN;
    if (tl_tensor_count(tensor) != 1) {
        tl_error(TL_ERROR_SHAPE, "tensor_item: shape %s, expected one element", TL_SHAPE_TEXT(tensor.shape));
        return (double)NAN;
    }
    return tl_element(tl_address(tensor), tensor.dtype);
}

typedef struct conversion {
    tl_dtype from, to;
    double fill;
} conversion;

/* Elements of one size from stride to stride; the compiler makes each memcpy a plain move. */
static void move_run(int64_t n, char *to, int64_t to_step, const char *from, int64_t from_step, size_t size)
{
    for (int64_t i = 0; i < n; i++, to += to_step, from += from_step)
        memcpy(to, from, size);
}

static void copy_run(void *context, int64_t n, char *const at[], const int64_t strides[])
{
    const conversion *types = context;
    int64_t to = (int64_t)tl_size_of(types->to), from = (int64_t)tl_size_of(types->from);
    if (types->to != types->from)
        for (int64_t i = 0; i < n; i++)
            write_element(at[0] + i * strides[0] * to, types->to,
                          tl_element(at[1] + i * strides[1] * from, types->from));
    else if (strides[0] == 1 && strides[1] == 1)
        memcpy(at[0], at[1], (size_t)(n * to));
    else if (to == 4)
        move_run(n, at[0], strides[0] * 4, at[1], strides[1] * 4, 4);
    else if (to == 8)
        move_run(n, at[0], strides[0] * 8, at[1], strides[1] * 8, 8);
    else
        move_run(n, at[0], strides[0], at[1], strides[1], 1);
}

static void fill_run(void *context, int64_t n, char *const at[], const int64_t strides[])
{
    const conversion *types = context;
    int64_t step = strides[0] * (int64_t)tl_dtype_size(types->to);
    for (int64_t i = 0; i < n; i++)
        write_element(at[0] + i * step, types->to, types->fill);
}

tl_status tl_tensor_fill(tl_tensor tensor, double value)
{
    if (!tensor.storage)
        return tl_missing("tensor_fill", "tensor");
    tensor.storage->version = tl_next_version();
    if (value == 0 && !signbit(value) && tl_tensor_is_row_major(tensor)) { /* all bits are 0 */
        memset(tl_address(tensor), 0, (size_t)tl_tensor_count(tensor) * tl_size_of(tensor.dtype));
        return TL_OK;
    }
    tl_iterate(1, &tensor, fill_run, &(conversion){.to = tensor.dtype, .fill = value});
    return TL_OK;
}

tl_status tl_tensor_copy(tl_tensor target, tl_tensor source)
{
    if (!target.storage || !source.storage)
        return tl_missing("tensor_copy", target.storage ? "source" : "target");
    tl_tensor operands[] = {target, tl_tensor_broadcast(source, target.shape)};
    if (!operands[1].storage)
        return tl_error_status();
    target.storage->version = tl_next_version();
    tl_iterate(2, operands, copy_run, &(conversion){.from = source.dtype, .to = target.dtype});
    return TL_OK;
}

tl_tensor tl_tensor_slice(tl_tensor tensor, int axis, int64_t start, int64_t length)
{
    if (!tensor.storage)
        return empty;
    int at = tl_shape_axis("slice", tensor.shape, axis);
    if (at < 0)
        return empty;
    int64_t extent = tensor.shape.dims[at];
    int64_t first = start < 0 ? start + extent : start;
    if (first < 0 || length < 0 || first > extent || length > extent - first) {
        tl_error(TL_ERROR_RANGE, "slice: %lld elements from %lld along axis %d of shape %s",
                 (long long)length, (long long)start, axis, TL_SHAPE_TEXT(tensor.shape));
        return empty;
    }
    tensor.offset += first * tensor.strides[at];
    tensor.shape.dims[at] = length;
    return tensor;
}

static tl_tensor drop_axis(tl_tensor tensor, int axis)
{
    tensor.shape.rank--;
    for (int i = axis; i < tensor.shape.rank; i++) {
        tensor.shape.dims[i] = tensor.shape.dims[i + 1];
        tensor.strides[i] = tensor.strides[i + 1];
    }
    return tensor;
}

tl_tensor tl_tensor_select(tl_tensor tensor, int axis, int64_t index)
{
    if (!tensor.storage)
        return empty;
    int at = tl_shape_axis("select", tensor.shape, axis);
    if (at < 0)
        return empty;
    int64_t extent = tensor.shape.dims[at];
    int64_t place = index < 0 ? index + extent : index;
    if (place < 0 || place >= extent) {
        tl_error(TL_ERROR_RANGE, "select: index %lld along axis %d of shape %s", (long long)index, axis,
                 TL_SHAPE_TEXT(tensor.shape));
        return empty;
    }
    tensor.offset += place * tensor.strides[at];
    return drop_axis(tensor, at);
}

tl_tensor tl_tensor_transpose(tl_tensor tensor, int axis, int other)
{
    if (!tensor.storage)
        return empty;
    int a = tl_shape_axis("transpose", tensor.shape, axis);
    int b = a < 0 ? -1 : tl_shape_axis("transpose", tensor.shape, other);
    if (b < 0)
        return empty;
    int64_t extent = tensor.shape.dims[a], stride = tensor.strides[a];
    tensor.shape.dims[a] = tensor.shape.dims[b];
    tensor.strides[a] = tensor.strides[b];
    tensor.shape.dims[b] = extent;
    tensor.strides[b] = stride;
    return tensor;
}

/* Fills in the extent given as -1, and checks that the number of elements stays. */
static tl_status complete_shape(tl_shape from, tl_shape *to)
{
    int unknown = -1;
    tl_shape known = *to; /* with 1 for the extent to be found */
    for (int i = 0; i < to->rank && i < TL_MAX_RANK; i++)
        if (to->dims[i] == -1 && unknown < 0)
            known.dims[unknown = i] = 1;
        else if (to->dims[i] < 0)
            return tl_error(TL_ERROR_SHAPE, "reshape: to %s: one extent may be -1, none less",
                            TL_SHAPE_TEXT(*to));
    if (tl_shape_check("reshape", known) != TL_OK)
        return tl_error_status();
    int64_t count = tl_shape_count(from), rest = tl_shape_count(known);
    tl_shape asked = *to;
    if (unknown >= 0 && rest > 0)
        to->dims[unknown] = count / rest;
    if (tl_shape_count(*to) == count && (unknown < 0 || rest > 0))
        return TL_OK;
    return tl_error(TL_ERROR_SHAPE, "reshape: %s has %lld elements, %s does not fit", TL_SHAPE_TEXT(from),
                    (long long)count, TL_SHAPE_TEXT(asked));
}

tl_tensor tl_tensor_reshape(tl_tensor tensor, tl_shape shape)
{
    if (!tensor.storage || complete_shape(tensor.shape, &shape) != TL_OK)
        return empty;
    tl_tensor result = tensor;
    result.shape = shape;
    tl_tensor_set_row_major(&result);
    if (tl_tensor_is_row_major(tensor))
        return result;
    /* Walk both shapes from the left in groups with equal products; each group must be gapless inside. */
    tl_tensor old = tensor;
    for (int i = old.shape.rank - 1; i >= 0; i--)
        if (old.shape.dims[i] == 1)
            old = drop_axis(old, i);
    int i = 0, j = 0;
    while (i < old.shape.rank) {
        int first = i, start = j;
        int64_t have = old.shape.dims[i++], want = j < shape.rank ? shape.dims[j++] : 1;
        while (have != want) {
            if (have < want)
                have *= old.shape.dims[i++];
            else
                want *= shape.dims[j++];
        }
        for (int k = first; k + 1 < i; k++)
            if (old.strides[k] != old.strides[k + 1] * old.shape.dims[k + 1]) {
                tl_error(TL_ERROR_SHAPE, "reshape: a view of shape %s cannot become %s without a copy",
                         TL_SHAPE_TEXT(tensor.shape), TL_SHAPE_TEXT(shape));
                return empty;
            }
        int64_t stride = old.strides[i - 1];
        for (int k = j - 1; k >= start; k--) {
            result.strides[k] = stride;
            stride *= shape.dims[k];
        }
    }
    return result; /* what is left of the new shape is ones, whose strides do not matter */
}

tl_tensor tl_tensor_broadcast(tl_tensor tensor, tl_shape shape)
{
    if (!tensor.storage || tl_shape_check("broadcast", shape) != TL_OK)
        return empty;
    tl_tensor result = tensor;
    result.shape = shape;
    int added = shape.rank - tensor.shape.rank;
    for (int i = 0; i < shape.rank; i++) {
        int64_t extent = i < added ? 1 : tensor.shape.dims[i - added];
        if (added < 0 || (extent != shape.dims[i] && extent != 1)) {
            tl_error(TL_ERROR_SHAPE, "broadcast: %s to %s", TL_SHAPE_TEXT(tensor.shape),
                     TL_SHAPE_TEXT(shape));
            return empty;
        }
        result.strides[i] = i < added || extent != shape.dims[i] ? 0 : tensor.strides[i - added];
    }
    if (added < 0) {
        tl_error(TL_ERROR_SHAPE, "broadcast: %s to %s", TL_SHAPE_TEXT(tensor.shape), TL_SHAPE_TEXT(shape));
        return empty;
    }
    return result;
}

tl_tensor tl_tensor_unsqueeze(tl_tensor tensor, int axis)
{
    if (!tensor.storage)
        return empty;
    tl_tensor result = tensor;
    int rank = tensor.shape.rank, at = axis < 0 ? axis + rank + 1 : axis;
    if (rank == TL_MAX_RANK || at < 0 || at > rank) {
        tl_error(TL_ERROR_SHAPE, "unsqueeze: axis %d of shape %s", axis, TL_SHAPE_TEXT(tensor.shape));
        return empty;
    }
    for (int i = rank; i > at; i--) {
        result.shape.dims[i] = tensor.shape.dims[i - 1];
        result.strides[i] = tensor.strides[i - 1];
    }
    result.shape.rank = rank + 1;
    result.shape.dims[at] = 1;
    result.strides[at] = at < rank ? tensor.strides[at] * tensor.shape.dims[at] : 1;
    return result;
}

tl_tensor tl_tensor_unfold(tl_tensor tensor, int axis, int64_t size, int64_t step)
{
    if (!tensor.storage)
        return empty;
    int at = tl_shape_axis("unfold", tensor.shape, axis), rank = tensor.shape.rank;
    if (at < 0)
        return empty;
    int64_t extent = tensor.shape.dims[at];
    if (rank == TL_MAX_RANK || size < 1 || size > extent || step < 1) {
        tl_error(TL_ERROR_SHAPE, "unfold: windows of %lld every %lld along axis %d of shape %s",
                 (long long)size, (long long)step, axis, TL_SHAPE_TEXT(tensor.shape));
        return empty;
    }
    int64_t windows = (extent - size) / step + 1;
    tl_tensor result = tensor;
    result.shape.rank = rank + 1;
    result.shape.dims[at] = windows;
    result.shape.dims[rank] = size;
    result.strides[rank] = tensor.strides[at];
    if (windows > 1) /* of one window, the stride does not matter and the step may be anything */
        result.strides[at] *= step;
    return tl_shape_check("unfold", result.shape) == TL_OK ? result : empty;
}
