/* The gradients of a whole model, weight by weight. */
#ifndef CUSTOM_CELL_GRADIENTS_H
#define CUSTOM_CELL_GRADIENTS_H

#include <tapeloop.h>

/* Compares the gradient of the sum of the outputs for x with central differences, in training mode. The model
 * is built for f64. Counts the derivatives in *checked; one that is wrong is an error that names it. */
tl_status check_gradients(tl_model *model, tl_tensor x, int64_t *checked);

#endif
