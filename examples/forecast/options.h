/* The command line. */
#ifndef FORECAST_OPTIONS_H
#define FORECAST_OPTIONS_H

#include "../common/training.h"

typedef struct options {
    training training;
    char *csv, *column; /* NULL: the generated series; the last column */
    int no_header;
    int window; /* NOT_GIVEN: by the season */
    int horizon, units;
    int season; /* NOT_GIVEN: known, or found */
    int ahead;
    double test_split;
    char *output, *svg;
} options;

/* GO_ON, or the status to leave the program with. free_options in any case. */
int read_options(options *o, int argc, const char **argv);
void free_options(options *o);

#endif
