/* Tensors at their limits: more elements than 32 bits count, of which few are really there, extents of
 * nothing, and numbers that do not fit. */
#include "tensor/compute_internal.h"
#include "tensor/tensor_internal.h"
#include "tests/support/numbers.h"
#include "tests/support/suite.h"

#include <math.h>
#include <stdio.h>
#include <sys/mman.h>

static const int64_t past_i32 = (int64_t)1 << 33;

/* Memory of which only what is touched is there; freed with the process. */
static tl_storage vast(size_t bytes)
{
    void *data =
        mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (data == MAP_FAILED) {
        puts("SKIPPED: this machine gives no address space for a tensor of more than 2^32 elements");
        data = NULL;
    }
    return (tl_storage){.data = data, .bytes = bytes};
}

static tl_tensor row_major(tl_storage *storage, tl_dtype dtype, tl_shape shape)
{
    tl_tensor tensor = {.storage = storage, .shape = shape, .dtype = dtype};
    tl_tensor_set_row_major(&tensor);
    return tensor;
}

START_TEST(elements_past_32_bits_are_themselves)
{
    tl_storage storage = vast((size_t)past_i32);
    if (!storage.data)
        return;
    uint8_t *bytes = storage.data;
    const int64_t width = 1 << 20, last = past_i32 - 1, middle = ((int64_t)5 << 30) + 77;
    bytes[last] = 7;
    bytes[middle] = 9;
    tl_tensor flat = row_major(&storage, TL_U8, tl_shape(past_i32));
    ck_assert_int_eq(tl_tensor_count(flat), past_i32);
    ck_assert_double_eq(tl_tensor_at(flat, (int64_t[]){middle}), 9);
    ck_assert_double_eq(tl_tensor_item(tl_tensor_select(flat, 0, -1)), 7);
    ck_assert_double_eq(tl_tensor_item(tl_tensor_slice(flat, 0, middle, 1)), 9);

    tl_tensor rows = tl_tensor_reshape(flat, tl_shape(-1, width));
    ck_assert_int_eq(rows.shape.dims[0], past_i32 / width);
    ck_assert_double_eq(tl_tensor_at(rows, (int64_t[]){middle / width, middle % width}), 9);
    tl_tensor column = tl_tensor_select(tl_tensor_transpose(rows, 0, 1), 0, width - 1);
    ck_assert_int_eq(column.offset, width - 1);
    ck_assert_double_eq(tl_tensor_item(tl_tensor_select(column, 0, -1)), 7);
    tl_tensor windows = tl_tensor_unfold(flat, 0, width, width - 1);
    ck_assert_int_eq(windows.shape.dims[0], (past_i32 - width) / (width - 1) + 1);
    ck_assert_double_eq(tl_tensor_at(windows, (int64_t[]){middle / (width - 1), middle % (width - 1)}), 9);

    /* A column touches a page a row. */
    uint8_t *out = malloc((size_t)(past_i32 / width));
    ck_assert_int_eq(tl_copy_out(column, out, (size_t)(past_i32 / width)), TL_OK);
    ck_assert_int_eq(out[past_i32 / width - 1], 7);
    ck_assert_int_eq(out[0], 0);
    free(out);
    ck_assert_int_eq(tl_tensor_fill(column, 3), TL_OK);
    ck_assert_int_eq(bytes[last], 3);
    ck_assert_int_eq(bytes[width - 1], 3);
    ck_assert_int_eq(bytes[middle], 9);
    munmap(storage.data, storage.bytes);
}
END_TEST

/* Rows that are more than 2^32 elements apart. */
START_TEST(kernels_reach_rows_past_32_bits)
{
    enum { ROWS = 3, N = 20 };
    tl_storage storage = vast((size_t)past_i32 * ROWS * sizeof(float));
    if (!storage.data)
        return;
    tl_tensor table = row_major(&storage, TL_F32, tl_shape(ROWS, past_i32));
    tl_tensor rows = tl_tensor_slice(table, 1, past_i32 - N, N);
    for (int64_t i = 0; i < ROWS; i++)
        for (int64_t j = 0; j < N; j++)
            tl_tensor_fill(tl_tensor_slice(tl_tensor_select(rows, 0, i), 0, j, 1), (double)(100 * i + j));

    tl_tensor sums = tl_tensor_new(TL_F32, tl_shape(N)), twice = tl_tensor_new(TL_F32, tl_shape(ROWS, N));
    tl_compute_sum(sums, rows, false);
    tl_compute_map(TL_MAP_ADD, twice, rows, rows, NULL);
    for (int64_t j = 0; j < N; j++) {
        ck_assert_double_eq(tl_tensor_at(sums, &j), (double)(300 + 3 * j));
        for (int64_t i = 0; i < ROWS; i++)
            ck_assert_double_eq(tl_tensor_at(twice, (int64_t[]){i, j}), (double)(200 * i + 2 * j));
    }
    const int32_t ids[] = {2, 0};
    float out[2 * N];
    tl_kernels_for(TL_F32)->gather(2, N, tl_address(rows), rows.strides[0], ids, 1, out, N);
    ck_assert(out[0] == 200 && out[N - 1] == 200 + N - 1 && out[N] == 0);
    tl_compute_map(TL_MAP_NEG, rows, rows, (tl_tensor){0}, NULL);
    ck_assert_double_eq(tl_tensor_at(rows, (int64_t[]){2, 5}), -205);
    tl_tensor_free(&sums);
    tl_tensor_free(&twice);
    munmap(storage.data, storage.bytes);
}
END_TEST

