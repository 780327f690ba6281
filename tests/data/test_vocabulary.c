#include "data/vocabulary.h"

#include <check.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* the: 4, film: 3, bad and good: 2 (bad first), was, a and so: 1 in this order */
static const char *const texts[] = {"The film was BAD, bad!", "A good film<br />the the film",
                                    "so good. The"};
static const char *const ranked[] = {"the", "film", "bad", "good", "was", "a", "so"};
enum { TEXTS = 3, WORDS = 7 };

static void check_failed(bool failed, tl_status status, const char *part)
{
    ck_assert(failed);
    ck_assert_int_eq(tl_error_status(), status);
    ck_assert_msg(strstr(tl_error_message(), part), "%s", tl_error_message());
}

static void check_encoding(const tl_vocabulary *vocabulary, const char *text, int64_t count,
                           const int32_t *expected)
{
    int32_t ids[64];
    ck_assert_int_eq(tl_vocabulary_encode(vocabulary, text, ids, 64), count);
    ck_assert_mem_eq(ids, expected, (size_t)count * sizeof *ids);
}

START_TEST(words_are_ranked_by_frequency_then_first_sight)
{
    tl_vocabulary *vocabulary = tl_vocabulary_from_texts(texts, TEXTS);
    ck_assert_int_eq(tl_vocabulary_size(vocabulary), WORDS);
    ck_assert_int_eq(tl_vocabulary_limit(vocabulary), WORDS + 4);
    for (int rank = 1; rank <= WORDS; rank++) {
        const char *word = ranked[rank - 1];
        ck_assert_str_eq(tl_vocabulary_word(vocabulary, rank), word);
        ck_assert_int_eq(tl_vocabulary_index_of(vocabulary, word), rank + TL_INDEX_FROM);
        ck_assert_str_eq(tl_vocabulary_word_of(vocabulary, rank + TL_INDEX_FROM), word);
    }
    tl_vocabulary_free(vocabulary);
}
END_TEST

START_TEST(indices_follow_keras)
{
    tl_vocabulary *vocabulary = tl_vocabulary_from_texts(texts, TEXTS);
    ck_assert_int_eq(tl_vocabulary_index_of(vocabulary, "the"), 4);
    ck_assert_int_eq(tl_vocabulary_index_of(vocabulary, "never"), 2);
    check_encoding(vocabulary, "The worst film!", 4, (int32_t[]){1, 4, 2, 5});
    check_encoding(vocabulary, "", 1, (int32_t[]){1});
    check_encoding(vocabulary, " ?! <br />", 1, (int32_t[]){1});
    ck_assert_str_eq(tl_vocabulary_word_of(vocabulary, 0), "<pad>");
    ck_assert_str_eq(tl_vocabulary_word_of(vocabulary, 1), "<start>");
    ck_assert_str_eq(tl_vocabulary_word_of(vocabulary, 2), "<unknown>");
    ck_assert_str_eq(tl_vocabulary_word_of(vocabulary, 3), "<unused>");
    tl_vocabulary_free(vocabulary);
}
END_TEST

START_TEST(num_words_cuts_indices)
{
    tl_vocabulary *vocabulary = tl_vocabulary_from_texts(texts, TEXTS, .num_words = 6);
    ck_assert_int_eq(tl_vocabulary_size(vocabulary), 2);
    ck_assert_int_eq(tl_vocabulary_limit(vocabulary), 6);
    check_encoding(vocabulary, "the film was bad", 5, (int32_t[]){1, 4, 5, 2, 2});
    tl_vocabulary_free(vocabulary);

    vocabulary = tl_vocabulary_from_texts(texts, TEXTS, .num_words = 5);
    ck_assert_int_eq(tl_vocabulary_size(vocabulary), 1);
    tl_vocabulary_free(vocabulary);

    vocabulary = tl_vocabulary_from_texts(texts, TEXTS, .num_words = 1000);
    ck_assert_int_eq(tl_vocabulary_size(vocabulary), WORDS);
    tl_vocabulary_free(vocabulary);
}
END_TEST

START_TEST(skip_top_hides_the_most_frequent)
{
    tl_vocabulary *vocabulary = tl_vocabulary_from_texts(texts, TEXTS, .skip_top = 6);
    ck_assert_int_eq(tl_vocabulary_skip_top(vocabulary), 6);
    ck_assert_int_eq(tl_vocabulary_size(vocabulary), WORDS);
    check_encoding(vocabulary, "the film was bad", 5, (int32_t[]){1, 2, 2, 8, 6});
    tl_vocabulary_free(vocabulary);
}
END_TEST

