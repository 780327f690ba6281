/* The insides of an optimizer, for the files of this folder. */
#ifndef TL_OPTIM_RULE_INTERNAL_H
#define TL_OPTIM_RULE_INTERNAL_H

#include "optim/optimizer_internal.h"
#include "tensor/kernels/kernels_internal.h"

/* What differs between optimizers. */
typedef struct tl_rule {
    const char *name;
    tl_update update;
    const char *states[TL_UPDATE_STATES]; /* names in the kernel's order, NULL behind the last */

    /* Puts the numbers of the kernel for step t, from 1, together. NULL: the rate and then the settings. */
    void (*numbers)(double rate, double t, const double settings[], double numbers[]);
} tl_rule;

/* Limits on gradients; 0: none. */
typedef struct tl_clipping {
    double value, norm, global_norm;
} tl_clipping;

/* A parameter and what the optimizer remembers of it. */
typedef struct tl_slot {
    tl_parameter *parameter;
    tl_tensor states[TL_UPDATE_STATES];
} tl_slot;

struct tl_optimizer {
    const tl_rule *rule;
    double learning_rate;
    double settings[TL_UPDATE_NUMBERS - 1]; /* behind the rate */
    double state_start;
    tl_clipping clip;
    tl_schedule schedule;
    int64_t steps;
    tl_slot *slots;
    int count;
    bool owned; /* by a model */
};

/* A setting with the range in which it makes sense. */
typedef struct tl_setting {
    const char *name;
    double value, low, high; /* low <= value < high */
} tl_setting;

/* TL_OK, or an error that names the first setting out of its range. */
tl_status tl_settings_check(const char *what, const tl_setting settings[], int count);

/* TL_OK, or an error for limits that are negative or more than one. */
tl_status tl_clipping_check(const char *what, tl_clipping clip);

/* Holds the gradients of the trainable parameters within the optimizer's limits. */
void tl_clip_gradients(const tl_optimizer *optimizer);

#endif
