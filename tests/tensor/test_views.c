/* Views of tensors, each kind by itself; test_view_chains.c puts them together. */
#include "tensor/tensor.h"
#include "tests/support/suite.h"

#include <string.h>

/* 0, 1, 2, ... of any shape; the caller frees it. */
static tl_tensor counting(tl_shape shape)
{
    tl_tensor tensor = tl_tensor_new(TL_I32, shape);
    int32_t *values = tl_data_mut(tensor);
    for (int32_t i = 0; i < tl_tensor_count(tensor); i++)
        values[i] = i;
    return tensor;
}

/* The view has this shape and these elements, in row-major order. */
#define EXPECT_VIEW(view, expected_shape, ...)                                                               \
    do {                                                                                                     \
        const int32_t expected[] = {__VA_ARGS__};                                                            \
        int32_t got[sizeof expected / sizeof expected[0]];                                                   \
        ck_assert_msg(tl_tensor_ok(view), "%s", tl_error_message());                                         \
        ck_assert_str_eq(TL_SHAPE_TEXT((view).shape), expected_shape);                                       \
        ck_assert_int_eq(tl_copy_out(view, got, sizeof got), TL_OK);                                         \
        ck_assert_mem_eq(got, expected, sizeof got);                                                         \
    } while (0)

#define EXPECT_NO_VIEW(view, status, message)                                                                \
    do {                                                                                                     \
        ck_assert(!tl_tensor_ok(view));                                                                      \
        EXPECT_ERROR(status, message);                                                                       \
    } while (0)

START_TEST(a_slice_has_a_range_of_one_axis)
{
    tl_tensor t = counting(tl_shape(3, 4));
    EXPECT_VIEW(tl_tensor_slice(t, 0, 1, 2), "[2, 4]", 4, 5, 6, 7, 8, 9, 10, 11);
    EXPECT_VIEW(tl_tensor_slice(t, 1, 1, 2), "[3, 2]", 1, 2, 5, 6, 9, 10);
    EXPECT_VIEW(tl_tensor_slice(t, -1, -1, 1), "[3, 1]", 3, 7, 11);
    EXPECT_VIEW(tl_tensor_slice(tl_tensor_slice(t, -2, -2, 2), 1, 1, 1), "[2, 1]", 5, 9);
    ck_assert_int_eq(tl_tensor_count(tl_tensor_slice(t, 0, 3, 0)), 0);
    ck_assert_str_eq(TL_SHAPE_TEXT(tl_tensor_slice(t, 1, 2, 0).shape), "[3, 0]");
    tl_tensor_free(&t);
}
END_TEST

START_TEST(slices_past_the_ends_are_refused)
{
    tl_tensor t = counting(tl_shape(3, 4));
    EXPECT_NO_VIEW(tl_tensor_slice(t, 1, 2, 3), TL_ERROR_RANGE,
                   "slice: 3 elements from 2 along axis 1 of shape [3, 4]");
    EXPECT_NO_VIEW(tl_tensor_slice(t, 0, -4, 1), TL_ERROR_RANGE,
                   "slice: 1 elements from -4 along axis 0 of shape [3, 4]");
    EXPECT_NO_VIEW(tl_tensor_slice(t, -1, 5, 0), TL_ERROR_RANGE,
                   "slice: 0 elements from 5 along axis -1 of shape [3, 4]");
    EXPECT_NO_VIEW(tl_tensor_slice(t, 0, 0, -1), TL_ERROR_RANGE,
                   "slice: -1 elements from 0 along axis 0 of shape [3, 4]");
    EXPECT_NO_VIEW(tl_tensor_slice(t, 2, 0, 1), TL_ERROR_SHAPE,
                   "slice: axis 2 of shape [3, 4], expected -2 to 1");
    ck_assert(!tl_tensor_ok(tl_tensor_slice(t, 0, INT64_MAX, INT64_MAX)));
    ck_assert(!tl_tensor_ok(tl_tensor_slice(t, 0, 1, INT64_MAX)));
    ck_assert(!tl_tensor_ok(tl_tensor_slice(t, 0, INT64_MIN, 1)));
    tl_tensor_free(&t);
}
END_TEST

