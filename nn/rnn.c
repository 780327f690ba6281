#include "nn/rnn.h"
#include "autograd/tape_internal.h"
#include "tensor/error_internal.h"
#include "tensor/options_internal.h"

#include <string.h>

typedef struct rnn {
    tl_module module;
    tl_rnn_options options;
    tl_cell *cell;
    tl_var *projected_table; /* on the step tape of the batch at hand; NULL: sequences are projected */
} rnn;

static tl_status build(tl_module *module, tl_builder *builder, tl_shape input, tl_shape *output)
{
    const rnn *layer = (const rnn *)module;
    tl_cell *cell = layer->cell;
    if (input.rank != 2)
        return tl_error(TL_ERROR_SHAPE, "%s: input %s, expected [time, features]", cell->name,
                        TL_SHAPE_TEXT(input));
    if (cell->build && cell->build(cell, builder, input.dims[1]) != TL_OK)
        return tl_error_status();
    if (layer->options.return_sequences)
        *output = tl_shape(input.dims[0], cell->states[0]);
    else
        *output = tl_shape(cell->states[0]);
    return TL_OK;
}

/* Where the inputs are rows of a table, project the table: fewer rows, and only once for all shards. */
static tl_var *prepare(tl_module *module, const tl_step *step, tl_var *table, bool *failed)
{
    rnn *layer = (rnn *)module;
    layer->projected_table = NULL;
    if (!step || !table || !layer->cell->project)
        return NULL;
    layer->projected_table = layer->cell->project(layer->cell, table);
    *failed = !layer->projected_table || tl_materialize(layer->projected_table) != TL_OK;
    return NULL;
}

static tl_var *project(const rnn *layer, tl_var *x)
{
    tl_var *table, *ids;
    if (layer->projected_table && tl_is_gathered(x, &table, &ids))
        return tl_gather(tl_import(tl_tape_of(x), layer->projected_table), ids);
    return layer->cell->project ? layer->cell->project(layer->cell, x) : x;
}

/* One pass over a sequence. */
typedef struct pass {
    const tl_cell *cell;
    void *self;
    tl_var *x;      /* projected */
    tl_tensor mask; /* [batch, time] or empty */
    int states;
    tl_var *state[TL_MAX_STATES];
    tl_var *output; /* of the last step */
} pass;

static tl_status start(pass *p)
{
    tl_shape shape = tl_shape_of(p->x);
    if (shape.rank != 3)
        return tl_error(TL_ERROR_SHAPE, "%s: projected input %s, expected [batch, time, features]",
                        p->cell->name, TL_SHAPE_TEXT(shape));
    for (; p->states < TL_MAX_STATES && p->cell->states[p->states] > 0; p->states++) {
        tl_shape state = tl_shape(shape.dims[0], p->cell->states[p->states]);
        p->state[p->states] = tl_zeros(tl_tape_of(p->x), tl_dtype_of(p->x), state);
        if (!p->state[p->states])
            return TL_ERROR_MEMORY;
    }
    p->output = tl_zeros(tl_tape_of(p->x), tl_dtype_of(p->x), tl_shape(shape.dims[0], p->cell->states[0]));
    return p->output ? TL_OK : TL_ERROR_MEMORY;
}

/* Puts back what was, row by row, where the mask is 0. */
static tl_status keep_masked_rows(pass *p, tl_tensor mask, tl_var *const before[], tl_var *last)
{
    tl_var *kept = tl_input(tl_tape_of(p->x), tl_tensor_unsqueeze(mask, 1));
    for (int i = 0; i < p->states; i++) {
        bool is_output = p->output == p->state[i];
        p->state[i] = tl_where(kept, p->state[i], before[i]);
        if (is_output)
            p->output = p->state[i];
        if (!p->state[i])
            return tl_error_status();
        last = is_output ? NULL : last;
    }
    if (last)
        p->output = tl_where(kept, p->output, last);
    return p->output ? TL_OK : tl_error_status();
}

