/* The plain layers: Embedding, CategoryEncoding, Dense, Dropout, LayerNormalization, Masking and pooling over
 * time. Names, arguments, defaults and layouts are Keras's. Rests on module.h. Recurrent layers are in rnn.h.
 *
 * Constructors return NULL with the error set for impossible options. A layer belongs to the model it is
 * handed to; a layer never handed over is freed with tl_module_free.
 */
#ifndef TL_NN_LAYERS_H
#define TL_NN_LAYERS_H

#include "../tensor/options.h"
#include "module.h"

/* Rows of a trainable table by number: i32 [batch, ...] -> [batch, ..., output_dim].
 * Parameter: embeddings [input_dim, output_dim]. An id outside 0 ... input_dim - 1 is an error. */
typedef struct tl_embedding_options {
    size_t size;
    int64_t input_dim;                     /* the number of ids, 1 to 2^31 - 1 */
    int64_t output_dim;                    /* at least 1 */
    tl_initializer embeddings_initializer; /* TL_RANDOM_UNIFORM */
    bool mask_zero;                        /* id 0 is padding: sets the mask for the layers behind */
} tl_embedding_options;

/* activation(x kernel + bias) over the last axis: [batch, ..., in] -> [batch, ..., units].
 * Parameters: kernel [in, units], bias [units]. */
typedef struct tl_dense_options {
    size_t size;
    int64_t units;            /* at least 1 */
    tl_activation activation; /* TL_LINEAR */
    bool no_bias;
    tl_initializer kernel_initializer; /* TL_GLOROT_UNIFORM */
    tl_initializer bias_initializer;   /* TL_ZEROS */
} tl_dense_options;

/* In training, each element is 0 with probability `rate` and else divided by 1 - rate; in inference x. */
typedef struct tl_dropout_options {
    size_t size;
    double rate; /* at least 0, less than 1; nearer to 1 than 2^-32 all elements are 0 */
} tl_dropout_options;

/* Features of each position brought to mean 0 and variance 1, then scaled and shifted:
 * gamma (x - mean) / sqrt(variance + epsilon) + beta over the last axis  (Ba, Kiros and Hinton, 2016).
 * Parameters: gamma [features], ones at first; beta [features], zeros at first. */
typedef struct tl_layer_normalization_options {
    size_t size;
    double epsilon; /* 0.001 */
    bool no_center; /* without beta */
    bool no_scale;  /* without gamma */
} tl_layer_normalization_options;

/* Steps whose features all equal mask_value are padding: sets the mask for the layers behind. [batch, time,
 * features] as it is, f32 or f64; with a mask already it is an error. */
typedef struct tl_masking_options {
    size_t size;
    double mask_value; /* 0 */
} tl_masking_options;

TL_API tl_module *tl_embedding_with(const tl_embedding_options *options);
TL_API tl_module *tl_dense_with(const tl_dense_options *options);
TL_API tl_module *tl_dropout_layer_with(const tl_dropout_options *options);
TL_API tl_module *tl_layer_normalization_with(const tl_layer_normalization_options *options);
TL_API tl_module *tl_masking_with(const tl_masking_options *options);

/* Ids as vectors with a single 1: i32 [batch, ...] -> [batch, ..., num_tokens], Keras's CategoryEncoding with
 * output_mode "one_hot". When a batch has more positions than num_tokens, a recurrent layer behind it
 * projects each id once. Takes memory for num_tokens x num_tokens numbers. An id
 * outside 0 ... num_tokens - 1 is an error. */
TL_API tl_module *tl_category_encoding(int64_t num_tokens);

/* The mean, or the maximum, of each feature over time: [batch, time, features] -> [batch, features]. Steps
 * where the mask is 0 do not count, unless a row has no others: then its mean is 0, and its maximum that over
 * all of its steps. Of sequences of no steps at all the mean is NaN and the maximum -infinity. */
TL_API tl_module *tl_global_average_pooling_1d(void);
TL_API tl_module *tl_global_max_pooling_1d(void);

/* tl_embedding(10000, 32, .mask_zero = true), tl_dense(1, .activation = TL_SIGMOID), tl_dropout_layer(0.5) */
#define tl_embedding(input_dim_, ...)                                                                        \
    tl_embedding_with(&(tl_embedding_options){                                                               \
        .size = sizeof(tl_embedding_options), .input_dim = (input_dim_), .output_dim = __VA_ARGS__})
#define tl_dense(...)                                                                                        \
    tl_dense_with(&(tl_dense_options){.size = sizeof(tl_dense_options), .units = __VA_ARGS__})
#define tl_dropout_layer(...)                                                                                \
    tl_dropout_layer_with(&(tl_dropout_options){.size = sizeof(tl_dropout_options), .rate = __VA_ARGS__})
#define tl_layer_normalization(...)                                                                          \
    tl_layer_normalization_with(                                                                             \
        &(tl_layer_normalization_options){.size = sizeof(tl_layer_normalization_options), __VA_ARGS__})
#define tl_masking(...)                                                                                      \
    tl_masking_with(&(tl_masking_options){.size = sizeof(tl_masking_options), __VA_ARGS__})

#endif