START_TEST(a_selection_drops_its_axis)
{
    tl_tensor t = counting(tl_shape(2, 3, 2));
    EXPECT_VIEW(tl_tensor_select(t, 1, 2), "[2, 2]", 4, 5, 10, 11);
    EXPECT_VIEW(tl_tensor_select(t, -1, -2), "[2, 3]", 0, 2, 4, 6, 8, 10);
    EXPECT_VIEW(tl_tensor_select(t, 0, -1), "[3, 2]", 6, 7, 8, 9, 10, 11);
    EXPECT_VIEW(tl_tensor_select(tl_tensor_select(tl_tensor_select(t, 0, 1), 0, 1), 0, 1), "[]", 9);
    EXPECT_NO_VIEW(tl_tensor_select(t, 1, 3), TL_ERROR_RANGE,
                   "select: index 3 along axis 1 of shape [2, 3, 2]");
    EXPECT_NO_VIEW(tl_tensor_select(t, -3, -3), TL_ERROR_RANGE,
                   "select: index -3 along axis -3 of shape [2, 3, 2]");
    EXPECT_NO_VIEW(tl_tensor_select(t, -4, 0), TL_ERROR_SHAPE,
                   "select: axis -4 of shape [2, 3, 2], expected -3 to 2");
    ck_assert(!tl_tensor_ok(tl_tensor_select(t, 1, INT64_MIN)));
    tl_tensor_free(&t);
}
END_TEST

START_TEST(a_transposition_exchanges_two_axes)
{
    tl_tensor t = counting(tl_shape(2, 3, 2));
    EXPECT_VIEW(tl_tensor_transpose(t, 0, 1), "[3, 2, 2]", 0, 1, 6, 7, 2, 3, 8, 9, 4, 5, 10, 11);
    EXPECT_VIEW(tl_tensor_transpose(t, -1, 1), "[2, 2, 3]", 0, 2, 4, 1, 3, 5, 6, 8, 10, 7, 9, 11);
    EXPECT_VIEW(tl_tensor_transpose(t, 1, 1), "[2, 3, 2]", 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11);
    EXPECT_NO_VIEW(tl_tensor_transpose(t, 0, 3), TL_ERROR_SHAPE,
                   "transpose: axis 3 of shape [2, 3, 2], expected -3 to 2");
    EXPECT_NO_VIEW(tl_tensor_transpose(t, -4, 0), TL_ERROR_SHAPE,
                   "transpose: axis -4 of shape [2, 3, 2], expected -3 to 2");
    tl_tensor_free(&t);
}
END_TEST

START_TEST(a_reshape_keeps_the_order_of_elements)
{
    tl_tensor t = counting(tl_shape(2, 3, 2));
    EXPECT_VIEW(tl_tensor_reshape(t, tl_shape(4, 3)), "[4, 3]", 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11);
    EXPECT_VIEW(tl_tensor_reshape(t, tl_shape(-1)), "[12]", 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11);
    EXPECT_VIEW(tl_tensor_reshape(tl_tensor_select(t, 1, 1), tl_shape(1, 2, -1, 1, 2)), "[1, 2, 1, 1, 2]", 2,
                3, 8, 9);
    EXPECT_VIEW(tl_tensor_reshape(tl_tensor_slice(tl_tensor_select(t, 0, 0), 0, 1, 1), tl_shape(2)), "[2]", 2,
                3);
    /* axes 0 and 1 of a view that leaves out half of axis 2 still go together */
    EXPECT_VIEW(tl_tensor_reshape(tl_tensor_slice(t, 2, 1, 1), tl_shape(3, 2)), "[3, 2]", 1, 3, 5, 7, 9, 11);
    tl_tensor one = tl_tensor_slice(tl_tensor_reshape(t, tl_shape(12, 1)), 0, 7, 1);
    EXPECT_VIEW(tl_tensor_reshape(one, TL_SCALAR), "[]", 7);
    EXPECT_VIEW(tl_tensor_reshape(tl_tensor_broadcast(one, tl_shape(2, 2)), tl_shape(4)), "[4]", 7, 7, 7, 7);
    tl_tensor nothing = tl_tensor_slice(t, 1, 0, 0);
    ck_assert_str_eq(TL_SHAPE_TEXT(tl_tensor_reshape(nothing, tl_shape(5, 0)).shape), "[5, 0]");
    ck_assert_str_eq(TL_SHAPE_TEXT(tl_tensor_reshape(nothing, tl_shape(-1, 7)).shape), "[0, 7]");
    tl_tensor_free(&t);
}
END_TEST

