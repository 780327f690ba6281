/* Replays: gradient checkpointing  (Chen et al., "Training deep nets with sublinear memory cost", 2016). What
 * is between inputs and results happens on a tape beside the one at hand: at first without recording, then,
 * when the gradients of the results are known, with it. The leaves of that tape have the gradients of this
 * tape's leaves lent to them, so that one sum runs through all replays. */
#include "autograd/replay_internal.h"
#include "autograd/trace_internal.h"
#include "tensor/compute_internal.h"
#include "tensor/flush_internal.h"

#include <string.h>

/* A leaf that was read, as it was then. */
typedef struct leaf_read {
    const tl_var *leaf; /* of this tape */
    uint64_t version;
} leaf_read;

/* What is kept of a replay until backward. */
typedef struct kept_replay {
    tl_replay replay;
    tl_var **inputs;
    tl_var **results; /* NULL: none, an input, or an earlier one */
    leaf_read *reads;
    int read_count;
    bool trains;
    uint64_t seed, step, dropouts;
    int64_t first_row;
    unsigned flush; /* the mode that the caller was in */
    const tl_scope *scope;
} kept_replay;

static bool contains(tl_var *const vars[], int count, const tl_var *x, int *place)
{
    for (*place = 0; *place < count; ++*place)
        if (vars[*place] == x)
            return true;
    return false;
}

/* --- The tape beside --- */

/* As empty as after a reset, and otherwise as the tape was when the replay was first run. */
static tl_tape *start_beside(tl_tape *tape, const kept_replay *k, bool records)
{
    if (!tape->beside)
        tape->beside = tl_tape_new();
    tl_tape *beside = tape->beside;
    if (!beside)
        return NULL;
    tl_tape_reset(beside);
    beside->keeps = true; /* gradients go to this tape's leaves */
    beside->rows_arena = tape->rows_arena ? tape->rows_arena : tape->arena;
    beside->records = records;
    beside->trains = k->trains;
    beside->dropouts = k->dropouts;
    tl_tape_set_detect_anomaly(beside, tape->detects);
    beside->scope = k->scope;
    tl_tape_set_random(beside, k->seed, k->step, k->first_row);
    return beside;
}

/* The input there: the same value, a leaf. */
static tl_var *reflect(tl_tape *beside, const tl_var *x)
{
    tl_var *reflected = tl_var_new(beside);
    if (reflected) {
        reflected->value = x->value;
        reflected->mask = x->mask;
        reflected->needs_gradient = x->needs_gradient;
    }
    return reflected;
}

static tl_status run_beside(tl_tape *beside, const kept_replay *k, tl_var *inputs[], tl_var *results[])
{
    for (int i = 0; i < k->replay.inputs; i++) {
        inputs[i] = reflect(beside, k->inputs[i]);
        if (!inputs[i])
            return TL_ERROR_MEMORY;
    }
    memset(results, 0, (size_t)k->replay.results * sizeof *results);
    const unsigned mode = tl_flush_set(k->flush);
    tl_status status = k->replay.run(k->replay.context, inputs, results);
    for (int i = 0; i < k->replay.results && status == TL_OK; i++)
        status = results[i] ? tl_materialize(results[i]) : TL_OK;
    tl_flush_set(mode);
    return status;
}

/* The leaf of this tape with the same home. */
static tl_var *leaf_here(tl_tape *tape, const tl_var *leaf)
{
    /* The key is const for the many tapes that read it; leaves only remember it. */
    void *key = (void *)(uintptr_t)leaf->key;
    return leaf->key_is_var ? tl_import(tape, key) : tl_use(tape, key);
}

/* --- Backward --- */

static tl_status check_reads(const kept_replay *k)
{
    for (int i = 0; i < k->read_count; i++) {
        const tl_var *leaf = k->reads[i].leaf;
        if (leaf->value.storage->version != k->reads[i].version)
            return tl_error(TL_ERROR_STATE,
                            "backward: %s, shape %s, was changed in place after it was used, and before what "
                            "it was used for was computed once more",
                            leaf->key_is_var ? "a var of another tape"
                                             : ((const tl_parameter *)leaf->key)->name,
                            TL_SHAPE_TEXT(leaf->value.shape));
    }
    return TL_OK;
}

/* Where the tape says that gradients are to be added, they are added right there; elsewhere the first one is
 * written as a recording would. */
