/* The loop over time, for any cell. */
#include "nn/rnn.h"
#include "autograd/replay_internal.h"
#include "nn/rnn_internal.h"
#include "tensor/compute_internal.h"
#include "tensor/error_internal.h"
#include "tensor/options_internal.h"

#include <string.h>

typedef struct rnn {
    tl_module module;
    tl_rnn_options options;
    tl_cell *cell;
    int states;
    bool in_order;           /* sequences are returned in the order of the input even if it goes backwards */
    tl_dtype dtype;          /* of the states */
    tl_var *projected_table; /* on the step tape of the batch at hand; NULL: sequences are projected */
    tl_tensor carried[TL_MAX_STATES]; /* stateful: [rows of a batch, width] */
    bool carries;                     /* there are states in there, not just room */
    bool in_batch;                    /* rows of tapes are rows of the batch that carried was made for */
} rnn;

static tl_status build(tl_module *module, tl_builder *builder, tl_shape input, tl_shape *output)
{
    rnn *layer = (rnn *)module;
    tl_cell *cell = layer->cell;
    if (input.rank != 2)
        return tl_error(TL_ERROR_SHAPE, "%s: input %s, expected [time, features]", cell->name,
                        TL_SHAPE_TEXT(input));
    if (cell->build && cell->build(cell, builder, input.dims[1]) != TL_OK)
        return tl_error_status();
    layer->dtype = builder->dtype;
    if (layer->options.return_sequences)
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
    if (!layer->options.stateful)
        return TL_OK;
    for (int i = 0; i < layer->states; i++) {
        tl_tensor *carried = &layer->carried[i];
        if (layer->carries && carried->shape.dims[0] != rows)
            return tl_error(
                TL_ERROR_STATE,
                "%s: stateful, with states of %lld rows, but a batch of %lld: expected batches of "
                "one size, or tl_reset_states between them",
                layer->cell->name, (long long)carried->shape.dims[0], (long long)rows);
        if (carried->storage && carried->shape.dims[0] != rows)
            tl_tensor_free(carried);
        if (!carried->storage)
            *carried = tl_tensor_new(layer->dtype, tl_shape(rows, layer->cell->states[i]));
        if (!carried->storage)
            return tl_error_status();
        if (!layer->carries)
            tl_tensor_fill(*carried, 0);
    }
    layer->carries = true;
    return TL_OK;
}

static bool drops_inputs(const rnn *layer, const tl_tape *tape)
{
    return layer->options.dropout > 0 && tl_tape_is_training(tape);
}

/* Where the inputs are rows of a table, project the table: fewer rows, and only once for all shards. Not if
 * each sequence has lost features of its own. */
static tl_var *prepare(tl_module *module, const tl_step *step, tl_var *table, bool *failed)
{
    rnn *layer = (rnn *)module;
    layer->projected_table = NULL;
    layer->in_batch = step != NULL;
    if (!step)
        return NULL;
    *failed = need_states(layer, step->rows) != TL_OK;
    if (*failed || !table || !layer->cell->project || drops_inputs(layer, step->tape))
        return NULL;
    layer->projected_table = layer->cell->project(layer->cell, table);
    *failed = !layer->projected_table || tl_materialize(layer->projected_table) != TL_OK;
    return NULL;
}

/* 0 or 1 / (1 - rate) for each of n places of each row of x. */
static tl_var *draw_factors(tl_var *x, int64_t n, double rate)
{
    tl_var *ones = tl_zeros(tl_tape_of(x), tl_dtype_of(x), tl_shape(tl_shape_of(x).dims[0], n));
    if (!ones || tl_tensor_fill(tl_value(ones), 1) != TL_OK)
        return NULL;
    return tl_dropout(ones, rate);
}

/* Steps whose input is projected together, and whose weight gradients are one product: few enough to stay in
 * the cache, and at the same steps however a sequence is cut. */
enum { CHUNK = 16 };

