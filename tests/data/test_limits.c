/* Data at their limits: texts and series too short for a window, nothing at all, and lengths past what 32 and
 * 64 bits count. */
#include "data/alphabet.h"
#include "data/dataset.h"
#include "data/generated.h"
#include "data/sequences.h"
#include "data/vocabulary.h"
#include "data/windows.h"
#include "tests/support/suite.h"

/* One number that stands for 2^40 steps. */
static const int64_t vast = (int64_t)1 << 40;

START_TEST(windows_of_a_vast_series)
{
    tl_tensor one = tl_tensor_of(TL_F32, tl_shape(1), &(float){3});
    tl_tensor series = tl_tensor_broadcast(one, tl_shape(vast));
    tl_dataset data = tl_windows(series, .window = 24, .horizon = 6, .step = 2);
    ck_assert_msg(tl_dataset_ok(data), "%s", tl_error_message());
    ck_assert_int_eq(tl_dataset_size(data), (vast - 30) / 2 + 1);
    tl_dataset last = tl_dataset_slice(data, tl_dataset_size(data) - 1, 1);
    ck_assert_double_eq(tl_tensor_at(last.x, (int64_t[]){0, 23, 0}), 3);
    ck_assert_double_eq(tl_tensor_at(last.y, (int64_t[]){0, 5}), 3);

    data = tl_windows(series, .window = vast - 1, .horizon = 1, .step = INT64_MAX);
    ck_assert_int_eq(tl_dataset_size(data), 1);
    ck_assert_int_eq(data.x.shape.dims[1], vast - 1);
    tl_tensor_free(&one);
}
END_TEST

START_TEST(a_series_shorter_than_its_window)
{
    tl_tensor series = tl_tensor_new(TL_F32, tl_shape(5)), none = tl_tensor_new(TL_F32, tl_shape(0));
    ck_assert(tl_dataset_ok(tl_windows(series, .window = 4)));
    ck_assert(!tl_dataset_ok(tl_windows(series, .window = 5)));
    EXPECT_ERROR(TL_ERROR_SHAPE,
                 "windows: a series of 5 steps is too short for a window of 5 and a horizon of 1");
    ck_assert(!tl_dataset_ok(tl_windows(series, .window = INT64_MAX, .horizon = INT64_MAX)));
    EXPECT_ERROR(TL_ERROR_SHAPE,
                 "windows: a series of 5 steps is too short for a window of 9223372036854775807 "
                 "and a horizon of 9223372036854775807");
    ck_assert(!tl_dataset_ok(tl_windows(none, .window = 1)));
    EXPECT_ERROR(TL_ERROR_SHAPE,
                 "windows: a series of 0 steps is too short for a window of 1 and a horizon of 1");
    tl_tensor_free(&series);
    tl_tensor_free(&none);
}
END_TEST

START_TEST(a_text_shorter_than_its_window)
{
    tl_alphabet *alphabet = tl_alphabet_from_text("abc", 3);
    tl_tensor ids = tl_alphabet_encode(alphabet, "abcabca", 7), none = tl_alphabet_encode(alphabet, "", 0);
    tl_dataset data = tl_streams(ids, 2, 3);
    ck_assert_int_eq(tl_dataset_size(data), 2);
    tl_dataset_free(&data);
    data = tl_streams(ids, 1, 6);
    ck_assert_int_eq(tl_dataset_size(data), 1);
    tl_dataset_free(&data);
    ck_assert(!tl_dataset_ok(tl_streams(ids, 1, 7)));
    EXPECT_ERROR(TL_ERROR_SHAPE,
                 "streams: 7 ids are too few for 1 streams of a window of 7 and the id after it");
    const int64_t vasts[][2] = {
        {INT64_MAX, INT64_MAX}, {INT64_MAX, 1}, {1, INT64_MAX}, {4294967296, 4294967296}};
    for (int i = 0; i < 4; i++) {
        ck_assert(!tl_dataset_ok(tl_streams(ids, vasts[i][0], vasts[i][1])));
        ck_assert_int_eq(tl_error_status(), TL_ERROR_SHAPE);
    }
    ck_assert(tl_tensor_ok(none));
    ck_assert_int_eq(tl_tensor_count(none), 0);
    ck_assert(!tl_dataset_ok(tl_streams(none, 1, 1)));
    EXPECT_ERROR(TL_ERROR_SHAPE,
                 "streams: 0 ids are too few for 1 streams of a window of 1 and the id after it");
    tl_alphabet_free(alphabet);
    tl_tensor_free(&ids);
    tl_tensor_free(&none);
}
END_TEST

START_TEST(an_empty_text_has_no_alphabet_and_no_words)
{
    ck_assert_ptr_null(tl_alphabet_from_text("", 0));
    EXPECT_ERROR(TL_ERROR_ARGUMENT, "alphabet: the text is empty");
    const char *const texts[] = {"", " \n<br />"};
    tl_vocabulary *vocabulary = tl_vocabulary_from_texts(texts, 2);
    ck_assert_ptr_nonnull(vocabulary);
    ck_assert_int_eq(tl_vocabulary_size(vocabulary), 0);
    ck_assert_int_eq(tl_vocabulary_limit(vocabulary), 4);
    int32_t ids[3];
    ck_assert_int_eq(tl_vocabulary_encode(vocabulary, "never seen", ids, 3), 3);
    ck_assert_int_eq(ids[0], TL_INDEX_START);
    ck_assert_int_eq(ids[2], TL_INDEX_UNKNOWN);
    ck_assert_int_eq(tl_vocabulary_encode(vocabulary, "", ids, INT64_MAX), 1);
    tl_vocabulary_free(vocabulary);
}
END_TEST

