/* Series of numbers: a generated one, or a column of a CSV file. */
#ifndef FORECAST_SERIES_H
#define FORECAST_SERIES_H

#include <tapeloop.h>

typedef struct series {
    tl_tensor numbers;    /* f64 [count] */
    const double *values; /* the same */
    int64_t count;
    int64_t season; /* steps after which it is similar; 0: not known */
    char name[256]; /* for messages and titles */
} series;

/* 2000 hours with a season of a day and one of a week, a trend, and noise of deviation 2; t = 0, 1, ...:
 *
 *     100 + t / 100 + 10 sin(2 pi t / 24) + 4 sin(4 pi t / 24 + 1)
 *                   +  8 sin(2 pi t / 168) + 3 sin(4 pi t / 168 + 2) + 2 normal(seed, t)
 */
tl_status generate_series(series *s, uint64_t seed);

/* A column of a file, by its name or number; NULL: the last one. */
tl_status read_series(series *s, const char *path, const char *column, bool header);

/* The caller frees what generate_series and read_series gave. */
void free_series(series *s);

/* The season in `count` values: the shortest lag, below a third of them and 2000, where the autocorrelation
 * of what lies around their straight line has a peak of at least nine tenths of its highest. 0 if there is
 * none, or the highest is below 0.2 or below 3 / sqrt(count), which noise may reach. */
tl_status find_season(const double *values, int64_t count, int64_t *season);

/* A series is learned from its beginning, validated on what follows, and tested on its end. */
typedef struct parts {
    int64_t validation, test; /* where they start; training ends at the first */
} parts;

parts parts_of(const series *s, double validation_split, double test_split);

#endif