/* One pass over a sequence. */
typedef struct pass {
    const rnn *layer;
    tl_var *x;       /* [batch, time, features]; from the table: the ids of its rows, [batch, time] */
    bool from_table; /* that was projected */
    tl_var *factors; /* of dropout of the input, [batch, 1, features]; NULL: none */
    tl_tensor mask;  /* [batch, time] or empty */
    tl_var *dropout; /* what a state is multiplied by where it meets recurrent weights; NULL: nothing */
    tl_var *state[TL_MAX_STATES];
    tl_var *output; /* of the last step */
    tl_var *chunk;  /* the steps at hand, projected */
    bool backwards;
    bool in_parts; /* steps are parts of chunk */
    bool is_kept;  /* one of them is a state or an output */
} pass;

/* The input of `count` steps, as steps take it. */
static tl_var *project(const pass *p, int64_t first, int64_t count)
{
    const rnn *layer = p->layer;
    tl_var *x = tl_slice(p->x, 1, first, count);
    if (p->from_table)
        return tl_gather(tl_import(tl_tape_of(p->x), layer->projected_table), x);
    if (p->factors)
        x = tl_mul(x, p->factors);
    return x && layer->cell->project ? layer->cell->project(layer->cell, x) : x;
}

static tl_status check_sequence(const rnn *layer, const char *what, tl_var *x)
{
    tl_shape shape = tl_shape_of(x);
    if (shape.rank == 3)
        return TL_OK;
    return tl_error(TL_ERROR_SHAPE, "%s: %s %s, expected [batch, time, features]", layer->cell->name, what,
                    TL_SHAPE_TEXT(shape));
}

static tl_shape shape_of_state(const pass *p, int i)
{
    return tl_shape(tl_shape_of(p->x).dims[0], p->layer->cell->states[i]);
}

static tl_status check_state(const pass *p, const char *what, int i, tl_var *state)
{
    const char *name = p->layer->cell->name;
    tl_shape expected = shape_of_state(p, i);
    if (!state)
        return tl_missing(name, what);
    if (tl_dtype_of(state) == p->layer->dtype && tl_shape_equal(tl_shape_of(state), expected))
        return TL_OK;
    return tl_error(TL_ERROR_SHAPE, "%s: %s %d is %s %s, expected %s %s", name, what, i,
                    tl_dtype_name(tl_dtype_of(state)), TL_SHAPE_TEXT(tl_shape_of(state)),
                    tl_dtype_name(p->layer->dtype), TL_SHAPE_TEXT(expected));
}

/* The rows of a carried state that the tape's batch goes on from; empty with the error set if there are no
 * such rows. */
static tl_tensor carried_rows(const pass *p, int i)
{
    tl_tensor carried = p->layer->carried[i];
    if (!p->layer->in_batch) {
        tl_error(
            TL_ERROR_STATE,
            "%s: stateful, but run outside of tl_fit, tl_evaluate and tl_predict, which keep its states: "
            "expected tl_rnn_forward with states of one's own",
            p->layer->cell->name);
        return (tl_tensor){0};
    }
    return tl_tensor_slice(carried, 0, tl_tape_of(p->x)->first_row, tl_shape_of(p->x).dims[0]);
}

static tl_var *start_state(const pass *p, int i, tl_var *const initial[])
{
    if (initial)
        return check_state(p, "initial state", i, initial[i]) == TL_OK ? initial[i] : NULL;
    tl_var *state = tl_zeros(tl_tape_of(p->x), p->layer->dtype, shape_of_state(p, i));
    if (!state || !p->layer->options.stateful)
        return state;
    tl_tensor carried = carried_rows(p, i); /* copied, since it is overwritten before backward */
    return carried.storage && tl_tensor_copy(tl_value(state), carried) == TL_OK ? state : NULL;
}

