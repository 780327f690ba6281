#include "data/safetensors.h"

#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <ftw.h>
#include <limits.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- a folder of its own for the suite, empty before every test ---- */

static char folder[] = "test-safetensors-XXXXXX";

static int visible(const struct dirent *found)
{
    return strcmp(found->d_name, ".") != 0 && strcmp(found->d_name, "..") != 0;
}

/* The number of files in the folder. */
static int files(void)
{
    struct dirent **found;
    int count = scandir(".", &found, visible, NULL);
    ck_assert_int_ge(count, 0);
    for (int i = 0; i < count; i++)
        free(found[i]);
    free(found);
    return count;
}

static int remove_below(const char *name, const struct stat *status, int type, struct FTW *place)
{
    (void)status;
    (void)type;
    return place->level > 0 ? remove(name) : 0;
}

static void empty_folder(void)
{
    ck_assert_int_eq(nftw(".", remove_below, 8, FTW_DEPTH | FTW_PHYS), 0);
}

static void make_folder(void)
{
    ck_assert_ptr_nonnull(mkdtemp(folder));
    ck_assert_int_eq(chdir(folder), 0);
    ck_assert_int_eq(chmod(".", 0755), 0);
}

static void remove_folder(void)
{
    empty_folder();
    ck_assert_int_eq(chdir(".."), 0);
    ck_assert_int_eq(rmdir(folder), 0);
}

/* ---- files byte by byte ---- */

static const char path[] = "w.safetensors";

static void put_bytes(const char *name, const void *bytes, size_t count)
{
    FILE *file = fopen(name, "wb");
    ck_assert_ptr_nonnull(file);
    ck_assert_uint_eq(fwrite(bytes, 1, count, file), count);
    ck_assert_int_eq(fclose(file), 0);
}

/* The bytes of a file; the caller frees them. */
static char *get_bytes(const char *name, size_t *count)
{
    FILE *file = fopen(name, "rb");
    ck_assert_ptr_nonnull(file);
    ck_assert_int_eq(fseek(file, 0, SEEK_END), 0);
    *count = (size_t)ftell(file);
    rewind(file);
    char *bytes = malloc(*count + 1);
    ck_assert_ptr_nonnull(bytes);
    ck_assert_uint_eq(fread(bytes, 1, *count, file), *count);
    ck_assert_int_eq(fclose(file), 0);
    bytes[*count] = '\0';
    return bytes;
}

/* A file with the length `promised`, then the header, then `data` bytes 1, 2, 3, ... */
static void craft(uint64_t promised, const char *header, size_t data)
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

static void expect_error(tl_status status, const char *message)
{
    ck_assert_str_eq(tl_error_message(), message);
    ck_assert_int_eq(tl_error_status(), status);
}

static void expect_unreadable(tl_status status, const char *message)
{
    ck_assert_ptr_null(tl_safetensors_read(path));
    expect_error(status, message);
}

static tl_safetensors *read_or_fail(void)
{
    tl_safetensors *file = tl_safetensors_read(path);
    ck_assert_msg(file != NULL, "%s", tl_error_message());
    return file;
}

static void write_or_fail(const tl_named_tensor tensors[], int count, const tl_metadata metadata[], int pairs)
{
    tl_status status = tl_safetensors_write(path, tensors, count, metadata, pairs);
    ck_assert_msg(status == TL_OK, "%s", tl_error_message());
    ck_assert_int_eq(files(), 1);
}

/* ---- values ---- */

/* A tensor of 0, 1, 2, ... */
static tl_tensor counting(tl_dtype dtype, tl_shape shape)
{
    tl_tensor tensor = tl_tensor_new(dtype, shape);
    ck_assert(tl_tensor_ok(tensor));
    tl_tensor flat = tl_tensor_reshape(tensor, tl_shape(tl_shape_count(shape)));
    for (int64_t i = 0; i < tl_shape_count(shape); i++)
        ck_assert_int_eq(tl_tensor_fill(tl_tensor_select(flat, 0, i), (double)i), TL_OK);
    return tensor;
}

/* Element type, shape and the bits of all values are those of `expected`; tl_data works. */
static void expect_tensor(const tl_safetensors *file, const char *name, tl_tensor expected)
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
static void expect_round_trip(const tl_named_tensor tensors[], int count)
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

/* ---- round trips ---- */

static const tl_dtype dtypes[] = {TL_U8, TL_F64, TL_I32, TL_F32};

START_TEST(every_type_and_shape_survives)
{
    const tl_shape shapes[] = {TL_SCALAR,         tl_shape(0),       tl_shape(3),
                               tl_shape(3, 0, 2), tl_shape(2, 3, 5), tl_shape(1, 2, 1, 2, 1, 2, 1, 3)};
    enum { SHAPES = sizeof shapes / sizeof shapes[0], COUNT = 4 * SHAPES };
    tl_named_tensor tensors[COUNT];
    char names[COUNT][24];
    for (int i = 0; i < COUNT; i++) {
        tl_shape shape = shapes[i / 4];
        snprintf(names[i], sizeof names[i], "tensor/%d", COUNT - i);
        tensors[i] = (tl_named_tensor){names[i], counting(dtypes[i % 4], shape)};
    }
    expect_round_trip(tensors, COUNT);
    for (int i = 0; i < COUNT; i++)
        tl_tensor_free(&tensors[i].tensor);
}
END_TEST

