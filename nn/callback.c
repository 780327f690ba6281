#include "nn/callback.h"
#include "nn/model.h"
#include "nn/monitor_internal.h"
#include "nn/run_log_internal.h"
#include "tensor/error_internal.h"
#include "tensor/memory_internal.h"
#include "tensor/options_internal.h"

#include <math.h>
#include <string.h>

tl_status tl_monitor_start(tl_monitor *monitor, const char *key, double min_delta)
{
    key = key ? key : "val_loss";
    tl_epoch probe = {0};
    if (isnan(tl_epoch_value(&probe, key)))
        return tl_error_status();
    memset(monitor, 0, sizeof *monitor);
    strncpy(monitor->key, key, sizeof monitor->key - 1);
    monitor->best = (double)NAN;
    monitor->min_delta = min_delta;
    return TL_OK;
}

tl_status tl_monitor_see(tl_monitor *monitor, const tl_epoch *epoch, bool *better)
{
    double value = tl_epoch_value(epoch, monitor->key);
    if (strncmp(monitor->key, "val_", 4) == 0 && !epoch->has_validation)
        return tl_error(TL_ERROR_STATE, "monitor: there is no %s without validation data", monitor->key);
    if (strstr(monitor->key, "accuracy") && !epoch->has_accuracy)
        return tl_error(TL_ERROR_STATE, "monitor: there is no %s with this loss", monitor->key);
    double gain = monitor->best - value;
    if (strstr(monitor->key, "accuracy"))
        gain = -gain;
    *better = isnan(monitor->best) ? !isnan(value) : gain > monitor->min_delta;
    if (*better)
        monitor->best = value;
    return TL_OK;
}

tl_status tl_monitor_remember(tl_monitor *monitor, tl_memory *memory, const char *what)
{
    char name[64];
    snprintf(name, sizeof name, "%s/best_%s", what, monitor->key);
    return tl_remember(memory, name, &monitor->best);
}

/* --- early stopping --- */

typedef struct early_stopping {
    tl_callback callback;
    tl_monitor monitor;
    int64_t patience, waited;
    bool restore;
    tl_tensor *best; /* weights of the best epoch, one tensor a parameter */
    int count;
} early_stopping;

/* Zeros in the place of the best weights, while there are none. */
static tl_status make_room(early_stopping *e, struct tl_model *model)
{
    int count;
    tl_parameter *const *parameters = tl_model_parameters(model, &count);
    if (!e->best) {
        e->best = tl_allocate((size_t)count * sizeof *e->best);
        e->count = e->best ? count : 0;
    }
    for (int i = 0; i < e->count; i++) {
        tl_tensor value = parameters[i]->value;
        if (!e->best[i].storage)
            e->best[i] = tl_tensor_new(value.dtype, value.shape);
        if (!e->best[i].storage)
            return tl_error_status();
    }
    return e->best ? TL_OK : TL_ERROR_MEMORY;
}

static tl_status keep_weights(early_stopping *e, struct tl_model *model)
{
    int count;
    tl_parameter *const *parameters = tl_model_parameters(model, &count);
    if (make_room(e, model) != TL_OK)
        return tl_error_status();
    for (int i = 0; i < e->count; i++)
        if (tl_tensor_copy(e->best[i], parameters[i]->value) != TL_OK)
            return tl_error_status();
    return TL_OK;
}

static tl_status early_remember(tl_callback *callback, struct tl_model *model, tl_memory *memory)
{
    early_stopping *e = (early_stopping *)callback;
    int count;
    tl_parameter *const *parameters = tl_model_parameters(model, &count);
    if (tl_monitor_remember(&e->monitor, memory, "early_stopping") != TL_OK ||
        tl_remember_count(memory, "early_stopping/waited", &e->waited) != TL_OK ||
        (e->restore && make_room(e, model) != TL_OK))
        return tl_error_status();
    for (int i = 0; i < e->count; i++)
        if (tl_remember_tensor(memory, parameters[i]->name, e->best[i]) != TL_OK)
            return tl_error_status();
    return TL_OK;
}

static tl_status early_epoch_end(tl_callback *callback, struct tl_model *model, const tl_epoch *epoch,
                                 bool *stop)
{
    early_stopping *e = (early_stopping *)callback;
    bool better;
    if (tl_monitor_see(&e->monitor, epoch, &better) != TL_OK)
        return tl_error_status();
    e->waited = better ? 0 : e->waited + 1;
    if (e->waited > 0 && e->waited >= e->patience)
        *stop = true;
    return better && e->restore ? keep_weights(e, model) : TL_OK;
}

static tl_status early_end(tl_callback *callback, struct tl_model *model)
{
    early_stopping *e = (early_stopping *)callback;
    int count;
    tl_parameter *const *parameters = tl_model_parameters(model, &count);
    for (int i = 0; i < e->count && !isnan(e->monitor.best); i++)
        if (tl_tensor_copy(parameters[i]->value, e->best[i]) != TL_OK)
            return tl_error_status();
    return TL_OK;
}

static void early_free(tl_callback *callback)
{
    early_stopping *e = (early_stopping *)callback;
    for (int i = 0; i < e->count; i++)
        tl_tensor_free(&e->best[i]);
    tl_release(e->best);
    tl_release(e);
}