/* Projects the next `count` steps, in memory that a later chunk may have again. */
static tl_status start_chunk(pass *p, int64_t first, int64_t count, bool scans)
{
    tl_tape *tape = tl_tape_of(p->x);
    tape->chunk++;
    tape->recycles = true;
    p->chunk = project(p, first, count);
    tl_status status = p->chunk ? tl_materialize(p->chunk) : tl_error_status();
    tape->recycles = false;
    if (status != TL_OK || check_sequence(p->layer, "projected input", p->chunk) != TL_OK)
        return tl_error_status();
    p->in_parts = !scans && tl_split(p->chunk);
    p->is_kept = false;
    return TL_OK;
}

static void end_chunk(const pass *p)
{
    if (p->chunk->made && !p->is_kept)
        tl_recycle(p->chunk);
}

static tl_status start(pass *p, tl_var *const initial[])
{
    if (drops_inputs(p->layer, tl_tape_of(p->x))) {
        p->factors = draw_factors(p->x, tl_shape_of(p->x).dims[2], p->layer->options.dropout);
        p->factors = tl_unsqueeze(p->factors, 1);
        if (!p->factors)
            return tl_error_status();
    }
    for (int i = 0; i < p->layer->states; i++) {
        p->state[i] = start_state(p, i, initial);
        if (!p->state[i])
            return tl_error_status();
    }
    p->output = p->state[0];
    double rate = p->layer->options.recurrent_dropout;
    if (rate == 0 || !tl_tape_is_training(tl_tape_of(p->x)))
        return TL_OK;
    p->dropout = draw_factors(p->x, p->layer->cell->states[0], rate);
    return p->dropout ? TL_OK : tl_error_status();
}

/* Sequences of rows of a table that was projected are as good as the ids of those rows. */
static void look_at_table(pass *p)
{
    tl_var *table, *ids;
    p->from_table = !p->factors && p->layer->projected_table && tl_is_gathered(p->x, &table, &ids);
    p->x = p->from_table ? ids : p->x;
}

