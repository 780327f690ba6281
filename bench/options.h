/* The command line. */
#ifndef BENCH_OPTIONS_H
#define BENCH_OPTIONS_H

#include "case.h"

enum { GO_ON = -1, USAGE = 2 };

typedef struct options {
    char **patterns; /* of cases' names; none: all but growth and long */
    int pattern_count;
    int threads, list, json, growth, isas;
    double seconds;
} options;

/* Reads it. GO_ON, or the status to leave the program with: USAGE after a mistake, which was explained on
 * standard error. --help ends the program. */
int read_options(options *o, int argc, const char **argv);
void free_options(options *o);

/* Whether a case of this name is asked for. */
bool is_wanted(const options *o, const char *name);

/* The first pattern that no case's name fits; NULL if there is none. */
const char *find_useless(const options *o, const case_list *list);

#endif
