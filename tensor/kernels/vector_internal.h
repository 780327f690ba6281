/* Vectors of floats as wide as the instruction set that the file is compiled for, by compiler extensions,
 * and the names of what each of the vector sources defines once per instruction set (TL_ISA). */
#ifndef TL_TENSOR_KERNELS_VECTOR_INTERNAL_H
#define TL_TENSOR_KERNELS_VECTOR_INTERNAL_H

#include "tensor/kernels/kernels_internal.h"

#include <string.h>

#if defined(__AVX512F__) || defined(__AVX2__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

#if defined(__AVX512F__)
#define VECTOR_BYTES 64
#elif defined(__AVX2__) && defined(__FMA__)
#define VECTOR_BYTES 32
#else
#define VECTOR_BYTES 16
#endif

enum { WIDTH = VECTOR_BYTES / 4 }; /* floats in a vector */

typedef float vector __attribute__((vector_size(VECTOR_BYTES)));
typedef int32_t integers __attribute__((vector_size(VECTOR_BYTES)));
typedef uint32_t words __attribute__((vector_size(VECTOR_BYTES)));
typedef float loose_vector __attribute__((vector_size(VECTOR_BYTES), aligned(4), may_alias));

#define ALWAYS_INLINE static inline __attribute__((always_inline))

#if defined(__clang__)
#define UNROLL _Pragma("unroll")
#else
#define UNROLL _Pragma("GCC unroll 16")
#endif

ALWAYS_INLINE vector load(const float *from)
{
    return *(const loose_vector *)from;
}

ALWAYS_INLINE void store(float *to, vector v)
{
    *(loose_vector *)to = v;
}

ALWAYS_INLINE vector splat(float x)
{
    return x - (vector){0}; /* exact for every x, and folded away */
}

/* The first `count` lanes, 0 <= count <= WIDTH; the others are 0 on loading and stay on storing. */
ALWAYS_INLINE vector load_part(const float *from, int64_t count)
{
#if defined(__AVX512F__)
    return (vector)_mm512_maskz_loadu_ps((__mmask16)((1u << count) - 1), from);
#elif defined(__AVX2__) && defined(__FMA__)
    const integers lane = {0, 1, 2, 3, 4, 5, 6, 7}, there = lane < (int32_t)count;
    return (vector)_mm256_maskload_ps(from, (__m256i)there);
#else
    vector v = {0};
    memcpy(&v, from, (size_t)count * sizeof(float));
    return v;
#endif
}

ALWAYS_INLINE void store_part(float *to, vector v, int64_t count)
{
#if defined(__AVX512F__)
    _mm512_mask_storeu_ps(to, (__mmask16)((1u << count) - 1), (__m512)v);
#else
    memcpy(to, &v, (size_t)count * sizeof(float));
#endif
}

/* a where the mask is all ones, b where it is 0. */
ALWAYS_INLINE vector choose(integers mask, vector a, vector b)
{
    return (vector)((mask & (integers)a) | (~mask & (integers)b));
}

/* a b + c, rounded once where the instruction set can. Not left to the compiler, which may contract one tile
 * of a product and not another: then results would depend on how rows are cut. */
ALWAYS_INLINE vector multiply_add(vector a, vector b, vector c)
{
#if defined(__AVX512F__)
    return (vector)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
#elif defined(__AVX2__) && defined(__FMA__)
    return (vector)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
#elif defined(__aarch64__)
    return (vector)vfmaq_f32((float32x4_t)c, (float32x4_t)a, (float32x4_t)b);
#else
    return a * b + c;
#endif
}

#if defined(__AVX512F__)
/* The first and the last half of each pair of 128 bits of a, then of b, added up. */
#define ADD_HALVES(a, b, halves)                                                                             \
    (_mm512_shuffle_f32x4(a, b, (halves) == 2 ? 0x44 : 0x88) +                                               \
     _mm512_shuffle_f32x4(a, b, (halves) == 2 ? 0xee : 0xdd))
#endif

/* The sums of all lanes of four vectors: of each, half of the lanes is added to the other half until there is
 * one. */
ALWAYS_INLINE void totals(const vector v[4], float sums[4])
{
#if defined(__AVX512F__)
    __m512 ab = ADD_HALVES((__m512)v[0], (__m512)v[1], 2), cd = ADD_HALVES((__m512)v[2], (__m512)v[3], 2);
    __m512 quarters = ADD_HALVES(ab, cd, 4);
    quarters += _mm512_permute_ps(quarters, 0x4e);
    quarters += _mm512_permute_ps(quarters, 0xb1);
    UNROLL for (int i = 0; i < 4; i++) sums[i] = quarters[i * 4];
#else
    UNROLL for (int i = 0; i < 4; i++)
    {
        vector sum = v[i];
        for (int half = WIDTH / 2; half > 0; half /= 2)
            for (int j = 0; j < half; j++)
                sum[j] += sum[j + half];
        sums[i] = sum[0];
    }
#endif
}

/* a / b within one unit in the last place, for b neither denormal nor so large that 1 / b is. AVX-512's
 * division takes longer than all else that a tanh does; an estimate of 1 / b with one step of Newton's does
 * not. */
ALWAYS_INLINE vector quotient(vector a, vector b)
{
#if defined(__AVX512F__)
    vector inverse = (vector)_mm512_rcp14_ps((__m512)b), q = a * inverse;
    return multiply_add((vector)_mm512_fnmadd_ps((__m512)q, (__m512)b, (__m512)a), inverse, q);
#else
    return a / b;
#endif
}

/* x, but no more than `most`, and no less than `least`; NaN stays NaN. */
ALWAYS_INLINE vector at_most(vector x, vector most)
{
#if defined(__AVX512F__)
    return (vector)_mm512_min_ps((__m512)most, (__m512)x);
#else
    return choose(x > most, most, x);
#endif
}

ALWAYS_INLINE vector at_least(vector x, vector least)
{
#if defined(__AVX512F__)
    return (vector)_mm512_max_ps((__m512)least, (__m512)x);
#else
    return choose(x < least, least, x);
#endif
}

#define PASTE_AGAIN(name, isa) name##_##isa
#define PASTE(name, isa)       PASTE_AGAIN(name, isa)
#define FOR_ISA(name)          PASTE(name, TL_ISA)

/* maps.c */
tl_map_kernel FOR_ISA(tl_map_exp), FOR_ISA(tl_map_tanh), FOR_ISA(tl_map_sigmoid);

/* product.c */
size_t FOR_ISA(tl_packed_bytes)(int64_t k, int64_t n);
void FOR_ISA(tl_pack)(int64_t k, int64_t n, const void *b, int64_t b_row, int64_t b_column, void *packed);
void FOR_ISA(tl_product)(const tl_product *product);

/* outer.c */
void FOR_ISA(tl_outer)(const tl_outer *outer);

/* rows.c */
void FOR_ISA(tl_gather)(int64_t count, int64_t n, const void *table, int64_t table_row, const int32_t *ids,
                        int64_t id_step, void *out, int64_t out_row);
void FOR_ISA(tl_add_rows)(int64_t count, int64_t n, const void *a, int64_t a_row, void *const *to);
void FOR_ISA(tl_add_up_rows)(int64_t count, int64_t n, const void *const *from, void *out);

/* table.c */
extern const tl_kernels FOR_ISA(tl_kernels);

#endif
