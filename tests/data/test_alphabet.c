#include "data/alphabet.h"
#include "tests/support/suite.h"

#include <string.h>

/* "hé, héé\n": U+000A, space, comma, h and U+00E9 */
static const char text[] = "h\u00E9, h\u00E9\u00E9\n";
enum { SIZE = sizeof text - 1 };

static const int32_t points[] = {'\n', ' ', ',', 'h', 0xE9};
static const int32_t bytes[] = {'\n', ' ', ',', 'h', 0xA9, 0xC3};

static tl_alphabet *alphabet_or_fail(tl_alphabet *alphabet)
{
    ck_assert_msg(alphabet, "%s", tl_error_message());
    return alphabet;
}

static void expect_alphabet(const tl_alphabet *alphabet, bool by_bytes, int64_t size,
                            const int32_t *characters)
{
    ck_assert_msg(alphabet, "%s", tl_error_message());
    ck_assert_int_eq(tl_alphabet_by_bytes(alphabet), by_bytes);
    ck_assert_int_eq(tl_alphabet_size(alphabet), size);
    ck_assert_mem_eq(tl_alphabet_characters(alphabet), characters, (size_t)size * sizeof *characters);
}

/* The ids of a text, and the text of these ids. */
static void expect_ids(const tl_alphabet *alphabet, const char *from, size_t size, int64_t count,
                       const int32_t *expected)
{
    tl_tensor ids = tl_alphabet_encode(alphabet, from, size);
    ck_assert_msg(tl_tensor_ok(ids), "%s", tl_error_message());
    ck_assert_int_eq(ids.dtype, TL_I32);
    ck_assert_str_eq(TL_SHAPE_TEXT(ids.shape), TL_SHAPE_TEXT(tl_shape(count)));
    ck_assert_mem_eq(tl_data(ids), expected, (size_t)count * sizeof *expected);
    ck_assert_int_eq(tl_alphabet_decode(alphabet, tl_data(ids), count, NULL, 0), (int64_t)size);
    char *back = malloc(size + 1);
    ck_assert_ptr_nonnull(back);
    ck_assert_int_eq(tl_alphabet_decode(alphabet, tl_data(ids), count, back, size + 1), (int64_t)size);
    ck_assert_mem_eq(back, from, size);
    ck_assert_int_eq(back[size], '\0');
    free(back);
    tl_tensor_free(&ids);
}

START_TEST(code_points_are_numbered_in_order)
{
    tl_alphabet *alphabet = tl_alphabet_from_text(text, SIZE);
    expect_alphabet(alphabet, false, 5, points);
    expect_ids(alphabet, text, SIZE, 8, (const int32_t[]){3, 4, 2, 1, 3, 4, 4, 0});
    expect_ids(alphabet, "", 0, 0, points);
    tl_alphabet_free(alphabet);
}
END_TEST

START_TEST(bytes_are_numbered_in_order)
{
    tl_alphabet *alphabet = tl_alphabet_from_text(text, SIZE, .by_bytes = true);
    expect_alphabet(alphabet, true, 6, bytes);
    expect_ids(alphabet, text, SIZE, 11, (const int32_t[]){3, 5, 4, 2, 1, 3, 5, 4, 5, 4, 0});
    tl_alphabet_free(alphabet);
}
END_TEST

START_TEST(any_bytes_can_be_an_alphabet)
{
    char all[256];
    int32_t ids[256];
    for (int i = 0; i < 256; i++) {
        all[i] = (char)(255 - i);
        ids[i] = 255 - i;
    }
    tl_alphabet *alphabet = alphabet_or_fail(tl_alphabet_from_text(all, 256, .by_bytes = true));
    ck_assert_int_eq(tl_alphabet_size(alphabet), 256);
    expect_ids(alphabet, all, 256, 256, ids); /* zeros and malformed UTF-8 included */
    tl_alphabet_free(alphabet);
}
END_TEST

START_TEST(code_points_reach_from_end_to_end)
{
    static const char ends[] = "\0\x7F\xC2\x80\u07FF\u0800\uFFFF\U00010000\U0010FFFF";
    const int32_t characters[] = {0, 0x7F, 0x80, 0x7FF, 0x800, 0xFFFF, 0x10000, 0x10FFFF};
    tl_alphabet *alphabet = tl_alphabet_from_text(ends, sizeof ends - 1);
    expect_alphabet(alphabet, false, 8, characters);
    expect_ids(alphabet, ends, sizeof ends - 1, 8, (const int32_t[]){0, 1, 2, 3, 4, 5, 6, 7});
    tl_alphabet_free(alphabet);
}
END_TEST

