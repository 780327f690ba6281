/* What the tape and the trainer ask of tracing. */
#ifndef TL_AUTOGRAD_TRACE_INTERNAL_H
#define TL_AUTOGRAD_TRACE_INTERNAL_H

#include "autograd/destination_internal.h"
#include "autograd/trace.h"

enum { TL_TRACE_TEXT = 512 };

/* A place in a model, in the arena of a tape. */
struct tl_scope {
    const struct tl_scope *outer;
    int64_t first, count; /* of time steps; count 0: it has a name */
    char name[];
};

/* What a recurrent layer shows after a step: its states behind time step t of `steps`. */
typedef struct tl_probe_step {
    const void *layer; /* tells it from others; its scope is that of the tape */
    int64_t t, steps;
    bool backwards;
    tl_var *const *states;
    int count;
} tl_probe_step;

/* Somebody who looks at the states of recurrent layers as they come. */
struct tl_probe {
    tl_status (*see)(struct tl_probe *probe, const tl_probe_step *step);
};

/* Has a probe look at what is recorded from now on; NULL: nobody looks. */
void tl_tape_set_probe(tl_tape *tape, struct tl_probe *probe);

/* Writes "simple_rnn/t=17", or "" for NULL, cut to the size. */
void tl_scope_text(const tl_scope *scope, char text[], size_t size);

/* TL_OK if what an op computed is finite. */
tl_status tl_trace_forward(const tl_op *op, tl_var *const inputs[], int count, const tl_var *output);

/* TL_OK if what backward starts from is. */
tl_status tl_trace_seed(const tl_var *x, tl_tensor seed);

/* TL_OK if what the rule of a node wrote is. */
tl_status tl_trace_backward(const tl_node *node, const tl_op_call *call, const tl_destination to[]);

/* TL_OK if a parameter's gradient is finite, summed over all that it was used for; if its value is, which
 * `what` has just changed. */
tl_status tl_trace_parameter_gradient(const tl_parameter *parameter);
tl_status tl_trace_parameter_value(const char *what, const tl_parameter *parameter);

#endif
