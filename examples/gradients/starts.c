#include "starts.h"

static const double learning_rate = 0.01;

const start starts[STARTS] = {
    {"uniform, tanh", TL_RANDOM_UNIFORM, TL_TANH, 1},
    {"orthogonal, tanh", TL_ORTHOGONAL, TL_TANH, 1},
    {"identity, relu", TL_IDENTITY, TL_RELU, 1},
    {"1.05 identity, relu", TL_IDENTITY, TL_RELU, 1.05},
};

/* Multiplies the recurrent weights, which are the second of the parameters. */
static void grow(tl_model *model, double factor)
{
    int count;
    tl_tensor weights = tl_model_parameters(model, &count)[1]->value;
    for (int64_t i = 0; i < weights.shape.dims[0]; i++)
        for (int64_t j = 0; j < weights.shape.dims[1]; j++)
            tl_tensor_fill(tl_tensor_select(tl_tensor_select(weights, 0, i), 0, j),
                           factor * tl_tensor_at(weights, (int64_t[]){i, j}));
}

tl_model *start_model(const start *s, int64_t units, int64_t steps, uint64_t seed, double clip,
                      tl_dtype dtype)
{
    tl_model *model = tl_sequential(
        tl_simple_rnn(units, .activation = s->activation, .recurrent_initializer = s->initializer),
        tl_dense(1, .activation = TL_SIGMOID));
    tl_optimizer *sgd = tl_sgd(.learning_rate = learning_rate, .global_clip_norm = clip);
    if (tl_compile(model, .optimizer = sgd, .loss = TL_BINARY_CROSSENTROPY) != TL_OK ||
        tl_build(model, tl_shape(steps, 1), dtype, seed) != TL_OK) {
        tl_model_free(model);
        return NULL;
    }
    grow(model, s->factor);
    return model;
}
