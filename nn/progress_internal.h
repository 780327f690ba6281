/* How training looks on a screen: a bar on a terminal, a line an epoch elsewhere. */
#ifndef TL_NN_PROGRESS_INTERNAL_H
#define TL_NN_PROGRESS_INTERNAL_H

#include "nn/callback.h"

#include <stdint.h>

typedef struct tl_progress {
    bool shows, terminal;
    double started, drawn; /* seconds on the monotonic clock */
} tl_progress;

/* Seconds on a clock that never jumps. */
double tl_seconds(void);

void tl_progress_start(tl_progress *progress, bool shows);

/* Says where training goes on from a checkpoint: after so many epochs and batches of the next; epochs -1:
 * there was none. */
void tl_progress_resume(const tl_progress *progress, int epochs, int64_t batches, const char *checkpoint);

void tl_progress_epoch(tl_progress *progress);

/* After batch `done` of `batches`: redraws the bar, at most ten times a second. */
void tl_progress_batch(tl_progress *progress, const tl_epoch *epoch, int64_t done, int64_t batches);

/* Epoch 3/10 - 1.2s - loss: 0.3421 - accuracy: 0.8612 - val_loss: 0.3811 - val_accuracy: 0.8420 */
void tl_progress_line(const tl_progress *progress, const tl_epoch *epoch);

#endif
