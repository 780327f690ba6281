#include "tensor/random.h"
#include "tensor/error_internal.h"

#include <math.h>

enum { ROUNDS = 10 };

void tl_philox(const uint32_t key[2], const uint32_t counter[4], uint32_t out[4])
{
    uint32_t k0 = key[0], k1 = key[1];
    uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3];
    for (int round = 0; round < ROUNDS; round++) {
        uint64_t p0 = (uint64_t)0xD2511F53u * c0, p1 = (uint64_t)0xCD9E8D57u * c2;
        c0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0;
        c2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
        c1 = (uint32_t)p1;
        c3 = (uint32_t)p0;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    out[0] = c0;
    out[1] = c1;
    out[2] = c2;
    out[3] = c3;
}

static void draw(uint64_t seed, uint64_t stream, uint64_t counter, uint64_t out[2])
{
    uint32_t key[2] = {(uint32_t)seed, (uint32_t)(seed >> 32)};
    uint32_t place[4] = {(uint32_t)counter, (uint32_t)(counter >> 32), (uint32_t)stream,
                         (uint32_t)(stream >> 32)};
    uint32_t bits[4];
    tl_philox(key, place, bits);
    out[0] = (uint64_t)bits[1] << 32 | bits[0];
    out[1] = (uint64_t)bits[3] << 32 | bits[2];
}

static double unit(uint64_t bits)
{
    return (double)(bits >> 11) * 0x1p-53;
}

uint64_t tl_random_bits(uint64_t seed, uint64_t stream, uint64_t counter)
{
    uint64_t bits[2];
    draw(seed, stream, counter, bits);
    return bits[0];
}

double tl_random_uniform(uint64_t seed, uint64_t stream, uint64_t counter)
{
    return unit(tl_random_bits(seed, stream, counter));
}

double tl_random_normal(uint64_t seed, uint64_t stream, uint64_t counter)
{
    const double two_pi = 6.283185307179586;
    uint64_t bits[2];
    draw(seed, stream, counter, bits);
    double radius = sqrt(-2.0 * log(1.0 - unit(bits[0])));
    return radius * cos(two_pi * unit(bits[1]));
}

int64_t tl_random_below(uint64_t seed, uint64_t stream, uint64_t counter, int64_t limit)
{
    uint64_t bits = tl_random_bits(seed, stream, counter), n = (uint64_t)limit;
    /* floor(bits * n / 2^64), by halves: the product has up to 128 bits */
    uint64_t low = (bits & 0xFFFFFFFFu) * (n & 0xFFFFFFFFu);
    uint64_t cross = (bits >> 32) * (n & 0xFFFFFFFFu) + (low >> 32);
    uint64_t other = (bits & 0xFFFFFFFFu) * (n >> 32) + (cross & 0xFFFFFFFFu);
    return (int64_t)((bits >> 32) * (n >> 32) + (cross >> 32) + (other >> 32));
}

void tl_random_permutation(uint64_t seed, uint64_t stream, int64_t n, int64_t *order)
{
    for (int64_t i = 0; i < n; i++) {
        int64_t place = tl_random_below(seed, stream, (uint64_t)i, i + 1);
        order[i] = order[place];
        order[place] = i;
    }
}

typedef double (*drawer)(uint64_t seed, uint64_t stream, uint64_t counter);

static tl_status fill(const char *what, tl_tensor tensor, drawer next, double scale, double shift,
                      uint64_t seed, uint64_t stream)
{
    if (!tensor.storage)
        return tl_missing(what, "tensor");
    if (!tl_dtype_is_float(tensor.dtype))
        return tl_error(TL_ERROR_DTYPE, "%s: %s, expected f32 or f64", what, tl_dtype_name(tensor.dtype));
    void *data = tl_data_mut(tensor);
    if (!data)
        return tl_error_status();
    int64_t count = tl_tensor_count(tensor);
    for (int64_t i = 0; i < count; i++) {
        double value = shift + scale * next(seed, stream, (uint64_t)i);
        if (tensor.dtype == TL_F32)
            ((float *)data)[i] = (float)value;
        else
            ((double *)data)[i] = value;
    }
    return TL_OK;
}

tl_status tl_random_fill_uniform(tl_tensor tensor, double low, double high, uint64_t seed, uint64_t stream)
{
    return fill("random_fill_uniform", tensor, tl_random_uniform, high - low, low, seed, stream);
}

tl_status tl_random_fill_normal(tl_tensor tensor, double mean, double deviation, uint64_t seed,
                                uint64_t stream)
{
    return fill("random_fill_normal", tensor, tl_random_normal, deviation, mean, seed, stream);
}
