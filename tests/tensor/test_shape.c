#include "tensor/shape.h"
#include "tests/support/suite.h"

#include <string.h>

START_TEST(element_types_have_sizes_and_names)
{
    static const struct {
        tl_dtype dtype;
        size_t size;
        const char *name;
        bool is_float;
    } types[] = {{TL_F32, 4, "f32", true},
                 {TL_F64, 8, "f64", true},
                 {TL_I32, 4, "i32", false},
                 {TL_U8, 1, "u8", false}};
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        ck_assert_uint_eq(tl_dtype_size(types[i].dtype), types[i].size);
        ck_assert_str_eq(tl_dtype_name(types[i].dtype), types[i].name);
        ck_assert(tl_dtype_is_float(types[i].dtype) == types[i].is_float);
    }
}
END_TEST

START_TEST(a_shape_counts_its_elements)
{
    ck_assert_int_eq(tl_shape_count(TL_SCALAR), 1);
    ck_assert_int_eq(tl_shape_count(tl_shape(0)), 0);
    ck_assert_int_eq(tl_shape_count(tl_shape(7)), 7);
    ck_assert_int_eq(tl_shape_count(tl_shape(3, 0, 2)), 0);
    ck_assert_int_eq(tl_shape_count(tl_shape(2, 3, 4, 5, 6, 7, 8, 9)), 362880);
    ck_assert_int_eq(tl_shape_count(tl_shape(1LL << 30, 1LL << 20)), 1LL << 50);
}
END_TEST

START_TEST(a_shape_written_out_has_its_rank)
{
    ck_assert_int_eq(TL_SCALAR.rank, 0);
    ck_assert_int_eq(tl_shape(5).rank, 1);
    tl_shape shape = tl_shape(1, 2, 3, 4, 5, 6, 7, 8);
    ck_assert_int_eq(shape.rank, TL_MAX_RANK);
    for (int i = 0; i < TL_MAX_RANK; i++)
        ck_assert_int_eq(shape.dims[i], i + 1);
}
END_TEST

START_TEST(shapes_are_equal_in_rank_and_extents)
{
    ck_assert(tl_shape_equal(TL_SCALAR, TL_SCALAR));
    ck_assert(tl_shape_equal(tl_shape(2, 3), tl_shape(2, 3)));
    ck_assert(!tl_shape_equal(tl_shape(2, 3), tl_shape(3, 2)));
    ck_assert(!tl_shape_equal(tl_shape(2, 3), tl_shape(2)));
    ck_assert(!tl_shape_equal(tl_shape(2), tl_shape(2, 1)));
    ck_assert(!tl_shape_equal(TL_SCALAR, tl_shape(1)));
    tl_shape a = {.rank = 1, .dims = {4, 9}}, b = {.rank = 1, .dims = {4, 8}};
    ck_assert(tl_shape_equal(a, b)); /* what is past the rank does not matter */
}
END_TEST

START_TEST(shapes_that_fit_into_memory_pass)
{
    ck_assert_int_eq(tl_shape_check("new", TL_SCALAR), TL_OK);
    ck_assert_int_eq(tl_shape_check("new", tl_shape(0)), TL_OK);
    ck_assert_int_eq(tl_shape_check("new", tl_shape(1, 2, 3, 4, 5, 6, 7, 8)), TL_OK);
    ck_assert_int_eq(tl_shape_check("new", tl_shape(INT64_MAX / 16)), TL_OK);
    ck_assert_int_eq(tl_shape_check("new", tl_shape(1LL << 29, 1LL << 29)), TL_OK);
}
END_TEST

