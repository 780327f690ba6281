#include "nn/layers.h"
#include "tensor/options_internal.h"

typedef struct normalization {
    tl_module module;
    tl_layer_normalization_options options;
    tl_parameter *gamma, *beta; /* NULL: none */
} normalization;

static tl_status build(tl_module *module, tl_builder *builder, tl_shape input, tl_shape *output)
{
    normalization *layer = (normalization *)module;
    if (input.rank < 1)
        return tl_error(TL_ERROR_SHAPE, "layer_normalization: input %s without features",
                        TL_SHAPE_TEXT(input));
    tl_shape features = tl_shape(input.dims[input.rank - 1]);
    *output = input;
    if (!layer->options.no_scale && !(layer->gamma = tl_build_parameter(builder, "gamma", features, TL_ONES)))
        return tl_error_status();
    if (!layer->options.no_center && !(layer->beta = tl_build_parameter(builder, "beta", features, TL_ZEROS)))
        return tl_error_status();
    return TL_OK;
}

static tl_var *forward(const tl_module *module, tl_var *x)
{
    const normalization *layer = (const normalization *)module;
    tl_tape *tape = tl_tape_of(x);
    tl_var *y = tl_layer_norm(x, layer->options.epsilon);
    if (layer->gamma)
        y = tl_mul(y, tl_use(tape, layer->gamma));
    if (layer->beta)
        y = tl_add(y, tl_use(tape, layer->beta));
    return y ? tl_set_mask(y, tl_mask_of(x)) : NULL;
}

static const tl_module_type type = {
    .name = "layer_normalization", .build = build, .forward = forward, .takes_mask = true};

tl_module *tl_layer_normalization_with(const tl_layer_normalization_options *options)
{
    tl_layer_normalization_options o;
    tl_options_read(&o, sizeof o, options);
    o.epsilon = tl_option(o.epsilon, 0.001);
    if (!(o.epsilon > 0)) {
        tl_error(TL_ERROR_ARGUMENT, "layer_normalization: epsilon %g, expected more than 0", o.epsilon);
        return NULL;
    }
    normalization *layer = tl_module_new(&type, sizeof *layer);
    if (!layer)
        return NULL;
    layer->options = o;
    return &layer->module;
}
