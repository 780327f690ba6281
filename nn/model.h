/* Models: layers put together, trained, measured, used and kept. Rests on module.h, loss.h, optim/ and data/.
 *
 *     tl_model *model = tl_sequential(tl_embedding(10000, 32), tl_simple_rnn(32),
 *                                     tl_dense(1, .activation = TL_SIGMOID));
 *     tl_compile(model, .optimizer = tl_rmsprop(), .loss = TL_BINARY_CROSSENTROPY);
 *     tl_history *history = tl_fit(model, reviews, .epochs = 10, .batch_size = 128, .validation_split = 0.2);
 *
 * Errors stick: a model that could not be made is NULL, one that failed to compile remembers why, and tl_fit
 * reports either. A model is for one thread at a time; inside, batches are cut into shards of rows for
 * tl_threads() threads, and no result depends on how many those are, bit for bit.
 */
#ifndef TL_NN_MODEL_H
#define TL_NN_MODEL_H

#include "../data/dataset.h"
#include "../data/safetensors.h"
#include "../optim/optimizer.h"
#include "callback.h"
#include "layers.h"
#include "loss.h"
#include "rnn.h"

#include <signal.h>
#include <stdio.h>

typedef struct tl_model tl_model;

/* Layers one after the other. They belong to the model, and are freed even when this fails, unless because
 * one of them is in a model already. The caller frees the model. tl_sequential(tl_dense(8), tl_dense(1)) */
TL_API tl_model *tl_sequential_of(tl_module *const layers[], int count);
#define tl_sequential(...)                                                                                   \
    tl_sequential_of((tl_module *[]){__VA_ARGS__},                                                           \
                     (int)(sizeof((tl_module *[]){__VA_ARGS__}) / sizeof(tl_module *)))

/* Frees the model with its layers and optimizer. NULL is fine. */
TL_API void tl_model_free(tl_model *model);

typedef struct tl_compile_options {
    size_t size;
    tl_optimizer *optimizer; /* must be given; belongs to the model, even when this fails */
    tl_loss loss;
    bool from_logits; /* predictions are logits: there is no final sigmoid or softmax */
} tl_compile_options;

/* Says how the model is trained. A final sigmoid or softmax that belongs to the loss is taken off the last
 * layer and computed with the loss, in the stable form; tl_predict puts it on again. Accuracy is measured
 * where the loss has one. Once for a model. */
TL_API tl_status tl_compile_with(tl_model *model, const tl_compile_options *options);
#define tl_compile(model, ...)                                                                               \
    tl_compile_with(model, &(tl_compile_options){.size = sizeof(tl_compile_options), __VA_ARGS__})

/* Makes the weights for inputs of a shape, batch left out, in f32 or f64; what is drawn is a function of the
 * seed. The first extent, that of time, may be TL_ANY: each data set may then have a number of steps of its
 * own, tl_shape(TL_ANY, 1). tl_fit builds by itself for f32 and the shape of its data, with its own seed.
 * Once for a model. */
TL_API tl_status tl_build(tl_model *model, tl_shape input, tl_dtype dtype, uint64_t seed);

/* Writes a table of the layers, their output shapes and their numbers of weights. Needs tl_build. */
TL_API tl_status tl_summary(const tl_model *model, FILE *to);

typedef struct tl_fit_options {
    size_t size;
    tl_dataset data;
    int epochs;                 /* 1 */
    int64_t batch_size;         /* 32 */
    double validation_split;    /* of the data, from its end, before it is shuffled; 0: none */
    tl_dataset validation_data; /* instead of a split */
    bool no_shuffle;            /* batches in the data's order, every epoch */
    uint64_t seed;              /* of weights (if not built), shuffling and dropout */
    int verbose;                /* 1: a bar on a terminal, a line an epoch elsewhere, on stderr; 0: nothing */
    tl_callback_list callbacks; /* belong to this call; tl_callbacks(...) */

    const char *checkpoint;   /* a file that keeps all of the training (checkpoint.h); NULL: none */
    int64_t checkpoint_every; /* steps from one to the next, besides the one at the end; 0: an epoch */
    bool resume;              /* go on from the checkpoint if the file is there */
    const char *settings;     /* a text that a checkpoint keeps: what else tells this training from others */
    const volatile sig_atomic_t *stop; /* looked at between steps: other than 0, training ends here */
} tl_fit_options;

/* Trains. Returns what happened, epoch by epoch, or NULL with the error set; the caller frees it. Data may
 * have fewer samples than a batch, but at least one, and a split must leave one on either side. A batch of
 * which a mask lets nothing count is a step with gradients of 0. NaN and infinity in features, or what a
 * learning rate makes of weights, are no error: they go through to loss and weights.
 *
 * With a checkpoint, training that ended early, in whatever way, goes on with .resume where the file was
 * written last, and ends with the same bits, as if it had never ended: weights, history (but for seconds,
 * which are 0 for epochs from before), what callbacks do, and the checkpoint. It may be for more epochs than
 * at first; one that a callback has ended stays ended. Where there is no file training starts anew.
 *
 * A file of another training is an error before anything is changed: of other layers, loss or optimizer, with
 * another shape or order of the data, batch size, seed, first learning rate, callbacks of other kinds or
 * that look at something else, or another .settings, a place for what tl_fit cannot see, such as a rate of
 * dropout, a patience, or where the data are from. A checkpoint that cannot be written ends training with an
 * error; the one from before is then as it was.
 *
 * .stop is for handlers of signals, which may do little else than set a flag: the step at hand is finished,
 * the checkpoint written, and training ends as if a callback had stopped it, with the history of the epochs
 * that are complete. */
