#include "data/generated.h"
#include "tests/support/suite.h"

#include <math.h>
#include <string.h>

static void expect_form(tl_dataset data, tl_dtype dtype, const char *x, const char *y)
{
    ck_assert_msg(tl_dataset_ok(data), "%s", tl_error_message());
    ck_assert_int_eq(data.x.dtype, dtype);
    ck_assert_int_eq(data.y.dtype, dtype);
    ck_assert_str_eq(TL_SHAPE_TEXT(data.x.shape), x);
    ck_assert_str_eq(TL_SHAPE_TEXT(data.y.shape), y);
}

static void expect_refused(tl_dataset data, tl_status status, const char *message)
{
    ck_assert(!tl_dataset_ok(data) && !data.x.storage && !data.y.storage);
    EXPECT_ERROR(status, message);
}

/* The first values of one tensor are all of another. */
static bool begins_with(tl_tensor longer, tl_tensor shorter)
{
    return memcmp(tl_data(longer), tl_data(shorter),
                  (size_t)tl_tensor_count(shorter) * tl_dtype_size(shorter.dtype)) == 0;
}

/* ---- the adding problem ---- */

enum { SAMPLES = 2000, TIME = 51, HALF = TIME / 2 };

/* The two marked positions of a sample, which must be one in each half. */
static void find_marks(const float *x, int64_t time, int64_t marks[2])
{
    int found = 0;
    for (int64_t t = 0; t < time; t++) {
        ck_assert(x[2 * t + 1] == 0 || x[2 * t + 1] == 1);
        if (x[2 * t + 1] != 0) {
            ck_assert_int_lt(found, 2);
            marks[found++] = t;
        }
    }
    ck_assert_int_eq(found, 2);
    ck_assert_int_lt(marks[0], time / 2);
    ck_assert_int_ge(marks[1], time / 2);
}

START_TEST(the_target_is_the_sum_of_the_marked_numbers)
{
    const int64_t times[] = {2, 3, 7, 100};
    for (int i = 0; i < 4; i++) {
        tl_dataset data = tl_adding_problem(20, times[i], 7);
        ck_assert_msg(tl_dataset_ok(data), "%s", tl_error_message());
        const float *x = tl_data(data.x), *y = tl_data(data.y);
        for (int s = 0; s < 20; s++, x += 2 * times[i]) {
            int64_t marks[2];
            find_marks(x, times[i], marks);
            ck_assert_float_eq(y[s], x[2 * marks[0]] + x[2 * marks[1]]);
        }
        tl_dataset_free(&data);
    }
}
END_TEST

START_TEST(numbers_are_uniform_and_marks_are_anywhere)
{
    tl_dataset data = tl_adding_problem(SAMPLES, TIME, 1);
    expect_form(data, TL_F32, "[2000, 51, 2]", "[2000, 1]");
    const float *x = tl_data(data.x);
    double sum = 0, squares = 0;
    int at[TIME] = {0};
    for (int s = 0; s < SAMPLES; s++, x += 2 * TIME) {
        int64_t marks[2];
        find_marks(x, TIME, marks);
        at[marks[0]]++;
        at[marks[1]]++;
        for (int t = 0; t < TIME; t++) {
            ck_assert(x[2 * t] >= 0 && x[2 * t] < 1);
            sum += (double)x[2 * t];
            squares += (double)x[2 * t] * (double)x[2 * t];
        }
    }
    /* five standard deviations of the mean each */
    double n = (double)SAMPLES * TIME, mean = sum / n;
    ck_assert_double_eq_tol(mean, 0.5, 5 * sqrt(1 / (12 * n)));
    ck_assert_double_eq_tol(squares / n, 1.0 / 3, 5 * sqrt(4 / (45 * n)));
    for (int t = 0; t < TIME; t++) {
        double p = 1.0 / (t < HALF ? HALF : TIME - HALF);
        ck_assert_double_eq_tol(at[t], SAMPLES * p, 5 * sqrt(SAMPLES * p));
    }
    tl_dataset_free(&data);
}
END_TEST

START_TEST(the_constant_answer_is_off_by_a_sixth)
{
    enum { MANY = 100000 };
    tl_dataset data = tl_adding_problem(MANY, 2, 3);
    const float *y = tl_data(data.y);
    double error = 0;
    for (int s = 0; s < MANY; s++)
        error += ((double)y[s] - 1) * ((double)y[s] - 1) / MANY;
    ck_assert_double_eq_tol(error, 1.0 / 6, 5 * sqrt(7.0 / 180 / MANY)); /* E d^4 is 1/15 */
    tl_dataset_free(&data);
}
END_TEST

START_TEST(the_seed_decides_the_sums)
{
    tl_dataset few = tl_adding_problem(10, 20, 5), more = tl_adding_problem(30, 20, 5);
    tl_dataset other = tl_adding_problem(10, 20, 6);
    ck_assert(begins_with(more.x, few.x) && begins_with(more.y, few.y));
    ck_assert(!begins_with(other.x, few.x) && !begins_with(other.y, few.y));
    tl_dataset_free(&few);
    tl_dataset_free(&more);
    tl_dataset_free(&other);
}
END_TEST

START_TEST(impossible_sums_are_refused)
{
    expect_refused(tl_adding_problem(0, 100, 0), TL_ERROR_ARGUMENT,
                   "adding_problem: 0 samples of 100 steps, expected at least 1 of 2");
    expect_refused(tl_adding_problem(1, 1, 0), TL_ERROR_ARGUMENT,
                   "adding_problem: 1 samples of 1 steps, expected at least 1 of 2");
    expect_refused(tl_adding_problem(INT64_MIN, INT64_MIN, 0), TL_ERROR_ARGUMENT,
                   "adding_problem: -9223372036854775808 samples of -9223372036854775808 steps, expected at "
                   "least 1 of 2");
    ck_assert(!tl_dataset_ok(tl_adding_problem(1LL << 40, 1LL << 40, 0)));
    ck_assert_int_eq(tl_error_status(), TL_ERROR_SHAPE);
    ck_assert(!tl_dataset_ok(tl_adding_problem(3, INT64_MAX, 0)));
    ck_assert_int_eq(tl_error_status(), TL_ERROR_SHAPE);
}
END_TEST

