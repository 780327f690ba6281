/* Tensors: n-d arrays and views of them.
 *
 * A tl_tensor is a small value: a shape and strides over a storage that somebody owns. Views (slice,
 * select, transpose, reshape, broadcast, unfold) are new values over the same storage; they copy nothing and
 * own nothing. Exactly one value, the one that tl_tensor_new returned, is freed. Rests on shape.h and
 * error.h.
 *
 * A function that cannot give a tensor sets the error and returns an empty one (storage == NULL,
 * tl_tensor_ok() false); a function given an empty one returns an empty one and leaves the message, so a
 * chain of views needs one check at its end.
 *
 * Thread-safety: reading one storage from many threads is fine; writing needs the caller's own lock.
 */
#ifndef TL_TENSOR_TENSOR_H
#define TL_TENSOR_TENSOR_H

#include "shape.h"

/* Memory behind tensors. `version` is a number no other state of any storage ever had: it changes whenever
 * the contents may have, which is how stale copies (packed weights, values saved for backward) are known. */
typedef struct tl_storage {
    void *data;
    size_t bytes;
    uint64_t version;
    const void *tape;        /* the tape whose step tensor this is; NULL for memory of the caller's */
    bool is_parameter;       /* used step after step, so that what is made of it is worth keeping */
    const void *gradient_of; /* the tape whose gradient this is; NULL for all else */
    bool recycled;           /* step memory that may be given back before the tape's reset */
    bool awaited;            /* a gradient that is still to be read after it was given back */
} tl_storage;

typedef struct tl_tensor {
    tl_storage *storage;
    int64_t offset; /* of the first element, in elements */
    tl_shape shape;
    int64_t strides[TL_MAX_RANK]; /* in elements */
    tl_dtype dtype;
} tl_tensor;

/* A new tensor of zeros, row-major. The caller frees it with tl_tensor_free. */
TL_API tl_tensor tl_tensor_new(tl_dtype dtype, tl_shape shape);

/* A new tensor with a copy of `values`, row-major, tl_shape_count(shape) of them; NULL stands for zeros. The
 * caller frees it. */
TL_API tl_tensor tl_tensor_of(tl_dtype dtype, tl_shape shape, const void *values);

/* Frees the storage and makes *tensor empty. NULL and empty tensors are fine. Only for what
 * tl_tensor_new, tl_tensor_of or a function that says so returned, and not for views of it. */
TL_API void tl_tensor_free(tl_tensor *tensor);

/* False for the empty tensor that stands for a failure. */
TL_API bool tl_tensor_ok(tl_tensor tensor);

/* The number of elements. */
TL_API int64_t tl_tensor_count(tl_tensor tensor);

/* True if the elements lie one after the other in row-major order. */
TL_API bool tl_tensor_is_row_major(tl_tensor tensor);

/* True if the elements fill one gapless stretch of memory in some order of the axes. */
TL_API bool tl_tensor_is_dense(tl_tensor tensor);

/* The elements of a row-major tensor, for reading; NULL with the error set for any other view. */
TL_API const void *tl_data(tl_tensor tensor);

/* The same for writing. Gives the storage a new version. */
TL_API void *tl_data_mut(tl_tensor tensor);

/* Copies the elements of any view to `out` in row-major order. `bytes` is the room there; an error if it
 * is not exactly what the elements take. */
TL_API tl_status tl_copy_out(tl_tensor tensor, void *out, size_t bytes);

/* The element at `index`, one number an axis, as a double; NaN with the error set if out of range. Slow:
 * for tests, printing and debugging. */
TL_API double tl_tensor_at(tl_tensor tensor, const int64_t *index);

/* The only element of a tensor with one, whatever its rank, as a double; NaN with the error set otherwise. */
TL_API double tl_tensor_item(tl_tensor tensor);

/* Sets every element to `value`, converted as by tl_tensor_copy. */
TL_API tl_status tl_tensor_fill(tl_tensor tensor, double value);

/* Copies source into target, element by element. Source is broadcast to target's shape; element types are
 * converted as C does, and where that leaves it open, into i32 what is too large becomes the nearest number
 * and NaN becomes 0. The two must not overlap. */
TL_API tl_status tl_tensor_copy(tl_tensor target, tl_tensor source);

/* Elements start to start + length - 1 along `axis` (negative: from the end). */
TL_API tl_tensor tl_tensor_slice(tl_tensor tensor, int axis, int64_t start, int64_t length);

/* Element `index` along `axis`, which disappears: x[:, t] is tl_tensor_select(x, 1, t). Negative indices
 * count from the end. */
TL_API tl_tensor tl_tensor_select(tl_tensor tensor, int axis, int64_t index);

/* Two axes exchanged. */
TL_API tl_tensor tl_tensor_transpose(tl_tensor tensor, int axis, int other);

/* The same elements, in row-major order, under another shape; one extent may be -1 and is worked out. An
 * error where strides do not allow it without a copy. */
TL_API tl_tensor tl_tensor_reshape(tl_tensor tensor, tl_shape shape);

/* The tensor repeated along axes of extent 1, and along new ones in front, to reach `shape`. */
TL_API tl_tensor tl_tensor_broadcast(tl_tensor tensor, tl_shape shape);

/* A new axis of extent 1 before `axis` (-1: at the end). */
TL_API tl_tensor tl_tensor_unsqueeze(tl_tensor tensor, int axis);

/* Windows along `axis` (negative: from the end), as torch.Tensor.unfold gives them: every window has `size`
 * elements and starts `step` after the one before, so there are (extent - size) / step + 1 of them, rounded
 * down. They take the place of the axis, and their elements become a new last axis: unfold of [9, 2] along 0
 * with size 3 and step 2 is [4, 2, 3]. With step < size windows overlap: many elements of the view are one in
 * memory, and it must not be written to. */
TL_API tl_tensor tl_tensor_unfold(tl_tensor tensor, int axis, int64_t size, int64_t step);

#endif
