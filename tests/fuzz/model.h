/* A small model for files to be loaded into, and whether a load kept its promise: all or nothing. */
#ifndef TESTS_FUZZ_MODEL_H
#define TESTS_FUZZ_MODEL_H

#include "nn/layers.h"
#include "nn/loss.h"
#include "nn/model.h"
#include "tests/fuzz/target.h"

#include <math.h>
#include <string.h>

enum { MODEL_VALUES = 64 }; /* more than it has */

/* Built once, with the same weights in every run. */
static inline tl_model *small_model(void)
{
    static tl_model *model;
    if (model)
        return model;
    model = tl_sequential(tl_simple_rnn(2), tl_dense(1, .activation = TL_SIGMOID));
    EXPECT(tl_compile(model, .optimizer = tl_adam(), .loss = TL_BINARY_CROSSENTROPY) == TL_OK);
    EXPECT(tl_build(model, tl_shape(2, 1), TL_F32, 1) == TL_OK);
    return model;
}

/* All weights, one after the other; the rest is zero. */
static inline void weights_of(const tl_model *model, float values[MODEL_VALUES])
{
    int count, at = 0;
    tl_parameter *const *parameters = tl_model_parameters(model, &count);
    memset(values, 0, MODEL_VALUES * sizeof *values);
    for (int i = 0; i < count; i++) {
        int64_t size = tl_tensor_count(parameters[i]->value);
        EXPECT(at + size <= MODEL_VALUES);
        EXPECT(tl_copy_out(parameters[i]->value, values + at, (size_t)size * sizeof *values) == TL_OK);
        at += (int)size;
    }
}

/* After an error the weights are those from before, and after a success they are numbers. */
static inline void expect_all_or_nothing(tl_status status, const tl_model *model,
                                         const float before[MODEL_VALUES])
{
    float after[MODEL_VALUES];
    weights_of(model, after);
    if (status != TL_OK)
        EXPECT(memcmp(before, after, sizeof after) == 0);
    for (int i = 0; i < MODEL_VALUES; i++)
        EXPECT(isfinite(after[i]));
}

#endif