START_TEST(encoding_tells_the_room_it_needs)
{
    tl_vocabulary *vocabulary = tl_vocabulary_from_texts(texts, TEXTS);
    ck_assert_int_eq(tl_vocabulary_encode(vocabulary, "the film was bad", NULL, 0), 5);
    int32_t ids[] = {-7, -7, -7};
    ck_assert_int_eq(tl_vocabulary_encode(vocabulary, "the film was bad", ids, 2), 5);
    ck_assert_mem_eq(ids, ((int32_t[]){1, 4, -7}), sizeof ids);
    tl_vocabulary_free(vocabulary);
}
END_TEST

START_TEST(decoding_gives_words_back)
{
    const int32_t ids[] = {0, 0, 1, 4, 2, 5};
    const char *whole = "the <unknown> film";
    int64_t length = (int64_t)strlen(whole);
    tl_vocabulary *vocabulary = tl_vocabulary_from_texts(texts, TEXTS);
    char text[64];
    ck_assert_int_eq(tl_vocabulary_decode(vocabulary, ids, 6, text, sizeof text), length);
    ck_assert_str_eq(text, whole);
    ck_assert_int_eq(tl_vocabulary_decode(vocabulary, ids, 6, NULL, 0), length);
    for (size_t size = 1; size <= strlen(whole) + 1; size++) {
        memset(text, '#', sizeof text);
        ck_assert_int_eq(tl_vocabulary_decode(vocabulary, ids, 6, text, size), length);
        ck_assert_uint_eq(strlen(text), size - 1);
        ck_assert_int_eq(strncmp(text, whole, size - 1), 0);
        ck_assert_int_eq(text[size], '#');
    }
    ck_assert_int_eq(tl_vocabulary_decode(vocabulary, ids, 3, text, sizeof text), 0);
    ck_assert_str_eq(text, "");
    tl_vocabulary_free(vocabulary);
}
END_TEST

START_TEST(saved_words_make_an_equal_vocabulary)
{
    const char *saved[WORDS];
    tl_vocabulary *first = tl_vocabulary_from_texts(texts, TEXTS, .num_words = 9);
    int64_t size = tl_vocabulary_size(first);
    ck_assert_int_eq(size, 5);
    for (int64_t rank = 1; rank <= size; rank++)
        saved[rank - 1] = tl_vocabulary_word(first, rank);
    tl_vocabulary *second = tl_vocabulary_from_words(saved, size);
    tl_vocabulary *third = tl_vocabulary_from_words(ranked, WORDS, .num_words = 9);
    for (int i = 0; i < WORDS; i++) {
        int64_t index = tl_vocabulary_index_of(first, ranked[i]);
        ck_assert_int_eq(tl_vocabulary_index_of(second, ranked[i]), index);
        ck_assert_int_eq(tl_vocabulary_index_of(third, ranked[i]), index);
    }
    ck_assert_int_eq(tl_vocabulary_limit(second), 9);
    ck_assert_int_eq(tl_vocabulary_limit(third), 9);
    tl_vocabulary_free(first);
    ck_assert_str_eq(tl_vocabulary_word(second, 1), "the"); /* its own copy */
    tl_vocabulary_free(second);
    tl_vocabulary_free(third);
}
END_TEST

START_TEST(no_texts_leave_no_words)
{
    tl_vocabulary *vocabulary = tl_vocabulary_from_texts(NULL, 0);
    ck_assert_ptr_nonnull(vocabulary);
    ck_assert_int_eq(tl_vocabulary_size(vocabulary), 0);
    check_encoding(vocabulary, "the film", 3, (int32_t[]){1, 2, 2});
    tl_vocabulary_free(vocabulary);
}
END_TEST

START_TEST(bad_arguments_are_errors)
{
    const int64_t counts[] = {-1, 1, 4, (int64_t)INT32_MAX + 1};
    for (int i = 0; i < 4; i++) {
        char part[64];
        snprintf(part, sizeof part, "num_words %lld", (long long)counts[i]);
        check_failed(!tl_vocabulary_from_texts(texts, TEXTS, .num_words = counts[i]), TL_ERROR_ARGUMENT,
                     part);
        check_failed(!tl_vocabulary_from_words(ranked, WORDS, .num_words = counts[i]), TL_ERROR_ARGUMENT,
                     part);
    }
    check_failed(!tl_vocabulary_from_texts(texts, TEXTS, .skip_top = -1), TL_ERROR_ARGUMENT, "skip_top -1");
    check_failed(!tl_vocabulary_from_texts(texts, -2), TL_ERROR_ARGUMENT, "-2");
    check_failed(!tl_vocabulary_from_texts(NULL, 2), TL_ERROR_ARGUMENT, "2 strings");
}
END_TEST

