/* The network: SimpleRNN -> Dense(10, softmax), in memory and in a file. */
#ifndef MNIST_NETWORK_H
#define MNIST_NETWORK_H

#include "options.h"

/* What it takes to build one again. */
typedef struct network {
    bool by_pixels, label_each_step, bidirectional;
    int units, layers;
    tl_activation activation;
    tl_initializer kernel_initializer, initializer;
    double dropout, recurrent_dropout;
    long long permute; /* -1: not */
} network;

network network_of(const options *o);

/* How a network reads images. */
reading reading_of(const network *n);

/* The model, built and compiled; NULL with the error set. The caller frees it. */
tl_model *new_model(const network *n, tl_optimizer *optimizer, uint64_t seed);

tl_status save_network(const network *n, const tl_model *model, const char *path);
tl_model *load_network(network *n, const char *path);

#endif
