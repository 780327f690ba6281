#include "tests/data/safetensors_internal.h"

#include <math.h>

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
    ck_assert_int_eq(tl_safetensors_bytes(file), 0);
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
    ck_assert_int_eq(tl_safetensors_bytes(file), 11);
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

int main(void)
{
    TCase *tests = case_in_folder("safetensors");
    tcase_add_test(tests, every_type_and_shape_survives);
    tcase_add_test(tests, every_bit_of_a_float_survives);
    tcase_add_test(tests, any_view_can_be_written);
    tcase_add_test(tests, a_file_may_hold_nothing);
    tcase_add_test(tests, names_are_any_text);
    tcase_add_test(tests, metadata_survives);
    tcase_add_test(tests, much_metadata_survives);
    tcase_add_test(tests, bytes_are_as_the_format_says);
    tcase_add_test(tests, data_starts_at_a_multiple_of_eight);
    tcase_add_test(tests, files_of_others_are_read);
    return run_case("safetensors", tests);
}
