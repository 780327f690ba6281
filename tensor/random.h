/* Random numbers without a generator: a draw is a function of (seed, stream, counter).
 *
 * Nothing is shared and nothing is mutated, so the same numbers come out whatever the number of threads and
 * whoever asks first. Philox 4x32-10 (Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy as
 * 1, 2, 3", SC 2011). Rests on tensor.h. Every function is thread-safe.
 */
#ifndef TL_TENSOR_RANDOM_H
#define TL_TENSOR_RANDOM_H

#include "tensor.h"

/* The Philox block of a key and a counter: four independent 32-bit numbers. */
TL_API void tl_philox(const uint32_t key[2], const uint32_t counter[4], uint32_t out[4]);

/* 64 random bits. `stream` keeps draws for different purposes apart; `counter` numbers them. */
TL_API uint64_t tl_random_bits(uint64_t seed, uint64_t stream, uint64_t counter);

/* Uniform in [0, 1), 53 random bits. */
TL_API double tl_random_uniform(uint64_t seed, uint64_t stream, uint64_t counter);

/* Normal with mean 0 and variance 1 (Box and Muller). */
TL_API double tl_random_normal(uint64_t seed, uint64_t stream, uint64_t counter);

/* Uniform in {0, ..., limit - 1}; limit must be at least 1. The bias is below limit / 2^64. */
TL_API int64_t tl_random_below(uint64_t seed, uint64_t stream, uint64_t counter, int64_t limit);

/* Writes a random permutation of 0 ... n - 1 to order (Fisher and Yates). */
TL_API void tl_random_permutation(uint64_t seed, uint64_t stream, int64_t n, int64_t *order);

/* Fills a tensor of floats, drawing in row-major order from counter 0 on. */
TL_API tl_status tl_random_fill_uniform(tl_tensor tensor, double low, double high, uint64_t seed,
                                        uint64_t stream);
TL_API tl_status tl_random_fill_normal(tl_tensor tensor, double mean, double deviation, uint64_t seed,
                                       uint64_t stream);

#endif
