/* Walking several tensors of one shape together, in runs that are as long as their strides allow. */
#ifndef TL_TENSOR_ITERATE_INTERNAL_H
#define TL_TENSOR_ITERATE_INTERNAL_H

#include "tensor/tensor.h"

enum { TL_MAX_OPERANDS = 4 };

/* n elements of each operand, from at[i] on, strides[i] elements apart. */
typedef void (*tl_run)(void *context, int64_t n, char *const at[], const int64_t strides[]);

/* Calls `run` until every element of the operands, at most TL_MAX_OPERANDS of one shape, was covered once.
 * Axes are merged where possible and taken in the order of the first operand's memory. */
void tl_iterate(int operands, const tl_tensor tensors[], tl_run run, void *context);

#endif
