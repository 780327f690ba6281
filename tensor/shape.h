/* Element types and shapes. Both are plain values: pass and compare them freely. Rests on error.h. */
#ifndef TL_TENSOR_SHAPE_H
#define TL_TENSOR_SHAPE_H

#include "error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum tl_dtype {
    TL_F32 = 0,
    TL_F64,
    TL_I32, /* indices, labels */
    TL_U8   /* masks: 0 or 1 */
} tl_dtype;

/* Bytes an element takes. */
TL_API size_t tl_dtype_size(tl_dtype dtype);

/* "f32", "f64", "i32" or "u8". */
TL_API const char *tl_dtype_name(tl_dtype dtype);

/* True for the types that have gradients: TL_F32 and TL_F64. */
TL_API bool tl_dtype_is_float(tl_dtype dtype);

enum { TL_MAX_RANK = 8 };

/* The extents of an n-d array; rank 0 is a scalar with one element. */
typedef struct tl_shape {
    int rank;
    int64_t dims[TL_MAX_RANK];
} tl_shape;

/* tl_shape(32, 100): a shape written out. A scalar is TL_SCALAR. */
#define tl_shape(...) ((tl_shape){(int)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)), {__VA_ARGS__}})
#define TL_SCALAR     ((tl_shape){0, {0}})

/* The number of elements: the product of the extents, 1 for a scalar. */
TL_API int64_t tl_shape_count(tl_shape shape);

TL_API bool tl_shape_equal(tl_shape a, tl_shape b);

/* TL_OK, or the error of operation `what` if a rank is over TL_MAX_RANK, an extent is negative, or the
 * elements, eight bytes each, would not fit into memory that size_t can count. */
TL_API tl_status tl_shape_check(const char *what, tl_shape shape);

/* Numpy's broadcasting of two shapes into *out: extents are matched from the right; each pair is equal or
 * has a 1. The error is that of operation `what`. */
TL_API tl_status tl_shape_broadcast(const char *what, tl_shape a, tl_shape b, tl_shape *out);

/* The axis counted from the front: -1 is the last. Returns -1 with the error of `what` if out of range. */
TL_API int tl_shape_axis(const char *what, tl_shape shape, int axis);

enum { TL_SHAPE_TEXT_SIZE = 176 };

/* Writes "[32, 100]" into text and returns text. */
TL_API char *tl_shape_text(tl_shape shape, char text[TL_SHAPE_TEXT_SIZE]);

/* The same in a buffer that lives to the end of the enclosing block: for messages. */
#define TL_SHAPE_TEXT(shape) tl_shape_text(shape, (char[TL_SHAPE_TEXT_SIZE]){0})

#endif
