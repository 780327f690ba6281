/* What each op computes, against the formula written out. The gradient check compares an op with itself, so
 * that this is where a wrong value shows. */
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

enum { MOST = 16 };
static tl_tensor made[MOST]; /* inputs, freed by `done` */
static int made_count;

/* An input of random numbers in [low, high]. */
static tl_var *input(tl_shape shape, double low, double high)
{
    ck_assert_int_lt(made_count, MOST);
    tl_tensor x = tl_tensor_new(TL_F64, shape);
    check_ok(tl_random_fill_uniform(x, low, high, 4, (uint64_t)made_count));
    made[made_count++] = x;
    return tl_input(tape, x);
}

static tl_var *integers(tl_dtype dtype, tl_shape shape, int64_t limit)
{
    tl_var *x = tl_zeros(tape, dtype, shape);
    tl_tensor flat = tl_tensor_reshape(tl_value(x), tl_shape(-1));
    for (int64_t i = 0; i < flat.shape.dims[0]; i++)
        tl_tensor_fill(tl_tensor_select(flat, 0, i), (double)tl_random_below(4, 77, (uint64_t)i, limit));
    return x;
}

static void done(void)
{
    while (made_count > 0)
        tl_tensor_free(&made[--made_count]);
    tl_tape_reset(tape);
}

/* The element at place `place`, in row-major order, of x broadcast to a shape. */
static double at(tl_var *x, tl_shape shape, int64_t place)
{
    tl_tensor wide = tl_tensor_broadcast(tl_value(x), shape);
    ck_assert_msg(tl_tensor_ok(wide), "%s", tl_error_message());
    return element(wide, place);
}

static void check_shape(tl_var *y, tl_shape shape)
{
    ck_assert_msg(y != NULL, "%s", tl_error_message());
    ck_assert_msg(tl_shape_equal(tl_shape_of(y), shape), "%s, expected %s", TL_SHAPE_TEXT(tl_shape_of(y)),
                  TL_SHAPE_TEXT(shape));
}

static void check_element(tl_var *y, int64_t place, double expected)
{
    ck_assert_double_eq_tol(element(tl_value(y), place), expected, 1e-14 * fmax(1, fabs(expected)));
}

/* --- element by element --- */

static double logistic(double x)
{
    return 1 / (1 + exp(-x));
}

static double positive_part(double x)
{
    return x > 0 ? x : 0;
}

static double negative(double x)
{
    return -x;
}

START_TEST(functions_of_one_var)
{
    static const struct {
        tl_var *(*op)(tl_var *);
        double (*formula)(double);
        double low, high;
    } functions[] = {
        {tl_neg, negative, -2, 2},       {tl_tanh, tanh, -5, 5}, {tl_sigmoid, logistic, -20, 20},
        {tl_relu, positive_part, -2, 2}, {tl_exp, exp, -5, 5},   {tl_log, log, 0.01, 9},
        {tl_sqrt, sqrt, 0, 9},           {tl_abs, fabs, -2, 2},
    };
    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
        tl_var *x = input(tl_shape(5, 7), functions[i].low, functions[i].high), *y = functions[i].op(x);
        check_shape(y, tl_shape(5, 7));
        for (int64_t j = 0; j < 35; j++)
            check_element(y, j, functions[i].formula(element(tl_value(x), j)));
        done();
    }
}
END_TEST

START_TEST(functions_with_numbers)
{
    tl_var *x = input(tl_shape(40), -2, 2), *positive = input(tl_shape(40), 0, 3);
    for (int64_t j = 0; j < 40; j++) {
        double v = element(tl_value(x), j);
        check_element(tl_scale(x, -2.5), j, -2.5 * v);
        check_element(tl_clamp(x, -1, 0.5), j, fmin(fmax(v, -1), 0.5));
        check_element(tl_pow(x, 3), j, v * v * v);
        check_element(tl_pow(positive, 1.7), j, pow(element(tl_value(positive), j), 1.7));
        check_element(tl_activate(x, TL_TANH), j, tanh(v));
        check_element(tl_activate(x, TL_SIGMOID), j, logistic(v));
        check_element(tl_activate(x, TL_RELU), j, positive_part(v));
    }
    ck_assert_ptr_eq(tl_activate(x, TL_LINEAR), x);
    ck_assert_ptr_eq(tl_activate(x, TL_DEFAULT_ACTIVATION), x);
    check_element(tl_sum(tl_activate(x, TL_SOFTMAX), TL_ALL_AXES, false), 0, 1);
    done();
}
END_TEST