START_TEST(an_alphabet_can_be_saved_as_its_characters)
{
    tl_alphabet *first = tl_alphabet_from_text(text, SIZE);
    tl_alphabet *second = tl_alphabet_from_characters(tl_alphabet_characters(first), tl_alphabet_size(first));
    expect_alphabet(second, false, 5, points);
    tl_alphabet_free(second);
    second = tl_alphabet_from_characters(bytes, 6, .by_bytes = true);
    expect_alphabet(second, true, 6, bytes);
    expect_ids(second, "\xC3\xA9", 2, 2, (const int32_t[]){5, 4});
    tl_alphabet_free(first);
    tl_alphabet_free(second);
}
END_TEST

START_TEST(ids_have_their_text)
{
    char out[TL_CHARACTER_SIZE];
    tl_alphabet *alphabet = alphabet_or_fail(tl_alphabet_from_text(text, SIZE));
    ck_assert_int_eq(tl_alphabet_text(alphabet, 3, out), 1);
    ck_assert_str_eq(out, "h");
    ck_assert_int_eq(tl_alphabet_text(alphabet, 4, out), 2);
    ck_assert_str_eq(out, "\u00E9");
    ck_assert_int_eq(tl_alphabet_text(alphabet, 5, out), -1);
    ck_assert_str_eq(out, "");
    EXPECT_ERROR(TL_ERROR_RANGE, "alphabet: id 5, expected 0 to 4");
    ck_assert_int_eq(tl_alphabet_text(alphabet, -1, out), -1);
    EXPECT_ERROR(TL_ERROR_RANGE, "alphabet: id -1, expected 0 to 4");
    tl_alphabet_free(alphabet);
    alphabet = alphabet_or_fail(tl_alphabet_from_text(text, SIZE, .by_bytes = true));
    ck_assert_int_eq(tl_alphabet_text(alphabet, 4, out), 1);
    ck_assert_str_eq(out, "\xA9");
    tl_alphabet_free(alphabet);
}
END_TEST

START_TEST(decoding_writes_whole_characters)
{
    const int32_t ids[] = {3, 4, 4, 2};
    char out[16];
    tl_alphabet *alphabet = alphabet_or_fail(tl_alphabet_from_text(text, SIZE));
    const char *const fits[] = {NULL, "", "h", "h", "h\u00E9", "h\u00E9", "h\u00E9\u00E9", "h\u00E9\u00E9,"};
    for (size_t room = 0; room < 8; room++) {
        memset(out, '#', sizeof out);
        ck_assert_int_eq(tl_alphabet_decode(alphabet, ids, 4, out, room), 6);
        ck_assert_int_eq(out[room], '#');
        if (room > 0)
            ck_assert_str_eq(out, fits[room]);
    }
    ck_assert_int_eq(tl_alphabet_decode(alphabet, (const int32_t[]){3, 9}, 2, out, sizeof out), -1);
    EXPECT_ERROR(TL_ERROR_RANGE, "alphabet: id 9, expected 0 to 4");
    tl_alphabet_free(alphabet);
}
END_TEST

static void expect_unknown(const tl_alphabet *alphabet, const char *from, tl_status status,
                           const char *message)
{
    ck_assert(!tl_tensor_ok(tl_alphabet_encode(alphabet, from, strlen(from))));
    EXPECT_ERROR(status, message);
}

START_TEST(unknown_characters_are_named_with_their_place)
{
    tl_alphabet *alphabet = alphabet_or_fail(tl_alphabet_from_text(text, SIZE));
    expect_unknown(alphabet, "h\u00E9 you", TL_ERROR_ARGUMENT,
                   "alphabet: U+0079 \"y\" at byte 4 is not one of the 5 characters");
    expect_unknown(alphabet, "h\u00E9\U0001F600", TL_ERROR_ARGUMENT,
                   "alphabet: U+1F600 \"\U0001F600\" at byte 3 is not one of the 5 characters");
    expect_unknown(alphabet, "hh\r\n", TL_ERROR_ARGUMENT,
                   "alphabet: U+000D at byte 2 is not one of the 5 characters");
    expect_unknown(alphabet, "h\xE9", TL_ERROR_FORMAT, "alphabet: the text is not UTF-8 at byte 1");
    tl_alphabet_free(alphabet);
    alphabet = alphabet_or_fail(tl_alphabet_from_text(text, SIZE, .by_bytes = true));
    expect_unknown(alphabet, "hh\xE9", TL_ERROR_ARGUMENT,
                   "alphabet: byte 0xE9 at byte 2 is not one of the 6 characters");
    tl_alphabet_free(alphabet);
}
END_TEST

