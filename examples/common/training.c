#include "training.h"

#include "interrupt.h"
#include "output.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const initializers[] = {"orthogonal",     "identity",      "glorot_uniform",
                                    "glorot_normal",  "he_uniform",    "he_normal",
                                    "random_uniform", "random_normal", NULL};
static const char *const optimizers[] = {"sgd", "rmsprop", "adam", "adamw", "adagrad", NULL};
static const char *const schedules[] = {"constant", "exponential", "step", "cosine", "plateau", NULL};

/* For an option that may have no default to show. */
static unsigned shown(bool has_default)
{
    return has_default ? POPT_ARGFLAG_SHOW_DEFAULT : 0;
}

int training_start(training *t, const training_defaults *d)
{
    const bool own_rate = d->learning_rate > 0, own_norm = d->global_clipnorm > 0;
    *t = (training){.epochs = d->epochs,
                    .batch_size = d->batch_size,
                    .optimizer = strdup(d->optimizer),
                    .schedule = strdup("constant"),
                    .learning_rate = own_rate ? d->learning_rate : NO_NUMBER,
                    .weight_decay = NO_NUMBER,
                    .checkpoint_every = NOT_GIVEN,
                    .clipnorm = NO_NUMBER,
                    .global_clipnorm = own_norm ? d->global_clipnorm : NO_NUMBER,
                    .standard_norm = own_norm ? d->global_clipnorm : NO_NUMBER,
                    .validation_split = d->validation_split};
    const struct poptOption table[TRAINING_OPTIONS] = {
        {"epochs", 0, POPT_ARG_INT | POPT_ARGFLAG_SHOW_DEFAULT, &t->epochs, 0, "times through the data", "N"},
        {"batch-size", 0, POPT_ARG_INT | POPT_ARGFLAG_SHOW_DEFAULT, &t->batch_size, 0, "samples to a step",
         "N"},
        {"optimizer", 0, POPT_ARG_STRING | POPT_ARGFLAG_SHOW_DEFAULT, &t->optimizer, 0,
         "sgd, rmsprop, adam, adamw or adagrad", "NAME"},
        {"lr", 0, POPT_ARG_DOUBLE | shown(own_rate), &t->learning_rate, 0,
         own_rate ? "learning rate" : "learning rate (default: the optimizer's)", "X"},
        {"schedule", 0, POPT_ARG_STRING | POPT_ARGFLAG_SHOW_DEFAULT, &t->schedule, 0,
         "of the learning rate: constant, exponential (to a hundredth), step (a tenth after each third), "
         "cosine "
         "(to 0) or plateau (half when val_loss stands still)",
         "NAME"},
        {"weight-decay", 0, POPT_ARG_DOUBLE, &t->weight_decay, 0, "of adamw (default: 0.004)", "X"},
        {"clipnorm", 0, POPT_ARG_DOUBLE, &t->clipnorm, 0, "longest gradient of each parameter", "X"},
        {"global-clipnorm", 0, POPT_ARG_DOUBLE | shown(own_norm), &t->global_clipnorm, 0,
         "longest gradient of all together", "X"},
        {"validation-split", 0, POPT_ARG_DOUBLE | POPT_ARGFLAG_SHOW_DEFAULT, &t->validation_split, 0,
         "share of the training data to validate on, from its end", "X"},
        {"seed", 0, POPT_ARG_LONGLONG | POPT_ARGFLAG_SHOW_DEFAULT, &t->seed, 0, "of all that is random", "N"},
        {"threads", 0, POPT_ARG_INT, &t->threads, 0,
         "threads to use (default: all cores; no result depends on it)", "N"},
        {"log", 0, POPT_ARG_STRING, &t->log, 0, "write a line an epoch to this file", "FILE.csv"},
        {"save", 0, POPT_ARG_STRING, &t->save, 0, "write the trained model to this file", "FILE"},
        {"load", 0, POPT_ARG_STRING, &t->load, 0, "use a saved model instead of training one", "FILE"},
        POPT_TABLEEND};
    const struct poptOption checkpoints[CHECKPOINT_OPTIONS] = {
        {"checkpoint", 0, POPT_ARG_STRING, &t->checkpoint, 0, "keep all of the training in this file",
         "FILE"},
        {"checkpoint-every", 0, POPT_ARG_INT, &t->checkpoint_every, 0,
         "write it every N steps (default: after each epoch)", "N"},
        {"resume", 0, POPT_ARG_NONE, &t->resume, 0, "go on from the checkpoint, if it is there", NULL},
        POPT_TABLEEND};
    memcpy(t->table, table, sizeof table);
    memcpy(t->checkpoint_table, checkpoints, sizeof checkpoints);
    return t->optimizer && t->schedule;
}

