/* The element-wise functions as formulas, to hold the kernels against. */
#ifndef TESTS_SUPPORT_NAIVE_MAPS_H
#define TESTS_SUPPORT_NAIVE_MAPS_H

#include "tensor/kernels/kernels_internal.h"

#include <math.h>

#define NAIVE_MAPS(MAP)                                                                                      \
    MAP(COPY, a)                                                                                             \
    MAP(NEG, 0 - a)                                                                                          \
    MAP(ABS, a > 0 ? a : 0 - a)                                                                              \
    MAP(SQRT, powl(a, 0.5L))                                                                                 \
    MAP(LOG, logl(a))                                                                                        \
    MAP(EXP, expl(a))                                                                                        \
    MAP(TANH, 1 - 2 / (expl(2 * a) + 1))                                                                     \
    MAP(SIGMOID, 1 / (1 + expl(-a)))                                                                         \
    MAP(RELU, a > 0 ? a : 0)                                                                                 \
    MAP(SCALE, a *p[0])                                                                                      \
    MAP(POW, powl(a, p[0]))                                                                                  \
    MAP(CLAMP, fminl(fmaxl(a, p[0]), p[1]))                                                                  \
    MAP(ADD, a + b)                                                                                          \
    MAP(SUB, a - b)                                                                                          \
    MAP(MUL, a *b)                                                                                           \
    MAP(DIV, a / b)                                                                                          \
    MAP(MAX, fmaxl(a, b))                                                                                    \
    MAP(ADD_SCALED, a + p[0] * b)                                                                            \
    MAP(EQUAL, fabsl(a - b) > 0 ? 0 : 1)                                                                     \
    MAP(SIGMOID_CROSS_ENTROPY, -b *logl(1 / (1 + expl(-a))) - (1 - b) * logl(1 / (1 + expl(a))))             \
    MAP(SIGMOID_MINUS, 1 / (1 + expl(-a)) - b)                                                               \
    MAP(ABS_GRAD, a *((b > 0) - (b < 0)))                                                                    \
    MAP(SQRT_GRAD, a * 0.5L / b)                                                                             \
    MAP(TANH_GRAD, a *(1 - b) * (1 + b))                                                                     \
    MAP(SIGMOID_GRAD, a *(b - b * b))                                                                        \
    MAP(RELU_GRAD, b > 0 ? a : 0)                                                                            \
    MAP(POW_GRAD, a *p[0] * powl(b, p[0]) / b)                                                               \
    MAP(CLAMP_GRAD, b >= p[0] && b <= p[1] ? a : 0)

#define NAIVE_FUNCTION(which, formula)                                                                       \
    static inline long double naive_##which(long double a, long double b, const long double *p)              \
    {                                                                                                        \
        (void)b, (void)p;                                                                                    \
        return formula;                                                                                      \
    }
NAIVE_MAPS(NAIVE_FUNCTION)

static inline double naive_map(int map, double a, double b, const double *p)
{
#define NAIVE_ENTRY(which, formula) [TL_MAP_##which] = naive_##which,
    static long double (*const functions[TL_MAP_COUNT])(long double, long double,
                                                        const long double *) = {NAIVE_MAPS(NAIVE_ENTRY)};
    return (double)functions[map](a, b, (const long double[]){p[0], p[1]});
}

#undef NAIVE_MAPS
#undef NAIVE_FUNCTION
#undef NAIVE_ENTRY

#endif
