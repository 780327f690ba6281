/* Tensors are compiled into this test, over a heap that counts and can be told to fail. */
#include "tests/support/heap.h"
#include "tensor/tensor.c"
#include "tests/support/suite.h"

#include <stdio.h>

static const tl_dtype every_type[] = {TL_F32, TL_F64, TL_I32, TL_U8};
enum { TYPES = 4 };

/* 0, 1, 2, ... of the type; the caller frees it. */
static tl_tensor counting(tl_dtype dtype, tl_shape shape)
{
    tl_tensor tensor = tl_tensor_new(dtype, shape);
    ck_assert(tl_tensor_ok(tensor));
    for (int64_t i = 0; i < tl_tensor_count(tensor); i++)
        write_element((char *)tensor.storage->data + i * (int64_t)tl_dtype_size(dtype), dtype, (double)i);
    return tensor;
}

START_TEST(a_new_tensor_is_zeros_in_row_major_order)
{
    for (int t = 0; t < TYPES; t++) {
        tl_tensor tensor = tl_tensor_new(every_type[t], tl_shape(3, 1, 5));
        ck_assert(tl_tensor_ok(tensor));
        ck_assert(tl_tensor_is_row_major(tensor));
        ck_assert(tl_tensor_is_dense(tensor));
        ck_assert_int_eq(tensor.dtype, every_type[t]);
        ck_assert_int_eq(tl_tensor_count(tensor), 15);
        ck_assert_int_eq(tensor.strides[0], 5);
        ck_assert_int_eq(tensor.strides[2], 1);
        ck_assert_uint_eq(tensor.storage->bytes, 15 * tl_dtype_size(every_type[t]));
        ck_assert_uint_eq((uintptr_t)tensor.storage->data % 64, 0);
        const unsigned char *bytes = tl_data(tensor);
        for (size_t i = 0; i < tensor.storage->bytes; i++)
            ck_assert_int_eq(bytes[i], 0);
        tl_tensor_free(&tensor);
    }
    ck_assert_int_eq(held, 0);
}
END_TEST

START_TEST(a_tensor_of_values_has_a_copy_of_them)
{
    float values[] = {1, 2, 3, 4, 5, 6};
    tl_tensor tensor = tl_tensor_of(TL_F32, tl_shape(2, 3), values);
    values[4] = 50;
    ck_assert_double_eq(tl_tensor_at(tensor, (int64_t[]){1, 1}), 5);
    ck_assert_double_eq(tl_tensor_at(tensor, (int64_t[]){0, 2}), 3);
    tl_tensor_free(&tensor);
    tensor = tl_tensor_of(TL_F32, tl_shape(0, 3), NULL);
    ck_assert(tl_tensor_ok(tensor));
    tl_tensor_free(&tensor);
}
END_TEST

START_TEST(a_scalar_has_one_element)
{
    double value = 2.5;
    tl_tensor tensor = tl_tensor_of(TL_F64, TL_SCALAR, &value);
    ck_assert_int_eq(tl_tensor_count(tensor), 1);
    ck_assert_double_eq(tl_tensor_item(tensor), 2.5);
    ck_assert_double_eq(tl_tensor_at(tensor, NULL), 2.5);
    tl_tensor_free(&tensor);
}
END_TEST

START_TEST(rank_eight_is_reached_and_nine_is_not)
{
    tl_tensor tensor = counting(TL_I32, tl_shape(2, 1, 3, 2, 1, 2, 3, 2));
    int64_t index[TL_MAX_RANK] = {0};
    for (int64_t i = 0; i < tl_tensor_count(tensor); i++) {
        ck_assert_double_eq(tl_tensor_at(tensor, index), (double)i);
        for (int axis = TL_MAX_RANK - 1; axis >= 0 && ++index[axis] == tensor.shape.dims[axis]; axis--)
            index[axis] = 0;
    }
    tl_tensor_free(&tensor);
    ck_assert(!tl_tensor_ok(tl_tensor_new(TL_F32, (tl_shape){.rank = 9})));
    EXPECT_ERROR(TL_ERROR_SHAPE, "tensor_new: rank 9, expected 0 to 8");
}
END_TEST

