/* The training loop, and the same without training: fit, evaluate, predict. */
#include "nn/fit_internal.h"
#include "nn/model_internal.h"
#include "tensor/memory_internal.h"
#include "tensor/options_internal.h"
#include "tensor/random.h"

#include <math.h>

enum { STANDARD_BATCH = 32, SHUFFLE_STREAM = 0x51 };

static tl_status check_options(tl_fit_options *o)
{
    if (o->epochs < 0 || o->batch_size < 0)
        return tl_error(TL_ERROR_ARGUMENT, "fit: %d epochs in batches of %lld, expected at least 1",
                        o->epochs, (long long)o->batch_size);
    if (o->checkpoint_every < 0)
        return tl_error(TL_ERROR_ARGUMENT, "fit: checkpoint_every %lld steps, expected 0 or more",
                        (long long)o->checkpoint_every);
    if (!o->checkpoint && (o->resume || o->checkpoint_every > 0))
        return tl_error(TL_ERROR_ARGUMENT, "fit: %s without a checkpoint",
                        o->resume ? "resume" : "checkpoint_every");
    if (!(o->validation_split >= 0 && o->validation_split < 1))
        return tl_error(TL_ERROR_ARGUMENT, "fit: validation_split %g, expected 0 <= split < 1",
                        o->validation_split);
    if (o->validation_split > 0 && tl_dataset_ok(o->validation_data))
        return tl_error(TL_ERROR_ARGUMENT, "fit: both validation_split %g and validation_data",
                        o->validation_split);
    for (int i = 0; i < o->callbacks.count; i++)
        if (!o->callbacks.items[i])
            return tl_missing("fit", "callback");
    o->epochs = o->epochs ? o->epochs : 1;
    o->batch_size = o->batch_size ? o->batch_size : STANDARD_BATCH;
    return tl_dataset_ok(o->data) ? TL_OK : tl_missing("fit", "data");
}

/* As in Keras: the validation part is the end of the data as they come. */
static tl_status split(tl_fitting *f)
{
    const tl_fit_options *o = &f->options;
    int64_t size = tl_dataset_size(o->data);
    int64_t kept = o->validation_split > 0 ? (int64_t)floor((double)size * (1 - o->validation_split)) : size;
    if (size < 1)
        return tl_error(TL_ERROR_ARGUMENT, "fit: no samples to train on");
    if (tl_dataset_ok(o->validation_data) && tl_dataset_size(o->validation_data) < 1)
        return tl_error(TL_ERROR_ARGUMENT, "fit: validation_data has no samples");
    f->train = tl_dataset_slice(o->data, 0, kept);
    f->validation =
        o->validation_split > 0 ? tl_dataset_slice(o->data, kept, size - kept) : o->validation_data;
    if (kept < 1 || (o->validation_split > 0 && size - kept < 1))
        return tl_error(TL_ERROR_ARGUMENT, "fit: %lld samples cannot be split with validation_split %g",
                        (long long)size, o->validation_split);
    return TL_OK;
}

static tl_status prepare(tl_fitting *f)
{
    if (check_options(&f->options) != TL_OK || tl_model_check("fit", f->model, true, false) != TL_OK ||
        split(f) != TL_OK || tl_build_for(f->model, f->train.x.shape, f->options.seed) != TL_OK)
        return tl_error_status();
    const tl_fit_options *o = &f->options;
    f->training = (tl_batch_run){.model = f->model,
                                 .data = f->train,
                                 .batch_size = o->batch_size,
                                 .mode = TL_BATCH_TRAIN,
                                 .seed = o->seed,
                                 .step_number = (uint64_t)tl_optimizer_steps(f->model->optimizer)};
    f->validating = (tl_batch_run){
        .model = f->model, .data = f->validation, .batch_size = o->batch_size, .mode = TL_BATCH_EVALUATE};
    if (tl_batch_start(&f->training) != TL_OK)
        return tl_error_status();
    if (tl_dataset_ok(f->validation) && tl_batch_start(&f->validating) != TL_OK)
        return tl_error_status();
    int64_t size = tl_dataset_size(f->train);
    f->order = tl_allocate_raw((size_t)size * sizeof *f->order);
    f->history = tl_allocate(sizeof *f->history);
    if (f->history)
        f->history->epochs = tl_allocate((size_t)o->epochs * sizeof *f->history->epochs);
    if (!f->order || !f->history || !f->history->epochs)
        return TL_ERROR_MEMORY;
    for (int64_t i = 0; i < size; i++)
        f->order[i] = i;
    f->training.order = f->order;
    tl_progress_start(&f->progress, o->verbose > 0);
    return o->checkpoint ? tl_fitting_resume(f) : TL_OK;
}