void training_free(training *t)
{
    free(t->optimizer);
    free(t->schedule);
    free(t->log);
    free(t->save);
    free(t->load);
    free(t->checkpoint);
}

const char *training_mistake(const training *t, char text[], size_t size)
{
    const double least = 1e-30, most = 1e30;
    const range ranges[] = {{"epochs", t->epochs, 1, INT_MAX},
                            {"batch-size", t->batch_size, 1, INT_MAX},
                            {"lr", t->learning_rate, least, most},
                            {"weight-decay", t->weight_decay, 0, most},
                            {"clipnorm", t->clipnorm, least, most},
                            {"global-clipnorm", t->global_clipnorm, least, most},
                            {"validation-split", t->validation_split, 0, 0.999},
                            {"seed", (double)t->seed, 0, (double)LLONG_MAX},
                            {"threads", t->threads, 0, 1024},
                            {"checkpoint-every", t->checkpoint_every, 1, INT_MAX}};
    const choice choices[] = {{"optimizer", t->optimizer, optimizers}, {"schedule", t->schedule, schedules}};
    const char *mistake = find_out_of_range(ranges, sizeof ranges / sizeof ranges[0], text, size);
    if (!mistake)
        mistake = find_unknown(choices, sizeof choices / sizeof choices[0], text, size);
    if (mistake)
        return mistake;
    if (t->clipnorm > NO_NUMBER && t->global_clipnorm != t->standard_norm)
        return "--clipnorm and --global-clipnorm: expected one of them";
    if (t->weight_decay > NO_NUMBER && strcmp(t->optimizer, "adamw") != 0)
        return "--weight-decay: expected with --optimizer adamw";
    if (t->load && (t->save || t->log))
        return "--load uses a saved model: there is nothing to --save or to --log";
    if (t->load && t->checkpoint)
        return "--load uses a saved model: there is nothing to --checkpoint";
    if (!t->checkpoint && t->resume)
        return "--resume: expected with --checkpoint FILE";
    if (!t->checkpoint && t->checkpoint_every != NOT_GIVEN)
        return "--checkpoint-every: expected with --checkpoint FILE";
    return NULL;
}

tl_status training_check(const training *t)
{
    return check_output(t->save) == TL_OK && check_output(t->checkpoint) == TL_OK ? TL_OK : tl_error_status();
}

int64_t training_samples(const training *t, int64_t samples)
{
    return (int64_t)floor((double)samples * (1 - t->validation_split));
}

int64_t training_steps(const training *t, int64_t samples)
{
    return (training_samples(t, samples) + t->batch_size - 1) / t->batch_size * t->epochs;
}

static tl_schedule schedule_of(const training *t, int64_t steps)
{
    if (strcmp(t->schedule, "exponential") == 0)
        return tl_exponential_decay(steps, 0.01);
    if (strcmp(t->schedule, "step") == 0)
        return tl_step_decay(steps / 3 + 1, 0.1);
    if (strcmp(t->schedule, "cosine") == 0)
        return tl_cosine_decay(steps);
    return (tl_schedule){0}; /* plateau is a callback */
}

