/* Optimizers: how gradients change parameters. Formulas and defaults are those of Keras 3. Rests on
 * parameter.h and schedule.h.
 *
 * An optimizer is made, given its parameters, and asked for one step after each backward. A step clips the
 * gradients if it was told to, updates every trainable parameter, and sets its gradient to zero. With g the
 * gradient, w the weight and lr the learning rate times the schedule's factor:
 *
 *   SGD:      w -= lr g; with momentum v = momentum v - lr g, w += v; Nesterov: w += momentum v - lr g
 *   RMSprop:  v = rho v + (1 - rho) g^2, w -= lr g / sqrt(v + epsilon)            (Hinton, lecture 6e, 2012)
 *             centered: a = rho a + (1 - rho) g, and v - a^2 under the root instead of v     (Graves, 2013)
 *             with momentum m = momentum m + lr g / sqrt(...), w -= m
 *   Adam:     m += (1 - beta_1) (g - m), v += (1 - beta_2) (g^2 - v),
 *             w -= lr sqrt(1 - beta_2^t) / (1 - beta_1^t) m / (sqrt(v) + epsilon)   (Kingma and Ba, 2015)
 *             amsgrad: x = max(x, v), and x under the root instead of v   (Reddi, Kale and Kumar, 2018)
 *   AdamW:    w -= lr weight_decay w, and then as Adam           (Loshchilov and Hutter, 2019)
 *   Adagrad:  v += g^2, w -= lr g / sqrt(v + epsilon)                   (Duchi, Hazan and Singer, 2011)
 *
 * Constructors return NULL with the error set for a negative or otherwise impossible option, an impossible
 * schedule, or more than one way of clipping. A learning rate may be 0 (TL_ZERO) and as large as one likes. A
 * gradient that is NaN or infinite goes into its own weight and no other; clipping does not scale by a norm
 * that is NaN, and by one that is infinite it makes what is finite 0. The caller frees an optimizer unless it
 * was handed to tl_compile. An optimizer is for one thread at a time; a step spreads large parameters over
 * tl_threads() threads, with the same result.
 */
#ifndef TL_OPTIM_OPTIMIZER_H
#define TL_OPTIM_OPTIMIZER_H

#include "../autograd/parameter.h"
#include "../tensor/options.h"
#include "schedule.h"

typedef struct tl_optimizer tl_optimizer;

/* What every optimizer can be told. Limits on gradients hold before a step; at most one, 0 for none. */
#define TL_OPTIMIZER_OPTIONS                                                                                 \
    double clip_value;       /* every element within +- this */                                              \
    double clip_norm;        /* every parameter's gradient scaled to at most this L2 norm */                 \
    double global_clip_norm; /* all gradients together scaled to at most this L2 norm */                     \
    tl_schedule schedule;    /* the learning rate's course; constant */

typedef struct tl_sgd_options {
    size_t size;
    double learning_rate; /* 0.01 */
    double momentum;      /* 0 */
    bool nesterov;
    TL_OPTIMIZER_OPTIONS
} tl_sgd_options;

typedef struct tl_rmsprop_options {
    size_t size;
    double learning_rate; /* 0.001 */
    double rho;           /* 0.9 */
    double momentum;      /* 0 */
    double epsilon;       /* 1e-7 */
    bool centered;        /* by the variance of gradients, not by their mean square */
    TL_OPTIMIZER_OPTIONS
} tl_rmsprop_options;

/* Of Adam and AdamW, which differ in one default. */
typedef struct tl_adam_options {
    size_t size;
    double learning_rate; /* 0.001 */
    double weight_decay;  /* Adam: 0; AdamW: 0.004 */
    double beta_1;        /* 0.9 */
    double beta_2;        /* 0.999 */
    double epsilon;       /* 1e-7 */
    bool amsgrad;
    TL_OPTIMIZER_OPTIONS
} tl_adam_options;

typedef struct tl_adagrad_options {
    size_t size;
    double learning_rate;             /* 0.001 */
    double initial_accumulator_value; /* 0.1 */
    double epsilon;                   /* 1e-7 */
    TL_OPTIMIZER_OPTIONS
} tl_adagrad_options;

TL_API tl_optimizer *tl_sgd_with(const tl_sgd_options *options);
TL_API tl_optimizer *tl_rmsprop_with(const tl_rmsprop_options *options);
TL_API tl_optimizer *tl_adam_with(const tl_adam_options *options);
TL_API tl_optimizer *tl_adamw_with(const tl_adam_options *options);
TL_API tl_optimizer *tl_adagrad_with(const tl_adagrad_options *options);

#define tl_sgd(...) tl_sgd_with(&(tl_sgd_options){.size = sizeof(tl_sgd_options), __VA_ARGS__})
#define tl_rmsprop(...)                                                                                      \
    tl_rmsprop_with(&(tl_rmsprop_options){.size = sizeof(tl_rmsprop_options), __VA_ARGS__})
#define tl_adam(...)  tl_adam_with(&(tl_adam_options){.size = sizeof(tl_adam_options), __VA_ARGS__})
#define tl_adamw(...) tl_adamw_with(&(tl_adam_options){.size = sizeof(tl_adam_options), __VA_ARGS__})
#define tl_adagrad(...)                                                                                      \
    tl_adagrad_with(&(tl_adagrad_options){.size = sizeof(tl_adagrad_options), __VA_ARGS__})

/* The optimizer "sgd", "rmsprop", "adam", "adamw" or "adagrad" with its defaults, but this learning rate (0:
 * its default). NULL with an error that lists the names for any other. */
TL_API tl_optimizer *tl_optimizer_by_name(const char *name, double learning_rate);

/* Frees the optimizer and its state, not the parameters. NULL is fine. */
TL_API void tl_optimizer_free(tl_optimizer *optimizer);

/* Puts parameters under the optimizer, which makes their state. They must outlive it. */
TL_API tl_status tl_optimizer_add(tl_optimizer *optimizer, tl_parameter *const parameters[], int count);

/* One step, as above. */
TL_API tl_status tl_optimizer_step(tl_optimizer *optimizer);

/* The name and the number of steps so far. */
TL_API const char *tl_optimizer_name(const tl_optimizer *optimizer);
TL_API int64_t tl_optimizer_steps(const tl_optimizer *optimizer);

/* The learning rate before the schedule's factor, which may be changed between steps: what callbacks do. */
TL_API double tl_optimizer_learning_rate(const tl_optimizer *optimizer);
TL_API tl_status tl_optimizer_set_learning_rate(tl_optimizer *optimizer, double learning_rate);

/* The rate that the next step will use: the learning rate times the schedule's factor. */
TL_API double tl_optimizer_current_rate(const tl_optimizer *optimizer);

#endif
