/* The command line. */
#ifndef MNIST_OPTIONS_H
#define MNIST_OPTIONS_H

#include "../common/training.h"
#include "digits.h"

enum { MOST_UNITS = 4096, MOST_LAYERS = 16 };

typedef struct options {
    training training;
    char *data; /* a folder; NULL: look in the usual places */
    char *sequence;
    char *activation, *kernel_initializer, *initializer;
    int units, layers;
    double dropout, recurrent_dropout;
    int return_sequences, bidirectional;
    long long permute; /* NOT_GIVEN: not */
    int show;          /* images */
} options;

/* GO_ON, or the status to leave the program with. free_options in any case. */
int read_options(options *o, int argc, const char **argv);
void free_options(options *o);

#endif
