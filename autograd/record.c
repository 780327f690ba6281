/* Applying an op: checks, memory, the forward computation, and the note for backward. */
#include "autograd/trace_internal.h"
#include "tensor/compute_internal.h"
#include "tensor/flush_internal.h"

#include <string.h>

static tl_status check_inputs(const tl_op *op, tl_var *const inputs[], int count)
{
    tl_tape *tape = inputs[0]->tape;
    if (op->inputs != TL_ANY_NUMBER && op->inputs != count)
        return tl_error(TL_ERROR_ARGUMENT, "%s: %d inputs, expected %d", op->name, count, op->inputs);
    for (int i = 1; i < count; i++)
        if (inputs[i]->tape != tape)
            return tl_error(TL_ERROR_STATE, "%s: input %d is on another tape than input 0", op->name, i);
    if (tape->in_backward)
        return tl_error(TL_ERROR_STATE,
                        "%s: recorded while the tape runs backward: gradients of gradients are not supported",
                        op->name);
    return TL_OK;
}

static bool any_needs_gradient(tl_var *const inputs[], int count)
{
    for (int i = 0; i < count; i++)
        if (inputs[i]->needs_gradient)
            return true;
    return false;
}

/* The view a plain op may index without strides: itself where it is row-major, else a copy. */
static tl_status make_row_major(tl_tape *tape, const tl_tensor **tensor)
{
    if (tl_tensor_is_row_major(**tensor))
        return TL_OK;
    tl_tensor *copy = tl_arena_take(tape->arena, sizeof *copy);
    if (!copy)
        return TL_ERROR_MEMORY;
    *copy = (tl_tensor){.dtype = (*tensor)->dtype, .shape = (*tensor)->shape};
    tl_tensor_set_row_major(copy);
    if (tl_tape_place(tape, copy) != TL_OK)
        return TL_ERROR_MEMORY;
    tl_tensor_copy(*copy, **tensor);
    *tensor = copy;
    return TL_OK;
}

static tl_status run_forward(const tl_op_call *call)
{
    const unsigned mode = tl_flush_set(call->output.dtype == TL_F64 ? 0 : tl_flushing);
    tl_status status = call->op->forward(call);
    tl_flush_set(mode);
    tl_pool_end_scratch(&call->tape->pool);
    return status;
}

/* The tensors of vars, for a call. Few inputs live in `few`, which the caller keeps. */
static const tl_tensor **input_tensors(tl_tape *tape, tl_var *const inputs[], int count,
                                       const tl_tensor *few[TL_MAX_INPUTS])
{
    const tl_tensor **tensors = few;
    if (count > TL_MAX_INPUTS)
        tensors = tl_arena_take(tape->arena, (size_t)count * sizeof *tensors);
    for (int i = 0; tensors && i < count; i++)
        tensors[i] = &inputs[i]->value;
    return tensors;
}

/* What backward looks at. */
static unsigned what_is_read(const tl_op *op, const void *attributes)
{
    if (op->more && op->more->reads)
        return op->more->reads(attributes);
    return op->reads ? op->reads : TL_READS_INPUTS | TL_READS_OUTPUT;
}

static tl_node *new_node(tl_tape *tape, const tl_op_call *call, tl_var *const inputs[],
                         size_t attribute_bytes)
{
    size_t n = (size_t)call->count;
    size_t size =
        sizeof(tl_node) + n * (sizeof(tl_var *) + sizeof(uint64_t) + sizeof(bool)) + sizeof(uint64_t);
    tl_node *node = tl_arena_take(tape->arena, size + 16 + attribute_bytes);
    if (!node)
        return NULL;
    *node = (tl_node){.op = call->op, .count = call->count, .scope = tape->scope};
    node->inputs = (tl_var **)(node + 1);
    node->versions = (uint64_t *)(node->inputs + n);
    node->needed = (bool *)(node->versions + n + 1);
    memcpy(node->inputs, inputs, n * sizeof *inputs);
    for (size_t i = 0; i < n; i++) {
        node->needed[i] = inputs[i]->needs_gradient;
        node->versions[i] = inputs[i]->value.storage ? inputs[i]->value.storage->version : 0;
    }
    if (attribute_bytes) {
        void *attributes = (char *)node + ((size + 15) & ~(size_t)15);
        memcpy(attributes, call->attributes, attribute_bytes);
        node->attributes = attributes;
    }
    node->reads = what_is_read(call->op, node->attributes);
    return node;
}

