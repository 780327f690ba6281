#include "measure.h"

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

/* Tells how long the shortest run took. */
static tl_status warm_up(tl_status (*run)(void *), void *subject, double seconds, double *shortest)
{
    double start = seconds_now(), last = start;
    *shortest = seconds;
    for (int64_t i = 0; i < WARM_RUNS || last - start < seconds / 10; i++) {
        tl_status status = run(subject);
        if (status != TL_OK)
            return status;
        double now = seconds_now();
        *shortest = now - last < *shortest ? now - last : *shortest;
        last = now;
    }
    return TL_OK;
}

/* How many runs of so many seconds make a sample: enough for the clock, and for the room there is. */
static int64_t runs_for(double shortest, double seconds)
{
    double wanted = seconds / MOST_SAMPLES > least_sample ? seconds / MOST_SAMPLES : least_sample;
    return shortest < wanted ? (int64_t)(wanted / (shortest > 1e-9 ? shortest : 1e-9)) + 1 : 1;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

tl_status measure(tl_status (*run)(void *), void *subject, double seconds, timing *found)
{
    static double samples[MOST_SAMPLES];
    double shortest;
    tl_status status = warm_up(run, subject, seconds, &shortest);
    int64_t runs = runs_for(shortest, seconds);
    int count = 0;
    double start = seconds_now(), last = start;
    while (status == TL_OK && count < MOST_SAMPLES && (count < LEAST_SAMPLES || last - start < seconds)) {
        for (int64_t i = 0; i < runs && status == TL_OK; i++)
            status = run(subject);
        double now = seconds_now();
        samples[count++] = (now - last) / (double)runs;
        last = now;
    }
    if (status != TL_OK)
        return status;
    qsort(samples, (size_t)count, sizeof *samples, compare);
    *found = (timing){samples[0], (samples[(count - 1) / 2] + samples[count / 2]) / 2, count, count * runs};
    return TL_OK;
}
