/* Backward: the record walked from its end, each rule given its gradients and memory for the next ones. */
#include "autograd/tape_internal.h"
#include "tensor/compute_internal.h"
#include "tensor/flush_internal.h"
#include "tensor/error_internal.h"
#include "tensor/memory_internal.h"

#include <string.h>

/* In front of a gradient's data, so that it can go back to the pool. */
static tl_status new_gradient(tl_tape *tape, tl_tensor like, tl_tensor *gradient)
{
    size_t bytes = (size_t)tl_tensor_count(like) * tl_dtype_size(like.dtype);
    size_t header = tl_aligned(sizeof(tl_storage));
    tl_storage *storage = tl_pool_take(&tape->pool, header + bytes);
    if (!storage)
        return TL_ERROR_MEMORY;
    *storage = (tl_storage){
        .data = (char *)storage + header, .bytes = bytes, .version = tape->generation, .gradient_of = tape};
    *gradient = (tl_tensor){.storage = storage, .shape = like.shape, .dtype = like.dtype};
    tl_tensor_set_strides_like(gradient, like);
    return TL_OK;
}

static void drop_gradient(tl_var *x)
{
    if (x->gradient.storage)
        tl_pool_give(&x->tape->pool, x->gradient.storage);
    x->gradient = (tl_tensor){0};
}

tl_status tl_gradient_of(tl_var *x, tl_tensor *gradient)
{
    tl_var *home = x->base ? x->base : x;
    if (!home->gradient.storage) {
        if (new_gradient(x->tape, home->value, &home->gradient) != TL_OK)
            return TL_ERROR_MEMORY;
        memset(home->gradient.storage->data, 0, home->gradient.storage->bytes);
    }
    *gradient = home->gradient;
    if (x->base) { /* the same view of the base's gradient as the value is of the base's value */
        gradient->shape = x->value.shape;
        memcpy(gradient->strides, x->value.strides, sizeof gradient->strides);
        gradient->offset += x->value.offset - home->value.offset;
    }
    return TL_OK;
}

static const tl_tensor nothing;

/* Where the gradient of one input goes: straight to its place, or aside, to be summed into it later. */
typedef struct destination {
    tl_tensor tensor;
    bool aside;
} destination;

/* Whether an earlier input of the same node has its gradient in the same memory. Ops with any number of
 * inputs need not ask: their rules take the inputs in order. */
static bool shares_with_earlier(const tl_node *node, int input)
{
    const tl_var *x = node->inputs[input], *home = x->base ? x->base : x;
    for (int i = 0; i < input && node->count <= TL_MAX_INPUTS; i++) {
        const tl_var *other = node->inputs[i];
        if ((other->base ? other->base : other) == home)
            return true;
    }
    return false;
}

/* The shape in which a rule writes the gradient of an input. */
static tl_shape written_shape(const tl_op_call *call, int input)
{
    if (call->op->full_shape)
        return call->op->full_shape(call, input);
    return call->op->infer == tl_infer_broadcast ? call->output.shape : call->inputs[input]->shape;
}

static tl_status prepare_destination(const tl_node *node, int input, const tl_op_call *call, bool *add,
                                     destination *to)
{
    tl_var *x = node->inputs[input];
    const tl_op *op = node->op;
    tl_shape full = written_shape(call, input);
    bool same_shape = tl_shape_equal(full, x->value.shape);
    bool fresh = !x->base && !x->gradient.storage;
    bool readable = op->strided || tl_tensor_is_row_major(x->value);
    *add = false;
    to->aside = !same_shape || !readable || (!fresh && !op->accumulates) || shares_with_earlier(node, input);
    if (to->aside) {
        tl_tensor like = {.shape = full, .dtype = x->value.dtype};
        if (same_shape && op->strided)
            like = x->value;
        else if (op->strided && tl_shape_equal(full, node->output->value.shape))
            like = node->output->value;
        else
            tl_tensor_set_row_major(&like);
        return new_gradient(x->tape, like, &to->tensor);
    }
    if (fresh) {
        tl_status status = new_gradient(x->tape, x->value, &x->gradient);
        to->tensor = x->gradient;
        return status;
    }
    *add = true;
    return tl_gradient_of(x, &to->tensor);
}

static tl_status sum_into_place(tl_var *x, const destination *from)
{
    bool fresh = !x->base && !x->gradient.storage;
    if (fresh) {
        if (new_gradient(x->tape, x->value, &x->gradient) != TL_OK)
            return TL_ERROR_MEMORY;
        tl_compute_sum(x->gradient, from->tensor, false);
        return TL_OK;
    }
    tl_tensor gradient;
    if (tl_gradient_of(x, &gradient) != TL_OK)
        return TL_ERROR_MEMORY;
    if (tl_shape_equal(gradient.shape, from->tensor.shape))
        tl_compute_store(gradient, from->tensor, true);
    else
        tl_compute_sum(gradient, from->tensor, true);
    return TL_OK;
}