/* Batch i of a run, counted from 0. */
static tl_status run_batch(tl_batch_run *run, int64_t i)
{
    const int64_t start = i * run->batch_size, left = run->data.x.shape.dims[0] - start;
    return tl_batch_process(run, start, left < run->batch_size ? left : run->batch_size);
}

static int64_t batches_of(const tl_batch_run *run)
{
    const int64_t size = run->data.x.shape.dims[0];
    return size / run->batch_size + (size % run->batch_size != 0);
}

int64_t tl_fitting_batches(const tl_fitting *f)
{
    return batches_of(&f->training);
}

/* All of a data set, batch after batch. Stateful layers start anew, except for predictions, which a caller
 * may make bit by bit. */
static tl_status run_through(tl_batch_run *run)
{
    if (run->mode != TL_BATCH_PREDICT)
        tl_reset_states(run->model);
    for (int64_t i = 0; i < batches_of(run); i++)
        if (run_batch(run, i) != TL_OK)
            return tl_error_status();
    return TL_OK;
}

/* Whether somebody outside wants training to stop. */
static bool is_called_off(const tl_fitting *f)
{
    return f->options.stop && *f->options.stop;
}

/* Whether the steps so far call for a checkpoint in the middle of an epoch. */
static bool is_due(const tl_fitting *f)
{
    const tl_fit_options *o = &f->options;
    return o->checkpoint_every > 0 && tl_optimizer_steps(f->model->optimizer) % o->checkpoint_every == 0;
}

/* Whether the end of an epoch does. */
static bool is_due_after_epoch(const tl_fitting *f)
{
    const tl_fit_options *o = &f->options;
    return o->checkpoint &&
           (o->checkpoint_every == 0 || is_due(f) || f->stopped || f->history->count >= o->epochs);
}

/* The batches of an epoch that are still to come, or some of them, if training is called off. */
static tl_status train_batches(tl_fitting *f, const tl_epoch *epoch)
{
    const int64_t batches = tl_fitting_batches(f);
    if (f->batch == 0)
        tl_reset_states(f->model);
    while (f->batch < batches && !is_called_off(f)) {
        if (run_batch(&f->training, f->batch) != TL_OK)
            return tl_error_status();
        f->batch++;
        tl_progress_batch(&f->progress, epoch, f->batch, batches);
        if (f->batch < batches && is_due(f) && tl_fitting_save(f) != TL_OK)
            return tl_error_status();
    }
    return TL_OK;
}

static tl_status validate(tl_fitting *f, tl_epoch *epoch)
{
    epoch->train = tl_batch_take_metrics(&f->training);
    epoch->validation = (tl_metrics){(double)NAN, (double)NAN};
    if (!tl_dataset_ok(f->validation))
        return TL_OK;
    if (run_through(&f->validating) != TL_OK)
        return tl_error_status();
    epoch->validation = tl_batch_take_metrics(&f->validating);
    return TL_OK;
}

/* *whole: it was not called off. */
static tl_status run_epoch(tl_fitting *f, tl_epoch *epoch, bool *whole)
{
    double started = tl_seconds();
    tl_progress_epoch(&f->progress);
    if (!f->options.no_shuffle)
        tl_random_permutation(f->options.seed, (uint64_t)SHUFFLE_STREAM << 56 | (uint64_t)epoch->epoch,
                              tl_dataset_size(f->train), f->order);
    if (train_batches(f, epoch) != TL_OK)
        return tl_error_status();
    *whole = !is_called_off(f);
    if (*whole && validate(f, epoch) != TL_OK)
        return tl_error_status();
    epoch->seconds = tl_seconds() - started;
    return TL_OK;
}

static tl_status begin_callbacks(const tl_fitting *f)
{
    for (int i = 0; i < f->options.callbacks.count; i++) {
        tl_callback *c = f->options.callbacks.items[i];
        if (c->begin && c->begin(c, f->model) != TL_OK)
            return tl_error_status();
    }
    return TL_OK;
}

