#include "data/sequences.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

static const int32_t one[] = {1}, two[] = {2, 3}, three[] = {4, 5, 6};
static const tl_sequence rows[] = {{one, 1}, {two, 2}, {three, 3}};
enum { ROWS = 3 };

static void check_values(tl_tensor padded, int64_t width, const int32_t *expected)
{
    ck_assert_msg(tl_tensor_ok(padded), "%s", tl_error_message());
    ck_assert_int_eq(padded.dtype, TL_I32);
    ck_assert_int_eq(padded.shape.rank, 2);
    ck_assert_int_eq(padded.shape.dims[0], ROWS);
    ck_assert_int_eq(padded.shape.dims[1], width);
    ck_assert_mem_eq(tl_data(padded), expected, (size_t)(ROWS * width) * sizeof *expected);
    tl_tensor_free(&padded);
}

/* Expected values as Keras 3's pad_sequences gives them. */

START_TEST(defaults_pad_in_front_to_the_longest)
{
    check_values(tl_pad_sequences(rows, ROWS), 3, (int32_t[]){0, 0, 1, 0, 2, 3, 4, 5, 6});
}
END_TEST

START_TEST(maxlen_cuts_in_front)
{
    check_values(tl_pad_sequences(rows, ROWS, .maxlen = 2), 2, (int32_t[]){0, 1, 2, 3, 5, 6});
    check_values(tl_pad_sequences(rows, ROWS, .maxlen = 4), 4,
                 (int32_t[]){0, 0, 0, 1, 0, 0, 2, 3, 0, 4, 5, 6});
}
END_TEST

START_TEST(sides_and_value_can_be_chosen)
{
    check_values(tl_pad_sequences(rows, ROWS, .padding = TL_POST, .value = -1), 3,
                 (int32_t[]){1, -1, -1, 2, 3, -1, 4, 5, 6});
    check_values(tl_pad_sequences(rows, ROWS, .maxlen = 2, .truncating = TL_POST), 2,
                 (int32_t[]){0, 1, 2, 3, 4, 5});
    check_values(tl_pad_sequences(rows, ROWS, .maxlen = 2, .padding = TL_POST, .truncating = TL_POST), 2,
                 (int32_t[]){1, 0, 2, 3, 4, 5});
}
END_TEST

START_TEST(empty_sequences_are_all_padding)
{
    const tl_sequence some[] = {{NULL, 0}, {two, 2}, {two, 0}};
    check_values(tl_pad_sequences(some, ROWS, .value = 9), 2, (int32_t[]){9, 9, 2, 3, 9, 9});
}
END_TEST

START_TEST(no_sequences_make_an_empty_tensor)
{
    tl_tensor padded = tl_pad_sequences(NULL, 0, .maxlen = 5);
    ck_assert(tl_tensor_ok(padded));
    ck_assert_int_eq(padded.shape.dims[0], 0);
    ck_assert_int_eq(padded.shape.dims[1], 5);
    tl_tensor_free(&padded);
}
END_TEST

static void check_refused(tl_tensor padded, tl_status status, const char *part)
{
    ck_assert(!tl_tensor_ok(padded));
    ck_assert_int_eq(tl_error_status(), status);
    ck_assert_msg(strstr(tl_error_message(), part), "%s", tl_error_message());
}

START_TEST(bad_arguments_are_errors)
{
    const tl_sequence negative = {one, -1}, nowhere = {NULL, 3};
    check_refused(tl_pad_sequences(rows, ROWS, .maxlen = -1), TL_ERROR_ARGUMENT, "maxlen -1");
    check_refused(tl_pad_sequences(rows, -1), TL_ERROR_ARGUMENT, "-1 sequences");
    check_refused(tl_pad_sequences(NULL, 2), TL_ERROR_ARGUMENT, "2 sequences");
    check_refused(tl_pad_sequences(&negative, 1), TL_ERROR_ARGUMENT, "sequence 0 has -1");
    check_refused(tl_pad_sequences(&nowhere, 1), TL_ERROR_ARGUMENT, "sequence 0 has 3");
    check_refused(tl_pad_sequences(rows, ROWS, .padding = (tl_side)2), TL_ERROR_ARGUMENT, "padding 2");
    check_refused(tl_pad_sequences(rows, ROWS, .maxlen = INT64_MAX), TL_ERROR_SHAPE, "too many");
}
END_TEST

START_TEST(options_of_an_older_program_are_understood)
{
    const tl_pad_options older = {
        .size = offsetof(tl_pad_options, value), .sequences = rows, .count = ROWS, .value = 7};
    check_values(tl_pad_sequences_with(&older), 3, (int32_t[]){0, 0, 1, 0, 2, 3, 4, 5, 6});
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("sequences");
    TCase *tests = tcase_create("pad_sequences");
    tcase_add_test(tests, defaults_pad_in_front_to_the_longest);
    tcase_add_test(tests, maxlen_cuts_in_front);
    tcase_add_test(tests, sides_and_value_can_be_chosen);
    tcase_add_test(tests, empty_sequences_are_all_padding);
    tcase_add_test(tests, no_sequences_make_an_empty_tensor);
    tcase_add_test(tests, bad_arguments_are_errors);
    tcase_add_test(tests, options_of_an_older_program_are_understood);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
