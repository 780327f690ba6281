#include "data/file_internal.h"
#include "data/safetensors_internal.h"
#include "tensor/memory_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct entry {
    const char *name;
    tl_tensor tensor;   /* empty but for dtype and shape until the values are read */
    int64_t begin, end; /* of the values, in bytes from the start of the data */
    int position;       /* in the header */
} entry;

struct tl_safetensors {
    char *path;
    json_t *header; /* owns names and metadata */
    int count;
    entry *entries; /* in the order of the data */
};

typedef struct source {
    int descriptor;
    int64_t bytes;
} source;

static tl_status read_at(const char *path, source from, int64_t offset, char *out, size_t bytes)
{
    while (bytes > 0) {
        ssize_t got = pread(from.descriptor, out, bytes, offset);
        if (got < 0 && errno != EINTR)
            return tl_file_cannot("read", path, errno);
        if (got == 0)
            return tl_file_error(TL_ERROR_FORMAT, path, "cut short while it was being read");
        if (got > 0) {
            out += got;
            bytes -= (size_t)got;
            offset += got;
        }
    }
    return TL_OK;
}

static tl_status parse(tl_safetensors *file, const char *text, size_t bytes)
{
    json_error_t error;
    if (text[0] != '{')
        return tl_file_error(TL_ERROR_FORMAT, file->path,
                             "not a safetensors file: the header does not start with {");
    enum { TREE = 32 };                          /* bytes that it takes to parse one, about */
    if (tl_memory_expect(bytes * TREE) != TL_OK) /* without, jansson loses characters, or aborts */
        return TL_ERROR_MEMORY;
    errno = 0;
    file->header = json_loadb(text, bytes, JSON_REJECT_DUPLICATES, &error);
    if (file->header)
        return TL_OK;
    if (errno == ENOMEM) /* the parser takes a failed allocation for a mistake in the text */
        return tl_header_no_memory(file->path);
    return tl_file_error(TL_ERROR_FORMAT, file->path, "byte %d of the header: %s", error.position,
                         error.text);
}

/* Reads and parses the header; *data is where the data starts in the file. */
static tl_status read_header(tl_safetensors *file, source from, int64_t *data)
{
    unsigned char prefix[TL_HEADER_PREFIX];
    if (from.bytes < TL_HEADER_PREFIX)
        return tl_file_error(TL_ERROR_FORMAT, file->path,
                             "cut short: %lld bytes, the header's length alone takes %d",
                             (long long)from.bytes, TL_HEADER_PREFIX);
    tl_status status = read_at(file->path, from, 0, (char *)prefix, TL_HEADER_PREFIX);
    if (status != TL_OK)
        return status;
    uint64_t length = 0;
    for (int i = 0; i < TL_HEADER_PREFIX; i++)
        length |= (uint64_t)prefix[i] << 8 * i;
    if (length == 0 || length > TL_HEADER_MOST)
        return tl_file_error(
            TL_ERROR_FORMAT, file->path,
            "not a safetensors file: it starts with a header length of %llu, expected 1 to %d",
            (unsigned long long)length, TL_HEADER_MOST);
    if ((int64_t)length > from.bytes - TL_HEADER_PREFIX)
        return tl_file_error(TL_ERROR_FORMAT, file->path,
                             "cut short: a header of %llu bytes, the file has %lld",
                             (unsigned long long)length, (long long)(from.bytes - TL_HEADER_PREFIX));
    char *text = tl_allocate_raw(length);
    if (!text)
        return tl_error_status();
    status = read_at(file->path, from, TL_HEADER_PREFIX, text, length);
    if (status == TL_OK)
        status = parse(file, text, length);
    tl_release(text);
    *data = TL_HEADER_PREFIX + (int64_t)length;
    return status;
}

static tl_status check_metadata(const tl_safetensors *file, json_t *metadata)
{
    if (!json_is_object(metadata))
        return tl_file_error(TL_ERROR_FORMAT, file->path, "%s is not an object", TL_HEADER_METADATA);
    for (void *i = json_object_iter(metadata); i; i = json_object_iter_next(metadata, i))
        if (!json_is_string(json_object_iter_value(i)))
            return tl_file_error(TL_ERROR_FORMAT, file->path, "metadata \"%.100s\" is not a string",
                                 json_object_iter_key(i));
    return TL_OK;
}

static tl_status parse_dtype(const char *path, const char *name, const char *dtype, tl_dtype *out)
{
    for (int i = 0; i < TL_HEADER_DTYPES; i++)
        if (strcmp(dtype, tl_header_dtypes[i]) == 0) {
            *out = (tl_dtype)i;
            return TL_OK;
        }
    return tl_file_error(TL_ERROR_FORMAT, path,
                         "tensor \"%.100s\": element type \"%.20s\", expected F32, F64, I32 or U8", name,
                         dtype);
}

