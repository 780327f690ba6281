#include "optim/optimizer.h"
#include "tests/parity/build_internal.h"

static tl_schedule schedule_of(const json_t *at)
{
    const json_t *schedule = json_object_get(at, "schedule");
    const char *decay = text_of(schedule, "decay", "none");
    ck_assert(!schedule || strcmp(decay, "exponential") == 0 || strcmp(decay, "cosine") == 0);
    return (tl_schedule){.decay = !schedule                 ? TL_DECAY_NONE
                                  : strcmp(decay, "cosine") ? TL_DECAY_EXPONENTIAL
                                                            : TL_DECAY_COSINE,
                         .decay_steps = whole_of(schedule, "decay_steps"),
                         .decay_rate = number_of(schedule, "decay_rate", 0),
                         .alpha = number_of(schedule, "alpha", 0),
                         .warmup_steps = whole_of(schedule, "warmup_steps"),
                         .staircase = flag_of(schedule, "staircase")};
}

/* What is not in the table is 0, the sign for the default. */
static double option(const json_t *at, const char *key)
{
    return number_of(at, key, 0);
}

static tl_optimizer *new_sgd(const json_t *at)
{
    return tl_sgd(.learning_rate = option(at, "learning_rate"), .momentum = option(at, "momentum"),
                  .nesterov = flag_of(at, "nesterov"), .clip_value = option(at, "clip_value"),
                  .clip_norm = option(at, "clip_norm"), .global_clip_norm = option(at, "global_clip_norm"),
                  .schedule = schedule_of(at));
}

static tl_optimizer *new_rmsprop(const json_t *at)
{
    return tl_rmsprop(.learning_rate = option(at, "learning_rate"), .rho = option(at, "rho"),
                      .momentum = option(at, "momentum"), .epsilon = option(at, "epsilon"),
                      .centered = flag_of(at, "centered"), .clip_value = option(at, "clip_value"),
                      .clip_norm = option(at, "clip_norm"),
                      .global_clip_norm = option(at, "global_clip_norm"), .schedule = schedule_of(at));
}

static tl_adam_options adam_options(const json_t *at)
{
    return (tl_adam_options){.size = sizeof(tl_adam_options),
                             .learning_rate = option(at, "learning_rate"),
                             .weight_decay = option(at, "weight_decay"),
                             .beta_1 = option(at, "beta_1"),
                             .beta_2 = option(at, "beta_2"),
                             .epsilon = option(at, "epsilon"),
                             .amsgrad = flag_of(at, "amsgrad"),
                             .clip_value = option(at, "clip_value"),
                             .clip_norm = option(at, "clip_norm"),
                             .global_clip_norm = option(at, "global_clip_norm"),
                             .schedule = schedule_of(at)};
}

static tl_optimizer *new_adam(const json_t *at)
{
    tl_adam_options options = adam_options(at);
    return tl_adam_with(&options);
}

static tl_optimizer *new_adamw(const json_t *at)
{
    tl_adam_options options = adam_options(at);
    return tl_adamw_with(&options);
}

static tl_optimizer *new_adagrad(const json_t *at)
{
    return tl_adagrad(.learning_rate = option(at, "learning_rate"), .epsilon = option(at, "epsilon"),
                      .initial_accumulator_value = option(at, "initial_accumulator_value"),
                      .clip_value = option(at, "clip_value"), .clip_norm = option(at, "clip_norm"),
                      .global_clip_norm = option(at, "global_clip_norm"), .schedule = schedule_of(at));
}

static const struct {
    const char *name;
    tl_optimizer *(*make)(const json_t *at);
} optimizers[] = {{"sgd", new_sgd},
                  {"rmsprop", new_rmsprop},
                  {"adam", new_adam},
                  {"adamw", new_adamw},
                  {"adagrad", new_adagrad}};

tl_optimizer *new_optimizer(const json_t *at)
{
    const char *name = text_of(at, "optimizer", "");
    for (size_t i = 0; i < sizeof optimizers / sizeof *optimizers; i++)
        if (strcmp(optimizers[i].name, name) == 0) {
            tl_optimizer *made = optimizers[i].make(at);
            ck_assert_msg(made != NULL, "%s", tl_error_message());
            return made;
        }
    ck_abort_msg("there is no optimizer %s", name);
    return NULL;
}
