/* Dropout: how many elements fall, and that which ones depends on seed, step, place and nothing else. */
#include "tests/autograd/testing_internal.h"

static tl_tape *tape;

static void set_up(void)
{
    tape = tl_tape_new();
}

static void tear_down(void)
{
    tl_tape_free(tape);
}

static tl_tensor ones(tl_dtype dtype, tl_shape shape)
{
    tl_tensor tensor = tl_tensor_new(dtype, shape);
    tl_tensor_fill(tensor, 1);
    return tensor;
}

/* dropout(1, rate) on a tape that was just reset. The caller frees it. */
static tl_tensor drawn(tl_dtype dtype, tl_shape shape, double rate)
{
    tl_tensor x = ones(dtype, shape);
    tl_tape_reset(tape);
    tl_tensor result = copy_of(tl_value(tl_dropout(tl_input(tape, x), rate)));
    tl_tensor_free(&x);
    return result;
}

/* The part of the elements in which two tensors differ; frees both. */
static double part_differing(tl_tensor a, tl_tensor b)
{
    int64_t count = tl_tensor_count(a), differing = 0;
    for (int64_t i = 0; i < count; i++)
        differing += element(a, i) != element(b, i);
    tl_tensor_free(&a);
    tl_tensor_free(&b);
    return (double)differing / (double)count;
}

static void check_rate(double rate)
{
    enum { ROWS = 100, COLUMNS = 1001 };
    tl_tensor y = drawn(TL_F64, tl_shape(ROWS, COLUMNS), rate);
    double n = ROWS * COLUMNS, dropped = 0, column_most = 0;
    for (int64_t i = 0; i < ROWS * COLUMNS; i++) {
        double v = element(y, i);
        ck_assert_msg(v == 0 || fabs(v - 1 / (1 - rate)) < 1e-15, "%.17g at rate %g", v, rate);
        dropped += v == 0;
    }
    ck_assert_double_le(fabs(dropped / n - rate), 4 * sqrt(rate * (1 - rate) / n));
    for (int64_t j = 0; j < COLUMNS; j++) { /* no place falls in every row, nor in none */
        double fallen = 0;
        for (int64_t i = 0; i < ROWS; i++)
            fallen += element(y, i * COLUMNS + j) == 0;
        double apart = fabs(fallen / ROWS - rate) / sqrt(rate * (1 - rate) / ROWS);
        column_most = apart > column_most ? apart : column_most;
    }
    ck_assert_double_le(column_most, 5.5);
    tl_tensor_free(&y);
}

START_TEST(as_many_fall_as_the_rate_says)
{
    check_rate(0.5);
    check_rate(0.2);
    check_rate(0.9);
}
END_TEST

START_TEST(inference_and_rate_0_change_nothing)
{
    tl_tensor x = random_tensor(TL_F32, tl_shape(3, 4), 1);
    ck_assert(tl_tape_is_training(tape));
    tl_var *v = tl_variable(tape, x);
    ck_assert(same_bits(tl_value(tl_dropout(v, 0)), x));
    ck_assert(!same_bits(tl_value(tl_dropout(v, 0.5)), x));
    tl_tape_set_training(tape, false);
    ck_assert(!tl_tape_is_training(tape));
    tl_var *y = tl_dropout(v, 0.9);
    ck_assert(same_bits(tl_value(y), x));
    check_ok(tl_backward(tl_sum(y, TL_ALL_AXES, false)));
    for (int64_t i = 0; i < 12; i++)
        ck_assert(element(tl_grad(v), i) == 1);
    tl_tape_reset(tape);
    ck_assert(!tl_tape_is_training(tape));
    tl_tensor_free(&x);
}
END_TEST

START_TEST(the_gradient_falls_where_the_value_did)
{
    tl_tensor x = ones(TL_F64, tl_shape(20, 7)), weights = random_tensor(TL_F64, tl_shape(20, 7), 1);
    tl_tape_set_random(tape, 3, 4, 5);
    tl_var *v = tl_variable(tape, x), *y = tl_dropout(v, 0.4);
    tl_tensor value = copy_of(tl_value(y));
    check_ok(tl_backward(tl_sum(tl_mul(y, tl_input(tape, weights)), TL_ALL_AXES, false)));
    for (int64_t i = 0; i < 140; i++)
        ck_assert_double_eq_tol(element(tl_grad(v), i), element(value, i) * element(weights, i), 1e-15);
    tl_tensor_free(&x);
    tl_tensor_free(&weights);
    tl_tensor_free(&value);
}
END_TEST

START_TEST(the_same_source_gives_the_same_draws)
{
    const tl_shape shape = tl_shape(50, 40);
    tl_tape_set_random(tape, 1, 2, 0);
    ck_assert(part_differing(drawn(TL_F64, shape, 0.5), drawn(TL_F64, shape, 0.5)) == 0);
    tl_tensor narrow = drawn(TL_F32, shape, 0.5), wide = drawn(TL_F64, shape, 0.5);
    ck_assert(part_differing(narrow, wide) == 0);

    tl_tensor first = drawn(TL_F64, shape, 0.5);
    const uint64_t others[][2] = {{2, 2}, {1, 3}, {1 + (1ull << 32), 2}, {0, 2}};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        tl_tape_set_random(tape, others[i][0], others[i][1], 0);
        ck_assert_double_eq_tol(part_differing(copy_of(first), drawn(TL_F64, shape, 0.5)), 0.5, 0.05);
    }
    tl_tensor_free(&first);
}
END_TEST