static tl_status parse_shape(const char *path, const char *name, const json_t *shape, tl_shape *out)
{
    size_t rank = json_array_size(shape);
    if (!json_is_array(shape) || rank > TL_MAX_RANK)
        return tl_file_error(TL_ERROR_FORMAT, path,
                             "tensor \"%.100s\": expected a shape of at most %d extents", name, TL_MAX_RANK);
    *out = (tl_shape){.rank = (int)rank};
    for (size_t i = 0; i < rank; i++) {
        const json_t *extent = json_array_get(shape, i);
        if (!json_is_integer(extent))
            return tl_file_error(TL_ERROR_FORMAT, path,
                                 "tensor \"%.100s\": extent %zu of the shape is not an integer", name, i);
        out->dims[i] = json_integer_value(extent);
    }
    return tl_header_need_shape(TL_ERROR_FORMAT, path, name, *out);
}

static tl_status parse_entry(const char *path, const char *name, json_t *description, entry *out)
{
    json_error_t error;
    const char *dtype;
    json_t *shape;
    json_int_t begin, end;
    errno = 0;
    if (json_unpack_ex(description, &error, JSON_STRICT, "{s:s, s:o, s:[I, I]}", "dtype", &dtype, "shape",
                       &shape, "data_offsets", &begin, &end) != 0)
        return errno == ENOMEM
                   ? tl_header_no_memory(path)
                   : tl_file_error(TL_ERROR_FORMAT, path, "tensor \"%.100s\": %s", name, error.text);
    out->name = name;
    out->begin = begin;
    out->end = end;
    tl_status status = parse_dtype(path, name, dtype, &out->tensor.dtype);
    if (status == TL_OK)
        status = parse_shape(path, name, shape, &out->tensor.shape);
    if (status != TL_OK)
        return status;
    if (begin < 0 || end < begin)
        return tl_file_error(TL_ERROR_FORMAT, path, "tensor \"%.100s\": data from byte %lld to %lld", name,
                             (long long)begin, (long long)end);
    if ((size_t)(end - begin) != tl_header_bytes(out->tensor))
        return tl_file_error(TL_ERROR_FORMAT, path,
                             "tensor \"%.100s\": %lld bytes of data, %s of %s takes %zu", name,
                             (long long)(end - begin), TL_SHAPE_TEXT(out->tensor.shape),
                             tl_header_dtypes[out->tensor.dtype], tl_header_bytes(out->tensor));
    return TL_OK;
}

static tl_status parse_entries(tl_safetensors *file)
{
    file->entries = tl_allocate(json_object_size(file->header) * sizeof(entry));
    if (!file->entries)
        return tl_error_status();
    tl_status status = TL_OK;
    void *i = json_object_iter(file->header);
    for (; i && status == TL_OK; i = json_object_iter_next(file->header, i)) {
        const char *name = json_object_iter_key(i);
        json_t *value = json_object_iter_value(i);
        entry *next = &file->entries[file->count];
        if (strcmp(name, TL_HEADER_METADATA) == 0) {
            status = check_metadata(file, value);
        } else {
            next->position = file->count++;
            status = parse_entry(file->path, name, value, next);
        }
    }
    return status;
}

static int compare(int64_t a, int64_t b)
{
    return (a > b) - (a < b);
}

static int by_data(const void *left, const void *right)
{
    const entry *a = left, *b = right;
    int order = compare(a->begin, b->begin);
    if (order == 0)
        order = compare(a->end, b->end);
    return order ? order : compare(a->position, b->position);
}

/* Puts the entries in the order of the data, of which there are `bytes`, and checks that they cover it. */
static tl_status check_layout(tl_safetensors *file, int64_t bytes)
{
    qsort(file->entries, (size_t)file->count, sizeof(entry), by_data);
    int64_t end = 0;
    for (int i = 0; i < file->count; i++) {
        const entry *e = &file->entries[i];
        if (e->begin != end)
            return tl_file_error(
                TL_ERROR_FORMAT, file->path, "tensor \"%.100s\": data starts at byte %lld, expected %lld: %s",
                e->name, (long long)e->begin, (long long)end, e->begin < end ? "an overlap" : "a hole");
        end = e->end;
    }
    if (end > bytes)
        return tl_file_error(TL_ERROR_FORMAT, file->path,
                             "cut short: header promises %lld bytes of data, the file has %lld",
                             (long long)end, (long long)bytes);
    if (end < bytes)
        return tl_file_error(TL_ERROR_FORMAT, file->path,
                             "header describes %lld bytes of data, the file has %lld", (long long)end,
                             (long long)bytes);
    return TL_OK;
}

