/* Models and optimizers made from their descriptions in a table of cases. What cannot be made fails the test.
 */
#ifndef TL_TESTS_PARITY_BUILD_INTERNAL_H
#define TL_TESTS_PARITY_BUILD_INTERNAL_H

#include "tests/parity/names_internal.h"

/* The layers of a case as a model; those of its weights that have the names it lists, and no others. `input`
 * without the batch. The model is built with the case's weights, and compiled before with the optimizer,
 * which then belongs to it, unless that is NULL. `first` gets its first layer unless NULL. */
tl_model *new_model(vector_case c, tl_shape input, tl_optimizer *optimizer, tl_module **first);

/* The parameters' values, or their gradients, against a flat tensor that holds all of them in order. Returns
 * how many numbers that were. */
int64_t check_weights(vector_case c, const tl_model *model, bool gradients, tl_tensor flat);

/* {"optimizer": "sgd", "momentum": 0.9, ...} */
tl_optimizer *new_optimizer(const json_t *at);

#endif
