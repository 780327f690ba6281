/* The tape: records what is computed, and differentiates it backwards. Rests on parameter.h and tensor/.
 *
 * Ops (ops.h) are functions of vars; a var is a tensor on a tape. They run at once, and while the tape
 * records gradients it remembers how each value came about. tl_backward() walks that record in reverse and
 * adds the gradients to the parameters that were used. tl_tape_reset() forgets everything but keeps the
 * memory, so that a training loop allocates in its first round only.
 *
 *     for (...) {
 *         tl_var *h = tl_tanh(tl_matmul(tl_input(tape, x), tl_use(tape, w)));
 *         tl_var *loss = tl_mse(h, tl_input(tape, y));
 *         if (tl_backward(loss) != TL_OK)
 *             break;
 *         tl_optimizer_step(optimizer);
 *         tl_tape_reset(tape);
 *     }
 *
 * Errors stick: an op that fails sets the error and returns NULL, and an op given NULL returns NULL, so an
 * expression needs one check at its end. Vars, and the tensors that tl_value() and tl_grad() show, belong
 * to the tape and vanish at its reset.
 *
 * Thread-safety: a tape is for one thread at a time; several tapes may use the same parameters at once, as
 * long as none of them changes or differentiates into them (see shards.h for that).
 */
#ifndef TL_AUTOGRAD_TAPE_H
#define TL_AUTOGRAD_TAPE_H

#include "parameter.h"

typedef struct tl_tape tl_tape;
typedef struct tl_var tl_var;

/* A new tape that records gradients and is in training mode. The caller frees it. */
TL_API tl_tape *tl_tape_new(void);

/* Frees the tape with everything on it. NULL is fine. */
TL_API void tl_tape_free(tl_tape *tape);

/* Forgets everything recorded. Every var of the tape becomes invalid. */
TL_API void tl_tape_reset(tl_tape *tape);

/* Whether ops are recorded for tl_backward (at first: yes). A tape that only computes is cheaper. */
TL_API void tl_tape_set_recording(tl_tape *tape, bool records);
TL_API bool tl_tape_is_recording(const tl_tape *tape);

/* Training or inference (at first: training): what dropout and the like look at. */
TL_API void tl_tape_set_training(tl_tape *tape, bool training);
TL_API bool tl_tape_is_training(const tl_tape *tape);

/* Where the random numbers of dropout come from: a seed, the number of the step, and the place of this
 * tape's first row in the whole batch, so that shards of one batch draw what the whole would. At first 0. */
TL_API void tl_tape_set_random(tl_tape *tape, uint64_t seed, uint64_t step, int64_t first_row);

/* The most memory, in bytes, that anything recorded took at a time. */
TL_API size_t tl_tape_peak_bytes(const tl_tape *tape);

/* A tensor brought onto the tape as it is, without a gradient: data, labels, ids. Copies nothing, so the
 * tensor must stay as it is until the reset. A tensor from tl_grad of the same tape is an error, since
 * gradients of gradients are not supported: copy it out to use it as a constant. */
TL_API tl_var *tl_input(tl_tape *tape, tl_tensor tensor);

/* The same with a gradient, which tl_grad shows after tl_backward. f32 or f64. */
TL_API tl_var *tl_variable(tl_tape *tape, tl_tensor tensor);

/* The parameter on this tape: one and the same var however often it is asked. */
TL_API tl_var *tl_use(tl_tape *tape, tl_parameter *parameter);

/* A constant full of zeros. */
TL_API tl_var *tl_zeros(tl_tape *tape, tl_dtype dtype, tl_shape shape);

/* The same value cut off from how it came about: no gradient flows back through it. */
TL_API tl_var *tl_detach(tl_var *x);

/* The tape of a var, and its value. NULL and an empty tensor for NULL. */
TL_API tl_tape *tl_tape_of(const tl_var *x);
TL_API tl_tensor tl_value(tl_var *x);

/* The shape and element type of a var; those of a scalar f32 for NULL. */
TL_API tl_shape tl_shape_of(const tl_var *x);
TL_API tl_dtype tl_dtype_of(const tl_var *x);

/* Asks the tl_backward to come to keep the gradient of x, which it otherwise drops once it is passed on.
 * Returns x. Parameters and variables keep theirs unasked. The gradient of a view is that part of the
 * gradient of what it is a view of, with all that flowed there. */
TL_API tl_var *tl_retain_grad(tl_var *x);

/* After tl_backward: the gradient of a variable, parameter, or var with tl_retain_grad; zeros if the loss
 * does not depend on it. Empty with the error set for any other var. */
TL_API tl_tensor tl_grad(tl_var *x);

/* Computes the gradient of `loss`, which has one element, with respect to everything it depends on, and
 * adds those of parameters to their gradients. Once for a tape between resets: a second call is an error,
 * as is a value that was changed in place since the tape saved it. Returns the error that made `loss` NULL
 * when it is NULL. */
TL_API tl_status tl_backward(tl_var *loss);

/* The same from any var on, with the gradient of whatever follows given: `seed` has its shape. */
TL_API tl_status tl_backward_from(tl_var *x, tl_tensor seed);

/* A row mask that travels with a sequence: u8 [batch, time], 0 where a step is padding; [batch] on one
 * step of it. Recurrent layers skip such steps, losses leave them out. Sets it and returns x, or reads it:
 * empty, without an error, if there is none. The tensor must stay until the reset. */
TL_API tl_var *tl_set_mask(tl_var *x, tl_tensor mask);
TL_API tl_tensor tl_mask_of(const tl_var *x);

#endif