START_TEST(one_element_can_stand_for_very_many)
{
    const tl_shape vast_shape = tl_shape((int64_t)1 << 29, (int64_t)1 << 29);
    tl_tensor one = tl_tensor_of(TL_F32, tl_shape(1, 1), &(float){5});
    tl_tensor all = tl_tensor_broadcast(one, vast_shape);
    ck_assert(tl_tensor_ok(all));
    ck_assert_int_eq(tl_tensor_count(all), (int64_t)1 << 58);
    ck_assert(!tl_tensor_is_row_major(all));
    ck_assert_double_eq(tl_tensor_at(all, (int64_t[]){vast_shape.dims[0] - 1, 12345}), 5);
    tl_tensor corner = tl_tensor_slice(tl_tensor_slice(all, 0, -2, 2), 1, -3, 3);
    float out[6];
    ck_assert_int_eq(tl_copy_out(corner, out, sizeof out), TL_OK);
    ck_assert(out[5] == 5);
    ck_assert_int_eq(tl_copy_out(all, out, sizeof out), TL_ERROR_ARGUMENT);
    EXPECT_ERROR(TL_ERROR_ARGUMENT, "copy_out: room for 24 bytes, shape [536870912, 536870912] of f32 takes "
                                    "1152921504606846976");
    ck_assert(!tl_tensor_ok(tl_tensor_broadcast(one, tl_shape((int64_t)1 << 30, (int64_t)1 << 30))));
    EXPECT_ERROR(TL_ERROR_SHAPE, "broadcast: shape [1073741824, 1073741824] has too many elements");
    tl_tensor flat = tl_tensor_reshape(all, tl_shape((int64_t)1 << 58));
    ck_assert_double_eq(tl_tensor_item(tl_tensor_select(flat, 0, -1)), 5);
    tl_tensor_free(&one);
}
END_TEST

START_TEST(nothing_may_have_vast_extents)
{
    const int64_t most = INT64_MAX / 16;
    tl_tensor none = tl_tensor_new(TL_F64, tl_shape(0, most));
    ck_assert(tl_tensor_ok(none));
    ck_assert_int_eq(tl_tensor_count(none), 0);
    ck_assert_int_eq(tl_tensor_fill(none, 1), TL_OK);
    ck_assert_int_eq(tl_copy_out(tl_tensor_transpose(none, 0, 1), NULL, 0), TL_OK);
    ck_assert(tl_tensor_ok(tl_tensor_reshape(none, tl_shape(most, 0))));
    ck_assert(tl_tensor_ok(tl_tensor_select(none, 1, most - 1)));
    ck_assert(!tl_tensor_ok(tl_tensor_unfold(none, 1, most / 2, 1)));
    ck_assert_int_eq(tl_error_status(), TL_ERROR_SHAPE);
    ck_assert(!tl_tensor_ok(tl_tensor_new(TL_F64, tl_shape(0, most + 1))));
    ck_assert(!tl_tensor_ok(tl_tensor_reshape(none, tl_shape(0, -1))));
    EXPECT_ERROR(TL_ERROR_SHAPE, "reshape: [0, 576460752303423487] has 0 elements, [0, -1] does not fit");

    tl_tensor sums = tl_tensor_of(TL_F64, tl_shape(3), (const double[]){1, 2, 3});
    tl_tensor no_rows = tl_tensor_new(TL_F64, tl_shape(0, 3));
    tl_compute_sum(sums, no_rows, true);
    ck_assert_double_eq(tl_tensor_at(sums, (int64_t[]){2}), 3);
    tl_compute_sum(sums, no_rows, false);
    ck_assert_double_eq(tl_tensor_at(sums, (int64_t[]){2}), 0);
    tl_tensor_free(&none);
    tl_tensor_free(&sums);
    tl_tensor_free(&no_rows);
}
END_TEST

