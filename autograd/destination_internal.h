/* Where a rule writes the gradient of an input. */
#ifndef TL_AUTOGRAD_DESTINATION_INTERNAL_H
#define TL_AUTOGRAD_DESTINATION_INTERNAL_H

#include "autograd/op_internal.h"
#include "autograd/tape_internal.h"

typedef struct tl_destination {
    tl_tensor tensor;      /* storage NULL: the rule writes nothing */
    tl_row_gradient *rows; /* NULL: a tensor */
    bool add;              /* to what is there */
    bool aside;            /* to be summed into its place afterwards */
} tl_destination;

/* Finds the place for the gradient of an input of a node, or sees that it needs none written. Inputs are to
 * be asked for in their order; call has its inputs and its output, value and gradient. */
tl_status tl_destination_find(const tl_node *node, int input, const tl_op_call *call, tl_call_private *more,
                              tl_destination *to);

/* After the rule: puts what was written aside in place. */
tl_status tl_destination_finish(tl_var *x, const tl_destination *to);

#endif
