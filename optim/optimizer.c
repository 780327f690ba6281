#include "optim/rule_internal.h"
#include "tensor/compute_internal.h"
#include "tensor/error_internal.h"
#include "tensor/memory_internal.h"
#include "tensor/tensor_internal.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

tl_status tl_settings_check(const char *what, const tl_setting settings[], int count)
{
    for (int i = 0; i < count; i++)
        if (!(settings[i].value >= settings[i].low && settings[i].value < settings[i].high))
            return tl_error(TL_ERROR_ARGUMENT, "%s: %s %g, expected at least %g and less than %g", what,
                            settings[i].name, settings[i].value, settings[i].low, settings[i].high);
    return TL_OK;
}

static void free_states(tl_slot *slots, int count)
{
    for (int i = 0; i < count; i++)
        for (int j = 0; j < TL_UPDATE_STATES; j++)
            tl_tensor_free(&slots[i].states[j]);
}

void tl_optimizer_free(tl_optimizer *optimizer)
{
    if (!optimizer)
        return;
    free_states(optimizer->slots, optimizer->count);
    tl_release(optimizer->slots);
    tl_release(optimizer);
}

static int state_count(const tl_rule *rule)
{
    int count = 0;
    while (count < TL_UPDATE_STATES && rule->states[count])
        count++;
    return count;
}

static tl_status fill_slot(const tl_optimizer *o, tl_slot *s, tl_parameter *parameter)
{
    s->parameter = parameter;
    for (int i = 0; i < state_count(o->rule); i++) {
        s->states[i] = tl_tensor_new(parameter->value.dtype, parameter->value.shape);
        if (!s->states[i].storage || tl_tensor_fill(s->states[i], o->state_start) != TL_OK)
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
    tl_slot *slots = tl_allocate((size_t)total * sizeof *slots);
    if (!slots)
        return TL_ERROR_MEMORY;
    tl_slot *added = slots + optimizer->count;
    for (int i = 0; i < count; i++)
        if (fill_slot(optimizer, &added[i], parameters[i]) != TL_OK) {
            free_states(added, i + 1);
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
                        optimizer->rule->name);
    optimizer->owned = true;
    return TL_OK;
}

/* The numbers of the kernel for the step that the optimizer is about to take. */
static void kernel_numbers(const tl_optimizer *o, double numbers[TL_UPDATE_NUMBERS])
{
    const double rate = tl_optimizer_current_rate(o);
    if (o->rule->numbers) {
        o->rule->numbers(rate, (double)(o->steps + 1), o->settings, numbers);
        return;
    }
    numbers[0] = rate;
    memcpy(numbers + 1, o->settings, sizeof o->settings);
}

static void update(const tl_optimizer *o, tl_slot *slot, const double *numbers)
{
    const tl_parameter *p = slot->parameter;
    void *states[TL_UPDATE_STATES] = {NULL};
    for (int i = 0; i < state_count(o->rule); i++)
        states[i] = tl_data_mut(slot->states[i]);
    tl_compute_update(p->value.dtype, o->rule->update, tl_tensor_count(p->value), numbers,
                      tl_address(p->gradient), tl_data_mut(p->value), states);
}

tl_status tl_optimizer_step(tl_optimizer *optimizer)
{
    if (!optimizer)
        return tl_missing("optimizer_step", "optimizer");
    tl_clip_gradients(optimizer);
    double numbers[TL_UPDATE_NUMBERS];
    kernel_numbers(optimizer, numbers);
    for (int i = 0; i < optimizer->count; i++) {
        tl_parameter *p = optimizer->slots[i].parameter;
        if (!p->trainable)
            continue;
        update(optimizer, &optimizer->slots[i], numbers);
        tl_parameter_clear_gradient(p);
    }
    optimizer->steps++;
    return TL_OK;
}

const char *tl_optimizer_name(const tl_optimizer *optimizer)
{
    return optimizer->rule->name;
}

int64_t tl_optimizer_steps(const tl_optimizer *optimizer)
{
    return optimizer->steps;
}

tl_status tl_optimizer_set_steps(tl_optimizer *optimizer, int64_t steps)
{
    const int64_t most = (int64_t)1 << 53; /* what formulas that count steps in doubles can tell apart */
    if (steps < 0 || steps > most)
        return tl_error(TL_ERROR_ARGUMENT, "%s: %lld steps, expected 0 to %lld", optimizer->rule->name,
                        (long long)steps, (long long)most);
    optimizer->steps = steps;
    return TL_OK;
}

double tl_optimizer_learning_rate(const tl_optimizer *optimizer)
{
    return optimizer->learning_rate;
}

tl_status tl_optimizer_set_learning_rate(tl_optimizer *optimizer, double learning_rate)
{
    const tl_setting rate = {"learning_rate", learning_rate, 0, (double)INFINITY};
    if (tl_settings_check(optimizer->rule->name, &rate, 1) != TL_OK)
        return tl_error_status();
    optimizer->learning_rate = learning_rate;
    return TL_OK;
}

double tl_optimizer_current_rate(const tl_optimizer *optimizer)
{
    return optimizer->learning_rate * tl_schedule_factor(&optimizer->schedule, optimizer->steps);
}

tl_optimizer_texts tl_optimizer_describe(const tl_optimizer *optimizer)
{
    const double *o = optimizer->settings;
    const tl_clipping *c = &optimizer->clip;
    const tl_schedule *s = &optimizer->schedule;
    tl_optimizer_texts texts;
    snprintf(texts.rule, sizeof texts.rule, "%s (%.17g %.17g %.17g %.17g, from %.17g)", optimizer->rule->name,
             o[0], o[1], o[2], o[3], optimizer->state_start);
    snprintf(texts.clipping, sizeof texts.clipping, "value %.17g, norm %.17g, global norm %.17g", c->value,
             c->norm, c->global_norm);
    snprintf(texts.schedule, sizeof texts.schedule,
             "number %d, %lld steps, rate %.17g, alpha %.17g, warmup %lld, staircase %d", (int)s->decay,
             (long long)s->decay_steps, s->decay_rate, s->alpha, (long long)s->warmup_steps, s->staircase);
    return texts;
}

bool tl_optimizer_state_at(const tl_optimizer *optimizer, int index, tl_optimizer_state *state)
{
    const int each = state_count(optimizer->rule);
    if (each == 0 || index < 0 || index / each >= optimizer->count)
        return false;
    const tl_slot *slot = &optimizer->slots[index / each];
    *state = (tl_optimizer_state){.name = optimizer->rule->states[index % each],
                                  .parameter = slot->parameter,
                                  .value = slot->states[index % each]};
    return true;
}
