/* Arithmetic on tensors: the kernels applied to views of any strides. What ops are written with.
 *
 * All operands have one dtype, f32 or f64, and shapes that the caller has checked; nothing here fails.
 * Outputs overwrite unless they are said to add. Large products are spread over threads when called
 * outside a parallel region; the result is the same bit for bit either way.
 */
#ifndef TL_TENSOR_COMPUTE_INTERNAL_H
#define TL_TENSOR_COMPUTE_INTERNAL_H

#include "tensor/kernels/kernels_internal.h"
#include "tensor/tensor.h"

/* out = f(a, b, p); a and b are broadcast to out's shape. Leave b empty for maps of one argument. */
void tl_compute_map(tl_map map, tl_tensor out, tl_tensor a, tl_tensor b, const double *p);

/* out = a, or out += a. */
void tl_compute_store(tl_tensor out, tl_tensor a, bool add);

/* out (+)= sum of a over the axes along which out's shape, matched from the right, has 1 or nothing. */
void tl_compute_sum(tl_tensor out, tl_tensor a, bool add);

/* The same for the maximum; the maximum of nothing is -infinity. */
void tl_compute_max(tl_tensor out, tl_tensor a);

/* The kernels of the same names, over threads where that pays. */
void tl_compute_product(tl_dtype dtype, const tl_product *product);
void tl_compute_outer(tl_dtype dtype, const tl_outer *outer);
void tl_compute_update(tl_dtype dtype, tl_update update, int64_t n, const double *p, const void *g, void *w,
                       void *const states[TL_UPDATE_STATES]);

#endif
