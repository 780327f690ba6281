/* The options of training that the programs share, and what they ask for. */
#ifndef COMMON_TRAINING_H
#define COMMON_TRAINING_H

#include "command.h"

#include <tapeloop.h>

enum { TRAINING_OPTIONS = 15, CHECKPOINT_OPTIONS = 4, SETTINGS_SIZE = 600 };

typedef struct training {
    int epochs, batch_size;
    char *optimizer, *schedule;
    double learning_rate;             /* NO_NUMBER: the optimizer's default */
    double weight_decay;              /* NO_NUMBER: the optimizer's default */
    double clipnorm, global_clipnorm; /* NO_NUMBER: none */
    double standard_norm;             /* the default of global_clipnorm, which gives way to clipnorm */
    double validation_split;
    long long seed;
    int threads; /* 0: as many as there are cores */
    char *log, *save, *load;
    char *checkpoint; /* NULL: none */
    int checkpoint_every, resume;
    char settings[SETTINGS_SIZE]; /* what else a checkpoint has to agree with: command.h's `listed` */
    struct poptOption table[TRAINING_OPTIONS], checkpoint_table[CHECKPOINT_OPTIONS];
} training;

/* What a program has to say about its own defaults. */
typedef struct training_defaults {
    int epochs, batch_size;
    const char *optimizer;
    double learning_rate;   /* 0: the optimizer's */
    double global_clipnorm; /* 0: none */
    double validation_split;
} training_defaults;

/* Fills in the defaults and the table of options, to be included in the program's own by TRAINING_TABLE. The
 * program frees what options have allocated with training_free. False when out of memory. */
int training_start(training *t, const training_defaults *defaults);
void training_free(training *t);
#define TRAINING_TABLE(t)                                                                                    \
    {                                                                                                        \
        NULL, 0, POPT_ARG_INCLUDE_TABLE, (t)->table, 0, "Training:", NULL                                    \
    }

/* And those of checkpoints, for programs that train one model. */
#define CHECKPOINT_TABLE(t)                                                                                  \
    {                                                                                                        \
        NULL, 0, POPT_ARG_INCLUDE_TABLE, (t)->checkpoint_table, 0, "Checkpoints:", NULL                      \
    }

/* The names of what weights may start from, ended by NULL: for choices. */
extern const char *const initializers[];

/* What is wrong with them, as find_mistake of command.h. */
const char *training_mistake(const training *t, char text[], size_t size);

/* An error if a file that is to be written, the model or a checkpoint, cannot be. For before the training. */
tl_status training_check(const training *t);

/* The optimizer they ask for, in a training of so many steps, which tell schedules how long they are. NULL
 * with the error set. */
tl_optimizer *training_optimizer(const training *t, int64_t steps);

/* How many of so many samples are trained on: those in front of the ones for validation. */
int64_t training_samples(const training *t, int64_t samples);

/* The number of steps of all epochs over so many samples, validation taken off. */
int64_t training_steps(const training *t, int64_t samples);

/* What to train on, and how as far as options do not say. */
typedef struct training_plan {
    tl_dataset data;
    tl_dataset validation; /* empty: split off the data */
    const char *monitor;   /* what tells the best epoch: "val_accuracy", "val_loss" */
    bool in_order;         /* do not shuffle */
} training_plan;

/* Trains a compiled model, with progress on standard error. With validation data the weights of the epoch
 * that did best are kept, and that epoch is printed. False with the error set: that of a training that SIGINT
 * or SIGTERM has ended too, after its step and the checkpoint, and fail() knows. */
bool training_run(const training *t, tl_model *model, const training_plan *plan);

#endif
