/* Ops: how one differentiable operation is described. Rests on tape.h.
 *
 * An op is a constant descriptor: how its result looks, how it is computed, and one gradient per input. The
 * library's own ops are written this way, and a user's op is the same in the user's own file. This one is for
 * f64; one that is to train in f32 as well looks at output.dtype and has a loop for each.
 *
 *     static tl_status softplus_infer(const tl_op_call *call, tl_tensor *result)
 *     {
 *         if (call->inputs[0]->dtype != TL_F64)
 *             return tl_error(TL_ERROR_DTYPE, "softplus: expected f64");
 *         return tl_infer_same(call, result);
 *     }
 *
 *     static tl_status softplus_forward(const tl_op_call *call)
 *     {
 *         const double *x = tl_data(*call->inputs[0]);
 *         double *y = tl_data_mut(call->output);
 *         for (int64_t i = 0; i < tl_tensor_count(call->output); i++)
 *             y[i] = log1p(exp(x[i]));
 *         return TL_OK;
 *     }
 *
 *     static tl_status softplus_backward(const tl_op_call *call)
 *     {
 *         const double *x = tl_data(*call->inputs[0]), *g = tl_data(call->grad_output);
 *         double *dx = tl_data_mut(call->grad_inputs[0]);
 *         for (int64_t i = 0; i < tl_tensor_count(call->output); i++)
 *             dx[i] = g[i] / (1 + exp(-x[i]));
 *         return TL_OK;
 *     }
 *
 *     static const tl_op_case softplus_cases[] = {
 *         {.name = "matrix", .inputs = {{.shape = {2, {2, 3}}}}, .count = 1},
 *     };
 *     static const tl_op softplus = {
 *         .name = "softplus", .inputs = 1, .reads = TL_READS_INPUTS,
 *         .infer = softplus_infer, .forward = softplus_forward, .backward = softplus_backward,
 *         .cases = softplus_cases, .case_count = 1,
 *     };
 *
 *     tl_status status = tl_gradcheck_op(&softplus, NULL);
 *     tl_var *y = tl_apply(&softplus, &x, 1, NULL, 0);
 *
 * The tape does the rest: memory, what needs a gradient, summing out broadcast axes, adding up the
 * gradients of a value that is used more than once. What is left to an op of several inputs: they come in
 * shapes of their own, so broadcasting is its work; and a gradient that is not wanted has no memory, so it
 * asks tl_tensor_ok(call->grad_inputs[i]) before it writes. In training, shards of a batch run the functions
 * on several threads at once, so they keep nothing. A descriptor lives at least as long as what is recorded.
 */
#ifndef TL_AUTOGRAD_OP_H
#define TL_AUTOGRAD_OP_H

#include "tape.h"

typedef struct tl_op tl_op;
typedef struct tl_row_gradient tl_row_gradient;

enum {
    TL_MAX_INPUTS = 8,     /* of an op with a fixed number */
    TL_ANY_NUMBER = -1,    /* tl_op.inputs: one or more */
    TL_READS_INPUTS = 255, /* tl_op.reads: the rule looks at every input; 1 << i: at input i */
    TL_READS_OUTPUT = 256, /* ... at the output */
    TL_READS_NOTHING = 512 /* ... at neither; 0 stands for all, which is always safe */
};

/* One use of an op. The forward function reads inputs and writes every element of output. The backward
 * function reads grad_output and, as far as the descriptor says so in `reads`, inputs and output, and
 * writes every element of each wanted gradient. */
typedef struct tl_op_call {
    const tl_op *op;
    int count; /* of inputs */
    const tl_tensor *const *inputs;
    const void *attributes; /* what tl_apply was given: exponents, axes, ... */
    tl_tensor output;
    tl_tensor grad_output;        /* backward: of output's shape */
    const tl_tensor *grad_inputs; /* backward: where to write; tl_tensor_ok() false: not wanted */
    const bool *add;              /* with op->accumulates: add to grad_inputs[i] instead of overwriting */
    tl_row_gradient *const *row_grads; /* with op->row_gradients: use this instead where it is not NULL */
    tl_tape *tape;
    const struct tl_call_private *more; /* the library's own */
} tl_op_call;

