/* Checkpoints: training that can be taken up where it was left. Rests on model.h.
 *
 * A checkpoint is a safetensors file with all that a training depends on besides the program and the data:
 * weights, what the optimizer remembers, the number of steps, which draws of dropout follow from, and the
 * states that stateful recurrent layers carry. One that tl_fit writes (.checkpoint) also holds its place in
 * the data, the sums of loss and accuracy, the history, and what callbacks remember. A training that was
 * stopped after any step, or killed at any moment, and goes on from its checkpoint ends with the same bits as
 * one that was never stopped:
 *
 *     tl_history *history = tl_fit(model, data, .epochs = 20, .checkpoint = "run.checkpoint",
 *                                  .checkpoint_every = 100, .resume = true);
 *
 * The functions below are for training loops of one's own, around tl_train_on_batch or a tape. The number of
 * steps, tl_optimizer_steps, says where in its data such a loop was:
 *
 *     if (resume && tl_checkpoint_load(model, "run.checkpoint") != TL_OK)
 *         return fail();
 *     for (int64_t i = tl_optimizer_steps(tl_model_optimizer(model)); i < steps; i++)
 *         if (tl_train_on_batch(model, batch_x(i), batch_y(i), NULL) != TL_OK ||
 *             (i % 100 == 99 && tl_checkpoint_save(model, "run.checkpoint") != TL_OK))
 *             return fail();
 *
 * A file is written as tl_safetensors_write does it: the old one stays until the new one is complete and on
 * the disk, and whatever goes wrong leaves the old one as it was.
 */
#ifndef TL_NN_CHECKPOINT_H
#define TL_NN_CHECKPOINT_H

#include "model.h"

/* Writes a checkpoint of a compiled and built model. A model that has diverged, with NaN or infinity in its
 * weights or the optimizer's memory, is an error: the file from before is worth more. */
TL_API tl_status tl_checkpoint_save(const tl_model *model, const char *path);

/* Puts a model that was compiled and built alike back to where it was. An error, which leaves the model as it
 * was, for a file that is no such checkpoint, is damaged, is of other layers, another loss, or another
 * optimizer or other settings of it, or holds NaN or infinity in weights or the optimizer's memory. */
TL_API tl_status tl_checkpoint_load(tl_model *model, const char *path);

#endif
