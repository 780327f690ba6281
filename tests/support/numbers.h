/* Buffers of numbers for tests: exactly as long as asked for, so that AddressSanitizer sees one element too
 * many, filled at random, and compared bit by bit. */
#ifndef TESTS_SUPPORT_NUMBERS_H
#define TESTS_SUPPORT_NUMBERS_H

#include "tensor/random.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The caller frees it with free(). */
static inline void *room_for(int64_t count, size_t size)
{
    void *memory = malloc(count > 0 ? (size_t)count * size : 1);
    ck_assert_ptr_nonnull(memory);
    return memory;
}

static inline float *floats(int64_t count)
{
    return room_for(count, sizeof(float));
}

static inline double *doubles(int64_t count)
{
    return room_for(count, sizeof(double));
}

/* Uniform in [low, high). */
static inline float *random_floats(int64_t count, double low, double high, uint64_t seed)
{
    float *x = floats(count);
    for (int64_t i = 0; i < count; i++)
        x[i] = (float)(low + (high - low) * tl_random_uniform(seed, 0, (uint64_t)i));
    return x;
}

static inline double *random_doubles(int64_t count, double low, double high, uint64_t seed)
{
    double *x = doubles(count);
    for (int64_t i = 0; i < count; i++)
        x[i] = low + (high - low) * tl_random_uniform(seed, 0, (uint64_t)i);
    return x;
}

static inline float *same_floats(int64_t count, float value)
{
    float *x = floats(count);
    for (int64_t i = 0; i < count; i++)
        x[i] = value;
    return x;
}

static inline float *copy_floats(int64_t count, const float *from)
{
    float *x = floats(count);
    memcpy(x, from, (size_t)count * sizeof *x);
    return x;
}

/* The same bits, or both NaN: which NaN is nobody's business. */
static inline bool same_float(float a, float b)
{
    return memcmp(&a, &b, sizeof a) == 0 || (isnan(a) && isnan(b));
}

/* The first place where two buffers differ, or -1. */
static inline int64_t first_difference(int64_t count, const float *a, const float *b)
{
    for (int64_t i = 0; i < count; i++)
        if (!same_float(a[i], b[i]))
            return i;
    return -1;
}

/* How far a result is from the true value, in units of the last place that the true value has as a float.
 * Results where the true value is denormal are held to be right anywhere up to the smallest normal number:
 * they may have been flushed. */
static inline double ulps_off(float result, double truth)
{
    if (isnan(truth) || isinf((float)truth))
        return same_float(result, (float)truth) ? 0 : (double)INFINITY;
    int exponent;
    double error = fabs((double)result - truth);
    if (fabs(truth) < 0x1p-126)
        return error <= 0x1p-126 ? 0 : error / 0x1p-149;
    frexp(truth, &exponent);
    return isnan(error) ? (double)INFINITY : error / ldexp(1, exponent - 24);
}

#endif
