#include "data/file_internal.h"
#include "data/safetensors_internal.h"
#include "tensor/memory_internal.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

/* A JSON string, or NULL with the error set; `what` says what the text is. */
static json_t *json_text(const char *path, const char *what, const char *text)
{
    json_error_t error;
    json_t *string = text ? json_pack_ex(&error, 0, "s", text) : NULL;
    if (!text)
        tl_file_error(TL_ERROR_ARGUMENT, path, "a %s is NULL", what);
    else if (!string && json_error_code(&error) == json_error_invalid_utf8)
        tl_file_error(TL_ERROR_ARGUMENT, path, "a %s is not UTF-8", what);
    else if (!string)
        tl_header_no_memory(path);
    return string;
}

/* object[key] = value. Takes over `value`; a NULL one is an error that was already set. */
static tl_status add(const char *path, json_t *object, const char *what, const char *key, json_t *value)
{
    json_t *checked = value ? json_text(path, what, key) : NULL;
    tl_status status = TL_OK;
    if (!checked)
        status = tl_error_status();
    else if (json_object_get(object, key))
        status = tl_file_error(TL_ERROR_ARGUMENT, path, "%s \"%.100s\" is already taken", what, key);
    else if (json_object_set(object, key, value) != 0)
        status = tl_header_no_memory(path);
    json_decref(checked);
    json_decref(value);
    return status;
}

/* {"dtype": ..., "shape": ..., "data_offsets": [offset, offset + bytes]}, or NULL with the error set. */
static json_t *describe(const char *path, tl_tensor tensor, size_t offset, size_t bytes)
{
    json_t *shape = json_array();
    int failed = !shape;
    for (int i = 0; i < tensor.shape.rank && !failed; i++)
        failed = json_array_append_new(shape, json_integer(tensor.shape.dims[i]));
    json_t *entry = failed
                        ? NULL
                        : json_pack("{s:s, s:O, s:[I, I]}", "dtype", tl_header_dtypes[tensor.dtype], "shape",
                                    shape, "data_offsets", (json_int_t)offset, (json_int_t)(offset + bytes));
    json_decref(shape);
    if (!entry)
        tl_header_no_memory(path);
    return entry;
}

static tl_status need_tensor(const char *path, const char *name, tl_tensor tensor)
{
    if (tl_tensor_ok(tensor))
        return tl_header_need_shape(TL_ERROR_SHAPE, path, name ? name : "", tensor.shape);
    if (tl_error_status() != TL_OK)
        return tl_error_status(); /* the message says why it is empty */
    return tl_file_error(TL_ERROR_ARGUMENT, path, "tensor \"%.100s\" is empty", name ? name : "");
}

static tl_status add_tensors(const char *path, json_t *header, const tl_named_tensor tensors[], int count)
{
    size_t offset = 0;
    for (int i = 0; i < count; i++) {
        tl_tensor tensor = tensors[i].tensor;
        tl_status status = need_tensor(path, tensors[i].name, tensor);
        if (status != TL_OK)
            return status;
        status = add(path, header, "tensor name", tensors[i].name,
                     describe(path, tensor, offset, tl_header_bytes(tensor)));
        if (status != TL_OK)
            return status;
        offset += tl_header_bytes(tensor);
    }
    return TL_OK;
}

static tl_status add_metadata(const char *path, json_t *header, const tl_metadata metadata[], int pairs)
{
    json_t *object = json_object();
    if (!object || json_object_set_new(header, TL_HEADER_METADATA, object) != 0)
        return tl_header_no_memory(path);
    tl_status status = TL_OK;
    for (int i = 0; i < pairs && status == TL_OK; i++)
        status = add(path, object, "metadata key", metadata[i].key,
                     json_text(path, "metadata value", metadata[i].value));
    return status;
}

/* The header's length and text, padded with spaces to a multiple of eight; NULL with the error set. The
 * caller releases it. */
static char *encode(const char *path, const json_t *header, size_t *bytes)
{
    size_t length = json_dumpb(header, NULL, 0, JSON_COMPACT);
    if (length == 0) {
        tl_header_no_memory(path);
        return NULL;
    }
    size_t padded = (length + 7) / 8 * 8;
    if (padded > TL_HEADER_MOST) {
        tl_file_error(TL_ERROR_ARGUMENT, path,
                      "names and metadata take a header of %zu bytes, the most is %d", padded,
                      TL_HEADER_MOST);
        return NULL;
    }
    char *text = tl_allocate_raw(TL_HEADER_PREFIX + padded);
    if (!text)
        return NULL;
    for (int i = 0; i < TL_HEADER_PREFIX; i++)
        text[i] = (char)(padded >> 8 * i & 0xff);
    memset(text + TL_HEADER_PREFIX, ' ', padded);
    if (json_dumpb(header, text + TL_HEADER_PREFIX, length, JSON_COMPACT) != length) {
        tl_header_no_memory(path);
        tl_release(text);
        return NULL;
    }
    *bytes = TL_HEADER_PREFIX + padded;
    return text;
}

static char *encode_all(const char *path, const tl_named_tensor tensors[], int count,
                        const tl_metadata metadata[], int pairs, size_t *bytes)
{
    json_t *header = json_object();
    tl_status status = header ? add_metadata(path, header, metadata, pairs) : tl_header_no_memory(path);
    if (status == TL_OK)
        status = add_tensors(path, header, tensors, count);
    char *text = status == TL_OK ? encode(path, header, bytes) : NULL;
    json_decref(header);
    return text;
}

static tl_status put_tensor(tl_replacement *to, tl_tensor tensor)
{
    size_t bytes = tl_header_bytes(tensor);
    char *values = tl_allocate_raw(bytes);
    if (!values)
        return tl_error_status();
    tl_status status = tl_copy_out(tensor, values, bytes);
    if (status == TL_OK)
        status = tl_replacement_put(to, values, bytes);
    tl_release(values);
    return status;
}

tl_status tl_safetensors_write(const char *path, const tl_named_tensor tensors[], int count,
                               const tl_metadata metadata[], int pairs)
{
    tl_replacement to;
    tl_status status = tl_replacement_open(&to, path);
    if (status != TL_OK)
        return status;
    size_t bytes = 0;
    char *header = encode_all(path, tensors, count, metadata, pairs, &bytes);
    status = header ? tl_replacement_put(&to, header, bytes) : tl_error_status();
    tl_release(header);
    for (int i = 0; i < count && status == TL_OK; i++)
        status = put_tensor(&to, tensors[i].tensor);
    if (status == TL_OK)
        status = tl_replacement_finish(&to);
    tl_replacement_close(&to);
    return status;
}

tl_status tl_safetensors_writable(const char *path)
{
    tl_replacement to;
    tl_status status = tl_replacement_open(&to, path);
    if (status == TL_OK)
        tl_replacement_close(&to);
    return status;
}
