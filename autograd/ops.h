/* The ops: functions of vars, named as in PyTorch. Rests on op.h; each rule and its sample cases stand in
 * autograd/ops/.
 *
 * Unless it says otherwise, an op takes f32 or f64 vars of one tape and one type, broadcasts shapes as
 * numpy does, returns a new var of the same tape, and sets the error and returns NULL where inputs do not
 * fit. Axes may be negative: -1 is the last. Any extent may be 0. NaN and infinity are no errors: they go on
 * to all that depends on them, and to nothing else. A result with more elements than tl_shape_check allows is
 * an error.
 */
#ifndef TL_AUTOGRAD_OPS_H
#define TL_AUTOGRAD_OPS_H

#include "op.h"

/* Arithmetic, element by element. */
TL_API tl_var *tl_add(tl_var *a, tl_var *b);
TL_API tl_var *tl_sub(tl_var *a, tl_var *b);
TL_API tl_var *tl_mul(tl_var *a, tl_var *b);
TL_API tl_var *tl_div(tl_var *a, tl_var *b);
TL_API tl_var *tl_neg(tl_var *x);
TL_API tl_var *tl_scale(tl_var *x, double factor);
TL_API tl_var *tl_pow(tl_var *x, double exponent); /* x >= 0 unless the exponent is whole */

/* Functions, element by element. The gradient of relu and abs at 0 is 0; that of clamp is 1 within
 * [low, high], ends included, and 0 outside; sqrt and log have the gradients of their formulas at 0. */
TL_API tl_var *tl_tanh(tl_var *x);
TL_API tl_var *tl_sigmoid(tl_var *x); /* 1 / (1 + exp(-x)) */
TL_API tl_var *tl_relu(tl_var *x);    /* max(x, 0) */
TL_API tl_var *tl_exp(tl_var *x);
TL_API tl_var *tl_log(tl_var *x);
TL_API tl_var *tl_sqrt(tl_var *x);
TL_API tl_var *tl_abs(tl_var *x);
TL_API tl_var *tl_clamp(tl_var *x, double low, double high);

/* Activations by name, for layers and tl_affine. Zero stands for a layer's own default. */
typedef enum tl_activation {
    TL_DEFAULT_ACTIVATION = 0,
    TL_LINEAR,
    TL_TANH,
    TL_SIGMOID,
    TL_RELU,
    TL_SOFTMAX /* over the last axis */
} tl_activation;

/* "tanh", ...; NULL for a value outside the enumeration. */
TL_API const char *tl_activation_name(tl_activation activation);

/* The activation applied to x; TL_LINEAR and TL_DEFAULT_ACTIVATION give x itself. */
TL_API tl_var *tl_activate(tl_var *x, tl_activation activation);

/* Matrix product. [..., m, k] x [..., k, n] -> [..., m, n]; leading axes broadcast. A left-hand side of
 * rank 3 or more times a matrix of rank 2 treats all leading axes as rows. */
TL_API tl_var *tl_matmul(tl_var *a, tl_var *b);

/* activation(x w + c) in one node: x [..., k], w [k, n], c a row [n] or a full [..., n]; all three may be
 * views, such as slices of a parameter. One dense layer, or one step of a plain recurrent cell. Not for
 * TL_SOFTMAX. */
TL_API tl_var *tl_affine(tl_var *x, tl_var *w, tl_var *c, tl_activation activation);

/* The same for x [m, n], w [n, n], with a u8 mask [m]: rows where it is 0 keep x's row. An empty mask means
 * none. It must stay as it is until backward is done. This is the step of a recurrent cell over padded
 * sequences. */
TL_API tl_var *tl_affine_masked(tl_var *x, tl_var *w, tl_var *c, tl_activation activation, tl_tensor mask);

/* Many such steps in one node: h_t = activation(h_(t-1) w + x_t) for x [b, t, n], w [n, n] and h [b, n], the
 * state that the first step starts from. The result, [b, t, n], holds the state after each step, whether
 * steps go forwards or `backwards` from the last. Where mask, u8 [b, t], is 0 a row keeps its state; empty:
 * there is none. Rows that keep it all along cost next to nothing. A mask must stay as it is until backward
 * is done. */
