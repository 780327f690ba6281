/* Callbacks: what happens at the end of an epoch. Rests on tensor/.
 *
 * Those here stop early, keep the best weights, and log. One's own is a struct that starts with a
 * tl_callback, given to tl_fit, which frees it through its `free`:
 *
 *     tl_fit(model, data, .epochs = 20,
 *            .callbacks = tl_callbacks(tl_early_stopping(.patience = 3), tl_csv_log("run.csv")));
 *
 * What is monitored is named as in Keras's history: loss, accuracy, val_loss, val_accuracy. Losses are better
 * when smaller, accuracies when larger.
 */
#ifndef TL_NN_CALLBACK_H
#define TL_NN_CALLBACK_H

#include "../tensor/options.h"
#include "../tensor/tensor.h"

struct tl_model;

/* Averages over a data set. Accuracy is NaN where the loss has none. */
typedef struct tl_metrics {
    double loss, accuracy;
} tl_metrics;

/* One epoch of training. */
typedef struct tl_epoch {
    int epoch, epochs; /* this one, from 1, of so many */
    double seconds;    /* it took, validation included; 0 if that was before training was resumed */
    tl_metrics train;
    tl_metrics validation; /* NaN without validation data */
    bool has_accuracy, has_validation;
} tl_epoch;

/* The value of an epoch under Keras's key; NaN with the error set for any other key. */
TL_API double tl_epoch_value(const tl_epoch *epoch, const char *key);

/* All epochs of a training. */
typedef struct tl_history {
    int count;
    tl_epoch *epochs;
} tl_history;

/* Frees a history. NULL is fine. */
TL_API void tl_history_free(tl_history *history);

/* The epoch, counted from 0, with the best value of a key; -1 if there is none. */
TL_API int tl_history_best(const tl_history *history, const char *key);

/* What a checkpoint holds of a callback: places of the callback's own, by name. They are read when a
 * checkpoint is written, written to when training goes on from one, and must stay where they are until tl_fit
 * returns. A name is the callback's alone: no other callback's can be mixed up with it.
 *
 *     static tl_status remember(tl_callback *callback, tl_model *model, tl_memory *memory)
 *     {
 *         return tl_remember_count(memory, "my_callback/seen", &((my_callback *)callback)->seen);
 *     }
 *
 * Errors: NULL, a name twice, or longer than 200 bytes, or no UTF-8; out of memory. */
typedef struct tl_memory tl_memory;

/* A number: any, infinity and NaN too. */
TL_API tl_status tl_remember(tl_memory *memory, const char *name, double *number);

/* A whole number from 0 to 2^53. */
TL_API tl_status tl_remember_count(tl_memory *memory, const char *name, int64_t *count);

/* A row-major tensor, of finite numbers if its type is one of floats. */
TL_API tl_status tl_remember_tensor(tl_memory *memory, const char *name, tl_tensor tensor);

typedef struct tl_callback tl_callback;
struct tl_callback {
    /* Each may be NULL, and may fail with the error set, which ends tl_fit. epoch_end may set *stop. */
    tl_status (*begin)(tl_callback *callback, struct tl_model *model);
    tl_status (*epoch_end)(tl_callback *callback, struct tl_model *model, const tl_epoch *epoch, bool *stop);
    tl_status (*end)(tl_callback *callback, struct tl_model *model);
    void (*free)(tl_callback *callback);

    /* Names what the callback remembers from epoch to epoch, so that checkpoints of the training hold it.
     * Called before begin, if there are to be checkpoints; where training goes on from one, the places have
     * what it holds when begin is called. */
    tl_status (*remember)(tl_callback *callback, struct tl_model *model, tl_memory *memory);
};

typedef struct tl_callback_list {
    tl_callback *const *items;
    int count;
} tl_callback_list;
#define tl_callbacks(...)                                                                                    \
    ((tl_callback_list){(tl_callback *[]){__VA_ARGS__},                                                      \
                        (int)(sizeof((tl_callback *[]){__VA_ARGS__}) / sizeof(tl_callback *))})

/* Stops when the monitored value has not been better than its best by more than min_delta for `patience`
 * epochs. */
typedef struct tl_early_stopping_options {
    size_t size;
    const char *monitor;       /* "val_loss" */
    double min_delta;          /* 0 */
    int patience;              /* 0: at the first epoch that is no better */
    bool restore_best_weights; /* when training ends, early or not, to those of the best epoch */
} tl_early_stopping_options;
TL_API tl_callback *tl_early_stopping_with(const tl_early_stopping_options *options);
#define tl_early_stopping(...)                                                                               \
    tl_early_stopping_with(                                                                                  \
        &(tl_early_stopping_options){.size = sizeof(tl_early_stopping_options), __VA_ARGS__})

/* Multiplies the optimizer's learning rate by `factor` when the monitored value has not been better than its
 * best by more than min_delta for `patience` epochs. A schedule's factor comes on top of that. Semantics and
 * defaults of Keras 3, but that nothing is printed. */
typedef struct tl_reduce_lr_on_plateau_options {
    size_t size;
    const char *monitor; /* "val_loss" */
    double factor;       /* 0.1; less than 1 */
    double min_delta;    /* 1e-4 */
    double min_lr;       /* 0: the learning rate is never reduced below this */
    int patience;        /* 10; at the first epoch that is no better: 1 */
    int cooldown;        /* 0: epochs after a reduction before waiting begins anew */
} tl_reduce_lr_on_plateau_options;
TL_API tl_callback *tl_reduce_lr_on_plateau_with(const tl_reduce_lr_on_plateau_options *options);
#define tl_reduce_lr_on_plateau(...)                                                                         \
    tl_reduce_lr_on_plateau_with(                                                                            \
        &(tl_reduce_lr_on_plateau_options){.size = sizeof(tl_reduce_lr_on_plateau_options), __VA_ARGS__})

/* Saves the weights with tl_save at the end of every epoch, or of every one that is the best so far. */
typedef struct tl_model_checkpoint_options {
    size_t size;
    const char *path;    /* checked before training starts */
    const char *monitor; /* "val_loss" */
    bool save_best_only;
} tl_model_checkpoint_options;
TL_API tl_callback *tl_model_checkpoint_with(const tl_model_checkpoint_options *options);
#define tl_model_checkpoint(...)                                                                             \
    tl_model_checkpoint_with(                                                                                \
        &(tl_model_checkpoint_options){.size = sizeof(tl_model_checkpoint_options), .path = __VA_ARGS__})

/* Writes epoch,seconds,loss,accuracy,val_loss,val_accuracy, a line an epoch; what there is none of is left
 * empty. The file is opened before training starts. When training goes on from a checkpoint so does the log,
 * which then has each epoch once. */
TL_API tl_callback *tl_csv_log(const char *path);

#endif
