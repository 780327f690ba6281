/* Sample cases of ops brought to life. */
#ifndef TL_AUTOGRAD_CASES_INTERNAL_H
#define TL_AUTOGRAD_CASES_INTERNAL_H

#include "autograd/op.h"

/* Random tensors behind the inputs of a case, floats in `dtype`: the same numbers for f32 and f64 up to
 * rounding. An input that is another one again has none. The caller frees all TL_MAX_INPUTS. */
tl_status tl_case_tensors(const tl_op_case *sample, tl_dtype dtype, tl_tensor tensors[TL_MAX_INPUTS]);

/* The op applied to vars of those tensors, through the views that the case asks for. */
tl_var *tl_case_apply(const tl_op *op, const tl_op_case *sample, tl_var *const vars[]);

#endif
