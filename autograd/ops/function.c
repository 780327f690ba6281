/* Functions of one var, element by element. All are one forward and one backward function over a table of
 * kernels: what differs is which map computes the value, which one the gradient, and what that one reads. */
#include "autograd/ops/ops_internal.h"

#include <string.h>

enum reads { NOTHING, INPUT, OUTPUT };

typedef struct function {
    tl_map value, gradient; /* the second map's a is the incoming gradient, its b what `reads` says */
    enum reads reads;
} function;

enum which { NEG, SCALE, POW, TANH, SIGMOID, RELU, EXP, LOG, SQRT, ABS, CLAMP, FUNCTIONS };

static const function functions[FUNCTIONS] = {
    [NEG] = {TL_MAP_NEG, TL_MAP_NEG, NOTHING},
    [SCALE] = {TL_MAP_SCALE, TL_MAP_SCALE, NOTHING},
    [POW] = {TL_MAP_POW, TL_MAP_POW_GRAD, INPUT},
    [TANH] = {TL_MAP_TANH, TL_MAP_TANH_GRAD, OUTPUT},
    [SIGMOID] = {TL_MAP_SIGMOID, TL_MAP_SIGMOID_GRAD, OUTPUT},
    [RELU] = {TL_MAP_RELU, TL_MAP_RELU_GRAD, OUTPUT},
    [EXP] = {TL_MAP_EXP, TL_MAP_MUL, OUTPUT},
    [LOG] = {TL_MAP_LOG, TL_MAP_DIV, INPUT},
    [SQRT] = {TL_MAP_SQRT, TL_MAP_SQRT_GRAD, OUTPUT},
    [ABS] = {TL_MAP_ABS, TL_MAP_ABS_GRAD, INPUT},
    [CLAMP] = {TL_MAP_CLAMP, TL_MAP_CLAMP_GRAD, INPUT},
};

/* Which function a call is of, and its numbers: an exponent, a factor, two limits. */
typedef struct function_attributes {
    enum which which;
    double p[2];
} function_attributes;

static tl_status forward(const tl_op_call *call)
{
    const function_attributes *at = call->attributes;
    tl_compute_map(functions[at->which].value, call->output, *call->inputs[0], TL_NONE, at->p);
    return TL_OK;
}

static tl_status backward(const tl_op_call *call)
{
    const function_attributes *at = call->attributes;
    const function *f = &functions[at->which];
    tl_tensor saved = f->reads == INPUT ? *call->inputs[0] : f->reads == OUTPUT ? call->output : TL_NONE;
    tl_compute_map(f->gradient, call->grad_inputs[0], call->grad_output, saved, at->p);
    return TL_OK;
}

#define ONE(name_, which_, p0, p1, ...)                                                                      \
    {                                                                                                        \
        .name = name_, .count = 1, .inputs = {{__VA_ARGS__}},                                                \
        .attributes = &(const function_attributes){which_, {p0, p1}},                                        \
        .attribute_bytes = sizeof(function_attributes)                                                       \
    }

/* Shapes that every function is tried on, with numbers from its own range. */
#define SHAPES(which, p0, p1, ...)                                                                           \
    ONE("matrix", which, p0, p1, .shape = {2, {3, 5}}, __VA_ARGS__),                                         \
        ONE("scalar", which, p0, p1, .shape = {0}, __VA_ARGS__),                                             \
        ONE("zero size", which, p0, p1, .shape = {2, {3, 0}}, __VA_ARGS__),                                  \
        ONE("odd length", which, p0, p1, .shape = {1, {67}}, __VA_ARGS__),                                   \
        ONE("transposed", which, p0, p1, .shape = {2, {3, 5}}, .layout = TL_SAMPLE_TRANSPOSED, __VA_ARGS__), \
        ONE("sliced", which, p0, p1, .shape = {3, {2, 3, 4}}, .layout = TL_SAMPLE_SLICED, __VA_ARGS__)