START_TEST(every_bit_of_a_float_survives)
{
    const double doubles[] = {0.1, -0.0, (double)NAN, (double)INFINITY, -(double)INFINITY, 5e-324, 1.7e308};
    const float floats[] = {0.1F, -0.0F, NAN, INFINITY, -INFINITY, 1e-45F, 3.4e38F};
    tl_named_tensor tensors[] = {{"doubles", tl_tensor_of(TL_F64, tl_shape(7), doubles)},
                                 {"floats", tl_tensor_of(TL_F32, tl_shape(7), floats)}};
    expect_round_trip(tensors, 2);
    tl_tensor_free(&tensors[0].tensor);
    tl_tensor_free(&tensors[1].tensor);
}
END_TEST

START_TEST(any_view_can_be_written)
{
    for (int i = 0; i < 4; i++) {
        tl_tensor whole = counting(dtypes[i], tl_shape(4, 5, 3));
        tl_tensor column = tl_tensor_slice(whole, 2, 1, 1);
        const tl_named_tensor views[] = {
            {"transposed", tl_tensor_transpose(whole, 0, 2)},
            {"sliced", tl_tensor_slice(whole, 1, 2, 2)},
            {"selected", tl_tensor_select(whole, 1, -1)},
            {"repeated", tl_tensor_broadcast(column, tl_shape(2, 4, 5, 6))},
            {"nothing", tl_tensor_slice(tl_tensor_transpose(whole, 0, 1), 0, 3, 0)},
            {"whole", whole},
        };
        expect_round_trip(views, 6);
        tl_tensor_free(&whole);
    }
}
END_TEST

START_TEST(a_file_may_hold_nothing)
{
    write_or_fail(NULL, 0, NULL, 0);
    tl_safetensors *file = read_or_fail();
    ck_assert_int_eq(tl_safetensors_count(file), 0);
    ck_assert_ptr_null(tl_safetensors_metadata(file, "key"));
    tl_safetensors_free(file);
}
END_TEST

START_TEST(names_are_any_text)
{
    tl_tensor one = counting(TL_F32, tl_shape(2));
    char endless[5001];
    memset(endless, 'n', 5000);
    endless[5000] = '\0';
    const tl_named_tensor tensors[] = {{"", one},
                                       {"dense/kernel:0", one},
                                       {"\"quoted\"\n\t\\", one},
                                       {"größe/重み/🦊", one},
                                       {endless, one}};
    expect_round_trip(tensors, 5);
    tl_tensor_free(&one);
}
END_TEST

START_TEST(metadata_survives)
{
    enum { MEGABYTE = 1 << 20 };
    char *big = malloc(MEGABYTE + 1);
    for (int i = 0; i < MEGABYTE; i++)
        big[i] = "word \"\\\n"[i % 8];
    big[MEGABYTE] = '\0';
    const tl_metadata metadata[] = {
        {"format", "tapeloop"},
        {"", "an empty key"},
        {"empty", ""},
        {"quotes", "she said \"no\", 'maybe', \\\"yes\\\""},
        {"lines", "one\ntwo\r\nthree\tfour\b\f\x01\x1f\x7f"},
        {"unicode", "Ünïcödé 重み 🦊 \xe2\x80\xa8"},
        {"json", "{\"units\": 32, \"layers\": [\"dense\"]}"},
        {"a", "as the tensor is called"},
        {"__metadata__", "as the metadata is called"},
        {"big", big},
    };
    tl_tensor a = counting(TL_F32, tl_shape(3));
    write_or_fail(&(tl_named_tensor){"a", a}, 1, metadata, 10);
    tl_safetensors *file = read_or_fail();
    for (int i = 0; i < 10; i++)
        ck_assert_str_eq(tl_safetensors_metadata(file, metadata[i].key), metadata[i].value);
    ck_assert_ptr_null(tl_safetensors_metadata(file, "missing"));
    ck_assert_int_eq(tl_safetensors_count(file), 1);
    expect_tensor(file, "a", a);
    tl_safetensors_free(file);
    tl_tensor_free(&a);
    free(big);
}
END_TEST

START_TEST(much_metadata_survives)
{
    enum { PAIRS = 20000 };
    tl_metadata *metadata = calloc(PAIRS, sizeof *metadata);
    char(*texts)[16] = calloc(PAIRS, sizeof *texts);
    for (int i = 0; i < PAIRS; i++) {
        snprintf(texts[i], sizeof texts[i], "word%d", i);
        metadata[i] = (tl_metadata){texts[i], texts[PAIRS - 1 - i]};
    }
    write_or_fail(NULL, 0, metadata, PAIRS);
    tl_safetensors *file = read_or_fail();
    for (int i = 0; i < PAIRS; i++)
        ck_assert_str_eq(tl_safetensors_metadata(file, metadata[i].key), metadata[i].value);
    tl_safetensors_free(file);
    free(texts);
    free(metadata);
}
END_TEST

/* ---- the layout, against the format's description ---- */

