#include "data/text.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

/* The words of a text, each with a bar after it. */
static const char *words_of(const char *text)
{
    static char joined[4096];
    joined[0] = '\0';
    tl_words words = tl_words_of(text);
    for (const char *word; (word = tl_words_next(&words)) != NULL;) {
        ck_assert_uint_eq(words.length, strlen(word));
        ck_assert_uint_gt(words.length, 0);
        ck_assert_uint_lt(strlen(joined) + words.length + 2, sizeof joined);
        strcat(joined, word);
        strcat(joined, "|");
    }
    ck_assert_ptr_null(tl_words_next(&words)); /* the end stays the end */
    return joined;
}

static const struct {
    const char *text, *words;
} cuts[] = {
    {"", ""},
    {" \t\n ", ""},
    {"The cat sat on the mat.", "the|cat|sat|on|the|mat|"},
    {"Don't panic -- it's 'fine'", "don't|panic|it's|'fine'|"},
    {"well-known, e.g. 9/10!", "well|known|e|g|9|10|"},
    {"a!\"#$%&()*+,-./:;<=>?@[\\]^_`{|}~\t\nb", "a|b|"},
    {"a\rb\vc\fd", "a|b|c|d|"},
    {"one<br /><br />two<br/>three<br>four<BR />five", "one|two|three|four|five|"},
    {"<br />", ""},
    {"<b>bold</b> <brx> <br ", "b|bold|b|brx|br|"},
    {"<br", "br|"},
    {"<", ""},
    {"x < y", "x|y|"},
    {"a\x01z", "a\x01z|"},
};

START_TEST(text_is_cut_as_keras_cuts_it)
{
    ck_assert_str_eq(words_of(cuts[_i].text), cuts[_i].words);
}
END_TEST

/* Expected values as Python's str.lower gives them, but for the last two rows. */
static const struct {
    const char *text, *words;
} letters[] = {
    {"AZ az 09", "az|az|09|"},
    {"\u00C0\u00D6\u00D8\u00DE \u00D7 \u00DF\u00F7", "\u00E0\u00F6\u00F8\u00FE|\u00D7|\u00DF\u00F7|"},
    {"\u0100\u012E\u0132\u0136\u0139\u0147\u014A\u0176\u0178\u0179\u017D",
     "\u0101\u012F\u0133\u0137\u013A\u0148\u014B\u0177\u00FF\u017A\u017E|"},
    {"\u0101\u0138\u013A\u0149\u017A\u017F", "\u0101\u0138\u013A\u0149\u017A\u017F|"},
    {"\u01A0\u01AF \u01CD\u0218\u021A", "\u01A1\u01B0|\u01CE\u0219\u021B|"},
    {"\u0386\u0388\u038C\u038E\u038F\u0391\u03A1\u03A3A\u03AB",
     "\u03AC\u03AD\u03CC\u03CD\u03CE\u03B1\u03C1\u03C3a\u03CB|"},
    {"\u0400\u040F\u0410\u042F\u0460\u048A\u04C0\u04C1\u04D0\u052E",
     "\u0450\u045F\u0430\u044F\u0461\u048B\u04CF\u04C2\u04D1\u052F|"},
    {"\u0531\u0556", "\u0561\u0586|"},
    {"\u1E00\u1E94\u1E9E\u1EA0\u1EFE", "\u1E01\u1E95\u00DF\u1EA1\u1EFF|"},
    {"\u6620\u753B \U0001F600", "\u6620\u753B|\U0001F600|"},
    {"\u0130", "i|"},
    {"\u039F\u03A3", "\u03BF\u03C3|"},
};

START_TEST(letters_become_small)
{
    ck_assert_str_eq(words_of(letters[_i].text), letters[_i].words);
}
END_TEST

START_TEST(a_long_word_is_cut_between_characters)
{
    char text[1200];
    for (size_t shift = 0; shift < 4; shift++) {
        memset(text, 'A', shift);
        for (size_t i = shift; i + 3 < sizeof text - 4; i += 3)
            memcpy(text + i, "\u6620", 4);
        strcpy(text + strlen(text), " b");
        tl_words words = tl_words_of(text);
        const char *word = tl_words_next(&words);
        ck_assert_uint_ge(words.length, 252);
        ck_assert_uint_lt(words.length, TL_WORD_SIZE);
        ck_assert_uint_eq(strlen(word), words.length);
        ck_assert_int_eq(tl_utf8_check(word, words.length), -1);
        ck_assert_str_eq(tl_words_next(&words), "b");
        ck_assert_ptr_null(tl_words_next(&words));
    }
}
END_TEST

