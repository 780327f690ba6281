/* A learning rate that falls when training no longer gets better. */
#include "nn/model.h"
#include "nn/monitor_internal.h"
#include "tensor/memory_internal.h"
#include "tensor/options_internal.h"

#include <math.h>

enum { STANDARD_PATIENCE = 10 };

typedef struct plateau {
    tl_callback callback;
    tl_monitor monitor;
    double factor, min_lr;
    int64_t patience, cooldown;
    int64_t waited, resting; /* epochs no better; epochs of the cooldown still to come */
} plateau;

/* As in Keras: an epoch of the cooldown, but for its last, is not waited in. */
static tl_status plateau_epoch_end(tl_callback *callback, struct tl_model *model, const tl_epoch *epoch,
                                   bool *stop)
{
    plateau *p = (plateau *)callback;
    bool better;
    (void)stop;
    if (tl_monitor_see(&p->monitor, epoch, &better) != TL_OK)
        return tl_error_status();
    if (p->resting > 0) {
        p->resting--;
        p->waited = 0;
    }
    if (better)
        p->waited = 0;
    else if (p->resting == 0)
        p->waited++;
    tl_optimizer *optimizer = tl_model_optimizer(model);
    double rate = tl_optimizer_learning_rate(optimizer);
    if (p->waited < p->patience || rate <= p->min_lr)
        return TL_OK;
    p->waited = 0;
    p->resting = p->cooldown;
    return tl_optimizer_set_learning_rate(optimizer, fmax(rate * p->factor, p->min_lr));
}

/* The rate is the optimizer's to remember. */
static tl_status plateau_remember(tl_callback *callback, struct tl_model *model, tl_memory *memory)
{
    plateau *p = (plateau *)callback;
    (void)model;
    if (tl_monitor_remember(&p->monitor, memory, "reduce_lr_on_plateau") != TL_OK ||
        tl_remember_count(memory, "reduce_lr_on_plateau/waited", &p->waited) != TL_OK)
        return tl_error_status();
    return tl_remember_count(memory, "reduce_lr_on_plateau/resting", &p->resting);
}

static void plateau_free(tl_callback *callback)
{
    tl_release(callback);
}

static tl_status check_options(const tl_reduce_lr_on_plateau_options *o)
{
    if (!(o->factor >= 0 && o->factor < 1))
        return tl_error(TL_ERROR_ARGUMENT, "reduce_lr_on_plateau: factor %g, expected 0 <= factor < 1",
                        o->factor);
    if (o->patience < 0 || o->cooldown < 0)
        return tl_error(TL_ERROR_ARGUMENT,
                        "reduce_lr_on_plateau: patience %d and cooldown %d, expected 0 or more", o->patience,
                        o->cooldown);
    if (!(o->min_delta >= 0) || !(o->min_lr >= 0))
        return tl_error(TL_ERROR_ARGUMENT,
                        "reduce_lr_on_plateau: min_delta %g and min_lr %g, expected 0 or more", o->min_delta,
                        o->min_lr);
    return TL_OK;
}

tl_callback *tl_reduce_lr_on_plateau_with(const tl_reduce_lr_on_plateau_options *options)
{
    tl_reduce_lr_on_plateau_options o;
    tl_options_read(&o, sizeof o, options);
    plateau *p = check_options(&o) == TL_OK ? tl_allocate(sizeof *p) : NULL;
    if (!p)
        return NULL;
    p->callback =
        (tl_callback){.epoch_end = plateau_epoch_end, .free = plateau_free, .remember = plateau_remember};
    p->factor = tl_option(o.factor, 0.1);
    p->patience = o.patience ? o.patience : STANDARD_PATIENCE;
    p->cooldown = o.cooldown;
    p->min_lr = o.min_lr;
    if (tl_monitor_start(&p->monitor, o.monitor, tl_option(o.min_delta, 1e-4)) == TL_OK)
        return &p->callback;
    tl_release(p);
    return NULL;
}
