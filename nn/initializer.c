#include "nn/initializer.h"
#include "tensor/error_internal.h"
#include "tensor/memory_internal.h"
#include "tensor/random.h"

#include <math.h>
#include <string.h>

enum { STREAM = 0x10 }; /* the top byte keeps these draws apart from all others */

static const char *const names[] = {
    [TL_DEFAULT_INITIALIZER] = "default",
    [TL_ZEROS] = "zeros",
    [TL_ONES] = "ones",
    [TL_RANDOM_UNIFORM] = "random_uniform",
    [TL_RANDOM_NORMAL] = "random_normal",
    [TL_STANDARD_NORMAL] = "standard_normal",
    [TL_GLOROT_UNIFORM] = "glorot_uniform",
    [TL_GLOROT_NORMAL] = "glorot_normal",
    [TL_HE_UNIFORM] = "he_uniform",
    [TL_HE_NORMAL] = "he_normal",
    [TL_ORTHOGONAL] = "orthogonal",
    [TL_IDENTITY] = "identity",
};

enum { INITIALIZERS = sizeof names / sizeof names[0] };

const char *tl_initializer_name(tl_initializer initializer)
{
    return (int)initializer >= 0 && (int)initializer < INITIALIZERS ? names[initializer] : NULL;
}

tl_initializer tl_initializer_by_name(const char *name)
{
    for (int i = TL_ZEROS; i < INITIALIZERS; i++)
        if (strcmp(names[i], name) == 0)
            return (tl_initializer)i;
    tl_error(TL_ERROR_ARGUMENT,
             "initializer '%s' is not known, expected one of Keras's names such as glorot_uniform", name);
    return TL_DEFAULT_INITIALIZER;
}

/* A normal number of variance 1 from which |z| > 2 are thrown away, which Keras's ..._normal initializers
 * draw from, scaled back to variance 1. */
static double draw_truncated(uint64_t seed, uint64_t stream, uint64_t counter)
{
    const double deviation = 0.87962566103423978; /* of the truncated distribution */
    for (uint64_t attempt = 0;; attempt++) {
        double z = tl_random_normal(seed, stream, counter | attempt << 48);
        if (fabs(z) <= 2)
            return z / deviation;
    }
}

static tl_status fill_truncated(tl_tensor tensor, double deviation, uint64_t seed, uint64_t stream)
{
    tl_tensor flat = tl_tensor_reshape(tensor, tl_shape(tl_tensor_count(tensor)));
    for (int64_t i = 0; i < flat.shape.dims[0]; i++)
        tl_tensor_fill(tl_tensor_select(flat, 0, i), deviation * draw_truncated(seed, stream, (uint64_t)i));
    return flat.storage ? TL_OK : tl_error_status();
}

/* Makes the `count` rows of q [count, length], count <= length, orthonormal: Gram and Schmidt's method, each
 * row twice, which is enough for full precision (Giraud et al., 2005). Of a normal matrix this gives a
 * uniformly distributed result, since every diagonal element of R comes out positive. */
static void orthonormalize(double *q, int64_t count, int64_t length)
{
    for (int64_t i = 0; i < count; i++) {
        double *row = q + i * length, square = 0;
        for (int64_t j = 0; j < 2 * i; j++) {
            const double *other = q + (j % i) * length;
            double dot = 0;
            for (int64_t k = 0; k < length; k++)
                dot += row[k] * other[k];
            for (int64_t k = 0; k < length; k++)
                row[k] -= dot * other[k];
        }
        for (int64_t k = 0; k < length; k++)
            square += row[k] * row[k];
        for (int64_t k = 0; k < length; k++)
            row[k] /= sqrt(square);
    }
}

static tl_status fill_orthogonal(tl_tensor tensor, uint64_t seed, uint64_t stream)
{
    int64_t rows = tensor.shape.dims[0], columns = tensor.shape.dims[1];
    bool wide = columns >= rows;
    int64_t count = wide ? rows : columns, length = wide ? columns : rows;
    double *q = tl_allocate_raw((size_t)(count * length) * sizeof *q);
    if (!q)
        return TL_ERROR_MEMORY;
    for (int64_t i = 0; i < count * length; i++)
        q[i] = tl_random_normal(seed, stream, (uint64_t)i);
    orthonormalize(q, count, length);
    tl_storage storage = {.data = q, .bytes = (size_t)(count * length) * sizeof *q};
    tl_tensor source = {.storage = &storage,
                        .shape = tl_shape(rows, columns),
                        .strides = {wide ? length : 1, wide ? 1 : length},
                        .dtype = TL_F64};
    tl_status status = tl_tensor_copy(tensor, source);
    tl_release(q);
    return status;
}

static tl_status fill_identity(tl_tensor tensor)
{
    tl_tensor_fill(tensor, 0);
    for (int64_t i = 0; i < tensor.shape.dims[0] && i < tensor.shape.dims[1]; i++)
        tl_tensor_fill(tl_tensor_select(tl_tensor_select(tensor, 0, i), 0, i), 1);
    return TL_OK;
}

tl_status tl_initialize(tl_tensor tensor, tl_initializer initializer, uint64_t seed, uint64_t stream)
{
    if (!tensor.storage)
        return tl_missing("initialize", "tensor");
    int rank = tensor.shape.rank;
    double in = rank ? (double)tensor.shape.dims[0] : 1, out = rank ? (double)tensor.shape.dims[rank - 1] : 1;
    double glorot = sqrt(6 / (in + out)), he = sqrt(6 / in);
    uint64_t draws = (uint64_t)STREAM << 56 | stream;
    if ((initializer == TL_ORTHOGONAL || initializer == TL_IDENTITY) && rank != 2)
        return tl_error(TL_ERROR_SHAPE, "initialize: %s needs a matrix, not %s", names[initializer],
                        TL_SHAPE_TEXT(tensor.shape));
    switch (initializer) {
    case TL_ZEROS:
        return tl_tensor_fill(tensor, 0);
    case TL_ONES:
        return tl_tensor_fill(tensor, 1);
    case TL_RANDOM_UNIFORM:
        return tl_random_fill_uniform(tensor, -0.05, 0.05, seed, draws);
    case TL_STANDARD_NORMAL:
        return tl_random_fill_normal(tensor, 0, 1, seed, draws);
    case TL_RANDOM_NORMAL:
        return tl_random_fill_normal(tensor, 0, 0.05, seed, draws);
    case TL_GLOROT_UNIFORM:
        return tl_random_fill_uniform(tensor, -glorot, glorot, seed, draws);
    case TL_GLOROT_NORMAL:
        return fill_truncated(tensor, glorot / sqrt(3), seed, draws);
    case TL_HE_UNIFORM:
        return tl_random_fill_uniform(tensor, -he, he, seed, draws);
    case TL_HE_NORMAL:
        return fill_truncated(tensor, he / sqrt(3), seed, draws);
    case TL_ORTHOGONAL:
        return fill_orthogonal(tensor, seed, draws);
    case TL_IDENTITY:
        return fill_identity(tensor);
    case TL_DEFAULT_INITIALIZER:
        break;
    }
    return tl_error(TL_ERROR_ARGUMENT, "initialize: initializer %d is not one", (int)initializer);
}
