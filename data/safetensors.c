#include "data/safetensors.h"
#include "tensor/memory_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <limits.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "values go between file and memory as they are");

enum {
    PREFIX = 8,             /* bytes that hold the header's length */
    MAX_HEADER = 100000000, /* the format's own limit */
    SHOWN_PATH = 200        /* bytes of a path in a message, so that the reason after it still fits */
};

static const char metadata_name[] = "__metadata__";

static const char *const dtype_names[] = {
    [TL_F32] = "F32", [TL_F64] = "F64", [TL_I32] = "I32", [TL_U8] = "U8"};

enum { DTYPES = sizeof dtype_names / sizeof dtype_names[0] };

static tl_status fail(tl_status status, const char *path, const char *format, ...) TL_PRINTF(3, 4);

static tl_status fail(tl_status status, const char *path, const char *format, ...)
{
    char reason[300];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(reason, sizeof reason, format, arguments);
    va_end(arguments);
    size_t length = strlen(path);
    return tl_error(status, "%s: %s", length > SHOWN_PATH ? path + length - SHOWN_PATH : path, reason);
}

static tl_status need_shape(tl_status status, const char *path, const char *name, tl_shape shape)
{
    char what[128];
    snprintf(what, sizeof what, "tensor \"%.100s\"", name);
    return tl_shape_check(what, shape) == TL_OK ? TL_OK : fail(status, path, "%s", tl_error_message());
}

static size_t bytes_of(tl_tensor tensor)
{
    return (size_t)tl_tensor_count(tensor) * tl_dtype_size(tensor.dtype);
}

static tl_status no_memory(const char *path)
{
    return fail(TL_ERROR_MEMORY, path, "out of memory for the header");
}

/* The system's error `code` while doing `what`. */
static tl_status cannot(const char *what, const char *path, int code)
{
    return fail(TL_ERROR_IO, path, "cannot be %s: %s", what, strerror(code));
}

static tl_status need_regular(const char *what, const char *path, mode_t mode)
{
    if (S_ISREG(mode))
        return TL_OK;
    if (S_ISDIR(mode))
        return cannot(what, path, EISDIR);
    return fail(TL_ERROR_IO, path, "cannot be %s: not a regular file", what);
}

/* ---- a file that is to take the place of another, whole or not at all ---- */

typedef struct replacement {
    const char *path;      /* as the caller wrote it */
    char target[PATH_MAX]; /* the same with links resolved, cut in two: folder and name */
    const char *name;
    char temporary[32]; /* name in the folder; "" once it was renamed */
    int folder, file;
} replacement;

/* Fills in target and name; returns the folder. */
static const char *split_path(replacement *to)
{
    struct stat status;
    if (lstat(to->path, &status) == 0 && S_ISLNK(status.st_mode)) {
        if (!realpath(to->path, to->target))
            return NULL;
    } else if (snprintf(to->target, sizeof to->target, "%s", to->path) >= (int)sizeof to->target) {
        errno = ENAMETOOLONG;
        return NULL;
    }
    char *slash = strrchr(to->target, '/');
    to->name = slash ? slash + 1 : to->target;
    if (!slash)
        return ".";
    *slash = '\0';
    return slash == to->target ? "/" : to->target;
}