/* What was not given is 0: the default of the library. */
static double given(double value)
{
    return value > NO_NUMBER ? value : 0;
}

tl_optimizer *training_optimizer(const training *t, int64_t steps)
{
    const double rate = given(t->learning_rate), norm = given(t->clipnorm),
                 all = norm > 0 ? 0 : given(t->global_clipnorm);
    const tl_schedule schedule = schedule_of(t, steps > 0 ? steps : 1);
    if (strcmp(t->optimizer, "sgd") == 0)
        return tl_sgd(.learning_rate = rate, .clip_norm = norm, .global_clip_norm = all,
                      .schedule = schedule);
    if (strcmp(t->optimizer, "rmsprop") == 0)
        return tl_rmsprop(.learning_rate = rate, .clip_norm = norm, .global_clip_norm = all,
                          .schedule = schedule);
    if (strcmp(t->optimizer, "adam") == 0)
        return tl_adam(.learning_rate = rate, .clip_norm = norm, .global_clip_norm = all,
                       .schedule = schedule);
    if (strcmp(t->optimizer, "adagrad") == 0)
        return tl_adagrad(.learning_rate = rate, .clip_norm = norm, .global_clip_norm = all,
                          .schedule = schedule);
    return tl_adamw(.learning_rate = rate,
                    .weight_decay = t->weight_decay == 0 ? TL_ZERO : given(t->weight_decay),
                    .clip_norm = norm, .global_clip_norm = all, .schedule = schedule);
}

static void print_best(const tl_history *history, const char *monitor)
{
    int best = tl_history_best(history, monitor);
    if (best >= 0)
        printf("best_epoch: %d %s: %.4f\n", history->epochs[best].epoch, monitor,
               tl_epoch_value(&history->epochs[best], monitor));
}

/* The error of a training that a signal has ended. */
static bool is_interrupted(const training *t)
{
    const char *name = interrupted == SIGINT ? "SIGINT" : "SIGTERM";
    if (!interrupted)
        return false;
    if (t->checkpoint)
        tl_error(TL_ERROR_STATE, "ended by %s; with --resume it goes on from %s", name, t->checkpoint);
    else
        tl_error(TL_ERROR_STATE, "ended by %s", name);
    return true;
}

bool training_run(const training *t, tl_model *model, const training_plan *plan)
{
    bool given = tl_dataset_ok(plan->validation), validates = given || t->validation_split > 0;
    tl_callback *callbacks[3];
    int count = 0;
    if (validates)
        callbacks[count++] =
            tl_early_stopping(.monitor = plan->monitor, .patience = t->epochs, .restore_best_weights = true);
    if (strcmp(t->schedule, "plateau") == 0)
        callbacks[count++] =
            tl_reduce_lr_on_plateau(.monitor = validates ? "val_loss" : "loss", .factor = 0.5, .patience = 2);
    if (t->log)
        callbacks[count++] = tl_csv_log(t->log);
    const int64_t every = t->checkpoint_every == NOT_GIVEN ? 0 : t->checkpoint_every;
    catch_interrupts();
    tl_history *history =
        tl_fit(model, plan->data, .epochs = t->epochs, .batch_size = t->batch_size,
               .validation_split = given ? 0 : t->validation_split, .validation_data = plan->validation,
               .no_shuffle = plan->in_order, .seed = (uint64_t)t->seed, .verbose = 1,
               .callbacks = {callbacks, count}, .checkpoint = t->checkpoint, .checkpoint_every = every,
               .resume = t->resume, .settings = t->settings, .stop = &interrupted);
    release_interrupts();
    if (!history)
        interrupted = 0; /* it is the error that ends the program */
    bool done = history && !is_interrupted(t);
    if (done && validates)
        print_best(history, plan->monitor);
    tl_history_free(history);
    return done;
}
