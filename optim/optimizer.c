#include "optim/optimizer_internal.h"
#include "tensor/compute_internal.h"
#include "tensor/error_internal.h"
#include "tensor/memory_internal.h"
#include "tensor/options_internal.h"
#include "tensor/tensor_internal.h"

#include <math.h>
#include <string.h>

enum { MOST_NUMBERS = 4, MOST_STATES = 2 };

/* What differs between optimizers: the kernel, its state, and how its numbers come from the settings. */
typedef struct update_rule {
    const char *name;
    int states;
    double state_start;
    tl_update update;
} update_rule;

typedef struct clipping {
    double value, norm, global_norm;
} clipping;

/* A parameter and what the optimizer remembers of it. */
typedef struct slot {
    tl_parameter *parameter;
    tl_tensor states[MOST_STATES];
} slot;

struct tl_optimizer {
    update_rule rule;
    double learning_rate;
    double settings[MOST_NUMBERS]; /* behind the learning rate, in the kernel's order */
    clipping clip;
    int64_t steps;
    slot *slots;
    int count;
    bool owned; /* by a model */
};

/* A setting with the range in which it makes sense. */
typedef struct setting {
    const char *name;
    double value, low, high; /* low <= value < high */
} setting;

static tl_status check_settings(const char *what, const setting settings[], int count)
{
    for (int i = 0; i < count; i++)
        if (!(settings[i].value >= settings[i].low && settings[i].value < settings[i].high))
            return tl_error(TL_ERROR_ARGUMENT, "%s: %s %g, expected at least %g and less than %g", what,
                            settings[i].name, settings[i].value, settings[i].low, settings[i].high);
    return TL_OK;
}

static tl_status check_clipping(const char *what, clipping clip)
{
    setting limits[] = {{"clip_value", clip.value, 0, (double)INFINITY},
                        {"clip_norm", clip.norm, 0, (double)INFINITY},
                        {"global_clip_norm", clip.global_norm, 0, (double)INFINITY}};
    if (check_settings(what, limits, 3) != TL_OK)
        return tl_error_status();
    if ((clip.value > 0) + (clip.norm > 0) + (clip.global_norm > 0) > 1)
        return tl_error(TL_ERROR_ARGUMENT,
                        "%s: only one of clip_value %g, clip_norm %g and global_clip_norm %g may be given",
                        what, clip.value, clip.norm, clip.global_norm);
    return TL_OK;
}

/* settings[0] is the learning rate; the others go to the kernel. */
static tl_optimizer *new_optimizer(update_rule rule, const setting settings[], int count, clipping clip)
{
    if (check_settings(rule.name, settings, count) != TL_OK || check_clipping(rule.name, clip) != TL_OK)
        return NULL;
    tl_optimizer *optimizer = tl_allocate(sizeof *optimizer);
    if (!optimizer)
        return NULL;
    optimizer->rule = rule;
    optimizer->learning_rate = settings[0].value;
    optimizer->clip = clip;
    for (int i = 1; i < count; i++)
        optimizer->settings[i - 1] = settings[i].value;
    return optimizer;
}

static clipping clipping_of(double value, double norm, double global_norm)
{
    return (clipping){value, norm, global_norm};
}

#define CLIPPING(o) clipping_of((o).clip_value, (o).clip_norm, (o).global_clip_norm)

static const double infinite = (double)INFINITY;

tl_optimizer *tl_sgd_with(const tl_sgd_options *options)
{
    tl_sgd_options o;
    tl_options_read(&o, sizeof o, options);
    setting settings[] = {{"learning_rate", tl_option(o.learning_rate, 0.01), 0, infinite},
                          {"momentum", o.momentum, 0, 1}};
    bool moves = o.momentum != 0;
    update_rule rule = {"sgd", moves, 0,
                        !moves       ? TL_UPDATE_SGD
                        : o.nesterov ? TL_UPDATE_NESTEROV
                                     : TL_UPDATE_MOMENTUM};
    return new_optimizer(rule, settings, 2, CLIPPING(o));
}

tl_optimizer *tl_rmsprop_with(const tl_rmsprop_options *options)
{
    tl_rmsprop_options o;
    tl_options_read(&o, sizeof o, options);
    setting settings[] = {{"learning_rate", tl_option(o.learning_rate, 0.001), 0, infinite},
                          {"rho", tl_option(o.rho, 0.9), 0, 1},
                          {"epsilon", tl_option(o.epsilon, 1e-7), 0, infinite}};
    return new_optimizer((update_rule){"rmsprop", 1, 0, TL_UPDATE_RMSPROP}, settings, 3, CLIPPING(o));
}

