/* Backward: the record walked from its end, each rule given its gradients and memory for the next ones. */
#include "autograd/trace_internal.h"
#include "tensor/compute_internal.h"
#include "tensor/flush_internal.h"
#include "tensor/error_internal.h"
#include "tensor/memory_internal.h"

#include <string.h>

static const tl_tensor nothing;

static tl_status check_versions(const tl_node *node)
{
    for (int i = 0; i < node->count; i++) {
        const tl_storage *storage = node->inputs[i]->value.storage;
        if (tl_node_reads(node, i) && storage && storage->version != node->versions[i])
            return tl_error(TL_ERROR_STATE,
                            "backward: input %d of %s, shape %s, was changed in place after it was recorded",
                            i, node->op->name, TL_SHAPE_TEXT(node->inputs[i]->value.shape));
    }
    const tl_storage *storage = node->output->value.storage;
    if ((node->reads & TL_READS_OUTPUT) && storage && storage->version != node->versions[node->count])
        return tl_error(TL_ERROR_STATE,
                        "backward: the result of %s, shape %s, was changed in place after it was recorded",
                        node->op->name, TL_SHAPE_TEXT(node->output->value.shape));
    return TL_OK;
}

/* A row-major copy for the duration of a call, for ops that do not take views. */
static const tl_tensor *row_major(const tl_op_call *call, const tl_tensor *tensor)
{
    if (call->op->strided || tl_tensor_is_row_major(*tensor))
        return tensor;
    size_t bytes = (size_t)tl_tensor_count(*tensor) * tl_dtype_size(tensor->dtype);
    struct copy {
        tl_tensor tensor;
        tl_storage storage;
    } *copy = tl_scratch(call, sizeof *copy + bytes);
    if (!copy)
        return NULL;
    copy->storage = (tl_storage){.data = copy + 1, .bytes = bytes};
    copy->tensor = (tl_tensor){.storage = &copy->storage, .shape = tensor->shape, .dtype = tensor->dtype};
    tl_tensor_set_row_major(&copy->tensor);
    tl_tensor_copy(copy->tensor, *tensor);
    return &copy->tensor;
}

/* The arrays of a call, on the stack for few inputs and in the pool for many. */
typedef struct call_arrays {
    const tl_tensor *inputs[TL_MAX_INPUTS];
    tl_tensor gradients[TL_MAX_INPUTS];
    tl_destination to[TL_MAX_INPUTS];
    bool add[TL_MAX_INPUTS];
    tl_row_gradient *rows[TL_MAX_INPUTS];
} call_arrays;

typedef struct call_room {
    const tl_tensor **inputs;
    tl_tensor *gradients;
    tl_destination *to;
    bool *add;
    tl_row_gradient **rows;
} call_room;

static tl_status make_room(tl_tape *tape, int count, call_arrays *few, call_room *room)
{
    if (count <= TL_MAX_INPUTS) {
        *room = (call_room){few->inputs, few->gradients, few->to, few->add, few->rows};
        return TL_OK;
    }
    size_t n = (size_t)count;
    room->inputs = tl_pool_scratch(&tape->pool, n * sizeof *room->inputs);
    room->gradients = tl_pool_scratch(&tape->pool, n * sizeof *room->gradients);
    room->to = tl_pool_scratch(&tape->pool, n * sizeof *room->to);
    room->add = tl_pool_scratch(&tape->pool, n * sizeof *room->add);
    room->rows = tl_pool_scratch(&tape->pool, n * sizeof *room->rows);
    return room->inputs && room->gradients && room->to && room->add && room->rows ? TL_OK : TL_ERROR_MEMORY;
}

static tl_status fill_call(tl_op_call *call, const tl_node *node, call_room *room)
{
    for (int i = 0; i < node->count; i++) { /* all inputs first: full_shape may look at any of them */
        room->inputs[i] = row_major(call, &node->inputs[i]->value);
        if (!room->inputs[i])
            return TL_ERROR_MEMORY;
    }
    const tl_var *output = node->output;
    const tl_tensor *value = row_major(call, &output->value), *gradient = row_major(call, &output->gradient);
    if (!value || !gradient)
        return TL_ERROR_MEMORY;
    call->output = *value;
    call->grad_output = *gradient;
    return TL_OK;
}