static tl_status take_step(pass *p, int64_t t)
{
    tl_var *x = tl_select(p->x, 1, t), *last = p->output, *before[TL_MAX_STATES];
    tl_tensor mask = {0};
    if (p->mask.storage) {
        mask = tl_tensor_select(p->mask, 1, t);
        x = tl_set_mask(x, mask);
    }
    memcpy(before, p->state, sizeof before);
    p->output = x ? p->cell->step(p->self, x, p->state) : NULL;
    if (!p->output)
        return tl_missing(p->cell->name, "output of a step");
    if (!tl_shape_equal(tl_shape_of(p->output), tl_shape_of(last)))
        return tl_error(TL_ERROR_SHAPE, "%s: a step gave %s, expected %s", p->cell->name,
                        TL_SHAPE_TEXT(tl_shape_of(p->output)), TL_SHAPE_TEXT(tl_shape_of(last)));
    if (mask.storage && !p->cell->applies_mask)
        return keep_masked_rows(p, mask, before, last);
    return TL_OK;
}

/* The mask in the order of the outputs, which is that in which steps were taken. */
static tl_var *set_output_mask(tl_var *y, tl_tensor mask, bool backwards)
{
    if (!y || !mask.storage || !backwards)
        return tl_set_mask(y, mask);
    tl_tensor reversed = tl_value(tl_zeros(tl_tape_of(y), TL_U8, mask.shape));
    int64_t steps = mask.shape.dims[1];
    for (int64_t t = 0; t < steps; t++)
        if (tl_tensor_copy(tl_tensor_select(reversed, 1, t), tl_tensor_select(mask, 1, steps - 1 - t)) !=
            TL_OK)
            return NULL;
    return tl_set_mask(y, reversed);
}

static tl_var *forward(const tl_module *module, tl_var *input)
{
    const rnn *layer = (const rnn *)module;
    pass p = {
        .cell = layer->cell, .self = layer->cell, .mask = tl_mask_of(input), .x = project(layer, input)};
    if (!p.x || start(&p) != TL_OK)
        return NULL;
    int64_t steps = tl_shape_of(p.x).dims[1];
    tl_var **outputs = NULL;
    if (layer->options.return_sequences) {
        outputs = tl_arena_take(tl_tape_of(p.x)->arena, (size_t)steps * sizeof *outputs);
        if (!outputs)
            return NULL;
    }
    for (int64_t i = 0; i < steps; i++) {
        if (take_step(&p, layer->options.go_backwards ? steps - 1 - i : i) != TL_OK)
            return NULL;
        if (outputs)
            outputs[i] = p.output;
    }
    if (!outputs)
        return p.output;
    if (steps == 0)
        return tl_zeros(tl_tape_of(p.x), tl_dtype_of(p.x),
                        tl_shape(tl_shape_of(p.x).dims[0], 0, layer->cell->states[0]));
    return set_output_mask(tl_stack(outputs, (int)steps, 1), p.mask, layer->options.go_backwards);
}

static void free_cell(tl_module *module)
{
    const rnn *layer = (const rnn *)module;
    if (layer->cell->free)
        layer->cell->free(layer->cell);
}

static const tl_module_type type = {.name = "rnn",
                                    .build = build,
                                    .forward = forward,
                                    .prepare = prepare,
                                    .free = free_cell,
                                    .takes_mask = true};

tl_module *tl_rnn_with(const tl_rnn_options *options)
{
    tl_rnn_options o;
    tl_options_read(&o, sizeof o, options);
    if (!o.cell) {
        tl_missing("rnn", "cell");
        return NULL;
    }
    tl_cell *cell = o.cell;
    rnn *layer = NULL;
    if (!cell->step || cell->states[0] < 1)
        tl_error(TL_ERROR_ARGUMENT, "rnn: cell %s needs a step and at least one state of width 1 or more",
                 cell->name ? cell->name : "without a name");
    else
        layer = tl_module_new(&type, sizeof *layer);
    if (!layer) {
        if (cell->free)
            cell->free(cell);
        return NULL;
    }
    layer->options = o;
    layer->cell = cell;
    if (cell->name)
        layer->module.kind = cell->name;
    return &layer->module;
}