/* Creates the temporary file. Permissions are those of an old file, else what the umask leaves. */
static tl_status create_temporary(replacement *to)
{
    struct stat old;
    bool exists = fstatat(to->folder, to->name, &old, 0) == 0;
    if (!exists && errno != ENOENT)
        return cannot("written", to->path, errno);
    if (exists && need_regular("written", to->path, old.st_mode) != TL_OK)
        return tl_error_status();
    if (exists && faccessat(to->folder, to->name, W_OK, AT_EACCESS) != 0)
        return cannot("written", to->path, errno);
    to->file = -1;
    errno = EEXIST;
    for (int i = 0; to->file < 0 && errno == EEXIST && i < INT_MAX; i++) {
        snprintf(to->temporary, sizeof to->temporary, ".tapeloop-%d.tmp", i);
        to->file = openat(to->folder, to->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    }
    if (to->file < 0)
        return cannot("written", to->path, errno);
    if (exists && fchmod(to->file, old.st_mode & 0777) != 0) {
        tl_status status = cannot("written", to->path, errno);
        unlinkat(to->folder, to->temporary, 0);
        close(to->file);
        return status;
    }
    return TL_OK;
}

static tl_status open_replacement(replacement *to, const char *path)
{
    if (!path)
        return tl_error(TL_ERROR_ARGUMENT, "safetensors: no path to write to");
    to->path = path;
    const char *folder = split_path(to);
    if (!folder)
        return cannot("written", path, errno);
    if (!to->name[0])
        return cannot("written", path, path[0] ? EISDIR : ENOENT);
    to->folder = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (to->folder < 0)
        return cannot("written", path, errno);
    tl_status status = create_temporary(to);
    if (status != TL_OK)
        close(to->folder);
    return status;
}

static tl_status put(replacement *to, const char *bytes, size_t count)
{
    while (count > 0) {
        ssize_t written = write(to->file, bytes, count);
        if (written < 0 && errno != EINTR)
            return cannot("written", to->path, errno);
        if (written > 0) {
            bytes += written;
            count -= (size_t)written;
        }
    }
    return TL_OK;
}

/* Brings what was put to the disk and gives it its name. */
static tl_status take_place(replacement *to)
{
    if (fsync(to->file) != 0 || renameat(to->folder, to->temporary, to->folder, to->name) != 0)
        return cannot("written", to->path, errno);
    to->temporary[0] = '\0';
    if (fsync(to->folder) != 0 && errno != EINVAL) /* EINVAL: a file system whose folders need no flushing */
        return fail(TL_ERROR_IO, to->path, "written, but its folder cannot be flushed: %s", strerror(errno));
    return TL_OK;
}

/* Removes the temporary file unless it took its place. */
static void close_replacement(replacement *to)
{
    if (to->temporary[0])
        unlinkat(to->folder, to->temporary, 0);
    close(to->file);
    close(to->folder);
}

/* ---- writing ---- */

/* A JSON string, or NULL with the error set; `what` says what the text is. */
static json_t *json_text(const char *path, const char *what, const char *text)
{
    json_error_t error;
    json_t *string = text ? json_pack_ex(&error, 0, "s", text) : NULL;
    if (!text)
        fail(TL_ERROR_ARGUMENT, path, "a %s is NULL", what);
    else if (!string && json_error_code(&error) == json_error_invalid_utf8)
        fail(TL_ERROR_ARGUMENT, path, "a %s is not UTF-8", what);
    else if (!string)
        no_memory(path);
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
        status = fail(TL_ERROR_ARGUMENT, path, "%s \"%.100s\" is already taken", what, key);
    else if (json_object_set(object, key, value) != 0)
        status = no_memory(path);
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
                        : json_pack("{s:s, s:O, s:[I, I]}", "dtype", dtype_names[tensor.dtype], "shape",
                                    shape, "data_offsets", (json_int_t)offset, (json_int_t)(offset + bytes));
    json_decref(shape);
    if (!entry)
        no_memory(path);
    return entry;
}

static tl_status need_tensor(const char *path, const char *name, tl_tensor tensor)
{
    if (tl_tensor_ok(tensor))
        return need_shape(TL_ERROR_SHAPE, path, name ? name : "", tensor.shape);
    if (tl_error_status() != TL_OK)
        return tl_error_status(); /* the message says why it is empty */
    return fail(TL_ERROR_ARGUMENT, path, "tensor \"%.100s\" is empty", name ? name : "");
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
                     describe(path, tensor, offset, bytes_of(tensor)));
        if (status != TL_OK)
            return status;
        offset += bytes_of(tensor);
    }
    return TL_OK;
}

static tl_status add_metadata(const char *path, json_t *header, const tl_metadata metadata[], int pairs)
{
    json_t *object = json_object();
    if (!object || json_object_set_new(header, metadata_name, object) != 0)
        return no_memory(path);
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
        no_memory(path);
        return NULL;
    }
    size_t padded = (length + 7) / 8 * 8;
    if (padded > MAX_HEADER) {
        fail(TL_ERROR_ARGUMENT, path, "names and metadata take a header of %zu bytes, the most is %d", padded,
             MAX_HEADER);
        return NULL;
    }
    char *text = tl_allocate_raw(PREFIX + padded);
    if (!text)
        return NULL;
    for (int i = 0; i < PREFIX; i++)
        text[i] = (char)(padded >> 8 * i & 0xff);
    memset(text + PREFIX, ' ', padded);
    if (json_dumpb(header, text + PREFIX, length, JSON_COMPACT) != length) {
        no_memory(path);
        tl_release(text);
        return NULL;
    }
    *bytes = PREFIX + padded;
    return text;
}

static char *encode_all(const char *path, const tl_named_tensor tensors[], int count,
                        const tl_metadata metadata[], int pairs, size_t *bytes)
{
    json_t *header = json_object();
    tl_status status = header ? add_metadata(path, header, metadata, pairs) : no_memory(path);
    if (status == TL_OK)
        status = add_tensors(path, header, tensors, count);
    char *text = status == TL_OK ? encode(path, header, bytes) : NULL;
    json_decref(header);
    return text;
}

