#include "data/idx.h"
#include "data/unpack_internal.h"
#include "tensor/error_internal.h"
#include "tensor/memory_internal.h"

#include <string.h>

enum { MAGIC = 4, SIZE = 4 };

typedef struct idx_type {
    unsigned char code;
    size_t size; /* of an element in the file */
    tl_dtype dtype;
} idx_type;

static const idx_type types[] = {
    {0x08, 1, TL_U8},  {0x09, 1, TL_I32}, {0x0B, 2, TL_I32},
    {0x0C, 4, TL_I32}, {0x0D, 4, TL_F32}, {0x0E, 8, TL_F64},
};

typedef struct reader {
    const char *path;
    tl_unpack *file;
    const idx_type *type;
    tl_shape shape;
} reader;

static const tl_tensor none;

static const idx_type *find_type(unsigned char code)
{
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (types[i].code == code)
            return &types[i];
    return NULL;
}

static tl_status read_magic(reader *r)
{
    unsigned char magic[MAGIC];
    ptrdiff_t got = tl_unpack_read(r->file, magic, MAGIC);
    if (got < 0)
        return tl_error_status();
    if (got == 0)
        return tl_error(TL_ERROR_FORMAT, "idx: %s: the file is empty", r->path);
    if (got < MAGIC)
        return tl_error(TL_ERROR_FORMAT,
                        "idx: %s: cut short: the header begins with %d bytes, the file has %d", r->path,
                        MAGIC, (int)got);
    if (magic[0] != 0 || magic[1] != 0)
        return tl_error(TL_ERROR_FORMAT, "idx: %s: not an IDX file: it begins with %02x %02x, expected 00 00",
                        r->path, magic[0], magic[1]);
    r->type = find_type(magic[2]);
    if (!r->type)
        return tl_error(TL_ERROR_FORMAT,
                        "idx: %s: elements of type 0x%02X, expected 0x08, 0x09 or 0x0B to 0x0E", r->path,
                        magic[2]);
    r->shape.rank = magic[3];
    if (r->shape.rank < 1 || r->shape.rank > TL_MAX_RANK)
        return tl_error(TL_ERROR_FORMAT, "idx: %s: rank %d, expected 1 to %d", r->path, r->shape.rank,
                        TL_MAX_RANK);
    return TL_OK;
}

static uint64_t big_endian(const unsigned char *bytes, size_t size, uint64_t high)
{
    for (size_t i = 0; i < size; i++)
        high = high << 8 | bytes[i];
    return high;
}

static tl_status read_sizes(reader *r)
{
    unsigned char sizes[TL_MAX_RANK * SIZE];
    ptrdiff_t length = r->shape.rank * SIZE, got = tl_unpack_read(r->file, sizes, (size_t)length);
    if (got < 0)
        return tl_error_status();
    if (got < length)
        return tl_error(TL_ERROR_FORMAT,
                        "idx: %s: cut short: a header of rank %d takes %d bytes, the file has %d", r->path,
                        r->shape.rank, MAGIC + (int)length, MAGIC + (int)got);
    for (int i = 0; i < r->shape.rank; i++)
        r->shape.dims[i] = (int64_t)big_endian(sizes + i * SIZE, SIZE, 0);
    if (tl_shape_check("idx", r->shape) != TL_OK)
        return tl_error(TL_ERROR_FORMAT, "idx: %s: shape %s has too many elements", r->path,
                        TL_SHAPE_TEXT(r->shape));
    return TL_OK;
}

/* The elements as the file has them, `bytes` bytes; NULL unless these are all there is. */
static char *read_elements(reader *r, size_t bytes)
{
    size_t got;
    char *elements = tl_unpack_take(r->file, bytes, &got);
    if (!elements)
        return NULL;
    char more;
    ptrdiff_t rest = got == bytes ? tl_unpack_read(r->file, &more, 1) : 0;
    if (got == bytes && rest == 0)
        return elements;
    if (got < bytes)
        tl_error(TL_ERROR_FORMAT, "idx: %s: cut short: shape %s takes %zu bytes of data, the file has %zu",
                 r->path, TL_SHAPE_TEXT(r->shape), bytes, got);
    else if (rest > 0)
        tl_error(TL_ERROR_FORMAT, "idx: %s: shape %s takes %zu bytes of data, the file has more", r->path,
                 TL_SHAPE_TEXT(r->shape), bytes);
    tl_release(elements);
    return NULL;
}

static void convert(const idx_type *type, const unsigned char *from, int64_t count, char *to)
{
    size_t size = tl_dtype_size(type->dtype);
    if (type->dtype == TL_U8) {
        memcpy(to, from, (size_t)count);
        return;
    }
    for (int64_t i = 0; i < count; i++, from += type->size, to += size) {
        uint64_t sign = from[0] & 0x80 ? UINT64_MAX : 0; /* widens a short integer, shifted out of all else */
        uint64_t bits = big_endian(from, type->size, sign);
        uint32_t low = (uint32_t)bits;
        memcpy(to, size == sizeof bits ? (const void *)&bits : &low, size);
    }
}

static tl_tensor read_tensor(reader *r)
{
    if (read_magic(r) != TL_OK || read_sizes(r) != TL_OK)
        return none;
    int64_t count = tl_shape_count(r->shape);
    char *elements = read_elements(r, (size_t)count * r->type->size);
    tl_tensor tensor = elements ? tl_tensor_new(r->type->dtype, r->shape) : none;
    if (tl_tensor_ok(tensor))
        convert(r->type, (const unsigned char *)elements, count, tl_data_mut(tensor));
    tl_release(elements);
    return tensor;
}

tl_tensor tl_idx_read(const char *path)
{
    if (!path) {
        tl_missing("idx", "path");
        return none;
    }
    reader r = {.path = path, .file = tl_unpack_open("idx", path)};
    tl_tensor tensor = r.file ? read_tensor(&r) : none;
    tl_unpack_close(r.file);
    return tensor;
}
