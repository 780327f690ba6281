#include "series.h"

#include <math.h>
#include <stdlib.h>

/* What lies around the straight line through the values (least squares), in a new array. */
static double *without_line(const double *values, int64_t count)
{
    double *around = malloc(((size_t)count + 1) * sizeof *around);
    double middle = (double)(count - 1) / 2, mean = 0, slope = 0, squares = 0;
    for (int64_t t = 0; t < count; t++)
        mean += values[t] / (double)count;
    for (int64_t t = 0; t < count; t++) {
        slope += ((double)t - middle) * (values[t] - mean);
        squares += ((double)t - middle) * ((double)t - middle);
    }
    slope = squares > 0 ? slope / squares : 0;
    for (int64_t t = 0; around && t < count; t++)
        around[t] = values[t] - mean - slope * ((double)t - middle);
    return around;
}

/* The mean product of values `lag` apart. */
static double covariance(const double *values, int64_t count, int64_t lag)
{
    double sum = 0;
    for (int64_t t = lag; t < count; t++)
        sum += values[t] * values[t - lag];
    return sum / (double)(count - lag);
}

/* Higher than what is half as far, and half as far again. */
static bool is_peak(const double *correlation, int64_t lag, int64_t most)
{
    for (int64_t i = lag - lag / 2; i <= lag + lag / 2 && i <= most; i++)
        if (!(correlation[i] <= correlation[lag]))
            return false;
    return lag < most;
}

static int64_t shortest_season(const double *correlation, int64_t most, double least)
{
    const double nearly = 0.9;
    double highest = 0;
    int64_t first = 1;
    while (first < most && correlation[first] > 0)
        first++; /* neighbours are alike in any smooth series */
    for (int64_t lag = first; lag < most; lag++)
        highest = fmax(highest, correlation[lag]);
    for (int64_t lag = first; lag < most && highest >= least; lag++)
        if (correlation[lag] >= nearly * highest && is_peak(correlation, lag, most))
            return lag;
    return 0;
}

tl_status find_season(const double *values, int64_t count, int64_t *season)
{
    enum { MOST_LAG = 2000 };
    int64_t most = count / 3 < MOST_LAG ? count / 3 : MOST_LAG;
    double *around = without_line(values, count);
    double *correlation = calloc((size_t)most + 1, sizeof *correlation);
    bool room = around && correlation;
    if (room) {
        double variance = covariance(around, count, 0);
        for (int64_t lag = 0; lag <= most; lag++)
            correlation[lag] = covariance(around, count, lag) / variance;
        *season = shortest_season(correlation, most, fmax(0.2, 3 / sqrt((double)count)));
    }
    free(correlation);
    free(around);
    return room ? TL_OK
                : tl_error(TL_ERROR_MEMORY, "out of memory for the season of %lld values", (long long)count);
}
