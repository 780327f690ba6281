/* Recurrent layers: options, and the states that a stateful layer carries from batch to batch. What one does
 * with a sequence is in pass.c. */
#include "nn/rnn.h"
#include "autograd/trace_internal.h"
#include "nn/model_internal.h"
#include "nn/pass_internal.h"
#include "nn/rnn_internal.h"
#include "tensor/compute_internal.h"
#include "tensor/error_internal.h"
#include "tensor/options_internal.h"

#include <string.h>

typedef struct rnn {
    tl_module module;
    tl_loop loop;
    tl_tensor carried[TL_MAX_STATES]; /* stateful: [rows of a batch, width] */
    bool carries;                     /* there are states in there, not just room */
    bool in_batch;                    /* rows of tapes are rows of the batch that carried was made for */
} rnn;

/* Room for the states of so many rows, where the layer carries any. */
static tl_status make_room(rnn *layer, int64_t rows)
{
    for (int i = 0; i < tl_rnn_carried_states(&layer->module); i++) {
        tl_tensor *carried = &layer->carried[i];
        if (carried->storage && (carried->shape.dims[0] != rows || carried->dtype != layer->loop.dtype))
            tl_tensor_free(carried);
        if (!carried->storage)
            *carried = tl_tensor_new(layer->loop.dtype, tl_shape(rows, layer->loop.cell->states[i]));
        if (!carried->storage)
            return tl_error_status();
    }
    return TL_OK;
}

static tl_status build(tl_module *module, tl_builder *builder, tl_shape input, tl_shape *output)
{
    rnn *layer = (rnn *)module;
    tl_cell *cell = layer->loop.cell;
    if (input.rank != 2)
        return tl_error(TL_ERROR_SHAPE, "%s: input %s, expected [time, features]", cell->name,
                        TL_SHAPE_TEXT(input));
    if (cell->build && cell->build(cell, builder, input.dims[1]) != TL_OK)
        return tl_error_status();
    layer->loop.dtype = builder->dtype;
    layer->carries = false;
    if (make_room(layer, 0) != TL_OK)
        return tl_error_status();
    if (layer->loop.options.return_sequences)
        *output = tl_shape(input.dims[0], cell->states[0]);
    else
        *output = tl_shape(cell->states[0]);
    return TL_OK;
}

static void reset_states(tl_module *module)
{
    ((rnn *)module)->carries = false;
}

/* States to carry, zeros at first, for a batch of so many rows. */
static tl_status need_states(rnn *layer, int64_t rows)
{
    if (!layer->loop.options.stateful)
        return TL_OK;
    for (int i = 0; i < layer->loop.states && layer->carries; i++)
        if (layer->carried[i].shape.dims[0] != rows)
            return tl_error(
                TL_ERROR_STATE,
                "%s: stateful, with states of %lld rows, but a batch of %lld: expected batches of "
                "one size, or tl_reset_states between them",
                layer->loop.cell->name, (long long)layer->carried[i].shape.dims[0], (long long)rows);
    if (make_room(layer, rows) != TL_OK)
        return tl_error_status();
    for (int i = 0; i < layer->loop.states && !layer->carries; i++)
        tl_tensor_fill(layer->carried[i], 0);
    layer->carries = true;
    return TL_OK;
}

/* Where the inputs are rows of a table, project the table: fewer rows, and only once for all shards. Not if
 * each sequence has lost features of its own. */
static tl_var *prepare(tl_module *module, const tl_step *step, tl_var *table, bool *failed)
{
    rnn *layer = (rnn *)module;
    layer->loop.projected_table = NULL;
    layer->in_batch = step != NULL;
    if (!step)
        return NULL;
    *failed = need_states(layer, step->rows) != TL_OK;
    if (*failed || !table || !layer->loop.cell->project || tl_loop_drops_inputs(&layer->loop, step->tape))
        return NULL;
    layer->loop.projected_table = layer->loop.cell->project(layer->loop.cell, table);
    *failed = !layer->loop.projected_table || tl_materialize(layer->loop.projected_table) != TL_OK;
    return NULL;
}

/* The rows of a carried state that the tape's batch goes on from; empty with the error set if there are no
 * such rows. */
static tl_tensor carried_rows(const rnn *layer, const tl_pass *p, int i)
{
    if (!layer->in_batch) {
        tl_error(
            TL_ERROR_STATE,
            "%s: stateful, but run outside of tl_fit, tl_evaluate and tl_predict, which keep its states: "
            "expected tl_rnn_forward with states of one's own",
            layer->loop.cell->name);
        return (tl_tensor){0};
    }
    return tl_tensor_slice(layer->carried[i], 0, tl_tape_of(p->x)->first_row, tl_shape_of(p->x).dims[0]);
}

/* Somebody who only looks at states leaves those alone that are carried. */
static bool carries(const rnn *layer, const tl_pass *p)
{
    return layer->loop.options.stateful && !tl_tape_of(p->x)->probe;
}

/* Zeros, or what the last batch left: copied, since it is overwritten before backward. */
static tl_var *own_state(const rnn *layer, const tl_pass *p, int i)
{
    tl_var *state = tl_zeros(tl_tape_of(p->x), layer->loop.dtype, tl_pass_state_shape(p, i));
    if (!state || !carries(layer, p))
        return state;
    tl_tensor carried = carried_rows(layer, p, i);
    return carried.storage && tl_tensor_copy(tl_value(state), carried) == TL_OK ? state : NULL;
}

static tl_status set_states(const rnn *layer, tl_pass *p, tl_var *const initial[])
{
    for (int i = 0; i < layer->loop.states; i++) {
        tl_var *state = initial ? initial[i] : own_state(layer, p, i);
        if ((!initial && !state) || tl_pass_set_state(p, i, state) != TL_OK)
            return tl_error_status();
    }
    return TL_OK;
}

