/* A gradient goes straight to its place where that can be written as the rule would, else aside, to be summed
 * into it. Ops with a fusion may find that a neighbour's gradient lies there already, or take on some of the
 * neighbour's work. */
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
 * to keep what lies there. */
static bool borrow(const tl_node *node, int input, const tl_op_call *call, tl_joined *joined)
{
    tl_var *x = node->inputs[input], *output = node->output;
    const tl_tensor part = node->op->fusion->lend(call, input, &joined->place);
    if (!part.storage || x->base || x->gradient.storage || output->retains || !x->node)
        return false;
    x->gradient = part;
    x->lent = output->lends = true;
    return true;
}

static tl_map slope_of(const tl_node *node)
{
    const tl_fusion *fusion = node->op->fusion;
    return fusion && fusion->slope ? fusion->slope(node->attributes) : TL_MAP_COPY;
}

/* The slope of the op that made input `input`, if this rule can take the gradient through it: this one is the
 * last that adds to it, nobody else looks at it, and it lies as the rule writes it. */
static tl_map slope_of_maker(const tl_node *node, int input)
{
    const tl_var *x = node->inputs[input];
    if (node->op->fusion->sloping != input || slope_of(node) == TL_MAP_COUNT || !x->node ||
        x->first_use != node || x->base || x->retains || x->value.shape.rank != 2 ||
        !tl_tensor_is_row_major(x->value))
        return TL_MAP_COPY;
    for (int i = 0; i < node->count; i++)
        if (i != input && home_of(node->inputs[i]) == x)
            return TL_MAP_COPY;
    const tl_map slope = slope_of(x->node);
    return slope == TL_MAP_COUNT ? TL_MAP_COPY : slope;
}

/* A place where the gradient of what an op's rule starts with may lie at once: that of its addend, if the
 * addend is for this op alone. */
static bool claim_place_of_addend(tl_var *x, tl_tensor *place)
{
    const tl_node *maker = x->node;
    int input = maker->op->fusion->addend;
    tl_var *addend = maker->inputs[input];
    return maker->needed[input] && addend->is_part && addend->uses == 1 &&
           tl_shape_equal(addend->value.shape, x->value.shape) && tl_tensor_is_row_major(addend->value) &&
           tl_part_claim(addend, place);
}

static tl_status find_sloped_place(const tl_node *node, int input, tl_joined *joined, tl_destination *to)
{
    tl_var *x = node->inputs[input];
    to->sloped = true;
    joined->onto = x->gradient;
    if (claim_place_of_addend(x, &to->tensor)) {
        if (x->gradient.storage && !x->lent) /* read by the rule, and by nobody after it */
            tl_pool_hold(&x->tape->pool, x->gradient.storage);
        x->gradient = to->tensor;
        x->lent = true;
        return TL_OK;
    }
    if (x->gradient.storage) {
        to->tensor = x->gradient;
        return TL_OK;
    }
    tl_status status = tl_gradient_new(x->tape, x->value, &x->gradient);
    to->tensor = x->gradient;
    return status;
}

/* Whether the gradient of the addend is where the gradient of the output is. */
static bool is_in_place(const tl_node *node, int input, const tl_op_call *call)
{
    tl_tensor gradient = node->inputs[input]->gradient;
    return node->op->fusion->addend == input && node->output->sloped && gradient.storage &&
           tl_address(gradient) == tl_address(call->grad_output);
}

tl_status tl_destination_find(tl_node *node, int input, const tl_op_call *call, tl_joined *joined,
                              tl_destination *to)
{
    tl_var *x = node->inputs[input];
    if (!node->needed[input]) {
        if (node->op->fusion && node->op->fusion->lend)
            node->op->fusion->lend(call, input, &joined->place);
        return TL_OK;
    }
    if (input == 0 && node->op->row_gradients && x->key) {
        if (!x->rows)
            x->rows =
                tl_row_gradient_new(x->tape->rows_arena ? x->tape->rows_arena : x->tape->arena, x->value);
        to->rows = x->rows;
        return x->rows ? TL_OK : TL_ERROR_MEMORY;
    }
    if (!node->op->fusion)
        return find_place(node, input, call, to);
    if (node->op->fusion->lend)
        return borrow(node, input, call, joined) ? TL_OK : find_place(node, input, call, to);
    if (is_in_place(node, input, call))
        return TL_OK;
    tl_map slope = slope_of_maker(node, input);
    if (slope == TL_MAP_COPY) {
        tl_status status = find_place(node, input, call, to);
        if (input == node->op->fusion->addend)
            joined->addend_stays = to->aside || (x->uses == 1 && (!x->base || x->is_part));
        if (!x->node && !x->base && !to->aside && input < 32)
            joined->may_wait |= 1u << input;
        return status;
    }
    joined->slope = slope;
    return find_sloped_place(node, input, joined, to);
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
    x->sloped |= to->sloped;
    if (!to->aside)
        return TL_OK;
    tl_status status = sum_into_place(x, to);
    tl_gradient_give(x->tape, to->tensor.storage);
    return status;
}
