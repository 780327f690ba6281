/* One pass over a sequence. Steps are taken a chunk at a time, one by one or by the cell's scan: the input of
 * a chunk is projected at once, in memory that the next chunk may have again. */
#include "nn/pass_internal.h"
#include "autograd/trace_internal.h"
#include "tensor/error_internal.h"

#include <limits.h>
#include <string.h>

/* --- What it starts from --- */

static tl_status check_sequence(const tl_loop *loop, const char *what, tl_var *x)
{
    tl_shape shape = tl_shape_of(x);
    if (shape.rank == 3 && shape.dims[1] > INT_MAX)
        return tl_error(TL_ERROR_SHAPE, "%s: %s %s, expected at most %d steps", loop->cell->name, what,
                        TL_SHAPE_TEXT(shape), INT_MAX);
    if (shape.rank == 3)
        return TL_OK;
    return tl_error(TL_ERROR_SHAPE, "%s: %s %s, expected [batch, time, features]", loop->cell->name, what,
                    TL_SHAPE_TEXT(shape));
}

static tl_status check_mask(const tl_loop *loop, tl_tensor mask, tl_var *x)
{
    if (!mask.storage || mask.shape.rank == 2)
        return TL_OK;
    return tl_error(TL_ERROR_SHAPE, "%s: mask %s for input %s, expected [batch, time]", loop->cell->name,
                    TL_SHAPE_TEXT(mask.shape), TL_SHAPE_TEXT(tl_shape_of(x)));
}

/* 0 or 1 / (1 - rate) for each of n places of each row of x. */
static tl_var *draw_factors(tl_var *x, int64_t n, double rate)
{
    tl_var *ones = tl_zeros(tl_tape_of(x), tl_dtype_of(x), tl_shape(tl_shape_of(x).dims[0], n));
    if (!ones || tl_tensor_fill(tl_value(ones), 1) != TL_OK)
        return NULL;
    return tl_dropout(ones, rate);
}

bool tl_loop_drops_inputs(const tl_loop *loop, const tl_tape *tape)
{
    return loop->options.dropout > 0 && tl_tape_is_training(tape);
}

/* What dropout takes away from all steps. */
static tl_status draw_dropout(tl_pass *p)
{
    const tl_loop *loop = p->loop;
    const double rate = loop->options.recurrent_dropout;
    if (tl_loop_drops_inputs(loop, tl_tape_of(p->x))) {
        p->factors = draw_factors(p->x, tl_shape_of(p->x).dims[2], loop->options.dropout);
        p->factors = tl_unsqueeze(p->factors, 1);
        if (!p->factors)
            return tl_error_status();
    }
    if (rate == 0 || !tl_tape_is_training(tl_tape_of(p->x)))
        return TL_OK;
    p->dropout = draw_factors(p->x, loop->cell->states[0], rate);
    return p->dropout ? TL_OK : tl_error_status();
}

/* Sequences of rows of a table that was projected are as good as the ids of those rows. */
static void look_at_table(tl_pass *p)
{
    tl_var *table, *ids;
    p->from_table = !p->factors && p->loop->projected_table && tl_is_gathered(p->x, &table, &ids);
    p->x = p->from_table ? ids : p->x;
}

tl_shape tl_pass_state_shape(const tl_pass *p, int i)
{
    return tl_shape(tl_shape_of(p->x).dims[0], p->loop->cell->states[i]);
}

static tl_status check_state(const tl_pass *p, const char *what, int i, tl_var *state)
{
    const char *name = p->loop->cell->name;
    tl_shape expected = tl_pass_state_shape(p, i);
    if (!state)
        return tl_missing(name, what);
    if (tl_dtype_of(state) == p->loop->dtype && tl_shape_equal(tl_shape_of(state), expected))
        return TL_OK;
    return tl_error(TL_ERROR_SHAPE, "%s: %s %d is %s %s, expected %s %s", name, what, i,
                    tl_dtype_name(tl_dtype_of(state)), TL_SHAPE_TEXT(tl_shape_of(state)),
                    tl_dtype_name(p->loop->dtype), TL_SHAPE_TEXT(expected));
}

tl_status tl_pass_start(tl_pass *p, const tl_loop *loop, tl_var *x)
{
    *p = (tl_pass){.loop = loop, .x = x, .mask = tl_mask_of(x), .backwards = loop->options.go_backwards};
    if (check_sequence(loop, "input", x) != TL_OK || check_mask(loop, p->mask, x) != TL_OK ||
        draw_dropout(p) != TL_OK)
        return tl_error_status();
    look_at_table(p);
    return TL_OK;
}

tl_status tl_pass_set_state(tl_pass *p, int i, tl_var *state)
{
    if (check_state(p, "initial state", i, state) != TL_OK)
        return tl_error_status();
    p->state[i] = state;
    if (i == 0)
        p->output = state;
    return TL_OK;
}

