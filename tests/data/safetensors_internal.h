/* What the tests of safetensors share: files byte by byte, and values. */
#ifndef TL_TESTS_DATA_SAFETENSORS_INTERNAL_H
#define TL_TESTS_DATA_SAFETENSORS_INTERNAL_H

#include "data/safetensors.h"
#include "tests/support/folder.h"

static const char path[] = "w.safetensors";

/* A file with the length `promised`, then the header, then `data` bytes 1, 2, 3, ... */
static inline void craft(uint64_t promised, const char *header, size_t data)
{
    size_t length = strlen(header);
    char *bytes = malloc(8 + length + data);
    ck_assert_ptr_nonnull(bytes);
    for (int i = 0; i < 8; i++)
        bytes[i] = (char)(promised >> 8 * i & 0xff);
    memcpy(bytes + 8, header, length);
    for (size_t i = 0; i < data; i++)
        bytes[8 + length + i] = (char)(i + 1);
    put_bytes(path, bytes, 8 + length + data);
    free(bytes);
}

static inline void expect_error(tl_status status, const char *message)
{
    ck_assert_str_eq(tl_error_message(), message);
    ck_assert_int_eq(tl_error_status(), status);
}

static inline void expect_unreadable(tl_status status, const char *message)
{
    ck_assert_ptr_null(tl_safetensors_read(path));
    expect_error(status, message);
}

static inline tl_safetensors *read_or_fail(void)
{
    tl_safetensors *file = tl_safetensors_read(path);
    ck_assert_msg(file != NULL, "%s", tl_error_message());
    return file;
}

static inline void write_or_fail(const tl_named_tensor tensors[], int count, const tl_metadata metadata[],
                                 int pairs)
{
    tl_status status = tl_safetensors_write(path, tensors, count, metadata, pairs);
    ck_assert_msg(status == TL_OK, "%s", tl_error_message());
    ck_assert_int_eq(files(), 1);
}

/* ---- values ---- */

/* A tensor of 0, 1, 2, ... */
static inline tl_tensor counting(tl_dtype dtype, tl_shape shape)
{
    tl_tensor tensor = tl_tensor_new(dtype, shape);
    ck_assert(tl_tensor_ok(tensor));
    tl_tensor flat = tl_tensor_reshape(tensor, tl_shape(tl_shape_count(shape)));
    for (int64_t i = 0; i < tl_shape_count(shape); i++)
        ck_assert_int_eq(tl_tensor_fill(tl_tensor_select(flat, 0, i), (double)i), TL_OK);
    return tensor;
}

/* Element type, shape and the bits of all values are those of `expected`; tl_data works. */
static inline void expect_tensor(const tl_safetensors *file, const char *name, tl_tensor expected)
{
    tl_tensor got = tl_safetensors_tensor(file, name);
    ck_assert_msg(tl_tensor_ok(got), "%s", tl_error_message());
    ck_assert_int_eq(got.dtype, expected.dtype);
    ck_assert(tl_shape_equal(got.shape, expected.shape));
    size_t bytes = (size_t)tl_tensor_count(expected) * tl_dtype_size(expected.dtype);
    char *values = malloc(bytes + 1);
    ck_assert_int_eq(tl_copy_out(expected, values, bytes), TL_OK);
    const void *data = tl_data(got);
    ck_assert_ptr_nonnull(data);
    ck_assert_uint_eq((uintptr_t)data % 64, 0);
    ck_assert_mem_eq(data, values, bytes);
    free(values);
}

/* Writes the tensors, reads them back and compares. */
static inline void expect_round_trip(const tl_named_tensor tensors[], int count)
{
    write_or_fail(tensors, count, NULL, 0);
    tl_safetensors *file = read_or_fail();
    ck_assert_int_eq(tl_safetensors_count(file), count);
    for (int i = 0; i < count; i++) {
        ck_assert_str_eq(tl_safetensors_name(file, i), tensors[i].name);
        expect_tensor(file, tensors[i].name, tensors[i].tensor);
    }
    tl_safetensors_free(file);
}

#endif