START_TEST(bad_strings_are_errors)
{
    const char *const latin[] = {"fine", "caf\xE9"}, *const hole[] = {"fine", NULL};
    const char *const empty[] = {"fine", ""}, *const twice[] = {"fine", "film", "fine"};
    check_failed(!tl_vocabulary_from_texts(latin, 2), TL_ERROR_FORMAT, "string 1 is not UTF-8 at byte 3");
    check_failed(!tl_vocabulary_from_words(latin, 2), TL_ERROR_FORMAT, "string 1 is not UTF-8 at byte 3");
    check_failed(!tl_vocabulary_from_texts(hole, 2), TL_ERROR_ARGUMENT, "string 1 is NULL");
    check_failed(!tl_vocabulary_from_words(empty, 2), TL_ERROR_ARGUMENT, "word 1 is empty");
    check_failed(!tl_vocabulary_from_words(twice, 3), TL_ERROR_ARGUMENT, "word 2, \"fine\", is word 0 again");
}
END_TEST

START_TEST(bad_uses_are_errors)
{
    tl_vocabulary *vocabulary = tl_vocabulary_from_texts(texts, TEXTS);
    int32_t ids[8];
    char text[8];
    check_failed(tl_vocabulary_encode(vocabulary, "caf\xE9", ids, 8) == -1, TL_ERROR_FORMAT, "at byte 3");
    check_failed(!tl_vocabulary_word(vocabulary, 0), TL_ERROR_RANGE, "rank 0, expected 1 to 7");
    check_failed(!tl_vocabulary_word(vocabulary, 8), TL_ERROR_RANGE, "rank 8");
    check_failed(!tl_vocabulary_word_of(vocabulary, -1), TL_ERROR_RANGE, "index -1, expected 0 to 10");
    check_failed(!tl_vocabulary_word_of(vocabulary, 11), TL_ERROR_RANGE, "index 11");
    check_failed(tl_vocabulary_decode(vocabulary, (int32_t[]){1, 11}, 2, text, 8) == -1, TL_ERROR_RANGE,
                 "index 11");
    tl_vocabulary_free(vocabulary);
}
END_TEST

START_TEST(null_leaves_the_message)
{
    tl_error(TL_ERROR_STATE, "before");
    int32_t id = 4;
    char text[8];
    ck_assert_int_eq(tl_vocabulary_size(NULL), 0);
    ck_assert_int_eq(tl_vocabulary_limit(NULL), 0);
    ck_assert_int_eq(tl_vocabulary_skip_top(NULL), 0);
    ck_assert_ptr_null(tl_vocabulary_word(NULL, 1));
    ck_assert_ptr_null(tl_vocabulary_word_of(NULL, 4));
    ck_assert_int_eq(tl_vocabulary_index_of(NULL, "the"), TL_INDEX_UNKNOWN);
    ck_assert_int_eq(tl_vocabulary_encode(NULL, "the", &id, 1), -1);
    ck_assert_int_eq(tl_vocabulary_decode(NULL, &id, 1, text, 8), -1);
    tl_vocabulary_free(NULL);
    ck_assert_str_eq(tl_error_message(), "before");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("vocabulary");
    TCase *tests = tcase_create("vocabulary");
    tcase_add_test(tests, words_are_ranked_by_frequency_then_first_sight);
    tcase_add_test(tests, indices_follow_keras);
    tcase_add_test(tests, num_words_cuts_indices);
    tcase_add_test(tests, skip_top_hides_the_most_frequent);
    tcase_add_test(tests, encoding_tells_the_room_it_needs);
    tcase_add_test(tests, decoding_gives_words_back);
    tcase_add_test(tests, saved_words_make_an_equal_vocabulary);
    tcase_add_test(tests, no_texts_leave_no_words);
    tcase_add_test(tests, bad_arguments_are_errors);
    tcase_add_test(tests, bad_strings_are_errors);
    tcase_add_test(tests, bad_uses_are_errors);
    tcase_add_test(tests, null_leaves_the_message);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
