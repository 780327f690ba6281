/* The network: SimpleRNN -> Dense(horizon) around the mean of its window, in memory and in a file. */
#ifndef FORECAST_NETWORK_H
#define FORECAST_NETWORK_H

#include <tapeloop.h>

enum { MOST_STEPS = 1 << 20, MOST_UNITS = 4096 };

typedef struct network {
    int64_t window, horizon, units; /* the last is chosen, the model takes windows of any length */
    double mean, deviation;         /* of the values it was trained on */
    tl_model *model;
} network;

/* Takes mean and deviation from the values to train on; an error if all are the same. */
tl_status learn_scale(network *n, const double *values, int64_t count);

/* (values - mean) / deviation, as a new tensor f32 [count] that the caller frees. */
tl_tensor scaled(const network *n, const double *values, int64_t count);

/* Makes the model. The caller frees it with free_network, even when this fails. */
tl_status build_network(network *n, tl_optimizer *optimizer, uint64_t seed);
void free_network(network *n);

tl_status save_network(const network *n, const char *path);
tl_status load_network(network *n, const char *path);

/* Forecasts for every window of a series of `count` values, in its units, to out [count - window + 1,
 * horizon]: row i is what follows value i + window - 1. At least one window. */
tl_status forecast_windows(const network *n, const double *values, int64_t count, double *out);

/* The `ahead` values after the end of a series of at least one window, to out: the network's horizon, then
 * that of the window which ends with it, and so on. */
tl_status forecast_ahead(const network *n, const double *values, int64_t count, int64_t ahead, double *out);

#endif