START_TEST(bytes_are_as_the_format_says)
{
    const float floats[] = {1, -2};
    const uint8_t bytes[] = {7, 8, 9};
    const tl_named_tensor tensors[] = {{"f", tl_tensor_of(TL_F32, tl_shape(1, 2), floats)},
                                       {"b", tl_tensor_of(TL_U8, tl_shape(3), bytes)},
                                       {"s", tl_tensor_of(TL_I32, TL_SCALAR, &(int32_t){-2})}};
    write_or_fail(tensors, 3, &(tl_metadata){"k", "v"}, 1);
    static const char header[] = "{\"__metadata__\":{\"k\":\"v\"},"
                                 "\"f\":{\"dtype\":\"F32\",\"shape\":[1,2],\"data_offsets\":[0,8]},"
                                 "\"b\":{\"dtype\":\"U8\",\"shape\":[3],\"data_offsets\":[8,11]},"
                                 "\"s\":{\"dtype\":\"I32\",\"shape\":[],\"data_offsets\":[11,15]}}";
    static const char data[] = "\0\0\x80\x3f\0\0\0\xc0\x07\x08\x09\xfe\xff\xff\xff";
    size_t size;
    char *file = get_bytes(path, &size);
    size_t padded = (sizeof header - 1 + 7) / 8 * 8;
    ck_assert_uint_eq(size, 8 + padded + 15);
    ck_assert_uint_eq((unsigned char)file[0], padded);
    ck_assert_mem_eq(file + 1, "\0\0\0\0\0\0", 7);
    ck_assert_mem_eq(file + 8, header, sizeof header - 1);
    for (size_t i = sizeof header - 1; i < padded; i++)
        ck_assert_int_eq(file[8 + i], ' ');
    ck_assert_mem_eq(file + 8 + padded, data, 15);
    free(file);
    for (int i = 0; i < 3; i++) {
        tl_tensor tensor = tensors[i].tensor;
        tl_tensor_free(&tensor);
    }
}
END_TEST

START_TEST(data_starts_at_a_multiple_of_eight)
{
    char key[20] = "";
    for (size_t i = 0; i < 18; i++) {
        key[i] = 'k';
        write_or_fail(NULL, 0, &(tl_metadata){key, ""}, 1);
        size_t size;
        free(get_bytes(path, &size));
        ck_assert_uint_eq(size % 8, 0);
    }
}
END_TEST

START_TEST(files_of_others_are_read)
{
    /* spaces, another order, an odd place for doubles, extents without elements, no padding */
    static const char header[] =
        "{ \"wide\" : {\"shape\":[1], \"dtype\":\"F64\", \"data_offsets\":[3, 11]},\n"
        "\"none\": {\"data_offsets\":[3,3],\"shape\":[0, 7],\"dtype\":\"F32\"},"
        "\"void\": {\"data_offsets\":[3,3],\"shape\":[0],\"dtype\":\"F32\"},"
        "\"\\u0066ew\":{\"dtype\":\"U8\",\"shape\":[3],\"data_offsets\":[0,3]}}  \n";
    craft(sizeof header - 1, header, 11);
    tl_safetensors *file = read_or_fail();
    const char *const names[] = {"few", "none", "void", "wide"};
    ck_assert_int_eq(tl_safetensors_count(file), 4);
    for (int i = 0; i < 4; i++)
        ck_assert_str_eq(tl_safetensors_name(file, i), names[i]);
    tl_tensor few = tl_tensor_of(TL_U8, tl_shape(3), "\1\2\3");
    tl_tensor wide = tl_tensor_of(TL_F64, tl_shape(1), "\4\5\6\7\10\11\12\13");
    tl_tensor none = tl_tensor_new(TL_F32, tl_shape(0, 7));
    expect_tensor(file, "few", few);
    expect_tensor(file, "wide", wide);
    expect_tensor(file, "none", none);
    tl_tensor_free(&few);
    tl_tensor_free(&wide);
    tl_tensor_free(&none);
    tl_safetensors_free(file);
}
END_TEST

/* ---- damaged and hostile files ---- */

#define A       "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}"
#define TENSOR  "w.safetensors: tensor \"a\": "
#define NO_FILE "w.safetensors: not a safetensors file: "

