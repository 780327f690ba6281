#include "around_mean.h"

static tl_status build(tl_module *module, tl_builder *builder, tl_shape input, tl_shape *output)
{
    if (input.rank != 2 || input.dims[1] != 1)
        return tl_error(TL_ERROR_SHAPE, "around_mean: input %s, expected sequences of one feature",
                        TL_SHAPE_TEXT(input));
    *output = input;
    for (int i = 0; i < module->child_count; i++) {
        if (tl_module_build(module->children[i], builder, *output) != TL_OK)
            return tl_error_status();
        *output = module->children[i]->output;
    }
    return TL_OK;
}

static tl_var *prepare(tl_module *module, const tl_step *step, tl_var *table, bool *failed)
{
    (void)table; /* the layers see something else than its rows */
    for (int i = 0; i < module->child_count && !*failed; i++)
        tl_module_prepare(module->children[i], step, NULL, failed);
    return NULL;
}

static tl_var *forward(const tl_module *module, tl_var *x)
{
    tl_var *mean = tl_mean(x, tl_axes(1), true), *h = tl_sub(x, mean);
    for (int i = 0; i < module->child_count && h; i++)
        h = tl_module_forward(module->children[i], h);
    return tl_add(h, tl_select(mean, 1, 0));
}

tl_module *around_mean(tl_module *const layers[], int count)
{
    static const tl_module_type type = {
        .name = "around_mean", .build = build, .forward = forward, .prepare = prepare};
    tl_module *module = tl_module_new(&type, sizeof *module);
    tl_status status = module ? TL_OK : tl_error_status();
    for (int i = 0; i < count; i++) {
        if (status == TL_OK)
            status = layers[i] ? tl_module_adopt(module, layers[i]) : tl_error_status();
        else
            tl_module_free(layers[i]);
    }
    if (status == TL_OK)
        return module;
    tl_module_free(module);
    return NULL;
}