static tl_status put_tensor(replacement *to, tl_tensor tensor)
{
    size_t bytes = bytes_of(tensor);
    char *values = tl_allocate_raw(bytes);
    if (!values)
        return tl_error_status();
    tl_status status = tl_copy_out(tensor, values, bytes);
    if (status == TL_OK)
        status = put(to, values, bytes);
    tl_release(values);
    return status;
}

tl_status tl_safetensors_write(const char *path, const tl_named_tensor tensors[], int count,
                               const tl_metadata metadata[], int pairs)
{
    replacement to;
    tl_status status = open_replacement(&to, path);
    if (status != TL_OK)
        return status;
    size_t bytes = 0;
    char *header = encode_all(path, tensors, count, metadata, pairs, &bytes);
    status = header ? put(&to, header, bytes) : tl_error_status();
    tl_release(header);
    for (int i = 0; i < count && status == TL_OK; i++)
        status = put_tensor(&to, tensors[i].tensor);
    if (status == TL_OK)
        status = take_place(&to);
    close_replacement(&to);
    return status;
}

tl_status tl_safetensors_writable(const char *path)
{
    replacement to;
    tl_status status = open_replacement(&to, path);
    if (status == TL_OK)
        close_replacement(&to);
    return status;
}

/* ---- reading ---- */

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
            return cannot("read", path, errno);
        if (got == 0)
            return fail(TL_ERROR_FORMAT, path, "cut short while it was being read");
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
        return fail(TL_ERROR_FORMAT, file->path, "not a safetensors file: the header does not start with {");
    errno = 0;
    file->header = json_loadb(text, bytes, JSON_REJECT_DUPLICATES, &error);
    if (file->header)
        return TL_OK;
    if (errno == ENOMEM) /* the parser takes a failed allocation for a mistake in the text */
        return no_memory(file->path);
    return fail(TL_ERROR_FORMAT, file->path, "byte %d of the header: %s", error.position, error.text);
}

/* Reads and parses the header; *data is where the data starts in the file. */
static tl_status read_header(tl_safetensors *file, source from, int64_t *data)
{
    unsigned char prefix[PREFIX];
    if (from.bytes < PREFIX)
        return fail(TL_ERROR_FORMAT, file->path, "cut short: %lld bytes, the header's length alone takes %d",
                    (long long)from.bytes, PREFIX);
    tl_status status = read_at(file->path, from, 0, (char *)prefix, PREFIX);
    if (status != TL_OK)
        return status;
    uint64_t length = 0;
    for (int i = 0; i < PREFIX; i++)
        length |= (uint64_t)prefix[i] << 8 * i;
    if (length == 0 || length > MAX_HEADER)
        return fail(TL_ERROR_FORMAT, file->path,
                    "not a safetensors file: it starts with a header length of %llu, expected 1 to %d",
                    (unsigned long long)length, MAX_HEADER);
    if ((int64_t)length > from.bytes - PREFIX)
        return fail(TL_ERROR_FORMAT, file->path, "cut short: a header of %llu bytes, the file has %lld",
                    (unsigned long long)length, (long long)(from.bytes - PREFIX));
    char *text = tl_allocate_raw(length);
    if (!text)
        return tl_error_status();
    status = read_at(file->path, from, PREFIX, text, length);
    if (status == TL_OK)
        status = parse(file, text, length);
    tl_release(text);
    *data = PREFIX + (int64_t)length;
    return status;
}

static tl_status check_metadata(const tl_safetensors *file, json_t *metadata)
{
    if (!json_is_object(metadata))
        return fail(TL_ERROR_FORMAT, file->path, "%s is not an object", metadata_name);
    for (void *i = json_object_iter(metadata); i; i = json_object_iter_next(metadata, i))
        if (!json_is_string(json_object_iter_value(i)))
            return fail(TL_ERROR_FORMAT, file->path, "metadata \"%.100s\" is not a string",
                        json_object_iter_key(i));
    return TL_OK;
}

static tl_status parse_dtype(const char *path, const char *name, const char *dtype, tl_dtype *out)
{
    for (int i = 0; i < DTYPES; i++)
        if (strcmp(dtype, dtype_names[i]) == 0) {
            *out = (tl_dtype)i;
            return TL_OK;
        }
    return fail(TL_ERROR_FORMAT, path,
                "tensor \"%.100s\": element type \"%.20s\", expected F32, F64, I32 or U8", name, dtype);
}

