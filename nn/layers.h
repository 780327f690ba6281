/* The plain layers: Embedding, Dense, Dropout. Names, arguments, defaults and layouts are Keras's. Rests on
 * module.h. Recurrent layers are in rnn.h.
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
    int64_t input_dim;                     /* the number of ids, at least 1 */
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
    double rate; /* at least 0, less than 1 */
} tl_dropout_options;

TL_API tl_module *tl_embedding_with(const tl_embedding_options *options);
TL_API tl_module *tl_dense_with(const tl_dense_options *options);
TL_API tl_module *tl_dropout_layer_with(const tl_dropout_options *options);

/* tl_embedding(10000, 32, .mask_zero = true), tl_dense(1, .activation = TL_SIGMOID), tl_dropout_layer(0.5) */
#define tl_embedding(input_dim_, ...)                                                                        \
    tl_embedding_with(&(tl_embedding_options){                                                               \
        .size = sizeof(tl_embedding_options), .input_dim = (input_dim_), .output_dim = __VA_ARGS__})
#define tl_dense(...)                                                                                        \
    tl_dense_with(&(tl_dense_options){.size = sizeof(tl_dense_options), .units = __VA_ARGS__})
#define tl_dropout_layer(...)                                                                                \
    tl_dropout_layer_with(&(tl_dropout_options){.size = sizeof(tl_dropout_options), .rate = __VA_ARGS__})

#endif
