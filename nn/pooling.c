/* Pooling over time: sequences to vectors. */
#include "nn/layers.h"

#include <float.h>

static tl_status build(tl_module *module, tl_builder *builder, tl_shape input, tl_shape *output)
{
    (void)builder;
    if (input.rank != 2)
        return tl_error(TL_ERROR_SHAPE, "%s: input %s, expected [time, features]", module->kind,
                        TL_SHAPE_TEXT(input));
    *output = tl_shape(input.dims[1]);
    return TL_OK;
}

static int64_t count_steps(const uint8_t *mask, int64_t steps)
{
    int64_t count = 0;
    for (int64_t t = 0; t < steps; t++)
        count += mask[t] != 0;
    return count;
}

/* The mask of x, row-major, in memory of the tape's. */
static tl_tensor copy_mask(tl_var *x)
{
    tl_tensor mask = tl_mask_of(x), copy = tl_value(tl_zeros(tl_tape_of(x), TL_U8, mask.shape));
    return copy.storage && tl_tensor_copy(copy, mask) == TL_OK ? copy : (tl_tensor){0};
}

/* [batch, time, 1]: 1 over the number of steps of a row that count, 0 for those that do not. */
static tl_var *shares(tl_var *x)
{
    tl_tensor mask = copy_mask(x);
    tl_var *shares = tl_zeros(tl_tape_of(x), tl_dtype_of(x), mask.shape);
    if (!mask.storage || !shares)
        return NULL;
    int64_t rows = mask.shape.dims[0], steps = mask.shape.dims[1];
    const uint8_t *counts = tl_data(mask);
    for (int64_t i = 0; i < rows; i++) {
        tl_tensor row = tl_tensor_select(tl_value(shares), 0, i);
        int64_t counted = count_steps(counts + i * steps, steps);
        for (int64_t t = 0; t < steps; t++)
            if (counts[i * steps + t])
                tl_tensor_fill(tl_tensor_select(row, 0, t), 1 / (double)counted);
    }
    return tl_unsqueeze(shares, -1);
}

static tl_var *average(const tl_module *module, tl_var *x)
{
    (void)module;
    if (!tl_mask_of(x).storage)
        return tl_mean(x, tl_axes(1), false);
    return tl_sum(tl_mul(x, shares(x)), tl_axes(1), false);
}

/* The mask as a condition [batch, time, 1], with rows where no step counts taken whole. */
static tl_var *counted_steps(tl_var *x)
{
    tl_tensor mask = copy_mask(x);
    if (!mask.storage)
        return NULL;
    uint8_t *counts = tl_data_mut(mask);
    int64_t rows = mask.shape.dims[0], steps = mask.shape.dims[1];
    for (int64_t i = 0; i < rows; i++)
        if (count_steps(counts + i * steps, steps) == 0)
            tl_tensor_fill(tl_tensor_select(mask, 0, i), 1);
    return tl_unsqueeze(tl_input(tl_tape_of(x), mask), -1);
}

static tl_var *maximum(const tl_module *module, tl_var *x)
{
    (void)module;
    if (tl_mask_of(x).storage) {
        tl_var *lowest = tl_zeros(tl_tape_of(x), tl_dtype_of(x), TL_SCALAR);
        if (!lowest || tl_tensor_fill(tl_value(lowest), -FLT_MAX) != TL_OK)
            return NULL;
        x = tl_where(counted_steps(x), x, lowest);
    }
    return tl_max(x, tl_axes(1), false);
}

static const tl_module_type average_type = {
    .name = "global_average_pooling1d", .build = build, .forward = average, .takes_mask = true};
static const tl_module_type max_type = {
    .name = "global_max_pooling1d", .build = build, .forward = maximum, .takes_mask = true};

tl_module *tl_global_average_pooling_1d(void)
{
    return tl_module_new(&average_type, sizeof(tl_module));
}

tl_module *tl_global_max_pooling_1d(void)
{
    return tl_module_new(&max_type, sizeof(tl_module));
}
