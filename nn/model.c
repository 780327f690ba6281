#include "nn/model_internal.h"
#include "optim/optimizer_internal.h"
#include "tensor/memory_internal.h"
#include "tensor/options_internal.h"

#include <stdio.h>
#include <string.h>

static void free_layers(tl_module *const layers[], int count)
{
    for (int i = 0; i < count; i++)
        tl_module_free(layers[i]);
}

static tl_status name_layers(tl_model *model)
{
    for (int i = 0; i < model->layer_count; i++)
        if (tl_module_name(model->layers, i, NULL) != TL_OK)
            return TL_ERROR_MEMORY;
    return TL_OK;
}

/* Marks layers as a model's. One that is in a model already, this or another, keeps all from being taken:
 * they stay whose they were. */
static tl_status take_layers(tl_module *const layers[], int count)
{
    for (int i = 0; i < count; i++) {
        if (!layers[i])
            continue;
        if (layers[i]->joined) {
            tl_error(TL_ERROR_STATE, "sequential: layer %d, %s, is in a model already", i, layers[i]->kind);
            for (int j = 0; j < i; j++)
                if (layers[j])
                    layers[j]->joined = false;
            return TL_ERROR_STATE;
        }
        layers[i]->joined = true;
    }
    return TL_OK;
}

tl_model *tl_sequential_of(tl_module *const layers[], int count)
{
    bool whole = count > 0;
    for (int i = 0; i < count; i++)
        whole &= layers[i] != NULL; /* a layer that failed left the error */
    if (count < 1)
        tl_error(TL_ERROR_ARGUMENT, "sequential: no layers");
    if (take_layers(layers, count) != TL_OK)
        return NULL;
    tl_model *model = whole ? tl_allocate(sizeof *model) : NULL;
    tl_module **own = model ? tl_allocate((size_t)count * sizeof *own) : NULL;
    if (!own) {
        free_layers(layers, count);
        tl_release(model);
        return NULL;
    }
    memcpy(own, layers, (size_t)count * sizeof *own);
    model->layers = own;
    model->layer_count = count;
    model->activation = TL_LINEAR;
    model->shards = tl_shards_new();
    model->step = tl_tape_new();
    if (model->shards && model->step && name_layers(model) == TL_OK)
        return model;
    tl_model_free(model);
    return NULL;
}

void tl_model_free(tl_model *model)
{
    if (!model)
        return;
    tl_optimizer_free(model->optimizer);
    free_layers(model->layers, model->layer_count);
    tl_release(model->layers);
    tl_release(model->parameters);
    tl_release(model->failure);
    tl_release(model->results);
    tl_shards_free(model->shards);
    tl_tape_free(model->step);
    tl_release(model);
}

static tl_status adopt_optimizer(tl_model *model, tl_optimizer *optimizer)
{
    if (model->built && tl_optimizer_add(optimizer, model->parameters, model->parameter_count) != TL_OK) {
        tl_optimizer_free(optimizer);
        return tl_error_status();
    }
    model->optimizer = optimizer;
    return TL_OK;
}

/* Lets the loss have the last layer's activation where the two belong together. */
static void fuse_activation(tl_model *model)
{
    tl_module *last = model->layers[model->layer_count - 1];
    tl_activation wanted = tl_loss_activation(model->loss);
    if (model->from_logits || wanted == TL_LINEAR || !last->type->take_activation ||
        !last->type->take_activation(last, wanted))
        return;
    model->activation = wanted;
    model->from_logits = true;
}

/* Keeps the first reason why the model does not compile, until it does. */
static tl_status refuse(tl_model *model, tl_status status)
{
    if (!model->compiled && !model->failure) {
        model->failure = tl_allocate_text(tl_error_message());
        model->failure_status = status;
    }
    return status;
}

tl_status tl_compile_with(tl_model *model, const tl_compile_options *options)
{
    tl_compile_options o;
    tl_options_read(&o, sizeof o, options);
    if (o.optimizer && tl_optimizer_hand_over(o.optimizer) != TL_OK)
        return model ? refuse(model, tl_error_status()) : tl_error_status();
    tl_status status = TL_OK;
    if (!model)
        status = tl_missing("compile", "model");
    else if (model->compiled)
        status = tl_error(TL_ERROR_STATE, "compile: the model is compiled already");
    else if (!o.optimizer)
        status =
            tl_missing("compile", "optimizer"); /* one that could not be made is not replaced by another */
    else if (!tl_loss_name(o.loss))
        status = tl_error(TL_ERROR_ARGUMENT, "compile: loss %d is not one, such as TL_BINARY_CROSSENTROPY",
                          (int)o.loss);
    if (status != TL_OK)
        tl_optimizer_free(o.optimizer);
    else
        status = adopt_optimizer(model, o.optimizer);
    if (status != TL_OK)
        return model ? refuse(model, status) : status;
    model->loss = o.loss;
    model->from_logits = o.from_logits;
    fuse_activation(model);
    tl_release(model->failure);
    model->failure = NULL;
    model->compiled = true;
    return TL_OK;
}