static tl_status check_versions(const tl_node *node)
{
    unsigned reads = node->op->reads ? node->op->reads : TL_READS_INPUTS | TL_READS_OUTPUT;
    for (int i = 0; i < node->count; i++) {
        bool read = i < 8 ? (reads & (1u << i)) != 0 : (reads & TL_READS_INPUTS) != 0;
        const tl_storage *storage = node->inputs[i]->value.storage;
        if (read && storage && storage->version != node->versions[i])
            return tl_error(TL_ERROR_STATE,
                            "backward: input %d of %s, shape %s, was changed in place after it was recorded",
                            i, node->op->name, TL_SHAPE_TEXT(node->inputs[i]->value.shape));
    }
    const tl_storage *storage = node->output->value.storage;
    if ((reads & TL_READS_OUTPUT) && storage && storage->version != node->versions[node->count])
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
    destination to[TL_MAX_INPUTS];
    bool add[TL_MAX_INPUTS];
    tl_row_gradient *rows[TL_MAX_INPUTS];
} call_arrays;

typedef struct call_room {
    const tl_tensor **inputs;
    tl_tensor *gradients;
    destination *to;
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

/* Fills in where the gradient of input i goes. */
static tl_status prepare_input(const tl_node *node, int i, const tl_op_call *call, call_room *room)
{
    tl_var *x = node->inputs[i];
    room->gradients[i] = nothing;
    room->to[i] = (destination){0};
    room->rows[i] = NULL;
    room->add[i] = false;
    if (!node->needed[i])
        return TL_OK;
    if (i == 0 && node->op->row_gradients && x->key) {
        if (!x->rows)
            x->rows = tl_row_gradient_new(x->tape, x->value);
        room->rows[i] = x->rows;
        return x->rows ? TL_OK : TL_ERROR_MEMORY;
    }
    tl_status status = prepare_destination(node, i, call, &room->add[i], &room->to[i]);
    room->gradients[i] = room->to[i].tensor;
    return status;
}

static tl_status run_rule(const tl_op_call *call)
{
    const bool flush = call->output.dtype == TL_F32;
    unsigned mode = flush ? tl_flush_set(tl_flushing) : 0;
    tl_status status = call->op->backward(call);
    if (flush)
        tl_flush_set(mode);
    return status;
}

static tl_status backward_node(tl_tape *tape, tl_node *node)
{
    tl_var *output = node->output;
    if (check_versions(node) != TL_OK)
        return tl_error_status();
    call_arrays few;
    call_room room;
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
                       .tape = tape};
    for (int i = 0; i < node->count; i++) { /* all inputs first: full_shape may look at any of them */
        room.inputs[i] = row_major(&call, &node->inputs[i]->value);
        if (!room.inputs[i])
            return TL_ERROR_MEMORY;
    }
    for (int i = 0; i < node->count; i++)
        if (prepare_input(node, i, &call, &room) != TL_OK)
            return TL_ERROR_MEMORY;
    const tl_tensor *value = row_major(&call, &output->value),
                    *gradient = row_major(&call, &output->gradient);
    if (!value || !gradient)
        return TL_ERROR_MEMORY;
    call.output = *value;
    call.grad_output = *gradient;
    tl_status status = run_rule(&call);
    for (int i = 0; i < node->count && status == TL_OK; i++)
        if (room.to[i].aside) {
            status = sum_into_place(node->inputs[i], &room.to[i]);
            tl_pool_give(&tape->pool, room.to[i].tensor.storage);
        }
    tl_pool_end_scratch(&tape->pool);
    if (!output->retains)
        drop_gradient(output);
    return status;
}

static tl_status walk_back(tl_tape *tape)
{
    tape->consumed = true;
    tape->in_backward = true;
    tl_status status = TL_OK;
    for (tl_node *node = tape->last; node && status == TL_OK; node = node->previous)
        if (node->output->gradient.storage && !node->output->lazy)
            status = backward_node(tape, node);
    tape->in_backward = false;
    return status;
}

/* Adds what reached the leaves to the parameters they stand for. */
static void deposit(tl_tape *tape)
{
    for (tl_var *leaf = tape->first_leaf; leaf; leaf = leaf->next_leaf) {
        if (leaf->key_is_var || !leaf->needs_gradient)
            continue;
        tl_tensor gradient = ((const tl_parameter *)leaf->key)->gradient;
        gradient.storage->version = tl_next_version();
        if (leaf->gradient.storage)
            tl_compute_store(gradient, leaf->gradient, true);
        if (leaf->rows)
            tl_row_gradient_add_to(leaf->rows, gradient, 0, leaf->rows->rows);
    }
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
    tl_tensor gradient;
    if (tl_gradient_of(x, &gradient) != TL_OK)
        return TL_ERROR_MEMORY;
    tl_compute_store(gradient, seed, true);
    tl_status status = walk_back(tape);
    if (status == TL_OK && !tape->keeps)
        deposit(tape);
    return status;
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
    tl_status status = walk_back(tape);
    if (status == TL_OK && !tape->keeps)
        deposit(tape);
    return status;
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
    if (!x->needs_gradient || !x->tape->consumed) {
        tl_error(TL_ERROR_STATE, "grad: there is no gradient: %s",
                 x->needs_gradient ? "tl_backward was not called" : "the var does not need one");
        return nothing;
    }
    tl_tensor gradient;
    if (tl_gradient_of(x, &gradient) != TL_OK)
        return nothing;
    if (x->rows && !x->base) {
        tl_row_gradient_add_to(x->rows, gradient, 0, x->rows->rows);
        x->rows = NULL;
    }
    return gradient;
}