START_TEST(tensors_of_nothing_are_tensors)
{
    tl_tensor tensor = tl_tensor_new(TL_F64, tl_shape(3, 0, 2));
    char untouched = 7;
    ck_assert(tl_tensor_ok(tensor));
    ck_assert_int_eq(tl_tensor_count(tensor), 0);
    ck_assert(tl_tensor_is_row_major(tl_tensor_transpose(tensor, 0, 2)));
    ck_assert(tl_tensor_is_dense(tl_tensor_transpose(tensor, 0, 2)));
    ck_assert_ptr_nonnull(tl_data(tensor));
    ck_assert_ptr_nonnull(tl_data_mut(tensor));
    ck_assert_int_eq(tl_tensor_fill(tensor, 3), TL_OK);
    ck_assert_int_eq(tl_tensor_copy(tensor, tensor), TL_OK);
    ck_assert_int_eq(tl_copy_out(tensor, &untouched, 0), TL_OK);
    ck_assert_int_eq(untouched, 7);
    ck_assert(isnan(tl_tensor_item(tensor)));
    EXPECT_ERROR(TL_ERROR_SHAPE, "tensor_item: shape [3, 0, 2], expected one element");
    tl_tensor_free(&tensor);
}
END_TEST

START_TEST(absurd_shapes_are_refused_before_the_heap_is_asked)
{
    static const tl_shape shapes[] = {{1, {1LL << 59}},
                                      {2, {1LL << 32, 1LL << 32}},
                                      {3, {INT64_MAX, 0, 1}},
                                      {3, {0, INT64_MAX, INT64_MAX}},
                                      {2, {3, -1}}};
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++)
        for (int t = 0; t < TYPES; t++) {
            tl_error(TL_ERROR_STATE, "another error");
            ck_assert(!tl_tensor_ok(tl_tensor_new(every_type[t], shapes[i])));
            ck_assert_int_eq(tl_error_status(), TL_ERROR_SHAPE);
            ck_assert_ptr_nonnull(strstr(tl_error_message(), TL_SHAPE_TEXT(shapes[i])));
            ck_assert(!tl_tensor_ok(tl_tensor_of(every_type[t], shapes[i], NULL)));
        }
    ck_assert_int_eq(allocated, 0);
}
END_TEST

START_TEST(a_failed_allocation_is_an_ordinary_error)
{
    float values[3] = {1, 2, 3};
    failing = 0;
    ck_assert(!tl_tensor_ok(tl_tensor_new(TL_F32, tl_shape(3))));
    ck_assert_int_eq(tl_error_status(), TL_ERROR_MEMORY);
    failing = 1;
    ck_assert(!tl_tensor_ok(tl_tensor_of(TL_F32, tl_shape(3), values)));
    ck_assert_int_eq(allocated, 2);
    ck_assert_int_eq(held, 0);
}
END_TEST

START_TEST(freeing_leaves_an_empty_tensor)
{
    tl_tensor tensor = tl_tensor_new(TL_F32, tl_shape(3));
    ck_assert_int_eq(held, 1);
    tl_tensor_free(&tensor);
    ck_assert_int_eq(held, 0);
    ck_assert(!tl_tensor_ok(tensor));
    tl_tensor_free(&tensor);
    tl_tensor_free(NULL);
    ck_assert_int_eq(held, 0);
}
END_TEST

START_TEST(data_is_there_for_what_is_row_major)
{
    tl_tensor tensor = counting(TL_I32, tl_shape(4, 3));
    const int32_t *all = tl_data(tensor), *rows = tl_data(tl_tensor_slice(tensor, 0, 1, 2));
    ck_assert_ptr_eq(rows, all + 3);
    ck_assert_ptr_eq(tl_data(tl_tensor_select(tensor, 0, -1)), all + 9);
    ck_assert_ptr_eq(tl_data(tl_tensor_slice(tl_tensor_select(tensor, 1, 2), 0, 3, 1)), all + 11);
    ck_assert_ptr_eq(tl_data_mut(tl_tensor_slice(tensor, 0, 2, 1)), all + 6);
    tl_tensor_free(&tensor);
}
END_TEST

