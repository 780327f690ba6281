/* A trained model as one file: its weights, and as JSON beside them what it takes to build it again. */
#ifndef COMMON_SAVED_H
#define COMMON_SAVED_H

#include <jansson.h>
#include <tapeloop.h>

/* Something kept beside the weights. */
typedef struct saved_part {
    const char *key; /* "imdb.vocabulary" */
    json_t *value;   /* NULL when out of memory, which save_model reports */
} saved_part;

/* Writes a model with its parts, at most 4, and releases their values. */
tl_status save_model(const tl_model *model, const char *path, const saved_part parts[], int count);

/* A part of a file that was read, to be released with json_decref; NULL with the error set if it is not there
 * or is no JSON. `path` is for messages. */
json_t *saved_value(const tl_safetensors *file, const char *key, const char *path);

/* The error of a file whose part `key` is not what this program writes. */
tl_status saved_by_another(const char *path, const char *key);

/* An error if a matrix of that size, which metadata speaks of, has more values than all tensors of the file:
 * a model is built only if what it takes is there. */
tl_status saved_holds(const tl_safetensors *file, const char *path, int64_t rows, int64_t columns);

/* Loads the weights of a file into a built model; NULL is one that could not be built. */
tl_status load_weights(tl_model *model, const tl_safetensors *file);

/* The status of reading a file, as it is, but that the message of an error names the file. */
tl_status in_file(tl_status status, const char *path);

#endif
