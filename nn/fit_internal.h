/* A training under way: the loop is in fit.c, what it leaves in a checkpoint in resume.c. */
#ifndef TL_NN_FIT_INTERNAL_H
#define TL_NN_FIT_INTERNAL_H

#include "nn/batch_internal.h"
#include "nn/checkpoint_internal.h"
#include "nn/progress_internal.h"

typedef struct tl_fitting {
    tl_model *model;
    tl_fit_options options;
    tl_dataset train, validation; /* validation empty: none */
    tl_batch_run training, validating;
    int64_t *order;
    int64_t batch;       /* how many of the epoch at hand are done */
    int64_t stopped;     /* 1: a callback has ended the training */
    tl_history *history; /* of the epochs that are done */
    tl_progress progress;
    tl_kept_model kept;     /* with a checkpoint */
    tl_tensor kept_history; /* [epochs, values] */
} tl_fitting;

/* The number of batches in an epoch. */
int64_t tl_fitting_batches(const tl_fitting *f);

/* For a training with a checkpoint that is about to begin: names all there is to keep, checks that the file
 * can be written, and, to resume, takes up what it holds, if it is there. */
tl_status tl_fitting_resume(tl_fitting *f);

/* Writes the checkpoint. */
tl_status tl_fitting_save(tl_fitting *f);

/* Frees what the two above made. */
void tl_fitting_forget(tl_fitting *f);

#endif
