/* A gradient goes straight to its place where that can be written as the rule would, else aside, to be summed
 * into it. */
#include "autograd/destination_internal.h"
#include "tensor/compute_internal.h"

static tl_var *home_of(tl_var *x)
{
    return x->base ? x->base : x;
}

/* Whether an earlier input of the same node has its gradient in the same memory. Ops with any number of
 * inputs need not ask: their rules take the inputs in order. */
static bool shares_with_earlier(const tl_node *node, int input)
{
    for (int i = 0; i < input && node->count <= TL_MAX_INPUTS; i++)
        if (home_of(node->inputs[i]) == home_of(node->inputs[input]))
            return true;
    return false;
}

/* The shape in which a rule writes the gradient of an input. */
static tl_shape written_shape(const tl_op_call *call, int input)
{
    if (call->op->full_shape)
        return call->op->full_shape(call, input);
    return call->op->infer == tl_infer_broadcast ? call->output.shape : call->inputs[input]->shape;
}

static tl_status put_aside(const tl_node *node, tl_var *x, tl_shape full, tl_destination *to)
{
    tl_tensor like = {.shape = full, .dtype = x->value.dtype};
    if (tl_shape_equal(full, x->value.shape) && node->op->strided)
        like = x->value;
    else if (node->op->strided && tl_shape_equal(full, node->output->value.shape))
        like = node->output->value;
    else
        tl_tensor_set_row_major(&like);
    to->aside = true;
    return tl_gradient_new(x->tape, like, &to->tensor);
}

static tl_status find_place(const tl_node *node, int input, const tl_op_call *call, tl_destination *to)
{
    tl_var *x = node->inputs[input];
    const tl_op *op = node->op;
    tl_shape full = written_shape(call, input);
    bool readable = op->strided || tl_tensor_is_row_major(x->value);
    if (!tl_shape_equal(full, x->value.shape) || !readable || shares_with_earlier(node, input))
        return put_aside(node, x, full, to);
    if (x->is_part && tl_part_claim(x, &to->tensor))
        return TL_OK;
    if (!x->base && !x->gradient.storage) {
        tl_status status = tl_gradient_new(x->tape, x->value, &x->gradient);
        to->tensor = x->gradient;
        return status;
    }
    if (!op->accumulates)
        return put_aside(node, x, full, to);
    to->add = true;
    return tl_gradient_of(x, &to->tensor);
}

/* Takes a part of grad_output for the gradient of an input, if nothing else is there and nothing else wants
 * to keep what lies there, or is to read it yet: more may be added to an input's gradient. */
static bool borrow(const tl_node *node, int input, const tl_op_call *call, tl_call_private *more)
{
    tl_var *x = node->inputs[input], *output = node->output;
    const tl_tensor part = node->op->more->lend(call, input, &more->place);
    if (!node->needed[input] || !part.storage || part.storage->awaited || x->base || x->gradient.storage ||
        output->retains || !x->node)
        return false;
    x->gradient = part;
    x->lent = output->lends = true;
    return true;
}

tl_status tl_destination_find(const tl_node *node, int input, const tl_op_call *call, tl_call_private *more,
                              tl_destination *to)
{
    tl_var *x = node->inputs[input];
    if (node->op->more && node->op->more->lend && borrow(node, input, call, more))
        return TL_OK;
    if (!node->needed[input])
        return TL_OK;
    if (input == 0 && node->op->row_gradients && x->key) {
        tl_arena *arena = x->tape->rows_arena ? x->tape->rows_arena : x->tape->arena;
        if (!x->rows)
            x->rows = tl_row_gradient_new(arena, x->value);
        to->rows = x->rows;
        return x->rows ? TL_OK : TL_ERROR_MEMORY;
    }
    tl_status status = find_place(node, input, call, to);
    if (input < TL_MAX_INPUTS) {
        const bool leaf = !x->node && !x->base;
        more->stays |= (unsigned)(to->aside || tl_is_used_once(x)) << input;
        more->may_wait |= (unsigned)(leaf && !to->aside) << input;
    }
    return status;
}

static tl_status sum_into_place(tl_var *x, const tl_destination *from)
{
    if (!x->base && !x->gradient.storage) {
        if (tl_gradient_new(x->tape, x->value, &x->gradient) != TL_OK)
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

tl_status tl_destination_finish(tl_var *x, const tl_destination *to)
{
    if (!to->aside)
        return TL_OK;
    tl_status status = sum_into_place(x, to);
    tl_gradient_give(x->tape, to->tensor.storage);
    return status;
}
