#include "nn/layers.h"
#include "tensor/iterate_internal.h"
#include "tensor/options_internal.h"

#include <math.h>

typedef struct masking {
    tl_module module;
    double value;
} masking;

static tl_status build(tl_module *module, tl_builder *builder, tl_shape input, tl_shape *output)
{
    (void)module, (void)builder;
    if (input.rank != 2)
        return tl_error(TL_ERROR_SHAPE, "masking: input %s, expected [time, features]", TL_SHAPE_TEXT(input));
    *output = input;
    return TL_OK;
}

static void f32_run(void *context, int64_t n, char *const at[], const int64_t strides[])
{
    const float value = (float)*(const double *)context, *x = (const float *)(const void *)at[1];
    uint8_t *mask = (uint8_t *)at[0];
    for (int64_t i = 0; i < n; i++)
        mask[i * strides[0]] |= x[i * strides[1]] != value;
}

static void f64_run(void *context, int64_t n, char *const at[], const int64_t strides[])
{
    const double value = *(const double *)context, *x = (const double *)(const void *)at[1];
    uint8_t *mask = (uint8_t *)at[0];
    for (int64_t i = 0; i < n; i++)
        mask[i * strides[0]] |= x[i * strides[1]] != value;
}

/* One feature after the other, so that no two features of a step meet in one run. */
static tl_var *forward(const tl_module *module, tl_var *x)
{
    double value = ((const masking *)module)->value;
    tl_tensor features = tl_value(x);
    if (!features.storage)
        return NULL;
    if (!tl_dtype_is_float(features.dtype)) {
        tl_error(TL_ERROR_DTYPE, "masking: features of %s, expected f32 or f64",
                 tl_dtype_name(features.dtype));
        return NULL;
    }
    tl_tensor mask =
        tl_value(tl_zeros(tl_tape_of(x), TL_U8, tl_shape(features.shape.dims[0], features.shape.dims[1])));
    if (!mask.storage)
        return NULL;
    for (int64_t i = 0; i < features.shape.dims[2]; i++)
        tl_iterate(2, (tl_tensor[]){mask, tl_tensor_select(features, 2, i)},
                   features.dtype == TL_F32 ? f32_run : f64_run, &value);
    return tl_set_mask(tl_slice(x, 0, 0, features.shape.dims[0]), mask); /* a view: x stays without a mask */
}

static const tl_module_type type = {.name = "masking", .build = build, .forward = forward};

tl_module *tl_masking_with(const tl_masking_options *options)
{
    tl_masking_options o;
    tl_options_read(&o, sizeof o, options);
    if (isnan(o.mask_value)) {
        tl_error(TL_ERROR_ARGUMENT, "masking: mask_value nan, which no feature equals");
        return NULL;
    }
    masking *layer = tl_module_new(&type, sizeof *layer);
    if (!layer)
        return NULL;
    layer->value = o.mask_value;
    return &layer->module;
}