static tl_status read_values(tl_safetensors *file, source from, int64_t data)
{
    tl_status status = TL_OK;
    for (int i = 0; i < file->count && status == TL_OK; i++) {
        entry *e = &file->entries[i];
        e->tensor = tl_tensor_new(e->tensor.dtype, e->tensor.shape);
        status = tl_tensor_ok(e->tensor) ? read_at(file->path, from, data + e->begin, tl_data_mut(e->tensor),
                                                   tl_header_bytes(e->tensor))
                                         : tl_error_status();
    }
    return status;
}

static tl_status read_all(tl_safetensors *file, source from)
{
    int64_t data = 0;
    tl_status status = read_header(file, from, &data);
    if (status == TL_OK)
        status = parse_entries(file);
    if (status == TL_OK)
        status = check_layout(file, from.bytes - data);
    return status == TL_OK ? read_values(file, from, data) : status;
}

static tl_status open_source(const char *path, source *from)
{
    /* a pipe or device must not keep the opening waiting; for regular files O_NONBLOCK means nothing */
    from->descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (from->descriptor < 0)
        return tl_file_cannot("read", path, errno);
    struct stat status;
    tl_status result = fstat(from->descriptor, &status) == 0
                           ? tl_file_need_regular("read", path, status.st_mode)
                           : tl_file_cannot("read", path, errno);
    from->bytes = status.st_size;
    if (result != TL_OK)
        close(from->descriptor);
    return result;
}

tl_safetensors *tl_safetensors_read(const char *path)
{
    source from = {.descriptor = -1};
    if (!path)
        tl_error(TL_ERROR_ARGUMENT, "safetensors: no path to read from");
    if (!path || open_source(path, &from) != TL_OK)
        return NULL;
    tl_safetensors *file = tl_allocate(sizeof *file);
    if (file)
        file->path = tl_allocate_text(path);
    tl_status status = file && file->path ? read_all(file, from) : tl_error_status();
    close(from.descriptor);
    if (status == TL_OK)
        return file;
    tl_safetensors_free(file);
    return NULL;
}

void tl_safetensors_free(tl_safetensors *file)
{
    if (!file)
        return;
    for (int i = 0; i < file->count; i++)
        tl_tensor_free(&file->entries[i].tensor);
    tl_release(file->entries);
    json_decref(file->header);
    tl_release(file->path);
    tl_release(file);
}

int tl_safetensors_count(const tl_safetensors *file)
{
    return file ? file->count : 0;
}

int64_t tl_safetensors_bytes(const tl_safetensors *file)
{
    return file && file->count > 0 ? file->entries[file->count - 1].end : 0;
}

const char *tl_safetensors_name(const tl_safetensors *file, int i)
{
    if (!file)
        return NULL;
    if (i >= 0 && i < file->count)
        return file->entries[i].name;
    tl_file_error(TL_ERROR_RANGE, file->path, "tensor %d of %d", i, file->count);
    return NULL;
}

tl_tensor tl_safetensors_tensor(const tl_safetensors *file, const char *name)
{
    if (!file || !name)
        return (tl_tensor){0};
    for (int i = 0; i < file->count; i++)
        if (strcmp(file->entries[i].name, name) == 0)
            return file->entries[i].tensor;
    tl_file_error(TL_ERROR_FORMAT, file->path, "there is no tensor \"%.100s\"", name);
    return (tl_tensor){0};
}

const char *tl_safetensors_metadata(const tl_safetensors *file, const char *key)
{
    return file && key
               ? json_string_value(json_object_get(json_object_get(file->header, TL_HEADER_METADATA), key))
               : NULL;
}

static double value_at(tl_tensor tensor, int64_t i)
{
    const void *values = tl_data(tensor);
    return tensor.dtype == TL_F32 ? (double)((const float *)values)[i] : ((const double *)values)[i];
}

/* The place of element i of a row-major tensor, one number an axis. */
static tl_shape place_of(tl_shape shape, int64_t i)
{
    tl_shape place = shape;
    for (int axis = shape.rank - 1; axis >= 0; axis--) {
        place.dims[axis] = i % shape.dims[axis];
        i /= shape.dims[axis];
    }
    return place;
}

tl_status tl_safetensors_check_finite(const tl_safetensors *file)
{
    for (int i = 0; i < tl_safetensors_count(file); i++) {
        tl_tensor tensor = file->entries[i].tensor;
        int64_t count = tl_dtype_is_float(tensor.dtype) ? tl_tensor_count(tensor) : 0;
        for (int64_t j = 0; j < count; j++) {
            double value = value_at(tensor, j);
            if (!isfinite(value))
                return tl_file_error(TL_ERROR_NUMERIC, file->path, "tensor \"%.100s\" holds %s at %s",
                                     file->entries[i].name, isnan(value) ? "nan" : "infinity",
                                     TL_SHAPE_TEXT(place_of(tensor.shape, j)));
        }
    }
    return file ? TL_OK : tl_error_status();
}
