#include "tests/data/safetensors_internal.h"

#include <limits.h>
#include <math.h>

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
    ck_assert_int_eq(tl_safetensors_bytes(NULL), 0);
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

int main(void)
{
    TCase *tests = case_in_folder("safetensors read");
    tcase_add_test(tests, a_header_that_is_not_utf8_is_refused);
    tcase_add_test(tests, a_false_header_length_is_refused);
    tcase_add_test(tests, deep_nesting_is_refused);
    tcase_add_test(tests, a_file_cut_anywhere_is_refused);
    tcase_add_test(tests, a_changed_byte_does_no_harm);
    tcase_add_test(tests, what_cannot_be_opened_is_named);
    tcase_add_test(tests, the_end_of_a_long_path_is_shown);
    tcase_add_test(tests, what_is_missing_is_named);
    tcase_add_test(tests, without_a_file_the_message_stays);
    tcase_add_test(tests, values_that_are_not_numbers_are_found);
    tcase_add_loop_test(tests, a_damaged_file_is_refused, 0, (int)(sizeof damaged / sizeof damaged[0]));
    return run_case("safetensors read", tests);
}
