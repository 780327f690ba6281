#include "peak.h"
#include "measure.h"
#include "peak_internal.h"

#include <string.h>

static const struct {
    const char *isa;
    peak_loop *loop;
    const double *flops;
} loops[] = {
#if defined(__aarch64__)
    {"neon", peak_loop_neon, &peak_flops_neon},
#else
    {"baseline", peak_loop_baseline, &peak_flops_baseline},
#endif
#if defined(__x86_64__)
    {"avx2", peak_loop_avx2, &peak_flops_avx2},
    {"avx512", peak_loop_avx512, &peak_flops_avx512},
#endif
};

enum { LOOPS = sizeof loops / sizeof loops[0], TRIES = 7 };
static const double least_try = 2e-3; /* seconds */

static volatile float factor = 0.5f, addend = 1, result; /* so that nothing is known when it is compiled */

static double time_once(peak_loop *loop, int64_t rounds, int threads)
{
    double start = seconds_now();
    float sum = 0;
#pragma omp parallel num_threads(threads) reduction(+ : sum)
    sum += loop(rounds, factor, addend);
    result = sum;
    return seconds_now() - start;
}

/* The shortest of some tries: others may want the cores as well, and threads have to be started. */
static double time_best(peak_loop *loop, int64_t rounds, int threads)
{
    double least = time_once(loop, rounds, threads);
    for (int i = 1; i < TRIES; i++) {
        double seconds = time_once(loop, rounds, threads);
        least = seconds < least ? seconds : least;
    }
    return least;
}

double fma_peak(const char *isa, int threads)
{
    int which = 0;
    for (int i = 0; i < LOOPS; i++)
        which = strcmp(loops[i].isa, isa) == 0 ? i : which;
    int64_t rounds = 1 << 14;
    double seconds;
    while ((seconds = time_best(loops[which].loop, rounds, threads)) < least_try)
        rounds *= 2;
    return 1e-9 * (double)rounds * *loops[which].flops * threads / seconds;
}
