#include "network.h"

#include "../common/saved.h"

static const char key[] = "custom_cell.gru";

tl_model *ready(tl_model *model, tl_optimizer *optimizer, tl_dtype dtype, uint64_t seed)
{
    if (tl_compile(model, .optimizer = optimizer, .loss = TL_MEAN_SQUARED_ERROR) == TL_OK &&
        tl_build(model, tl_shape(TL_ANY, 2), dtype, seed) == TL_OK)
        return model;
    tl_model_free(model);
    return NULL;
}

tl_model *gru_network(int64_t units)
{
    return tl_sequential(tl_rnn(gru(units)), tl_dense(1));
}

tl_status save_network(const tl_model *model, int units, const char *path)
{
    return save_model(model, path, &(saved_part){key, json_pack("{s:i}", "units", units)}, 1);
}

static tl_status read_units(json_t *config, const char *path, int *units)
{
    if (json_unpack(config, "{s:i}", "units", units) != 0 || *units < 1 || *units > MOST_UNITS)
        return saved_by_another(path, key);
    return TL_OK;
}

tl_model *load_network(const char *path)
{
    int units;
    tl_safetensors *file = tl_safetensors_read(path);
    json_t *config = file ? saved_value(file, key, path) : NULL;
    tl_status status = config ? read_units(config, path, &units) : tl_error_status();
    if (status == TL_OK)
        status = saved_holds(file, path, units, units);
    tl_model *model = status == TL_OK ? ready(gru_network(units), tl_adam(), TL_F32, 0) : NULL;
    if (status == TL_OK)
        status = load_weights(model, file);
    json_decref(config);
    tl_safetensors_free(file);
    if (in_file(status, path) == TL_OK)
        return model;
    tl_model_free(model);
    return NULL;
}