START_TEST(data_refuses_other_views)
{
    tl_tensor tensor = counting(TL_I32, tl_shape(4, 3));
    const tl_tensor views[] = {tl_tensor_transpose(tensor, 0, 1), tl_tensor_slice(tensor, 1, 0, 2),
                               tl_tensor_select(tensor, 1, 0),
                               tl_tensor_broadcast(tl_tensor_select(tensor, 0, 0), tl_shape(2, 3))};
    const uint64_t version = tensor.storage->version;
    for (size_t i = 0; i < sizeof views / sizeof views[0]; i++) {
        char message[256];
        const char *text = "%s: a view of shape %s is not row-major; tl_copy_out copies any view";
        ck_assert(!tl_tensor_is_row_major(views[i]));
        ck_assert_ptr_null(tl_data(views[i]));
        snprintf(message, sizeof message, text, "data", TL_SHAPE_TEXT(views[i].shape));
        EXPECT_ERROR(TL_ERROR_SHAPE, message);
        ck_assert_ptr_null(tl_data_mut(views[i]));
        snprintf(message, sizeof message, text, "data_mut", TL_SHAPE_TEXT(views[i].shape));
        EXPECT_ERROR(TL_ERROR_SHAPE, message);
    }
    ck_assert_uint_eq(tensor.storage->version, version);
    tl_tensor_free(&tensor);
}
END_TEST

START_TEST(whatever_may_write_gives_a_version_never_seen)
{
    tl_tensor one = tl_tensor_new(TL_F32, tl_shape(2, 3)), two = tl_tensor_new(TL_F32, tl_shape(2, 3));
    tl_tensor view = tl_tensor_transpose(one, 0, 1);
    uint64_t seen[6] = {one.storage->version, two.storage->version};
    ck_assert_ptr_nonnull(tl_data(one));
    float room[6];
    ck_assert_int_eq(tl_copy_out(view, room, sizeof room), TL_OK);
    ck_assert_uint_eq(one.storage->version, seen[0]);
    ck_assert_ptr_nonnull(tl_data_mut(one));
    seen[2] = one.storage->version;
    ck_assert_int_eq(tl_tensor_fill(view, 1), TL_OK);
    seen[3] = one.storage->version;
    ck_assert_int_eq(tl_tensor_copy(one, two), TL_OK);
    seen[4] = one.storage->version;
    ck_assert_uint_eq(two.storage->version, seen[1]);
    ck_assert_ptr_nonnull(tl_data_mut(two));
    seen[5] = two.storage->version;
    for (int i = 0; i < 6; i++)
        for (int j = 0; j < i; j++)
            ck_assert_uint_ne(seen[i], seen[j]);
    tl_tensor_free(&one);
    tl_tensor_free(&two);
}
END_TEST

START_TEST(elements_out_of_range_are_not_read)
{
    tl_tensor tensor = counting(TL_U8, tl_shape(2, 3));
    ck_assert(isnan(tl_tensor_at(tensor, (int64_t[]){0, 3})));
    EXPECT_ERROR(TL_ERROR_RANGE, "tensor_at: index 3 on axis 1 of shape [2, 3]");
    ck_assert(isnan(tl_tensor_at(tensor, (int64_t[]){-1, 0})));
    EXPECT_ERROR(TL_ERROR_RANGE, "tensor_at: index -1 on axis 0 of shape [2, 3]");
    ck_assert(isnan(tl_tensor_item(tensor)));
    EXPECT_ERROR(TL_ERROR_SHAPE, "tensor_item: shape [2, 3], expected one element");
    tl_tensor last = tl_tensor_slice(tl_tensor_slice(tensor, 0, 1, 1), 1, 2, 1);
    ck_assert_double_eq(tl_tensor_item(last), 5);
    tl_tensor_free(&tensor);
}
END_TEST