TL_API tl_history *tl_fit_with(tl_model *model, const tl_fit_options *options);
#define tl_fit(model, ...)                                                                                   \
    tl_fit_with(model, &(tl_fit_options){.size = sizeof(tl_fit_options), .data = __VA_ARGS__})

/* Loss and accuracy over a data set, in inference mode. batch_size 0: 32. No samples at all are an error; if
 * a mask leaves no row or step that counts, loss and accuracy are NaN. */
TL_API tl_status tl_evaluate(tl_model *model, tl_dataset data, int64_t batch_size, tl_metrics *metrics);

/* Outputs for inputs [samples, ...], in inference mode, as a new tensor that the caller frees; empty with the
 * error set. There may be no samples. batch_size 0: 32. A sample's output does not depend on the others, bit
 * for bit. */
TL_API tl_tensor tl_predict(tl_model *model, tl_tensor x, int64_t batch_size);

/* Keras's train_on_batch and predict_on_batch: a batch given whole, for training loops and streams of one's
 * own. From the second call with the same shapes on, nothing is allocated from the heap.
 *
 * One step of training: the loss of x [batch, ...] against y [batch, ...], averaged over the rows, and over
 * their steps where they are sequences, its gradient, and a step of the optimizer. What tl_fit does with this
 * one batch, bit for bit: dropout draws from the seed of tl_build and the optimizer's number of steps, and a
 * model that is not built yet is, in f32 for the shape of x, with seed 0. Stateful layers go on from call to
 * call. `metrics`, unless NULL, gets loss and accuracy as they were before the step, in training mode. x and
 * y are the caller's, and only read. A model that is not compiled, no rows, and shapes that do not fit the
 * model or each other are errors; the weights then stay as they were. */
TL_API tl_status tl_train_on_batch(tl_model *model, tl_tensor x, tl_tensor y, tl_metrics *metrics);

/* Outputs for x [batch, ...], in inference mode, written to `out`, the caller's: of the model's type and the
 * shape that tl_predict returns, and any view, such as one step of longer outputs, but none of x. What
 * tl_predict returns with batch_size = batch, bit for bit; stateful layers go on in the same way, so that a
 * sequence may be given step by step as it comes, [1, 1, features] at a time. A model that is not built, and
 * shapes or types that do not fit are errors; out then stays as it was. */
TL_API tl_status tl_predict_on_batch(tl_model *model, tl_tensor x, tl_tensor out);

/* Whether the model looks for NaN and infinity in all that it computes (at first: no): tl_fit, tl_evaluate,
 * tl_predict and their like then end with TL_ERROR_NUMERIC and a message that says where the first one came
 * from, down to layer, time step and op (autograd/trace.h), be it forwards, on the way back, in the gradients
 * of the batch or in the weights after a step of the optimizer, which are as that step left them. What is
 * computed stays the same bit for bit. It takes several times as long: recurrent layers then take their steps
 * one by one. NULL is fine. */
TL_API void tl_model_set_detect_anomaly(tl_model *model, bool detects);

/* Makes stateful layers forget the states they carry from batch to batch. */
TL_API tl_status tl_reset_states(tl_model *model);

/* The most memory, in bytes, that a batch took so far: for what training or predicting recorded, on all
 * threads together, and for the gradients of its shards. Weights, the optimizer's state and data come on top
 * of it. */
TL_API size_t tl_model_peak_bytes(const tl_model *model);

/* The output for a batch on a tape of one's own, logits where tl_compile took the final activation off. */
TL_API tl_var *tl_forward(tl_model *model, tl_var *x);

/* The model's parameters, in order of layers; *count tells how many. NULL before tl_build. They belong to the
 * model. */
TL_API tl_parameter *const *tl_model_parameters(const tl_model *model, int *count);

TL_API tl_optimizer *tl_model_optimizer(const tl_model *model);

/* Writes the weights as a safetensors file, atomically; tl_save_with adds metadata of the caller's. */
TL_API tl_status tl_save(const tl_model *model, const char *path);
TL_API tl_status tl_save_with(const tl_model *model, const char *path, const tl_metadata metadata[],
                              int count);

/* Reads weights into a built model of the same layers. A file that is not one, is cut short, has other names
 * or shapes, or holds NaN or infinity is an error and leaves the model as it was. */
TL_API tl_status tl_load_weights(tl_model *model, const char *path);

/* The same from a file that was read before. */
TL_API tl_status tl_load_weights_from(tl_model *model, const tl_safetensors *file);

#endif