/* Whether gradients came to the one part of the output only that the rule can do with. */
static bool has_last_part_only(const tl_node *node, const tl_op_call *call)
{
    const tl_var *output = node->output;
    if (!output->in_parts || !node->op->more || !node->op->more->last_part)
        return false;
    const int64_t offset = output->value.offset + node->op->more->last_part(call) * output->value.strides[1];
    for (const tl_var *part = output->first_part; part; part = part->next_part)
        if (part->gradient.storage && part->value.offset != offset)
            return false;
    return true;
}

static tl_status backward_node(tl_tape *tape, tl_node *node)
{
    tl_var *output = node->output;
    if (check_versions(node) != TL_OK)
        return tl_error_status();
    call_arrays few;
    call_room room;
    tl_call_private more = {0};
    if (make_room(tape, node->count, &few, &room) != TL_OK)
        return TL_ERROR_MEMORY;
    tl_op_call call = {.op = node->op,
                       .count = node->count,
                       .inputs = room.inputs,
                       .attributes = node->attributes,
                       .output = output->value,
                       .grad_inputs = room.gradients,
                       .add = room.add,
                       .row_grads = room.rows,
                       .tape = tape,
                       .more = &more};
    more.last_only = has_last_part_only(node, &call);
    if (output->in_parts && !more.last_only)
        tl_parts_settle(output);
    if (fill_call(&call, node, &room) != TL_OK)
        return TL_ERROR_MEMORY;
    for (int i = 0; i < node->count; i++) {
        room.to[i] = (tl_destination){0};
        if (tl_destination_find(node, i, &call, &more, &room.to[i]) != TL_OK)
            return TL_ERROR_MEMORY;
        room.gradients[i] = room.to[i].tensor;
        room.add[i] = room.to[i].add;
        room.rows[i] = room.to[i].rows;
    }
    tl_status status = node->op->backward(&call);
    for (int i = 0; i < node->count && status == TL_OK; i++)
        status = tl_destination_finish(node->inputs[i], &room.to[i]);
    if (tape->detects && status == TL_OK)
        status = tl_trace_backward(node, &call, room.to);
    tl_pool_end_scratch(&tape->pool);
    for (tl_var *result = output; result; result = result->next_result)
        if (!result->retains)
            tl_gradient_drop(result);
    return status;
}

/* Whether anything flowed to the results of a node. */
static bool is_reached(const tl_node *node)
{
    const tl_var *result = node->output;
    while (result && !result->gradient.storage)
        result = result->next_result;
    return result && !node->output->lazy;
}

static tl_status walk_back(tl_tape *tape)
{
    tape->consumed = true;
    tape->in_backward = true;
    tl_status status = TL_OK;
    const unsigned mode = tl_flush_set(0);
    uint64_t chunk = 0;
    for (tl_node *node = tape->last; node && status == TL_OK; node = node->previous) {
        if (!is_reached(node))
            continue;
        if (node->chunk != chunk)
            tl_outer_settle(tape);
        chunk = node->chunk;
        tl_flush_set(node->output->value.dtype == TL_F32 ? tl_flushing : 0);
        status = backward_node(tape, node);
    }
    tl_outer_settle(tape);
    tl_flush_set(mode);
    tape->in_backward = false;
    tape->failed = status != TL_OK;
    return status;
}

static void add_rows(const tl_row_gradient *rows, tl_tensor gradient)
{
    tl_row_gradients_add_to(&rows, 1, gradient, 0, rows->rows);
}

/* Adds what reached the leaves to the parameters they stand for. */
static tl_status deposit(tl_tape *tape)
{
    for (tl_var *leaf = tape->first_leaf; leaf; leaf = leaf->next_leaf) {
        if (leaf->key_is_var || !leaf->needs_gradient)
            continue;
        const tl_parameter *parameter = leaf->key;
        tl_tensor gradient = parameter->gradient;
        gradient.storage->version = tl_next_version();
        if (leaf->gradient.storage)
            tl_compute_store(gradient, leaf->gradient, true);
        if (leaf->rows)
            add_rows(leaf->rows, gradient);
        if (tape->detects && tl_trace_parameter_gradient(parameter) != TL_OK)
            return TL_ERROR_NUMERIC;
    }
    return TL_OK;
}

