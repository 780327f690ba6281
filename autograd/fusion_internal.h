/* What the tape does across the border of two ops on the way back, for ops that say how.
 *
 * A recurrent step is h' = f(h w + x). Its rule multiplies the gradient of h' by the slope of f, and passes
 * it on through w to h, which is the h' of the step before. Where nobody else adds to that gradient any more,
 * it can be taken through the slope of the step before at once, while it is at hand, and straight to where
 * the gradient of that step's x belongs: then a step back in time is one product and nothing else.
 */
#ifndef TL_AUTOGRAD_FUSION_INTERNAL_H
#define TL_AUTOGRAD_FUSION_INTERNAL_H

#include "autograd/op.h"
#include "tensor/kernels/kernels_internal.h"

enum { TL_NO_INPUT = -1 };

typedef struct tl_fusion {
    /* The map of (grad_output, output) that the rule starts with, and whose result is the gradient of input
     * `addend`. NULL, or TL_MAP_COPY as its answer: there is none. TL_MAP_COUNT: it is not that simple with
     * these attributes, neither on the way in nor on the way out. */
    tl_map (*slope)(const void *attributes);
    int addend;

    /* The input whose gradient the rule takes through a slope if asked to. */
    int sloping;

    /* The part of grad_output that is the gradient of an input as it stands; NULL: there is none. It is asked
     * for every input in their order, with *place for the op to count in, 0 at first. */
    tl_tensor (*lend)(const tl_op_call *call, int input, int64_t *place);

    /* The step, along axis 1, that the rule can do with the gradient of alone; NULL: none. */
    int64_t (*last_part)(const tl_op_call *call);
} tl_fusion;

/* What is asked of a rule in one call. */
typedef struct tl_joined {
    bool sloped;    /* grad_output has been through this op's own slope */
    tl_map slope;   /* to take the gradient of input `sloping` through; TL_MAP_COPY: none */
    int64_t place;  /* of lend */
    tl_tensor onto; /* what is added to that gradient before; storage NULL: nothing, or as call->add says */
    bool last_only; /* of grad_output only the step `last_part` is defined, and the others count as zeros */
    bool addend_stays; /* what is written as the gradient of `addend` is not added to */
    unsigned may_wait; /* inputs, by bit, whose gradient nobody looks at before the end of backward */
} tl_joined;

#endif
