/* Files are made here, byte by byte. */
#include "data/idx.h"
#include "tests/support/folder.h"
#include "tests/support/suite.h"

#include <math.h>

static const char path[] = "some-idx";

/* A file: its header and what follows, as a string literal without the zero. */
#define PUT(bytes)      put_bytes(path, bytes, sizeof(bytes) - 1)
#define PUT_GZIP(bytes) put_gzip(path, bytes, sizeof(bytes) - 1)

#define THREE_BYTES "\0\0\x08\x01\0\0\0\x03" /* unsigned, [3] */

static tl_tensor read_or_fail(tl_dtype dtype, const char *shape)
{
    tl_tensor tensor = tl_idx_read(path);
    ck_assert_msg(tl_tensor_ok(tensor), "%s", tl_error_message());
    ck_assert_int_eq(tensor.dtype, dtype);
    ck_assert_str_eq(TL_SHAPE_TEXT(tensor.shape), shape);
    return tensor;
}

static void expect_values(tl_dtype dtype, const char *shape, const void *values)
{
    tl_tensor tensor = read_or_fail(dtype, shape);
    ck_assert_mem_eq(tl_data(tensor), values, (size_t)tl_tensor_count(tensor) * tl_dtype_size(dtype));
    tl_tensor_free(&tensor);
}

static void expect_refused(tl_status status, const char *message)
{
    tl_error(TL_OK, "no message was set");
    ck_assert(!tl_tensor_ok(tl_idx_read(path)));
    EXPECT_ERROR(status, message);
}

START_TEST(bytes_stay_bytes)
{
    PUT(THREE_BYTES "\x00\x7F\xFF");
    expect_values(TL_U8, "[3]", (const uint8_t[]){0, 127, 255});
    PUT("\0\0\x08\x03\0\0\0\x02\0\0\0\x01\0\0\0\x03"
        "abcdef");
    expect_values(TL_U8, "[2, 1, 3]", "abcdef");
}
END_TEST

START_TEST(integers_become_i32)
{
    PUT("\0\0\x09\x01\0\0\0\x04"
        "\x00\x7F\x80\xFF");
    expect_values(TL_I32, "[4]", (const int32_t[]){0, 127, -128, -1});
    PUT("\0\0\x0B\x01\0\0\0\x04"
        "\x01\x02\x7F\xFF\x80\x00\xFF\xFE");
    expect_values(TL_I32, "[4]", (const int32_t[]){258, 32767, -32768, -2});
    PUT("\0\0\x0C\x02\0\0\0\x01\0\0\0\x03"
        "\x01\x02\x03\x04\x80\x00\x00\x00\xFF\xFF\xFF\xFD");
    expect_values(TL_I32, "[1, 3]", (const int32_t[]){16909060, INT32_MIN, -3});
}
END_TEST

START_TEST(floats_keep_every_bit)
{
    PUT("\0\0\x0D\x01\0\0\0\x04"
        "\x3F\xC0\x00\x00\x80\x00\x00\x00\x00\x00\x00\x01\xFF\x80\x00\x00");
    expect_values(TL_F32, "[4]", (const float[]){1.5F, -0.0F, 0x1p-149F, -INFINITY});
    PUT("\0\0\x0E\x01\0\0\0\x03"
        "\x3F\xB9\x99\x99\x99\x99\x99\x9A\xC0\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01");
    expect_values(TL_F64, "[3]", (const double[]){0.1, -2, 0x1p-1074});
}
END_TEST

START_TEST(gzip_gives_the_same)
{
    PUT_GZIP("\0\0\x0B\x02\0\0\0\x02\0\0\0\x01"
             "\x01\x02\xFF\xFE");
    expect_values(TL_I32, "[2, 1]", (const int32_t[]){258, -2});
}
END_TEST

START_TEST(any_rank_from_1_to_8)
{
    for (int rank = 1; rank <= TL_MAX_RANK; rank++) {
        char bytes[4 + 4 * TL_MAX_RANK + 2] = {0, 0, 0x08, (char)rank};
        for (int i = 0; i < rank; i++)
            bytes[4 + 4 * i + 3] = i == rank - 1 ? 2 : 1;
        memcpy(bytes + 4 + 4 * rank, "xy", 2);
        put_bytes(path, bytes, (size_t)(4 + 4 * rank + 2));
        tl_tensor tensor = tl_idx_read(path);
        ck_assert_msg(tl_tensor_ok(tensor), "rank %d: %s", rank, tl_error_message());
        ck_assert_int_eq(tensor.shape.rank, rank);
        ck_assert_int_eq(tensor.shape.dims[rank - 1], 2);
        ck_assert_mem_eq(tl_data(tensor), "xy", 2);
        tl_tensor_free(&tensor);
    }
}
END_TEST

