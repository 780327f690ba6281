#include "data/generated.h"
#include "tensor/random.h"

/* Streams of random numbers that nothing else draws from, by their top byte. */
static const uint64_t adding_stream = (uint64_t)0xAD << 56, copy_stream = (uint64_t)0xC0 << 56;

static const tl_dataset none;

/* A data set of zeros. */
static tl_dataset zeros(tl_dtype dtype, tl_shape x, tl_shape y)
{
    tl_dataset data = {.x = tl_tensor_new(dtype, x)};
    if (tl_tensor_ok(data.x))
        data.y = tl_tensor_new(dtype, y);
    if (!tl_dataset_ok(data))
        tl_dataset_free(&data);
    return data;
}

/* Draws for one sample, one after the other. */
typedef struct draws {
    uint64_t seed, stream, counter;
} draws;

static int64_t draw_below(draws *d, int64_t limit)
{
    return tl_random_below(d->seed, d->stream, d->counter++, limit);
}

/* A float in [0, 1): 24 bits are all it can hold without being rounded up to 1. */
static float draw_float(draws *d)
{
    return (float)draw_below(d, 1 << 24) * 0x1p-24F;
}

static void make_sum(draws *d, int64_t time, float *x, float *y)
{
    int64_t half = time / 2, marked[2];
    marked[0] = draw_below(d, half);
    marked[1] = half + draw_below(d, time - half);
    for (int64_t t = 0; t < time; t++)
        x[2 * t] = draw_float(d);
    *y = 0;
    for (int i = 0; i < 2; i++) {
        x[2 * marked[i] + 1] = 1;
        *y += x[2 * marked[i]];
    }
}

tl_dataset tl_adding_problem(int64_t samples, int64_t time, uint64_t seed)
{
    if (samples < 1 || time < 2) {
        tl_error(TL_ERROR_ARGUMENT, "adding_problem: %lld samples of %lld steps, expected at least 1 of 2",
                 (long long)samples, (long long)time);
        return none;
    }
    tl_dataset data = zeros(TL_F32, tl_shape(samples, time, 2), tl_shape(samples, 1));
    float *x = tl_data_mut(data.x), *y = tl_data_mut(data.y);
    for (int64_t i = 0; x && y && i < samples; i++) {
        draws d = {seed, adding_stream, (uint64_t)(i * (time + 2))};
        make_sum(&d, time, x + 2 * i * time, y + i);
    }
    return data;
}

tl_dataset tl_copy_task(int64_t samples, int64_t length, int64_t delay, int64_t symbols, uint64_t seed)
{
    const int64_t most = INT32_MAX - 2; /* the marker is an i32, and lengths add up */
    if (samples < 1 || length < 1 || delay < 1 || symbols < 1) {
        tl_error(
            TL_ERROR_ARGUMENT,
            "copy_task: %lld samples, length %lld, delay %lld, %lld symbols, expected at least 1 of each",
            (long long)samples, (long long)length, (long long)delay, (long long)symbols);
        return none;
    }
    if (length > most || delay > most || symbols > most) {
        tl_error(TL_ERROR_ARGUMENT, "copy_task: length %lld, delay %lld, %lld symbols, expected at most %lld",
                 (long long)length, (long long)delay, (long long)symbols, (long long)most);
        return none;
    }
    int64_t steps = length + delay + length;
    tl_dataset data = zeros(TL_I32, tl_shape(samples, steps), tl_shape(samples, steps));
    int32_t *x = tl_data_mut(data.x), *y = tl_data_mut(data.y);
    for (int64_t i = 0; x && y && i < samples; i++, x += steps, y += steps) {
        draws d = {seed, copy_stream, (uint64_t)(i * length)};
        for (int64_t t = 0; t < length; t++)
            x[t] = y[length + delay + t] = (int32_t)draw_below(&d, symbols) + 1;
        x[length + delay - 1] = (int32_t)symbols + 1;
    }
    return data;
}