START_TEST(arithmetic_broadcasts)
{
    const struct {
        tl_shape a, b, result;
    } pairs[] = {{tl_shape(3, 4), tl_shape(3, 4), tl_shape(3, 4)},
                 {tl_shape(3, 4), tl_shape(4), tl_shape(3, 4)},
                 {tl_shape(2, 1, 3), tl_shape(4, 1), tl_shape(2, 4, 3)},
                 {TL_SCALAR, tl_shape(2, 2), tl_shape(2, 2)},
                 {tl_shape(1, 1), TL_SCALAR, tl_shape(1, 1)},
                 {tl_shape(0, 3), tl_shape(1, 3), tl_shape(0, 3)}};
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        tl_var *a = input(pairs[i].a, -2, 2), *b = input(pairs[i].b, 0.5, 2);
        tl_var *const results[] = {tl_add(a, b), tl_sub(a, b), tl_mul(a, b), tl_div(a, b)};
        double sum = 0;
        for (int op = 0; op < 4; op++)
            check_shape(results[op], pairs[i].result);
        for (int64_t j = 0; j < tl_shape_count(pairs[i].result); j++) {
            double x = at(a, pairs[i].result, j), y = at(b, pairs[i].result, j);
            const double expected[] = {x + y, x - y, x * y, x / y};
            for (int op = 0; op < 4; op++)
                check_element(results[op], j, expected[op]);
            sum += (x - y) * (x - y);
        }
        if (tl_shape_count(pairs[i].result) > 0 && tl_shape_equal(tl_shape_of(a), tl_shape_of(b)))
            check_element(tl_mse(a, b), 0, sum / (double)tl_shape_count(pairs[i].result));
        done();
    }
}
END_TEST

START_TEST(where_chooses)
{
    const tl_shape shape = tl_shape(2, 3, 4);
    tl_var *condition = integers(TL_U8, tl_shape(3, 1), 2), *a = input(tl_shape(2, 1, 4), -1, 1),
           *b = input(tl_shape(4), -1, 1);
    tl_var *y = tl_where(condition, a, b);
    check_shape(y, shape);
    for (int64_t j = 0; j < 24; j++)
        ck_assert(element(tl_value(y), j) ==
                  (at(condition, shape, j) != 0 ? at(a, shape, j) : at(b, shape, j)));
    done();
}
END_TEST

/* --- products --- */

static double dot(tl_tensor a, tl_tensor b, int64_t row, int64_t column)
{
    double sum = 0;
    int64_t k = a.shape.dims[1], n = b.shape.dims[1];
    for (int64_t i = 0; i < k; i++)
        sum += element(a, row * k + i) * element(b, i * n + column);
    return sum;
}

/* x broadcast over leading axes, one matrix of it. */
static tl_tensor matrix_of(tl_var *x, tl_shape leading, int64_t number)
{
    tl_tensor t = tl_value(x);
    tl_shape shape = leading;
    shape.dims[shape.rank++] = t.shape.dims[t.shape.rank - 2];
    shape.dims[shape.rank++] = t.shape.dims[t.shape.rank - 1];
    t = tl_tensor_broadcast(t, shape);
    for (int axis = 0; axis < leading.rank; axis++) {
        int64_t inner = 1;
        for (int i = axis + 1; i < leading.rank; i++)
            inner *= leading.dims[i];
        t = tl_tensor_select(t, 0, number / inner % leading.dims[axis]);
    }
    return t;
}

static void check_product(tl_shape a_shape, tl_shape b_shape, tl_shape leading, int64_t m, int64_t n)
{
    tl_var *a = input(a_shape, -1, 1), *b = input(b_shape, -1, 1), *y = tl_matmul(a, b);
    tl_shape shape = leading;
    shape.dims[shape.rank++] = m;
    shape.dims[shape.rank++] = n;
    check_shape(y, shape);
    for (int64_t i = 0; i < tl_shape_count(shape); i++)
        check_element(
            y, i,
            dot(matrix_of(a, leading, i / (m * n)), matrix_of(b, leading, i / (m * n)), i / n % m, i % n));
    done();
}

