/* exp, tanh and sigmoid as vector code, all three from exp(x) - 1 without losing the small end. Within 3
 * units in the last place, and for tanh and sigmoid 2e-7 absolute; where the result would be denormal,
 * anything from 0 to the smallest normal number may come out. */
#include "tensor/kernels/vector_internal.h"

typedef struct exponential {
    vector scale;  /* 2^n */
    vector excess; /* exp(r) - 1, where x = n ln 2 + r and |r| <= ln(2) / 2 */
} exponential;

/* For |x| <= 88.37; NaN stays NaN. */
ALWAYS_INLINE exponential split_exponential(vector x)
{
    /* Adding and taking off 1.5 * 2^23 rounds to the nearest integer. ln 2 is taken off in two parts, the
     * first with so few bits that n times it is exact (Cody and Waite). The polynomial is the Taylor
     * series to degree 7, whose error is below 6e-9 of the result. */
    const vector magic = splat(12582912.0f);
    vector shifted = multiply_add(x, splat(1.44269504f), magic);
    vector n = shifted - magic;
    vector r = multiply_add(n, splat(-0.693359375f), x);
    r = multiply_add(n, splat(2.12194440e-4f), r);
    vector p = multiply_add(splat(1.0f / 5040), r, splat(1.0f / 720));
    p = multiply_add(p, r, splat(1.0f / 120));
    p = multiply_add(p, r, splat(1.0f / 24));
    p = multiply_add(p, r, splat(1.0f / 6));
    p = multiply_add(p, r, splat(0.5f));
    exponential result;
    result.excess = multiply_add(p, r * r, r);
    integers power = (integers)shifted - (integers)magic; /* the low bits of `shifted` hold n */
    result.scale = (vector)((power + 127) << 23);
    return result;
}

ALWAYS_INLINE vector hold(vector x, float low, float high)
{
    return at_most(at_least(x, splat(low)), splat(high));
}

/* tanh x = u / (u + 1) with u = (exp(2x) - 1) / 2; past 9.1 it is 1 in single precision. As above, with
 * 2x = n ln 2 + 2r, and u = 2^n (r + r^2 p(r)) + (2^n - 1) / 2. This one is in every step of a recurrence, so
 * p is not a Taylor series but the polynomial of degree 4 that is closest for |r| <= ln(2) / 4 (weighted
 * least squares, weights raised where the error was largest): 1.4e-8 of the result, with one term less. */
ALWAYS_INLINE vector tanh_of(vector x)
{
    const vector magic = splat(12582912.0f);
    x = hold(x, -9.1f, 9.1f);
    vector shifted = multiply_add(x, splat(2.88539008f), magic), n = shifted - magic;
    vector r = multiply_add(n, splat(-0.693359375f / 2), x);
    r = multiply_add(n, splat(2.12194440e-4f / 2), r);
    vector p = multiply_add(splat(0.0446287841f), r, splat(0.133865774f));
    p = multiply_add(p, r, splat(0.333330244f));
    p = multiply_add(p, r, splat(0.666661739f));
    p = multiply_add(p, r, splat(1.0f));
    vector scale = (vector)(((words)shifted << 23) + (127u << 23)); /* the low bits of `shifted` hold n */
    vector u = multiply_add(scale, multiply_add(p, r * r, r), multiply_add(scale, splat(0.5f), splat(-0.5f)));
    return quotient(u, u + splat(1.0f));
}

/* 1 / (1 + exp(-x)) */
ALWAYS_INLINE vector sigmoid_of(vector x)
{
    exponential e = split_exponential(hold(-x, -87.0f, 88.37f)); /* 2^127.49: past it the scale is no float */
    return quotient(splat(1.0f), multiply_add(e.scale, e.excess + splat(1.0f), splat(1.0f)));
}

ALWAYS_INLINE vector exp_of(vector x)
{
    /* The scale is put on in two halves, since 2^128 alone is not a float, though exp(88.5) is. */
    vector held = hold(x, -87.336544f, 88.722839f);
    exponential e = split_exponential(held - choose(held > splat(80.0f), splat(8.0f), splat(0.0f)));
    vector value = e.scale * (e.excess + splat(1.0f)); /* nothing on the way is denormal */
    value = choose(held > splat(80.0f), value * splat(2980.957987f), value);
    value = choose(x > splat(88.722839f), splat(__builtin_inff()), value);
    return choose(x < splat(-87.336544f), splat(0.0f), value);
}

/* Applies f to n elements; a tail shorter than a vector goes through the same arithmetic. */
#define DEFINE_MAP(name, f)                                                                                  \
    void FOR_ISA(name)(int64_t n, const void *a, int64_t a_stride, const void *b, int64_t b_stride,          \
                       void *out, int64_t out_stride, const double *p)                                       \
    {                                                                                                        \
        const float *x = a;                                                                                  \
        float *z = out;                                                                                      \
        (void)b, (void)b_stride, (void)p;                                                                    \
        if (a_stride == 1 && out_stride == 1) {                                                              \
            int64_t i = 0;                                                                                   \
            for (; i + 4 * WIDTH <= n; i += 4 * WIDTH) {                                                     \
                vector v[4];                                                                                 \
                UNROLL for (int j = 0; j < 4; j++) v[j] = f(load(x + i + j * WIDTH));                        \
                UNROLL for (int j = 0; j < 4; j++) store(z + i + j * WIDTH, v[j]);                           \
            }                                                                                                \
            for (; i + WIDTH <= n; i += WIDTH)                                                               \
                store(z + i, f(load(x + i)));                                                                \
            if (i < n)                                                                                       \
                store_part(z + i, f(load_part(x + i, n - i)), n - i);                                        \
            return;                                                                                          \
        }                                                                                                    \
        for (int64_t i = 0; i < n; i += WIDTH) {                                                             \
            int64_t count = n - i < WIDTH ? n - i : WIDTH;                                                   \
            float lanes[WIDTH] = {0};                                                                        \
            for (int64_t j = 0; j < count; j++)                                                              \
                lanes[j] = x[(i + j) * a_stride];                                                            \
            store(lanes, f(load(lanes)));                                                                    \
            for (int64_t j = 0; j < count; j++)                                                              \
                z[(i + j) * out_stride] = lanes[j];                                                          \
        }                                                                                                    \
    }

DEFINE_MAP(tl_map_exp, exp_of)
DEFINE_MAP(tl_map_tanh, tanh_of)
DEFINE_MAP(tl_map_sigmoid, sigmoid_of)