START_TEST(an_axis_may_be_empty)
{
    PUT("\0\0\x08\x02\0\0\0\0\0\0\0\x1C");
    tl_tensor tensor = read_or_fail(TL_U8, "[0, 28]");
    tl_tensor_free(&tensor);
    PUT("\0\0\x08\x02\0\0\0\0\0\0\0\x1C"
        "x");
    expect_refused(TL_ERROR_FORMAT, "idx: some-idx: shape [0, 28] takes 0 bytes of data, the file has more");
}
END_TEST

/* Data that comes in many blocks, and memory that has to grow. */
START_TEST(large_files_come_whole)
{
    enum { ROWS = 700, COLUMNS = 1001, HEADER = 12, SIZE = HEADER + ROWS * COLUMNS };
    unsigned char *bytes = malloc(SIZE);
    ck_assert_ptr_nonnull(bytes);
    memcpy(bytes, "\0\0\x08\x02\0\0\x02\xBC\0\0\x03\xE9", HEADER);
    for (unsigned i = HEADER; i < SIZE; i++)
        bytes[i] = (unsigned char)(i * 2654435761u >> 24);
    put_bytes(path, bytes, SIZE);
    expect_values(TL_U8, "[700, 1001]", bytes + HEADER);
    put_gzip(path, bytes, SIZE);
    expect_values(TL_U8, "[700, 1001]", bytes + HEADER);
    put_gzip(path, bytes, SIZE - 1);
    expect_refused(
        TL_ERROR_FORMAT,
        "idx: some-idx: cut short: shape [700, 1001] takes 700700 bytes of data, the file has 700699");
    free(bytes);
}
END_TEST

static const struct {
    const char *bytes;
    size_t count;
    const char *message;
} damaged[] = {
#define DAMAGED(bytes, message)                                                                              \
    {                                                                                                        \
        bytes, sizeof(bytes) - 1, "idx: some-idx: " message                                                  \
    }
    DAMAGED("", "the file is empty"),
    DAMAGED("\0\0\x08", "cut short: the header begins with 4 bytes, the file has 3"),
    DAMAGED("\0\0\x08\x01\0\0\0", "cut short: a header of rank 1 takes 8 bytes, the file has 7"),
    DAMAGED("\0\0\x08\x03\0\0\0\x01", "cut short: a header of rank 3 takes 16 bytes, the file has 8"),
    DAMAGED("\x89PNG\r\n", "not an IDX file: it begins with 89 50, expected 00 00"),
    DAMAGED("\0\x01\x08\x01\0\0\0\x01x", "not an IDX file: it begins with 00 01, expected 00 00"),
    DAMAGED("\0\0\x0A\x01\0\0\0\x01x", "elements of type 0x0A, expected 0x08, 0x09 or 0x0B to 0x0E"),
    DAMAGED("\0\0\0\x01\0\0\0\x01x", "elements of type 0x00, expected 0x08, 0x09 or 0x0B to 0x0E"),
    DAMAGED("\0\0\x08\0x", "rank 0, expected 1 to 8"),
    DAMAGED("\0\0\x08\x09\0\0\0\x01", "rank 9, expected 1 to 8"),
    DAMAGED("\0\0\x08\xFF\0\0\0\x01", "rank 255, expected 1 to 8"),
    DAMAGED(THREE_BYTES, "cut short: shape [3] takes 3 bytes of data, the file has 0"),
    DAMAGED(THREE_BYTES "ab", "cut short: shape [3] takes 3 bytes of data, the file has 2"),
    DAMAGED(THREE_BYTES "abcd", "shape [3] takes 3 bytes of data, the file has more"),
    DAMAGED("\0\0\x0E\x01\0\0\0\x02"
            "0123456789abcde",
            "cut short: shape [2] takes 16 bytes of data, the file has 15"),
    /* Headers that claim more than any memory holds are refused for what is not there, or at once. */
    DAMAGED("\0\0\x08\x02\x80\0\0\0\0\x10\0\0"
            "ab",
            "cut short: shape [2147483648, 1048576] takes 2251799813685248 bytes of data, the file has 2"),
    DAMAGED("\0\0\x0E\x02\xFF\xFF\xFF\xFF\0\0\xFF\xFF"
            "ab",
            "cut short: shape [4294967295, 65535] takes 2251765453422600 bytes of data, the file has 2"),
    DAMAGED("\0\0\x08\x02\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF"
            "ab",
            "shape [4294967295, 4294967295] has too many elements"),
    DAMAGED("\0\0\x0E\x03\0\0\0\0\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF",
            "shape [0, 4294967295, 4294967295] has too many elements"),
#undef DAMAGED
};

