#include "saved.h"

#include <stdlib.h>
#include <string.h>

enum { MOST_PARTS = 4 };

tl_status save_model(const tl_model *model, const char *path, const saved_part parts[], int count)
{
    tl_metadata metadata[MOST_PARTS] = {0};
    char *texts[MOST_PARTS] = {0};
    tl_status status = TL_OK;
    for (int i = 0; i < count; i++) {
        texts[i] = parts[i].value ? json_dumps(parts[i].value, JSON_COMPACT) : NULL;
        metadata[i] = (tl_metadata){parts[i].key, texts[i]};
        json_decref(parts[i].value);
        if (!texts[i])
            status = tl_error(TL_ERROR_MEMORY, "out of memory for %s", parts[i].key);
    }
    if (status == TL_OK)
        status = tl_save_with(model, path, metadata, count);
    for (int i = 0; i < count; i++)
        free(texts[i]);
    return status;
}

tl_status saved_by_another(const char *path, const char *key)
{
    return tl_error(TL_ERROR_FORMAT, "%s: not a model saved by this program: no valid %s in its metadata",
                    path, key);
}

json_t *saved_value(const tl_safetensors *file, const char *key, const char *path)
{
    const char *text = tl_safetensors_metadata(file, key);
    json_t *value = text ? json_loads(text, 0, NULL) : NULL;
    if (!value)
        saved_by_another(path, key);
    return value;
}

tl_status saved_holds(const tl_safetensors *file, const char *path, int64_t rows, int64_t columns)
{
    int64_t bytes = tl_safetensors_bytes(file);
    if (rows * columns <= bytes / (int64_t)sizeof(float))
        return TL_OK;
    return tl_error(TL_ERROR_FORMAT,
                    "%s: weights of another model: %lld bytes, too few for the [%lld, %lld] of its metadata",
                    path, (long long)bytes, (long long)rows, (long long)columns);
}

tl_status load_weights(tl_model *model, const tl_safetensors *file)
{
    return model ? tl_load_weights_from(model, file) : tl_error_status();
}

static bool names(const char *message, const char *path)
{
    size_t length = strlen(path);
    return strncmp(message, path, length) == 0 && message[length] == ':';
}

tl_status in_file(tl_status status, const char *path)
{
    if (status == TL_OK || names(tl_error_message(), path))
        return status;
    return tl_error(status, "%s: %s", path, tl_error_message());
}
