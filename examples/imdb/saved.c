#include "saved.h"

#include "../common/saved.h"

#include <stdlib.h>
#include <string.h>

static const char config_key[] = "imdb.config", vocabulary_key[] = "imdb.vocabulary";

const char *const poolings[] = {"none", "average", "max", NULL};

static bool pools(const network *n)
{
    return strcmp(n->pooling, "none") != 0;
}

static tl_module *one_direction(const network *n)
{
    return tl_simple_rnn(n->units, .return_sequences = pools(n), .recurrent_initializer = n->initializer,
                         .recurrent_dropout = n->recurrent_dropout);
}

static tl_module *recurrent_layer(const network *n)
{
    tl_module *forward = one_direction(n);
    return n->bidirectional ? tl_bidirectional(forward, one_direction(n)) : forward;
}

static tl_module *pooling_layer(const network *n)
{
    return strcmp(n->pooling, "max") == 0 ? tl_global_max_pooling_1d() : tl_global_average_pooling_1d();
}

tl_status build_model(sentiment *s, tl_optimizer *optimizer, uint64_t seed)
{
    const network *n = &s->network;
    tl_module *layers[7];
    int count = 0;
    layers[count++] = tl_embedding(tl_vocabulary_limit(s->vocabulary), n->embedding, .mask_zero = n->mask);
    if (n->normalize)
        layers[count++] = tl_layer_normalization();
    if (n->dropout > 0)
        layers[count++] = tl_dropout_layer(n->dropout);
    layers[count++] = recurrent_layer(n);
    if (pools(n))
        layers[count++] = pooling_layer(n);
    if (n->dropout > 0)
        layers[count++] = tl_dropout_layer(n->dropout);
    layers[count++] = tl_dense(1, .activation = TL_SIGMOID);
    s->model = tl_sequential_of(layers, count);
    if (tl_compile(s->model, .optimizer = optimizer, .loss = TL_BINARY_CROSSENTROPY) == TL_OK &&
        tl_build(s->model, tl_shape(n->maxlen), TL_F32, seed) == TL_OK)
        return TL_OK;
    return tl_error_status();
}

static json_t *words_of(const tl_vocabulary *vocabulary)
{
    json_t *words = json_array();
    for (int64_t rank = 1; rank <= tl_vocabulary_size(vocabulary); rank++)
        json_array_append_new(words, json_string(tl_vocabulary_word(vocabulary, rank)));
    return words;
}

tl_status save_sentiment(const sentiment *s, const char *path)
{
    const network *n = &s->network;
    json_t *config =
        json_pack("{s:I, s:I, s:I, s:b, s:b, s:b, s:s}", "maxlen", (json_int_t)n->maxlen, "embedding",
                  (json_int_t)n->embedding, "units", (json_int_t)n->units, "mask", n->mask, "bidirectional",
                  n->bidirectional, "normalize", n->normalize, "pooling", n->pooling);
    const saved_part parts[] = {{config_key, config}, {vocabulary_key, words_of(s->vocabulary)}};
    return save_model(s->model, path, parts, 2);
}

static bool in_range(json_int_t value, int64_t most)
{
    return value >= 1 && value <= most;
}

static tl_status read_network(network *n, json_t *config, const char *path)
{
    json_int_t maxlen, embedding, units;
    const char *pooling;
    if (json_unpack(config, "{s:I, s:I, s:I, s:b, s:b, s:b, s:s}", "maxlen", &maxlen, "embedding", &embedding,
                    "units", &units, "mask", &n->mask, "bidirectional", &n->bidirectional, "normalize",
                    &n->normalize, "pooling", &pooling) != 0 ||
        !in_range(maxlen, MOST_MAXLEN) || !in_range(units, MOST_UNITS) || !in_range(embedding, MOST_UNITS))
        return saved_by_another(path, config_key);
    n->maxlen = maxlen;
    n->embedding = embedding;
    n->units = units;
    for (int i = 0; poolings[i]; i++)
        if (strcmp(poolings[i], pooling) == 0)
            n->pooling = poolings[i];
    return n->pooling ? TL_OK : saved_by_another(path, config_key);
}

static tl_status read_vocabulary(sentiment *s, json_t *array, const char *path)
{
    size_t count = json_array_size(array); /* 0 for what is no array */
    const char **words = count ? calloc(count, sizeof *words) : NULL;
    bool whole = words != NULL;
    for (size_t i = 0; whole && i < count; i++)
        whole = (words[i] = json_string_value(json_array_get(array, i))) != NULL;
    if (whole)
        s->own_vocabulary = tl_vocabulary_from_words(words, (int64_t)count);
    free(words);
    s->vocabulary = s->own_vocabulary;
    return s->vocabulary ? TL_OK : whole ? tl_error_status() : saved_by_another(path, vocabulary_key);
}

tl_status load_sentiment(sentiment *s, const char *path)
{
    *s = (sentiment){0};
    tl_safetensors *file = tl_safetensors_read(path);
    json_t *config = file ? saved_value(file, config_key, path) : NULL;
    json_t *words = config ? saved_value(file, vocabulary_key, path) : NULL;
    tl_status status = words ? read_network(&s->network, config, path) : tl_error_status();
    if (status == TL_OK)
        status = read_vocabulary(s, words, path);
    const network *n = &s->network;
    if (status == TL_OK)
        status = saved_holds(file, path, n->units, n->units);
    if (status == TL_OK)
        status = saved_holds(file, path, n->units, n->embedding);
    if (status == TL_OK)
        status = saved_holds(file, path, tl_vocabulary_limit(s->vocabulary), n->embedding);
    if (status == TL_OK)
        status = build_model(s, tl_rmsprop(), 0);
    if (status == TL_OK)
        status = load_weights(s->model, file);
    json_decref(words);
    json_decref(config);
    tl_safetensors_free(file);
    return in_file(status, path);
}

void free_sentiment(sentiment *s)
{
    tl_model_free(s->model);
    tl_vocabulary_free(s->own_vocabulary);
}

tl_status check_review(const char *text, const char *name)
{
    int64_t bad = tl_utf8_check(text, strlen(text));
    if (bad >= 0)
        return tl_error(TL_ERROR_FORMAT, "%s is not UTF-8 at byte %lld", name, (long long)bad);
    return tl_text_is_blank(text) ? tl_error(TL_ERROR_ARGUMENT, "%s is empty", name) : TL_OK;
}

tl_status judge(const sentiment *s, const char *text, const char *name, double *probability)
{
    if (check_review(text, name) != TL_OK)
        return tl_error_status();
    int64_t length = tl_vocabulary_encode(s->vocabulary, text, NULL, 0);
    int32_t *ids = malloc((size_t)length * sizeof *ids);
    if (!ids)
        return tl_error(TL_ERROR_MEMORY, "out of memory for %s", name);
    tl_vocabulary_encode(s->vocabulary, text, ids, length);
    const tl_sequence sequence = {ids, length};
    tl_tensor x = tl_pad_sequences(&sequence, 1, .maxlen = s->network.maxlen);
    tl_tensor y = tl_predict(s->model, x, 1);
    tl_status status = tl_tensor_ok(y) ? TL_OK : tl_error_status();
    if (status == TL_OK)
        *probability = tl_tensor_item(y);
    tl_tensor_free(&x);
    tl_tensor_free(&y);
    free(ids);
    return status;
}