START_TEST(reshapes_that_need_a_copy_are_refused)
{
    tl_tensor t = counting(tl_shape(2, 3, 2));
    EXPECT_NO_VIEW(tl_tensor_reshape(tl_tensor_transpose(t, 0, 1), tl_shape(12)), TL_ERROR_SHAPE,
                   "reshape: a view of shape [3, 2, 2] cannot become [12] without a copy");
    EXPECT_NO_VIEW(tl_tensor_reshape(tl_tensor_slice(t, 1, 0, 2), tl_shape(-1, 2)), TL_ERROR_SHAPE,
                   "reshape: a view of shape [2, 2, 2] cannot become [4, 2] without a copy");
    tl_tensor row = tl_tensor_reshape(tl_tensor_select(t, 1, 0), tl_shape(1, 2, 2));
    EXPECT_NO_VIEW(tl_tensor_reshape(tl_tensor_broadcast(row, tl_shape(3, 2, 2)), tl_shape(6, 2)),
                   TL_ERROR_SHAPE, "reshape: a view of shape [3, 2, 2] cannot become [6, 2] without a copy");
    tl_tensor_free(&t);
}
END_TEST

START_TEST(reshapes_to_other_sizes_are_refused)
{
    tl_tensor t = counting(tl_shape(2, 3)), nothing = counting(tl_shape(0, 3));
    EXPECT_NO_VIEW(tl_tensor_reshape(t, tl_shape(5)), TL_ERROR_SHAPE,
                   "reshape: [2, 3] has 6 elements, [5] does not fit");
    EXPECT_NO_VIEW(tl_tensor_reshape(t, TL_SCALAR), TL_ERROR_SHAPE,
                   "reshape: [2, 3] has 6 elements, [] does not fit");
    EXPECT_NO_VIEW(tl_tensor_reshape(t, tl_shape(4, -1)), TL_ERROR_SHAPE,
                   "reshape: [2, 3] has 6 elements, [4, -1] does not fit");
    EXPECT_NO_VIEW(tl_tensor_reshape(t, tl_shape(-1, -1)), TL_ERROR_SHAPE,
                   "reshape: to [-1, -1]: one extent may be -1, none less");
    EXPECT_NO_VIEW(tl_tensor_reshape(t, tl_shape(-2, -3)), TL_ERROR_SHAPE,
                   "reshape: to [-2, -3]: one extent may be -1, none less");
    EXPECT_NO_VIEW(tl_tensor_reshape(nothing, tl_shape(0, -1)), TL_ERROR_SHAPE,
                   "reshape: [0, 3] has 0 elements, [0, -1] does not fit");
    EXPECT_NO_VIEW(tl_tensor_reshape(t, (tl_shape){.rank = 9}), TL_ERROR_SHAPE,
                   "reshape: rank 9, expected 0 to 8");
    EXPECT_NO_VIEW(tl_tensor_reshape(nothing, tl_shape(1LL << 32, 1LL << 32)), TL_ERROR_SHAPE,
                   "reshape: shape [4294967296, 4294967296] has too many elements");
    tl_tensor_free(&t);
    tl_tensor_free(&nothing);
}
END_TEST

START_TEST(a_broadcast_repeats_without_copying)
{
    tl_tensor t = counting(tl_shape(2, 1));
    EXPECT_VIEW(tl_tensor_broadcast(t, tl_shape(2, 3)), "[2, 3]", 0, 0, 0, 1, 1, 1);
    EXPECT_VIEW(tl_tensor_broadcast(t, tl_shape(2, 2, 2)), "[2, 2, 2]", 0, 0, 1, 1, 0, 0, 1, 1);
    EXPECT_VIEW(tl_tensor_broadcast(tl_tensor_select(t, 0, 1), tl_shape(3)), "[3]", 1, 1, 1);
    EXPECT_VIEW(tl_tensor_broadcast(tl_tensor_slice(t, 0, 1, 1), tl_shape(1, 1)), "[1, 1]", 1);
    ck_assert_str_eq(TL_SHAPE_TEXT(tl_tensor_broadcast(t, tl_shape(2, 0)).shape), "[2, 0]");
    EXPECT_NO_VIEW(tl_tensor_broadcast(t, tl_shape(3, 1)), TL_ERROR_SHAPE, "broadcast: [2, 1] to [3, 1]");
    EXPECT_NO_VIEW(tl_tensor_broadcast(t, tl_shape(2)), TL_ERROR_SHAPE, "broadcast: [2, 1] to [2]");
    EXPECT_NO_VIEW(tl_tensor_broadcast(t, TL_SCALAR), TL_ERROR_SHAPE, "broadcast: [2, 1] to []");
    EXPECT_NO_VIEW(tl_tensor_broadcast(t, tl_shape(2, -3)), TL_ERROR_SHAPE,
                   "broadcast: negative extent in shape [2, -3]");
    EXPECT_NO_VIEW(tl_tensor_broadcast(t, (tl_shape){.rank = 9}), TL_ERROR_SHAPE,
                   "broadcast: rank 9, expected 0 to 8");
    ck_assert(!tl_tensor_ok(tl_tensor_broadcast(t, tl_shape(1LL << 40, 2, 1LL << 40))));
    tl_tensor_free(&t);
}
END_TEST

