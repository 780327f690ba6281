/* A recurrent layer with Dense(1) behind it, for the adding problem, in memory and in a file. */
#ifndef CUSTOM_CELL_NETWORK_H
#define CUSTOM_CELL_NETWORK_H

#include "gru.h"

enum { MOST_UNITS = 4096 };

/* A model, compiled and built for sequences of any length; NULL with the error set, and the model freed, if
 * that fails. The optimizer belongs to the model. */
tl_model *ready(tl_model *model, tl_optimizer *optimizer, tl_dtype dtype, uint64_t seed);

/* The GRU of so many units with its Dense(1), not built yet. */
tl_model *gru_network(int64_t units);

/* The same from a file, built; NULL with the error set. The caller frees it. */
tl_model *load_network(const char *path);
tl_status save_network(const tl_model *model, int units, const char *path);

#endif
