/* What the layers above need of tensors beyond the public header. */
#ifndef TL_TENSOR_TENSOR_INTERNAL_H
#define TL_TENSOR_TENSOR_INTERNAL_H

#include "tensor/tensor.h"

/* A version number never given before. Thread-safe. */
uint64_t tl_next_version(void);

/* Sets row-major strides for tensor->shape. */
void tl_tensor_set_row_major(tl_tensor *tensor);

/* The first `rank` axes of a tensor, outermost in memory first; ties keep their order. */
void tl_axes_by_stride(tl_tensor tensor, int rank, int order[]);

/* Sets the strides of a gapless tensor of the same shape whose axes lie in memory in the order of
 * `like`, which need not be gapless itself. */
void tl_tensor_set_strides_like(tl_tensor *tensor, tl_tensor like);

/* tl_dtype_size, for inner loops. */
static inline size_t tl_size_of(tl_dtype dtype)
{
    return dtype == TL_F64 ? 8 : dtype == TL_U8 ? 1 : 4;
}

/* The element at an address, as a double. */
double tl_element(const void *address, tl_dtype dtype);

/* The first element's address, whatever the strides. */
static inline char *tl_address(tl_tensor tensor)
{
    return (char *)tensor.storage->data + (size_t)tensor.offset * tl_size_of(tensor.dtype);
}

/* Sees `count` tensors of shapes [..., n_i], leading extents equal, as matrices [rows, n_i] with one row
 * stride each and last axes without gaps; rows are taken in the order in which the first tensor's axes lie
 * in memory, the same for all. False, with no error set, where strides do not allow that. */
bool tl_tensors_as_rows(int count, const tl_tensor tensors[], tl_tensor rows[]);

#endif