tl_callback *tl_early_stopping_with(const tl_early_stopping_options *options)
{
    tl_early_stopping_options o;
    tl_options_read(&o, sizeof o, options);
    if (o.patience < 0 || !(o.min_delta >= 0)) {
        tl_error(TL_ERROR_ARGUMENT, "early_stopping: patience %d and min_delta %g, expected 0 or more",
                 o.patience, o.min_delta);
        return NULL;
    }
    early_stopping *e = tl_allocate(sizeof *e);
    if (!e)
        return NULL;
    e->callback = (tl_callback){
        .epoch_end = early_epoch_end, .end = early_end, .free = early_free, .remember = early_remember};
    e->patience = o.patience;
    e->restore = o.restore_best_weights;
    if (tl_monitor_start(&e->monitor, o.monitor, o.min_delta) == TL_OK)
        return &e->callback;
    tl_release(e);
    return NULL;
}

/* --- checkpoint --- */

typedef struct checkpoint {
    tl_callback callback;
    tl_monitor monitor;
    char *path;
    bool best_only;
} checkpoint;

static tl_status checkpoint_begin(tl_callback *callback, struct tl_model *model)
{
    (void)model;
    return tl_safetensors_writable(((checkpoint *)callback)->path);
}

static tl_status checkpoint_epoch_end(tl_callback *callback, struct tl_model *model, const tl_epoch *epoch,
                                      bool *stop)
{
    checkpoint *c = (checkpoint *)callback;
    bool better = true;
    (void)stop;
    if (c->best_only && tl_monitor_see(&c->monitor, epoch, &better) != TL_OK)
        return tl_error_status();
    return better ? tl_save(model, c->path) : TL_OK;
}

static tl_status checkpoint_remember(tl_callback *callback, struct tl_model *model, tl_memory *memory)
{
    (void)model;
    return tl_monitor_remember(&((checkpoint *)callback)->monitor, memory, "model_checkpoint");
}

static void checkpoint_free(tl_callback *callback)
{
    checkpoint *c = (checkpoint *)callback;
    tl_release(c->path);
    tl_release(c);
}

tl_callback *tl_model_checkpoint_with(const tl_model_checkpoint_options *options)
{
    tl_model_checkpoint_options o;
    tl_options_read(&o, sizeof o, options);
    if (!o.path) {
        tl_error(TL_ERROR_ARGUMENT, "model_checkpoint: no path");
        return NULL;
    }
    checkpoint *c = tl_allocate(sizeof *c);
    if (!c)
        return NULL;
    c->callback = (tl_callback){.begin = checkpoint_begin,
                                .epoch_end = checkpoint_epoch_end,
                                .free = checkpoint_free,
                                .remember = checkpoint_remember};
    c->best_only = o.save_best_only;
    c->path = tl_allocate_text(o.path);
    if (c->path && tl_monitor_start(&c->monitor, o.monitor, 0) == TL_OK)
        return &c->callback;
    checkpoint_free(&c->callback);
    return NULL;
}

/* --- CSV log --- */

typedef struct csv_log {
    tl_callback callback;
    tl_run_log log;
} csv_log;

static const char csv_header[] = "epoch,seconds,loss,accuracy,val_loss,val_accuracy";

static tl_status csv_begin(tl_callback *callback, struct tl_model *model)
{
    tl_run_log *log = &((csv_log *)callback)->log;
    bool anew;
    (void)model;
    if (tl_run_log_open(log, csv_header, &anew) != TL_OK)
        return tl_error_status();
    if (!anew)
        return TL_OK;
    fprintf(log->file, "%s\n", csv_header);
    return tl_run_log_flush(log);
}

static tl_status csv_remember(tl_callback *callback, struct tl_model *model, tl_memory *memory)
{
    (void)model;
    return tl_run_log_remember(&((csv_log *)callback)->log, memory, "csv_log/lines");
}

static tl_status csv_epoch_end(tl_callback *callback, struct tl_model *model, const tl_epoch *epoch,
                               bool *stop)
{
    tl_run_log *log = &((csv_log *)callback)->log;
    const double values[] = {epoch->train.loss, epoch->train.accuracy, epoch->validation.loss,
                             epoch->validation.accuracy};
    (void)model, (void)stop;
    fprintf(log->file, "%d,%.3f", epoch->epoch, epoch->seconds);
    for (int i = 0; i < 4; i++)
        if (isnan(values[i]))
            fputc(',', log->file);
        else
            fprintf(log->file, ",%.9g", values[i]);
    fputc('\n', log->file);
    return tl_run_log_line(log);
}

static tl_status csv_end(tl_callback *callback, struct tl_model *model)
{
    (void)model;
    return tl_run_log_close(&((csv_log *)callback)->log);
}

static void csv_free(tl_callback *callback)
{
    tl_run_log_free(&((csv_log *)callback)->log);
    tl_release(callback);
}

tl_callback *tl_csv_log(const char *path)
{
    csv_log *log = path ? tl_allocate(sizeof *log) : NULL;
    if (!log)
        return NULL;
    log->callback = (tl_callback){.begin = csv_begin,
                                  .epoch_end = csv_epoch_end,
                                  .end = csv_end,
                                  .free = csv_free,
                                  .remember = csv_remember};
    if (tl_run_log_start(&log->log, "csv_log", path) == TL_OK)
        return &log->callback;
    csv_free(&log->callback);
    return NULL;
}
