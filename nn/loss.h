/* Losses of models, under Keras's names, in their stable forms. Rests on autograd/ops.h.
 *
 * A loss gives one value a row, or one a step for sequences; the trainer averages them, leaving out what is
 * masked. Predictions are probabilities, as in Keras, unless from_logits says that the final sigmoid or
 * softmax has been left off. tl_compile takes a final sigmoid or softmax layer off by itself.
 *
 *   binary cross-entropy              mean over the last axis of -(y log p + (1 - y) log(1 - p))
 *   categorical cross-entropy         -sum over the last axis of y log p, p scaled to sum 1
 *   sparse categorical cross-entropy  -log p[y], y the number of the class (i32)
 *   mean squared error                mean over the last axis of (p - y)^2
 */
#ifndef TL_NN_LOSS_H
#define TL_NN_LOSS_H

#include "../autograd/ops.h"

typedef enum tl_loss {
    TL_NO_LOSS = 0,
    TL_BINARY_CROSSENTROPY,
    TL_CATEGORICAL_CROSSENTROPY,
    TL_SPARSE_CATEGORICAL_CROSSENTROPY,
    TL_MEAN_SQUARED_ERROR
} tl_loss;

/* "binary_crossentropy", ...; NULL for a value outside the enumeration. */
TL_API const char *tl_loss_name(tl_loss loss);

/* The activation that belongs to the loss's logits: TL_SIGMOID, TL_SOFTMAX, or TL_LINEAR. */
TL_API tl_activation tl_loss_activation(tl_loss loss);

/* The loss of each row: prediction [batch, ..., n], n at least 1, target of the same shape (sparse: [batch,
 * ...] of i32) -> [batch, ...]. A target that lacks a last axis of 1, or has one too many, is taken as if it
 * fitted. Targets are constants: no gradient flows to them. Probabilities are held within [1e-7, 1 - 1e-7],
 * as in Keras.
 *
 * It is an error if the target of a binary cross-entropy is not 0 to 1, or that of a sparse one is not a
 * whole number from 0 to n - 1, NaN among either, and where a mask says that the step does not count as well.
 * Other targets may be any number; NaN in them, or in predictions, makes the row's loss NaN. */
TL_API tl_var *tl_loss_rows(tl_loss loss, tl_var *prediction, tl_var *target, bool from_logits);

/* For each row 1 if it counts as right, else 0, summed with weights of the loss's shape (empty: all 1):
 * binary: the fraction of the last axis on the target's side of one half (0 for logits); categorical: the
 * largest prediction is the target's, the first of those that are equal. NaN is never right. False for losses
 * that have no accuracy. */
TL_API bool tl_loss_has_accuracy(tl_loss loss);
TL_API tl_status tl_loss_accuracy(tl_loss loss, tl_tensor prediction, tl_tensor target, tl_tensor weights,
                                  bool from_logits, double *sum);

#endif
