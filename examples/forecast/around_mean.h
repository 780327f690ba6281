/* Layers that see every sequence around its own mean. */
#ifndef FORECAST_AROUND_MEAN_H
#define FORECAST_AROUND_MEAN_H

#include <tapeloop.h>

/* x [batch, time, 1] -> layers(x - m) + m, where m is the mean of each sequence: what the layers learn of the
 * shape of a series holds at any level, so a trend may carry it to values that were never seen in training.
 * The layers give [batch, units]. They belong to the result, and are freed even when this fails. */
tl_module *around_mean(tl_module *const layers[], int count);

#endif
