#include "network.h"

#include "../common/saved.h"

#include <string.h>

static const char key[] = "mnist.network";

static tl_activation activation_by_name(const char *name)
{
    static const tl_activation known[] = {TL_TANH, TL_RELU, TL_SIGMOID, TL_LINEAR};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (strcmp(tl_activation_name(known[i]), name) == 0)
            return known[i];
    return TL_DEFAULT_ACTIVATION;
}

network network_of(const options *o)
{
    return (network){.by_pixels = strcmp(o->sequence, "pixels") == 0,
                     .label_each_step = o->return_sequences,
                     .bidirectional = o->bidirectional,
                     .units = o->units,
                     .layers = o->layers,
                     .activation = activation_by_name(o->activation),
                     .kernel_initializer = tl_initializer_by_name(o->kernel_initializer),
                     .initializer = tl_initializer_by_name(o->initializer),
                     .dropout = o->dropout,
                     .recurrent_dropout = o->recurrent_dropout,
                     .permute = o->permute == NOT_GIVEN ? -1 : o->permute};
}

reading reading_of(const network *n)
{
    return (reading){.by_pixels = n->by_pixels,
                     .label_each_step = n->label_each_step,
                     .permuted = n->permute >= 0,
                     .permutation = (uint64_t)n->permute};
}

static tl_module *one_direction(const network *n, int layer)
{
    return tl_simple_rnn(n->units, .activation = n->activation, .kernel_initializer = n->kernel_initializer,
                         .recurrent_initializer = n->initializer,
                         .return_sequences = n->label_each_step || layer + 1 < n->layers,
                         .dropout = layer > 0 ? n->dropout : 0, .recurrent_dropout = n->recurrent_dropout);
}

static tl_module *recurrent_layer(const network *n, int layer)
{
    tl_module *forward = one_direction(n, layer);
    return n->bidirectional ? tl_bidirectional(forward, one_direction(n, layer)) : forward;
}

tl_model *new_model(const network *n, tl_optimizer *optimizer, uint64_t seed)
{
    tl_module *layers[MOST_LAYERS + 2];
    int count = 0;
    for (int i = 0; i < n->layers; i++)
        layers[count++] = recurrent_layer(n, i);
    if (n->dropout > 0)
        layers[count++] = tl_dropout_layer(n->dropout);
    layers[count++] = tl_dense(CLASSES, .activation = TL_SOFTMAX);
    tl_model *model = tl_sequential_of(layers, count);
    tl_shape input = n->by_pixels ? tl_shape(PIXELS, 1) : tl_shape(SIDE, SIDE);
    if (tl_compile(model, .optimizer = optimizer, .loss = TL_SPARSE_CATEGORICAL_CROSSENTROPY) == TL_OK &&
        tl_build(model, input, TL_F32, seed) == TL_OK)
        return model;
    tl_model_free(model);
    return NULL;
}

tl_status save_network(const network *n, const tl_model *model, const char *path)
{
    json_t *config = json_pack("{s:b, s:b, s:b, s:i, s:i, s:s, s:I}", "pixels", n->by_pixels,
                               "return_sequences", n->label_each_step, "bidirectional", n->bidirectional,
                               "units", n->units, "layers", n->layers, "activation",
                               tl_activation_name(n->activation), "permute", (json_int_t)n->permute);
    return save_model(model, path, &(saved_part){key, config}, 1);
}

static tl_status read_config(network *n, json_t *config, const char *path)
{
    int pixels, each, both;
    json_int_t permute;
    const char *activation;
    *n = (network){.kernel_initializer = TL_ZEROS, .initializer = TL_ZEROS}; /* the weights are read */
    if (json_unpack(config, "{s:b, s:b, s:b, s:i, s:i, s:s, s:I}", "pixels", &pixels, "return_sequences",
                    &each, "bidirectional", &both, "units", &n->units, "layers", &n->layers, "activation",
                    &activation, "permute", &permute) != 0)
        return saved_by_another(path, key);
    n->by_pixels = pixels;
    n->label_each_step = each;
    n->bidirectional = both;
    n->permute = permute;
    n->activation = activation_by_name(activation);
    if (n->units < 1 || n->units > MOST_UNITS || n->layers < 1 || n->layers > MOST_LAYERS || !n->activation)
        return saved_by_another(path, key);
    return TL_OK;
}

tl_model *load_network(network *n, const char *path)
{
    tl_safetensors *file = tl_safetensors_read(path);
    json_t *config = file ? saved_value(file, key, path) : NULL;
    tl_status status = config ? read_config(n, config, path) : tl_error_status();
    if (status == TL_OK)
        status = saved_holds(file, path, (int64_t)n->layers * n->units, n->units);
    tl_model *model = status == TL_OK ? new_model(n, tl_adam(), 0) : NULL;
    if (status == TL_OK)
        status = load_weights(model, file);
    json_decref(config);
    tl_safetensors_free(file);
    if (in_file(status, path) == TL_OK)
        return model;
    tl_model_free(model);
    return NULL;
}
