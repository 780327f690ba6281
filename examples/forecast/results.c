#include "results.h"

#include "../common/output.h"

#include <math.h>
#include <stdlib.h>

tl_status new_results(results *r, const series *s, int64_t first, int64_t horizon, int64_t ahead)
{
    int64_t count = s->count - first + ahead;
    *r = (results){.series = s, .first = first, .count = count, .horizon = horizon};
    r->forecasts = malloc((size_t)(count * horizon) * sizeof *r->forecasts);
    if (!r->forecasts)
        return tl_error(TL_ERROR_MEMORY, "out of memory for %lld forecasts", (long long)(count * horizon));
    for (int64_t i = 0; i < count * horizon; i++)
        r->forecasts[i] = (double)NAN;
    return TL_OK;
}

void free_results(results *r)
{
    free(r->forecasts);
}

/* Where the forecast of step t stands that was made so many steps before. */
static double *forecast_at(const results *r, int64_t t, int64_t before)
{
    return &r->forecasts[(t - r->first) * r->horizon + before - 1];
}

static int64_t windows(const results *r)
{
    return r->series->count - r->first - r->horizon + 1;
}

/* The step that forecast j of window i is for. */
static int64_t step_of(const results *r, int64_t i, int64_t j)
{
    return r->first + i + j;
}

/* Of the forecasts for step t, the one that continues those of the steps before: they come in blocks of
 * `horizon` steps, each made at once, which begin anew with the future. */
static double *forecast_in_blocks(const results *r, int64_t t)
{
    int64_t end = r->series->count, start = t < end ? r->first : end;
    return forecast_at(r, t, (t - start) % r->horizon + 1);
}

void put_tested(results *r, const double *forecasts)
{
    for (int64_t i = 0; i < windows(r); i++)
        for (int64_t j = 0; j < r->horizon; j++)
            *forecast_at(r, step_of(r, i, j), j + 1) = *forecasts++;
}

void put_ahead(results *r, const double *forecasts)
{
    for (int64_t t = r->series->count; t < r->first + r->count; t++)
        *forecast_in_blocks(r, t) = *forecasts++;
}

/* --- scores --- */

/* What is expected of step t by who knows all up to `before` steps before it. */
typedef double expectation(const results *r, int64_t t, int64_t before);

static double by_network(const results *r, int64_t t, int64_t before)
{
    return *forecast_at(r, t, before);
}

static double naive(const results *r, int64_t t, int64_t before)
{
    return r->series->values[t - before];
}

static double seasonal_naive(const results *r, int64_t t, int64_t before)
{
    int64_t season = r->series->season, seasons = (before + season - 1) / season;
    return r->series->values[t - seasons * season];
}

static void print_score(const results *r, const char *name, expectation *expected)
{
    double squares = 0, distances = 0;
    int64_t count = windows(r) * r->horizon;
    for (int64_t i = 0; i < windows(r); i++)
        for (int64_t j = 0; j < r->horizon; j++) {
            int64_t t = step_of(r, i, j);
            double error = expected(r, t, j + 1) - r->series->values[t];
            squares += error * error / (double)count;
            distances += fabs(error) / (double)count;
        }
    printf("%s_mse: %.6g %s_mae: %.6g\n", name, squares, name, distances);
}

void print_scores(const results *r)
{
    print_score(r, "test", by_network);
    print_score(r, "naive", naive);
    if (r->series->season > 0)
        print_score(r, "seasonal_naive", seasonal_naive);
}

void print_ahead(const results *r)
{
    for (int64_t t = r->series->count; t < r->first + r->count; t++)
        printf("forecast %lld: %.9g\n", (long long)t + 1, *forecast_in_blocks(r, t));
}

/* --- files and pictures --- */

static double actual(const results *r, int64_t t)
{
    return t < r->series->count ? r->series->values[t] : (double)NAN;
}

static void write_cell(double value, FILE *to)
{
    if (isnan(value))
        fputc(',', to);
    else
        fprintf(to, ",%.12g", value);
}

tl_status write_results(const results *r, const char *path)
{
    FILE *to = open_output(path);
    if (!to)
        return tl_error_status();
    fputs("step,actual", to);
    for (int64_t j = 1; j <= r->horizon; j++)
        fprintf(to, ",forecast_%lld", (long long)j);
    fputc('\n', to);
    for (int64_t t = r->first; t < r->first + r->count; t++) {
        fprintf(to, "%lld", (long long)t + 1);
        write_cell(actual(r, t), to);
        for (int64_t j = 1; j <= r->horizon; j++)
            write_cell(*forecast_at(r, t, j), to);
        fputc('\n', to);
    }
    return close_output(to, path);
}

/* The last `count` steps, as the series goes and as the forecasts have it. */
static tl_status draw(const results *r, int64_t count, FILE *to, const char *svg)
{
    int64_t first = r->first + r->count - count;
    double *values = malloc(2 * (size_t)count * sizeof *values);
    if (!values)
        return tl_error(TL_ERROR_MEMORY, "out of memory for a plot of %lld steps", (long long)count);
    double *forecasts = values + count;
    for (int64_t i = 0; i < count; i++) {
        int64_t t = first + i;
        values[i] = actual(r, t);
        forecasts[i] = t < r->first ? (double)NAN : *forecast_in_blocks(r, t);
    }
    const tl_plot_line lines[] = {{"series", values}, {"forecast", forecasts}};
    const tl_plot p = {
        .title = r->series->name, .first = first + 1, .count = count, .lines = lines, .line_count = 2};
    tl_status status = to ? tl_plot_print(&p, to) : TL_OK;
    if (status == TL_OK && svg)
        status = save_plot(&p, svg);
    free(values);
    return status;
}

tl_status draw_results(const results *r, FILE *to, const char *svg)
{
    int64_t all = r->first + r->count, few = all < TL_PLOT_POINTS ? all : TL_PLOT_POINTS;
    tl_status status = draw(r, few, to, NULL);
    return status == TL_OK && svg ? draw(r, r->count > few ? r->count : few, NULL, svg) : status;
}