static const struct {
    const char *header;
    size_t data;
    const char *message; /* or its end, where the parser counts bytes in its own way */
} damaged[] = {
    {A "}", 7, "w.safetensors: cut short: header promises 8 bytes of data, the file has 7"},
    {A "}", 0, "w.safetensors: cut short: header promises 8 bytes of data, the file has 0"},
    {A "}", 9, "w.safetensors: header describes 8 bytes of data, the file has 9"},
    {"{}", 1, "w.safetensors: header describes 0 bytes of data, the file has 1"},
    {"[]", 0, NO_FILE "the header does not start with {"},
    {" {}", 0, NO_FILE "the header does not start with {"},
    {A, 8, "of the header: '}' expected near end of file"},
    {A "}}", 8, "of the header: end of file expected near '}'"},
    {A ",\"a\":{}}", 8, "of the header: duplicate object key near '\"a\"'"},
    {"{\"a\":{\"dtype\":\"F32\",\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", 8,
     "of the header: duplicate object key near '\"dtype\"'"},
    {"{\"__metadata__\":{\"k\":\"1\",\"k\":\"2\"}}", 0, "of the header: duplicate object key near '\"k\"'"},
    {"{\"\\u0000\":{}}", 0, "of the header: NUL byte in object key not supported near '\"\\u0000\"'"},
    {"{\"__metadata__\":[]}", 0, "w.safetensors: __metadata__ is not an object"},
    {"{\"__metadata__\":{\"k\":1}}", 0, "w.safetensors: metadata \"k\" is not a string"},
    {"{\"a\":1}", 0, TENSOR "Expected object, got integer"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2]}}", 8, TENSOR "Object item not found: data_offsets"},
    {"{\"a\":{\"shape\":[2],\"data_offsets\":[0,8]}}", 8, TENSOR "Object item not found: dtype"},
    {"{\"a\":{\"dtype\":\"F32\",\"data_offsets\":[0,8]}}", 8, TENSOR "Object item not found: shape"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8],\"scale\":2}}", 8,
     TENSOR "1 object item(s) left unpacked: scale"},
    {"{\"a\":{\"dtype\":\"F16\",\"shape\":[4],\"data_offsets\":[0,8]}}", 8,
     TENSOR "element type \"F16\", expected F32, F64, I32 or U8"},
    {"{\"a\":{\"dtype\":\"BF16\",\"shape\":[4],\"data_offsets\":[0,8]}}", 8,
     TENSOR "element type \"BF16\", expected F32, F64, I32 or U8"},
    {"{\"a\":{\"dtype\":\"I64\",\"shape\":[1],\"data_offsets\":[0,8]}}", 8,
     TENSOR "element type \"I64\", expected F32, F64, I32 or U8"},
    {"{\"a\":{\"dtype\":\"f32\",\"shape\":[2],\"data_offsets\":[0,8]}}", 8,
     TENSOR "element type \"f32\", expected F32, F64, I32 or U8"},
    {"{\"a\":{\"dtype\":5,\"shape\":[2],\"data_offsets\":[0,8]}}", 8, TENSOR "Expected string, got integer"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":2,\"data_offsets\":[0,8]}}", 8,
     TENSOR "expected a shape of at most 8 extents"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1,1,1,1,1,1,1,1,2],\"data_offsets\":[0,8]}}", 8,
     TENSOR "expected a shape of at most 8 extents"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1,2.0],\"data_offsets\":[0,8]}}", 8,
     TENSOR "extent 1 of the shape is not an integer"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[-2],\"data_offsets\":[0,8]}}", 8,
     TENSOR "negative extent in shape [-2]"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[-1,-2],\"data_offsets\":[0,8]}}", 8,
     TENSOR "negative extent in shape [-1, -2]"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[4294967296,4294967296],\"data_offsets\":[0,0]}}", 0,
     TENSOR "shape [4294967296, 4294967296] has too many elements"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[0,9223372036854775807],\"data_offsets\":[0,0]}}", 0,
     TENSOR "shape [0, 9223372036854775807] has too many elements"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[4611686018427387906],\"data_offsets\":[0,8]}}", 8,
     TENSOR "shape [4611686018427387906] has too many elements"},
    {"{\"a\":{\"dtype\":\"U8\",\"shape\":[99999999999],\"data_offsets\":[0,8]}}", 8,
     TENSOR "8 bytes of data, [99999999999] of U8 takes 99999999999"},
    {"{\"a\":{\"dtype\":\"U8\",\"shape\":[99999999999],\"data_offsets\":[0,99999999999]}}", 8,
     "w.safetensors: cut short: header promises 99999999999 bytes of data, the file has 8"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[0,8]}}", 8,
     TENSOR "8 bytes of data, [3] of F32 takes 12"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[0,8]}}", 8,
     TENSOR "8 bytes of data, [] of F32 takes 4"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[8,0]}}", 8, TENSOR "data from byte 8 to 0"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[-8,0]}}", 8, TENSOR "data from byte -8 to 0"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[-9223372036854775808,9223372036854775807]}}",
     8, TENSOR "data from byte -9223372036854775808 to 9223372036854775807"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,18446744073709551615]}}", 8,
     "of the header: too big integer near '18446744073709551615'"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0.0,8.0]}}", 8,
     TENSOR "Expected integer, got real"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0]}}", 8,
     TENSOR "Array index 1 out of range"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8,9]}}", 8,
     TENSOR "1 array item(s) left unpacked"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[8,16]}}", 16,
     TENSOR "data starts at byte 8, expected 0: a hole"},
    {A ",\"b\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[9,10]}}", 10,
     "w.safetensors: tensor \"b\": data starts at byte 9, expected 8: a hole"},
    {A ",\"b\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[4,12]}}", 12,
     "w.safetensors: tensor \"b\": data starts at byte 4, expected 8: an overlap"},
    {A ",\"b\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", 8,
     "w.safetensors: tensor \"b\": data starts at byte 0, expected 8: an overlap"},
    {A ",\"b\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[4,4]}}", 8,
     "w.safetensors: tensor \"b\": data starts at byte 4, expected 8: an overlap"},
};

START_TEST(a_damaged_file_is_refused)
{
    craft(strlen(damaged[_i].header), damaged[_i].header, damaged[_i].data);
    ck_assert_ptr_null(tl_safetensors_read(path));
    ck_assert_int_eq(tl_error_status(), TL_ERROR_FORMAT);
    const char *message = tl_error_message(), *end = damaged[_i].message;
    ck_assert_msg(strncmp(message, "w.safetensors: ", 15) == 0, "%s", message);
    ck_assert_uint_ge(strlen(message), strlen(end));
    ck_assert_str_eq(message + strlen(message) - strlen(end), end);
}
END_TEST

START_TEST(a_header_that_is_not_utf8_is_refused)
{
    craft(7, "{\"\xff\":1}", 0);
    ck_assert_ptr_null(tl_safetensors_read(path));
    ck_assert_ptr_nonnull(strstr(tl_error_message(), "unable to decode byte 0xff"));
}
END_TEST

START_TEST(a_false_header_length_is_refused)
{
    craft(0, "{}", 0);
    expect_unreadable(TL_ERROR_FORMAT,
                      NO_FILE "it starts with a header length of 0, expected 1 to 100000000");
    craft(UINT64_MAX, "{}", 0);
    expect_unreadable(TL_ERROR_FORMAT, NO_FILE "it starts with a header length of 18446744073709551615, "
                                               "expected 1 to 100000000");
    craft(UINT64_C(1) << 63, "{}", 0);
    expect_unreadable(TL_ERROR_FORMAT, NO_FILE "it starts with a header length of 9223372036854775808, "
                                               "expected 1 to 100000000");
    craft(100000000, "{}", 90);
    expect_unreadable(TL_ERROR_FORMAT,
                      "w.safetensors: cut short: a header of 100000000 bytes, the file has 92");
    craft(3, "{}", 0);
    expect_unreadable(TL_ERROR_FORMAT, "w.safetensors: cut short: a header of 3 bytes, the file has 2");
    put_bytes(path, "epoch,seconds,loss\n", 19);
    expect_unreadable(TL_ERROR_FORMAT, NO_FILE "it starts with a header length of 7310235447008915557, "
                                               "expected 1 to 100000000");
    put_bytes(path, "", 0);
    expect_unreadable(TL_ERROR_FORMAT,
                      "w.safetensors: cut short: 0 bytes, the header's length alone takes 8");
}
END_TEST

