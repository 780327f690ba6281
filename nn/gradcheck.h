/* Gradient checks of whole models: what training computes for each parameter against central differences of
 * the loss. Rests on model.h and autograd/gradcheck.h.
 *
 *     tl_gradcheck_report report;
 *     tl_build(model, tl_shape(20, 3), TL_F64, 0);
 *     if (tl_gradcheck_model(model, x, y, NULL, &report) != TL_OK)
 *         puts(tl_error_message());
 *
 *     parameter simple_rnn/recurrent_kernel [4, 4], element [2, 0]: analytic 0.0121, numeric 0.0242: off by a
 *     constant factor of 0.5
 */
#ifndef TL_NN_GRADCHECK_H
#define TL_NN_GRADCHECK_H

#include "../autograd/gradcheck.h"
#include "model.h"

/* Checks a model that is compiled and built in f64, with one batch x [batch, ...] and y [batch, ...]: for
 * every element of every trainable parameter, the gradient that the next tl_train_on_batch of this batch
 * would take a step by, in the way it would compute it, shard by shard and in training mode, with the draws
 * of dropout of that step. Stateful layers start from zeros each time and have forgotten their states
 * afterwards. Weights are moved, and put back bit for bit, even when this fails; gradients are zero
 * afterwards; the optimizer is not asked.
 *
 * Options, report, tolerances and statuses are those of tl_gradcheck, with `parameter` in the report and
 * `input` its number in tl_model_parameters. A model in f32 is TL_ERROR_DTYPE, with the verdict
 * TL_GRADIENT_DTYPE_TOO_NARROW; one that is not compiled or not built, without trainable parameters, or that
 * the batch does not suit, is an error. For one thread, as anything a model does. */
TL_API tl_status tl_gradcheck_model(tl_model *model, tl_tensor x, tl_tensor y,
                                    const tl_gradcheck_options *options, tl_gradcheck_report *report);

#endif
