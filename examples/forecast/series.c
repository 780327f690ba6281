#include "series.h"

#include <math.h>
#include <stdio.h>

static tl_status take_numbers(series *s, tl_tensor numbers)
{
    s->numbers = numbers;
    s->values = tl_tensor_ok(numbers) ? tl_data(numbers) : NULL;
    s->count = tl_tensor_count(numbers);
    return s->values ? TL_OK : tl_error_status();
}

tl_status generate_series(series *s, uint64_t seed)
{
    enum { HOURS = 2000, DAY = 24, WEEK = 168, STREAM = 0xF0 }; /* a top byte that nothing else draws from */
    const double turn = 2 * acos(-1);
    tl_tensor numbers = tl_tensor_new(TL_F64, tl_shape(HOURS));
    double *values = tl_tensor_ok(numbers) ? tl_data_mut(numbers) : NULL;
    for (int t = 0; values && t < HOURS; t++) {
        double day = turn * t / DAY, week = turn * t / WEEK;
        values[t] = 100 + t / 100.0 + 10 * sin(day) + 4 * sin(2 * day + 1) + 8 * sin(week) +
                    3 * sin(2 * week + 2) + 2 * tl_random_normal(seed, (uint64_t)STREAM << 56, (uint64_t)t);
    }
    *s = (series){.season = WEEK, .name = "generated series"};
    return take_numbers(s, numbers);
}

/* "sales.csv, column price", on one line */
static void name_series(series *s, const char *path, const tl_csv *csv, int column)
{
    const char *name = tl_csv_name(csv, column);
    if (name)
        snprintf(s->name, sizeof s->name, "%s, column %s", path, name);
    else
        snprintf(s->name, sizeof s->name, "%s, column %d", path, column + 1);
    for (char *at = s->name; *at; at++)
        if ((unsigned char)*at < ' ')
            *at = ' ';
}

tl_status read_series(series *s, const char *path, const char *column, bool header)
{
    *s = (series){0};
    tl_csv *csv = tl_csv_read(path, .no_header = !header);
    int number = column ? tl_csv_column(csv, column) : tl_csv_columns(csv) - 1;
    tl_status status = number < 0 ? tl_error_status() : take_numbers(s, tl_csv_numbers(csv, number));
    if (status == TL_OK)
        name_series(s, path, csv, number);
    tl_csv_free(csv);
    return status;
}

void free_series(series *s)
{
    tl_tensor_free(&s->numbers);
}

parts parts_of(const series *s, double validation_split, double test_split)
{
    int64_t test = (int64_t)floor((double)s->count * (1 - test_split));
    return (parts){.test = test, .validation = (int64_t)floor((double)test * (1 - validation_split))};
}