/* Puts back what was, row by row, where the mask is 0. */
static tl_status keep_masked_rows(pass *p, tl_tensor mask, tl_var *const before[], tl_var *last)
{
    tl_var *kept = tl_input(tl_tape_of(p->x), tl_tensor_unsqueeze(mask, 1));
    for (int i = 0; i < p->layer->states; i++) {
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

/* What a step gave. */
static tl_status check_step(const pass *p, const tl_var *last)
{
    const char *name = p->layer->cell->name;
    if (!p->output)
        return tl_missing(name, "output of a step");
    if (!tl_shape_equal(tl_shape_of(p->output), tl_shape_of(last)))
        return tl_error(TL_ERROR_SHAPE, "%s: a step gave %s, expected %s", name,
                        TL_SHAPE_TEXT(tl_shape_of(p->output)), TL_SHAPE_TEXT(tl_shape_of(last)));
    for (int i = 0; i < p->layer->states; i++)
        if (check_state(p, "new state", i, p->state[i]) != TL_OK)
            return tl_error_status();
    return TL_OK;
}

/* Where the output of step t goes. */
static int64_t place_of(const pass *p, int64_t t)
{
    return p->backwards && !p->layer->in_order ? tl_shape_of(p->x).dims[1] - 1 - t : t;
}

static bool is_step_of_chunk(const pass *p, const tl_var *x)
{
    return x == p->chunk || x->base == p->chunk;
}

/* Step t, which is step `index` of the chunk. */
static tl_status take_step(pass *p, int64_t t, int64_t index)
{
    tl_cell *cell = p->layer->cell;
    tl_var *x = p->in_parts ? tl_part(p->chunk, 1, index) : tl_select(p->chunk, 1, index);
    tl_var *last = p->output, *before[TL_MAX_STATES];
    if (!x)
        return tl_error_status();
    bool drops = p->dropout && !cell->applies_dropout;
    bool masks = p->mask.storage && (drops || !cell->applies_mask); /* what is kept has not lost elements */
    tl_tensor mask = p->mask.storage ? tl_tensor_select(p->mask, 1, t) : p->mask;
    if (mask.storage && !masks)
        x = tl_set_mask(x, mask);
    memcpy(before, p->state, sizeof before);
    if (drops)
        p->state[0] = tl_mul(p->state[0], p->dropout);
    else
        x->dropout = p->dropout;
    p->output = cell->step(cell, x, p->state);
    if (check_step(p, last) != TL_OK)
        return tl_error_status();
    p->is_kept |= is_step_of_chunk(p, p->output);
    for (int i = 0; i < p->layer->states; i++)
        p->is_kept |= is_step_of_chunk(p, p->state[i]);
    return masks ? keep_masked_rows(p, mask, before, last) : TL_OK;
}

tl_var *tl_dropped(tl_var *x, tl_var *state)
{
    return x && x->dropout ? tl_mul(state, x->dropout) : state;
}

/* The mask in the order of the outputs, which is that in which steps were taken. */
static tl_var *set_output_mask(tl_var *y, tl_tensor mask, bool reverse)
{
    if (!y || !mask.storage || !reverse)
        return tl_set_mask(y, mask);
    tl_tensor reversed = tl_value(tl_zeros(tl_tape_of(y), TL_U8, mask.shape));
    int64_t steps = mask.shape.dims[1];
    for (int64_t t = 0; t < steps; t++)
        if (tl_tensor_copy(tl_tensor_select(reversed, 1, t), tl_tensor_select(mask, 1, steps - 1 - t)) !=
            TL_OK)
            return NULL;
    return tl_set_mask(y, reversed);
}

/* The steps of the chunk at hand, t from `first` on, one by one. Adds their outputs to the list, if there is
 * one, at the places of their steps. */
static tl_status take_steps(pass *p, int64_t first, int64_t count, tl_var *outputs[])
{
    for (int64_t i = 0; i < count; i++) {
        int64_t index = p->backwards ? count - 1 - i : i;
        if (take_step(p, first + index, index) != TL_OK)
            return tl_error_status();
        if (outputs)
            outputs[place_of(p, first + index)] = p->output;
    }
    return TL_OK;
}

static bool is_all_zero(tl_tensor mask)
{
    const uint8_t *at = (const uint8_t *)tl_address(mask);
    for (int64_t i = 0; i < mask.shape.dims[0]; i++)
        for (int64_t t = 0; t < mask.shape.dims[1]; t++)
            if (at[i * mask.strides[0] + t * mask.strides[1]])
                return false;
    return true;
}

/* The same in one go. The list is of chunks then. */
static tl_status scan_steps(pass *p, int64_t first, int64_t count, tl_var *outputs[])
{
    const tl_cell *cell = p->layer->cell;
    tl_tensor mask = p->mask.storage ? tl_tensor_slice(p->mask, 1, first, count) : p->mask;
    tl_var *y = cell->scan(p->layer->cell, p->chunk, p->state[0], p->backwards, mask);
    if (!y)
        return tl_missing(cell->name, "output of a scan");
    const tl_shape expected = tl_shape(tl_shape_of(p->x).dims[0], count, cell->states[0]);
    if (!tl_shape_equal(tl_shape_of(y), expected))
        return tl_error(TL_ERROR_SHAPE, "%s: a scan gave %s, expected %s", cell->name,
                        TL_SHAPE_TEXT(tl_shape_of(y)), TL_SHAPE_TEXT(expected));
    int64_t last = p->backwards ? 0 : count - 1;
    p->output = p->state[0] = tl_split(y) ? tl_part(y, 1, last) : tl_select(y, 1, last);
    if (outputs)
        outputs[place_of(p, first) / CHUNK] = y;
    return p->output ? TL_OK : tl_error_status();
}

/* Whether steps may be taken many at a time. */
static bool can_scan(const pass *p)
{
    const rnn *layer = p->layer;
    bool turns_round = p->backwards && layer->options.return_sequences && !layer->in_order;
    return layer->cell->scan && layer->states == 1 && !p->dropout && !turns_round;
}

/* All steps. Returns the output of the layer, without a mask. */
static tl_var *run_through(pass *p)
{
    const rnn *layer = p->layer;
    tl_tape *tape = tl_tape_of(p->x);
    const int64_t batch = tl_shape_of(p->x).dims[0], steps = tl_shape_of(p->x).dims[1];
    const bool scans = can_scan(p);
    tl_var **outputs = NULL;
    if (layer->options.return_sequences) {
        outputs = tl_arena_take(tape->arena, (size_t)(steps + 1) * sizeof *outputs);
        if (!outputs)
            return NULL;
    }
    const int64_t chunks = (steps + CHUNK - 1) / CHUNK;
    for (int64_t i = 0; i < chunks; i++) {
        const int64_t first = (p->backwards ? chunks - 1 - i : i) * CHUNK;
        const int64_t count = steps - first < CHUNK ? steps - first : CHUNK;
        if (p->mask.storage && !outputs && is_all_zero(tl_tensor_slice(p->mask, 1, first, count)))
            continue; /* nothing moves */
        if (start_chunk(p, first, count, scans) != TL_OK ||
            (scans ? scan_steps : take_steps)(p, first, count, outputs) != TL_OK)
            return NULL;
        end_chunk(p);
    }
    if (!outputs)
        return p->output;
    if (steps == 0)
        return tl_zeros(tape, layer->dtype, tl_shape(batch, 0, layer->cell->states[0]));
    if (!scans)
        return tl_stack(outputs, (int)steps, 1);
    return chunks == 1 ? outputs[0] : tl_concat(outputs, (int)chunks, 1);
}

/* --- With checkpoint_every: segments that keep their last states alone --- */

/* The vars that a pass starts from, each once. */
static int list_inputs(const pass *p, tl_var *inputs[])
{
    tl_var *all[TL_MAX_INPUTS] = {p->x, p->factors, p->dropout, p->output};
    memcpy(all + TL_MAX_INPUTS - TL_MAX_STATES, p->state, sizeof p->state);
    int count = 0;
    for (int i = 0; i < TL_MAX_INPUTS; i++) {
        int j = 0;
        while (j < count && inputs[j] != all[i])
            j++;
        inputs[j] = all[i];
        count += j == count && all[i];
    }
    return count;
}

/* Others in the place of these. */
static void replace_inputs(pass *p, tl_var *const others[])
{
    tl_var *inputs[TL_MAX_INPUTS + 1], **all[TL_MAX_INPUTS] = {&p->x, &p->factors, &p->dropout, &p->output};
    const int count = list_inputs(p, inputs);
    for (int i = 0; i < TL_MAX_STATES; i++)
        all[TL_MAX_INPUTS - TL_MAX_STATES + i] = &p->state[i];
    for (int i = 0; i < TL_MAX_INPUTS; i++)
        for (int j = 0; j < count; j++)
            if (*all[i] == inputs[j]) {
                *all[i] = others[j];
                break;
            }
}

/* What a segment gives: the layer's output for it, and the states that are not the last step of that. */
enum { OUTPUT, FIRST_STATE, RESULTS = FIRST_STATE + TL_MAX_STATES };

static tl_status replay_segment(const void *context, tl_var *const inputs[], tl_var *results[])
{
    pass p = *(const pass *)context;
    replace_inputs(&p, inputs);
    results[OUTPUT] = run_through(&p);
    if (!results[OUTPUT])
        return tl_error_status();
    for (int i = 0; i < p.layer->states; i++)
        if (!p.layer->options.return_sequences || p.state[i] != p.output)
            results[FIRST_STATE + i] = p.state[i];
    return TL_OK;
}

static tl_status run_segment(pass *p, int64_t first, int64_t count, tl_var **y)
{
    const rnn *layer = p->layer;
    pass part = *p;
    tl_var *inputs[TL_MAX_INPUTS + 1], *results[RESULTS];
    part.x = tl_slice(p->x, 1, first, count);
    if (p->mask.storage)
        part.mask = tl_tensor_slice(p->mask, 1, first, count);
    else
        part.output = part.state[0]; /* steps that are not taken repeat it, and there are none */
    if (!part.x)
        return tl_error_status();
    const tl_replay replay = {.run = replay_segment,
                              .context = &part,
                              .context_bytes = sizeof part,
                              .inputs = list_inputs(&part, inputs),
                              .results = FIRST_STATE + layer->states};
    if (tl_replay_run(&replay, inputs, results) != TL_OK)
        return tl_error_status();
    *y = p->output = results[OUTPUT];
    if (layer->options.return_sequences)
        p->output = tl_select(*y, 1, p->backwards && layer->in_order ? 0 : count - 1);
    for (int i = 0; i < layer->states; i++)
        p->state[i] = results[FIRST_STATE + i] ? results[FIRST_STATE + i] : p->output;
    return p->output ? TL_OK : tl_error_status();
}

/* Steps of a segment, whole chunks of them; 0: there is but one. */
static int64_t segment_length(const rnn *layer, int64_t steps)
{
    const int64_t every = layer->options.checkpoint_every;
    if (every == 0 || every >= steps)
        return 0;
    const int64_t length = (every + CHUNK - 1) / CHUNK * CHUNK;
    return length < steps ? length : 0;
}

static tl_var *run_segments(pass *p, int64_t length)
{
    const int64_t steps = tl_shape_of(p->x).dims[1], segments = (steps + length - 1) / length;
    tl_var **parts = tl_arena_take(tl_tape_of(p->x)->arena, (size_t)segments * sizeof *parts);
    if (!parts)
        return NULL;
    for (int64_t i = 0; i < segments; i++) {
        const int64_t number = p->backwards ? segments - 1 - i : i, first = number * length;
        const int64_t count = steps - first < length ? steps - first : length;
        tl_var **part = &parts[p->layer->in_order ? number : i];
        if (run_segment(p, first, count, part) != TL_OK)
            return NULL;
    }
    return p->layer->options.return_sequences ? tl_concat(parts, (int)segments, 1) : p->output;
}

/* Keeps the last states for the next batch. Shards do so at once, each for rows of its own, so the storage
 * gets no new version: nothing on a tape looks at it. */
static tl_status carry(const pass *p)
{
    for (int i = 0; i < p->layer->states; i++) {
        tl_tensor rows = carried_rows(p, i), state = tl_value(p->state[i]);
        if (!rows.storage || !state.storage)
            return tl_error_status();
        tl_compute_store(rows, state, false);
    }
    return TL_OK;
}

static tl_var *run(const rnn *layer, tl_var *input, tl_var *const initial[], tl_var *final[])
{
    if (check_sequence(layer, "input", input) != TL_OK)
        return NULL;
    pass p = {
        .layer = layer, .mask = tl_mask_of(input), .x = input, .backwards = layer->options.go_backwards};
    if (start(&p, initial) != TL_OK)
        return NULL;
    look_at_table(&p);
    const int64_t length = segment_length(layer, tl_shape_of(input).dims[1]);
    tl_var *output = length ? run_segments(&p, length) : run_through(&p);
    tl_tape_of(input)->chunk++; /* what follows waits for no step */
    if (layer->options.return_sequences)
        output = set_output_mask(output, p.mask, p.backwards && !layer->in_order);
    if (output && layer->options.stateful && !initial && carry(&p) != TL_OK)
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
    for (int i = 0; i < layer->states; i++)
        tl_tensor_free(&layer->carried[i]);
    layer->cell->taken = false;
    if (layer->cell->free)
        layer->cell->free(layer->cell);
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
    return run((const rnn *)module, x, initial, final);
}

const tl_rnn_options *tl_rnn_options_of(const tl_module *module)
{
    return module->type == &type ? &((const rnn *)module)->options : NULL;
}

void tl_rnn_turn_round(tl_module *module)
{
    rnn *layer = (rnn *)module;
    layer->options.go_backwards = layer->in_order = true;
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
    layer->options = o;
    layer->cell = cell;
    cell->taken = true;
    while (layer->states < TL_MAX_STATES && cell->states[layer->states] > 0)
        layer->states++;
    if (cell->name)
        layer->module.kind = cell->name;
    return &layer->module;
}