START_TEST(a_damaged_file_is_refused)
{
    put_bytes(path, damaged[_i].bytes, damaged[_i].count);
    expect_refused(TL_ERROR_FORMAT, damaged[_i].message);
    put_gzip(path, damaged[_i].bytes, damaged[_i].count);
    expect_refused(TL_ERROR_FORMAT, damaged[_i].message);
}
END_TEST

START_TEST(a_gzip_file_cut_anywhere_is_refused)
{
    PUT_GZIP(THREE_BYTES "abc");
    size_t size;
    char *bytes = get_bytes(path, &size);
    for (size_t left = 0; left < size; left++) {
        put_bytes(path, bytes, left);
        tl_error(TL_OK, "no message was set");
        ck_assert_msg(!tl_tensor_ok(tl_idx_read(path)), "read with %zu of %zu bytes", left, size);
        ck_assert_int_eq(tl_error_status(), TL_ERROR_FORMAT);
        ck_assert_ptr_nonnull(strstr(tl_error_message(), "idx: some-idx: "));
    }
    free(bytes);
}
END_TEST

START_TEST(a_changed_byte_of_data_is_found_by_the_checksum)
{
    PUT_GZIP(THREE_BYTES "abc");
    size_t size;
    char *bytes = get_bytes(path, &size);
    char *letter = memmem(bytes, size, "abc", 3);
    ck_assert_ptr_nonnull(letter);
    *letter = 'x';
    put_bytes(path, bytes, size);
    expect_refused(TL_ERROR_FORMAT, "idx: some-idx: the gzip checksum does not match");
    free(bytes);
}
END_TEST

/* Whatever a byte is changed to: a tensor or an error, and no more memory than the file has data for. */
START_TEST(a_changed_byte_does_no_harm)
{
    if (_i)
        PUT_GZIP(THREE_BYTES "abc");
    else
        PUT(THREE_BYTES "abc");
    size_t size;
    char *bytes = get_bytes(path, &size);
    for (size_t at = 0; at < size; at++)
        for (int bit = 0; bit < 8; bit++) {
            bytes[at] = (char)(bytes[at] ^ 1 << bit);
            put_bytes(path, bytes, size);
            bytes[at] = (char)(bytes[at] ^ 1 << bit);
            tl_error(TL_OK, "no message was set");
            tl_tensor tensor = tl_idx_read(path);
            ck_assert_int_eq(tl_error_status(), tl_tensor_ok(tensor) ? TL_OK : TL_ERROR_FORMAT);
            ck_assert_int_le(tl_tensor_count(tensor), 3);
            tl_tensor_free(&tensor);
        }
    free(bytes);
}
END_TEST

START_TEST(what_cannot_be_opened_is_named)
{
    expect_refused(TL_ERROR_IO, "idx: some-idx: No such file or directory");
    ck_assert_int_eq(mkdir(path, 0755), 0);
    expect_refused(TL_ERROR_IO, "idx: some-idx: Is a directory");
    tl_error(TL_ERROR_IO, "what went wrong first");
    ck_assert(!tl_tensor_ok(tl_idx_read(NULL)));
    EXPECT_ERROR(TL_ERROR_IO, "what went wrong first");
}
END_TEST

int main(void)
{
    TCase *tests = case_in_folder("idx");
    tcase_add_test(tests, bytes_stay_bytes);
    tcase_add_test(tests, integers_become_i32);
    tcase_add_test(tests, floats_keep_every_bit);
    tcase_add_test(tests, gzip_gives_the_same);
    tcase_add_test(tests, any_rank_from_1_to_8);
    tcase_add_test(tests, an_axis_may_be_empty);
    tcase_add_test(tests, large_files_come_whole);
    tcase_add_loop_test(tests, a_damaged_file_is_refused, 0, (int)(sizeof damaged / sizeof damaged[0]));
    tcase_add_test(tests, a_gzip_file_cut_anywhere_is_refused);
    tcase_add_test(tests, a_changed_byte_of_data_is_found_by_the_checksum);
    tcase_add_loop_test(tests, a_changed_byte_does_no_harm, 0, 2);
    tcase_add_test(tests, what_cannot_be_opened_is_named);
    return run_case("idx", tests);
}