static void lend_places(const tl_op_call *call, tl_var *const inputs[])
{
    for (int i = 0; i < call->count; i++) {
        inputs[i]->lent = call->grad_inputs[i].storage && call->add[i];
        if (inputs[i]->lent)
            inputs[i]->gradient = call->grad_inputs[i];
    }
}

/* Puts what reached an input in its place. Where nothing did, the place is given back if it can be: zeros
 * are not nothing to what comes before. */
static void hand_over(const tl_op_call *call, const kept_replay *k, tl_var *const inputs[])
{
    for (int i = 0; i < call->count; i++) {
        const tl_tensor place = call->grad_inputs[i];
        if (!place.storage || inputs[i]->lent)
            continue;
        if (inputs[i]->gradient.storage)
            tl_compute_store(place, inputs[i]->gradient, false);
        else if (k->inputs[i]->gradient.storage == place.storage)
            tl_gradient_drop(k->inputs[i]);
        else
            tl_tensor_fill(place, 0);
    }
}

static tl_status lend_leaves(tl_tape *tape, const tl_tape *beside)
{
    for (tl_var *leaf = beside->first_leaf; leaf; leaf = leaf->next_leaf) {
        const tl_var *here = leaf_here(tape, leaf);
        if (!here)
            return TL_ERROR_MEMORY;
        leaf->rows = here->rows;
        leaf->gradient = here->gradient;
        leaf->lent = here->gradient.storage != NULL;
    }
    return TL_OK;
}

static tl_status hand_leaves_over(tl_tape *tape, const tl_tape *beside)
{
    for (tl_var *leaf = beside->first_leaf; leaf; leaf = leaf->next_leaf) {
        tl_var *here = leaf_here(tape, leaf);
        here->rows = leaf->rows;
        if (leaf->lent || !leaf->gradient.storage)
            continue;
        if (tl_gradient_new(tape, here->value, &here->gradient) != TL_OK)
            return TL_ERROR_MEMORY;
        tl_compute_store(here->gradient, leaf->gradient, false);
    }
    return TL_OK;
}

/* Gives a result computed once more the gradient of the one computed first. */
static tl_status seed(tl_var *again, const tl_var *first)
{
    if (!first || !first->gradient.storage)
        return TL_OK;
    if (!again || !tl_shape_equal(again->value.shape, first->value.shape))
        return tl_error(TL_ERROR_STATE, "backward: what was %s is %s when it is computed once more",
                        TL_SHAPE_TEXT(first->value.shape),
                        again ? TL_SHAPE_TEXT(again->value.shape) : "not there");
    if (!again->needs_gradient)
        return TL_OK;
    tl_tensor gradient;
    bool fresh = again->is_part && tl_part_claim(again, &gradient);
    if (!fresh && !again->base && !again->gradient.storage) {
        if (tl_gradient_new(again->tape, again->value, &again->gradient) != TL_OK)
            return TL_ERROR_MEMORY;
        gradient = again->gradient;
        fresh = true;
    }
    if (!fresh && tl_gradient_of(again, &gradient) != TL_OK)
        return TL_ERROR_MEMORY;
    tl_compute_store(gradient, first->gradient, !fresh);
    return TL_OK;
}

static tl_status backward(const tl_op_call *call)
{
    const kept_replay *k = *(kept_replay *const *)call->attributes;
    tl_tape *tape = call->tape;
    tl_var *inputs[TL_MAX_INPUTS], *results[TL_MAX_INPUTS];
    tl_outer_settle(tape); /* what waits to be added to the same weights comes first */
    if (check_reads(k) != TL_OK)
        return tl_error_status();
    tl_tape *beside = start_beside(tape, k, true);
    if (!beside || run_beside(beside, k, inputs, results) != TL_OK)
        return tl_error_status();
    lend_places(call, inputs);
    if (lend_leaves(tape, beside) != TL_OK)
        return TL_ERROR_MEMORY;
    for (int i = 0; i < k->replay.results; i++)
        if (seed(results[i], k->results[i]) != TL_OK)
            return tl_error_status();
    if (tl_backward_all(beside) != TL_OK)
        return tl_error_status();
    hand_over(call, k, inputs);
    return hand_leaves_over(tape, beside);
}

static const tl_op op = {.name = "replay",
                         .inputs = TL_ANY_NUMBER,
                         .backward = backward,
                         .reads = TL_READS_INPUTS,
                         .accumulates = true,
                         .strided = true};

/* --- Forward --- */