START_TEST(sizes_near_the_last_number_are_refused)
{
    const struct {
        tl_shape shape;
        const char *message;
    } shapes[] = {
        {tl_shape(INT64_MAX), "tensor_new: shape [9223372036854775807] has too many elements"},
        {tl_shape(INT64_MAX, INT64_MAX),
         "tensor_new: shape [9223372036854775807, 9223372036854775807] has too many elements"},
        {tl_shape(3037000500, 3037000500),
         "tensor_new: shape [3037000500, 3037000500] has too many elements"},
        {tl_shape(4294967296, 4294967296),
         "tensor_new: shape [4294967296, 4294967296] has too many elements"},
        {tl_shape(0, INT64_MAX), "tensor_new: shape [0, 9223372036854775807] has too many elements"},
        {tl_shape(INT64_MIN), "tensor_new: negative extent in shape [-9223372036854775808]"},
    };
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        ck_assert(!tl_tensor_ok(tl_tensor_new(TL_U8, shapes[i].shape)));
        EXPECT_ERROR(TL_ERROR_SHAPE, shapes[i].message);
    }
    tl_tensor small = tl_tensor_new(TL_F32, tl_shape(2, 3));
    ck_assert(!tl_tensor_ok(tl_tensor_slice(small, 0, INT64_MAX, INT64_MAX)));
    ck_assert(!tl_tensor_ok(tl_tensor_slice(small, 0, 1, INT64_MAX)));
    ck_assert(!tl_tensor_ok(tl_tensor_slice(small, 0, INT64_MIN, 1)));
    ck_assert(!tl_tensor_ok(tl_tensor_select(small, 1, INT64_MIN)));
    ck_assert(!tl_tensor_ok(tl_tensor_select(small, 1, INT64_MAX)));
    ck_assert(!tl_tensor_ok(tl_tensor_unfold(small, 0, INT64_MAX, 1)));
    ck_assert(tl_tensor_ok(tl_tensor_unfold(small, 0, 2, INT64_MAX)));
    ck_assert(!tl_tensor_ok(tl_tensor_transpose(small, INT32_MIN, INT32_MAX)));
    ck_assert(!tl_tensor_ok(tl_tensor_unsqueeze(small, INT32_MAX)));
    ck_assert(!tl_tensor_ok(tl_tensor_unsqueeze(small, INT32_MIN)));
    tl_tensor_free(&small);
}
END_TEST

START_TEST(rank_eight_is_enough_for_every_view)
{
    tl_tensor deep = tl_tensor_new(TL_F32, (tl_shape){8, {2, 1, 3, 1, 2, 1, 1, 2}});
    ck_assert_int_eq(tl_tensor_fill(deep, 2), TL_OK);
    tl_tensor other = tl_tensor_transpose(tl_tensor_transpose(deep, 0, 7), 2, 4);
    float out[24];
    ck_assert_int_eq(tl_copy_out(other, out, sizeof out), TL_OK);
    ck_assert(out[23] == 2);
    ck_assert(!tl_tensor_ok(tl_tensor_unsqueeze(deep, 0)));
    ck_assert(!tl_tensor_ok(tl_tensor_unfold(deep, 0, 1, 1)));
    ck_assert(tl_tensor_ok(tl_tensor_reshape(other, tl_shape(2, 1, 2, 1, 3, 1, 1, 2))));
    ck_assert_int_eq(tl_tensor_select(deep, -1, 1).shape.rank, 7);
    tl_tensor_free(&deep);
}
END_TEST

START_TEST(numbers_that_do_not_fit_become_the_nearest)
{
    const double given[] = {(double)NAN, (double)INFINITY, -(double)INFINITY, 1e300,
                            -1e300,      2147483647.9,     -2147483648.5,     -0.9};
    const int32_t expected[] = {0, INT32_MAX, INT32_MIN, INT32_MAX, INT32_MIN, INT32_MAX, INT32_MIN, 0};
    tl_tensor from = tl_tensor_of(TL_F64, tl_shape(8), given), to = tl_tensor_new(TL_I32, tl_shape(8));
    ck_assert_int_eq(tl_tensor_copy(to, from), TL_OK);
    for (int64_t i = 0; i < 8; i++)
        ck_assert_int_eq(((const int32_t *)tl_data(to))[i], expected[i]);
    tl_tensor bytes = tl_tensor_new(TL_U8, tl_shape(8));
    ck_assert_int_eq(tl_tensor_copy(bytes, from), TL_OK); /* any, but no harm */
    ck_assert_int_eq(tl_tensor_fill(to, (double)NAN), TL_OK);
    ck_assert_double_eq(tl_tensor_at(to, (int64_t[]){7}), 0);
    tl_tensor_free(&from);
    tl_tensor_free(&to);
    tl_tensor_free(&bytes);
}
END_TEST

int main(void)
{
    return RUN_SUITE("limits of tensors", elements_past_32_bits_are_themselves,
                     kernels_reach_rows_past_32_bits, one_element_can_stand_for_very_many,
                     nothing_may_have_vast_extents, sizes_near_the_last_number_are_refused,
                     rank_eight_is_enough_for_every_view, numbers_that_do_not_fit_become_the_nearest);
}
