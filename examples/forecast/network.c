#include "network.h"

#include "../common/saved.h"
#include "around_mean.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { BATCH = 64 };

static const char key[] = "forecast.network";

tl_status learn_scale(network *n, const double *values, int64_t count)
{
    double mean = 0, squares = 0, least = values[0], most = values[0];
    for (int64_t t = 0; t < count; t++) {
        mean += values[t] / (double)count;
        least = fmin(least, values[t]);
        most = fmax(most, values[t]);
    }
    for (int64_t t = 0; t < count; t++)
        squares += (values[t] - mean) * (values[t] - mean) / (double)count;
    n->mean = mean;
    n->deviation = sqrt(squares);
    if (!(most > least))
        return tl_error(TL_ERROR_NUMERIC, "the training part is constant, %.6g from its beginning to its end",
                        least);
    if (!isnormal(n->deviation))
        return tl_error(TL_ERROR_NUMERIC, "values from %.6g to %.6g are out of reach: their deviation is %g",
                        least, most, n->deviation);
    return TL_OK;
}

tl_tensor scaled(const network *n, const double *values, int64_t count)
{
    tl_tensor numbers = tl_tensor_new(TL_F32, tl_shape(count));
    float *to = tl_tensor_ok(numbers) ? tl_data_mut(numbers) : NULL;
    for (int64_t t = 0; to && t < count; t++)
        to[t] = (float)((values[t] - n->mean) / n->deviation);
    return numbers;
}

tl_status build_network(network *n, tl_optimizer *optimizer, uint64_t seed)
{
    tl_module *layers[] = {tl_simple_rnn(n->units), tl_dense(n->horizon)};
    n->model = tl_sequential(around_mean(layers, 2));
    if (tl_compile(n->model, .optimizer = optimizer, .loss = TL_MEAN_SQUARED_ERROR) != TL_OK)
        return tl_error_status();
    return tl_build(n->model, tl_shape(TL_ANY, 1), TL_F32, seed);
}

void free_network(network *n)
{
    tl_model_free(n->model);
}

tl_status save_network(const network *n, const char *path)
{
    json_t *config = json_pack("{s:I, s:I, s:I, s:f, s:f}", "window", (json_int_t)n->window, "horizon",
                               (json_int_t)n->horizon, "units", (json_int_t)n->units, "mean", n->mean,
                               "deviation", n->deviation);
    return save_model(n->model, path, &(saved_part){key, config}, 1);
}

static bool in_range(json_int_t value, int64_t least, int64_t most)
{
    return value >= least && value <= most;
}

static tl_status read_config(network *n, json_t *config, const char *path)
{
    json_int_t window, horizon, units;
    if (json_unpack(config, "{s:I, s:I, s:I, s:F, s:F}", "window", &window, "horizon", &horizon, "units",
                    &units, "mean", &n->mean, "deviation", &n->deviation) != 0 ||
        !in_range(window, 2, MOST_STEPS) || !in_range(horizon, 1, MOST_STEPS) ||
        !in_range(units, 1, MOST_UNITS) || !(n->deviation > 0))
        return saved_by_another(path, key);
    n->window = window;
    n->horizon = horizon;
    n->units = units;
    return TL_OK;
}

tl_status load_network(network *n, const char *path)
{
    *n = (network){0};
    tl_safetensors *file = tl_safetensors_read(path);
    json_t *config = file ? saved_value(file, key, path) : NULL;
    tl_status status = config ? read_config(n, config, path) : tl_error_status();
    if (status == TL_OK)
        status = saved_holds(file, path, n->units, n->units);
    if (status == TL_OK)
        status = saved_holds(file, path, n->units, n->horizon);
    if (status == TL_OK)
        status = build_network(n, tl_adam(), 0);
    if (status == TL_OK)
        status = load_weights(n->model, file);
    json_decref(config);
    tl_safetensors_free(file);
    return in_file(status, path);
}

/* Every window of a series [time], as views [windows, window, 1]. */
static tl_tensor windows_of(const network *n, tl_tensor numbers)
{
    return tl_tensor_unsqueeze(tl_tensor_unfold(numbers, 0, n->window, 1), -1);
}

tl_status forecast_windows(const network *n, const double *values, int64_t count, double *out)
{
    tl_tensor numbers = scaled(n, values, count), y = {0};
    if (tl_tensor_ok(numbers))
        y = tl_predict(n->model, windows_of(n, numbers), BATCH);
    const float *from = tl_tensor_ok(y) ? tl_data(y) : NULL;
    for (int64_t i = 0; from && i < tl_tensor_count(y); i++)
        out[i] = (double)from[i] * n->deviation + n->mean;
    tl_tensor_free(&numbers);
    tl_tensor_free(&y);
    return from ? TL_OK : tl_error_status();
}

tl_status forecast_ahead(const network *n, const double *values, int64_t count, int64_t ahead, double *out)
{
    double *last = malloc((size_t)(n->window + ahead + n->horizon) * sizeof *last);
    if (!last)
        return tl_error(TL_ERROR_MEMORY, "out of memory for %lld values ahead", (long long)ahead);
    memcpy(last, values + count - n->window, (size_t)n->window * sizeof *last);
    tl_status status = TL_OK;
    for (int64_t t = 0; t < ahead && status == TL_OK; t += n->horizon)
        status = forecast_windows(n, last + t, n->window, last + t + n->window);
    memcpy(out, last + n->window, (size_t)ahead * sizeof *out);
    free(last);
    return status;
}
