#include "nn/rnn_internal.h"
#include "tensor/error_internal.h"
#include "tensor/memory_internal.h"
#include "tensor/options_internal.h"

#include <stdio.h>

enum { FORWARD, BACKWARD, DIRECTIONS };

typedef struct bidirectional {
    tl_module module;
    tl_merge_mode mode;
} bidirectional;

/* "bidirectional/forward_simple_rnn" */
static tl_status name_child(const tl_module *module, tl_module *child, const char *direction)
{
    char name[160];
    snprintf(name, sizeof name, "%s/%s_%s", module->name ? module->name : module->kind, direction,
             child->kind);
    tl_release(child->name);
    child->name = tl_allocate_text(name);
    return child->name ? TL_OK : TL_ERROR_MEMORY;
}

static tl_status build(tl_module *module, tl_builder *builder, tl_shape input, tl_shape *output)
{
    static const char *const directions[] = {"forward", "backward"};
    for (int i = 0; i < DIRECTIONS; i++)
        if (name_child(module, module->children[i], directions[i]) != TL_OK ||
            tl_module_build(module->children[i], builder, input) != TL_OK)
            return tl_error_status();
    tl_shape one = module->children[FORWARD]->output, other = module->children[BACKWARD]->output;
    int last = one.rank - 1;
    *output = one;
    if (((const bidirectional *)module)->mode == TL_MERGE_CONCAT)
        output->dims[last] += other.dims[last];
    else if (one.dims[last] != other.dims[last])
        return tl_error(TL_ERROR_SHAPE,
                        "bidirectional: outputs %s and %s cannot be merged element by element",
                        TL_SHAPE_TEXT(one), TL_SHAPE_TEXT(other));
    return TL_OK;
}

static tl_var *prepare(tl_module *module, const tl_step *step, tl_var *table, bool *failed)
{
    for (int i = 0; i < DIRECTIONS && !*failed; i++)
        tl_module_prepare(module->children[i], step, table, failed);
    return NULL;
}

static tl_var *concat(tl_var *a, tl_var *b)
{
    return a && b ? tl_concat((tl_var *[]){a, b}, 2, -1) : NULL;
}

static tl_var *average(tl_var *a, tl_var *b)
{
    return tl_scale(tl_add(a, b), 0.5);
}

static tl_var *(*const merge[])(tl_var *a, tl_var *b) = {
    [TL_MERGE_CONCAT] = concat, [TL_MERGE_SUM] = tl_add, [TL_MERGE_MUL] = tl_mul, [TL_MERGE_AVE] = average};

static tl_var *forward(const tl_module *module, tl_var *x)
{
    tl_var *one = tl_module_forward(module->children[FORWARD], x);
    tl_var *other = one ? tl_module_forward(module->children[BACKWARD], x) : NULL;
    tl_var *merged = merge[((const bidirectional *)module)->mode](one, other);
    return merged ? tl_set_mask(merged, tl_mask_of(one)) : NULL;
}

static const tl_module_type type = {
    .name = "bidirectional", .build = build, .forward = forward, .prepare = prepare, .takes_mask = true};

static tl_status check_options(const tl_bidirectional_options *o)
{
    const tl_rnn_options *one = tl_rnn_options_of(o->forward), *other = tl_rnn_options_of(o->backward);
    if (!one || !other)
        return tl_error(TL_ERROR_ARGUMENT, "bidirectional: layers %s and %s, expected recurrent ones",
                        o->forward->kind, o->backward->kind);
    if (o->forward == o->backward)
        return tl_error(TL_ERROR_ARGUMENT, "bidirectional: one layer %s twice, expected two",
                        o->forward->kind);
    if (one->return_sequences != other->return_sequences)
        return tl_error(
            TL_ERROR_ARGUMENT,
            "bidirectional: one layer returns sequences and the other does not, expected the same");
    if (one->go_backwards)
        return tl_error(TL_ERROR_ARGUMENT,
                        "bidirectional: the first layer goes backwards, expected forwards");
    if ((size_t)o->merge_mode >= sizeof merge / sizeof merge[0])
        return tl_error(TL_ERROR_ARGUMENT, "bidirectional: merge mode %d is not one, such as TL_MERGE_CONCAT",
                        (int)o->merge_mode);
    return TL_OK;
}

static void discard(tl_module *layer)
{
    if (layer && !layer->joined)
        tl_module_free(layer);
}

tl_module *tl_bidirectional_with(const tl_bidirectional_options *options)
{
    tl_bidirectional_options o;
    tl_options_read(&o, sizeof o, options);
    bidirectional *layer = NULL;
    if (o.forward && o.backward && check_options(&o) == TL_OK)
        layer = tl_module_new(&type, sizeof *layer);
    if (!layer) { /* a layer that could not be made has left the error */
        discard(o.forward);
        if (o.backward != o.forward)
            discard(o.backward);
        return NULL;
    }
    layer->mode = o.merge_mode;
    tl_status status = tl_module_adopt(&layer->module, o.forward);
    if (status == TL_OK)
        status = tl_module_adopt(&layer->module, o.backward);
    else
        discard(o.backward);
    if (status == TL_OK) {
        tl_rnn_turn_round(o.backward);
        return &layer->module;
    }
    tl_module_free(&layer->module);
    return NULL;
}