/* What C makes of a value on its way from one type to another, where C says so. */
static double converted(tl_dtype from, tl_dtype to, double value)
{
    double held_as = from == TL_F32 ? (double)(float)value : value;
    switch (to) {
    case TL_F32:
        return (double)(float)held_as;
    case TL_F64:
        return held_as;
    case TL_I32:
        return (double)(int32_t)held_as;
    default:
        return from == TL_I32 ? (double)(uint8_t)(int32_t)held_as : (double)(uint8_t)held_as;
    }
}

START_TEST(copying_converts_as_c_does)
{
    enum { N = 6 };
    static const double values[TYPES][N] = {
        {0, 1, 2.75, 100.5, 254.996, 0x1p-30},
        {0, 1, 2.75, 100.5, 254.996, 0.1},
        {0, 1, 300, -1, 16777217, INT32_MIN},
        {0, 1, 2, 127, 128, 255},
    };
    for (int from = 0; from < TYPES; from++)
        for (int to = 0; to < TYPES; to++) {
            tl_tensor source = tl_tensor_new(every_type[from], tl_shape(N));
            tl_tensor target = tl_tensor_new(every_type[to], tl_shape(N));
            for (int64_t i = 0; i < N; i++)
                tl_tensor_fill(tl_tensor_select(source, 0, i), values[from][i]);
            ck_assert_int_eq(tl_tensor_copy(target, source), TL_OK);
            for (int64_t i = 0; i < N; i++)
                ck_assert_double_eq(tl_tensor_at(target, &i),
                                    converted(every_type[from], every_type[to], values[from][i]));
            tl_tensor_free(&source);
            tl_tensor_free(&target);
        }
}
END_TEST

START_TEST(copying_broadcasts_and_stays_inside_the_view)
{
    const int32_t row[] = {10, 20, 30};
    tl_tensor source = tl_tensor_of(TL_I32, tl_shape(1, 3), row),
              target = counting(TL_F64, tl_shape(3, 4, 2));
    tl_tensor view = tl_tensor_slice(tl_tensor_select(target, 2, 1), 1, 1, 3); /* [3, 3] */
    ck_assert_int_eq(tl_tensor_copy(view, source), TL_OK);
    for (int64_t i = 0; i < 24; i++) {
        const int64_t index[] = {i / 8, i / 2 % 4, i % 2};
        bool inside = index[1] >= 1 && index[2] == 1;
        ck_assert_double_eq(tl_tensor_at(target, index), inside ? row[index[1] - 1] : (double)i);
    }
    ck_assert_int_eq(tl_tensor_copy(tl_tensor_transpose(view, 0, 1), source), TL_OK);
    for (int64_t i = 0; i < 9; i++)
        ck_assert_double_eq(tl_tensor_at(view, (int64_t[]){i / 3, i % 3}), row[i / 3]);
    tl_tensor_free(&source);
    tl_tensor_free(&target);
}
END_TEST

START_TEST(copying_what_does_not_fit_is_refused)
{
    tl_tensor two = counting(TL_F32, tl_shape(2)), three = counting(TL_F32, tl_shape(3));
    const uint64_t version = two.storage->version;
    ck_assert_int_eq(tl_tensor_copy(two, three), TL_ERROR_SHAPE);
    ck_assert_ptr_nonnull(strstr(tl_error_message(), "[3] to [2]"));
    ck_assert_int_eq(tl_tensor_copy(tl_tensor_select(two, 0, 0), two), TL_ERROR_SHAPE);
    ck_assert_ptr_nonnull(strstr(tl_error_message(), "[2] to []"));
    ck_assert_uint_eq(two.storage->version, version);
    ck_assert_double_eq(tl_tensor_at(two, (int64_t[]){1}), 1);
    tl_tensor_free(&two);
    tl_tensor_free(&three);
}
END_TEST