START_TEST(deep_nesting_is_refused)
{
    enum { DEPTH = 1 << 20 };
    char *header = malloc(DEPTH + 6);
    memset(header, '[', DEPTH + 5);
    memcpy(header, "{\"a\":", 5);
    header[DEPTH + 5] = '\0';
    craft(DEPTH + 5, header, 0);
    free(header);
    ck_assert_ptr_null(tl_safetensors_read(path));
    ck_assert_int_eq(tl_error_status(), TL_ERROR_FORMAT);
}
END_TEST

static void write_small(void)
{
    tl_tensor a = counting(TL_F32, tl_shape(2, 3)), b = counting(TL_U8, tl_shape(5));
    write_or_fail((tl_named_tensor[]){{"a", a}, {"b", b}}, 2, &(tl_metadata){"key", "value"}, 1);
    tl_tensor_free(&a);
    tl_tensor_free(&b);
}

START_TEST(a_file_cut_anywhere_is_refused)
{
    write_small();
    size_t size;
    char *whole = get_bytes(path, &size);
    for (size_t kept = 0; kept < size; kept++) {
        put_bytes(path, whole, kept);
        ck_assert_ptr_null(tl_safetensors_read(path));
        ck_assert_int_eq(tl_error_status(), TL_ERROR_FORMAT);
        ck_assert_msg(strncmp(tl_error_message(), "w.safetensors: cut short: ", 26) == 0, "%zu bytes: %s",
                      kept, tl_error_message());
    }
    free(whole);
}
END_TEST

START_TEST(a_changed_byte_does_no_harm)
{
    write_small();
    size_t size;
    char *bytes = get_bytes(path, &size);
    static const char others[] = {'\0', '"', '9', '-', ',', '[', '}', 'e', '\\', '\x80', '\xff'};
    for (size_t i = 0; i < size; i++) {
        char old = bytes[i];
        for (size_t j = 0; j < sizeof others; j++) {
            bytes[i] = others[j];
            put_bytes(path, bytes, size);
            tl_safetensors *file = tl_safetensors_read(path);
            ck_assert(file != NULL || strncmp(tl_error_message(), path, sizeof path - 1) == 0);
            tl_safetensors_free(file);
        }
        bytes[i] = old;
    }
    free(bytes);
}
END_TEST

START_TEST(what_cannot_be_opened_is_named)
{
    expect_unreadable(TL_ERROR_IO, "w.safetensors: cannot be read: No such file or directory");
    ck_assert_int_eq(mkdir(path, 0755), 0);
    expect_unreadable(TL_ERROR_IO, "w.safetensors: cannot be read: Is a directory");
    ck_assert_int_eq(rmdir(path), 0);
    ck_assert_int_eq(mkfifo(path, 0644), 0);
    expect_unreadable(TL_ERROR_IO, "w.safetensors: cannot be read: not a regular file");
    ck_assert_ptr_null(tl_safetensors_read(NULL));
    expect_error(TL_ERROR_ARGUMENT, "safetensors: no path to read from");
}
END_TEST

START_TEST(the_end_of_a_long_path_is_shown)
{
    char deep[700];
    memset(deep, 'x', sizeof deep);
    for (size_t i = 99; i < sizeof deep; i += 100)
        deep[i] = '/';
    memcpy(deep + sizeof deep - 3, "/w", 3);
    ck_assert_ptr_null(tl_safetensors_read(deep));
    ck_assert_ptr_nonnull(strstr(tl_error_message(), "xxx/w: cannot be read: No such file or directory"));
}
END_TEST

/* ---- looking things up ---- */

START_TEST(what_is_missing_is_named)
{
    write_small();
    tl_safetensors *file = read_or_fail();
    ck_assert(!tl_tensor_ok(tl_safetensors_tensor(file, "dense/kernel")));
    expect_error(TL_ERROR_FORMAT, "w.safetensors: there is no tensor \"dense/kernel\"");
    ck_assert(!tl_tensor_ok(tl_safetensors_tensor(file, "__metadata__")));
    ck_assert_ptr_null(tl_safetensors_name(file, 2));
    expect_error(TL_ERROR_RANGE, "w.safetensors: tensor 2 of 2");
    ck_assert_ptr_null(tl_safetensors_name(file, -1));
    expect_error(TL_ERROR_RANGE, "w.safetensors: tensor -1 of 2");
    ck_assert_ptr_null(tl_safetensors_metadata(file, "missing"));
    expect_error(TL_ERROR_RANGE, "w.safetensors: tensor -1 of 2");
    tl_safetensors_free(file);
}
END_TEST

START_TEST(without_a_file_the_message_stays)
{
    tl_error(TL_ERROR_STATE, "earlier");
    ck_assert_int_eq(tl_safetensors_count(NULL), 0);
    ck_assert_ptr_null(tl_safetensors_name(NULL, 0));
    ck_assert(!tl_tensor_ok(tl_safetensors_tensor(NULL, "a")));
    ck_assert_ptr_null(tl_safetensors_metadata(NULL, "key"));
    ck_assert_int_eq(tl_safetensors_check_finite(NULL), TL_ERROR_STATE);
    tl_safetensors_free(NULL);
    expect_error(TL_ERROR_STATE, "earlier");
}
END_TEST