/* Counts a use of each input, and says whose value is to be looked at again. */
static void note_uses(const tl_node *node, tl_var *const inputs[], int count)
{
    for (int i = 0; i < count; i++) {
        tl_var *x = inputs[i];
        bool read = node && tl_node_reads(node, i);
        x->uses++;
        x->read_back |= read;
        if (!x->base)
            continue;
        x->base->has_used_parts |= x->is_part;
        x->base->read_back |= read;
    }
}

static void remember(tl_tape *tape, tl_node *node, tl_var *output)
{
    node->chunk = tape->chunk;
    output->read_back = (node->reads & TL_READS_OUTPUT) != 0;
    node->output = output;
    output->node = node;
    node->previous = tape->last;
    tape->last = node;
}

static tl_status compute(tl_op_call *call, const tl_tensor **tensors, tl_var *const inputs[], tl_var *output)
{
    for (int i = 0; !call->op->strided && i < call->count; i++)
        if (make_row_major(call->tape, &tensors[i]) != TL_OK)
            return TL_ERROR_MEMORY;
    call->inputs = tensors;
    if (tl_tape_place(call->tape, &output->value) != TL_OK)
        return TL_ERROR_MEMORY;
    call->output = output->value;
    tl_status status = run_forward(call);
    if (call->tape->detects && status == TL_OK)
        status = tl_trace_forward(call->op, inputs, call->count, output);
    return status;
}

tl_var *tl_apply(const tl_op *op, tl_var *const inputs[], int count, const void *attributes,
                 size_t attribute_bytes)
{
    if (!op || !op->name || !op->infer || (!op->forward && !op->view)) {
        tl_error(TL_ERROR_ARGUMENT, "%s: an op needs a name, infer and forward",
                 op && op->name ? op->name : "apply");
        return NULL;
    }
    if (!inputs || count < 1) {
        tl_error(TL_ERROR_ARGUMENT, "%s: no inputs", op->name);
        return NULL;
    }
    for (int i = 0; i < count; i++)
        if (!inputs[i] || tl_materialize(inputs[i]) != TL_OK)
            return NULL;
    if (check_inputs(op, inputs, count) != TL_OK)
        return NULL;

    tl_tape *tape = inputs[0]->tape;
    const tl_tensor *few[TL_MAX_INPUTS];
    const tl_tensor **tensors = input_tensors(tape, inputs, count, few);
    if (!tensors)
        return NULL;
    tl_op_call call = {.op = op, .count = count, .inputs = tensors, .attributes = attributes, .tape = tape};
    tl_tensor result = {.dtype = inputs[0]->value.dtype};
    if (op->infer(&call, &result) != TL_OK || tl_shape_check(op->name, result.shape) != TL_OK)
        return NULL;
    tl_var *output = tl_var_new(tape);
    if (!output)
        return NULL;
    output->value = result;
    output->needs_gradient = tape->records && (op->backward || op->view) && any_needs_gradient(inputs, count);

    if (op->view) {
        output->base = inputs[0]->base ? inputs[0]->base : inputs[0];
        output->base->has_views = true;
        return output;
    }
    bool laid_out = false;
    for (int i = 0; i < result.shape.rank; i++)
        laid_out |= result.strides[i] != 0;
    if (!laid_out)
        tl_tensor_set_row_major(&output->value);
    tl_node *node = NULL;
    if (output->needs_gradient || op->lazy) {
        node = new_node(tape, &call, inputs, attribute_bytes);
        if (!node)
            return NULL;
        node->output = output;
    }
    for (int i = 0; i < count && op->lazy; i++) /* they are read when somebody looks at the value */
        tl_keep_value(inputs[i]);
    if (op->lazy)
        output->lazy = node;
    else if (compute(&call, tensors, inputs, output) != TL_OK)
        return NULL;
    output->made = true;
    note_uses(output->needs_gradient ? node : NULL, inputs, count);
    if (output->needs_gradient) {
        remember(tape, node, output);
        node->versions[count] = output->value.storage ? output->value.storage->version : 0;
    }
    return output;
}

