/* What tl_fit keeps in a checkpoint, and how it goes on from one. */
#include "data/safetensors.h"
#include "nn/fit_internal.h"
#include "nn/model_internal.h"
#include "tensor/memory_internal.h"

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static const char history_name[] = "training/history";

/* The values of an epoch, in the order of a row of the history; times are left out, so that a checkpoint is
 * the same whenever and wherever it was made. */
enum { VALUES = 4 };

static void put_epoch(const tl_epoch *epoch, double row[VALUES])
{
    const double values[VALUES] = {epoch->train.loss, epoch->train.accuracy, epoch->validation.loss,
                                   epoch->validation.accuracy};
    memcpy(row, values, sizeof values);
}

static tl_epoch get_epoch(const tl_fitting *f, int i, const double row[VALUES])
{
    return (tl_epoch){.epoch = i + 1,
                      .epochs = f->options.epochs,
                      .train = {row[0], row[1]},
                      .validation = {row[2], row[3]},
                      .has_accuracy = tl_loss_has_accuracy(f->model->loss),
                      .has_validation = tl_dataset_ok(f->validation)};
}

/* --- What is kept --- */

/* What the course of a training depends on. The number of epochs is not among it: there may be more. */
static tl_status note_training(tl_fitting *f)
{
    const tl_fit_options *o = &f->options;
    tl_memory *m = &f->kept.memory;
    const bool validates = tl_dataset_ok(f->validation);
    if (tl_memory_fact(m, "batch size", "%lld", (long long)o->batch_size) != TL_OK ||
        tl_memory_fact(m, "seed", "%llu", (unsigned long long)o->seed) != TL_OK ||
        tl_memory_fact(m, "first learning rate", "%.17g", tl_optimizer_learning_rate(f->model->optimizer)) !=
            TL_OK ||
        tl_memory_fact(m, "order of data", "%s", o->no_shuffle ? "their own" : "shuffled") != TL_OK ||
        tl_memory_fact(m, "data", "%s to %s", TL_SHAPE_TEXT(f->train.x.shape),
                       TL_SHAPE_TEXT(f->train.y.shape)) != TL_OK ||
        tl_memory_fact(m, "validation data", "%s",
                       validates ? TL_SHAPE_TEXT(f->validation.x.shape) : "none") != TL_OK)
        return tl_error_status();
    return tl_memory_fact(m, "settings", "%s", o->settings ? o->settings : "");
}

static tl_status remember_callbacks(tl_fitting *f)
{
    tl_memory *m = &f->kept.memory;
    for (int i = 0; i < f->options.callbacks.count; i++) {
        tl_callback *c = f->options.callbacks.items[i];
        snprintf(m->scope, sizeof m->scope, "callback/%d", i);
        if (c->remember && c->remember(c, f->model, m) != TL_OK)
            return tl_error_status();
    }
    m->scope[0] = '\0';
    return TL_OK;
}

static tl_status remember_place(tl_fitting *f)
{
    tl_memory *m = &f->kept.memory;
    tl_batch_run *run = &f->training;
    if (tl_memory_count(m, "training/batch", &f->batch, tl_fitting_batches(f)) != TL_OK ||
        tl_memory_count(m, "training/stopped", &f->stopped, 1) != TL_OK ||
        tl_remember(m, "training/loss", &run->sums_loss) != TL_OK ||
        tl_remember(m, "training/right", &run->sums_right) != TL_OK)
        return tl_error_status();
    return tl_remember(m, "training/weight", &run->sums_weight);
}

/* Puts the history so far where the memory finds it. */
static tl_status update_history(tl_fitting *f)
{
    tl_tensor_free(&f->kept_history);
    f->kept_history = tl_tensor_new(TL_F64, tl_shape(f->history->count, VALUES));
    double *rows = f->kept_history.storage ? tl_data_mut(f->kept_history) : NULL;
    if (!rows)
        return tl_error_status();
    for (int i = 0; i < f->history->count; i++)
        put_epoch(&f->history->epochs[i], rows + (size_t)i * VALUES);
    return TL_OK;
}

static tl_status remember_all(tl_fitting *f)
{
    if (tl_kept_model_start(&f->kept, f->model, "of tl_fit") != TL_OK || note_training(f) != TL_OK ||
        remember_place(f) != TL_OK || remember_callbacks(f) != TL_OK || update_history(f) != TL_OK)
        return tl_error_status();
    return tl_memory_rows(&f->kept.memory, history_name, f->kept_history);
}

tl_status tl_fitting_save(tl_fitting *f)
{
    if (update_history(f) != TL_OK)
        return tl_error_status();
    tl_memory_replace(&f->kept.memory, history_name, f->kept_history);
    return tl_kept_model_write(&f->kept, f->options.checkpoint);
}

void tl_fitting_forget(tl_fitting *f)
{
    tl_kept_model_free(&f->kept);
    tl_tensor_free(&f->kept_history);
}

/* --- Going on --- */

static tl_status take_history(tl_fitting *f)
{
    tl_tensor found = tl_memory_take(&f->kept.memory, history_name);
    const int count = (int)found.shape.dims[0];
    const double *rows = tl_data(found);
    tl_status status = TL_OK;
    if (count > f->options.epochs) {
        tl_release(f->history->epochs);
        f->history->epochs = tl_allocate((size_t)count * sizeof *f->history->epochs);
        status = f->history->epochs ? TL_OK : TL_ERROR_MEMORY;
    }
    for (int i = 0; i < count && status == TL_OK; i++)
        f->history->epochs[i] = get_epoch(f, i, rows + (size_t)i * VALUES);
    f->history->count = status == TL_OK ? count : 0;
    tl_tensor_free(&found);
    return status;
}

static bool is_there(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 || errno != ENOENT;
}

tl_status tl_fitting_resume(tl_fitting *f)
{
    const tl_fit_options *o = &f->options;
    if (tl_safetensors_writable(o->checkpoint) != TL_OK || remember_all(f) != TL_OK)
        return tl_error_status();
    if (!o->resume)
        return TL_OK;
    bool found = is_there(o->checkpoint);
    if (found && (tl_kept_model_read(&f->kept, o->checkpoint) != TL_OK || take_history(f) != TL_OK))
        return tl_error_status();
    f->training.step_number = (uint64_t)tl_optimizer_steps(f->model->optimizer);
    tl_progress_resume(&f->progress, found ? f->history->count : -1, f->batch, o->checkpoint);
    return TL_OK;
}
