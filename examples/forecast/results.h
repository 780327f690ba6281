/* What was forecast, beside what came: scores, a CSV file, and pictures. */
#ifndef FORECAST_RESULTS_H
#define FORECAST_RESULTS_H

#include "series.h"

#include <stdio.h>

typedef struct results {
    const series *series;
    int64_t first, count; /* the steps that forecasts are for; those behind the series' end are its future */
    int64_t horizon;
    double *forecasts; /* [count, horizon]: of step first + i, made j + 1 steps before; NaN: none */
} results;

/* Room for forecasts of the steps from `first` to `ahead` beyond the end. The caller frees it with
 * free_results. */
tl_status new_results(results *r, const series *s, int64_t first, int64_t horizon, int64_t ahead);
void free_results(results *r);

/* Files the forecasts of windows that begin to forecast at `first`, `first` + 1, ...: [windows, horizon]. */
void put_tested(results *r, const double *forecasts);

/* Files forecasts of what follows the series. */
void put_ahead(results *r, const double *forecasts);

/* Prints the mean squared and mean absolute errors of the forecasts, of the naive ones (what is, will be) and
 * of the seasonal naive ones (it will be as it was one season before), if a season is known; all over the
 * same windows, in the units of the series and of their squares. */
void print_scores(const results *r);

/* Prints what follows the series. */
void print_ahead(const results *r);

/* A line a step: its number from 1, its value, the forecasts made 1 to horizon steps before. What there is
 * none of is left empty. */
tl_status write_results(const results *r, const char *path);

/* Draws series and forecasts: the last of them in the terminal, all as SVG. */
tl_status draw_results(const results *r, FILE *to, const char *svg);

#endif
