#include "data/windows.h"
#include "tests/support/suite.h"

#include <string.h>

/* [time, features] of 100 t + feature. */
static tl_tensor series_of(tl_dtype dtype, int64_t time, int64_t features)
{
    tl_tensor series = tl_tensor_new(dtype, tl_shape(time, features));
    for (int64_t t = 0; t < time; t++)
        for (int64_t f = 0; f < features; f++)
            tl_tensor_fill(tl_tensor_select(tl_tensor_select(series, 0, t), 0, f), (double)(100 * t + f));
    return series;
}

/* Every value of the windows, by the formula. */
static void expect_windows(tl_dataset data, int64_t n, int64_t features, const tl_windows_options *o)
{
    ck_assert_msg(tl_dataset_ok(data), "%s", tl_error_message());
    ck_assert_str_eq(TL_SHAPE_TEXT(data.x.shape), TL_SHAPE_TEXT(tl_shape(n, o->window, features)));
    ck_assert_str_eq(TL_SHAPE_TEXT(data.y.shape), TL_SHAPE_TEXT(tl_shape(n, o->horizon)));
    ck_assert_ptr_eq(data.x.storage, o->series.storage);
    ck_assert_ptr_eq(data.y.storage, o->series.storage);
    for (int64_t i = 0; i < n; i++) {
        for (int64_t t = 0; t < o->window; t++)
            for (int64_t f = 0; f < features; f++)
                ck_assert_double_eq(tl_tensor_at(data.x, (const int64_t[]){i, t, f}),
                                    (double)(100 * (i * o->step + t) + f));
        for (int64_t t = 0; t < o->horizon; t++)
            ck_assert_double_eq(tl_tensor_at(data.y, (const int64_t[]){i, t}),
                                (double)(100 * (i * o->step + o->window + t) + o->target));
    }
}

START_TEST(every_window_comes_with_what_follows)
{
    static const struct {
        int64_t time, features, window, horizon, step, target, n;
    } cases[] = {
        {10, 1, 3, 1, 1, 0, 7}, {10, 3, 3, 1, 1, 2, 7}, {10, 2, 4, 2, 1, 1, 5}, {10, 2, 4, 2, 3, 0, 2},
        {11, 2, 4, 1, 3, 0, 3}, {10, 2, 4, 2, 9, 0, 1}, {2, 1, 1, 1, 1, 0, 1},  {10, 3, 1, 9, 1, 1, 1},
        {10, 1, 9, 1, 1, 0, 1}, {30, 4, 2, 3, 5, 3, 6},
    };
    const tl_dtype dtypes[] = {TL_F32, TL_F64, TL_I32};
    for (size_t c = 0; c < 3 * sizeof cases / sizeof cases[0]; c++) {
        const int64_t *k = &cases[c / 3].time;
        tl_tensor series = series_of(dtypes[c % 3], k[0], k[1]);
        tl_windows_options o = {.size = sizeof o,
                                .series = series,
                                .window = k[2],
                                .horizon = k[3],
                                .step = k[4],
                                .target = k[5]};
        expect_windows(tl_windows_with(&o), k[6], k[1], &o);
        tl_tensor_free(&series);
    }
}
END_TEST

START_TEST(a_series_without_features_gets_one)
{
    tl_tensor series = series_of(TL_F32, 6, 1), line = tl_tensor_reshape(series, tl_shape(6));
    tl_windows_options o = {.series = line, .window = 2, .horizon = 1, .step = 1};
    expect_windows(tl_windows(line, .window = 2), 4, 1, &o);
    tl_tensor_free(&series);
}
END_TEST

START_TEST(any_view_is_a_series)
{
    tl_tensor series = series_of(TL_F64, 9, 3);
    tl_tensor odd = tl_tensor_select(tl_tensor_unfold(series, 0, 1, 2), 2, 0); /* every second step */
    tl_dataset data = tl_windows(tl_tensor_slice(odd, 1, 1, 2), .window = 2, .horizon = 2, .target = 1);
    ck_assert_msg(tl_dataset_ok(data), "%s", tl_error_message());
    ck_assert_str_eq(TL_SHAPE_TEXT(data.x.shape), "[2, 2, 2]");
    const double x[] = {1, 2, 201, 202, 201, 202, 401, 402}, y[] = {402, 602, 602, 802};
    double got[8];
    ck_assert_int_eq(tl_copy_out(data.x, got, sizeof x), TL_OK);
    ck_assert_mem_eq(got, x, sizeof x);
    ck_assert_int_eq(tl_copy_out(data.y, got, sizeof y), TL_OK);
    ck_assert_mem_eq(got, y, sizeof y);
    tl_tensor_free(&series);
}
END_TEST

START_TEST(slices_of_windows_are_windows)
{
    tl_tensor series = series_of(TL_F32, 10, 1);
    tl_dataset part = tl_dataset_slice(tl_windows(series, .window = 3), 2, 4);
    ck_assert_int_eq(tl_dataset_size(part), 4);
    ck_assert_double_eq(tl_tensor_at(part.x, (const int64_t[]){1, 2, 0}), 500);
    ck_assert_double_eq(tl_tensor_at(part.y, (const int64_t[]){3, 0}), 800);
    tl_tensor_free(&series);
}
END_TEST

static void expect_refused(tl_dataset data, tl_status status, const char *message)
{
    ck_assert(!tl_dataset_ok(data));
    EXPECT_ERROR(status, message);
}

START_TEST(impossible_windows_are_refused)
{
    tl_tensor series = series_of(TL_F32, 10, 2);
    expect_refused(tl_windows(series, .window = 10), TL_ERROR_SHAPE,
                   "windows: a series of 10 steps is too short for a window of 10 and a horizon of 1");
    expect_refused(tl_windows(series, .window = 7, .horizon = 4), TL_ERROR_SHAPE,
                   "windows: a series of 10 steps is too short for a window of 7 and a horizon of 4");
    expect_refused(tl_windows(series, .window = INT64_MAX, .horizon = INT64_MAX), TL_ERROR_SHAPE,
                   "windows: a series of 10 steps is too short for a window of 9223372036854775807 and a "
                   "horizon of 9223372036854775807");
    expect_refused(tl_windows(series), TL_ERROR_ARGUMENT,
                   "windows: window 0, horizon 1, step 1, expected at least 1");
    expect_refused(tl_windows(series, .window = 2, .horizon = -1, .step = -2), TL_ERROR_ARGUMENT,
                   "windows: window 2, horizon -1, step -2, expected at least 1");
    expect_refused(tl_windows(series, .window = 2, .target = 2), TL_ERROR_RANGE,
                   "windows: target 2 of 2 features");
    expect_refused(tl_windows(series, .window = 2, .target = -1), TL_ERROR_RANGE,
                   "windows: target -1 of 2 features");
    expect_refused(tl_windows(tl_tensor_unsqueeze(series, 0), .window = 2), TL_ERROR_SHAPE,
                   "windows: a series of shape [1, 10, 2], expected [time] or [time, features]");
    tl_error(TL_ERROR_IO, "what went wrong first");
    expect_refused(tl_windows((tl_tensor){0}, .window = 2), TL_ERROR_IO, "what went wrong first");
    tl_tensor_free(&series);
}
END_TEST

int main(void)
{
    return RUN_SUITE("windows", every_window_comes_with_what_follows, a_series_without_features_gets_one,
                     any_view_is_a_series, slices_of_windows_are_windows, impossible_windows_are_refused);
}
