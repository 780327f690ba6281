/* Views on the tape: slices of slices, overlaps, transposes, and joins, for values and for gradients. */
#include "tests/autograd/testing_internal.h"

#include <stdio.h>

static tl_tape *tape;
static tl_tensor x; /* [4, 5, 3] */

static void set_up(void)
{
    tape = tl_tape_new();
    x = random_tensor(TL_F64, tl_shape(4, 5, 3), 1);
}

static void tear_down(void)
{
    tl_tensor_free(&x);
    tl_tape_free(tape);
}

static tl_var *total(tl_var *v)
{
    return tl_sum(v, TL_ALL_AXES, false);
}

/* sum(v * numbers), with numbers 1, 2, 3, ... in row-major order: the gradient of v is the numbers. */
static tl_var *numbered(tl_var *v)
{
    ck_assert_msg(v != NULL, "%s", tl_error_message());
    tl_var *numbers = tl_zeros(tape, TL_F64, tl_shape_of(v));
    double *n = tl_data_mut(tl_value(numbers));
    for (int64_t i = 0; i < tl_tensor_count(tl_value(numbers)); i++)
        n[i] = (double)(i + 1);
    return total(tl_mul(v, numbers));
}

/* Adds 1, 2, 3, ... to a view of the expected gradient. */
static void add_numbers(tl_tensor view)
{
    tl_tensor flat = copy_of(view);
    double *n = tl_data_mut(flat);
    for (int64_t i = 0; i < tl_tensor_count(flat); i++)
        n[i] += (double)(i + 1);
    tl_tensor_copy(view, flat);
    tl_tensor_free(&flat);
}

static void check_gradient(tl_var *v, tl_tensor expected)
{
    ck_assert_msg(same_bits(tl_grad(v), expected), "shape %s", TL_SHAPE_TEXT(tl_shape_of(v)));
}

START_TEST(views_share_memory)
{
    tl_var *v = tl_variable(tape, x);
    tl_var *const views[] = {tl_slice(v, 1, 1, 3),           tl_select(v, 0, -1),
                             tl_transpose(v, 0, 2),          tl_unsqueeze(v, 1),
                             tl_reshape(v, tl_shape(20, 3)), tl_reshape(v, tl_shape(-1))};
    for (size_t i = 0; i < sizeof views / sizeof *views; i++)
        ck_assert(tl_value(views[i]).storage == x.storage);
    ck_assert(tl_value(tl_reshape(tl_transpose(v, 0, 1), tl_shape(60))).storage !=
              x.storage); /* has to copy */
}
END_TEST

START_TEST(slices_of_slices_lead_back)
{
    tl_tensor expected = tl_tensor_new(TL_F64, x.shape);
    tl_var *v = tl_variable(tape, x);
    tl_var *part = tl_slice(tl_slice(tl_slice(v, 0, 1, 3), 1, -4, 3), 0, 1, 2);
    ck_assert(same_bits(tl_value(part), tl_tensor_slice(tl_tensor_slice(x, 0, 2, 2), 1, 1, 3)));
    check_ok(tl_backward(numbered(part)));
    add_numbers(tl_tensor_slice(tl_tensor_slice(expected, 0, 2, 2), 1, 1, 3));
    check_gradient(v, expected);
    tl_tensor_free(&expected);
}
END_TEST

START_TEST(overlapping_slices_add_up)
{
    tl_tensor expected = tl_tensor_new(TL_F64, x.shape);
    tl_var *v = tl_variable(tape, x), *sum = numbered(v);
    add_numbers(expected);
    for (int64_t start = 0; start + 3 <= 5; start++) {
        sum = tl_add(sum, numbered(tl_slice(v, 1, start, 3)));
        add_numbers(tl_tensor_slice(expected, 1, start, 3));
    }
    check_ok(tl_backward(sum));
    check_gradient(v, expected);
    tl_tensor_free(&expected);
}
END_TEST