tl_status tl_record(const tl_op *op, tl_var *const inputs[], int count, const void *attributes,
                    size_t attribute_bytes, tl_var *const results[], int result_count)
{
    tl_tape *tape = inputs[0]->tape;
    const tl_op_call call = {.op = op, .count = count, .attributes = attributes, .tape = tape};
    tl_node *node = new_node(tape, &call, inputs, attribute_bytes);
    if (!node)
        return TL_ERROR_MEMORY;
    note_uses(node, inputs, count);
    tl_var *next = NULL;
    for (int i = result_count - 1; i >= 0; i--) {
        if (!results[i])
            continue;
        results[i]->node = node;
        results[i]->needs_gradient = true;
        results[i]->made = true;
        results[i]->next_result = next;
        next = results[i];
    }
    remember(tape, node, next);
    node->versions[count] = next->value.storage->version;
    return TL_OK;
}

tl_status tl_materialize(tl_var *x)
{
    if (!x->lazy)
        return TL_OK;
    tl_node *node = x->lazy;
    for (int i = 0; i < node->count; i++) {
        const tl_storage *storage = node->inputs[i]->value.storage;
        if (storage && storage->version != node->versions[i])
            return tl_error(TL_ERROR_STATE,
                            "%s: input %d, shape %s, was changed in place before its value was used",
                            node->op->name, i, TL_SHAPE_TEXT(node->inputs[i]->value.shape));
    }
    const tl_tensor *few[TL_MAX_INPUTS];
    const tl_tensor **tensors = input_tensors(x->tape, node->inputs, node->count, few);
    if (!tensors)
        return TL_ERROR_MEMORY;
    tl_op_call call = {.op = node->op, .count = node->count, .attributes = node->attributes, .tape = x->tape};
    const tl_scope *scope = x->tape->scope;
    x->tape->scope = node->scope;
    tl_status status = compute(&call, tensors, node->inputs, x);
    x->tape->scope = scope;
    if (status == TL_OK) {
        x->lazy = NULL;
        node->versions[node->count] = x->value.storage->version;
    }
    return status;
}

void *tl_scratch(const tl_op_call *call, size_t bytes)
{
    return tl_pool_scratch(&call->tape->pool, bytes);
}

static tl_status same_float_dtype(const tl_op_call *call)
{
    for (int i = 0; i < call->count; i++) {
        tl_dtype dtype = call->inputs[i]->dtype;
        if (!tl_dtype_is_float(dtype))
            return tl_error(TL_ERROR_DTYPE, "%s: input %d is %s, expected f32 or f64", call->op->name, i,
                            tl_dtype_name(dtype));
        if (dtype != call->inputs[0]->dtype)
            return tl_error(TL_ERROR_DTYPE, "%s: inputs of %s and %s, expected one type", call->op->name,
                            tl_dtype_name(call->inputs[0]->dtype), tl_dtype_name(dtype));
    }
    return TL_OK;
}

/* The memory order of the first input of the result's shape, so that time-major stays time-major. */
static void lay_out_like_inputs(const tl_op_call *call, tl_tensor *result)
{
    for (int i = 0; call->op->strided && i < call->count; i++)
        if (tl_shape_equal(call->inputs[i]->shape, result->shape)) {
            tl_tensor_set_strides_like(result, *call->inputs[i]);
            return;
        }
}

tl_status tl_infer_same(const tl_op_call *call, tl_tensor *result)
{
    if (same_float_dtype(call) != TL_OK)
        return tl_error_status();
    result->dtype = call->inputs[0]->dtype;
    result->shape = call->inputs[0]->shape;
    lay_out_like_inputs(call, result);
    return TL_OK;
}

tl_status tl_infer_broadcast(const tl_op_call *call, tl_tensor *result)
{
    if (same_float_dtype(call) != TL_OK)
        return tl_error_status();
    result->dtype = call->inputs[0]->dtype;
    result->shape = call->inputs[0]->shape;
    for (int i = 1; i < call->count; i++)
        if (tl_shape_broadcast(call->op->name, result->shape, call->inputs[i]->shape, &result->shape) !=
            TL_OK)
            return tl_error_status();
    lay_out_like_inputs(call, result);
    return TL_OK;
}

tl_shape tl_full_shape_of_output(const tl_op_call *call, int input)
{
    (void)input;
    return call->output.shape;
}
