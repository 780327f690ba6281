/* The command line. */
#ifndef IMDB_OPTIONS_H
#define IMDB_OPTIONS_H

#include <stdbool.h>

typedef struct options {
    char *data; /* a folder; NULL: look in the usual places */
    int epochs, batch_size, maxlen, num_words, units;
    char *optimizer;
    double learning_rate; /* 0: the optimizer's default */
    double validation_split;
    long long seed;
    int threads; /* 0: as many as there are cores */
    char *log, *save, *load;
    bool maxlen_given, lr_given;
    bool predict;
    char *text; /* NULL: standard input */
} options;

enum { GO_ON = -1, USAGE = 2 };

/* Reads the command line. GO_ON, or the status to leave the program with: 0 after --help, USAGE after a
 * mistake, which was explained on standard error. */
int read_options(options *o, int argc, const char **argv);
void free_options(options *o);

#endif
