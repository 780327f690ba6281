#include "data/safetensors_internal.h"
#include "data/file_internal.h"

#include <stdio.h>

const char *const tl_header_dtypes[TL_HEADER_DTYPES] = {
    [TL_F32] = "F32", [TL_F64] = "F64", [TL_I32] = "I32", [TL_U8] = "U8"};

tl_status tl_header_need_shape(tl_status status, const char *path, const char *name, tl_shape shape)
{
    char what[128];
    snprintf(what, sizeof what, "tensor \"%.100s\"", name);
    return tl_shape_check(what, shape) == TL_OK ? TL_OK
                                                : tl_file_error(status, path, "%s", tl_error_message());
}

size_t tl_header_bytes(tl_tensor tensor)
{
    return (size_t)tl_tensor_count(tensor) * tl_dtype_size(tensor.dtype);
}

tl_status tl_header_no_memory(const char *path)
{
    return tl_file_error(TL_ERROR_MEMORY, path, "out of memory for the header");
}
