/* Verdicts on norms that are known: vanishing, exploding, healthy, absent, with their numbers. */
#include "nn/flow.h"
#include "tests/support/suite.h"

#include <math.h>
#include <string.h>

enum { MOST = 400 };

/* `factor` to the power of how many steps lie between t and the last that is taken. */
static tl_flow_report judge(double last, double factor, int64_t steps, bool backwards)
{
    double norms[MOST];
    for (int64_t t = 0; t < steps; t++)
        norms[t] = last * pow(factor, (double)(backwards ? t : steps - 1 - t));
    return tl_flow_judge("layer", norms, steps, backwards);
}

static bool is_close(double a, double b)
{
    return fabs(a - b) <= 1e-9 * fabs(b);
}

START_TEST(a_constant_factor)
{
    static const struct {
        double factor;
        int64_t steps, reach;
        tl_flow flow;
    } cases[] = {
        {1, 200, 199, TL_FLOW_HEALTHY},      {0.97, 200, 199, TL_FLOW_HEALTHY},
        {0.96, 200, 169, TL_FLOW_VANISHING}, {1.03, 200, 199, TL_FLOW_HEALTHY},
        {1.04, 200, 176, TL_FLOW_EXPLODING}, {0.5, 10, 9, TL_FLOW_HEALTHY},
        {0.5, 11, 9, TL_FLOW_VANISHING},     {0.5, 200, 9, TL_FLOW_VANISHING},
        {2, 10, 9, TL_FLOW_HEALTHY},         {2, 11, 9, TL_FLOW_EXPLODING},
        {0.0011, 2, 1, TL_FLOW_HEALTHY},     {0.0009, 2, 0, TL_FLOW_VANISHING},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        for (int backwards = 0; backwards < 2; backwards++) {
            tl_flow_report r = judge(0.25, cases[i].factor, cases[i].steps, backwards);
            ck_assert_msg(r.flow == cases[i].flow, "%g over %d steps: %s", cases[i].factor,
                          (int)cases[i].steps, r.message);
            ck_assert_int_eq(r.reach, cases[i].reach);
            ck_assert(is_close(r.factor, cases[i].factor));
            ck_assert(is_close(r.last, 0.25));
            ck_assert(is_close(r.ratio, pow(cases[i].factor, (double)(cases[i].steps - 1))));
            ck_assert(is_close(r.first, r.last * r.ratio));
        }
}
END_TEST

START_TEST(sentences)
{
    ck_assert_str_eq(
        judge(0.5, 0.5, 51, false).message,
        "layer: vanishing: from the last of 51 steps back to the first the norm of the gradient falls "
        "from 0.5 to 4.44e-16, a ratio of 8.88e-16, or a factor of 0.5 a step; below a thousandth "
        "after 10, rounded away in float32 after 25");
    ck_assert_str_eq(
        judge(2, 0.7, 21, true).message,
        "layer: vanishing: from the last of 21 steps back to the first the norm of the gradient falls "
        "from 2 to 0.0016, a ratio of 0.000798, or a factor of 0.7 a step; below a thousandth after "
        "20");
    ck_assert_str_eq(
        judge(1, 1.5, 31, false).message,
        "layer: exploding: from the last of 31 steps back to the first the norm of the gradient grows "
        "from 1 to 1.92e+05, a ratio of 1.92e+05, or a factor of 1.5 a step; beyond a thousandfold "
        "after 18");
    ck_assert_str_eq(
        judge(1, 0.99, 101, false).message,
        "layer: healthy: from the last of 101 steps back to the first the norm of the gradient goes "
        "from 1 to 0.366, a ratio of 0.366, or a factor of 0.99 a step");
}
END_TEST

START_TEST(zeros_and_ends)
{
    /* flushed to zero after two steps: the factor is that of what is left */
    tl_flow_report r = tl_flow_judge("l", (double[]){0, 0, 1e-38, 1e-19, 1}, 5, false);
    ck_assert_int_eq(r.flow, TL_FLOW_VANISHING);
    ck_assert(r.first == 0 && r.ratio == 0 && is_close(r.factor, 1e-19));
    ck_assert_int_eq(r.reach, 0);
    /* the loss does not look at the last two steps */
    r = tl_flow_judge("l", (double[]){0.5, 1, 2, 0, 0}, 5, false);
    ck_assert_int_eq(r.flow, TL_FLOW_HEALTHY);
    ck_assert(is_close(r.last, 2) && is_close(r.ratio, 0.25) && is_close(r.factor, 0.5));
    ck_assert_int_eq(r.reach, 2);
    ck_assert_ptr_null(strstr(r.message, ";"));
    r = tl_flow_judge("l", (double[]){0, 0, 0}, 3, false);
    ck_assert_int_eq(r.flow, TL_FLOW_ABSENT);
    ck_assert_str_eq(r.message, "l: absent: no gradient reaches any of 3 steps");
    ck_assert_int_eq(tl_flow_judge("l", NULL, 0, true).flow, TL_FLOW_ABSENT);
    r = tl_flow_judge("l", (double[]){3}, 1, false);
    ck_assert_int_eq(r.flow, TL_FLOW_HEALTHY);
    ck_assert(r.ratio == 1 && r.factor == 1 && r.reach == 0);
}
END_TEST

START_TEST(what_is_not_finite_explodes)
{
    tl_flow_report r = tl_flow_judge("l", (double[]){(double)INFINITY, 100, 10, 1}, 4, false);
    ck_assert_int_eq(r.flow, TL_FLOW_EXPLODING);
    ck_assert(is_close(r.factor, 10));
    ck_assert_int_eq(r.reach, 2);
    ck_assert_ptr_nonnull(
        strstr(r.message, "from 1 to inf, a ratio of inf, or a factor of 10 a step; not finite after 3"));
    r = tl_flow_judge("l", (double[]){1, (double)NAN, 1}, 3, false);
    ck_assert_int_eq(r.flow, TL_FLOW_EXPLODING);
    ck_assert_int_eq(r.reach, 0);
}
END_TEST

START_TEST(names)
{
    ck_assert_str_eq(tl_flow_name(TL_FLOW_HEALTHY), "healthy");
    ck_assert_str_eq(tl_flow_name(TL_FLOW_ABSENT), "absent");
    ck_assert_ptr_null(tl_flow_name((tl_flow)4));
}
END_TEST

int main(void)
{
    return RUN_SUITE("flow", a_constant_factor, sentences, zeros_and_ends, what_is_not_finite_explodes,
                     names);
}