START_TEST(values_that_are_not_numbers_are_found)
{
    tl_tensor fine = counting(TL_I32, tl_shape(4)), none = tl_tensor_new(TL_F32, tl_shape(0, 2));
    tl_tensor floats = counting(TL_F32, tl_shape(2, 3, 4)), item = counting(TL_F64, TL_SCALAR);
    const tl_named_tensor tensors[] = {{"i", fine}, {"n", none}, {"f", floats}, {"d", item}};
    const struct {
        double in_floats, in_item;
        const char *message;
    } cases[] = {
        {3e38, -1e308, NULL},
        {(double)NAN, 0, "w.safetensors: tensor \"f\" holds nan at [1, 0, 2]"},
        {-(double)INFINITY, 0, "w.safetensors: tensor \"f\" holds infinity at [1, 0, 2]"},
        {0, (double)NAN, "w.safetensors: tensor \"d\" holds nan at []"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        ((float *)tl_data_mut(floats))[14] = (float)cases[i].in_floats;
        tl_tensor_fill(item, cases[i].in_item);
        write_or_fail(tensors, 4, NULL, 0);
        tl_safetensors *file = read_or_fail();
        tl_status status = tl_safetensors_check_finite(file);
        ck_assert_int_eq(status, cases[i].message ? TL_ERROR_NUMERIC : TL_OK);
        if (cases[i].message)
            expect_error(TL_ERROR_NUMERIC, cases[i].message);
        tl_safetensors_free(file);
    }
    tl_tensor_free(&fine);
    tl_tensor_free(&none);
    tl_tensor_free(&floats);
    tl_tensor_free(&item);
}
END_TEST

/* ---- writing what cannot be written ---- */

static const char old_text[] = "what was there before";

static void expect_old_file(void)
{
    size_t size;
    char *bytes = get_bytes(path, &size);
    ck_assert_str_eq(bytes, old_text);
    free(bytes);
    ck_assert_int_eq(files(), 1);
}

START_TEST(unfit_names_leave_the_old_file)
{
    tl_tensor a = counting(TL_F32, tl_shape(2));
    tl_tensor vast = counting(TL_U8, tl_shape(1));
    vast.shape = tl_shape(INT64_MAX / 2, 3);
    tl_error(TL_ERROR_STATE, "why there is none");
    const struct {
        tl_named_tensor tensor;
        tl_metadata pair;
        tl_status status;
        const char *message;
    } cases[] = {
        {{"a", a}, {"k", "v"}, TL_ERROR_ARGUMENT, "w.safetensors: tensor name \"a\" is already taken"},
        {{"__metadata__", a},
         {"k", "v"},
         TL_ERROR_ARGUMENT,
         "w.safetensors: tensor name \"__metadata__\" is already taken"},
        {{NULL, a}, {"k", "v"}, TL_ERROR_ARGUMENT, "w.safetensors: a tensor name is NULL"},
        {{"\xc3(", a}, {"k", "v"}, TL_ERROR_ARGUMENT, "w.safetensors: a tensor name is not UTF-8"},
        {{"b", a}, {"k", NULL}, TL_ERROR_ARGUMENT, "w.safetensors: a metadata value is NULL"},
        {{"b", a}, {NULL, "v"}, TL_ERROR_ARGUMENT, "w.safetensors: a metadata key is NULL"},
        {{"b", a}, {"\xff", "v"}, TL_ERROR_ARGUMENT, "w.safetensors: a metadata key is not UTF-8"},
        {{"b", a}, {"k", "\xed\xa0\x80"}, TL_ERROR_ARGUMENT, "w.safetensors: a metadata value is not UTF-8"},
        {{"b", a},
         {"first", "v"},
         TL_ERROR_ARGUMENT,
         "w.safetensors: metadata key \"first\" is already taken"},
        {{"b", {0}}, {"k", "v"}, TL_ERROR_STATE, "why there is none"},
        {{"b", vast},
         {"k", "v"},
         TL_ERROR_SHAPE,
         "w.safetensors: tensor \"b\": shape [4611686018427387903, 3] has too many elements"},
    };
    put_bytes(path, old_text, strlen(old_text));
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        tl_error(TL_ERROR_STATE, "why there is none");
        tl_status status = tl_safetensors_write(path, (tl_named_tensor[]){{"a", a}, cases[i].tensor}, 2,
                                                (tl_metadata[]){{"first", ""}, cases[i].pair}, 2);
        ck_assert_int_eq(status, cases[i].status);
        expect_error(cases[i].status, cases[i].message);
        expect_old_file();
    }
    tl_tensor_free(&a);
    vast.shape = TL_SCALAR;
    tl_tensor_free(&vast);
}
END_TEST

START_TEST(an_empty_tensor_without_a_message_is_an_error)
{
    tl_error(TL_OK, "none yet");
    ck_assert_int_eq(tl_safetensors_write(path, &(tl_named_tensor){"a", {0}}, 1, NULL, 0), TL_ERROR_ARGUMENT);
    expect_error(TL_ERROR_ARGUMENT, "w.safetensors: tensor \"a\" is empty");
    ck_assert_int_eq(files(), 0);
}
END_TEST

START_TEST(a_header_beyond_the_format_is_refused)
{
    enum { LENGTH = 100000000 };
    char *value = malloc(LENGTH + 1);
    memset(value, 'v', LENGTH);
    value[LENGTH] = '\0';
    put_bytes(path, old_text, strlen(old_text));
    ck_assert_int_eq(tl_safetensors_write(path, NULL, 0, &(tl_metadata){"k", value}, 1), TL_ERROR_ARGUMENT);
    expect_error(TL_ERROR_ARGUMENT, "w.safetensors: names and metadata take a header of 100000032 bytes, "
                                    "the most is 100000000");
    expect_old_file();
    free(value);
}
END_TEST

