#include "classifier.h"

#include "../common/saved.h"

#include <math.h>

static const char key[] = "classify.classifier";

tl_status build_classifier(classifier *c, tl_optimizer *optimizer)
{
    c->model = tl_sequential(tl_masking(.mask_value = PADDING), tl_simple_rnn(c->units),
                             tl_dense(1, .activation = TL_SIGMOID));
    if (tl_compile(c->model, .optimizer = optimizer, .loss = c->loss) != TL_OK)
        return tl_error_status();
    return tl_build(c->model, tl_shape(TL_ANY, c->scaling.width), TL_F32, c->seed);
}

void free_classifier(classifier *c)
{
    tl_model_free(c->model);
    free_scaling(&c->scaling);
    json_decref(c->features);
}

static json_t *numbers(const double *values, int64_t count)
{
    json_t *array = json_array();
    for (int64_t i = 0; i < count; i++)
        json_array_append_new(array, json_real(values[i]));
    return array;
}

tl_status save_classifier(const classifier *c, const char *path)
{
    const scaling *s = &c->scaling;
    json_t *config =
        json_pack("{s:i, s:b, s:O, s:o, s:o, s:I, s:f, s:I}", "units", c->units, "mse",
                  c->loss == TL_MEAN_SQUARED_ERROR, "features", c->features, "means",
                  numbers(s->means, s->width), "deviations", numbers(s->deviations, s->width), "seed",
                  (json_int_t)c->seed, "test_split", c->test_split, "sequences", (json_int_t)c->sequences);
    return save_model(c->model, path, &(saved_part){key, config}, 1);
}

static bool are_names(const json_t *array)
{
    size_t count = json_array_size(array); /* 0 for what is no array */
    for (size_t i = 0; i < count; i++)
        if (!json_is_string(json_array_get(array, i)))
            return false;
    return count > 0;
}

static bool read_numbers(double *values, int64_t count, const json_t *array)
{
    for (int64_t i = 0; i < count; i++) {
        const json_t *number = json_array_get(array, (size_t)i);
        values[i] = json_number_value(number);
        if (!json_is_number(number) || !isfinite(values[i]))
            return false;
    }
    return json_array_size(array) == (size_t)count;
}

static bool are_positive(const double *values, int64_t count)
{
    for (int64_t i = 0; i < count; i++)
        if (!(values[i] > 0))
            return false;
    return true;
}

static tl_status read_config(classifier *c, json_t *config, const char *path)
{
    int mse;
    json_int_t seed, count;
    json_t *names, *means, *deviations;
    if (json_unpack(config, "{s:i, s:b, s:o, s:o, s:o, s:I, s:F, s:I}", "units", &c->units, "mse", &mse,
                    "features", &names, "means", &means, "deviations", &deviations, "seed", &seed,
                    "test_split", &c->test_split, "sequences", &count) != 0 ||
        c->units < 1 || c->units > 4096 || !are_names(names) || seed < 0 ||
        !(c->test_split >= 0 && c->test_split < 1))
        return saved_by_another(path, key);
    c->loss = mse ? TL_MEAN_SQUARED_ERROR : TL_BINARY_CROSSENTROPY;
    c->seed = (uint64_t)seed;
    c->sequences = count;
    c->features = json_incref(names);
    scaling *s = &c->scaling;
    if (make_scaling(s, (int64_t)json_array_size(names)) != TL_OK)
        return tl_error_status();
    if (!read_numbers(s->means, s->width, means) || !read_numbers(s->deviations, s->width, deviations) ||
        !are_positive(s->deviations, s->width))
        return saved_by_another(path, key);
    return TL_OK;
}

tl_status load_classifier(classifier *c, const char *path)
{
    *c = (classifier){0};
    tl_safetensors *file = tl_safetensors_read(path);
    json_t *config = file ? saved_value(file, key, path) : NULL;
    tl_status status = config ? read_config(c, config, path) : tl_error_status();
    if (status == TL_OK)
        status = saved_holds(file, path, c->units, c->units);
    if (status == TL_OK)
        status = saved_holds(file, path, c->scaling.width, c->units);
    if (status == TL_OK)
        status = build_classifier(c, tl_adam());
    if (status == TL_OK)
        status = load_weights(c->model, file);
    json_decref(config);
    tl_safetensors_free(file);
    return in_file(status, path);
}
