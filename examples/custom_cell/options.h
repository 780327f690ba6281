/* The command line. */
#ifndef CUSTOM_CELL_OPTIONS_H
#define CUSTOM_CELL_OPTIONS_H

#include "../common/training.h"

typedef struct options {
    training training;
    int units, time, samples;
    double factor; /* by which the GRU is to beat the constant answer */
} options;

/* GO_ON, or the status to leave the program with. free_options in any case. */
int read_options(options *o, int argc, const char **argv);
void free_options(options *o);

#endif