/* One letter, and one word. */
START_TEST(a_vocabulary_of_one)
{
    tl_alphabet *alphabet = tl_alphabet_from_text("aaaa", 4);
    ck_assert_int_eq(tl_alphabet_size(alphabet), 1);
    tl_tensor ids = tl_alphabet_encode(alphabet, "aaa", 3);
    ck_assert_double_eq(tl_tensor_at(ids, (int64_t[]){2}), 0);
    const char *const texts[] = {"a a a b"};
    tl_vocabulary *vocabulary = tl_vocabulary_from_texts(texts, 1, .num_words = 5);
    ck_assert_int_eq(tl_vocabulary_size(vocabulary), 1);
    ck_assert_int_eq(tl_vocabulary_index_of(vocabulary, "b"), TL_INDEX_UNKNOWN);
    ck_assert_ptr_null(tl_vocabulary_from_texts(texts, 1, .num_words = (int64_t)INT32_MAX + 1));
    ck_assert_int_eq(tl_error_status(), TL_ERROR_ARGUMENT);
    ck_assert_ptr_null(tl_vocabulary_word(vocabulary, INT64_MAX));
    ck_assert_ptr_null(tl_vocabulary_word_of(vocabulary, INT64_MIN));
    tl_vocabulary_free(vocabulary);
    tl_alphabet_free(alphabet);
    tl_tensor_free(&ids);
}
END_TEST

START_TEST(padding_of_nothing_and_beyond)
{
    const tl_sequence sequences[] = {{NULL, 0}, {(const int32_t[]){1, 2}, 2}};
    tl_tensor padded = tl_pad_sequences(sequences, 1);
    ck_assert(tl_tensor_ok(padded) && tl_shape_equal(padded.shape, tl_shape(1, 0)));
    tl_tensor_free(&padded);
    padded = tl_pad_sequences(sequences, 0, .maxlen = INT64_MAX / 16);
    ck_assert(tl_tensor_ok(padded) && tl_tensor_count(padded) == 0);
    tl_tensor_free(&padded);
    padded = tl_pad_sequences(sequences, 2, .maxlen = INT64_MAX);
    ck_assert(!tl_tensor_ok(padded));
    EXPECT_ERROR(TL_ERROR_SHAPE, "tensor_new: shape [2, 9223372036854775807] has too many elements");
}
END_TEST

START_TEST(slices_of_data_sets)
{
    tl_tensor one = tl_tensor_of(TL_I32, tl_shape(1), &(int32_t){1});
    tl_tensor many = tl_tensor_broadcast(one, tl_shape(vast));
    tl_dataset data = tl_dataset_of(many, many);
    ck_assert_int_eq(tl_dataset_size(data), vast);
    ck_assert_int_eq(tl_dataset_size(tl_dataset_slice(data, vast / 2, vast / 2)), vast / 2);
    ck_assert_int_eq(tl_dataset_size(tl_dataset_slice(data, vast, 0)), 0);
    ck_assert(tl_dataset_ok(tl_dataset_slice(data, vast, 0)));
    ck_assert(!tl_dataset_ok(tl_dataset_slice(data, 1, INT64_MAX)));
    ck_assert(!tl_dataset_ok(tl_dataset_slice(data, INT64_MAX, 1)));
    ck_assert_int_eq(tl_error_status(), TL_ERROR_RANGE);
    tl_tensor_free(&one);
}
END_TEST

START_TEST(tasks_too_large_to_count_are_refused)
{
    ck_assert(!tl_dataset_ok(tl_adding_problem(INT64_MAX, INT64_MAX, 0)));
    ck_assert_int_eq(tl_error_status(), TL_ERROR_SHAPE);
    ck_assert(!tl_dataset_ok(tl_adding_problem((int64_t)1 << 32, (int64_t)1 << 32, 0)));
    ck_assert_int_eq(tl_error_status(), TL_ERROR_SHAPE);
    ck_assert(!tl_dataset_ok(tl_copy_task(INT64_MAX, 1, 1, 1, 0)));
    ck_assert_int_eq(tl_error_status(), TL_ERROR_SHAPE);
    ck_assert(!tl_dataset_ok(tl_copy_task(1, INT64_MAX, 1, 1, 0)));
    ck_assert_int_eq(tl_error_status(), TL_ERROR_ARGUMENT);
    tl_dataset least = tl_copy_task(1, 1, 1, 1, 0);
    ck_assert_int_eq(least.x.shape.dims[1], 3);
    tl_dataset_free(&least);
}
END_TEST

int main(void)
{
    return RUN_SUITE("limits of data", windows_of_a_vast_series, a_series_shorter_than_its_window,
                     a_text_shorter_than_its_window, an_empty_text_has_no_alphabet_and_no_words,
                     a_vocabulary_of_one, padding_of_nothing_and_beyond, slices_of_data_sets,
                     tasks_too_large_to_count_are_refused);
}