/* Neither the check nor the writing works, and both give this reason. */
static void expect_unwritable(const char *target, const char *reason)
{
    char message[600];
    snprintf(message, sizeof message, "%s: cannot be written: %s", target, reason);
    ck_assert_int_eq(tl_safetensors_writable(target), TL_ERROR_IO);
    expect_error(TL_ERROR_IO, message);
    ck_assert_int_eq(tl_safetensors_write(target, NULL, 0, NULL, 0), TL_ERROR_IO);
    expect_error(TL_ERROR_IO, message);
}

START_TEST(a_place_that_takes_no_file_is_named)
{
    ck_assert_int_eq(mkdir("models", 0755), 0);
    put_bytes(path, old_text, strlen(old_text));
    expect_unwritable("", strerror(ENOENT));
    expect_unwritable("missing/w.safetensors", strerror(ENOENT));
    expect_unwritable("models", strerror(EISDIR));
    expect_unwritable("models/", strerror(EISDIR));
    expect_unwritable(".", strerror(EISDIR));
    expect_unwritable("w.safetensors/w.safetensors", strerror(ENOTDIR));
    ck_assert_int_eq(symlink("nowhere", "dangling"), 0);
    expect_unwritable("dangling", strerror(ENOENT));
    ck_assert_int_eq(remove("dangling"), 0);
    ck_assert_int_eq(mkfifo("fifo", 0644), 0);
    expect_unwritable("fifo", "not a regular file");
    ck_assert_int_eq(remove("fifo"), 0);
    char name[300];
    memset(name, 'n', sizeof name);
    name[sizeof name - 1] = '\0';
    ck_assert_int_eq(tl_safetensors_write(name, NULL, 0, NULL, 0), TL_ERROR_IO);
    ck_assert_ptr_nonnull(strstr(tl_error_message(), strerror(ENAMETOOLONG)));
    ck_assert_int_eq(tl_safetensors_writable(name), TL_ERROR_IO);
    ck_assert_int_eq(tl_safetensors_write(NULL, NULL, 0, NULL, 0), TL_ERROR_ARGUMENT);
    expect_error(TL_ERROR_ARGUMENT, "no path to write to");
    ck_assert_int_eq(tl_safetensors_writable(NULL), TL_ERROR_ARGUMENT);
    ck_assert_int_eq(remove("models"), 0);
    expect_old_file();
}
END_TEST

/* An endless path is an error before it is anything else. */
START_TEST(a_path_beyond_the_system_is_refused)
{
    char *endless = malloc(PATH_MAX + 10);
    memset(endless, '/', PATH_MAX + 10);
    memcpy(endless + PATH_MAX + 7, "w", 2);
    ck_assert_int_eq(tl_safetensors_writable(endless), TL_ERROR_IO);
    ck_assert_ptr_nonnull(strstr(tl_error_message(), strerror(ENAMETOOLONG)));
    free(endless);
}
END_TEST

START_TEST(permissions_are_heeded)
{
    const uid_t nobody = 65534;
    bool root = geteuid() == 0;
    put_bytes(path, old_text, strlen(old_text));
    ck_assert_int_eq(chmod(path, 0444), 0);
    ck_assert_int_eq(mkdir("closed", 0555), 0);
    if (root) /* whom nothing is closed to */
        ck_assert_int_eq(seteuid(nobody), 0);
    expect_unwritable("closed/w.safetensors", strerror(EACCES));
    if (root)
        ck_assert_int_eq(seteuid(0), 0);
    ck_assert_int_eq(chmod(".", 0777), 0);
    if (root)
        ck_assert_int_eq(seteuid(nobody), 0);
    expect_unwritable(path, strerror(EACCES));
    if (root)
        ck_assert_int_eq(seteuid(0), 0);
    ck_assert_int_eq(chmod(".", 0755), 0);
    ck_assert_int_eq(remove("closed"), 0);
    expect_old_file();
}
END_TEST

START_TEST(a_full_disk_leaves_the_old_file)
{
    tl_tensor big = counting(TL_F32, tl_shape(3000));
    put_bytes(path, old_text, strlen(old_text));
    for (rlim_t most = 0; most <= 12000; most += 3000) { /* the first stops the header, the others the data */
        struct rlimit usual, tight;
        ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &usual), 0);
        void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
        tight = usual;
        tight.rlim_cur = most;
        int set = setrlimit(RLIMIT_FSIZE, &tight);
        tl_status before = tl_safetensors_writable(path);
        tl_status status = tl_safetensors_write(path, &(tl_named_tensor){"a", big}, 1, NULL, 0);
        setrlimit(RLIMIT_FSIZE, &usual); /* Check itself writes a file */
        signal(SIGXFSZ, handler);
        ck_assert_int_eq(set, 0);
        ck_assert_int_eq(before, TL_OK);
        ck_assert_int_eq(status, TL_ERROR_IO);
        expect_error(TL_ERROR_IO, "w.safetensors: cannot be written: File too large");
        expect_old_file();
    }
    tl_tensor_free(&big);
}
END_TEST

/* ---- what a file looks like from outside ---- */

static mode_t permissions(const char *name)
{
    struct stat status;
    ck_assert_int_eq(stat(name, &status), 0);
    return status.st_mode & 07777;
}

