/* peak_loop.c, compiled once for each instruction set. */
#ifndef BENCH_PEAK_INTERNAL_H
#define BENCH_PEAK_INTERNAL_H

#include <stdint.h>

/* `rounds` rounds, and how many floating-point operations one is. The result is only there to be needed. */
typedef float peak_loop(int64_t rounds, float factor, float addend);

peak_loop peak_loop_baseline, peak_loop_neon, peak_loop_avx2, peak_loop_avx512;
extern const double peak_flops_baseline, peak_flops_neon, peak_flops_avx2, peak_flops_avx512;

#endif
