/* Windows as overlapping views: what they show, and that whoever reads tensors reads them right. */
#include "tensor/tensor.h"
#include "tests/support/suite.h"

#include <string.h>

static tl_tensor counting(tl_shape shape)
{
    tl_tensor tensor = tl_tensor_new(TL_I32, shape);
    int32_t *values = tl_data_mut(tensor);
    for (int32_t i = 0; i < tl_tensor_count(tensor); i++)
        values[i] = i;
    return tensor;
}

#define EXPECT_VIEW(view, expected_shape, ...)                                                               \
    do {                                                                                                     \
        const int32_t expected[] = {__VA_ARGS__};                                                            \
        expect_view(view, expected_shape, expected, (int64_t)(sizeof expected / sizeof expected[0]));        \
    } while (0)

/* Values by tl_copy_out, by tl_tensor_at and by a copy into a tensor that lies the other way round. */
static void expect_view(tl_tensor view, const char *shape, const int32_t *expected, int64_t count)
{
    ck_assert_msg(tl_tensor_ok(view), "%s", tl_error_message());
    ck_assert_str_eq(TL_SHAPE_TEXT(view.shape), shape);
    ck_assert_int_eq(tl_tensor_count(view), count);
    int32_t got[64];
    size_t bytes = (size_t)count * sizeof *got;
    ck_assert_int_eq(tl_copy_out(view, got, bytes), TL_OK);
    ck_assert_mem_eq(got, expected, bytes);

    int last = view.shape.rank - 1;
    tl_tensor flipped = tl_tensor_transpose(view, 0, last);
    tl_tensor copy = tl_tensor_new(TL_I32, flipped.shape);
    ck_assert_int_eq(tl_tensor_copy(tl_tensor_transpose(copy, 0, last), view), TL_OK);
    ck_assert_int_eq(tl_copy_out(tl_tensor_transpose(copy, 0, last), got, bytes), TL_OK);
    ck_assert_mem_eq(got, expected, bytes);
    tl_tensor_free(&copy);

    for (int64_t i = 0; i < count; i++) {
        int64_t index[TL_MAX_RANK], rest = i;
        for (int axis = last; axis >= 0; axis--) {
            index[axis] = rest % view.shape.dims[axis];
            rest /= view.shape.dims[axis];
        }
        ck_assert_double_eq(tl_tensor_at(view, index), expected[i]);
    }
}

#define EXPECT_NO_VIEW(view, status, message)                                                                \
    do {                                                                                                     \
        ck_assert(!tl_tensor_ok(view));                                                                      \
        EXPECT_ERROR(status, message);                                                                       \
    } while (0)

/* Expected values as torch.Tensor.unfold gives them. */

START_TEST(windows_overlap)
{
    tl_tensor t = counting(tl_shape(7));
    EXPECT_VIEW(tl_tensor_unfold(t, 0, 3, 1), "[5, 3]", 0, 1, 2, 1, 2, 3, 2, 3, 4, 3, 4, 5, 4, 5, 6);
    EXPECT_VIEW(tl_tensor_unfold(t, 0, 3, 2), "[3, 3]", 0, 1, 2, 2, 3, 4, 4, 5, 6);
    EXPECT_VIEW(tl_tensor_unfold(t, -1, 2, 4), "[2, 2]", 0, 1, 4, 5);
    EXPECT_VIEW(tl_tensor_unfold(t, 0, 1, 3), "[3, 1]", 0, 3, 6);
    EXPECT_VIEW(tl_tensor_unfold(t, 0, 7, 1), "[1, 7]", 0, 1, 2, 3, 4, 5, 6);
    EXPECT_VIEW(tl_tensor_unfold(t, 0, 6, INT64_MAX), "[1, 6]", 0, 1, 2, 3, 4, 5);
    tl_tensor_free(&t);
}
END_TEST

START_TEST(the_new_axis_comes_last)
{
    tl_tensor t = counting(tl_shape(3, 4));
    EXPECT_VIEW(tl_tensor_unfold(t, 0, 2, 1), "[2, 4, 2]", 0, 4, 1, 5, 2, 6, 3, 7, 4, 8, 5, 9, 6, 10, 7, 11);
    EXPECT_VIEW(tl_tensor_unfold(t, 1, 2, 2), "[3, 2, 2]", 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11);
    EXPECT_VIEW(tl_tensor_unfold(tl_tensor_transpose(t, 0, 1), 0, 3, 1), "[2, 3, 3]", 0, 1, 2, 4, 5, 6, 8, 9,
                10, 1, 2, 3, 5, 6, 7, 9, 10, 11);
    EXPECT_VIEW(tl_tensor_unfold(tl_tensor_slice(t, 1, 1, 3), 1, 2, 1), "[3, 2, 2]", 1, 2, 2, 3, 5, 6, 6, 7,
                9, 10, 10, 11);
    tl_tensor_free(&t);
}
END_TEST

