/* One batch through a model, cut into shards of rows: what fit, evaluate and predict have in common. */
#ifndef TL_NN_BATCH_INTERNAL_H
#define TL_NN_BATCH_INTERNAL_H

#include "nn/model.h"

enum tl_batch_mode {
    TL_BATCH_TRAIN,
    TL_BATCH_DIFFERENTIATE, /* as TRAIN, but gradients stay in the parameters: no step of the optimizer */
    TL_BATCH_MEASURE,       /* the loss that TRAIN differentiates, as in training mode, without gradients */
    TL_BATCH_EVALUATE,
    TL_BATCH_PREDICT
};

/* What one shard found. */
typedef struct tl_shard_result {
    double loss, right, weight; /* sums over its rows, or the steps of its rows */
    double nominal;             /* the weight if none were masked */
} tl_shard_result;

/* A run over batches of a data set. */
typedef struct tl_batch_run {
    tl_model *model;
    tl_dataset data;      /* y empty when predicting */
    const int64_t *order; /* of the samples; NULL: as they are */
    int64_t batch_size;
    enum tl_batch_mode mode;
    uint64_t seed, step_number; /* of dropout */
    tl_tensor outputs;          /* [samples, ...], when predicting: the caller's, of tl_batch_output_shape */

    int64_t start, count; /* the batch at hand */
    double sums_loss, sums_right, sums_weight;
} tl_batch_run;

/* Builds a model that is not built yet, in f32, for samples [samples, ...] of a shape. */
tl_status tl_build_for(tl_model *model, tl_shape samples, uint64_t seed);

/* Checks that x and y are there, and of one number of rows, for operation `what` on a batch given whole. */
tl_status tl_batch_check_rows(const char *what, tl_tensor x, tl_tensor y);

/* Checks that the data suit the model. */
tl_status tl_batch_start(const tl_batch_run *run);

/* The shape of the outputs for all of the data, which suit the model. */
tl_shape tl_batch_output_shape(const tl_batch_run *run);

/* The batch of samples [start, start + count) in order: what the mode says. */
tl_status tl_batch_process(tl_batch_run *run, int64_t start, int64_t count);

/* Makes the gradients of all parameters zero, as a batch that fails once they are there does by itself. */
void tl_batch_clear_gradients(const tl_model *model);

/* The losses of rows, in the scope "loss", and what each of them, or of their steps, weighs: 0 where masked.
 */
tl_var *tl_batch_loss_rows(const tl_model *model, tl_var *prediction, tl_var *target);
tl_var *tl_batch_row_weights(tl_var *prediction, tl_var *rows);

/* Averages over all batches since the start or the last call, which forgets them. */
tl_metrics tl_batch_take_metrics(tl_batch_run *run);

#endif
