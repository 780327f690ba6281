#include "autograd/trace_internal.h"
#include "nn/model_internal.h"
#include "tensor/error_internal.h"
#include "tensor/memory_internal.h"

#include <stdio.h>
#include <string.h>

enum { NAME_SIZE = 160 };

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
    for (int i = 0; i < module->child_count; i++)
        tl_module_free(module->children[i]);
    tl_release(module->children);
    tl_release(module->name);
    tl_release(module);
}

static const char *scope_of(const tl_module *module)
{
    return module->name ? module->name : module->kind;
}

tl_status tl_module_enter(const tl_module *module, tl_tape *tape)
{
    if (!tape->traces)
        return TL_OK;
    const char *name = scope_of(module), *last = tape->scope ? strrchr(name, '/') : NULL;
    return tl_scope_push(tape, last ? last + 1 : name);
}

tl_status tl_module_name(tl_module *const layers[], int index, const tl_module *outer)
{
    tl_module *layer = layers[index];
    int before = 0;
    for (int i = 0; i < index; i++)
        before += strcmp(layers[i]->kind, layer->kind) == 0;
    char number[16] = "", name[NAME_SIZE];
    if (before > 0)
        snprintf(number, sizeof number, "_%d", before);
    snprintf(name, sizeof name, "%s%s%s%s", outer ? scope_of(outer) : "", outer ? "/" : "", layer->kind,
             number);
    layer->name = tl_allocate_text(name);
    return layer->name ? TL_OK : TL_ERROR_MEMORY;
}

/* A child that its parent did not name. */
static tl_status name_child(const tl_module *outer, const tl_module *child)
{
    for (int i = 0; i < outer->child_count; i++)
        if (outer->children[i] == child)
            return tl_module_name(outer->children, i, outer);
    return TL_OK;
}

tl_status tl_module_build(tl_module *module, tl_builder *builder, tl_shape input)
{
    if (!module)
        return tl_missing("build", "module");
    if (module->built)
        return tl_error(TL_ERROR_STATE, "build: %s is built already", module->kind);
    tl_module *outer = builder->module;
    if (outer && !module->name && name_child(outer, module) != TL_OK)
        return tl_error_status();
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
    for (int i = 0; i < module->child_count; i++)
        tl_module_unbuild(module->children[i]);
}

tl_var *tl_module_forward(const tl_module *module, tl_var *x)
{
    if (!module || !x)
        return NULL;
    if (tl_mask_of(x).storage && !module->type->takes_mask) {
        tl_error(TL_ERROR_ARGUMENT, "%s: its input has a mask, which this layer would ignore",
                 scope_of(module));
        return NULL;
    }
    tl_tape *tape = tl_tape_of(x);
    if (tl_module_enter(module, tape) != TL_OK)
        return NULL;
    tl_var *y = module->type->forward(module, x);
    tl_scope_pop(tape);
    return y;
}

tl_var *tl_module_prepare(tl_module *module, const tl_step *step, tl_var *table, bool *failed)
{
    if (!module->type->prepare)
        return NULL;
    if (step && tl_module_enter(module, step->tape) != TL_OK) {
        *failed = true;
        return NULL;
    }
    tl_var *rows = module->type->prepare(module, step, table, failed);
    if (step)
        tl_scope_pop(step->tape);
    return rows;
}

void tl_module_reset_states(tl_module *module)
{
    if (module->type->reset_states)
        module->type->reset_states(module);
    for (int i = 0; i < module->child_count; i++)
        tl_module_reset_states(module->children[i]);
}

/* A copy of `count` pointers with room for one more. */
static void *with_room(void *items, int count)
{
    void *grown = tl_allocate(((size_t)count + 1) * sizeof(void *));
    if (grown && count > 0)
        memcpy(grown, items, (size_t)count * sizeof(void *));
    if (grown)
        tl_release(items);
    return grown;
}

static tl_status append(tl_module *module, tl_parameter *parameter)
{
    tl_parameter **grown = with_room(module->parameters, module->parameter_count);
    if (!grown)
        return TL_ERROR_MEMORY;
    grown[module->parameter_count++] = parameter;
    module->parameters = grown;
    return TL_OK;
}

tl_status tl_module_adopt(tl_module *module, tl_module *child)
{
    if (!child)
        return tl_missing(module->kind, "layer");
    if (child->joined)
        return tl_error(TL_ERROR_STATE, "%s: layer %s belongs to another already", module->kind, child->kind);
    tl_module **grown = with_room(module->children, module->child_count);
    if (!grown) {
        tl_module_free(child);
        return TL_ERROR_MEMORY;
    }
    grown[module->child_count++] = child;
    module->children = grown;
    child->joined = true;
    return TL_OK;
}

tl_parameter *tl_build_parameter(tl_builder *builder, const char *name, tl_shape shape,
                                 tl_initializer initializer)
{
    tl_module *module = builder->module;
    char full[NAME_SIZE];
    snprintf(full, sizeof full, "%s/%s", scope_of(module), name);
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

int tl_module_parameters(const tl_module *module)
{
    int count = module->parameter_count;
    for (int i = 0; i < module->child_count; i++)
        count += tl_module_parameters(module->children[i]);
    return count;
}

tl_parameter *tl_module_parameter(const tl_module *module, int index)
{
    if (index < module->parameter_count)
        return module->parameters[index];
    index -= module->parameter_count;
    int child = 0;
    for (; index >= tl_module_parameters(module->children[child]); child++)
        index -= tl_module_parameters(module->children[child]);
    return tl_module_parameter(module->children[child], index);
}

int64_t tl_module_weights(const tl_module *module)
{
    int64_t count = 0;
    for (int i = 0; i < tl_module_parameters(module); i++)
        count += tl_tensor_count(tl_module_parameter(module, i)->value);
    return count;
}
