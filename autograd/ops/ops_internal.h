/* The descriptors behind ops.h, and what their files share. */
#ifndef TL_AUTOGRAD_OPS_OPS_INTERNAL_H
#define TL_AUTOGRAD_OPS_OPS_INTERNAL_H

#include "autograd/op_internal.h"
#include "autograd/ops.h"
#include "autograd/tape_internal.h"
#include "tensor/compute_internal.h"

/* Each file's ops, NULL-terminated; registry.c lists the files. */
typedef const tl_op *const tl_op_list[];
extern tl_op_list tl_arithmetic_ops, tl_function_ops, tl_matmul_ops, tl_affine_ops, tl_scan_ops,
    tl_reduce_ops, tl_view_ops, tl_join_ops, tl_gather_ops, tl_where_ops, tl_softmax_ops, tl_normalize_ops,
    tl_dropout_ops, tl_loss_ops;

#define TL_COUNT(array) ((int)(sizeof(array) / sizeof((array)[0])))

static const tl_tensor TL_NONE = {0};

/* For ops of one and two vars. */
tl_var *tl_apply1(const tl_op *op, tl_var *x, const void *attributes, size_t bytes);
tl_var *tl_apply2(const tl_op *op, tl_var *a, tl_var *b, const void *attributes, size_t bytes);

/* Sees `out` [..., n] and `in` [..., k], leading axes equal, as matrices with matching rows; `in` is copied
 * to scratch where its strides do not allow that. `out` is an op's result or gradient, so that its strides
 * do. */
tl_status tl_as_rows(const tl_op_call *call, tl_tensor out, tl_tensor in, tl_tensor *out_rows,
                     tl_tensor *in_rows);

/* out [..., n] (+)= rows [..., k] w [k, n], with w packed once for as long as it stays the same. */
tl_status tl_rows_times(const tl_op_call *call, tl_tensor out, tl_tensor rows, tl_tensor w, bool add);

/* The gradient of input 1, a^T g over all rows of a [..., k], an input's value, and g [..., n]. It may be
 * left to wait for others if g, when it is a gradient, stays as it is. */
tl_status tl_rows_outer(const tl_op_call *call, tl_tensor a, tl_tensor g, bool stays);

/* A kernel for rows of consecutive elements applied along the last axis. */
tl_status tl_along_last_axis(const tl_op_call *call, void (*kernel)(int64_t n, const void *a, void *out),
                             tl_tensor out, tl_tensor x);

/* The maps of an activation that works element by element, and of its gradient; false with the error set for
 * any other. */
bool tl_activation_maps(const char *what, tl_activation activation, tl_map *value, tl_map *gradient);

/* Whether the gradient of an input is to be written. */
static inline bool tl_wanted(const tl_op_call *call, int input)
{
    return call->grad_inputs[input].storage != NULL;
}

/* Scratch in the form of a tensor; empty with the error set when there is none. */
tl_tensor tl_scratch_tensor(const tl_op_call *call, tl_dtype dtype, tl_shape shape);

#endif
