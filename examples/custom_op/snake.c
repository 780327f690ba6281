/* The op. With s = sin(a x) / a, which is x where a is 0:
 *
 *     y = x + a s^2      dy/dx = 1 + 2 a s cos(a x)      dy/da = 2 x s cos(a x) - s^2
 */
#include "snake.h"

#include <math.h>

static double s_of(double x, double a)
{
    return a == 0 ? x : sin(a * x) / a;
}

static double value(double x, double a)
{
    return x + a * s_of(x, a) * s_of(x, a);
}

double snake_by_x(double x, double a)
{
    return 1 + 2 * a * s_of(x, a) * cos(a * x);
}

double snake_by_a(double x, double a)
{
    return 2 * x * s_of(x, a) * cos(a * x) - s_of(x, a) * s_of(x, a);
}

/* The type and shape of the result, and what a user is told whose inputs do not fit. */
static tl_status infer(const tl_op_call *call, tl_tensor *result)
{
    tl_shape x = call->inputs[0]->shape, a = call->inputs[1]->shape;
    if (x.rank < 1 || a.rank != 1 || a.dims[0] != x.dims[x.rank - 1])
        return tl_error(TL_ERROR_SHAPE, "snake: x %s and a %s, expected [..., features] and [features]",
                        TL_SHAPE_TEXT(x), TL_SHAPE_TEXT(a));
    return tl_infer_broadcast(call, result);
}

/* f32 and f64 alike, so that a formula is written once; f32 is computed in double, too. */
static double element(tl_tensor tensor, const void *data, int64_t i)
{
    return tensor.dtype == TL_F32 ? (double)((const float *)data)[i] : ((const double *)data)[i];
}

/* out = f(x, a), or f(x, a) times g, element by element. */
static void apply(const tl_op_call *call, snake_function *f, const tl_tensor *g, tl_tensor out)
{
    tl_tensor x = *call->inputs[0], a = *call->inputs[1];
    const void *xs = tl_data(x), *as = tl_data(a), *gs = g ? tl_data(*g) : NULL;
    void *outs = tl_data_mut(out);
    for (int64_t i = 0; i < tl_tensor_count(x); i++) {
        double y = f(element(x, xs, i), element(a, as, i % tl_tensor_count(a)));
        y *= g ? element(*g, gs, i) : 1;
        if (out.dtype == TL_F32)
            ((float *)outs)[i] = (float)y;
        else
            ((double *)outs)[i] = y;
    }
}

static tl_status forward(const tl_op_call *call)
{
    apply(call, value, NULL, call->output);
    return TL_OK;
}

/* Both gradients in the output's shape: the tape sums that of a over the rows that share it. */
tl_status snake_gradients(const tl_op_call *call, snake_function *by_x, snake_function *by_a)
{
    snake_function *const by[] = {by_x, by_a};
    for (int i = 0; i < 2; i++)
        if (tl_tensor_ok(call->grad_inputs[i])) /* else it is not wanted */
            apply(call, by[i], &call->grad_output, call->grad_inputs[i]);
    return TL_OK;
}

static tl_status backward(const tl_op_call *call)
{
    return snake_gradients(call, snake_by_x, snake_by_a);
}

/* Where the op is tried. */
static const tl_op_case cases[] = {
    {.name = "a row", .inputs = {{.shape = {1, {4}}}, {.shape = {1, {4}}}}, .count = 2},
    {.name = "sequences",
     .inputs = {{.shape = {3, {2, 5, 3}}, .low = -4, .high = 4}, {.shape = {1, {3}}, .low = 0.3, .high = 2}},
     .count = 2},
    {.name = "a near 0",
     .inputs = {{.shape = {2, {3, 2}}}, {.shape = {1, {2}}, .low = -1e-3, .high = 1e-3}},
     .count = 2},
};

const tl_op snake_op = {.name = "snake",
                        .inputs = 2,
                        .infer = infer,
                        .forward = forward,
                        .backward = backward,
                        .reads = TL_READS_INPUTS,
                        .full_shape = tl_full_shape_of_output,
                        .cases = cases,
                        .case_count = sizeof cases / sizeof cases[0]};
