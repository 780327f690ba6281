/* How the ops of ops.h are called by name, with their options as they stand in a table of cases. */
#ifndef TL_TESTS_PARITY_APPLY_INTERNAL_H
#define TL_TESTS_PARITY_APPLY_INTERNAL_H

#include "autograd/ops.h"
#include "tests/parity/vectors_internal.h"

typedef struct op_inputs {
    const json_t *at;
    tl_tape *tape;
    tl_var *in[TL_MAX_INPUTS];
    int count;
} op_inputs;

/* The result of a case's op; NULL with the error set. A name that is in no table fails the test. */
tl_var *apply_op(const op_inputs *c);

#endif