typedef tl_shape tl_shape_rule(const tl_op_call *call, int input);

/* An input of a sample case: random numbers uniform in [low, high]. */
typedef struct tl_sample {
    tl_dtype dtype; /* TL_F32 stands for the float type under test, TL_I32 for ids, TL_U8 for masks */
    tl_shape shape;
    double low, high; /* both 0: -1 to 1 for floats, 0 to 1 for masks */
    double avoid;     /* with a margin: no number closer than that to `avoid`, for instance a kink */
    double margin;
    enum {
        TL_SAMPLE_PLAIN,
        TL_SAMPLE_TRANSPOSED,
        TL_SAMPLE_SLICED
    } layout;    /* of a view of a larger tensor */
    int same_as; /* 1 + the index of an earlier input that this one is, as the same var */
} tl_sample;

/* Inputs on which an op is tried: forward against float64, gradient check, benchmark. */
typedef struct tl_op_case {
    const char *name;
    tl_sample inputs[TL_MAX_INPUTS];
    int count; /* of inputs */
    const void *attributes;
    size_t attribute_bytes;
} tl_op_case;

struct tl_op {
    const char *name;
    int inputs; /* how many, or TL_ANY_NUMBER */

    /* Checks the inputs, with an error a user understands, and sets result->dtype and result->shape.
     * Strides left at 0 mean row-major. */
    tl_status (*infer)(const tl_op_call *call, tl_tensor *result);
    tl_status (*forward)(const tl_op_call *call);
    tl_status (*backward)(const tl_op_call *call); /* NULL: not differentiable */
    unsigned reads; /* what `backward` looks at besides grad_output: a change of it in between is an error */

    /* The shape in which `backward` writes the gradient of an input; the tape sums it over the axes that were
     * broadcast. NULL: the output's shape where `infer` is tl_infer_broadcast, else the input's. */
    tl_shape_rule *full_shape;

    /* The rest is false for most ops of a user's. */
    bool accumulates;   /* `backward` honours call->add, and takes any number of inputs in their order */
    bool strided;       /* takes views; otherwise every tensor it sees is row-major */
    bool view;          /* the result is a view of input 0, made by `infer`: no forward, no backward */
    bool row_gradients; /* `backward` can give the gradient of input 0 by rows (embedding tables) */
    bool lazy;          /* forward may wait until somebody looks at the value */

    const struct tl_op_private *more; /* the library's own */

    const tl_op_case *cases;
    int case_count;
};

/* Applies an op; what every function of ops.h ends in. `attributes` are copied. NULL with the error set if
 * the inputs do not fit; NULL with the message left if one of them is NULL. */
TL_API tl_var *tl_apply(const tl_op *op, tl_var *const inputs[], int count, const void *attributes,
                        size_t attribute_bytes);

/* For `infer`: the result is of the first input's dtype and shape, and that is a float type. */
TL_API tl_status tl_infer_same(const tl_op_call *call, tl_tensor *result);

/* For `infer`: the inputs are of one float type, and the result of their common broadcast shape. */
TL_API tl_status tl_infer_broadcast(const tl_op_call *call, tl_tensor *result);

/* For `full_shape` of ops with an `infer` of their own that broadcasts: the output's shape, whatever the
 * input. */
TL_API tl_shape tl_full_shape_of_output(const tl_op_call *call, int input);

/* Memory until the forward or backward function returns; NULL with the error set when there is none. */
TL_API void *tl_scratch(const tl_op_call *call, size_t bytes);

/* Adds rows of `values` [n, width] to the gradient of a table: row i to row ids[i]. Strides are those of
 * the two tensors; ids is i32 [n]. */
TL_API tl_status tl_row_gradient_add(tl_row_gradient *gradient, tl_tensor ids, tl_tensor values);

/* The library's ops in a fixed order; NULL past the last. Files store names, never numbers. */
TL_API const tl_op *tl_op_at(int index);
TL_API const tl_op *tl_op_by_name(const char *name);

#endif