START_TEST(a_new_axis_goes_anywhere)
{
    tl_tensor t = counting(tl_shape(2, 3));
    EXPECT_VIEW(tl_tensor_unsqueeze(t, 0), "[1, 2, 3]", 0, 1, 2, 3, 4, 5);
    EXPECT_VIEW(tl_tensor_unsqueeze(t, 1), "[2, 1, 3]", 0, 1, 2, 3, 4, 5);
    EXPECT_VIEW(tl_tensor_unsqueeze(t, 2), "[2, 3, 1]", 0, 1, 2, 3, 4, 5);
    EXPECT_VIEW(tl_tensor_unsqueeze(t, -1), "[2, 3, 1]", 0, 1, 2, 3, 4, 5);
    EXPECT_VIEW(tl_tensor_unsqueeze(t, -3), "[1, 2, 3]", 0, 1, 2, 3, 4, 5);
    ck_assert(tl_tensor_is_row_major(tl_tensor_unsqueeze(t, 1)));
    EXPECT_NO_VIEW(tl_tensor_unsqueeze(t, 3), TL_ERROR_SHAPE, "unsqueeze: axis 3 of shape [2, 3]");
    EXPECT_NO_VIEW(tl_tensor_unsqueeze(t, -4), TL_ERROR_SHAPE, "unsqueeze: axis -4 of shape [2, 3]");
    tl_tensor most = tl_tensor_reshape(t, tl_shape(1, 1, 1, 1, 1, 1, 2, 3));
    EXPECT_NO_VIEW(tl_tensor_unsqueeze(most, 0), TL_ERROR_SHAPE,
                   "unsqueeze: axis 0 of shape [1, 1, 1, 1, 1, 1, 2, 3]");
    tl_tensor_free(&t);
}
END_TEST

START_TEST(views_of_nothing_are_nothing)
{
    const tl_tensor nothing = {0};
    tl_error(TL_ERROR_IO, "what went wrong first");
    ck_assert(!tl_tensor_ok(tl_tensor_slice(nothing, 5, 0, 1)));
    ck_assert(!tl_tensor_ok(tl_tensor_select(nothing, 5, 0)));
    ck_assert(!tl_tensor_ok(tl_tensor_transpose(nothing, 5, 6)));
    ck_assert(!tl_tensor_ok(tl_tensor_reshape(nothing, tl_shape(-1, -1))));
    ck_assert(!tl_tensor_ok(tl_tensor_broadcast(nothing, tl_shape(-1))));
    ck_assert(!tl_tensor_ok(tl_tensor_unsqueeze(nothing, 5)));
    EXPECT_ERROR(TL_ERROR_IO, "what went wrong first");
    tl_tensor t = counting(tl_shape(2, 3));
    tl_tensor chain = tl_tensor_unsqueeze(tl_tensor_transpose(tl_tensor_select(t, 1, 3), 4, 5), 9);
    EXPECT_NO_VIEW(chain, TL_ERROR_RANGE, "select: index 3 along axis 1 of shape [2, 3]");
    tl_tensor_free(&t);
}
END_TEST

int main(void)
{
    return RUN_SUITE("views", a_slice_has_a_range_of_one_axis, slices_past_the_ends_are_refused,
                     a_selection_drops_its_axis, a_transposition_exchanges_two_axes,
                     a_reshape_keeps_the_order_of_elements, reshapes_that_need_a_copy_are_refused,
                     reshapes_to_other_sizes_are_refused, a_broadcast_repeats_without_copying,
                     a_new_axis_goes_anywhere, views_of_nothing_are_nothing);
}
