/* What was found, as Markdown tables that grow line by line, or as JSON at the end. */
#ifndef BENCH_REPORT_H
#define BENCH_REPORT_H

#include "case.h"
#include "measure.h"

#include <stdbool.h>

/* The machine as it is used here. */
typedef struct setting {
    int threads;
    const char *isa;
    double peak_one, peak_all; /* GFLOP/s of one thread, and of all of them together */
} setting;

typedef struct bench_result {
    timing time;
    double peak;  /* GFLOP/s of the threads and kernels that the case had */
    size_t bytes; /* the most memory; 0: nobody asked */
    int64_t rows_at_once;
} bench_result;

typedef struct report report;

/* NULL when out of memory. */
report *begin_report(bool json, const setting *s);
void report_case(report *r, const bench_case *c, const bench_result *found);

/* Prints what is left to print, and frees the report. False when out of memory. */
bool end_report(report *r);

#endif