START_TEST(matrix_products)
{
    check_product(tl_shape(3, 4), tl_shape(4, 5), TL_SCALAR, 3, 5);
    check_product(tl_shape(13, 17), tl_shape(17, 19), TL_SCALAR, 13, 19);
    check_product(tl_shape(3, 0), tl_shape(0, 5), TL_SCALAR, 3, 5);
    check_product(tl_shape(2, 3, 4), tl_shape(4, 5), tl_shape(2), 3, 5);
    check_product(tl_shape(2, 3, 4), tl_shape(2, 4, 5), tl_shape(2), 3, 5);
    check_product(tl_shape(2, 4), tl_shape(3, 4, 2), tl_shape(3), 2, 2);
    check_product(tl_shape(2, 1, 3, 4), tl_shape(5, 4, 2), tl_shape(2, 5), 3, 2);
}
END_TEST

START_TEST(affine_is_product_addend_and_activation)
{
    double (*const formulas[])(double) = {
        [TL_LINEAR] = NULL, [TL_TANH] = tanh, [TL_SIGMOID] = logistic, [TL_RELU] = positive_part};
    for (tl_activation activation = TL_LINEAR; activation <= TL_RELU; activation++)
        for (int full = 0; full < 2; full++) {
            tl_var *x = input(tl_shape(6, 5), -1, 1), *w = input(tl_shape(5, 5), -1, 1);
            tl_var *c = input(full ? tl_shape(6, 5) : tl_shape(5), -1, 1),
                   *mask = integers(TL_U8, tl_shape(6), 2);
            tl_var *y = tl_affine(x, w, c, activation),
                   *kept = tl_affine_masked(x, w, c, activation, tl_value(mask));
            check_shape(y, tl_shape(6, 5));
            for (int64_t i = 0; i < 30; i++) {
                double z = dot(tl_value(x), tl_value(w), i / 5, i % 5) + at(c, tl_shape(6, 5), i);
                z = formulas[activation] ? formulas[activation](z) : z;
                check_element(y, i, z);
                check_element(kept, i, element(tl_value(mask), i / 5) != 0 ? z : element(tl_value(x), i));
            }
            done();
        }
}
END_TEST

/* --- over axes --- */

START_TEST(reductions)
{
    tl_var *x = input(tl_shape(2, 3, 4), -1, 1);
    const struct {
        tl_axis_set axes;
        tl_shape kept, dropped;
    } cases[] = {{tl_axes(1), tl_shape(2, 1, 4), tl_shape(2, 4)},
                 {tl_axes(-1), tl_shape(2, 3, 1), tl_shape(2, 3)},
                 {tl_axes(-3, 2), tl_shape(1, 3, 1), tl_shape(3)},
                 {TL_ALL_AXES, tl_shape(1, 1, 1), TL_SCALAR},
                 {tl_axes(0, 1, 2), tl_shape(1, 1, 1), TL_SCALAR}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        double sums[24] = {0}, most[24];
        int64_t count = tl_shape_count(cases[i].kept);
        for (int64_t j = 0; j < 24; j++)
            most[j] = -2;
        for (int64_t j = 0; j < 24; j++) {
            const int64_t index[] = {j / 12, j / 4 % 3, j % 4};
            int64_t place = 0;
            for (int axis = 0; axis < 3; axis++)
                place = place * cases[i].kept.dims[axis] + (cases[i].kept.dims[axis] > 1 ? index[axis] : 0);
            sums[place] += element(tl_value(x), j);
            most[place] = fmax(most[place], element(tl_value(x), j));
        }
        for (int keep = 0; keep < 2; keep++) {
            tl_var *sum = tl_sum(x, cases[i].axes, keep), *mean = tl_mean(x, cases[i].axes, keep),
                   *max = tl_max(x, cases[i].axes, keep);
            check_shape(sum, keep ? cases[i].kept : cases[i].dropped);
            check_shape(mean, keep ? cases[i].kept : cases[i].dropped);
            check_shape(max, keep ? cases[i].kept : cases[i].dropped);
            for (int64_t j = 0; j < count; j++) {
                check_element(sum, j, sums[j]);
                check_element(mean, j, sums[j] * (double)count / 24);
                check_element(max, j, most[j]);
            }
        }
    }
    done();
}
END_TEST