START_TEST(bad_texts_are_refused)
{
    ck_assert_ptr_null(tl_alphabet_from_text("", 0));
    EXPECT_ERROR(TL_ERROR_ARGUMENT, "alphabet: the text is empty");
    ck_assert_ptr_null(tl_alphabet_from_text("ab\xFFz", 4));
    EXPECT_ERROR(TL_ERROR_FORMAT, "alphabet: the text is not UTF-8 at byte 2");
    ck_assert_ptr_null(tl_alphabet_from_text(text, 2)); /* in the middle of a character */
    EXPECT_ERROR(TL_ERROR_FORMAT, "alphabet: the text is not UTF-8 at byte 1");
}
END_TEST

START_TEST(bad_characters_are_refused)
{
    static const struct {
        int32_t characters[2];
        bool by_bytes;
        const char *message;
    } cases[] = {
        {{'b', 'a'}, false, "alphabet: character 1 is 97 after 98, expected a larger one"},
        {{'b', 'b'}, true, "alphabet: character 1 is 98 after 98, expected a larger one"},
        {{-1, 'b'}, false, "alphabet: character 0 is -1, which is no code point"},
        {{'b', 0xD800}, false, "alphabet: character 1 is 55296, which is no code point"},
        {{'b', 0x110000}, false, "alphabet: character 1 is 1114112, which is no code point"},
        {{'b', 256}, true, "alphabet: character 1 is 256, which is no byte"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        ck_assert_ptr_null(
            tl_alphabet_from_characters(cases[i].characters, 2, .by_bytes = cases[i].by_bytes));
        EXPECT_ERROR(TL_ERROR_ARGUMENT, cases[i].message);
    }
    ck_assert_ptr_null(tl_alphabet_from_characters(points, 0));
    ck_assert_int_eq(tl_error_status(), TL_ERROR_ARGUMENT);
    ck_assert_ptr_null(tl_alphabet_from_characters(points, INT64_MIN));
    ck_assert_ptr_null(tl_alphabet_from_characters(NULL, 3));
}
END_TEST

START_TEST(nothing_leaves_the_message)
{
    char out[TL_CHARACTER_SIZE];
    tl_error(TL_ERROR_IO, "what went wrong first");
    ck_assert_ptr_null(tl_alphabet_from_text(NULL, 0));
    ck_assert(!tl_tensor_ok(tl_alphabet_encode(NULL, text, SIZE)));
    ck_assert_int_eq(tl_alphabet_text(NULL, 0, out), -1);
    ck_assert_int_eq(tl_alphabet_decode(NULL, NULL, 0, out, sizeof out), -1);
    ck_assert_int_eq(tl_alphabet_size(NULL), 0);
    ck_assert(!tl_alphabet_by_bytes(NULL));
    ck_assert_ptr_null(tl_alphabet_characters(NULL));
    tl_alphabet_free(NULL);
    EXPECT_ERROR(TL_ERROR_IO, "what went wrong first");
}
END_TEST

START_TEST(options_of_an_older_program_are_understood)
{
    const tl_alphabet_options older = {
        .size = offsetof(tl_alphabet_options, by_bytes), .text = text, .length = SIZE, .by_bytes = true};
    tl_alphabet *alphabet = tl_alphabet_from_text_with(&older);
    expect_alphabet(alphabet, false, 5, points);
    tl_alphabet_free(alphabet);
}
END_TEST

int main(void)
{
    return RUN_SUITE("alphabet", code_points_are_numbered_in_order, bytes_are_numbered_in_order,
                     any_bytes_can_be_an_alphabet, code_points_reach_from_end_to_end,
                     an_alphabet_can_be_saved_as_its_characters, ids_have_their_text,
                     decoding_writes_whole_characters, unknown_characters_are_named_with_their_place,
                     bad_texts_are_refused, bad_characters_are_refused, nothing_leaves_the_message,
                     options_of_an_older_program_are_understood);
}