START_TEST(malformed_text_does_no_harm)
{
    ck_assert_str_eq(words_of("A\xFF"
                              "B \xC3"),
                     "a\xFF"
                     "b|\xC3|");
    ck_assert_str_eq(words_of("\xE6\x98 X\xF0\x9F"), "\xE6\x98|x\xF0\x9F|");
    ck_assert_str_eq(words_of("\xC1\x81"), "\xC1\x81|"); /* not taken for a capital A */
}
END_TEST

START_TEST(blank_text_is_known)
{
    ck_assert(tl_text_is_blank(""));
    ck_assert(tl_text_is_blank(" \t\r\n"));
    ck_assert(tl_text_is_blank(" <br /><BR>\n<br/> "));
    ck_assert(!tl_text_is_blank("."));
    ck_assert(!tl_text_is_blank("<br /> a"));
    ck_assert(!tl_text_is_blank("<br"));
}
END_TEST

static const struct {
    const char *text;
    int64_t bad;
} sequences[] = {
    {"", -1},
    {"plain", -1},
    {"caf\u00E9 \u6620\u753B \U0001F600 \u07FF\u0800\uD7FF\uE000\uFFFF\U00010000\U0010FFFF", -1},
    {"ab\x80", 2}, /* no lead byte */
    {"ab\xBF"
     "c",
     2},
    {"caf\xE9", 3}, /* Latin-1 */
    {"ab\xC3", 2},  /* cut short */
    {"ab\xC3"
     "c",
     2},
    {"ab\xE6\x98", 2},
    {"ab\xF0\x9F\x98", 2},
    {"\xC0\x80", 0}, /* overlong */
    {"\xC1\xBF", 0},
    {"\xE0\x9F\xBF", 0},
    {"\xF0\x8F\xBF\xBF", 0},
    {"\xED\xA0\x80", 0}, /* surrogates */
    {"\xED\xBF\xBF", 0},
    {"\xF4\x90\x80\x80", 0}, /* past U+10FFFF */
    {"\xF5\x80\x80\x80", 0},
    {"\xF8\x88\x80\x80\x80", 0},
    {"\xFE", 0},
    {"\xFF", 0},
};

START_TEST(utf8_is_checked_strictly)
{
    ck_assert_int_eq(tl_utf8_check(sequences[_i].text, strlen(sequences[_i].text)), sequences[_i].bad);
}
END_TEST

START_TEST(a_bad_byte_is_found_wherever_it_is)
{
    char text[40];
    for (size_t at = 0; at < sizeof text; at++) {
        memset(text, 'a', sizeof text);
        text[at] = '\xFF';
        ck_assert_int_eq(tl_utf8_check(text, sizeof text), (int64_t)at);
        ck_assert_int_eq(tl_utf8_check(text, at), -1);
    }
    memset(text, 0, sizeof text); /* a zero is a character like any other */
    ck_assert_int_eq(tl_utf8_check(text, sizeof text), -1);
}
END_TEST

static int rows(size_t bytes, size_t row)
{
    return (int)(bytes / row);
}

int main(void)
{
    Suite *suite = suite_create("text");
    TCase *tests = tcase_create("words");
    tcase_add_loop_test(tests, text_is_cut_as_keras_cuts_it, 0, rows(sizeof cuts, sizeof *cuts));
    tcase_add_loop_test(tests, letters_become_small, 0, rows(sizeof letters, sizeof *letters));
    tcase_add_test(tests, a_long_word_is_cut_between_characters);
    tcase_add_test(tests, malformed_text_does_no_harm);
    tcase_add_test(tests, blank_text_is_known);
    suite_add_tcase(suite, tests);
    TCase *utf8 = tcase_create("UTF-8");
    tcase_add_loop_test(utf8, utf8_is_checked_strictly, 0, rows(sizeof sequences, sizeof *sequences));
    tcase_add_test(utf8, a_bad_byte_is_found_wherever_it_is);
    suite_add_tcase(suite, utf8);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
