#include "data.h"

enum { SEED = 2024 };

tl_tensor random_floats(tl_shape shape, uint64_t stream)
{
    tl_tensor tensor = tl_tensor_new(TL_F32, shape);
    if (tl_tensor_ok(tensor))
        tl_random_fill_uniform(tensor, -1, 1, SEED, stream);
    return tensor;
}

tl_tensor random_ids(tl_shape shape, int64_t limit, uint64_t stream)
{
    tl_tensor tensor = tl_tensor_new(TL_I32, shape);
    if (!tl_tensor_ok(tensor))
        return tensor;
    int32_t *id = tl_data_mut(tensor);
    for (int64_t i = 0; i < tl_tensor_count(tensor); i++)
        id[i] = (int32_t)tl_random_below(SEED, stream, (uint64_t)i, limit);
    return tensor;
}