/* --- Steps --- */

/* Puts back what was, row by row, where the mask is 0. */
static tl_status keep_masked_rows(tl_pass *p, tl_tensor mask, tl_var *const before[], tl_var *last)
{
    tl_var *kept = tl_input(tl_tape_of(p->x), tl_tensor_unsqueeze(mask, 1));
    for (int i = 0; i < p->loop->states; i++) {
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
static tl_status check_step(const tl_pass *p, const tl_var *last)
{
    const char *name = p->loop->cell->name;
    if (!p->output)
        return tl_missing(name, "output of a step");
    if (!tl_shape_equal(tl_shape_of(p->output), tl_shape_of(last)))
        return tl_error(TL_ERROR_SHAPE, "%s: a step gave %s, expected %s", name,
                        TL_SHAPE_TEXT(tl_shape_of(p->output)), TL_SHAPE_TEXT(tl_shape_of(last)));
    for (int i = 0; i < p->loop->states; i++)
        if (check_state(p, "new state", i, p->state[i]) != TL_OK)
            return tl_error_status();
    return TL_OK;
}

/* Where the output of step t goes. */
static int64_t place_of(const tl_pass *p, int64_t t)
{
    return p->backwards && !p->loop->in_order ? tl_shape_of(p->x).dims[1] - 1 - t : t;
}

static bool is_step_of_chunk(const tl_pass *p, const tl_var *x)
{
    return x == p->chunk || x->base == p->chunk;
}

/* Step t, which is step `index` of the chunk. */
static tl_status take_step(tl_pass *p, int64_t t, int64_t index)
{
    tl_cell *cell = p->loop->cell;
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
    for (int i = 0; i < p->loop->states; i++)
        p->is_kept |= is_step_of_chunk(p, p->state[i]);
    return masks ? keep_masked_rows(p, mask, before, last) : TL_OK;
}

tl_var *tl_dropped(tl_var *x, tl_var *state)
{
    return x && x->dropout ? tl_mul(state, x->dropout) : state;
}

/* --- Chunks --- */

/* The input of `count` steps, as steps take it. */
static tl_var *project(const tl_pass *p, int64_t first, int64_t count)
{
    const tl_loop *loop = p->loop;
    tl_var *x = tl_slice(p->x, 1, first, count);
    if (p->from_table)
        return tl_gather(tl_import(tl_tape_of(p->x), loop->projected_table), x);
    if (p->factors)
        x = tl_mul(x, p->factors);
    return x && loop->cell->project ? loop->cell->project(loop->cell, x) : x;
}

/* Projects the next `count` steps, in memory that a later chunk may have again. */
static tl_status start_chunk(tl_pass *p, int64_t first, int64_t count, bool scans)
{
    tl_tape *tape = tl_tape_of(p->x);
    tape->chunk++;
    tape->recycles = true;
    tl_status status = tl_scope_push_steps(tape, p->origin + first, count);
    if (status == TL_OK) {
        p->chunk = project(p, first, count);
        status = p->chunk ? tl_materialize(p->chunk) : tl_error_status();
        tl_scope_pop(tape);
    }
    tape->recycles = false;
    if (status != TL_OK || check_sequence(p->loop, "projected input", p->chunk) != TL_OK)
        return tl_error_status();
    p->in_parts = !scans && tl_split(p->chunk);
    p->is_kept = false;
    return TL_OK;
}

static void end_chunk(const tl_pass *p)
{
    if (p->chunk->made && !p->is_kept)
        tl_recycle(p->chunk);
}

static tl_status take_step_in_scope(tl_pass *p, int64_t t, int64_t index)
{
    tl_tape *tape = tl_tape_of(p->x);
    if (!tape->traces)
        return take_step(p, t, index);
    if (tl_scope_push_steps(tape, p->origin + t, 1) != TL_OK)
        return tl_error_status();
    tl_status status = take_step(p, t, index);
    tl_scope_pop(tape);
    if (tape->probe && status == TL_OK)
        status = tape->probe->see(tape->probe, &(tl_probe_step){p->loop, t, tl_shape_of(p->x).dims[1],
                                                                p->backwards, p->state, p->loop->states});
    return status;
}

/* The steps of the chunk at hand, t from `first` on, one by one. Adds their outputs to the list, if there is
 * one, at the places of their steps. */
static tl_status take_steps(tl_pass *p, int64_t first, int64_t count, tl_var *outputs[])
{
    for (int64_t i = 0; i < count; i++) {
        int64_t index = p->backwards ? count - 1 - i : i;
        if (take_step_in_scope(p, first + index, index) != TL_OK)
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
static tl_status scan_steps(tl_pass *p, int64_t first, int64_t count, tl_var *outputs[])
{
    const tl_cell *cell = p->loop->cell;
    tl_tensor mask = p->mask.storage ? tl_tensor_slice(p->mask, 1, first, count) : p->mask;
    tl_var *y = cell->scan(p->loop->cell, p->chunk, p->state[0], p->backwards, mask);
    if (!y)
        return tl_missing(cell->name, "output of a scan");
    const tl_shape expected = tl_shape(tl_shape_of(p->x).dims[0], count, cell->states[0]);
    if (!tl_shape_equal(tl_shape_of(y), expected))
        return tl_error(TL_ERROR_SHAPE, "%s: a scan gave %s, expected %s", cell->name,
                        TL_SHAPE_TEXT(tl_shape_of(y)), TL_SHAPE_TEXT(expected));
    p->is_kept |= is_step_of_chunk(p, y);
    int64_t last = p->backwards ? 0 : count - 1;
    p->output = p->state[0] = tl_split(y) ? tl_part(y, 1, last) : tl_select(y, 1, last);
    if (outputs)
        outputs[place_of(p, first) / TL_PASS_CHUNK] = y;
    return p->output ? TL_OK : tl_error_status();
}

/* Whether steps may be taken many at a time. */
static bool can_scan(const tl_pass *p)
{
    const tl_loop *loop = p->loop;
    if (tl_tape_of(p->x)->traces)
        return false;
    bool turns_round = p->backwards && loop->options.return_sequences && !loop->in_order;
    return loop->cell->scan && loop->states == 1 && !p->dropout && !turns_round;
}

/* Takes the steps of a chunk, unless the mask lets nothing move and nobody asks for their outputs. */
static tl_status run_chunk(tl_pass *p, int64_t first, int64_t count, bool scans, tl_var *outputs[])
{
    const bool seen = tl_tape_of(p->x)->probe; /* every step is to be */
    if (p->mask.storage && !outputs && !seen && is_all_zero(tl_tensor_slice(p->mask, 1, first, count)))
        return TL_OK;
    if (start_chunk(p, first, count, scans) != TL_OK ||
        (scans ? scan_steps : take_steps)(p, first, count, outputs) != TL_OK)
        return tl_error_status();
    end_chunk(p);
    return TL_OK;
}

static tl_status run_chunks(tl_pass *p, bool scans, tl_var *outputs[])
{
    const int64_t steps = tl_shape_of(p->x).dims[1], chunks = (steps + TL_PASS_CHUNK - 1) / TL_PASS_CHUNK;
    for (int64_t i = 0; i < chunks; i++) {
        const int64_t first = (p->backwards ? chunks - 1 - i : i) * TL_PASS_CHUNK;
        const int64_t count = steps - first < TL_PASS_CHUNK ? steps - first : TL_PASS_CHUNK;
        if (run_chunk(p, first, count, scans, outputs) != TL_OK)
            return tl_error_status();
    }
    return TL_OK;
}

/* The outputs of steps, or of chunks that were scanned, as one sequence. */
static tl_var *join_outputs(const tl_pass *p, bool scans, tl_var *outputs[])
{
    const int64_t batch = tl_shape_of(p->x).dims[0], steps = tl_shape_of(p->x).dims[1];
    const int64_t chunks = (steps + TL_PASS_CHUNK - 1) / TL_PASS_CHUNK;
    if (steps == 0)
        return tl_zeros(tl_tape_of(p->x), p->loop->dtype, tl_shape(batch, 0, p->loop->cell->states[0]));
    if (!scans)
        return tl_stack(outputs, (int)steps, 1);
    return chunks == 1 ? outputs[0] : tl_concat(outputs, (int)chunks, 1);
}

tl_var *tl_pass_run(tl_pass *p)
{
    const bool scans = can_scan(p);
    if (!p->loop->options.return_sequences)
        return run_chunks(p, scans, NULL) == TL_OK ? p->output : NULL;
    const int64_t steps = tl_shape_of(p->x).dims[1];
    tl_var **outputs = tl_arena_take(tl_tape_of(p->x)->arena, (size_t)(steps + 1) * sizeof *outputs);
    if (!outputs || run_chunks(p, scans, outputs) != TL_OK)
        return NULL;
    return join_outputs(p, scans, outputs);
}

/* The mask in the order of the outputs, which is that in which steps were taken. */
tl_var *tl_pass_mask_output(const tl_pass *p, tl_var *y)
{
    const tl_tensor mask = p->mask;
    if (!y || !mask.storage || !p->backwards || p->loop->in_order)
        return tl_set_mask(y, mask);
    tl_tensor reversed = tl_value(tl_zeros(tl_tape_of(y), TL_U8, mask.shape));
    int64_t steps = mask.shape.dims[1];
    for (int64_t t = 0; t < steps; t++)
        if (tl_tensor_copy(tl_tensor_select(reversed, 1, t), tl_tensor_select(mask, 1, steps - 1 - t)) !=
            TL_OK)
            return NULL;
    return tl_set_mask(y, reversed);
}
