/* The op as a layer: what it takes to put it into tl_sequential. */
#include "snake.h"

typedef struct snake {
    tl_module module;
    tl_parameter *frequency;
} snake;

static tl_status build(tl_module *module, tl_builder *builder, tl_shape input, tl_shape *output)
{
    snake *layer = (snake *)module;
    if (input.rank < 1)
        return tl_error(TL_ERROR_SHAPE, "snake: input %s without features", TL_SHAPE_TEXT(input));
    *output = input;
    layer->frequency =
        tl_build_parameter(builder, "frequency", tl_shape(input.dims[input.rank - 1]), TL_ONES);
    return layer->frequency ? TL_OK : tl_error_status();
}

static tl_var *forward(const tl_module *module, tl_var *x)
{
    const snake *layer = (const snake *)module;
    tl_var *inputs[] = {x, tl_use(tl_tape_of(x), layer->frequency)};
    return tl_set_mask(tl_apply(&snake_op, inputs, 2, NULL, 0), tl_mask_of(x));
}

tl_module *snake_layer(void)
{
    static const tl_module_type type = {
        .name = "snake", .build = build, .forward = forward, .takes_mask = true};
    snake *layer = tl_module_new(&type, sizeof *layer);
    return layer ? &layer->module : NULL;
}
