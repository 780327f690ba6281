/* The optimizers there are: their options, their states, and the numbers of their kernels. */
#include "optim/rule_internal.h"
#include "tensor/memory_internal.h"
#include "tensor/options_internal.h"

#include <math.h>
#include <string.h>

static const double infinite = (double)INFINITY;

/* What all have in common. */
typedef struct common_options {
    tl_clipping clip;
    tl_schedule schedule;
} common_options;

#define COMMON(o) ((common_options){{(o).clip_value, (o).clip_norm, (o).global_clip_norm}, (o).schedule})

/* settings[0] is the learning rate; those behind it are the rule's. */
static tl_optimizer *new_optimizer(const tl_rule *rule, const tl_setting settings[], int count,
                                   common_options common)
{
    if (tl_settings_check(rule->name, settings, count) != TL_OK ||
        tl_clipping_check(rule->name, common.clip) != TL_OK || tl_schedule_check(&common.schedule) != TL_OK)
        return NULL;
    tl_optimizer *optimizer = tl_allocate(sizeof *optimizer);
    if (!optimizer)
        return NULL;
    optimizer->rule = rule;
    optimizer->learning_rate = settings[0].value;
    for (int i = 1; i < count; i++)
        optimizer->settings[i - 1] = settings[i].value;
    optimizer->clip = common.clip;
    optimizer->schedule = common.schedule;
    return optimizer;
}

tl_optimizer *tl_sgd_with(const tl_sgd_options *options)
{
    static const tl_rule plain = {"sgd", TL_UPDATE_SGD, {NULL}, NULL},
                         momentum = {"sgd", TL_UPDATE_MOMENTUM, {"momentum"}, NULL},
                         nesterov = {"sgd", TL_UPDATE_NESTEROV, {"momentum"}, NULL};
    tl_sgd_options o;
    tl_options_read(&o, sizeof o, options);
    const bool looks_ahead = o.nesterov && o.momentum != 0; /* no kernel asks, but tl_optimizer_describe */
    const tl_setting settings[] = {{"learning_rate", tl_option(o.learning_rate, 0.01), 0, infinite},
                                   {"momentum", o.momentum, 0, 1},
                                   {"nesterov", looks_ahead, 0, 2}};
    const tl_rule *rule = o.momentum == 0 ? &plain : looks_ahead ? &nesterov : &momentum;
    return new_optimizer(rule, settings, 3, COMMON(o));
}

tl_optimizer *tl_rmsprop_with(const tl_rmsprop_options *options)
{
    static const tl_rule rules[2][2] = {
        {{"rmsprop", TL_UPDATE_RMSPROP, {"v"}, NULL},
         {"rmsprop", TL_UPDATE_RMSPROP_MOMENTUM, {"v", "momentum"}, NULL}},
        {{"rmsprop", TL_UPDATE_RMSPROP_CENTERED, {"v", "average"}, NULL},
         {"rmsprop", TL_UPDATE_RMSPROP_CENTERED_MOMENTUM, {"v", "average", "momentum"}, NULL}}};
    tl_rmsprop_options o;
    tl_options_read(&o, sizeof o, options);
    const tl_setting settings[] = {{"learning_rate", tl_option(o.learning_rate, 0.001), 0, infinite},
                                   {"rho", tl_option(o.rho, 0.9), 0, 1},
                                   {"epsilon", tl_option(o.epsilon, 1e-7), 0, infinite},
                                   {"momentum", o.momentum, 0, 1}};
    return new_optimizer(&rules[o.centered][o.momentum != 0], settings, 4, COMMON(o));
}

/* The rate corrected for the bias of young means, the settings, and the decay, which takes the rate as it is.
 */
static void adam_numbers(double rate, double t, const double settings[], double numbers[])
{
    const double beta_1 = settings[0], beta_2 = settings[1], epsilon = settings[2], decay = settings[3];
    numbers[0] = rate * sqrt(1 - pow(beta_2, t)) / (1 - pow(beta_1, t));
    numbers[1] = beta_1;
    numbers[2] = beta_2;
    numbers[3] = epsilon;
    numbers[4] = rate * decay;
}

static tl_optimizer *new_adam(const tl_rule rules[2], const tl_adam_options *options, double standard_decay)
{
    tl_adam_options o;
    tl_options_read(&o, sizeof o, options);
    const tl_setting settings[] = {{"learning_rate", tl_option(o.learning_rate, 0.001), 0, infinite},
                                   {"beta_1", tl_option(o.beta_1, 0.9), 0, 1},
                                   {"beta_2", tl_option(o.beta_2, 0.999), 0, 1},
                                   {"epsilon", tl_option(o.epsilon, 1e-7), 0, infinite},
                                   {"weight_decay", tl_option(o.weight_decay, standard_decay), 0, infinite}};
    return new_optimizer(&rules[o.amsgrad], settings, 5, COMMON(o));
}

tl_optimizer *tl_adam_with(const tl_adam_options *options)
{
    static const tl_rule rules[] = {{"adam", TL_UPDATE_ADAM, {"m", "v"}, adam_numbers},
                                    {"adam", TL_UPDATE_AMSGRAD, {"m", "v", "v_hat"}, adam_numbers}};
    return new_adam(rules, options, 0);
}

tl_optimizer *tl_adamw_with(const tl_adam_options *options)
{
    static const tl_rule rules[] = {{"adamw", TL_UPDATE_ADAM, {"m", "v"}, adam_numbers},
                                    {"adamw", TL_UPDATE_AMSGRAD, {"m", "v", "v_hat"}, adam_numbers}};
    return new_adam(rules, options, 0.004);
}

tl_optimizer *tl_adagrad_with(const tl_adagrad_options *options)
{
    static const tl_rule rule = {"adagrad", TL_UPDATE_ADAGRAD, {"v"}, NULL};
    tl_adagrad_options o;
    tl_options_read(&o, sizeof o, options);
    const double start = tl_option(o.initial_accumulator_value, 0.1);
    const tl_setting settings[] = {{"learning_rate", tl_option(o.learning_rate, 0.001), 0, infinite},
                                   {"epsilon", tl_option(o.epsilon, 1e-7), 0, infinite},
                                   {"initial_accumulator_value", start, 0, infinite}};
    tl_optimizer *optimizer = new_optimizer(&rule, settings, 3, COMMON(o));
    if (optimizer)
        optimizer->state_start = start;
    return optimizer;
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

static tl_optimizer *make_adamw(double rate)
{
    return tl_adamw(.learning_rate = rate);
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
    } known[] = {{"sgd", make_sgd},
                 {"rmsprop", make_rmsprop},
                 {"adam", make_adam},
                 {"adamw", make_adamw},
                 {"adagrad", make_adagrad}};
    for (size_t i = 0; name && i < sizeof known / sizeof known[0]; i++)
        if (strcmp(known[i].name, name) == 0)
            return known[i].make(learning_rate);
    tl_error(TL_ERROR_ARGUMENT, "optimizer '%s' is not known, expected sgd, rmsprop, adam, adamw or adagrad",
             name ? name : "(NULL)");
    return NULL;
}