/* Keeps the last states for the next batch. Shards do so at once, each for rows of its own, so the storage
 * gets no new version: nothing on a tape looks at it. */
static tl_status carry(const rnn *layer, const tl_pass *p)
{
    for (int i = 0; i < layer->loop.states; i++) {
        tl_tensor rows = carried_rows(layer, p, i), state = tl_value(p->state[i]);
        if (!rows.storage || !state.storage)
            return tl_error_status();
        tl_compute_store(rows, state, false);
    }
    return TL_OK;
}

static tl_var *run(const rnn *layer, tl_var *input, tl_var *const initial[], tl_var *final[])
{
    const tl_rnn_options *options = &layer->loop.options;
    tl_pass p;
    if (tl_pass_start(&p, &layer->loop, input) != TL_OK || set_states(layer, &p, initial) != TL_OK)
        return NULL;
    tl_var *output = tl_pass_run_segments(&p);
    tl_tape_of(input)->chunk++; /* what follows waits for no step */
    if (options->return_sequences)
        output = tl_pass_mask_output(&p, output);
    if (output && carries(layer, &p) && !initial && carry(layer, &p) != TL_OK)
        return NULL;
    if (output && final)
        memcpy(final, p.state, sizeof p.state);
    return output;
}

static tl_var *forward(const tl_module *module, tl_var *input)
{
    return run((const rnn *)module, input, NULL, NULL);
}

static void free_rnn(tl_module *module)
{
    rnn *layer = (rnn *)module;
    for (int i = 0; i < layer->loop.states; i++)
        tl_tensor_free(&layer->carried[i]);
    layer->loop.cell->taken = false;
    if (layer->loop.cell->free)
        layer->loop.cell->free(layer->loop.cell);
}

static const tl_module_type type = {.name = "rnn",
                                    .build = build,
                                    .forward = forward,
                                    .prepare = prepare,
                                    .reset_states = reset_states,
                                    .free = free_rnn,
                                    .takes_mask = true};

tl_var *tl_rnn_forward(const tl_module *module, tl_var *x, tl_var *const initial[], tl_var *final[])
{
    if (!module || !x)
        return NULL;
    if (module->type != &type || !module->built) {
        tl_error(TL_ERROR_ARGUMENT, "rnn_forward: layer %s, expected a recurrent one that is built",
                 module->kind);
        return NULL;
    }
    tl_tape *tape = tl_tape_of(x);
    if (tl_module_enter(module, tape) != TL_OK)
        return NULL;
    tl_var *y = run((const rnn *)module, x, initial, final);
    tl_scope_pop(tape);
    return y;
}

const tl_rnn_options *tl_rnn_options_of(const tl_module *module)
{
    return module->type == &type ? &((const rnn *)module)->loop.options : NULL;
}

int tl_rnn_carried_states(const tl_module *module)
{
    const rnn *layer = (const rnn *)module;
    return module->type == &type && layer->loop.options.stateful ? layer->loop.states : 0;
}

tl_tensor tl_rnn_carried(const tl_module *module, int i)
{
    const rnn *layer = (const rnn *)module;
    tl_tensor carried = layer->carried[i];
    return tl_tensor_slice(carried, 0, 0, layer->carries ? carried.shape.dims[0] : 0);
}

void tl_rnn_carry(tl_module *module, int i, tl_tensor state)
{
    rnn *layer = (rnn *)module;
    tl_tensor_free(&layer->carried[i]);
    layer->carried[i] = state;
    layer->carries = state.shape.dims[0] > 0;
}

void tl_rnn_turn_round(tl_module *module)
{
    rnn *layer = (rnn *)module;
    layer->loop.options.go_backwards = layer->loop.in_order = true;
}

static tl_status check_options(const tl_rnn_options *o)
{
    const tl_cell *cell = o->cell;
    const char *name = cell->name ? cell->name : "without a name";
    if (!cell->step || cell->states[0] < 1)
        return tl_error(TL_ERROR_ARGUMENT,
                        "rnn: cell %s needs a step and at least one state of width 1 or more", name);
    if (!(o->dropout >= 0 && o->dropout < 1 && o->recurrent_dropout >= 0 && o->recurrent_dropout < 1))
        return tl_error(TL_ERROR_ARGUMENT,
                        "rnn: cell %s with dropout %g and recurrent_dropout %g, expected 0 to less than 1",
                        name, o->dropout, o->recurrent_dropout);
    if (o->checkpoint_every < 0)
        return tl_error(TL_ERROR_ARGUMENT,
                        "rnn: cell %s with checkpoint_every %lld, expected 0 or more steps", name,
                        (long long)o->checkpoint_every);
    return TL_OK;
}

tl_module *tl_rnn_with(const tl_rnn_options *options)
{
    tl_rnn_options o;
    tl_options_read(&o, sizeof o, options);
    if (!o.cell) {
        tl_missing("rnn", "cell");
        return NULL;
    }
    tl_cell *cell = o.cell;
    if (cell->taken) {
        tl_error(TL_ERROR_STATE, "rnn: cell %s is in a layer already, expected one struct a layer",
                 cell->name ? cell->name : "without a name");
        return NULL;
    }
    rnn *layer = check_options(&o) == TL_OK ? tl_module_new(&type, sizeof *layer) : NULL;
    if (!layer) {
        if (cell->free)
            cell->free(cell);
        return NULL;
    }
    layer->loop.options = o;
    layer->loop.cell = cell;
    cell->taken = true;
    while (layer->loop.states < TL_MAX_STATES && cell->states[layer->loop.states] > 0)
        layer->loop.states++;
    if (cell->name)
        layer->module.kind = cell->name;
    return &layer->module;
}
