/* The insides of a model, for the files of this folder. */
#ifndef TL_NN_MODEL_INTERNAL_H
#define TL_NN_MODEL_INTERNAL_H

#include "nn/model.h"
#include "tensor/error_internal.h"

struct tl_model {
    tl_module **layers;
    int layer_count;
    tl_shape input;
    tl_dtype dtype;
    bool built, compiled;
    tl_optimizer *optimizer;
    tl_loss loss;
    bool from_logits;         /* what forward gives are logits */
    tl_activation activation; /* taken off the last layer; tl_predict puts it on again */
    tl_parameter **parameters;
    int parameter_count;
    uint64_t seed; /* that it was built with */
    tl_shards *shards;
    tl_tape *step;                   /* what depends on parameters alone, once for a batch */
    struct tl_shard_result *results; /* of the batch at hand, one a shard */
    int64_t result_capacity;
    bool detects;  /* NaN and infinity, on all its tapes */
    char *failure; /* why it failed to compile; NULL if it did not */
    tl_status failure_status;
};

/* Names layers[index] "dense", or "dense_1" as the second of its kind among those before it; of layers inside
 * another, "outer/dense". */
tl_status tl_module_name(tl_module *const layers[], int index, const tl_module *outer);

/* Pushes the scope of a module: its name, behind that of a module around it whose scope is there already. */
tl_status tl_module_enter(const tl_module *module, tl_tape *tape);

/* TL_OK, or the reason why the model cannot be used: it failed to compile, or lacks what is asked for. */
tl_status tl_model_check(const char *what, const tl_model *model, bool compiled, bool built);

#endif
