/* Timing: something run again and again until the time is up. */
#ifndef BENCH_MEASURE_H
#define BENCH_MEASURE_H

#include <tapeloop.h>

typedef struct timing {
    double least, median; /* seconds a run */
    int samples;
    int64_t runs; /* in all samples together */
} timing;

/* Seconds since some moment, on a clock that nobody sets. */
double seconds_now(void);

/* Runs it for about so many seconds, after a warm-up of at least three runs and a tenth of that time. What is
 * too short for the clock is run several times a sample; there are at least seven samples. */
tl_status measure(tl_status (*run)(void *subject), void *subject, double seconds, timing *found);

#endif
