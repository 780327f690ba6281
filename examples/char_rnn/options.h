/* The command line. */
#ifndef CHAR_RNN_OPTIONS_H
#define CHAR_RNN_OPTIONS_H

#include "../common/training.h"

typedef struct options {
    training training;
    char *text, *data; /* a file; a folder; both NULL: look in the usual places */
    int bytes;
    int units, layers, embedding; /* embedding 0: one-hot, NOT_GIVEN: as wide as a layer */
    double dropout, recurrent_dropout;
    char *initializer;
    int window;
    int sample; /* characters to write after training */
    double temperature;
    int top_k; /* 0: all */
    char *prime;
} options;

enum { MOST_UNITS = 4096, MOST_LAYERS = 16 };

/* Reads the command line: GO_ON, or the status to leave the program with. free_options in any case. */
int read_options(options *o, int argc, const char **argv);
void free_options(options *o);

#endif
