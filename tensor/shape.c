#include "tensor/shape.h"

#include <stdio.h>

static const struct {
    size_t size;
    const char *name;
} dtypes[] = {
    [TL_F32] = {sizeof(float), "f32"},
    [TL_F64] = {sizeof(double), "f64"},
    [TL_I32] = {sizeof(int32_t), "i32"},
    [TL_U8] = {sizeof(uint8_t), "u8"},
};

size_t tl_dtype_size(tl_dtype dtype)
{
    return dtypes[dtype].size;
}

const char *tl_dtype_name(tl_dtype dtype)
{
    return dtypes[dtype].name;
}

bool tl_dtype_is_float(tl_dtype dtype)
{
    return dtype == TL_F32 || dtype == TL_F64;
}

int64_t tl_shape_count(tl_shape shape)
{
    int64_t count = 1;
    for (int i = 0; i < shape.rank; i++)
        count *= shape.dims[i];
    return count;
}

bool tl_shape_equal(tl_shape a, tl_shape b)
{
    if (a.rank != b.rank)
        return false;
    for (int i = 0; i < a.rank; i++)
        if (a.dims[i] != b.dims[i])
            return false;
    return true;
}

tl_status tl_shape_check(const char *what, tl_shape shape)
{
    if (shape.rank < 0 || shape.rank > TL_MAX_RANK)
        return tl_error(TL_ERROR_SHAPE, "%s: rank %d, expected 0 to %d", what, shape.rank, TL_MAX_RANK);
    const int64_t most = INT64_MAX / 16;
    int64_t count = 1;
    for (int i = 0; i < shape.rank; i++) {
        int64_t extent = shape.dims[i];
        if (extent < 0)
            return tl_error(TL_ERROR_SHAPE, "%s: negative extent in shape %s", what, TL_SHAPE_TEXT(shape));
        if (extent > 0 && count > most / extent)
            return tl_error(TL_ERROR_SHAPE, "%s: shape %s has too many elements", what, TL_SHAPE_TEXT(shape));
        count *= extent > 0 ? extent : 1; /* a zero elsewhere does not excuse an absurd extent */
    }
    return TL_OK;
}

tl_status tl_shape_broadcast(const char *what, tl_shape a, tl_shape b, tl_shape *out)
{
    tl_shape result = {.rank = a.rank > b.rank ? a.rank : b.rank};
    for (int i = 1; i <= result.rank; i++) {
        int64_t x = i <= a.rank ? a.dims[a.rank - i] : 1;
        int64_t y = i <= b.rank ? b.dims[b.rank - i] : 1;
        if (x != y && x != 1 && y != 1)
            return tl_error(TL_ERROR_SHAPE, "%s: shapes %s and %s do not broadcast: %lld against %lld", what,
                            TL_SHAPE_TEXT(a), TL_SHAPE_TEXT(b), (long long)x, (long long)y);
        result.dims[result.rank - i] = x == 1 ? y : x;
    }
    *out = result;
    return TL_OK;
}

int tl_shape_axis(const char *what, tl_shape shape, int axis)
{
    int counted = axis < 0 ? axis + shape.rank : axis;
    if (counted >= 0 && counted < shape.rank)
        return counted;
    tl_error(TL_ERROR_SHAPE, "%s: axis %d of shape %s, expected %d to %d", what, axis, TL_SHAPE_TEXT(shape),
             -shape.rank, shape.rank - 1);
    return -1;
}

char *tl_shape_text(tl_shape shape, char text[TL_SHAPE_TEXT_SIZE])
{
    int rank = shape.rank < 0 ? 0 : shape.rank > TL_MAX_RANK ? TL_MAX_RANK : shape.rank;
    int used = snprintf(text, TL_SHAPE_TEXT_SIZE, "[");
    for (int i = 0; i < rank; i++)
        used += snprintf(text + used, TL_SHAPE_TEXT_SIZE - (size_t)used, i ? ", %lld" : "%lld",
                         (long long)shape.dims[i]);
    snprintf(text + used, TL_SHAPE_TEXT_SIZE - (size_t)used, "]");
    return text;
}
