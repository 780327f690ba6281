#include "nn/layers.h"
#include "tensor/options_internal.h"

typedef struct dropout {
    tl_module module;
    double rate;
} dropout;

static tl_status build(tl_module *module, tl_builder *builder, tl_shape input, tl_shape *output)
{
    (void)module, (void)builder;
    *output = input;
    return TL_OK;
}

static tl_var *forward(const tl_module *module, tl_var *x)
{
    return tl_dropout(x, ((const dropout *)module)->rate);
}

static const tl_module_type type = {
    .name = "dropout", .build = build, .forward = forward, .takes_mask = true};

tl_module *tl_dropout_layer_with(const tl_dropout_options *options)
{
    tl_dropout_options o;
    tl_options_read(&o, sizeof o, options);
    if (!(o.rate >= 0 && o.rate < 1)) {
        tl_error(TL_ERROR_ARGUMENT, "dropout: rate %g, expected 0 <= rate < 1", o.rate);
        return NULL;
    }
    dropout *layer = tl_module_new(&type, sizeof *layer);
    if (!layer)
        return NULL;
    layer->rate = o.rate;
    return &layer->module;
}
