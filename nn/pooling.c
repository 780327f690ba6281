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

/* x with `other` in place of the steps whose mask is 0. */
static tl_var *replace_padding(tl_var *x, tl_tensor mask, double other)
{
    tl_tape *tape = tl_tape_of(x);
    tl_var *filler = tl_zeros(tape, tl_dtype_of(x), TL_SCALAR);
    if (!mask.storage || !filler || tl_tensor_fill(tl_value(filler), other) != TL_OK)
        return NULL;
    return tl_where(tl_unsqueeze(tl_input(tape, mask), -1), x, filler);
}

/* [batch, 1]: 1 over the number of steps of a row that count. */
static tl_var *shares(tl_var *x, tl_tensor mask)
{
    int64_t rows = mask.shape.dims[0], steps = mask.shape.dims[1];
    tl_var *shares = tl_zeros(tl_tape_of(x), tl_dtype_of(x), tl_shape(rows, 1));
    const uint8_t *counts = tl_data(mask);
    for (int64_t i = 0; shares && i < rows; i++) {
        int64_t counted = count_steps(counts + i * steps, steps);
        tl_tensor_fill(tl_tensor_select(tl_value(shares), 0, i), counted > 0 ? 1 / (double)counted : 0);
    }
    return shares;
}

static tl_var *average(const tl_module *module, tl_var *x)
{
    (void)module;
    if (!tl_mask_of(x).storage)
        return tl_mean(x, tl_axes(1), false);
    tl_tensor mask = copy_mask(x);
    if (!mask.storage)
        return NULL;
    return tl_mul(tl_sum(replace_padding(x, mask, 0), tl_axes(1), false), shares(x, mask));
}

/* The mask with rows where no step counts taken whole. */
static tl_tensor some_steps(tl_var *x)
{
    tl_tensor mask = copy_mask(x);
    if (!mask.storage)
        return mask;
    uint8_t *counts = tl_data_mut(mask);
    int64_t rows = mask.shape.dims[0], steps = mask.shape.dims[1];
    for (int64_t i = 0; i < rows; i++)
        if (count_steps(counts + i * steps, steps) == 0)
            tl_tensor_fill(tl_tensor_select(mask, 0, i), 1);
    return mask;
}

static tl_var *maximum(const tl_module *module, tl_var *x)
{
    (void)module;
    if (tl_mask_of(x).storage)
        x = replace_padding(x, some_steps(x), -FLT_MAX);
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