START_TEST(shapes_that_cannot_be_are_refused)
{
    static const struct {
        tl_shape shape;
        const char *message;
    } bad[] = {
        {{.rank = 9}, "new: rank 9, expected 0 to 8"},
        {{.rank = -1}, "new: rank -1, expected 0 to 8"},
        {{1, {-1}}, "new: negative extent in shape [-1]"},
        {{2, {0, -7}}, "new: negative extent in shape [0, -7]"},
        {{1, {INT64_MIN}}, "new: negative extent in shape [-9223372036854775808]"},
        {{1, {1LL << 59}}, "new: shape [576460752303423488] has too many elements"},
        {{2, {1LL << 32, 1LL << 32}}, "new: shape [4294967296, 4294967296] has too many elements"},
        {{3, {1LL << 40, 0, 1LL << 40}},
         "new: shape [1099511627776, 0, 1099511627776] has too many elements"},
        {{4, {65536, 65536, 65536, 65536}}, "new: shape [65536, 65536, 65536, 65536] has too many elements"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        ck_assert_int_eq(tl_shape_check("new", bad[i].shape), TL_ERROR_SHAPE);
        EXPECT_ERROR(TL_ERROR_SHAPE, bad[i].message);
    }
}
END_TEST

START_TEST(broadcasting_matches_from_the_right)
{
    static const struct {
        tl_shape a, b, out;
    } pairs[] = {
        {{0}, {0}, {0}},
        {{0}, {2, {3, 4}}, {2, {3, 4}}},
        {{2, {3, 4}}, {2, {3, 4}}, {2, {3, 4}}},
        {{2, {3, 4}}, {1, {4}}, {2, {3, 4}}},
        {{2, {3, 1}}, {2, {1, 4}}, {2, {3, 4}}},
        {{3, {5, 1, 4}}, {2, {3, 1}}, {3, {5, 3, 4}}},
        {{1, {1}}, {1, {0}}, {1, {0}}},
        {{2, {0, 1}}, {1, {3}}, {2, {0, 3}}},
        {{8, {1, 2, 1, 4, 1, 6, 1, 8}}, {8, {1, 1, 3, 1, 5, 1, 7, 1}}, {8, {1, 2, 3, 4, 5, 6, 7, 8}}},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        tl_shape out = {.rank = -5};
        ck_assert_int_eq(tl_shape_broadcast("add", pairs[i].a, pairs[i].b, &out), TL_OK);
        ck_assert_msg(tl_shape_equal(out, pairs[i].out), "pair %zu: %s", i, TL_SHAPE_TEXT(out));
        ck_assert_int_eq(tl_shape_broadcast("add", pairs[i].b, pairs[i].a, &out), TL_OK);
        ck_assert_msg(tl_shape_equal(out, pairs[i].out), "pair %zu turned: %s", i, TL_SHAPE_TEXT(out));
    }
}
END_TEST

START_TEST(shapes_that_do_not_broadcast_are_named)
{
    tl_shape out = tl_shape(42);
    ck_assert_int_eq(tl_shape_broadcast("add", tl_shape(2, 3), tl_shape(2, 4), &out), TL_ERROR_SHAPE);
    EXPECT_ERROR(TL_ERROR_SHAPE, "add: shapes [2, 3] and [2, 4] do not broadcast: 3 against 4");
    ck_assert_int_eq(tl_shape_broadcast("mul", tl_shape(5, 3, 4), tl_shape(2, 1), &out), TL_ERROR_SHAPE);
    EXPECT_ERROR(TL_ERROR_SHAPE, "mul: shapes [5, 3, 4] and [2, 1] do not broadcast: 3 against 2");
    ck_assert_int_eq(tl_shape_broadcast("sub", tl_shape(0), tl_shape(2), &out), TL_ERROR_SHAPE);
    EXPECT_ERROR(TL_ERROR_SHAPE, "sub: shapes [0] and [2] do not broadcast: 0 against 2");
    ck_assert(tl_shape_equal(out, tl_shape(42)));
}
END_TEST

START_TEST(axes_count_from_either_end)
{
    tl_shape shape = tl_shape(2, 3, 4);
    for (int axis = 0; axis < 3; axis++) {
        ck_assert_int_eq(tl_shape_axis("sum", shape, axis), axis);
        ck_assert_int_eq(tl_shape_axis("sum", shape, axis - 3), axis);
    }
    EXPECT_ERROR(TL_OK, "");
    ck_assert_int_eq(tl_shape_axis("sum", shape, 3), -1);
    EXPECT_ERROR(TL_ERROR_SHAPE, "sum: axis 3 of shape [2, 3, 4], expected -3 to 2");
    ck_assert_int_eq(tl_shape_axis("max", shape, -4), -1);
    EXPECT_ERROR(TL_ERROR_SHAPE, "max: axis -4 of shape [2, 3, 4], expected -3 to 2");
    ck_assert_int_eq(tl_shape_axis("max", TL_SCALAR, 0), -1);
    ck_assert_int_eq(tl_shape_axis("max", TL_SCALAR, -1), -1);
    ck_assert_int_eq(tl_shape_axis("max", shape, INT32_MIN), -1);
    ck_assert_int_eq(tl_shape_axis("max", shape, INT32_MAX), -1);
}
END_TEST

static tl_shape shape_of(int rank, int64_t extent)
{
    tl_shape shape = {.rank = rank};
    for (int i = 0; i < rank && i < TL_MAX_RANK; i++)
        shape.dims[i] = extent;
    return shape;
}

START_TEST(shapes_are_written_in_brackets)
{
    ck_assert_str_eq(TL_SHAPE_TEXT(TL_SCALAR), "[]");
    ck_assert_str_eq(TL_SHAPE_TEXT(tl_shape(7)), "[7]");
    ck_assert_str_eq(TL_SHAPE_TEXT(tl_shape(32, 0, -1)), "[32, 0, -1]");
    char text[TL_SHAPE_TEXT_SIZE];
    ck_assert_ptr_eq(tl_shape_text(tl_shape(1), text), text);
    const char *longest = TL_SHAPE_TEXT(shape_of(TL_MAX_RANK, INT64_MAX));
    ck_assert_uint_eq(strlen(longest), 8 * 19 + 7 * 2 + 2);
    ck_assert_str_eq(longest + strlen(longest) - 4, "807]");
}
END_TEST

START_TEST(the_text_of_an_impossible_shape_stays_in_its_buffer)
{
    char text[TL_SHAPE_TEXT_SIZE + 1];
    const int ranks[] = {-3, 8, 9, INT32_MAX};
    for (size_t i = 0; i < sizeof ranks / sizeof ranks[0]; i++) {
        memset(text, '#', sizeof text);
        tl_shape_text(shape_of(ranks[i], INT64_MIN), text);
        ck_assert_ptr_nonnull(memchr(text, '\0', TL_SHAPE_TEXT_SIZE));
        ck_assert_int_eq(text[TL_SHAPE_TEXT_SIZE], '#');
    }
}
END_TEST

int main(void)
{
    return RUN_SUITE("shape", element_types_have_sizes_and_names, a_shape_counts_its_elements,
                     a_shape_written_out_has_its_rank, shapes_are_equal_in_rank_and_extents,
                     shapes_that_fit_into_memory_pass, shapes_that_cannot_be_are_refused,
                     broadcasting_matches_from_the_right, shapes_that_do_not_broadcast_are_named,
                     axes_count_from_either_end, shapes_are_written_in_brackets,
                     the_text_of_an_impossible_shape_stays_in_its_buffer);
}
