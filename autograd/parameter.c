#include "autograd/parameter.h"
#include "tensor/memory_internal.h"

#include <string.h>

tl_parameter *tl_parameter_new(const char *name, tl_tensor value)
{
    tl_parameter *parameter = NULL;
    if (!value.storage)
        return NULL;
    if (!tl_dtype_is_float(value.dtype))
        tl_error(TL_ERROR_DTYPE, "parameter %s: %s, expected f32 or f64", name, tl_dtype_name(value.dtype));
    else if (tl_data(value))
        parameter = tl_allocate(sizeof *parameter);
    if (!parameter) {
        tl_tensor_free(&value);
        return NULL;
    }
    parameter->trainable = true;
    parameter->value = value;
    value.storage->is_parameter = true;
    parameter->name = tl_allocate_text(name);
    parameter->gradient = tl_tensor_new(value.dtype, value.shape);
    if (parameter->name && parameter->gradient.storage)
        return parameter;
    tl_parameter_free(parameter);
    return NULL;
}

void tl_parameter_free(tl_parameter *parameter)
{
    if (!parameter)
        return;
    tl_release(parameter->name);
    tl_tensor_free(&parameter->value);
    tl_tensor_free(&parameter->gradient);
    tl_release(parameter);
}

void tl_parameter_clear_gradient(tl_parameter *parameter)
{
    memset(tl_data_mut(parameter->gradient), 0, parameter->gradient.storage->bytes);
}
