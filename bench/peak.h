/* What the machine could do at most: multiply-adds in registers, with no memory in the way. */
#ifndef BENCH_PEAK_H
#define BENCH_PEAK_H

/* GFLOP/s of `threads` threads together, each running multiply-adds of the vectors that kernels of an
 * instruction set ("avx2", ...) are written with; takes a few hundredths of a second. "plain" has none of its
 * own and is held against the baseline. */
double fma_peak(const char *isa, int threads);

#endif
