/* The command line. */
#ifndef IMDB_OPTIONS_H
#define IMDB_OPTIONS_H

#include "../common/training.h"

typedef struct options {
    training training;
    char *data; /* a folder or the archive; NULL: look in the usual places */
    int maxlen; /* NOT_GIVEN: the usual */
    int num_words;
    int units, embedding;
    int mask, bidirectional, normalize;
    double dropout, recurrent_dropout;
    char *pooling, *initializer;
    int predict;
    char *text; /* NULL: standard input */
} options;

/* Reads the command line: GO_ON, or the status to leave the program with. free_options in any case. */
int read_options(options *o, int argc, const char **argv);
void free_options(options *o);

#endif
