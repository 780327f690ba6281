/* Points at which formulas alone do not say what an op gives: kinks, ties, nothing, far-out numbers, and
 * numbers too small for float32. */
#include "tests/autograd/testing_internal.h"

#include <float.h>

static tl_tape *tape;

static void set_up(void)
{
    tape = tl_tape_new();
}

static void tear_down(void)
{
    tl_tape_free(tape);
}

static bool is(double x, double expected, double bound)
{
    if (isnan(expected))
        return isnan(x);
    return x == expected || fabs(x - expected) <= bound * fmax(1, fabs(expected));
}

/* f at one point: its value and its slope, in either type. */
static void check_point(tl_var *(*f)(tl_var *x), double at, double value, double slope)
{
    const tl_dtype dtypes[] = {TL_F32, TL_F64};
    for (int i = 0; i < 2; i++) {
        const double bound = dtypes[i] == TL_F32 ? 1e-6 : 1e-14;
        tl_tensor x = tl_tensor_new(dtypes[i], tl_shape(3));
        tl_tensor_fill(x, at);
        tl_tape_reset(tape);
        tl_var *v = tl_variable(tape, x), *y = f(v);
        check_ok(tl_backward(tl_sum(y, TL_ALL_AXES, false)));
        double got = element(tl_value(y), 0), got_slope = element(tl_grad(v), 0);
        ck_assert_msg(is(got, value, bound), "f(%g) is %.9g, expected %.9g", at, got, value);
        ck_assert_msg(is(got_slope, slope, bound), "the slope at %g is %.9g, expected %.9g", at, got_slope,
                      slope);
        tl_tensor_free(&x);
    }
}

static tl_var *clamped(tl_var *x)
{
    return tl_clamp(x, -1, 2);
}

static tl_var *squared(tl_var *x)
{
    return tl_pow(x, 2);
}

static tl_var *to_the_0(tl_var *x)
{
    return tl_pow(x, 0);
}

START_TEST(kinks)
{
    check_point(tl_relu, 0, 0, 0);
    check_point(tl_relu, -1, 0, 0);
    check_point(tl_relu, 1, 1, 1);
    check_point(tl_abs, 0, 0, 0);
    check_point(tl_abs, -2, 2, -1);
    check_point(clamped, -1, -1, 1); /* ends included */
    check_point(clamped, 2, 2, 1);
    check_point(clamped, 3, 2, 0);
    check_point(clamped, -3, -1, 0);
}
END_TEST

START_TEST(ends_of_domains)
{
    const double infinity = (double)INFINITY;
    check_point(tl_sqrt, 0, 0, infinity);
    check_point(tl_log, 0, -infinity, infinity);
    check_point(squared, 0, 0, 0);
    check_point(squared, -3, 9, -6);
    check_point(to_the_0, 0, 1, 0);
    check_point(to_the_0, -2, 1, 0);
}
END_TEST

START_TEST(far_out_numbers)
{
    check_point(tl_tanh, 1000, 1, 0);
    check_point(tl_tanh, -1000, -1, 0);
    check_point(tl_sigmoid, 1000, 1, 0);
    check_point(tl_sigmoid, -1000, 0, 0);
    check_point(tl_exp, -1000, 0, 0);
}
END_TEST

static const double extremes[] = {-1000, 0, 1000, 999};

static tl_var *row_of_extremes(tl_dtype dtype)
{
    tl_var *x = tl_zeros(tape, dtype, tl_shape(1, 4));
    for (int i = 0; i < 4; i++)
        tl_tensor_fill(tl_tensor_select(tl_tensor_select(tl_value(x), 0, 0), 0, i), extremes[i]);
    return tl_variable(tape, tl_value(x));
}

START_TEST(softmax_and_losses_are_stable)
{
    const double e = exp(-1), z = log1p(e), chances[] = {0, 0, 1 / (1 + e), e / (1 + e)};
    for (tl_dtype dtype = TL_F32; dtype <= TL_F64; dtype++) {
        const double bound = dtype == TL_F32 ? 1e-6 : 1e-14;
        tl_tape_reset(tape);
        tl_var *x = row_of_extremes(dtype), *labels = tl_zeros(tape, TL_I32, tl_shape(1)),
               *ones = tl_exp(tl_zeros(tape, dtype, tl_shape(1, 4)));
        tl_var *chance = tl_softmax(x, -1), *logs = tl_log_softmax(x, -1);
        tl_var *sparse =
            tl_sparse_softmax_cross_entropy_with_logits(x, labels); /* class 0, the least likely */
        tl_var *sigmoid = tl_sigmoid_cross_entropy_with_logits(x, ones);
        for (int i = 0; i < 4; i++) {
            ck_assert(is(element(tl_value(chance), i), chances[i], bound));
            ck_assert(is(element(tl_value(logs), i), extremes[i] - 1000 - z, bound));
            double expected = extremes[i] < 0 ? 1000 : extremes[i] == 0 ? log(2) : 0;
            ck_assert(is(element(tl_value(sigmoid), i), expected, bound));
        }
        ck_assert(is(element(tl_value(sparse), 0), 2000 + z, bound));
        check_ok(
            tl_backward(tl_add(tl_sum(sparse, TL_ALL_AXES, false), tl_sum(sigmoid, TL_ALL_AXES, false))));
        const double slopes[] = {-1 - 1, 0 - 0.5, chances[2], chances[3]};
        for (int i = 0; i < 4; i++)
            ck_assert(is(element(tl_grad(x), i), slopes[i], bound));
    }
}
END_TEST

