/* Weights to and from safetensors files. */
#include "nn/model_internal.h"
#include "tensor/memory_internal.h"

tl_status tl_save_with(const tl_model *model, const char *path, const tl_metadata metadata[], int count)
{
    if (tl_model_check("save", model, false, true) != TL_OK)
        return tl_error_status();
    tl_named_tensor *tensors = tl_allocate((size_t)model->parameter_count * sizeof *tensors);
    if (!tensors)
        return TL_ERROR_MEMORY;
    for (int i = 0; i < model->parameter_count; i++)
        tensors[i] = (tl_named_tensor){model->parameters[i]->name, model->parameters[i]->value};
    tl_status status = tl_safetensors_write(path, tensors, model->parameter_count, metadata, count);
    tl_release(tensors);
    return status;
}

tl_status tl_save(const tl_model *model, const char *path)
{
    return tl_save_with(model, path, NULL, 0);
}

/* Every parameter has its tensor in the file, of the same shape and type, and the file has no others. */
static tl_status check_fit(const tl_model *model, const tl_safetensors *file)
{
    if (tl_safetensors_count(file) != model->parameter_count)
        return tl_error(TL_ERROR_FORMAT,
                        "load_weights: the file has %d tensors, the model %d: of another model?",
                        tl_safetensors_count(file), model->parameter_count);
    for (int i = 0; i < model->parameter_count; i++) {
        const tl_parameter *p = model->parameters[i];
        tl_tensor stored = tl_safetensors_tensor(file, p->name);
        if (!stored.storage)
            return tl_error_status();
        if (stored.dtype != p->value.dtype || !tl_shape_equal(stored.shape, p->value.shape))
            return tl_error(TL_ERROR_FORMAT, "load_weights: %s is %s %s in the file, the model has %s %s",
                            p->name, tl_dtype_name(stored.dtype), TL_SHAPE_TEXT(stored.shape),
                            tl_dtype_name(p->value.dtype), TL_SHAPE_TEXT(p->value.shape));
    }
    return tl_safetensors_check_finite(file);
}

tl_status tl_load_weights_from(tl_model *model, const tl_safetensors *file)
{
    if (!file || tl_model_check("load_weights", model, false, true) != TL_OK ||
        check_fit(model, file) != TL_OK)
        return tl_error_status();
    for (int i = 0; i < model->parameter_count; i++)
        if (tl_tensor_copy(model->parameters[i]->value,
                           tl_safetensors_tensor(file, model->parameters[i]->name)) != TL_OK)
            return tl_error_status();
    return TL_OK;
}

tl_status tl_load_weights(tl_model *model, const char *path)
{
    tl_safetensors *file = tl_safetensors_read(path);
    tl_status status = file ? tl_load_weights_from(model, file) : tl_error_status();
    tl_safetensors_free(file);
    return status;
}