static tl_status go_back(tl_tape *tape)
{
    tl_status status = walk_back(tape);
    return status == TL_OK && !tape->keeps ? deposit(tape) : status;
}

static tl_status check_tape(const tl_tape *tape)
{
    if (tape->in_backward)
        return tl_error(
            TL_ERROR_STATE,
            "backward: called while the tape runs backward: gradients of gradients are not supported");
    if (tape->consumed)
        return tl_error(TL_ERROR_STATE,
                        "backward: this tape was differentiated already; reset it and record again");
    if (!tape->records)
        return tl_error(TL_ERROR_STATE,
                        "backward: the tape does not record gradients (tl_tape_set_recording)");
    return TL_OK;
}

static tl_status check_start(const tl_var *x)
{
    if (check_tape(x->tape) != TL_OK)
        return tl_error_status();
    if (!x->needs_gradient)
        return tl_error(TL_ERROR_STATE,
                        "backward: the loss depends on no parameter or variable that needs a gradient");
    return TL_OK;
}

tl_status tl_backward_from(tl_var *x, tl_tensor seed)
{
    if (!x || !seed.storage)
        return tl_missing("backward", x ? "seed" : "loss");
    tl_tape *tape = x->tape;
    if (check_start(x) != TL_OK || tl_materialize(x) != TL_OK)
        return tl_error_status();
    if (!tl_shape_equal(seed.shape, x->value.shape) || seed.dtype != x->value.dtype)
        return tl_error(TL_ERROR_SHAPE, "backward: seed %s of %s for a value %s of %s",
                        TL_SHAPE_TEXT(seed.shape), tl_dtype_name(seed.dtype), TL_SHAPE_TEXT(x->value.shape),
                        tl_dtype_name(x->value.dtype));
    if (tape->detects && tl_trace_seed(x, seed) != TL_OK)
        return TL_ERROR_NUMERIC;
    const bool fresh = !x->base && !x->gradient.storage;
    tl_tensor gradient;
    tl_status status = fresh ? tl_gradient_new(tape, x->value, &x->gradient) : tl_gradient_of(x, &gradient);
    if (status != TL_OK)
        return status;
    tl_compute_store(fresh ? x->gradient : gradient, seed, !fresh);
    return go_back(tape);
}

tl_status tl_backward(tl_var *loss)
{
    if (!loss)
        return tl_missing("backward", "loss");
    if (tl_tensor_count(loss->value) != 1)
        return tl_error(TL_ERROR_SHAPE,
                        "backward: the loss has shape %s, expected one element: use tl_mean or tl_sum",
                        TL_SHAPE_TEXT(loss->value.shape));
    double one64 = 1;
    float one32 = 1;
    tl_storage storage = {.data = loss->value.dtype == TL_F64 ? (void *)&one64 : (void *)&one32};
    tl_tensor seed = {.storage = &storage, .shape = loss->value.shape, .dtype = loss->value.dtype};
    return tl_backward_from(loss, seed);
}

tl_status tl_backward_all(tl_tape *tape)
{
    if (check_tape(tape) != TL_OK)
        return tl_error_status();
    return go_back(tape);
}

tl_tensor tl_grad(tl_var *x)
{
    if (!x)
        return nothing;
    if (!x->retains) {
        tl_error(TL_ERROR_STATE,
                 "grad: this var's gradient was not kept; call tl_retain_grad before tl_backward");
        return nothing;
    }
    if (!x->needs_gradient || !x->tape->consumed || x->tape->failed) {
        tl_error(TL_ERROR_STATE, "grad: there is no gradient: %s",
                 !x->needs_gradient   ? "the var does not need one"
                 : !x->tape->consumed ? "tl_backward was not called"
                                      : "tl_backward failed");
        return nothing;
    }
    tl_tensor gradient;
    if (tl_gradient_of(x, &gradient) != TL_OK)
        return nothing;
    if (x->rows && !x->base) {
        add_rows(x->rows, gradient);
        x->rows = NULL;
    }
    return gradient;
}