/* Memory for all of it at once, on the tape. */
static kept_replay *keep(tl_tape *tape, const tl_replay *replay, tl_var *const inputs[])
{
    const size_t pointers = (size_t)(replay->inputs + replay->results);
    kept_replay *k = tl_arena_take(tape->arena, sizeof *k + pointers * sizeof(tl_var *));
    void *context = k ? tl_arena_take(tape->arena, replay->context_bytes) : NULL;
    if (!context)
        return NULL;
    *k = (kept_replay){.replay = *replay,
                       .inputs = (tl_var **)(k + 1),
                       .trains = tape->trains,
                       .seed = tape->seed,
                       .step = tape->step,
                       .dropouts = tape->dropouts,
                       .first_row = tape->first_row,
                       .scope = tape->scope};
    k->replay.context = memcpy(context, replay->context, replay->context_bytes);
    memcpy(k->inputs, inputs, (size_t)replay->inputs * sizeof *inputs);
    k->results = k->inputs + replay->inputs;
    memset(k->results, 0, (size_t)replay->results * sizeof *k->results);
    k->flush = tl_flush_set(0);
    tl_flush_set(k->flush);
    return k;
}

/* Makes this tape's leaves, where gradients will be looked for, and sees whether there will be any. */
static tl_status note_leaves(tl_tape *tape, const tl_tape *beside, kept_replay *k, bool *needs_gradient)
{
    *needs_gradient = false;
    k->reads = tl_arena_take(tape->arena, (size_t)beside->leaf_count * sizeof *k->reads);
    if (!k->reads)
        return TL_ERROR_MEMORY;
    for (const tl_var *leaf = beside->first_leaf; leaf; leaf = leaf->next_leaf) {
        const tl_var *here = leaf_here(tape, leaf);
        if (!here)
            return tl_error_status();
        k->reads[k->read_count++] = (leaf_read){here, here->value.storage->version};
        *needs_gradient |= here->needs_gradient;
    }
    for (int i = 0; i < k->replay.inputs; i++)
        *needs_gradient |= k->inputs[i]->needs_gradient;
    return TL_OK;
}

static tl_var *copy_here(tl_tape *tape, const tl_var *result)
{
    tl_var *copy = tl_var_new(tape);
    if (!copy)
        return NULL;
    copy->value = (tl_tensor){.dtype = result->value.dtype, .shape = result->value.shape};
    tl_tensor_set_strides_like(&copy->value, result->value);
    if (tl_tape_place(tape, &copy->value) != TL_OK || tl_tensor_copy(copy->value, result->value) != TL_OK)
        return NULL;
    return copy;
}

/* Brings results here. Those that are here already are none of the replay's own. */
static tl_status bring_results(tl_tape *tape, kept_replay *k, tl_var *const inputs[], tl_var *const beside[],
                               tl_var *results[])
{
    for (int i = 0, place; i < k->replay.results; i++) {
        results[i] = NULL;
        if (!beside[i])
            continue;
        if (contains(inputs, k->replay.inputs, beside[i], &place))
            results[i] = k->inputs[place];
        else if (contains(beside, i, beside[i], &place))
            results[i] = results[place];
        else
            results[i] = k->results[i] = copy_here(tape, beside[i]);
        if (!results[i])
            return tl_error_status();
    }
    return TL_OK;
}

static bool has_own_results(const kept_replay *k)
{
    int i = 0;
    while (i < k->replay.results && !k->results[i])
        i++;
    return i < k->replay.results;
}

tl_status tl_replay_run(const tl_replay *replay, tl_var *const inputs[], tl_var *results[])
{
    tl_tape *tape = inputs[0]->tape;
    for (int i = 0; i < replay->inputs; i++)
        if (tl_materialize(inputs[i]) != TL_OK)
            return tl_error_status();
    kept_replay *k = keep(tape, replay, inputs);
    tl_tape *beside = k ? start_beside(tape, k, false) : NULL;
    tl_var *reflected[TL_MAX_INPUTS], *there[TL_MAX_INPUTS];
    if (!beside || run_beside(beside, k, reflected, there) != TL_OK ||
        bring_results(tape, k, reflected, there, results) != TL_OK)
        return tl_error_status();
    tape->dropouts = beside->dropouts;
    bool needs_gradient;
    if (!tape->records || !has_own_results(k))
        return TL_OK;
    if (note_leaves(tape, beside, k, &needs_gradient) != TL_OK)
        return tl_error_status();
    return !needs_gradient
               ? TL_OK
               : tl_record(&op, inputs, replay->inputs, &k, sizeof k, k->results, replay->results);
}
