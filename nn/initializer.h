/* Initializers: what weights start from. Names and formulas are Keras's. Rests on tensor/. */
#ifndef TL_NN_INITIALIZER_H
#define TL_NN_INITIALIZER_H

#include "../tensor/tensor.h"

typedef enum tl_initializer {
    TL_DEFAULT_INITIALIZER = 0, /* the layer's own */
    TL_ZEROS,
    TL_ONES,
    TL_RANDOM_UNIFORM,  /* within +-0.05 */
    TL_RANDOM_NORMAL,   /* standard deviation 0.05 */
    TL_STANDARD_NORMAL, /* standard deviation 1: what PyTorch gives embeddings */
    TL_GLOROT_UNIFORM,  /* within +-sqrt(6 / (in + out))  (Glorot and Bengio, 2010) */
    TL_GLOROT_NORMAL,   /* standard deviation sqrt(2 / (in + out)), cut off at 2 of the normal's */
    TL_HE_UNIFORM,      /* within +-sqrt(6 / in)  (He et al., 2015) */
    TL_HE_NORMAL,       /* standard deviation sqrt(2 / in), cut off likewise */
    TL_ORTHOGONAL,      /* rows or columns orthonormal, uniformly distributed  (Saxe et al., 2014) */
    TL_IDENTITY         /* ones on the diagonal  (Le, Jaitly and Hinton, 2015) */
} tl_initializer;

/* "glorot_uniform", ...; NULL for a value outside the enumeration. */
TL_API const char *tl_initializer_name(tl_initializer initializer);

/* The initializer of that name; TL_DEFAULT_INITIALIZER with the error set if there is none. */
TL_API tl_initializer tl_initializer_by_name(const char *name);

/* Fills a row-major f32 or f64 tensor. `in` is its first extent and `out` its last (both its only one for a
 * vector). Orthogonal and identity need a matrix. What is drawn is a function of seed and stream. */
TL_API tl_status tl_initialize(tl_tensor tensor, tl_initializer initializer, uint64_t seed, uint64_t stream);

#endif