/* Slices of something computed, not of a leaf: its own rule must see the sum of what came back. */
START_TEST(slices_of_a_result_reach_its_rule_together)
{
    tl_var *v = tl_variable(tape, x), *y = tl_tanh(tl_scale(v, 2));
    tl_var *product = tl_mul(tl_slice(y, 1, 0, 4), tl_slice(y, 1, 1, 4));
    check_ok(tl_backward(total(product)));
    tl_tensor gradient = copy_of(tl_grad(v)), value = tl_value(y);
    for (int64_t i = 0; i < 60; i++) {
        int64_t step = i / 3 % 5;
        double t = element(value, i), before = step > 0 ? element(value, i - 3) : 0;
        double after = step < 4 ? element(value, i + 3) : 0;
        ck_assert_double_eq_tol(element(gradient, i), (before + after) * 2 * (1 - t * t), 1e-14);
    }
    tl_tensor_free(&gradient);
}
END_TEST

START_TEST(two_overlapping_views_as_inputs_of_one_op)
{
    tl_tensor square = random_tensor(TL_F64, tl_shape(4, 4), 2),
              expected = tl_tensor_new(TL_F64, tl_shape(4, 4));
    tl_var *v = tl_variable(tape, square);
    check_ok(tl_backward(total(tl_mul(v, tl_transpose(v, 0, 1))))); /* d/dv = 2 v^T */
    for (int64_t i = 0; i < 16; i++)
        ((double *)tl_data_mut(expected))[i] = 2 * element(square, i % 4 * 4 + i / 4);
    check_gradient(v, expected);

    tl_tape_reset(tape);
    v = tl_variable(tape, square);
    tl_var *upper = tl_slice(v, 0, 0, 3), *lower = tl_slice(v, 0, 1, 3), *parts[] = {upper, v, lower, upper};
    check_ok(tl_backward(numbered(tl_concat(parts, 4, 0))));
    tl_tensor_fill(expected, 0);
    tl_tensor places[] = {tl_tensor_slice(expected, 0, 0, 3), expected, tl_tensor_slice(expected, 0, 1, 3),
                          tl_tensor_slice(expected, 0, 0, 3)};
    for (int64_t i = 0, next = 1; i < 4; i++)
        for (int64_t j = 0; j < tl_tensor_count(places[i]); j++, next++) {
            tl_tensor place = tl_tensor_select(tl_tensor_select(places[i], 0, j / 4), 0, j % 4);
            tl_tensor_fill(place, tl_tensor_item(place) + (double)next);
        }
    check_gradient(v, expected);
    tl_tensor_free(&square);
    tl_tensor_free(&expected);
}
END_TEST

/* More parts than an op with a fixed number of inputs may have, one var among them many times. */
START_TEST(a_join_of_many_parts_takes_each_back)
{
    enum { PARTS = 30 };
    tl_tensor row = random_tensor(TL_F64, tl_shape(3), 2);
    tl_var *a = tl_variable(tape, row), *b = tl_variable(tape, x), *parts[PARTS];
    double expected[3] = {0}, expected_b[3] = {0};
    for (int i = 0; i < PARTS; i++) {
        parts[i] = i % 3 ? a : tl_select(tl_select(b, 0, 1), 0, 2);
        for (int j = 0; j < 3; j++)
            *(i % 3 ? &expected[j] : &expected_b[j]) += i * 3 + j + 1;
    }
    check_ok(tl_backward(numbered(tl_stack(parts, PARTS, 0))));
    for (int64_t j = 0; j < 3; j++) {
        ck_assert(element(tl_grad(a), j) == expected[j]);
        ck_assert(element(tl_grad(b), (1 * 5 + 2) * 3 + j) == expected_b[j]);
    }
    ck_assert(element(tl_grad(b), 0) == 0);
    tl_tensor_free(&row);
}
END_TEST

START_TEST(reshape_of_transposed_keeps_the_order)
{
    tl_tensor expected = tl_tensor_new(TL_F64, x.shape), back = tl_tensor_transpose(expected, 0, 1);
    tl_var *v = tl_variable(tape, x), *flat = tl_reshape(tl_transpose(v, 0, 1), tl_shape(5, 12));
    for (int64_t t = 0; t < 5; t++)
        for (int64_t i = 0; i < 12; i++)
            ck_assert(element(tl_value(flat), t * 12 + i) == element(x, (i / 3 * 5 + t) * 3 + i % 3));
    check_ok(tl_backward(numbered(tl_slice(flat, 1, 0, 12))));
    add_numbers(back);
    check_gradient(v, expected);
    tl_tensor_free(&expected);
}
END_TEST

