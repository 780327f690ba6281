/* Snake, an activation for what repeats itself: y = x + sin^2(a x) / a, with one trainable frequency a for
 * each feature (Ziyin, Hartwig and Ueda, "Neural networks fail to learn periodic functions and how to fix
 * it", 2020). The library knows nothing of it: the op, its wrong versions and the layer around it are all in
 * this folder. */
#ifndef CUSTOM_OP_SNAKE_H
#define CUSTOM_OP_SNAKE_H

#include <tapeloop.h>

/* The op: x [..., features] and a [features], f32 or f64, give [..., features]. */
extern const tl_op snake_op;

/* The op with another gradient rule, which is wrong: of the wrong sign, or with a term forgotten. */
tl_op snake_of_wrong_sign(void);
tl_op snake_without_a_term(void);

/* What the rules are made of: the derivatives by x and by a, and a backward function of any two. */
typedef double snake_function(double x, double a);
double snake_by_x(double x, double a);
double snake_by_a(double x, double a);
tl_status snake_gradients(const tl_op_call *call, snake_function *by_x, snake_function *by_a);

/* A layer of it; a is its only parameter, "frequency", and starts as 1. */
tl_module *snake_layer(void);

#endif