static tl_status epoch_callbacks(const tl_fitting *f, const tl_epoch *epoch, bool *stop)
{
    for (int i = 0; i < f->options.callbacks.count; i++) {
        tl_callback *c = f->options.callbacks.items[i];
        if (c->epoch_end && c->epoch_end(c, f->model, epoch, stop) != TL_OK)
            return tl_error_status();
    }
    return TL_OK;
}

static tl_status end_callbacks(const tl_fitting *f)
{
    for (int i = 0; i < f->options.callbacks.count; i++) {
        tl_callback *c = f->options.callbacks.items[i];
        if (c->end && c->end(c, f->model) != TL_OK)
            return tl_error_status();
    }
    return TL_OK;
}

static tl_status finish_epoch(tl_fitting *f, const tl_epoch *epoch)
{
    bool stop = false;
    f->history->count++;
    f->batch = 0;
    tl_progress_line(&f->progress, epoch);
    if (epoch_callbacks(f, epoch, &stop) != TL_OK)
        return tl_error_status();
    f->stopped = stop;
    return is_due_after_epoch(f) ? tl_fitting_save(f) : TL_OK;
}

static tl_status train(tl_fitting *f)
{
    if (begin_callbacks(f) != TL_OK)
        return tl_error_status();
    bool whole = true;
    while (whole && f->history->count < f->options.epochs && !f->stopped) {
        const int i = f->history->count;
        tl_epoch *epoch = &f->history->epochs[i];
        *epoch = (tl_epoch){.epoch = i + 1,
                            .epochs = f->options.epochs,
                            .has_accuracy = tl_loss_has_accuracy(f->model->loss),
                            .has_validation = tl_dataset_ok(f->validation)};
        if (run_epoch(f, epoch, &whole) != TL_OK || (whole && finish_epoch(f, epoch) != TL_OK))
            return tl_error_status();
    }
    if (!whole && f->options.checkpoint && tl_fitting_save(f) != TL_OK)
        return tl_error_status();
    return end_callbacks(f);
}

tl_history *tl_fit_with(tl_model *model, const tl_fit_options *options)
{
    tl_fitting f = {.model = model};
    tl_options_read(&f.options, sizeof f.options, options);
    tl_status status = prepare(&f);
    if (status == TL_OK)
        status = train(&f);
    for (int i = 0; i < f.options.callbacks.count; i++) {
        tl_callback *c = f.options.callbacks.items[i];
        if (c && c->free)
            c->free(c);
    }
    tl_fitting_forget(&f);
    tl_release(f.order);
    if (status == TL_OK)
        return f.history;
    tl_history_free(f.history);
    return NULL;
}

static tl_status set_batch_size(tl_batch_run *run, const char *what, int64_t batch_size)
{
    if (batch_size < 0)
        return tl_error(TL_ERROR_ARGUMENT, "%s: batches of %lld, expected at least 1", what,
                        (long long)batch_size);
    run->batch_size = batch_size ? batch_size : STANDARD_BATCH;
    return TL_OK;
}

tl_status tl_evaluate(tl_model *model, tl_dataset data, int64_t batch_size, tl_metrics *metrics)
{
    if (tl_model_check("evaluate", model, true, true) != TL_OK)
        return tl_error_status();
    if (!tl_dataset_ok(data) || !metrics)
        return tl_missing("evaluate", metrics ? "data" : "place for the metrics");
    if (tl_dataset_size(data) < 1)
        return tl_error(TL_ERROR_ARGUMENT, "evaluate: no samples");
    tl_batch_run run = {.model = model, .data = data, .mode = TL_BATCH_EVALUATE};
    tl_status status = set_batch_size(&run, "evaluate", batch_size);
    if (status == TL_OK)
        status = tl_batch_start(&run);
    if (status == TL_OK)
        status = run_through(&run);
    if (status == TL_OK)
        *metrics = tl_batch_take_metrics(&run);
    return status;
}

tl_tensor tl_predict(tl_model *model, tl_tensor x, int64_t batch_size)
{
    if (tl_model_check("predict", model, false, true) != TL_OK || !x.storage)
        return (tl_tensor){0};
    tl_batch_run run = {.model = model, .data = {.x = x}, .mode = TL_BATCH_PREDICT};
    if (set_batch_size(&run, "predict", batch_size) != TL_OK || tl_batch_start(&run) != TL_OK)
        return (tl_tensor){0};
    run.outputs = tl_tensor_new(model->dtype, tl_batch_output_shape(&run));
    if (run.outputs.storage && run_through(&run) != TL_OK)
        tl_tensor_free(&run.outputs);
    return run.outputs;
}
