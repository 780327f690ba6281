#include "nn/layers.h"
#include "tensor/options_internal.h"

typedef struct dense {
    tl_module module;
    tl_dense_options options;
    tl_parameter *kernel, *bias; /* bias NULL: none */
} dense;

static tl_status build(tl_module *module, tl_builder *builder, tl_shape input, tl_shape *output)
{
    dense *layer = (dense *)module;
    const tl_dense_options *o = &layer->options;
    if (input.rank < 1)
        return tl_error(TL_ERROR_SHAPE, "dense: input %s without features", TL_SHAPE_TEXT(input));
    *output = input;
    output->dims[input.rank - 1] = o->units;
    tl_initializer kernel = o->kernel_initializer ? o->kernel_initializer : TL_GLOROT_UNIFORM;
    layer->kernel =
        tl_build_parameter(builder, "kernel", tl_shape(input.dims[input.rank - 1], o->units), kernel);
    if (!layer->kernel)
        return tl_error_status();
    if (o->no_bias)
        return TL_OK;
    layer->bias = tl_build_parameter(builder, "bias", tl_shape(o->units),
                                     o->bias_initializer ? o->bias_initializer : TL_ZEROS);
    return layer->bias ? TL_OK : tl_error_status();
}

static tl_var *forward(const tl_module *module, tl_var *x)
{
    const dense *layer = (const dense *)module;
    tl_tape *tape = tl_tape_of(x);
    tl_activation activation = layer->options.activation;
    bool fused = layer->bias && activation != TL_SOFTMAX;
    tl_var *kernel = tl_use(tape, layer->kernel), *y;
    if (layer->bias)
        y = tl_affine(x, kernel, tl_use(tape, layer->bias), fused ? activation : TL_LINEAR);
    else
        y = tl_matmul(x, kernel);
    if (!fused)
        y = tl_activate(y, activation);
    return tl_set_mask(y, tl_mask_of(x));
}

static bool take_activation(tl_module *module, tl_activation activation)
{
    dense *layer = (dense *)module;
    if (layer->options.activation != activation)
        return false;
    layer->options.activation = TL_LINEAR;
    return true;
}

static const tl_module_type type = {.name = "dense",
                                    .build = build,
                                    .forward = forward,
                                    .take_activation = take_activation,
                                    .takes_mask = true};

tl_module *tl_dense_with(const tl_dense_options *options)
{
    tl_dense_options o;
    tl_options_read(&o, sizeof o, options);
    if (o.units < 1) {
        tl_error(TL_ERROR_ARGUMENT, "dense: units %lld, expected at least 1", (long long)o.units);
        return NULL;
    }
    if (!tl_activation_name(o.activation)) {
        tl_error(TL_ERROR_ARGUMENT, "dense: activation %d is not known", (int)o.activation);
        return NULL;
    }
    dense *layer = tl_module_new(&type, sizeof *layer);
    if (!layer)
        return NULL;
    layer->options = o;
    if (!layer->options.activation)
        layer->options.activation = TL_LINEAR;
    return &layer->module;
}