START_TEST(maxima_that_tie_share_the_gradient)
{
    tl_tensor x = tl_tensor_of(TL_F64, tl_shape(2, 4), (double[]){3, 1, 3, 3, 5, 5, 2, 0});
    tl_var *v = tl_variable(tape, x), *most = tl_max(v, tl_axes(1), false);
    ck_assert(element(tl_value(most), 0) == 3 && element(tl_value(most), 1) == 5);
    check_ok(tl_backward(tl_sum(tl_scale(most, 6), TL_ALL_AXES, false)));
    static const double expected[] = {2, 0, 2, 2, 3, 3, 0, 0};
    for (int64_t i = 0; i < 8; i++)
        ck_assert(element(tl_grad(v), i) == expected[i]);
    tl_tensor_free(&x);
}
END_TEST

START_TEST(nothing_has_a_sum_a_mean_and_a_maximum)
{
    tl_tensor none = tl_tensor_new(TL_F64, tl_shape(0, 3));
    tl_var *v = tl_variable(tape, none);
    tl_var *sum = tl_sum(v, tl_axes(0), false), *mean = tl_mean(v, tl_axes(0), false),
           *most = tl_max(v, tl_axes(0), false);
    for (int64_t i = 0; i < 3; i++) {
        ck_assert(element(tl_value(sum), i) == 0);
        ck_assert(isnan(element(tl_value(mean), i)));
        ck_assert(element(tl_value(most), i) == -(double)INFINITY);
    }
    check_ok(tl_backward(tl_sum(tl_add(sum, tl_add(mean, most)), TL_ALL_AXES, false)));
    ck_assert_int_eq(tl_tensor_count(tl_grad(v)), 0);
    tl_tensor_free(&none);
}
END_TEST

START_TEST(nan_is_not_swallowed)
{
    tl_var *(*const functions[])(tl_var *) = {tl_neg, tl_tanh, tl_sigmoid, tl_relu, tl_exp,
                                              tl_log, tl_sqrt, tl_abs,     clamped, squared};
    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++)
        for (tl_dtype dtype = TL_F32; dtype <= TL_F64; dtype++)
            for (int64_t count = 1; count <= 21; count += 20) { /* by itself, and in the middle of vectors */
                tl_var *x = tl_zeros(tape, dtype, tl_shape(count));
                tl_tensor_fill(tl_value(x), 1);
                tl_tensor_fill(tl_tensor_select(tl_value(x), 0, count / 2), (double)NAN);
                tl_tensor y = tl_value(functions[i](x));
                for (int64_t j = 0; j < count; j++)
                    ck_assert_msg(isnan(element(y, j)) == (j == count / 2), "function %zu, %s, element %lld",
                                  i, tl_dtype_name(dtype), (long long)j);
            }
}
END_TEST

/* Denormal numbers are flushed to zero inside float32 ops only, and the caller's own arithmetic is left
 * alone. */
START_TEST(tiny_numbers_are_flushed_in_float32_only)
{
    volatile float smallest = FLT_MIN;
    tl_var *narrow = tl_zeros(tape, TL_F32, tl_shape(9)), *wide = tl_zeros(tape, TL_F64, tl_shape(9));
    tl_tensor_fill(tl_value(narrow), (double)FLT_MIN);
    tl_tensor_fill(tl_value(wide), DBL_MIN);
    double flushed = element(tl_value(tl_scale(narrow, 0.25)), 4);
#if defined(__SSE__) || defined(__aarch64__)
    ck_assert(flushed == 0);
#else
    ck_assert(flushed == 0 || flushed == (double)(smallest / 4));
#endif
    ck_assert(element(tl_value(tl_scale(wide, 0.25)), 4) == DBL_MIN / 4);
    ck_assert(smallest / 4 > 0);
    tl_tensor x = tl_tensor_new(TL_F32, tl_shape(2));
    tl_var *v = tl_variable(tape, x);
    tl_tensor seed = tl_tensor_new(TL_F32, tl_shape(2));
    tl_tensor_fill(seed, (double)FLT_MIN);
    check_ok(tl_backward_from(tl_scale(v, 0.25), seed)); /* and so on the way back */
    ck_assert(element(tl_grad(v), 1) == flushed);
    ck_assert(smallest / 4 > 0);
    tl_tensor_free(&x);
    tl_tensor_free(&seed);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("points");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, kinks);
    tcase_add_test(tests, ends_of_domains);
    tcase_add_test(tests, far_out_numbers);
    tcase_add_test(tests, softmax_and_losses_are_stable);
    tcase_add_test(tests, maxima_that_tie_share_the_gradient);
    tcase_add_test(tests, nothing_has_a_sum_a_mean_and_a_maximum);
    tcase_add_test(tests, nan_is_not_swallowed);
    tcase_add_test(tests, tiny_numbers_are_flushed_in_float32_only);
    return run_tests("points", tests);
}