START_TEST(windows_can_be_viewed_on)
{
    tl_tensor t = counting(tl_shape(5));
    tl_tensor windows = tl_tensor_unfold(t, 0, 3, 1);
    EXPECT_VIEW(tl_tensor_unfold(windows, 1, 2, 1), "[3, 2, 2]", 0, 1, 1, 2, 1, 2, 2, 3, 2, 3, 3, 4);
    EXPECT_VIEW(tl_tensor_slice(windows, 0, 1, 2), "[2, 3]", 1, 2, 3, 2, 3, 4);
    EXPECT_VIEW(tl_tensor_select(windows, 1, 2), "[3]", 2, 3, 4);
    EXPECT_VIEW(tl_tensor_reshape(windows, tl_shape(3, 1, 3)), "[3, 1, 3]", 0, 1, 2, 1, 2, 3, 2, 3, 4);
    EXPECT_NO_VIEW(tl_tensor_reshape(windows, tl_shape(9)), TL_ERROR_SHAPE,
                   "reshape: a view of shape [3, 3] cannot become [9] without a copy");
    tl_tensor_free(&t);
}
END_TEST

START_TEST(overlapping_windows_are_not_taken_for_gapless)
{
    tl_tensor t = counting(tl_shape(8));
    for (int64_t size = 2; size < 8; size++)
        for (int64_t step = 1; step < 8 && step <= 8 - size; step++) {
            tl_tensor windows = tl_tensor_unfold(t, 0, size, step);
            ck_assert_int_eq(tl_tensor_is_row_major(windows), step == size);
            ck_assert_int_eq(tl_tensor_is_dense(windows), step == size);
            ck_assert(!tl_tensor_is_dense(tl_tensor_transpose(windows, 0, 1)) || step == size);
            ck_assert_int_eq(tl_data(windows) != NULL, step == size);
            ck_assert_int_eq(tl_data_mut(windows) != NULL, step == size);
        }
    tl_tensor_free(&t);
}
END_TEST

START_TEST(impossible_windows_are_refused)
{
    tl_tensor t = counting(tl_shape(3, 4));
    EXPECT_NO_VIEW(tl_tensor_unfold(t, 0, 4, 1), TL_ERROR_SHAPE,
                   "unfold: windows of 4 every 1 along axis 0 of shape [3, 4]");
    EXPECT_NO_VIEW(tl_tensor_unfold(t, -1, 0, 1), TL_ERROR_SHAPE,
                   "unfold: windows of 0 every 1 along axis -1 of shape [3, 4]");
    EXPECT_NO_VIEW(tl_tensor_unfold(t, 1, 2, 0), TL_ERROR_SHAPE,
                   "unfold: windows of 2 every 0 along axis 1 of shape [3, 4]");
    EXPECT_NO_VIEW(tl_tensor_unfold(t, 1, -1, -1), TL_ERROR_SHAPE,
                   "unfold: windows of -1 every -1 along axis 1 of shape [3, 4]");
    EXPECT_NO_VIEW(tl_tensor_unfold(t, 2, 1, 1), TL_ERROR_SHAPE,
                   "unfold: axis 2 of shape [3, 4], expected -2 to 1");
    tl_tensor most = tl_tensor_reshape(t, tl_shape(1, 1, 1, 1, 1, 1, 3, 4));
    EXPECT_NO_VIEW(tl_tensor_unfold(most, 7, 2, 1), TL_ERROR_SHAPE,
                   "unfold: windows of 2 every 1 along axis 7 of shape [1, 1, 1, 1, 1, 1, 3, 4]");
    tl_tensor long_one = tl_tensor_broadcast(tl_tensor_slice(t, 1, 0, 1), tl_shape(3, 1LL << 33));
    EXPECT_NO_VIEW(tl_tensor_unfold(long_one, 1, 1LL << 32, 1), TL_ERROR_SHAPE,
                   "unfold: shape [3, 4294967297, 4294967296] has too many elements");
    tl_error(TL_ERROR_IO, "what went wrong first");
    EXPECT_NO_VIEW(tl_tensor_unfold((tl_tensor){0}, 5, 0, 0), TL_ERROR_IO, "what went wrong first");
    tl_tensor_free(&t);
}
END_TEST

int main(void)
{
    return RUN_SUITE("unfold", windows_overlap, the_new_axis_comes_last, windows_can_be_viewed_on,
                     overlapping_windows_are_not_taken_for_gapless, impossible_windows_are_refused);
}
