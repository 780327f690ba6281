/* The dictionary and the arena under it are compiled into this test, over an allocator that counts and can
 * be told to fail. */
#include "tensor/error.h"
#include "tensor/memory_internal.h"

#include <check.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int64_t allocated, held, failing = -1; /* calls so far, blocks held, the call that fails */

static bool fails(void)
{
    return allocated++ == failing;
}

static void *counted(void *memory)
{
    held += memory != NULL;
    return memory;
}

static void *test_allocate_raw(size_t bytes)
{
    if (!fails())
        return counted(tl_allocate_raw(bytes));
    tl_error(TL_ERROR_MEMORY, "out of memory: %zu bytes", bytes);
    return NULL;
}

static void *test_allocate(size_t bytes)
{
    void *memory = test_allocate_raw(bytes);
    return memory ? memset(memory, 0, bytes) : NULL;
}

static void test_release(void *memory)
{
    held -= memory != NULL;
    tl_release(memory);
}

#define tl_allocate_raw test_allocate_raw
#define tl_allocate     test_allocate
#define tl_release      test_release
#include "tensor/arena.c"
#include "tensor/dictionary.c"

enum { MANY = 120000, SOME = 3000 };
enum { OWN = 2 }; /* allocations of a new dictionary: itself and an arena */

static const char *numbered(int64_t i)
{
    static char word[32];
    snprintf(word, sizeof word, "word%lld", (long long)(i * 7919 % 1000003));
    return word;
}

static void check_first(const tl_dictionary *dictionary, int64_t count)
{
    ck_assert_int_eq(tl_dictionary_count(dictionary), count);
    for (int64_t i = 0; i < count; i++) {
        ck_assert_int_eq(tl_dictionary_find(dictionary, numbered(i)), i);
        ck_assert_str_eq(tl_dictionary_word(dictionary, i), numbered(i));
        ck_assert_int_eq(tl_dictionary_value(dictionary, i), -i);
    }
}

START_TEST(an_empty_dictionary_has_nothing)
{
    tl_dictionary *dictionary = tl_dictionary_new();
    ck_assert_int_eq(tl_dictionary_count(dictionary), 0);
    ck_assert_int_eq(tl_dictionary_find(dictionary, "film"), -1);
    ck_assert_int_eq(tl_dictionary_get(dictionary, "film", 42), 42);
    tl_dictionary_free(dictionary);
    tl_dictionary_free(NULL);
    ck_assert_int_eq(held, 0);
}
END_TEST

START_TEST(put_and_add_set_values_in_order)
{
    tl_dictionary *dictionary = tl_dictionary_new();
    char word[] = "film";
    ck_assert_int_eq(tl_dictionary_put(dictionary, word, 5), TL_OK);
    word[0] = 'X'; /* it keeps its own copy */
    ck_assert_int_eq(tl_dictionary_add(dictionary, "", 1), TL_OK);
    ck_assert_int_eq(tl_dictionary_add(dictionary, "film", 2), TL_OK);
    ck_assert_int_eq(tl_dictionary_add(dictionary, "", 1), TL_OK);
    ck_assert_int_eq(tl_dictionary_put(dictionary, "h\xC3\xA9ros", -1), TL_OK);
    ck_assert_int_eq(tl_dictionary_put(dictionary, "h\xC3\xA9ros", INT64_MIN), TL_OK);
    ck_assert_int_eq(tl_dictionary_count(dictionary), 3);
    ck_assert_int_eq(tl_dictionary_get(dictionary, "film", 0), 7);
    ck_assert_int_eq(tl_dictionary_get(dictionary, "", 0), 2);
    ck_assert_int_eq(tl_dictionary_get(dictionary, "h\xC3\xA9ros", 0), INT64_MIN);
    ck_assert_int_eq(tl_dictionary_find(dictionary, "Xilm"), -1);
    ck_assert_str_eq(tl_dictionary_word(dictionary, 0), "film");
    ck_assert_str_eq(tl_dictionary_word(dictionary, 1), "");
    tl_dictionary_free(dictionary);
    ck_assert_int_eq(held, 0);
}
END_TEST

START_TEST(many_words_are_kept)
{
    tl_dictionary *dictionary = tl_dictionary_new();
    for (int64_t i = 0; i < MANY; i++)
        ck_assert_int_eq(tl_dictionary_put(dictionary, numbered(i), -i), TL_OK);
    check_first(dictionary, MANY);
    ck_assert_int_eq(tl_dictionary_find(dictionary, "word"), -1);
    tl_dictionary_free(dictionary);
    ck_assert_int_eq(held, 0);
}
END_TEST

START_TEST(a_very_long_word_is_a_word)
{
    enum { LENGTH = 3000000 };
    char *word = malloc(LENGTH + 1);
    ck_assert_ptr_nonnull(word);
    memset(word, 'a', LENGTH);
    word[LENGTH] = '\0';
    tl_dictionary *dictionary = tl_dictionary_new();
    ck_assert_int_eq(tl_dictionary_put(dictionary, word, 1), TL_OK);
    ck_assert_int_eq(tl_dictionary_put(dictionary, "a", 2), TL_OK);
    ck_assert_int_eq(tl_dictionary_get(dictionary, word, 0), 1);
    ck_assert_str_eq(tl_dictionary_word(dictionary, 0), word);
    tl_dictionary_free(dictionary);
    free(word);
    ck_assert_int_eq(held, 0);
}
END_TEST

/* Whichever allocation fails, the insertion that needed it says so, nothing else changes, and it succeeds
 * when tried again. */
START_TEST(every_failed_allocation_is_an_ordinary_error)
{
    int64_t failures = 0, k = OWN - 1;
    do {
        allocated = 0;
        failing = -1;
        tl_dictionary *dictionary = tl_dictionary_new();
        ck_assert_int_eq(allocated, OWN);
        failing = ++k;
        for (int64_t i = 0; i < SOME; i++) {
            if (tl_dictionary_add(dictionary, numbered(i), -i) == TL_OK)
                continue;
            failures++;
            ck_assert_int_eq(tl_error_status(), TL_ERROR_MEMORY);
            ck_assert_ptr_nonnull(strstr(tl_error_message(), "out of memory"));
            check_first(dictionary, i);
            ck_assert_int_eq(tl_dictionary_find(dictionary, numbered(i)), -1);
            ck_assert_int_eq(tl_dictionary_put(dictionary, numbered(i), -i), TL_OK);
        }
        check_first(dictionary, SOME);
        tl_dictionary_free(dictionary);
        ck_assert_int_eq(held, 0);
    } while (allocated > k); /* until there are not so many calls */
    ck_assert_int_gt(failures, 20);
    ck_assert_int_eq(failures, k - OWN);
}
END_TEST

START_TEST(a_dictionary_that_cannot_be_made_is_null)
{
    for (failing = 0; failing < OWN; failing++) {
        allocated = 0;
        ck_assert_ptr_null(tl_dictionary_new());
        ck_assert_int_eq(tl_error_status(), TL_ERROR_MEMORY);
        ck_assert_int_eq(held, 0);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("dictionary");
    TCase *tests = tcase_create("dictionary");
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, an_empty_dictionary_has_nothing);
    tcase_add_test(tests, put_and_add_set_values_in_order);
    tcase_add_test(tests, many_words_are_kept);
    tcase_add_test(tests, a_very_long_word_is_a_word);
    tcase_add_test(tests, every_failed_allocation_is_an_ordinary_error);
    tcase_add_test(tests, a_dictionary_that_cannot_be_made_is_null);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
