/* A model that foretells characters, with the alphabet it knows: made, kept in a file, and put to writing. */
#ifndef CHAR_RNN_WRITER_H
#define CHAR_RNN_WRITER_H

#include "options.h"

/* What the network looks like. */
typedef struct network {
    int units, layers, embedding; /* embedding 0: one-hot */
    double dropout, recurrent_dropout;
    tl_initializer initializer;
} network;

typedef struct writer {
    network network;
    tl_alphabet *alphabet;
    tl_model *model;
} writer;

/* Makes the model for network and alphabet: stateful SimpleRNNs between an Embedding and a Dense layer that
 * gives the probabilities of the next character; built for any number of steps. */
tl_status build_writer(writer *w, tl_optimizer *optimizer, uint64_t seed);

tl_status save_writer(const writer *w, const char *path);

/* Reads one back; the caller frees it, even when this fails. */
tl_status load_writer(writer *w, const char *path);
void free_writer(writer *w);

/* How to choose a character. */
typedef struct taste {
    double temperature; /* 0: the likeliest */
    int top_k;          /* 0: among all */
    uint64_t seed;
} taste;

/* Reads `prime` (NULL: a line end, or whatever there is), and writes it and `count` more characters to
 * standard output. */
tl_status write_sample(const writer *w, const char *prime, int count, const taste *t);

#endif
