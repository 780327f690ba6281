/* What reading and writing safetensors share. */
#ifndef TL_DATA_SAFETENSORS_INTERNAL_H
#define TL_DATA_SAFETENSORS_INTERNAL_H

#include "data/safetensors.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "values go between file and memory as they are");

enum {
    TL_HEADER_PREFIX = 8,       /* bytes that hold the header's length */
    TL_HEADER_MOST = 100000000, /* the format's own limit on it */
    TL_HEADER_DTYPES = TL_U8 + 1
};

#define TL_HEADER_METADATA "__metadata__"

/* The format's names of element types, by tl_dtype. */
extern const char *const tl_header_dtypes[TL_HEADER_DTYPES];

/* An error of `status` about the file if a tensor cannot have that shape. */
tl_status tl_header_need_shape(tl_status status, const char *path, const char *name, tl_shape shape);

tl_status tl_header_no_memory(const char *path);

/* The bytes that the elements take. */
size_t tl_header_bytes(tl_tensor tensor);

#endif
