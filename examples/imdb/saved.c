#include "saved.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

static const char config_key[] = "imdb.config", vocabulary_key[] = "imdb.vocabulary";

tl_model *new_network(int64_t ids, int64_t maxlen, int64_t units, tl_optimizer *optimizer, uint64_t seed)
{
    tl_model *model = tl_sequential(tl_embedding(ids, EMBEDDING), tl_simple_rnn(units),
                                    tl_dense(1, .activation = TL_SIGMOID));
    if (tl_compile(model, .optimizer = optimizer, .loss = TL_BINARY_CROSSENTROPY) == TL_OK &&
        tl_build(model, tl_shape(maxlen), TL_F32, seed) == TL_OK)
        return model;
    tl_model_free(model);
    return NULL;
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
    json_t *config = json_pack("{s:I, s:I}", "maxlen", (json_int_t)s->maxlen, "units", (json_int_t)s->units);
    json_t *words = words_of(s->vocabulary);
    char *config_text = config ? json_dumps(config, JSON_COMPACT) : NULL;
    char *words_text = words ? json_dumps(words, JSON_COMPACT) : NULL;
    tl_status status;
    if (config_text && words_text) {
        const tl_metadata metadata[] = {{config_key, config_text}, {vocabulary_key, words_text}};
        status = tl_save_with(s->model, path, metadata, 2);
    } else {
        status = tl_error(TL_ERROR_MEMORY, "out of memory for the vocabulary");
    }
    free(config_text);
    free(words_text);
    json_decref(config);
    json_decref(words);
    return status;
}

static tl_status not_ours(const char *path)
{
    return tl_error(TL_ERROR_FORMAT,
                    "%s: not a model saved by this program: no valid %s and %s in its metadata", path,
                    config_key, vocabulary_key);
}

static tl_status read_config(sentiment *s, const char *text, const char *path)
{
    json_int_t maxlen = 0, units = 0;
    json_t *config = text ? json_loads(text, 0, NULL) : NULL;
    int read = config ? json_unpack(config, "{s:I, s:I}", "maxlen", &maxlen, "units", &units) : -1;
    json_decref(config);
    if (read != 0 || maxlen < 1 || units < 1 || maxlen > MOST_MAXLEN || units > MOST_UNITS)
        return not_ours(path);
    s->maxlen = maxlen;
    s->units = units;
    return TL_OK;
}

static tl_status read_vocabulary(sentiment *s, const char *text, const char *path)
{
    json_t *array = text ? json_loads(text, 0, NULL) : NULL;
    size_t count = json_array_size(array); /* 0 for what is no array */
    const char **words = count ? calloc(count, sizeof *words) : NULL;
    bool whole = words != NULL;
    for (size_t i = 0; whole && i < count; i++)
        whole = (words[i] = json_string_value(json_array_get(array, i))) != NULL;
    if (whole)
        s->own_vocabulary = tl_vocabulary_from_words(words, (int64_t)count);
    free(words);
    json_decref(array);
    s->vocabulary = s->own_vocabulary;
    return s->vocabulary ? TL_OK : whole ? tl_error_status() : not_ours(path);
}

tl_status load_sentiment(sentiment *s, const char *path)
{
    *s = (sentiment){0};
    tl_safetensors *file = tl_safetensors_read(path);
    if (!file)
        return tl_error_status();
    tl_status status = read_config(s, tl_safetensors_metadata(file, config_key), path);
    if (status == TL_OK)
        status = read_vocabulary(s, tl_safetensors_metadata(file, vocabulary_key), path);
    if (status == TL_OK) {
        s->model = new_network(tl_vocabulary_limit(s->vocabulary), s->maxlen, s->units, tl_rmsprop(), 0);
        status = s->model ? tl_load_weights_from(s->model, file) : tl_error_status();
    }
    tl_safetensors_free(file);
    if (status != TL_OK && strncmp(tl_error_message(), path, strlen(path)) != 0)
        return tl_error(status, "%s: %s", path, tl_error_message());
    return status;
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
    tl_tensor x = tl_pad_sequences(&sequence, 1, .maxlen = s->maxlen);
    tl_tensor y = tl_predict(s->model, x, 1);
    tl_status status = tl_tensor_ok(y) ? TL_OK : tl_error_status();
    if (status == TL_OK)
        *probability = tl_tensor_item(y);
    tl_tensor_free(&x);
    tl_tensor_free(&y);
    free(ids);
    return status;
}