static const tl_op_case neg_cases[] = {SHAPES(NEG, 0, 0, .low = -2, .high = 2)};
static const tl_op_case scale_cases[] = {SHAPES(SCALE, -1.5, 0, .low = -2, .high = 2)};
static const tl_op_case pow_cases[] = {
    SHAPES(POW, 2.5, 0, .low = 0.5, .high = 2),
    ONE("square of negative numbers", POW, 2, 0, .shape = {1, {7}}, .low = -2, .high = 2),
    ONE("inverse", POW, -1, 0, .shape = {1, {7}}, .low = 0.5, .high = 2),
    ONE("exponent 0", POW, 0, 0, .shape = {1, {7}}, .low = 0.5, .high = 2),
    ONE("exponent 1", POW, 1, 0, .shape = {1, {7}}, .low = -2, .high = 2),
};
static const tl_op_case tanh_cases[] = {
    SHAPES(TANH, 0, 0, .low = -3, .high = 3),
    ONE("small numbers", TANH, 0, 0, .shape = {1, {33}}, .low = -1e-3, .high = 1e-3),
};
static const tl_op_case sigmoid_cases[] = {
    SHAPES(SIGMOID, 0, 0, .low = -4, .high = 4),
    ONE("far out", SIGMOID, 0, 0, .shape = {1, {33}}, .low = -30, .high = 30),
};
static const tl_op_case relu_cases[] = {SHAPES(RELU, 0, 0, .low = -2, .high = 2, .margin = 0.01)};
static const tl_op_case exp_cases[] = {SHAPES(EXP, 0, 0, .low = -3, .high = 3)};
static const tl_op_case log_cases[] = {SHAPES(LOG, 0, 0, .low = 0.3, .high = 3)};
static const tl_op_case sqrt_cases[] = {SHAPES(SQRT, 0, 0, .low = 0.3, .high = 3)};
static const tl_op_case abs_cases[] = {SHAPES(ABS, 0, 0, .low = -2, .high = 2, .margin = 0.01)};
static const tl_op_case clamp_cases[] = {
    SHAPES(CLAMP, -0.5, 0.75, .low = -0.4, .high = 2, .avoid = 0.75, .margin = 0.01),
    ONE("below", CLAMP, -0.5, 0.75, .shape = {1, {9}}, .low = -2, .high = 0.5, .avoid = -0.5, .margin = 0.01),
};

#define FUNCTION_OP(name_, reads_, cases_)                                                                   \
    {                                                                                                        \
        .name = name_, .inputs = 1, .infer = tl_infer_same, .forward = forward, .backward = backward,        \
        .reads = reads_, .strided = true, .cases = cases_, .case_count = TL_COUNT(cases_)                    \
    }

static const tl_op ops[FUNCTIONS] = {
    [NEG] = FUNCTION_OP("neg", TL_READS_NOTHING, neg_cases),
    [SCALE] = FUNCTION_OP("scale", TL_READS_NOTHING, scale_cases),
    [POW] = FUNCTION_OP("pow", TL_READS_INPUTS, pow_cases),
    [TANH] = FUNCTION_OP("tanh", TL_READS_OUTPUT, tanh_cases),
    [SIGMOID] = FUNCTION_OP("sigmoid", TL_READS_OUTPUT, sigmoid_cases),
    [RELU] = FUNCTION_OP("relu", TL_READS_OUTPUT, relu_cases),
    [EXP] = FUNCTION_OP("exp", TL_READS_OUTPUT, exp_cases),
    [LOG] = FUNCTION_OP("log", TL_READS_INPUTS, log_cases),
    [SQRT] = FUNCTION_OP("sqrt", TL_READS_OUTPUT, sqrt_cases),
    [ABS] = FUNCTION_OP("abs", TL_READS_INPUTS, abs_cases),
    [CLAMP] = FUNCTION_OP("clamp", TL_READS_INPUTS, clamp_cases),
};

const tl_op *const tl_function_ops[] = {&ops[NEG],     &ops[SCALE], &ops[POW],   &ops[TANH],
                                        &ops[SIGMOID], &ops[RELU],  &ops[EXP],   &ops[LOG],
                                        &ops[SQRT],    &ops[ABS],   &ops[CLAMP], NULL};

static tl_var *apply(enum which which, tl_var *x, double p0, double p1)
{
    function_attributes attributes;
    memset(&attributes, 0, sizeof attributes);
    attributes.which = which;
    attributes.p[0] = p0;
    attributes.p[1] = p1;
    return tl_apply1(&ops[which], x, &attributes, sizeof attributes);
}

tl_var *tl_neg(tl_var *x)
{
    return apply(NEG, x, 0, 0);
}

tl_var *tl_scale(tl_var *x, double factor)
{
    return apply(SCALE, x, factor, 0);
}

tl_var *tl_pow(tl_var *x, double exponent)
{
    return apply(POW, x, exponent, 0);
}

tl_var *tl_tanh(tl_var *x)
{
    return apply(TANH, x, 0, 0);
}

tl_var *tl_sigmoid(tl_var *x)
{
    return apply(SIGMOID, x, 0, 0);
}

tl_var *tl_relu(tl_var *x)
{
    return apply(RELU, x, 0, 0);
}

tl_var *tl_exp(tl_var *x)
{
    return apply(EXP, x, 0, 0);
}

tl_var *tl_log(tl_var *x)
{
    return apply(LOG, x, 0, 0);
}

tl_var *tl_sqrt(tl_var *x)
{
    return apply(SQRT, x, 0, 0);
}

tl_var *tl_abs(tl_var *x)
{
    return apply(ABS, x, 0, 0);
}

tl_var *tl_clamp(tl_var *x, double low, double high)
{
    if (x && !(low <= high)) {
        tl_error(TL_ERROR_ARGUMENT, "clamp: low %g, high %g, expected low <= high", low, high);
        return NULL;
    }
    return apply(CLAMP, x, low, high);
}
