/* The command line. */
#ifndef CLASSIFY_OPTIONS_H
#define CLASSIFY_OPTIONS_H

#include "../common/training.h"

typedef struct options {
    training training;
    char *csv, *test; /* files; NULL: generated sequences, a part of the sequences */
    char *id, *label; /* columns */
    double test_split;
    char *predict, *generate; /* files; NULL: not */
    int units;
    char *loss;
    char *padding;
    int pad_to;                    /* 0: the longest */
    int sequences, time, features; /* of generated sequences */
} options;

/* GO_ON, or the status to leave the program with. free_options in any case. */
int read_options(options *o, int argc, const char **argv);
void free_options(options *o);

#endif
