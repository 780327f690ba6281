#include "writer.h"

#include "../common/saved.h"

#include <stdlib.h>
#include <string.h>

static const char network_key[] = "char_rnn.network", alphabet_key[] = "char_rnn.alphabet";

tl_status build_writer(writer *w, tl_optimizer *optimizer, uint64_t seed)
{
    const network *n = &w->network;
    int64_t size = tl_alphabet_size(w->alphabet);
    tl_module *layers[2 * MOST_LAYERS + 2];
    int count = 0;
    layers[count++] = n->embedding
                          ? tl_embedding(size, n->embedding, .embeddings_initializer = TL_STANDARD_NORMAL)
                          : tl_category_encoding(size);
    for (int i = 0; i < n->layers; i++) {
        layers[count++] = tl_simple_rnn(
            n->units, .return_sequences = true, .stateful = true, .kernel_initializer = n->initializer,
            .recurrent_initializer = n->initializer, .recurrent_dropout = n->recurrent_dropout);
        if (n->dropout > 0)
            layers[count++] = tl_dropout_layer(n->dropout);
    }
    layers[count++] = tl_dense(size, .activation = TL_SOFTMAX, .kernel_initializer = n->initializer);
    w->model = tl_sequential_of(layers, count);
    if (tl_compile(w->model, .optimizer = optimizer, .loss = TL_SPARSE_CATEGORICAL_CROSSENTROPY) == TL_OK &&
        tl_build(w->model, tl_shape(TL_ANY), TL_F32, seed) == TL_OK)
        return TL_OK;
    return tl_error_status();
}

static json_t *characters_of(const tl_alphabet *alphabet)
{
    json_t *array = json_array();
    for (int64_t i = 0; i < tl_alphabet_size(alphabet); i++)
        json_array_append_new(array, json_integer(tl_alphabet_characters(alphabet)[i]));
    return array;
}

tl_status save_writer(const writer *w, const char *path)
{
    const network *n = &w->network;
    json_t *config = json_pack("{s:i, s:i, s:i, s:b}", "units", n->units, "layers", n->layers, "embedding",
                               n->embedding, "bytes", tl_alphabet_by_bytes(w->alphabet));
    const saved_part parts[] = {{network_key, config}, {alphabet_key, characters_of(w->alphabet)}};
    return save_model(w->model, path, parts, 2);
}

static tl_status read_network(network *n, bool *bytes, json_t *config, const char *path)
{
    int by_bytes;
    if (json_unpack(config, "{s:i, s:i, s:i, s:b}", "units", &n->units, "layers", &n->layers, "embedding",
                    &n->embedding, "bytes", &by_bytes) != 0 ||
        n->units < 1 || n->units > MOST_UNITS || n->layers < 1 || n->layers > MOST_LAYERS ||
        n->embedding < 0 || n->embedding > MOST_UNITS)
        return saved_by_another(path, network_key);
    n->initializer = TL_ZEROS; /* the weights are read */
    *bytes = by_bytes;
    return TL_OK;
}

static tl_status read_alphabet(writer *w, bool bytes, json_t *array, const char *path)
{
    size_t count = json_array_size(array); /* 0 for what is no array */
    int32_t *characters = count ? calloc(count, sizeof *characters) : NULL;
    for (size_t i = 0; characters && i < count; i++) {
        json_int_t value = json_integer_value(json_array_get(array, i));
        characters[i] = value >= 0 && value <= 0x10FFFF ? (int32_t)value : -1;
    }
    if (characters)
        w->alphabet = tl_alphabet_from_characters(characters, (int64_t)count, .by_bytes = bytes);
    free(characters);
    return w->alphabet ? TL_OK : saved_by_another(path, alphabet_key);
}

tl_status load_writer(writer *w, const char *path)
{
    *w = (writer){0};
    bool bytes = false;
    tl_safetensors *file = tl_safetensors_read(path);
    json_t *config = file ? saved_value(file, network_key, path) : NULL;
    json_t *array = config ? saved_value(file, alphabet_key, path) : NULL;
    tl_status status = array ? read_network(&w->network, &bytes, config, path) : tl_error_status();
    if (status == TL_OK)
        status = read_alphabet(w, bytes, array, path);
    int64_t size = tl_alphabet_size(w->alphabet), units = w->network.units;
    if (status == TL_OK)
        status = saved_holds(file, path, w->network.layers * units, units);
    if (status == TL_OK)
        status = saved_holds(file, path, size, units);
    if (status == TL_OK)
        status = saved_holds(file, path, size, w->network.embedding);
    if (status == TL_OK)
        status = build_writer(w, tl_adam(), 0);
    if (status == TL_OK)
        status = load_weights(w->model, file);
    json_decref(array);
    json_decref(config);
    tl_safetensors_free(file);
    return in_file(status, path);
}

void free_writer(writer *w)
{
    tl_model_free(w->model);
    tl_alphabet_free(w->alphabet);
}