START_TEST(a_stack_over_time_is_time_major)
{
    enum { TIME = 6 };
    tl_tensor step = random_tensor(TL_F64, tl_shape(4, 3), 2);
    tl_var *v = tl_variable(tape, step), *steps[TIME];
    for (int t = 0; t < TIME; t++)
        steps[t] = tl_scale(v, t + 1);
    tl_var *sequence = tl_stack(steps, TIME, 1);
    tl_tensor value = tl_value(sequence);
    ck_assert(tl_shape_equal(value.shape, tl_shape(4, TIME, 3)));
    ck_assert_int_eq(value.strides[1], 4 * 3); /* a step is one stretch of [batch, features] */
    ck_assert_int_eq(value.strides[0], 3);
    ck_assert_int_eq(value.strides[2], 1);
    for (int t = 0; t < TIME; t++) {
        tl_tensor at = tl_tensor_select(value, 1, t);
        ck_assert(tl_tensor_is_row_major(at));
        ck_assert(same_bits(at, tl_value(steps[t])));
    }
    tl_var *y = tl_tanh(sequence); /* what is computed from it stays time-major */
    ck_assert_int_eq(tl_value(y).strides[1], 4 * 3);
    check_ok(tl_backward(total(sequence)));
    for (int64_t i = 0; i < 12; i++)
        ck_assert(element(tl_grad(v), i) == TIME * (TIME + 1) / 2);
    tl_tensor_free(&step);
}
END_TEST

START_TEST(variables_may_be_views)
{
    const tl_tensor views[] = {tl_tensor_transpose(x, 0, 1), tl_tensor_slice(x, 1, 1, 3),
                               tl_tensor_select(x, 2, 1),
                               tl_tensor_broadcast(tl_tensor_slice(x, 0, 0, 1), tl_shape(2, 4, 5, 3))};
    for (size_t i = 0; i < sizeof views / sizeof *views; i++) {
        tl_tape_reset(tape);
        tl_tensor expected = tl_tensor_new(TL_F64, views[i].shape);
        tl_var *v = tl_variable(tape, views[i]);
        ck_assert_msg(v != NULL, "%s", tl_error_message());
        ck_assert(same_bits(tl_value(v), views[i]));
        check_ok(tl_backward(tl_add(numbered(v), numbered(tl_slice(v, 0, 1, 1)))));
        add_numbers(expected);
        add_numbers(tl_tensor_slice(expected, 0, 1, 1));
        check_gradient(v, expected);
        tl_tensor_free(&expected);
    }
}
END_TEST

START_TEST(backward_may_start_at_a_view)
{
    tl_tensor expected = tl_tensor_new(TL_F64, x.shape), seed = random_tensor(TL_F64, tl_shape(3, 4), 3);
    tl_var *v = tl_variable(tape, x), *y = tl_scale(v, 2);
    check_ok(tl_backward_from(tl_transpose(tl_select(y, 1, 3), 0, 1), seed));
    tl_tensor place = tl_tensor_transpose(tl_tensor_select(expected, 1, 3), 0, 1);
    tl_tensor_copy(place, seed);
    for (int64_t i = 0; i < 60; i++)
        ((double *)tl_data_mut(expected))[i] *= 2;
    check_gradient(v, expected);
    tl_tensor_free(&expected);
    tl_tensor_free(&seed);
}
END_TEST

START_TEST(the_gradient_of_a_view_can_be_retained)
{
    tl_var *v = tl_variable(tape, x), *y = tl_scale(v, 2);
    tl_var *part = tl_retain_grad(tl_transpose(tl_slice(y, 1, 1, 2), 0, 1));
    check_ok(tl_backward(numbered(part)));
    for (int64_t i = 0; i < 2 * 4 * 3; i++)
        ck_assert(element(tl_grad(part), i) == (double)(i + 1));
}
END_TEST

