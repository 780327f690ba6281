#include "nn/module.h"
#include "tensor/error_internal.h"
#include "tensor/memory_internal.h"

#include <stdio.h>
#include <string.h>

void *tl_module_new(const tl_module_type *type, size_t size)
{
    tl_module *module = tl_allocate(size);
    if (module) {
        module->type = type;
        module->kind = type->name;
    }
    return module;
}

void tl_module_free(tl_module *module)
{
    if (!module)
        return;
    if (module->type->free)
        module->type->free(module);
    tl_module_unbuild(module);
    tl_release(module->name);
    tl_release(module);
}

tl_status tl_module_build(tl_module *module, tl_builder *builder, tl_shape input)
{
    if (!module)
        return tl_missing("build", "module");
    if (module->built)
        return tl_error(TL_ERROR_STATE, "build: %s is built already", module->kind);
    tl_module *outer = builder->module;
    builder->module = module;
    tl_status status = module->type->build(module, builder, input, &module->output);
    builder->module = outer;
    module->built = status == TL_OK;
    if (status != TL_OK)
        tl_module_unbuild(module);
    return status;
}

void tl_module_unbuild(tl_module *module)
{
    for (int i = 0; i < module->parameter_count; i++)
        tl_parameter_free(module->parameters[i]);
    tl_release(module->parameters);
    module->parameters = NULL;
    module->parameter_count = 0;
    module->built = false;
}

tl_var *tl_module_forward(const tl_module *module, tl_var *x)
{
    if (!module || !x)
        return NULL;
    if (tl_mask_of(x).storage && !module->type->takes_mask) {
        tl_error(TL_ERROR_ARGUMENT, "%s: its input has a mask, which this layer would ignore",
                 module->name ? module->name : module->kind);
        return NULL;
    }
    return module->type->forward(module, x);
}

static tl_status append(tl_module *module, tl_parameter *parameter)
{
    size_t count = (size_t)module->parameter_count;
    tl_parameter **grown = tl_allocate((count + 1) * sizeof(tl_parameter *));
    if (!grown)
        return TL_ERROR_MEMORY;
    if (count > 0)
        memcpy(grown, module->parameters, count * sizeof(tl_parameter *));
    grown[count] = parameter;
    tl_release(module->parameters);
    module->parameters = grown;
    module->parameter_count++;
    return TL_OK;
}

tl_parameter *tl_build_parameter(tl_builder *builder, const char *name, tl_shape shape,
                                 tl_initializer initializer)
{
    tl_module *module = builder->module;
    const char *scope = module->name ? module->name : module->kind;
    char full[160];
    snprintf(full, sizeof full, "%s/%s", scope, name);
    tl_tensor value = tl_tensor_new(builder->dtype, shape);
    if (!value.storage || tl_initialize(value, initializer, builder->seed, builder->streams++) != TL_OK) {
        tl_tensor_free(&value);
        return NULL;
    }
    tl_parameter *parameter = tl_parameter_new(full, value);
    if (parameter && append(module, parameter) != TL_OK) {
        tl_parameter_free(parameter);
        return NULL;
    }
    return parameter;
}

int64_t tl_module_weights(const tl_module *module)
{
    int64_t count = 0;
    for (int i = 0; i < module->parameter_count; i++)
        count += tl_tensor_count(module->parameters[i]->value);
    return count;
}