START_TEST(permissions_are_those_of_fopen)
{
    static const mode_t masks[] = {0, 022, 027, 077};
    for (size_t i = 0; i < sizeof masks / sizeof masks[0]; i++) {
        mode_t usual = umask(masks[i]);
        tl_status status = tl_safetensors_write(path, NULL, 0, NULL, 0);
        put_bytes("plain", "", 0);
        umask(usual);
        ck_assert_int_eq(status, TL_OK);
        ck_assert_uint_eq(permissions(path), 0666 & ~masks[i]);
        ck_assert_uint_eq(permissions(path), permissions("plain"));
        ck_assert_int_eq(chmod(path, 0604), 0);
        ck_assert_int_eq(tl_safetensors_write(path, NULL, 0, NULL, 0), TL_OK);
        ck_assert_uint_eq(permissions(path), 0604);
        empty_folder();
    }
}
END_TEST

START_TEST(a_new_file_takes_the_place_of_the_old)
{
    put_bytes(path, old_text, strlen(old_text));
    put_bytes(".tapeloop-0.tmp", "left by a crash", 15);
    tl_tensor a = counting(TL_F64, tl_shape(3));
    ck_assert_int_eq(tl_safetensors_write(path, &(tl_named_tensor){"a", a}, 1, NULL, 0), TL_OK);
    ck_assert_int_eq(files(), 2);
    tl_safetensors *file = read_or_fail();
    expect_tensor(file, "a", a);
    ck_assert_int_eq(tl_safetensors_write(path, NULL, 0, NULL, 0), TL_OK);
    expect_tensor(file, "a", a); /* what was read stays */
    tl_safetensors_free(file);
    tl_tensor_free(&a);
}
END_TEST

START_TEST(a_link_leads_to_its_file)
{
    ck_assert_int_eq(mkdir("far", 0755), 0);
    put_bytes("far/w", old_text, strlen(old_text));
    ck_assert_int_eq(symlink("far/w", path), 0);
    ck_assert_int_eq(tl_safetensors_writable(path), TL_OK);
    ck_assert_int_eq(tl_safetensors_write(path, NULL, 0, NULL, 0), TL_OK);
    struct stat status;
    ck_assert_int_eq(lstat(path, &status), 0);
    ck_assert(S_ISLNK(status.st_mode));
    ck_assert_int_eq(lstat("far/w", &status), 0);
    ck_assert(S_ISREG(status.st_mode));
    tl_safetensors_free(read_or_fail());
    ck_assert_int_eq(remove("far/w"), 0);
    ck_assert_int_eq(remove("far"), 0);
}
END_TEST

START_TEST(an_absolute_path_is_fine)
{
    char *here = realpath(".", NULL);
    char absolute[PATH_MAX + 20];
    snprintf(absolute, sizeof absolute, "%s/%s", here, path);
    ck_assert_int_eq(tl_safetensors_writable(absolute), TL_OK);
    ck_assert_int_eq(files(), 0);
    ck_assert_int_eq(tl_safetensors_write(absolute, NULL, 0, NULL, 0), TL_OK);
    tl_safetensors_free(read_or_fail());
    free(here);
}
END_TEST

START_TEST(asking_changes_nothing)
{
    ck_assert_int_eq(tl_safetensors_writable(path), TL_OK);
    ck_assert_int_eq(files(), 0);
    put_bytes(path, old_text, strlen(old_text));
    struct stat before, after;
    ck_assert_int_eq(stat(path, &before), 0);
    ck_assert_int_eq(tl_safetensors_writable(path), TL_OK);
    ck_assert_int_eq(stat(path, &after), 0);
    ck_assert_uint_eq(before.st_ino, after.st_ino);
    ck_assert_int_eq(before.st_mtim.tv_sec, after.st_mtim.tv_sec);
    ck_assert_int_eq(before.st_mtim.tv_nsec, after.st_mtim.tv_nsec);
    expect_old_file();
}
END_TEST

int main(void)
{
    TCase *all = tcase_create("safetensors");
    tcase_add_unchecked_fixture(all, make_folder, remove_folder);
    tcase_add_checked_fixture(all, empty_folder, NULL);
    const TTest *const tests[] = {
        every_type_and_shape_survives,
        every_bit_of_a_float_survives,
        any_view_can_be_written,
        a_file_may_hold_nothing,
        names_are_any_text,
        metadata_survives,
        much_metadata_survives,
        bytes_are_as_the_format_says,
        data_starts_at_a_multiple_of_eight,
        files_of_others_are_read,
        a_header_that_is_not_utf8_is_refused,
        a_false_header_length_is_refused,
        deep_nesting_is_refused,
        a_file_cut_anywhere_is_refused,
        a_changed_byte_does_no_harm,
        what_cannot_be_opened_is_named,
        the_end_of_a_long_path_is_shown,
        what_is_missing_is_named,
        without_a_file_the_message_stays,
        values_that_are_not_numbers_are_found,
        unfit_names_leave_the_old_file,
        an_empty_tensor_without_a_message_is_an_error,
        a_header_beyond_the_format_is_refused,
        a_place_that_takes_no_file_is_named,
        a_path_beyond_the_system_is_refused,
        permissions_are_heeded,
        a_full_disk_leaves_the_old_file,
        permissions_are_those_of_fopen,
        a_new_file_takes_the_place_of_the_old,
        a_link_leads_to_its_file,
        an_absolute_path_is_fine,
        asking_changes_nothing,
    };
    for (size_t i = 0; i < sizeof tests / sizeof tests[0]; i++)
        tcase_add_test(all, tests[i]);
    tcase_add_loop_test(all, a_damaged_file_is_refused, 0, (int)(sizeof damaged / sizeof damaged[0]));
    Suite *suite = suite_create("safetensors");
    suite_add_tcase(suite, all);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