/* A product keeps the packed form of its right-hand side, by where that lies in memory. */
START_TEST(parts_of_one_matrix_are_different_matrices)
{
    enum { PARTS = 16, UNITS = 64 }; /* far apart by a power of two, where tables of places are weakest */
    tl_tensor weights = random_tensor(TL_F32, tl_shape(3, PARTS * UNITS), 2),
              inputs = random_tensor(TL_F32, tl_shape(4, 3), 3);
    for (int round = 0; round < 2; round++) {
        tl_var *w = tl_input(tape, weights), *in = tl_input(tape, inputs), *parts[PARTS];
        for (int i = 0; i < PARTS; i++)
            parts[i] = tl_matmul(in, tl_slice(w, 1, i * UNITS, UNITS));
        ck_assert_double_le(difference(tl_value(tl_concat(parts, PARTS, 1)), tl_value(tl_matmul(in, w))),
                            1e-6);
        tl_tape_reset(tape);
        check_ok(tl_random_fill_uniform(weights, -1, 1, 7, 7)); /* and none of them stays what it was */
    }
    tl_tensor_free(&weights);
    tl_tensor_free(&inputs);
}
END_TEST

START_TEST(memory_may_come_to_hold_another_type)
{
    enum { N = 200 };
    tl_tensor wide = random_tensor(TL_F64, tl_shape(N, N), 2), narrow = wide; /* one memory, seen as either */
    narrow.dtype = TL_F32;
    tl_tensor_fill(narrow, 0.5);
    tl_tensor ones[] = {tl_tensor_new(TL_F32, tl_shape(1, N)), tl_tensor_new(TL_F64, tl_shape(1, N))};
    for (int i = 0; i < 2; i++)
        tl_tensor_fill(ones[i], 1);
    ck_assert(element(tl_value(tl_matmul(tl_input(tape, ones[0]), tl_input(tape, narrow))), 0) == 0.5 * N);
    tl_tape_reset(tape);
    tl_tensor_fill(wide, 0.25);
    for (int64_t i = 0; i < N; i++)
        ck_assert(element(tl_value(tl_matmul(tl_input(tape, ones[1]), tl_input(tape, wide))), i) == 0.25 * N);
    for (int i = 0; i < 2; i++)
        tl_tensor_free(&ones[i]);
    tl_tensor_free(&wide);
}
END_TEST

START_TEST(ids_and_masks_have_views_too)
{
    tl_tensor ids = tl_tensor_of(TL_I32, tl_shape(2, 3), (int32_t[]){1, 2, 3, 4, 5, 6});
    tl_var *v = tl_transpose(tl_input(tape, ids), 0, 1), *flat = tl_reshape(v, tl_shape(6));
    static const double expected[] = {1, 4, 2, 5, 3, 6};
    for (int64_t i = 0; i < 6; i++)
        ck_assert(element(tl_value(flat), i) == expected[i]);
    ck_assert_int_eq(tl_dtype_of(flat), TL_I32);
    ck_assert_int_eq((int)tl_tensor_item(tl_value(tl_select(tl_select(v, 0, 2), 0, 1))), 6);
    tl_tensor_free(&ids);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("views");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, views_share_memory);
    tcase_add_test(tests, slices_of_slices_lead_back);
    tcase_add_test(tests, overlapping_slices_add_up);
    tcase_add_test(tests, slices_of_a_result_reach_its_rule_together);
    tcase_add_test(tests, two_overlapping_views_as_inputs_of_one_op);
    tcase_add_test(tests, a_join_of_many_parts_takes_each_back);
    tcase_add_test(tests, reshape_of_transposed_keeps_the_order);
    tcase_add_test(tests, a_stack_over_time_is_time_major);
    tcase_add_test(tests, variables_may_be_views);
    tcase_add_test(tests, backward_may_start_at_a_view);
    tcase_add_test(tests, the_gradient_of_a_view_can_be_retained);
    tcase_add_test(tests, parts_of_one_matrix_are_different_matrices);
    tcase_add_test(tests, memory_may_come_to_hold_another_type);
    tcase_add_test(tests, ids_and_masks_have_views_too);
    return run_tests("views", tests);
}
