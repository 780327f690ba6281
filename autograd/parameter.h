/* Parameters: the tensors that training changes. Rests on tensor.h.
 *
 * A parameter is an object with a name, a value and a gradient of the same shape. tl_use() puts it on a
 * tape, tl_backward() adds to its gradient, an optimizer's step changes the value and clears the gradient.
 */
#ifndef TL_AUTOGRAD_PARAMETER_H
#define TL_AUTOGRAD_PARAMETER_H

#include "../tensor/tensor.h"

typedef struct tl_parameter {
    char *name;
    tl_tensor value;    /* row-major, f32 or f64 */
    tl_tensor gradient; /* of the same shape and dtype; zero until a backward */
    bool trainable;     /* true at first; a frozen parameter gets no gradient */
} tl_parameter;

/* A new parameter with a copy of `name` and the value `value`, a row-major f32 or f64 tensor of the
 * caller's that from then on belongs to the parameter, even when this fails. The caller frees it. */
TL_API tl_parameter *tl_parameter_new(const char *name, tl_tensor value);

/* Frees the parameter, its value and its gradient. NULL is fine. */
TL_API void tl_parameter_free(tl_parameter *parameter);

/* Sets the gradient to zero. */
TL_API void tl_parameter_clear_gradient(tl_parameter *parameter);

#endif
