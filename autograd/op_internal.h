/* What ops of the library's tell the tape beyond the public descriptor, and what it tells their rules. */
#ifndef TL_AUTOGRAD_OP_INTERNAL_H
#define TL_AUTOGRAD_OP_INTERNAL_H

#include "autograd/op.h"

/* All of it optional. */
typedef struct tl_op_private {
    /* What the rule looks at with these attributes, if that is less than the op's `reads`. */
    unsigned (*reads)(const void *attributes);

    /* The part of grad_output that is the gradient of an input as it stands. It is asked for every input in
     * their order, with *place for the op to count in, 0 at first. */
    tl_tensor (*lend)(const tl_op_call *call, int input, int64_t *place);

    /* The step, along axis 1, that the rule can do with the gradient of alone. */
    int64_t (*last_part)(const tl_op_call *call);
} tl_op_private;

/* About one call of a rule; inputs by bit. */
typedef struct tl_call_private {
    int64_t place;  /* of lend */
    bool last_only; /* of grad_output only the step `last_part` is defined, and the others count as zeros */
    unsigned stays; /* inputs whose gradient stays as the rule writes it */
    unsigned may_wait; /* inputs whose gradient nobody looks at before the end of backward */
} tl_call_private;

#endif