static tl_status collect_parameters(tl_model *model)
{
    int count = 0;
    for (int i = 0; i < model->layer_count; i++)
        count += tl_module_parameters(model->layers[i]);
    model->parameters = tl_allocate((size_t)count * sizeof(tl_parameter *));
    if (!model->parameters)
        return TL_ERROR_MEMORY;
    for (int i = 0; i < model->layer_count; i++)
        for (int j = 0; j < tl_module_parameters(model->layers[i]); j++)
            model->parameters[model->parameter_count++] = tl_module_parameter(model->layers[i], j);
    return model->optimizer ? tl_optimizer_add(model->optimizer, model->parameters, model->parameter_count)
                            : TL_OK;
}

tl_status tl_build(tl_model *model, tl_shape input, tl_dtype dtype, uint64_t seed)
{
    if (!model)
        return tl_missing("build", "model");
    if (model->built)
        return tl_error(TL_ERROR_STATE, "build: the model is built already");
    if (!tl_dtype_is_float(dtype))
        return tl_error(TL_ERROR_DTYPE, "build: weights of %s, expected f32 or f64", tl_dtype_name(dtype));
    tl_shape least = input;
    if (least.rank > 0 && least.dims[0] == TL_ANY)
        least.dims[0] = 1;
    if (tl_shape_check("build", least) != TL_OK)
        return tl_error_status();
    tl_builder builder = {.dtype = dtype, .seed = seed};
    tl_shape shape = input;
    tl_status status = TL_OK;
    for (int i = 0; i < model->layer_count && status == TL_OK; i++) {
        status = tl_module_build(model->layers[i], &builder, shape);
        shape = model->layers[i]->output;
    }
    model->input = input;
    model->dtype = dtype;
    model->seed = seed;
    if (status == TL_OK)
        status = collect_parameters(model);
    model->built = status == TL_OK;
    if (status != TL_OK) { /* so that another try, with another shape, finds all as it was */
        for (int i = 0; i < model->layer_count; i++)
            tl_module_unbuild(model->layers[i]);
        tl_release(model->parameters);
        model->parameters = NULL;
        model->parameter_count = 0;
    }
    return status;
}

tl_status tl_model_check(const char *what, const tl_model *model, bool compiled, bool built)
{
    if (!model)
        return tl_missing(what, "model");
    if (model->failure)
        return tl_error(model->failure_status, "%s: the model failed to compile: %s", what, model->failure);
    if (compiled && !model->compiled)
        return tl_error(TL_ERROR_STATE, "%s: the model is not compiled (tl_compile)", what);
    if (built && !model->built)
        return tl_error(TL_ERROR_STATE, "%s: the model is not built (tl_build, or tl_fit)", what);
    return TL_OK;
}

void tl_model_set_detect_anomaly(tl_model *model, bool detects)
{
    if (model)
        model->detects = detects;
}

tl_status tl_reset_states(tl_model *model)
{
    if (!model)
        return tl_missing("reset_states", "model");
    for (int i = 0; i < model->layer_count; i++)
        tl_module_reset_states(model->layers[i]);
    return TL_OK;
}

tl_var *tl_forward(tl_model *model, tl_var *x)
{
    if (!x || tl_model_check("forward", model, false, true) != TL_OK)
        return NULL;
    for (int i = 0; i < model->layer_count && x; i++)
        x = tl_module_forward(model->layers[i], x);
    return x;
}

tl_parameter *const *tl_model_parameters(const tl_model *model, int *count)
{
    *count = model && model->built ? model->parameter_count : 0;
    return model && model->built ? model->parameters : NULL;
}

tl_optimizer *tl_model_optimizer(const tl_model *model)
{
    return model ? model->optimizer : NULL;
}

size_t tl_model_peak_bytes(const tl_model *model)
{
    return model ? tl_shards_peak_bytes(model->shards) + tl_tape_peak_bytes(model->step) : 0;
}