static tl_status parse_shape(const char *path, const char *name, const json_t *shape, tl_shape *out)
{
    size_t rank = json_array_size(shape);
    if (!json_is_array(shape) || rank > TL_MAX_RANK)
        return fail(TL_ERROR_FORMAT, path, "tensor \"%.100s\": expected a shape of at most %d extents", name,
                    TL_MAX_RANK);
    *out = (tl_shape){.rank = (int)rank};
    for (size_t i = 0; i < rank; i++) {
        const json_t *extent = json_array_get(shape, i);
        if (!json_is_integer(extent))
            return fail(TL_ERROR_FORMAT, path, "tensor \"%.100s\": extent %zu of the shape is not an integer",
                        name, i);
        out->dims[i] = json_integer_value(extent);
    }
    return need_shape(TL_ERROR_FORMAT, path, name, *out);
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
        return errno == ENOMEM ? no_memory(path)
                               : fail(TL_ERROR_FORMAT, path, "tensor \"%.100s\": %s", name, error.text);
    out->name = name;
    out->begin = begin;
    out->end = end;
    tl_status status = parse_dtype(path, name, dtype, &out->tensor.dtype);
    if (status == TL_OK)
        status = parse_shape(path, name, shape, &out->tensor.shape);
    if (status != TL_OK)
        return status;
    if (begin < 0 || end < begin)
        return fail(TL_ERROR_FORMAT, path, "tensor \"%.100s\": data from byte %lld to %lld", name,
                    (long long)begin, (long long)end);
    if ((size_t)(end - begin) != bytes_of(out->tensor))
        return fail(TL_ERROR_FORMAT, path, "tensor \"%.100s\": %lld bytes of data, %s of %s takes %zu", name,
                    (long long)(end - begin), TL_SHAPE_TEXT(out->tensor.shape),
                    dtype_names[out->tensor.dtype], bytes_of(out->tensor));
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
        if (strcmp(name, metadata_name) == 0) {
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
            return fail(TL_ERROR_FORMAT, file->path,
                        "tensor \"%.100s\": data starts at byte %lld, expected %lld: %s", e->name,
                        (long long)e->begin, (long long)end, e->begin < end ? "an overlap" : "a hole");
        end = e->end;
    }
    if (end > bytes)
        return fail(TL_ERROR_FORMAT, file->path,
                    "cut short: header promises %lld bytes of data, the file has %lld", (long long)end,
                    (long long)bytes);
    if (end < bytes)
        return fail(TL_ERROR_FORMAT, file->path, "header describes %lld bytes of data, the file has %lld",
                    (long long)end, (long long)bytes);
    return TL_OK;
}

static tl_status read_values(tl_safetensors *file, source from, int64_t data)
{
    tl_status status = TL_OK;
    for (int i = 0; i < file->count && status == TL_OK; i++) {
        entry *e = &file->entries[i];
        e->tensor = tl_tensor_new(e->tensor.dtype, e->tensor.shape);
        status = tl_tensor_ok(e->tensor)
                     ? read_at(file->path, from, data + e->begin, tl_data_mut(e->tensor), bytes_of(e->tensor))
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
        return cannot("read", path, errno);
    struct stat status;
    tl_status result = fstat(from->descriptor, &status) == 0 ? need_regular("read", path, status.st_mode)
                                                             : cannot("read", path, errno);
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

const char *tl_safetensors_name(const tl_safetensors *file, int i)
{
    if (!file)
        return NULL;
    if (i >= 0 && i < file->count)
        return file->entries[i].name;
    fail(TL_ERROR_RANGE, file->path, "tensor %d of %d", i, file->count);
    return NULL;
}

tl_tensor tl_safetensors_tensor(const tl_safetensors *file, const char *name)
{
    if (!file || !name)
        return (tl_tensor){0};
    for (int i = 0; i < file->count; i++)
        if (strcmp(file->entries[i].name, name) == 0)
            return file->entries[i].tensor;
    fail(TL_ERROR_FORMAT, file->path, "there is no tensor \"%.100s\"", name);
    return (tl_tensor){0};
}

const char *tl_safetensors_metadata(const tl_safetensors *file, const char *key)
{
    return file && key ? json_string_value(json_object_get(json_object_get(file->header, metadata_name), key))
                       : NULL;
}

/* ---- what no file of weights should hold ---- */

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
                return fail(TL_ERROR_NUMERIC, file->path, "tensor \"%.100s\" holds %s at %s",
                            file->entries[i].name, isnan(value) ? "nan" : "infinity",
                            TL_SHAPE_TEXT(place_of(tensor.shape, j)));
        }
    }
    return file ? TL_OK : tl_error_status();
}