tl_optimizer *tl_adam_with(const tl_adam_options *options)
{
    tl_adam_options o;
    tl_options_read(&o, sizeof o, options);
    setting settings[] = {{"learning_rate", tl_option(o.learning_rate, 0.001), 0, infinite},
                          {"beta_1", tl_option(o.beta_1, 0.9), 0, 1},
                          {"beta_2", tl_option(o.beta_2, 0.999), 0, 1},
                          {"epsilon", tl_option(o.epsilon, 1e-7), 0, infinite}};
    return new_optimizer((update_rule){"adam", 2, 0, TL_UPDATE_ADAM}, settings, 4, CLIPPING(o));
}

tl_optimizer *tl_adagrad_with(const tl_adagrad_options *options)
{
    tl_adagrad_options o;
    tl_options_read(&o, sizeof o, options);
    double start = tl_option(o.initial_accumulator_value, 0.1);
    setting settings[] = {{"learning_rate", tl_option(o.learning_rate, 0.001), 0, infinite},
                          {"epsilon", tl_option(o.epsilon, 1e-7), 0, infinite},
                          {"initial_accumulator_value", start, 0, infinite}};
    return new_optimizer((update_rule){"adagrad", 1, start, TL_UPDATE_ADAGRAD}, settings, 3, CLIPPING(o));
}

static tl_optimizer *make_sgd(double rate)
{
    return tl_sgd(.learning_rate = rate);
}

static tl_optimizer *make_rmsprop(double rate)
{
    return tl_rmsprop(.learning_rate = rate);
}

static tl_optimizer *make_adam(double rate)
{
    return tl_adam(.learning_rate = rate);
}

static tl_optimizer *make_adagrad(double rate)
{
    return tl_adagrad(.learning_rate = rate);
}

tl_optimizer *tl_optimizer_by_name(const char *name, double learning_rate)
{
    static const struct {
        const char *name;
        tl_optimizer *(*make)(double rate);
    } known[] = {
        {"sgd", make_sgd}, {"rmsprop", make_rmsprop}, {"adam", make_adam}, {"adagrad", make_adagrad}};
    for (size_t i = 0; name && i < sizeof known / sizeof known[0]; i++)
        if (strcmp(known[i].name, name) == 0)
            return known[i].make(learning_rate);
    tl_error(TL_ERROR_ARGUMENT, "optimizer '%s' is not known, expected sgd, rmsprop, adam or adagrad",
             name ? name : "(NULL)");
    return NULL;
}

static void free_slots(slot *slots, int count)
{
    for (int i = 0; i < count; i++)
        for (int j = 0; j < MOST_STATES; j++)
            tl_tensor_free(&slots[i].states[j]);
    tl_release(slots);
}

void tl_optimizer_free(tl_optimizer *optimizer)
{
    if (!optimizer)
        return;
    free_slots(optimizer->slots, optimizer->count);
    tl_release(optimizer);
}

static tl_status fill_slot(const update_rule *rule, slot *s, tl_parameter *parameter)
{
    s->parameter = parameter;
    for (int i = 0; i < rule->states; i++) {
        s->states[i] = tl_tensor_new(parameter->value.dtype, parameter->value.shape);
        if (!s->states[i].storage || tl_tensor_fill(s->states[i], rule->state_start) != TL_OK)
            return TL_ERROR_MEMORY;
    }
    return TL_OK;
}

tl_status tl_optimizer_add(tl_optimizer *optimizer, tl_parameter *const parameters[], int count)
{
    if (!optimizer)
        return tl_missing("optimizer_add", "optimizer");
    for (int i = 0; i < count; i++)
        if (!parameters[i])
            return tl_missing("optimizer_add", "parameter");
    int total = optimizer->count + count;
    slot *slots = tl_allocate((size_t)total * sizeof *slots);
    if (!slots)
        return TL_ERROR_MEMORY;
    slot *added = slots + optimizer->count;
    for (int i = 0; i < count; i++)
        if (fill_slot(&optimizer->rule, &added[i], parameters[i]) != TL_OK) {
            for (int j = 0; j <= i; j++)
                for (int k = 0; k < MOST_STATES; k++)
                    tl_tensor_free(&added[j].states[k]);
            tl_release(slots);
            return TL_ERROR_MEMORY;
        }
    if (optimizer->count > 0)
        memcpy(slots, optimizer->slots, (size_t)optimizer->count * sizeof *slots);
    tl_release(optimizer->slots);
    optimizer->slots = slots;
    optimizer->count = total;
    return TL_OK;
}

