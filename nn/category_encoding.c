/* One-hot vectors are rows of the identity matrix, so that what follows sees a table as with an embedding. */
#include "nn/layers.h"
#include "tensor/tensor_internal.h"

typedef struct category_encoding {
    tl_module module;
    int64_t tokens;
    tl_tensor identity; /* [tokens, tokens], made in build */
} category_encoding;

static tl_status build(tl_module *module, tl_builder *builder, tl_shape input, tl_shape *output)
{
    category_encoding *layer = (category_encoding *)module;
    if (input.rank + 2 > TL_MAX_RANK)
        return tl_error(TL_ERROR_SHAPE, "category_encoding: input %s has too many axes",
                        TL_SHAPE_TEXT(input));
    tl_tensor_free(&layer->identity);
    layer->identity = tl_tensor_new(builder->dtype, tl_shape(layer->tokens, layer->tokens));
    *output = input;
    output->dims[output->rank++] = layer->tokens;
    if (!layer->identity.storage)
        return tl_error_status();
    return tl_initialize(layer->identity, TL_IDENTITY, 0, 0);
}

static tl_var *prepare(tl_module *module, const tl_step *step, tl_var *table, bool *failed)
{
    const category_encoding *layer = (const category_encoding *)module;
    (void)table;
    if (!step || layer->tokens > step->positions)
        return NULL;
    tl_var *whole = tl_input(step->tape, layer->identity);
    *failed = !whole;
    return whole;
}

static tl_var *forward(const tl_module *module, tl_var *ids)
{
    const category_encoding *layer = (const category_encoding *)module;
    return tl_gather(tl_input(tl_tape_of(ids), layer->identity), ids);
}

static void free_identity(tl_module *module)
{
    tl_tensor_free(&((category_encoding *)module)->identity);
}

static const tl_module_type type = {.name = "category_encoding",
                                    .build = build,
                                    .forward = forward,
                                    .prepare = prepare,
                                    .free = free_identity};

tl_module *tl_category_encoding(int64_t num_tokens)
{
    if (num_tokens < 1) {
        tl_error(TL_ERROR_ARGUMENT, "category_encoding: num_tokens %lld, expected at least 1",
                 (long long)num_tokens);
        return NULL;
    }
    category_encoding *layer = tl_module_new(&type, sizeof *layer);
    if (!layer)
        return NULL;
    layer->tokens = num_tokens;
    return &layer->module;
}
