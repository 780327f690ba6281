/* What the tests of this folder share: models of random weights, their parameters by name, gradients by
 * central differences. */
#ifndef TL_TESTS_NN_TESTING_INTERNAL_H
#define TL_TESTS_NN_TESTING_INTERNAL_H

#include "nn/model.h"
#include "tests/autograd/testing_internal.h"
#include "tests/support/suite.h"

static inline tl_tensor ids_of(tl_shape shape, const int32_t *values)
{
    return tl_tensor_of(TL_I32, shape, values);
}

/* Ids 1 ... limit - 1. */
static inline tl_tensor random_ids(tl_shape shape, int64_t limit, uint64_t stream)
{
    tl_tensor ids = tl_tensor_new(TL_I32, shape);
    int32_t *id = tl_data_mut(ids);
    for (int64_t i = 0; i < tl_tensor_count(ids); i++)
        id[i] = (int32_t)(1 + tl_random_below(77, stream, (uint64_t)i, limit - 1));
    return ids;
}

/* The same with rows that begin with zeros: row i with i % time of them. */
static inline tl_tensor padded_ids(int64_t rows, int64_t time, int64_t limit, uint64_t stream)
{
    tl_tensor ids = random_ids(tl_shape(rows, time), limit, stream);
    int32_t *id = tl_data_mut(ids);
    for (int64_t i = 0; i < rows; i++)
        for (int64_t t = 0; t < i % time; t++)
            id[i * time + t] = 0;
    return ids;
}

static inline tl_tensor random_labels(int64_t rows, int64_t classes, uint64_t stream)
{
    tl_tensor labels = tl_tensor_new(TL_I32, tl_shape(rows));
    int32_t *label = tl_data_mut(labels);
    for (int64_t i = 0; i < rows; i++)
        label[i] = (int32_t)tl_random_below(78, stream, (uint64_t)i, classes);
    return labels;
}

static inline tl_parameter *parameter_of(const tl_model *model, const char *name)
{
    int count;
    tl_parameter *const *parameters = tl_model_parameters(model, &count);
    for (int i = 0; i < count; i++)
        if (strcmp(parameters[i]->name, name) == 0)
            return parameters[i];
    ck_abort_msg("there is no parameter %s", name);
    return NULL;
}

/* Builds the model and gives every weight, biases too, a value in [-scale, scale]. */
static inline tl_model *build_randomly(tl_model *model, tl_shape input, tl_dtype dtype, double scale)
{
    ck_assert_msg(model != NULL, "%s", tl_error_message());
    check_ok(tl_build(model, input, dtype, 0));
    int count;
    tl_parameter *const *parameters = tl_model_parameters(model, &count);
    for (int i = 0; i < count; i++)
        check_ok(tl_random_fill_uniform(parameters[i]->value, -scale, scale, 5, (uint64_t)i));
    return model;
}

/* The output for a batch, in inference mode, in a tensor of the caller's. */
static inline tl_tensor output_of(tl_model *model, tl_tensor x, tl_tensor mask)
{
    tl_tape *tape = tl_tape_new();
    tl_tape_set_recording(tape, false);
    tl_tape_set_training(tape, false);
    tl_var *input = tl_input(tape, x);
    if (tl_tensor_ok(mask))
        input = tl_set_mask(input, mask);
    tl_var *output = tl_forward(model, input);
    ck_assert_msg(output != NULL, "%s", tl_error_message());
    tl_tensor result = copy_of(tl_value(output));
    tl_tape_free(tape);
    return result;
}

static inline bool same_weights(const tl_model *a, const tl_model *b)
{
    int count, other;
    tl_parameter *const *p = tl_model_parameters(a, &count), *const *q = tl_model_parameters(b, &other);
    bool same = count == other;
    for (int i = 0; i < count && same; i++)
        same = same_bits(p[i]->value, q[i]->value);
    return same;
}

/* The largest of difference() over all parameters of two models of the same layers. */
static inline double weights_apart(const tl_model *a, const tl_model *b)
{
    int count, other;
    tl_parameter *const *p = tl_model_parameters(a, &count), *const *q = tl_model_parameters(b, &other);
    ck_assert_int_eq(count, other);
    double most = 0;
    for (int i = 0; i < count; i++)
        most = fmax(most, difference(p[i]->value, q[i]->value));
    return most;
}

/* d f / d every element of a f64 parameter, by central differences. */
static inline tl_tensor numeric_gradient(tl_parameter *p, double (*f)(void *context), void *context)
{
    const double eps = 1e-6;
    tl_tensor gradient = tl_tensor_new(TL_F64, p->value.shape);
    double *g = tl_data_mut(gradient);
    for (int64_t i = 0; i < tl_tensor_count(gradient); i++) {
        double kept = ((const double *)tl_data(p->value))[i];
        ((double *)tl_data_mut(p->value))[i] = kept + eps;
        double above = f(context);
        ((double *)tl_data_mut(p->value))[i] = kept - eps;
        g[i] = (above - f(context)) / (2 * eps);
        ((double *)tl_data_mut(p->value))[i] = kept;
    }
    return gradient;
}

#endif
