/* Learning-rate schedules: how the learning rate changes with the number of steps. Rests on error.h.
 *
 * A schedule is a small value that owns nothing: a factor on an optimizer's learning rate, as a function of
 * the steps that it has taken so far. It is an option of every optimizer:
 *
 *     tl_adam(.learning_rate = 0.002, .schedule = tl_cosine_decay(10000, .alpha = 0.1, .warmup_steps = 500))
 *
 * With w the warmup_steps, the factor at step s < w is s / w, and from then on, with t = s - w,
 *
 *   alpha + (1 - alpha) decay(t)
 *
 *   constant:     decay(t) = 1
 *   exponential:  decay(t) = decay_rate ^ (t / decay_steps); with staircase the quotient is rounded down
 *   cosine:       decay(t) = (1 + cos(pi min(t / decay_steps, 1))) / 2
 *                 (Loshchilov and Hutter, "SGDR", 2017)
 *
 * Names and formulas are those of Keras 3, where alpha and the warmup are cosine's alone; a step is one
 * batch. A zeroed schedule is constant: the factor 1. Without a warmup the first step has the factor 1, with
 * one it has 0, as in Keras. All functions are thread-safe.
 */
#ifndef TL_OPTIM_SCHEDULE_H
#define TL_OPTIM_SCHEDULE_H

#include "../tensor/error.h"

#include <stdbool.h>
#include <stdint.h>

typedef enum tl_decay { TL_DECAY_NONE, TL_DECAY_EXPONENTIAL, TL_DECAY_COSINE } tl_decay;

/* Filled by the macros below, or by hand. What a decay does not use is ignored. */
typedef struct tl_schedule {
    tl_decay decay;
    int64_t decay_steps;  /* at least 1 */
    double decay_rate;    /* above 0 */
    double alpha;         /* what the factor comes down to in the end, 0 to 1 */
    int64_t warmup_steps; /* 0: none */
    bool staircase;
} tl_schedule;

/* tl_exponential_decay(1000, 0.96, .staircase = true): times 0.96 every 1000 steps. */
#define tl_exponential_decay(decay_steps_, ...)                                                              \
    ((tl_schedule){.decay = TL_DECAY_EXPONENTIAL, .decay_steps = (decay_steps_), .decay_rate = __VA_ARGS__})

/* tl_step_decay(30, 0.1): times 0.1 every 30 steps, as PyTorch's StepLR. */
#define tl_step_decay(step_size, gamma) tl_exponential_decay(step_size, gamma, .staircase = true)

/* tl_cosine_decay(10000, .alpha = 0.1, .warmup_steps = 500): 500 steps up and then 10000 down. */
#define tl_cosine_decay(...) ((tl_schedule){.decay = TL_DECAY_COSINE, .decay_steps = __VA_ARGS__})

/* TL_OK, or an error that names the value that the schedule cannot have. Constructors of optimizers ask. */
TL_API tl_status tl_schedule_check(const tl_schedule *schedule);

/* The factor for the step that follows after `step` others, from 0. NaN with the error set for an impossible
 * schedule or a negative step. */
TL_API double tl_schedule_factor(const tl_schedule *schedule, int64_t step);

#endif
