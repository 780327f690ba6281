#include "data/windows.h"
#include "tests/support/suite.h"

#include <string.h>

/* 0, 1, 2, ... so that an id is its place. */
static tl_tensor ids_of(int64_t count)
{
    tl_tensor ids = tl_tensor_new(TL_I32, tl_shape(count));
    int32_t *values = tl_data_mut(ids);
    for (int32_t i = 0; i < count; i++)
        values[i] = i;
    return ids;
}

START_TEST(batches_continue_each_other_row_by_row)
{
    static const struct {
        int64_t count, batch_size, window, windows;
    } cases[] = {{25, 2, 3, 4},   {24, 2, 3, 3},      {30, 2, 3, 4},    {2, 1, 1, 1},
                 {10, 1, 4, 2},   {7, 3, 2, 1},       {12, 3, 2, 1},    {13, 3, 2, 2},
                 {100, 7, 1, 14}, {1001, 10, 100, 1}, {1000, 9, 1, 111}};
    for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++) {
        int64_t batch = cases[c].batch_size, window = cases[c].window, windows = cases[c].windows;
        tl_tensor ids = ids_of(cases[c].count);
        tl_dataset data = tl_streams(ids, batch, window);
        ck_assert_msg(tl_dataset_ok(data), "%s", tl_error_message());
        tl_tensor_free(&ids); /* the data set has its own memory */
        ck_assert_int_eq(data.x.dtype, TL_I32);
        ck_assert_int_eq(data.y.dtype, TL_I32);
        ck_assert_str_eq(TL_SHAPE_TEXT(data.x.shape), TL_SHAPE_TEXT(tl_shape(windows * batch, window)));
        ck_assert_str_eq(TL_SHAPE_TEXT(data.y.shape), TL_SHAPE_TEXT(tl_shape(windows * batch, window)));
        const int32_t *x = tl_data(data.x), *y = tl_data(data.y);
        for (int64_t k = 0; k < windows; k++)
            for (int64_t b = 0; b < batch; b++)
                for (int64_t t = 0; t < window; t++) {
                    int64_t place = (b * windows + k) * window + t, at = (k * batch + b) * window + t;
                    ck_assert_int_eq(x[at], place);
                    ck_assert_int_eq(y[at], place + 1);
                }
        tl_dataset_free(&data);
    }
}
END_TEST

/* Every id but those left out is in x once. */
START_TEST(what_is_left_out_is_at_the_end)
{
    for (int64_t count = 13; count < 40; count++) {
        tl_tensor ids = ids_of(count);
        tl_dataset data = tl_streams(ids, 3, 4);
        ck_assert_msg(tl_dataset_ok(data), "%s", tl_error_message());
        int64_t left_out = (count - 1) % 12, used = count - 1 - left_out;
        ck_assert_int_eq(tl_tensor_count(data.x), used);
        bool seen[40] = {false};
        for (int64_t i = 0; i < used; i++) {
            int32_t id = ((const int32_t *)tl_data(data.x))[i];
            ck_assert(id < used && !seen[id]);
            seen[id] = true;
        }
        tl_tensor_free(&ids);
        tl_dataset_free(&data);
    }
}
END_TEST

START_TEST(any_view_of_ids_will_do)
{
    tl_tensor ids = ids_of(20);
    tl_tensor even = tl_tensor_select(tl_tensor_reshape(ids, tl_shape(10, 2)), 1, 0);
    tl_dataset data = tl_streams(even, 2, 2);
    ck_assert_msg(tl_dataset_ok(data), "%s", tl_error_message());
    const int32_t x[] = {0, 2, 8, 10, 4, 6, 12, 14}, y[] = {2, 4, 10, 12, 6, 8, 14, 16};
    ck_assert_mem_eq(tl_data(data.x), x, sizeof x);
    ck_assert_mem_eq(tl_data(data.y), y, sizeof y);
    tl_tensor_free(&ids);
    tl_dataset_free(&data);
}
END_TEST

static void expect_refused(tl_dataset data, tl_status status, const char *message)
{
    ck_assert(!data.x.storage && !data.y.storage);
    EXPECT_ERROR(status, message);
}

START_TEST(impossible_streams_are_refused)
{
    tl_tensor ids = ids_of(12), floats = tl_tensor_new(TL_F32, tl_shape(12));
    expect_refused(tl_streams(ids, 3, 4), TL_ERROR_SHAPE,
                   "streams: 12 ids are too few for 3 streams of a window of 4 and the id after it");
    expect_refused(tl_streams(ids, INT64_MAX, INT64_MAX), TL_ERROR_SHAPE,
                   "streams: 12 ids are too few for 9223372036854775807 streams of a window of "
                   "9223372036854775807 and the id after it");
    expect_refused(tl_streams(tl_tensor_slice(ids, 0, 0, 0), 1, 1), TL_ERROR_SHAPE,
                   "streams: 0 ids are too few for 1 streams of a window of 1 and the id after it");
    expect_refused(tl_streams(ids, 0, 4), TL_ERROR_ARGUMENT,
                   "streams: batch_size 0, window 4, expected at least 1");
    expect_refused(tl_streams(ids, 2, -4), TL_ERROR_ARGUMENT,
                   "streams: batch_size 2, window -4, expected at least 1");
    expect_refused(tl_streams(floats, 2, 2), TL_ERROR_DTYPE, "streams: f32, expected i32");
    expect_refused(tl_streams(tl_tensor_reshape(ids, tl_shape(6, 2)), 2, 2), TL_ERROR_SHAPE,
                   "streams: ids of shape [6, 2], expected one axis");
    tl_error(TL_ERROR_IO, "what went wrong first");
    expect_refused(tl_streams((tl_tensor){0}, 2, 2), TL_ERROR_IO, "what went wrong first");
    tl_tensor_free(&ids);
    tl_tensor_free(&floats);
}
END_TEST

int main(void)
{
    return RUN_SUITE("streams", batches_continue_each_other_row_by_row, what_is_left_out_is_at_the_end,
                     any_view_of_ids_will_do, impossible_streams_are_refused);
}