/* log(sum(exp(x))) over the places first, first + step, ... of x. */
static double log_sum_exp(tl_var *x, int64_t first, int64_t step, int64_t count)
{
    double sum = 0;
    for (int64_t i = 0; i < count; i++)
        sum += exp(element(tl_value(x), first + i * step));
    return log(sum);
}

START_TEST(softmax_over_any_axis)
{
    tl_var *x = input(tl_shape(2, 3, 4), -3, 3);
    static const int64_t extents[] = {2, 3, 4}, steps[] = {12, 4, 1};
    for (int axis = -3; axis < 3; axis++) {
        int64_t extent = extents[(axis + 3) % 3], step = steps[(axis + 3) % 3];
        tl_var *chances = tl_softmax(x, axis), *logs = tl_log_softmax(x, axis);
        for (int64_t i = 0; i < 24; i++) {
            double log_chance =
                element(tl_value(x), i) - log_sum_exp(x, i - i / step % extent * step, step, extent);
            check_element(logs, i, log_chance);
            check_element(chances, i, exp(log_chance));
        }
    }
    done();
}
END_TEST

START_TEST(losses_from_logits)
{
    tl_var *x = input(tl_shape(2, 3, 4), -3, 3), *y = input(tl_shape(2, 3, 4), 0, 1),
           *labels = integers(TL_I32, tl_shape(2, 3), 4);
    tl_var *sigmoid = tl_sigmoid_cross_entropy_with_logits(x, y),
           *softmax = tl_softmax_cross_entropy_with_logits(x, y);
    tl_var *sparse = tl_sparse_softmax_cross_entropy_with_logits(x, labels);
    check_shape(sigmoid, tl_shape(2, 3, 4));
    check_shape(softmax, tl_shape(2, 3));
    check_shape(sparse, tl_shape(2, 3));
    for (int64_t i = 0; i < 24; i++) {
        double p = logistic(element(tl_value(x), i)), q = element(tl_value(y), i);
        check_element(sigmoid, i, -q * log(p) - (1 - q) * log(1 - p));
    }
    for (int64_t row = 0; row < 6; row++) {
        double z = log_sum_exp(x, row * 4, 1, 4), sum = 0;
        for (int64_t i = row * 4; i < row * 4 + 4; i++)
            sum -= element(tl_value(y), i) * (element(tl_value(x), i) - z);
        check_element(softmax, row, sum);
        check_element(sparse, row,
                      z - element(tl_value(x), row * 4 + (int64_t)element(tl_value(labels), row)));
    }
    done();
}
END_TEST

/* --- joins --- */

START_TEST(concat_and_stack_join)
{
    tl_var *a = input(tl_shape(2, 3, 2), -1, 1), *b = input(tl_shape(2, 1, 2), -1, 1), *parts[] = {a, b, a};
    tl_var *joined = tl_concat(parts, 3, -2), *same[] = {a, tl_neg(a)};
    check_shape(joined, tl_shape(2, 7, 2));
    for (int64_t i = 0; i < 28; i++) {
        int64_t row = i / 14, place = i / 2 % 7, column = i % 2;
        tl_var *part = place == 3 ? b : a;
        int64_t start = place == 3 ? 3 : place > 3 ? 4 : 0, extent = place == 3 ? 1 : 3;
        check_element(joined, i, element(tl_value(part), (row * extent + place - start) * 2 + column));
    }
    for (int axis = -4; axis < 4; axis++) {
        tl_var *stacked = tl_stack(same, 2, axis);
        for (int i = 0; i < 2; i++)
            ck_assert(same_bits(tl_value(tl_select(stacked, axis, i)), tl_value(same[i])));
    }
    done();
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("values");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, functions_of_one_var);
    tcase_add_test(tests, functions_with_numbers);
    tcase_add_test(tests, arithmetic_broadcasts);
    tcase_add_test(tests, where_chooses);
    tcase_add_test(tests, matrix_products);
    tcase_add_test(tests, affine_is_product_addend_and_activation);
    tcase_add_test(tests, reductions);
    tcase_add_test(tests, softmax_over_any_axis);
    tcase_add_test(tests, losses_from_logits);
    tcase_add_test(tests, concat_and_stack_join);
    return run_tests("values", tests);
}
