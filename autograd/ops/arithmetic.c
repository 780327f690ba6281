/* add, sub, mul, div: two inputs, broadcast. Gradients are written in the full shape. */
#include "autograd/ops/ops_internal.h"

static tl_status add_forward(const tl_op_call *call)
{
    tl_compute_map(TL_MAP_ADD, call->output, *call->inputs[0], *call->inputs[1], NULL);
    return TL_OK;
}

static tl_status add_backward(const tl_op_call *call)
{
    for (int i = 0; i < 2; i++)
        if (tl_wanted(call, i))
            tl_compute_store(call->grad_inputs[i], call->grad_output, false);
    return TL_OK;
}

static tl_status sub_forward(const tl_op_call *call)
{
    tl_compute_map(TL_MAP_SUB, call->output, *call->inputs[0], *call->inputs[1], NULL);
    return TL_OK;
}

static tl_status sub_backward(const tl_op_call *call)
{
    static const tl_map signs[] = {TL_MAP_COPY, TL_MAP_NEG};
    for (int i = 0; i < 2; i++)
        if (tl_wanted(call, i))
            tl_compute_map(signs[i], call->grad_inputs[i], call->grad_output, TL_NONE, NULL);
    return TL_OK;
}

static tl_status mul_forward(const tl_op_call *call)
{
    tl_compute_map(TL_MAP_MUL, call->output, *call->inputs[0], *call->inputs[1], NULL);
    return TL_OK;
}

static tl_status mul_backward(const tl_op_call *call)
{
    for (int i = 0; i < 2; i++)
        if (tl_wanted(call, i))
            tl_compute_map(TL_MAP_MUL, call->grad_inputs[i], call->grad_output, *call->inputs[1 - i], NULL);
    return TL_OK;
}

static tl_status div_forward(const tl_op_call *call)
{
    tl_compute_map(TL_MAP_DIV, call->output, *call->inputs[0], *call->inputs[1], NULL);
    return TL_OK;
}

/* d(a / b) = da / b - (a / b) db / b */
static tl_status div_backward(const tl_op_call *call)
{
    tl_tensor b = *call->inputs[1], da = call->grad_inputs[0], db = call->grad_inputs[1];
    if (tl_wanted(call, 0))
        tl_compute_map(TL_MAP_DIV, da, call->grad_output, b, NULL);
    if (tl_wanted(call, 1)) {
        tl_compute_map(TL_MAP_MUL, db, call->grad_output, call->output, NULL);
        tl_compute_map(TL_MAP_DIV, db, db, b, NULL);
        tl_compute_map(TL_MAP_NEG, db, db, TL_NONE, NULL);
    }
    return TL_OK;
}

#define MATRIX                                                                                               \
    {                                                                                                        \
        .shape = { 2, {3, 4} }                                                                               \
    }
#define TWO(name_, ...)                                                                                      \
    {                                                                                                        \
        .name = name_, .count = 2, .inputs = { __VA_ARGS__ }                                                 \
    }
static const tl_op_case cases[] = {
    TWO("one shape", MATRIX, MATRIX),
    TWO("a row", MATRIX, {.shape = {1, {4}}}),
    TWO("both broadcast", {.shape = {3, {2, 1, 3}}}, {.shape = {2, {4, 1}}}),
    TWO("size 1", {.shape = {2, {1, 1}}}, {.shape = {0}}),
    TWO("scalar and matrix", {.shape = {0}}, MATRIX),
    TWO("zero size", {.shape = {2, {0, 3}}}, {.shape = {1, {3}}}),
    TWO("views", {.shape = {2, {3, 4}}, .layout = TL_SAMPLE_TRANSPOSED},
        {.shape = {2, {3, 4}}, .layout = TL_SAMPLE_SLICED}),
    TWO("same var", MATRIX, {.same_as = 1}),
    TWO("a vector's worth and a bit", {.shape = {2, {5, 37}}}, {.shape = {2, {5, 37}}}),
};

#define DIVISOR(...)                                                                                         \
    {                                                                                                        \
        .low = 0.5, .high = 2, __VA_ARGS__                                                                   \
    }
static const tl_op_case div_cases[] = {
    TWO("one shape", MATRIX, DIVISOR(.shape = {2, {3, 4}})),
    TWO("a row", MATRIX, DIVISOR(.shape = {1, {4}})),
    TWO("both broadcast", {.shape = {3, {2, 1, 3}}}, DIVISOR(.shape = {2, {4, 1}})),
    TWO("negative divisor", MATRIX, {.shape = {0}, .low = -3, .high = -1}),
    TWO("zero size", {.shape = {2, {0, 3}}}, DIVISOR(.shape = {1, {3}})),
    TWO("views", {.shape = {2, {3, 4}}, .layout = TL_SAMPLE_TRANSPOSED},
        DIVISOR(.shape = {2, {3, 4}}, .layout = TL_SAMPLE_SLICED)),
    TWO("same var", DIVISOR(.shape = {2, {3, 4}}), {.same_as = 1}),
};

static const tl_op add = {.name = "add",
                          .inputs = 2,
                          .infer = tl_infer_broadcast,
                          .forward = add_forward,
                          .backward = add_backward,
                          .reads = TL_READS_NOTHING,
                          .strided = true,
                          .cases = cases,
                          .case_count = TL_COUNT(cases)};

static const tl_op sub = {.name = "sub",
                          .inputs = 2,
                          .infer = tl_infer_broadcast,
                          .forward = sub_forward,
                          .backward = sub_backward,
                          .reads = TL_READS_NOTHING,
                          .strided = true,
                          .cases = cases,
                          .case_count = TL_COUNT(cases)};

static const tl_op mul = {.name = "mul",
                          .inputs = 2,
                          .infer = tl_infer_broadcast,
                          .forward = mul_forward,
                          .backward = mul_backward,
                          .reads = TL_READS_INPUTS,
                          .strided = true,
                          .cases = cases,
                          .case_count = TL_COUNT(cases)};

static const tl_op divide = {.name = "div",
                             .inputs = 2,
                             .infer = tl_infer_broadcast,
                             .forward = div_forward,
                             .backward = div_backward,
                             .reads = 1u << 1 | TL_READS_OUTPUT,
                             .strided = true,
                             .cases = div_cases,
                             .case_count = TL_COUNT(div_cases)};

const tl_op *const tl_arithmetic_ops[] = {&add, &sub, &mul, &divide, NULL};

tl_var *tl_add(tl_var *a, tl_var *b)
{
    return tl_apply2(&add, a, b, NULL, 0);
}

tl_var *tl_sub(tl_var *a, tl_var *b)
{
    return tl_apply2(&sub, a, b, NULL, 0);
}

tl_var *tl_mul(tl_var *a, tl_var *b)
{
    return tl_apply2(&mul, a, b, NULL, 0);
}

tl_var *tl_div(tl_var *a, tl_var *b)
{
    return tl_apply2(&divide, a, b, NULL, 0);
}