tl_status tl_optimizer_hand_over(tl_optimizer *optimizer)
{
    if (optimizer->owned)
        return tl_error(TL_ERROR_STATE, "%s: this optimizer belongs to a model already",
                        optimizer->rule.name);
    optimizer->owned = true;
    return TL_OK;
}

static double square_norm(const tl_parameter *parameter)
{
    tl_tensor g = parameter->gradient;
    return tl_kernels_for(g.dtype)->square_sum(tl_tensor_count(g), tl_address(g));
}

static void scale_gradient(const tl_parameter *parameter, double factor)
{
    tl_compute_map(TL_MAP_SCALE, parameter->gradient, parameter->gradient, (tl_tensor){0},
                   (const double[]){factor, 0});
}

static void clip_gradients(const tl_optimizer *o)
{
    double total = 0;
    for (int i = 0; i < o->count; i++) {
        const tl_parameter *p = o->slots[i].parameter;
        if (!p->trainable)
            continue;
        if (o->clip.value > 0)
            tl_compute_map(TL_MAP_CLAMP, p->gradient, p->gradient, (tl_tensor){0},
                           (const double[]){-o->clip.value, o->clip.value});
        double norm = o->clip.norm > 0 || o->clip.global_norm > 0 ? sqrt(square_norm(p)) : 0;
        if (o->clip.norm > 0 && norm > o->clip.norm)
            scale_gradient(p, o->clip.norm / norm);
        total += norm * norm;
    }
    double norm = sqrt(total);
    for (int i = 0; i < o->count && o->clip.global_norm > 0 && norm > o->clip.global_norm; i++)
        if (o->slots[i].parameter->trainable)
            scale_gradient(o->slots[i].parameter, o->clip.global_norm / norm);
}

/* The numbers of the kernel: the rate, in Adam's case corrected for the bias of young means, then settings.
 */
static void kernel_numbers(const tl_optimizer *o, double p[MOST_NUMBERS])
{
    p[0] = o->learning_rate;
    if (o->rule.update == TL_UPDATE_ADAM) {
        double t = (double)o->steps;
        p[0] *= sqrt(1 - pow(o->settings[1], t)) / (1 - pow(o->settings[0], t));
    }
    memcpy(p + 1, o->settings, (MOST_NUMBERS - 1) * sizeof *p);
}

static void *state_data(tl_tensor state)
{
    return state.storage ? tl_data_mut(state) : NULL;
}

tl_status tl_optimizer_step(tl_optimizer *optimizer)
{
    if (!optimizer)
        return tl_missing("optimizer_step", "optimizer");
    clip_gradients(optimizer);
    optimizer->steps++;
    double numbers[MOST_NUMBERS];
    kernel_numbers(optimizer, numbers);
    for (int i = 0; i < optimizer->count; i++) {
        slot *s = &optimizer->slots[i];
        tl_parameter *p = s->parameter;
        if (!p->trainable)
            continue;
        tl_compute_update(p->value.dtype, optimizer->rule.update, tl_tensor_count(p->value), numbers,
                          tl_address(p->gradient), tl_data_mut(p->value), state_data(s->states[0]),
                          state_data(s->states[1]));
        tl_parameter_clear_gradient(p);
    }
    return TL_OK;
}

const char *tl_optimizer_name(const tl_optimizer *optimizer)
{
    return optimizer->rule.name;
}

int64_t tl_optimizer_steps(const tl_optimizer *optimizer)
{
    return optimizer->steps;
}

double tl_optimizer_learning_rate(const tl_optimizer *optimizer)
{
    return optimizer->learning_rate;
}

tl_status tl_optimizer_set_learning_rate(tl_optimizer *optimizer, double learning_rate)
{
    const setting rate = {"learning_rate", learning_rate, 0, infinite};
    if (check_settings(optimizer->rule.name, &rate, 1) != TL_OK)
        return tl_error_status();
    optimizer->learning_rate = learning_rate;
    return TL_OK;
}