START_TEST(dropouts_of_one_tape_differ)
{
    tl_tensor x = ones(TL_F64, tl_shape(50, 40));
    tl_var *v = tl_input(tape, x);
    tl_tensor first = copy_of(tl_value(tl_dropout(v, 0.5))), second = copy_of(tl_value(tl_dropout(v, 0.5)));
    tl_tape_reset(tape); /* counts from the beginning again */
    ck_assert(part_differing(drawn(TL_F64, x.shape, 0.5), copy_of(first)) == 0);
    ck_assert_double_eq_tol(part_differing(first, second), 0.5, 0.05);
    tl_tensor_free(&x);
}
END_TEST

/* Two dropouts over rows [first, last) of x, value and gradient. */
static void run_rows(tl_tensor x, int64_t first, int64_t last, tl_tensor value, tl_tensor gradient)
{
    tl_tape_reset(tape);
    tl_tape_set_random(tape, 7, 11, first);
    tl_var *v = tl_variable(tape, tl_tensor_slice(x, 0, first, last - first));
    tl_var *y = tl_dropout(tl_tanh(tl_dropout(v, 0.3)), 0.6);
    tl_tensor_copy(tl_tensor_slice(value, 0, first, last - first), tl_value(y));
    check_ok(tl_backward(tl_sum(y, TL_ALL_AXES, false)));
    tl_tensor_copy(tl_tensor_slice(gradient, 0, first, last - first), tl_grad(v));
}

START_TEST(shards_of_a_batch_draw_what_the_whole_would)
{
    enum { BATCH = 9 };
    tl_tensor x = random_tensor(TL_F32, tl_shape(BATCH, 5, 3), 1), results[4];
    for (int i = 0; i < 4; i++)
        results[i] = tl_tensor_new(TL_F32, x.shape);
    run_rows(x, 0, BATCH, results[0], results[1]);
    for (int64_t cut = 1; cut < BATCH; cut++) {
        run_rows(x, 0, cut, results[2], results[3]);
        run_rows(x, cut, BATCH, results[2], results[3]);
        ck_assert(same_bits(results[2], results[0]));
        ck_assert(same_bits(results[3], results[1]));
    }
    tl_tape_reset(tape); /* and without the place of its first row, a shard would draw others */
    tl_tape_set_random(tape, 7, 11, 0);
    tl_var *y = tl_dropout(tl_tanh(tl_dropout(tl_input(tape, tl_tensor_slice(x, 0, 4, 5)), 0.3)), 0.6);
    ck_assert(!same_bits(tl_value(y), tl_tensor_slice(results[0], 0, 4, 5)));
    for (int i = 0; i < 4; i++)
        tl_tensor_free(&results[i]);
    tl_tensor_free(&x);
}
END_TEST

START_TEST(draws_do_not_depend_on_the_layout)
{
    tl_tensor x = ones(TL_F64, tl_shape(6, 4, 5)); /* time-major underneath */
    tl_tensor batch = tl_tensor_transpose(x, 0, 1), expected = drawn(TL_F64, batch.shape, 0.5);
    tl_tape_reset(tape);
    ck_assert(same_bits(tl_value(tl_dropout(tl_input(tape, batch), 0.5)), expected));
    tl_tensor_free(&x);
    tl_tensor_free(&expected);
}
END_TEST

START_TEST(a_mask_travels_along)
{
    tl_tensor x = ones(TL_F32, tl_shape(2, 3, 4)), mask = tl_tensor_new(TL_U8, tl_shape(2, 3));
    tl_var *v = tl_set_mask(tl_input(tape, x), mask);
    tl_tensor other = tl_tensor_new(TL_U8, tl_shape(2));
    tl_var *w = tl_set_mask(tl_input(tape, x), other); /* each var has its own */
    ck_assert(tl_mask_of(v).storage == mask.storage && tl_mask_of(w).storage == other.storage);
    ck_assert(tl_mask_of(tl_dropout(v, 0.5)).storage == mask.storage);
    ck_assert(tl_mask_of(tl_detach(v)).storage == mask.storage);
    ck_assert(!tl_tensor_ok(tl_mask_of(tl_dropout(tl_input(tape, x), 0.5))));
    ck_assert(!tl_tensor_ok(tl_mask_of(NULL)));
    tl_tensor_free(&x);
    tl_tensor_free(&mask);
    tl_tensor_free(&other);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("dropout");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, as_many_fall_as_the_rate_says);
    tcase_add_test(tests, inference_and_rate_0_change_nothing);
    tcase_add_test(tests, the_gradient_falls_where_the_value_did);
    tcase_add_test(tests, the_same_source_gives_the_same_draws);
    tcase_add_test(tests, dropouts_of_one_tape_differ);
    tcase_add_test(tests, shards_of_a_batch_draw_what_the_whole_would);
    tcase_add_test(tests, draws_do_not_depend_on_the_layout);
    tcase_add_test(tests, a_mask_travels_along);
    return run_tests("dropout", tests);
}