TL_API tl_var *tl_affine_scan(tl_var *x, tl_var *w, tl_var *h, tl_activation activation, bool backwards,
                              tl_tensor mask);

/* A set of axes: tl_axes(0, 2); TL_ALL_AXES for all. */
typedef struct tl_axis_set {
    int count; /* 0: all axes */
    int axes[TL_MAX_RANK];
} tl_axis_set;
#define tl_axes(...) ((tl_axis_set){(int)(sizeof((int[]){__VA_ARGS__}) / sizeof(int)), {__VA_ARGS__}})
#define TL_ALL_AXES  ((tl_axis_set){0, {0}})

/* Reductions over axes, which disappear, or become 1 with keepdims. The sum of nothing is 0, its mean NaN and
 * its maximum -infinity; a maximum that is reached more than once shares its gradient equally. */
TL_API tl_var *tl_sum(tl_var *x, tl_axis_set axes, bool keepdims);
TL_API tl_var *tl_mean(tl_var *x, tl_axis_set axes, bool keepdims);
TL_API tl_var *tl_max(tl_var *x, tl_axis_set axes, bool keepdims);

/* Views of any dtype: as the tl_tensor_ functions of the same names; reshape copies where it has to. */
TL_API tl_var *tl_reshape(tl_var *x, tl_shape shape);
TL_API tl_var *tl_transpose(tl_var *x, int axis, int other);
TL_API tl_var *tl_slice(tl_var *x, int axis, int64_t start, int64_t length);
TL_API tl_var *tl_select(tl_var *x, int axis, int64_t index);
TL_API tl_var *tl_unsqueeze(tl_var *x, int axis);

/* Joins vars along an axis that they have, or along a new one before `axis`. What is stacked lies in
 * memory piece after piece: a stack over time is time-major. */
TL_API tl_var *tl_concat(tl_var *const parts[], int count, int axis);
TL_API tl_var *tl_stack(tl_var *const parts[], int count, int axis);

/* Rows of a table [v, n] by number: ids, i32 of any shape [...], give [..., n]. An id outside 0 ... v - 1 is
 * an error. The value is computed when somebody looks at it. */
TL_API tl_var *tl_gather(tl_var *table, tl_var *ids);

/* a where the condition, u8, is not 0, else b. All three broadcast. */
TL_API tl_var *tl_where(tl_var *condition, tl_var *a, tl_var *b);

/* exp(x) / sum(exp(x)) along an axis, and its logarithm, both stable. */
TL_API tl_var *tl_softmax(tl_var *x, int axis);
TL_API tl_var *tl_log_softmax(tl_var *x, int axis);

/* (x - mean) / sqrt(variance + epsilon), mean and variance (of the population) taken over the last axis;
 * scale and shift, if wanted, are a tl_mul and a tl_add behind it  (Ba, Kiros and Hinton, 2016). epsilon > 0.
 */
TL_API tl_var *tl_layer_norm(tl_var *x, double epsilon);

/* In training: each element is 0 with probability `rate`, 0 <= rate < 1, and else divided by 1 - rate. In
 * inference: x. Which elements is a function of the tape's random source, of how many dropouts the tape
 * recorded before, of the row (axis 0) and of the place in the row. */
TL_API tl_var *tl_dropout(tl_var *x, double rate);

/* Losses, element by element or row by row, from logits, in stable forms; average them with tl_mean.
 *   sigmoid:         max(x, 0) - x y + log(1 + exp(-|x|)); x and y of one shape
 *   softmax:         -sum over the last axis of y log_softmax(x): [..., n], [..., n] -> [...]
 *   sparse_softmax:  -log_softmax(x)[y], y i32 [...] with labels 0 ... n - 1: -> [...] */
TL_API tl_var *tl_sigmoid_cross_entropy_with_logits(tl_var *x, tl_var *y);
TL_API tl_var *tl_softmax_cross_entropy_with_logits(tl_var *x, tl_var *y);
TL_API tl_var *tl_sparse_softmax_cross_entropy_with_logits(tl_var *x, tl_var *y);

/* The mean of (a - b)^2 over all elements, a and b of one shape: one number. */
TL_API tl_var *tl_mse(tl_var *a, tl_var *b);

#endif
