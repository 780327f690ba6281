/* Checkpoints: training that can be taken up where it was left. Rests on model.h.
 *
 * A checkpoint is a safetensors file with the weights, all that the optimizer remembers, its learning rate,
 * and the number of steps and epochs done, which the order of the data and the draws of dropout follow from.
 * A training that is stopped after any epoch and goes on from its checkpoint ends with the same weights, bit
 * for bit, as one that was never stopped:
 *
 *     int done = 0;
 *     if (resume && tl_checkpoint_load(model, "run.checkpoint", &done) != TL_OK)
 *         return fail();
 *     tl_fit(model, data, .epochs = 20, .initial_epoch = done, .callbacks = tl_callbacks(
 *            tl_checkpoint("run.checkpoint")));
 *
 * What callbacks remember (the best epoch so far, how long they have waited) is not in it.
 */
#ifndef TL_NN_CHECKPOINT_H
#define TL_NN_CHECKPOINT_H

#include "model.h"

/* Writes a checkpoint of a compiled and built model after so many epochs, as tl_safetensors_write does: whole
 * or not at all. */
TL_API tl_status tl_checkpoint_save(const tl_model *model, const char *path, int epochs_done);

/* Puts a model that was compiled and built alike back to where it was. An error, which leaves the model as it
 * was, for a file that is no checkpoint, is damaged, is of another model or another optimizer, or holds NaN
 * or infinity. */
TL_API tl_status tl_checkpoint_load(tl_model *model, const char *path, int *epochs_done);

/* A callback that saves one at the end of every epoch. The path is checked before training starts. Belongs
 * behind callbacks that change the learning rate, or it saves the rate from before. */
TL_API tl_callback *tl_checkpoint(const char *path);

#endif
