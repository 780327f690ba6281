#include "measure.h"
#include "tensor/memory_internal.h"

#include <stdlib.h>
#include <time.h>

enum { LEAST_SAMPLES = 7, MOST_SAMPLES = 10000, WARM_RUNS = 3 };
static const double least_sample = 50e-6; /* seconds, against which reading the clock is nothing */

double seconds_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static tl_status run_often(tl_status (*run)(void *), void *subject, int64_t runs)
{
    for (int64_t i = 0; i < runs; i++)
        if (run(subject) != TL_OK)
            return tl_error_status();
    return TL_OK;
}

/* Tells how long the shortest run took. */
static tl_status warm_up(tl_status (*run)(void *), void *subject, double seconds, double *shortest)
{
    double start = seconds_now(), last = start;
    *shortest = 1e9;
    for (int64_t i = 0; i < WARM_RUNS || last - start < seconds / 10; i++) {
        if (run(subject) != TL_OK)
            return tl_error_status();
        double now = seconds_now();
        *shortest = now - last < *shortest ? now - last : *shortest;
        last = now;
    }
    return TL_OK;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static tl_status sample(tl_status (*run)(void *), void *subject, double seconds, int64_t runs,
                        double samples[MOST_SAMPLES], int *count)
{
    double start = seconds_now(), last = start;
    *count = 0;
    while (*count < LEAST_SAMPLES || (last - start < seconds && *count < MOST_SAMPLES)) {
        if (run_often(run, subject, runs) != TL_OK)
            return tl_error_status();
        double now = seconds_now();
        samples[(*count)++] = (now - last) / (double)runs;
        last = now;
    }
    return TL_OK;
}

tl_status measure(tl_status (*run)(void *), void *subject, double seconds, timing *found)
{
    double shortest, *samples = tl_allocate(MOST_SAMPLES * sizeof *samples);
    int count = 0;
    if (!samples)
        return TL_ERROR_MEMORY;
    tl_status status = warm_up(run, subject, seconds, &shortest);
    double wanted = seconds / MOST_SAMPLES > least_sample ? seconds / MOST_SAMPLES : least_sample;
    int64_t runs = shortest < wanted ? (int64_t)(wanted / (shortest > 1e-9 ? shortest : 1e-9)) + 1 : 1;
    if (status == TL_OK)
        status = sample(run, subject, seconds, runs, samples, &count);
    if (status == TL_OK) {
        qsort(samples, (size_t)count, sizeof *samples, compare);
        *found =
            (timing){samples[0], (samples[(count - 1) / 2] + samples[count / 2]) / 2, count, count * runs};
    }
    tl_release(samples);
    return status;
}
