/* What every checkpoint of a model's training has in it. */
#ifndef TL_NN_CHECKPOINT_INTERNAL_H
#define TL_NN_CHECKPOINT_INTERNAL_H

#include "nn/remember_internal.h"
#include "nn/model.h"

/* A model as checkpoints see it; must stay where it is while the memory is in use. */
typedef struct tl_kept_model {
    tl_model *model;
    tl_memory memory;
    int64_t steps; /* of the optimizer, and its rate: only while a file is read or written */
    double learning_rate;
} tl_kept_model;

/* Names all that a model and its optimizer have; `maker` tells files of one kind from another. A failure
 * leaves nothing to be freed. */
tl_status tl_kept_model_start(tl_kept_model *kept, const tl_model *model, const char *maker);
void tl_kept_model_free(tl_kept_model *kept);

/* The memory, written or read with what the model has at the moment. */
tl_status tl_kept_model_write(tl_kept_model *kept, const char *path);
tl_status tl_kept_model_read(tl_kept_model *kept, const char *path);

#endif
