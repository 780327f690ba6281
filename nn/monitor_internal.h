/* The best of a monitored value so far. */
#ifndef TL_NN_MONITOR_INTERNAL_H
#define TL_NN_MONITOR_INTERNAL_H

#include "nn/callback.h"

typedef struct tl_monitor {
    char key[16];
    double best; /* NaN: none yet */
    double min_delta;
} tl_monitor;

/* A monitor of `key` (NULL: "val_loss"), which must be one of the history's. */
tl_status tl_monitor_start(tl_monitor *monitor, const char *key, double min_delta);

/* *better tells whether this epoch's value is the best so far by more than min_delta. NaN never is. A key
 * that this training does not measure is an error. */
tl_status tl_monitor_see(tl_monitor *monitor, const tl_epoch *epoch, bool *better);

/* For tl_callback.remember of callback `what`: the best so far, by a name that tells one key from another. */
tl_status tl_monitor_remember(tl_monitor *monitor, tl_memory *memory, const char *what);

#endif
