#include "show.h"

#include "gradients.h"
#include "network.h"
#include "variants.h"

#include <math.h>
#include <stdio.h>

enum { UNITS = 16, TIME = 8, SHORTER = 5, SAMPLES = 512, EPOCHS = 16 };

/* The first half of the sequences are shorter, and end with steps of zeros. */
static tl_dataset two_lengths(uint64_t seed)
{
    const int64_t half = SAMPLES / 2;
    tl_dataset all = tl_adding_problem(SAMPLES, TIME, seed), some = tl_adding_problem(half, SHORTER, seed);
    tl_tensor x = tl_tensor_slice(all.x, 0, 0, half);
    if (tl_tensor_fill(x, 0) != TL_OK || tl_tensor_copy(tl_tensor_slice(x, 1, 0, SHORTER), some.x) != TL_OK ||
        tl_tensor_copy(tl_tensor_slice(all.y, 0, 0, half), some.y) != TL_OK)
        tl_dataset_free(&all);
    tl_dataset_free(&some);
    return all;
}

/* The largest difference between two tensors of outputs; NaN with the error set if there are none. */
static double apart(tl_tensor a, tl_tensor b)
{
    if (!tl_tensor_ok(a) || !tl_tensor_ok(b))
        return (double)NAN;
    const float *p = tl_data(a), *q = tl_data(b);
    double most = 0;
    for (int64_t i = 0; i < tl_tensor_count(a); i++)
        most = fmax(most, fabs((double)p[i] - (double)q[i]));
    return most;
}

/* Both models begin with the same weights, which are a function of the seed. */
static tl_status compare(const variant *v, tl_model *model, tl_tensor x, uint64_t seed)
{
    if (!v->predict)
        return TL_OK;
    tl_model *plain = ready(gru_network(UNITS), tl_adam(), TL_F32, seed);
    tl_tensor expected = plain ? tl_predict(plain, x, SAMPLES) : (tl_tensor){0};
    tl_tensor outputs = tl_tensor_ok(expected) ? v->predict(model, x) : expected;
    double difference = apart(outputs, expected);
    bool done = tl_tensor_ok(outputs);
    tl_tensor_free(&outputs);
    tl_tensor_free(&expected);
    tl_model_free(plain);
    if (!done)
        return tl_error_status();
    printf("%s by %g, ", v->between, difference);
    if (difference == 0)
        return TL_OK;
    return tl_error(TL_ERROR_NUMERIC, "%s: outputs differ by %g from the plain cell's", v->name, difference);
}

static tl_status train(const variant *v, tl_model *model, tl_dataset data, uint64_t seed)
{
    tl_metrics before, after;
    if (tl_evaluate(model, data, 0, &before) != TL_OK)
        return tl_error_status();
    tl_history *history = tl_fit(model, data, .epochs = EPOCHS, .seed = seed);
    if (!history || tl_evaluate(model, data, 0, &after) != TL_OK) {
        tl_history_free(history);
        return tl_error_status();
    }
    tl_history_free(history);
    printf("mse %.4f -> %.4f", before.loss, after.loss);
    if (after.loss < before.loss)
        return TL_OK;
    return tl_error(TL_ERROR_NUMERIC, "%s: the loss has not fallen in %d epochs", v->name, EPOCHS);
}

/* Of a smaller model in f64, on some sequences of either length. */
static tl_status check(const variant *v, tl_tensor x, uint64_t seed)
{
    enum { FEW_UNITS = 4, FEW = 4 };
    if (v->stateful)
        return TL_OK;
    int64_t checked;
    tl_model *model = ready(v->make(FEW_UNITS), tl_adam(), TL_F64, seed);
    tl_tensor few = tl_tensor_new(TL_F64, tl_shape(FEW, TIME, x.shape.dims[2]));
    tl_status status = tl_tensor_copy(few, tl_tensor_slice(x, 0, (SAMPLES - FEW) / 2, FEW));
    if (!model)
        status = tl_error_status();
    if (status == TL_OK)
        status = check_gradients(model, few, &checked);
    if (status == TL_OK)
        printf(", %lld derivatives agree", (long long)checked);
    tl_tensor_free(&few);
    tl_model_free(model);
    return status;
}

static tl_status show(const variant *v, tl_dataset data, uint64_t seed)
{
    tl_model *model = ready(v->make(UNITS), tl_adam(.learning_rate = 0.01), TL_F32, seed);
    printf("%s: ", v->name);
    tl_tensor longer = tl_tensor_slice(data.x, 0, SAMPLES / 2, SAMPLES / 2);
    tl_status status = model ? compare(v, model, longer, seed) : tl_error_status();
    if (status == TL_OK)
        status = train(v, model, data, seed);
    if (status == TL_OK)
        status = check(v, data.x, seed);
    printf("\n");
    tl_model_free(model);
    return status;
}

tl_status show_variants(uint64_t seed)
{
    tl_dataset data = two_lengths(seed);
    tl_status status = tl_dataset_ok(data) ? TL_OK : tl_error_status();
    for (int i = 0; i < VARIANTS && status == TL_OK; i++)
        status = show(&variants[i], data, seed);
    tl_dataset_free(&data);
    return status;
}