/* ---- the copy task ---- */

static void expect_copied(const int32_t *x, const int32_t *y, int64_t length, int64_t delay, int32_t symbols)
{
    int64_t steps = length + delay + length, marker = length + delay - 1;
    for (int64_t t = 0; t < steps; t++) {
        if (t < length)
            ck_assert(x[t] >= 1 && x[t] <= symbols);
        else
            ck_assert_int_eq(x[t], t == marker ? symbols + 1 : 0);
        ck_assert_int_eq(y[t], t > marker ? x[t - length - delay] : 0);
    }
}

START_TEST(the_message_comes_back_after_the_marker)
{
    const int64_t sizes[][3] = {{10, 100, 8}, {1, 1, 1}, {3, 1, 2}, {1, 5, 300}};
    for (int i = 0; i < 4; i++) {
        int64_t length = sizes[i][0], delay = sizes[i][1], steps = 2 * length + delay;
        tl_dataset data = tl_copy_task(25, length, delay, sizes[i][2], 9);
        expect_form(data, TL_I32, TL_SHAPE_TEXT(tl_shape(25, steps)), TL_SHAPE_TEXT(tl_shape(25, steps)));
        const int32_t *x = tl_data(data.x), *y = tl_data(data.y);
        for (int s = 0; s < 25; s++)
            expect_copied(x + s * steps, y + s * steps, length, delay, (int32_t)sizes[i][2]);
        tl_dataset_free(&data);
    }
}
END_TEST

START_TEST(symbols_are_uniform)
{
    enum { LENGTH = 10, SYMBOLS = 8, STEPS = 2 * LENGTH + 1 };
    tl_dataset data = tl_copy_task(SAMPLES, LENGTH, 1, SYMBOLS, 2);
    const int32_t *x = tl_data(data.x);
    int counts[SYMBOLS + 2] = {0};
    for (int64_t i = 0; i < tl_tensor_count(data.x); i++)
        counts[x[i]]++;
    double expected = (double)SAMPLES * LENGTH / SYMBOLS;
    for (int symbol = 1; symbol <= SYMBOLS; symbol++)
        ck_assert_double_eq_tol(counts[symbol], expected, 5 * sqrt(expected));
    ck_assert_int_eq(counts[SYMBOLS + 1], SAMPLES);
    ck_assert_int_eq(counts[0], SAMPLES * LENGTH);
    tl_dataset_free(&data);
}
END_TEST

START_TEST(the_seed_decides_the_messages)
{
    tl_dataset few = tl_copy_task(10, 5, 20, 8, 5), more = tl_copy_task(30, 5, 20, 8, 5);
    tl_dataset other = tl_copy_task(10, 5, 20, 8, 6);
    ck_assert(begins_with(more.x, few.x) && begins_with(more.y, few.y));
    ck_assert(!begins_with(other.x, few.x) && !begins_with(other.y, few.y));
    tl_dataset_free(&few);
    tl_dataset_free(&more);
    tl_dataset_free(&other);
}
END_TEST

START_TEST(impossible_messages_are_refused)
{
    const int64_t bad[][4] = {{0, 1, 1, 1}, {1, 0, 1, 1}, {1, 1, 0, 1}, {1, 1, 1, 0}, {-1, 1, 1, 1}};
    for (int i = 0; i < 5; i++) {
        ck_assert(!tl_dataset_ok(tl_copy_task(bad[i][0], bad[i][1], bad[i][2], bad[i][3], 0)));
        ck_assert_int_eq(tl_error_status(), TL_ERROR_ARGUMENT);
    }
    expect_refused(tl_copy_task(2, 10, 0, 8, 0), TL_ERROR_ARGUMENT,
                   "copy_task: 2 samples, length 10, delay 0, 8 symbols, expected at least 1 of each");
    expect_refused(tl_copy_task(1, 10, 5, INT32_MAX, 0), TL_ERROR_ARGUMENT,
                   "copy_task: length 10, delay 5, 2147483647 symbols, expected at most 2147483645");
    ck_assert(!tl_dataset_ok(tl_copy_task(1, INT64_MAX, INT64_MAX, 8, 0)));
    ck_assert_int_eq(tl_error_status(), TL_ERROR_ARGUMENT);
    ck_assert(!tl_dataset_ok(tl_copy_task(INT64_MAX, 10, 5, 8, 0)));
    ck_assert_int_eq(tl_error_status(), TL_ERROR_SHAPE);
}
END_TEST

/* ---- freeing ---- */

START_TEST(a_freed_data_set_is_empty)
{
    tl_dataset data = tl_copy_task(1, 1, 1, 1, 0);
    tl_dataset_free(&data);
    ck_assert(!data.x.storage && !data.y.storage);
    tl_dataset_free(&data);
    tl_dataset_free(NULL);
}
END_TEST

int main(void)
{
    return RUN_SUITE(
        "generated", the_target_is_the_sum_of_the_marked_numbers, numbers_are_uniform_and_marks_are_anywhere,
        the_constant_answer_is_off_by_a_sixth, the_seed_decides_the_sums, impossible_sums_are_refused,
        the_message_comes_back_after_the_marker, symbols_are_uniform, the_seed_decides_the_messages,
        impossible_messages_are_refused, a_freed_data_set_is_empty);
}
