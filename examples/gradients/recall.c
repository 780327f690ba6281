#include "recall.h"

static const double noise = 0.1;

tl_status recall_new(recall *r, int64_t samples, int64_t steps, uint64_t seed, uint64_t stream)
{
    *r = (recall){tl_tensor_new(TL_F64, tl_shape(samples, steps, 1)),
                  tl_tensor_new(TL_F64, tl_shape(samples))};
    if (!tl_tensor_ok(r->x) || !tl_tensor_ok(r->y) ||
        tl_random_fill_uniform(r->x, -noise, noise, seed, 2 * stream) != TL_OK)
        return tl_error_status();
    double *x = tl_data_mut(r->x), *y = tl_data_mut(r->y);
    for (int64_t i = 0; i < samples; i++) {
        y[i] = (double)tl_random_below(seed, 2 * stream + 1, (uint64_t)i, 2);
        x[i * steps] = 2 * y[i] - 1;
    }
    return TL_OK;
}

void recall_free(recall *r)
{
    tl_tensor_free(&r->x);
    tl_tensor_free(&r->y);
}