START_TEST(any_view_is_copied_out)
{
    tl_tensor tensor = counting(TL_I32, tl_shape(2, 3));
    int32_t out[12] = {0};
    const int32_t turned[] = {0, 3, 1, 4, 2, 5}, repeated[] = {1, 1, 1, 4, 4, 4};
    ck_assert_int_eq(tl_copy_out(tl_tensor_transpose(tensor, 0, 1), out, sizeof turned), TL_OK);
    ck_assert_mem_eq(out, turned, sizeof turned);
    tl_tensor column = tl_tensor_slice(tensor, 1, 1, 1);
    ck_assert_int_eq(tl_copy_out(tl_tensor_broadcast(column, tl_shape(2, 3)), out, sizeof repeated), TL_OK);
    ck_assert_mem_eq(out, repeated, sizeof repeated);
    ck_assert_int_eq(out[6], 0);
    ck_assert_int_eq(tl_copy_out(tensor, out, 23), TL_ERROR_ARGUMENT);
    EXPECT_ERROR(TL_ERROR_ARGUMENT, "copy_out: room for 23 bytes, shape [2, 3] of i32 takes 24");
    ck_assert_int_eq(tl_copy_out(tensor, out, sizeof out), TL_ERROR_ARGUMENT);
    ck_assert_mem_eq(out, repeated, sizeof repeated);
    tl_tensor_free(&tensor);
}
END_TEST

START_TEST(filling_stays_inside_the_view)
{
    for (int t = 0; t < TYPES; t++) {
        tl_tensor tensor = counting(every_type[t], tl_shape(3, 4));
        ck_assert_int_eq(tl_tensor_fill(tl_tensor_slice(tensor, 1, 1, 2), 77), TL_OK);
        for (int64_t i = 0; i < 12; i++)
            ck_assert_double_eq(tl_tensor_at(tensor, (int64_t[]){i / 4, i % 4}),
                                i % 4 == 1 || i % 4 == 2 ? 77 : (double)i);
        tl_tensor one = tl_tensor_slice(tl_tensor_select(tensor, 0, 2), 0, 3, 1);
        ck_assert_int_eq(tl_tensor_fill(tl_tensor_broadcast(one, tl_shape(5, 6)), 9), TL_OK);
        ck_assert_double_eq(tl_tensor_item(one), 9);
        ck_assert_double_eq(tl_tensor_at(tensor, (int64_t[]){2, 2}), 77);
        tl_tensor_free(&tensor);
    }
}
END_TEST

START_TEST(the_empty_tensor_passes_a_failure_on)
{
    tl_tensor nothing = {0}, some = counting(TL_F32, tl_shape(2));
    float out[2] = {7, 7};
    tl_error(TL_ERROR_RANGE, "what went wrong first");
    ck_assert_ptr_null(tl_data(nothing));
    ck_assert_ptr_null(tl_data_mut(nothing));
    ck_assert(isnan(tl_tensor_at(nothing, (int64_t[]){0})));
    ck_assert(isnan(tl_tensor_item(nothing)));
    ck_assert_int_eq(tl_copy_out(nothing, out, sizeof out), TL_ERROR_RANGE);
    ck_assert_int_eq(tl_tensor_fill(nothing, 1), TL_ERROR_RANGE);
    ck_assert_int_eq(tl_tensor_copy(nothing, some), TL_ERROR_RANGE);
    ck_assert_int_eq(tl_tensor_copy(some, nothing), TL_ERROR_RANGE);
    EXPECT_ERROR(TL_ERROR_RANGE, "what went wrong first");
    ck_assert_float_eq(out[0], 7);
    tl_tensor_free(&some);
}
END_TEST

int main(void)
{
    return RUN_SUITE(
        "tensor", a_new_tensor_is_zeros_in_row_major_order, a_tensor_of_values_has_a_copy_of_them,
        a_scalar_has_one_element, rank_eight_is_reached_and_nine_is_not, tensors_of_nothing_are_tensors,
        absurd_shapes_are_refused_before_the_heap_is_asked, a_failed_allocation_is_an_ordinary_error,
        freeing_leaves_an_empty_tensor, data_is_there_for_what_is_row_major, data_refuses_other_views,
        whatever_may_write_gives_a_version_never_seen, elements_out_of_range_are_not_read,
        copying_converts_as_c_does, copying_broadcasts_and_stays_inside_the_view,
        copying_what_does_not_fit_is_refused, any_view_is_copied_out, filling_stays_inside_the_view,
        the_empty_tensor_passes_a_failure_on);
}
