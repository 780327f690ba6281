#include "nn/layers.h"
#include "tensor/iterate_internal.h"
#include "tensor/options_internal.h"

typedef struct embedding {
    tl_module module;
    tl_embedding_options options;
    tl_parameter *table;
} embedding;

static tl_status build(tl_module *module, tl_builder *builder, tl_shape input, tl_shape *output)
{
    embedding *layer = (embedding *)module;
    if (input.rank + 2 > TL_MAX_RANK)
        return tl_error(TL_ERROR_SHAPE, "embedding: input %s has too many axes", TL_SHAPE_TEXT(input));
    tl_initializer initializer = layer->options.embeddings_initializer;
    layer->table = tl_build_parameter(builder, "embeddings",
                                      tl_shape(layer->options.input_dim, layer->options.output_dim),
                                      initializer ? initializer : TL_RANDOM_UNIFORM);
    *output = input;
    output->dims[output->rank++] = layer->options.output_dim;
    return layer->table ? TL_OK : tl_error_status();
}

/* A batch with fewer positions than the table has rows is better served row by row. */
static tl_var *prepare(tl_module *module, const tl_step *step, tl_var *table, bool *failed)
{
    const embedding *layer = (const embedding *)module;
    (void)table;
    if (!step || layer->options.input_dim > step->positions)
        return NULL;
    tl_var *whole = tl_use(step->tape, layer->table);
    *failed = !whole;
    return whole;
}

static void nonzero_run(void *context, int64_t n, char *const at[], const int64_t strides[])
{
    (void)context;
    uint8_t *mask = (uint8_t *)at[0];
    const int32_t *id = (const int32_t *)(const void *)at[1];
    for (int64_t i = 0; i < n; i++)
        mask[i * strides[0]] = id[i * strides[1]] != 0;
}

/* Gives x the mask that is 1 where an id is not 0. */
static tl_var *mask_zeros(tl_var *x, tl_var *ids)
{
    tl_tensor mask = tl_value(tl_zeros(tl_tape_of(x), TL_U8, tl_shape_of(ids)));
    if (!mask.storage)
        return NULL;
    tl_iterate(2, (tl_tensor[]){mask, tl_value(ids)}, nonzero_run, NULL);
    return tl_set_mask(x, mask);
}

static tl_var *forward(const tl_module *module, tl_var *ids)
{
    const embedding *layer = (const embedding *)module;
    tl_var *x = tl_gather(tl_use(tl_tape_of(ids), layer->table), ids);
    return x && layer->options.mask_zero ? mask_zeros(x, ids) : x;
}

static const tl_module_type type = {
    .name = "embedding", .build = build, .forward = forward, .prepare = prepare, .takes_mask = true};

tl_module *tl_embedding_with(const tl_embedding_options *options)
{
    tl_embedding_options o;
    tl_options_read(&o, sizeof o, options);
    if (o.input_dim < 1 || o.output_dim < 1) {
        tl_error(TL_ERROR_ARGUMENT, "embedding: input_dim %lld and output_dim %lld, expected at least 1",
                 (long long)o.input_dim, (long long)o.output_dim);
        return NULL;
    }
    if (o.input_dim > INT32_MAX) {
        tl_error(TL_ERROR_ARGUMENT, "embedding: input_dim %lld, expected at most %d, which is what ids reach",
                 (long long)o.input_dim, INT32_MAX);
        return NULL;
    }
    embedding *layer = tl_module_new(&type, sizeof *layer);
    if (!layer)
        return NULL;
    layer->options = o;
    return &layer->module;
}
