/* Scopes, and the search for what is not finite with all that there is to say of it. None of this runs on a
 * tape that traces nothing. */
#include "autograd/trace_internal.h"
#include "tensor/error_internal.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* --- Scopes --- */

void tl_tape_set_detect_anomaly(tl_tape *tape, bool detects)
{
    tape->detects = detects;
    tape->traces = detects || tape->probe;
}

bool tl_tape_detects_anomaly(const tl_tape *tape)
{
    return tape->detects;
}

void tl_tape_set_probe(tl_tape *tape, struct tl_probe *probe)
{
    tape->probe = probe;
    tape->traces = tape->detects || probe;
}

static tl_status push(tl_tape *tape, const char *name, int64_t first, int64_t count)
{
    const size_t bytes = strlen(name) + 1;
    tl_scope *scope = tl_arena_take(tape->arena, sizeof *scope + bytes);
    if (!scope)
        return TL_ERROR_MEMORY;
    *scope = (tl_scope){.outer = tape->scope, .first = first, .count = count};
    memcpy(scope->name, name, bytes);
    tape->scope = scope;
    return TL_OK;
}

tl_status tl_scope_push(tl_tape *tape, const char *name)
{
    if (!tape || !name)
        return tl_missing("scope_push", tape ? "name" : "tape");
    return tape->traces ? push(tape, name, 0, 0) : TL_OK;
}

tl_status tl_scope_push_steps(tl_tape *tape, int64_t first, int64_t count)
{
    if (!tape)
        return tl_missing("scope_push_steps", "tape");
    if (count < 1)
        return tl_error(TL_ERROR_ARGUMENT, "scope_push_steps: %lld steps, expected at least 1",
                        (long long)count);
    return tape->traces ? push(tape, "", first, count) : TL_OK;
}

void tl_scope_pop(tl_tape *tape)
{
    if (tape && tape->scope)
        tape->scope = tape->scope->outer;
}

/* A text that is cut where it does not fit. */
typedef struct writing {
    char *text;
    size_t size, used;
} writing;

TL_PRINTF(2, 3)
static void put(writing *w, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    const int length = vsnprintf(w->text + w->used, w->size - w->used, format, arguments);
    va_end(arguments);
    w->used += length > 0 ? (size_t)length : 0;
    w->used = w->used < w->size ? w->used : w->size - 1;
}

/* With the one step that is meant of several, if `step` is not negative. */
static void put_scope(writing *w, const tl_scope *scope, int64_t step)
{
    if (scope->outer) {
        put_scope(w, scope->outer, -1);
        put(w, "/");
    }
    if (scope->count == 0)
        put(w, "%s", scope->name);
    else if (step >= 0 || scope->count == 1)
        put(w, "t=%lld", (long long)(scope->first + (step > 0 ? step : 0)));
    else
        put(w, "t=%lld..%lld", (long long)scope->first, (long long)(scope->first + scope->count - 1));
}

void tl_scope_text(const tl_scope *scope, char text[], size_t size)
{
    writing w = {.text = text, .size = size};
    text[0] = '\0';
    if (scope)
        put_scope(&w, scope, -1);
}

/* --- Where it is --- */

/* An element that is not finite. */
typedef struct place {
    double value;
    int64_t index[TL_MAX_RANK];
} place;

/* Whether all elements are; a tensor of another type has no others, nor has an empty one. */
static bool is_finite(tl_tensor t)
{
    if (!t.storage || !tl_dtype_is_float(t.dtype))
        return true;
    if (!tl_tensor_is_dense(t)) {
        for (int64_t i = 0; i < t.shape.dims[0]; i++)
            if (!is_finite(tl_tensor_select(t, 0, i)))
                return false;
        return true;
    }
    const int64_t count = tl_tensor_count(t);
    const void *data = tl_address(t);
    bool finite = true;
    for (int64_t i = 0; t.dtype == TL_F32 && i < count; i++)
        finite &= isfinite(((const float *)data)[i]) != 0;
    for (int64_t i = 0; t.dtype == TL_F64 && i < count; i++)
        finite &= isfinite(((const double *)data)[i]) != 0;
    return finite;
}

/* The first element that is not, in row-major order, or by time steps along axis 1; false if all are. */
static bool find(tl_tensor t, bool by_steps, place *found)
{
    if (is_finite(t))
        return false;
    for (int64_t i = 0; i < tl_tensor_count(t); i++) {
        int64_t rest = i;
        for (int j = t.shape.rank - 1; j >= 0; j--) {
            const int axis = by_steps && j < 2 ? 1 - j : j;
            found->index[axis] = rest % t.shape.dims[axis];
            rest /= t.shape.dims[axis];
        }
        found->value = tl_tensor_at(t, found->index);
        if (!isfinite(found->value))
            return true;
    }
    return false;
}

/* Whether axis 1 of a tensor holds the time steps of a scope. */
static bool holds_steps(const tl_scope *scope, tl_tensor t)
{
    return scope && scope->count > 1 && t.shape.rank == 3 && t.shape.dims[1] == scope->count;
}

/* --- What is said of it --- */

/* What is not finite, and who made it. */
typedef struct finding {
    const tl_op *op;
    tl_var *const *inputs;
    int count;
    tl_tensor result;
    const tl_scope *scope;
    tl_tensor tensor; /* that it is in */
    place at;
} finding;

static void put_index(writing *w, const place *at, int rank)
{
    for (int i = 0; i < rank; i++)
        put(w, "%s%lld", i ? ", " : "[", (long long)at->index[i]);
    put(w, rank ? "]" : "[]");
}

/* "NaN at [0, 3]" */
static void put_place(writing *w, const place *at, tl_tensor t)
{
    put(w, "%s at ", isnan(at->value) ? "NaN" : at->value > 0 ? "infinity" : "-infinity");
    put_index(w, at, t.shape.rank);
}

/* " (parameter dense/kernel)", if it is one or a view of one. */
static void put_parameter(writing *w, const tl_var *x)
{
    const tl_var *leaf = x->base ? x->base : x;
    if (leaf->key && !leaf->key_is_var)
        put(w, " (parameter %s)", ((const tl_parameter *)leaf->key)->name);
}

/* "affine: forward, in simple_rnn/t=17: " */
static void put_head(writing *w, const finding *f, const char *direction)
{
    put(w, "%s: %s", f->op->name, direction);
    if (f->scope) {
        put(w, ", in ");
        put_scope(w, f->scope, holds_steps(f->scope, f->tensor) ? f->at.index[1] : -1);
    }
    put(w, ": ");
}

/* The elements of inputs at the place, where op and gradient go element by element: ", where input 0 is -1".
 */
static void put_inputs_there(writing *w, const finding *f)
{
    const char *before = ", where";
    if (!tl_shape_equal(f->tensor.shape, f->result.shape))
        return;
    for (int i = 0; i < f->count && i < TL_MAX_INPUTS; i++) {
        const tl_tensor input = f->inputs[i]->value;
        if (!input.storage || !tl_dtype_is_float(input.dtype) ||
            !tl_shape_equal(input.shape, f->tensor.shape))
            continue;
        put(w, "%s input %d is %g", before, i, tl_tensor_at(input, f->at.index));
        before = " and";
    }
}

static void put_shapes(writing *w, const finding *f)
{
    enum { SHOWN = 5 };
    put(w, "; inputs");
    for (int i = 0; i < f->count && i < SHOWN; i++)
        put(w, "%s %s", i ? "," : "", TL_SHAPE_TEXT(f->inputs[i]->value.shape));
    if (f->count > SHOWN)
        put(w, " and %d more", f->count - SHOWN);
    put(w, ", result %s", TL_SHAPE_TEXT(f->result.shape));
}

/* The inputs that were not finite before; false if there are none. */
static bool put_causes(writing *w, const finding *f)
{
    bool any = false;
    for (int i = 0; i < f->count; i++) {
        place at;
        if (!find(f->inputs[i]->value, false, &at))
            continue;
        put(w, any ? " and input %d" : "; input %d", i);
        put_parameter(w, f->inputs[i]);
        put(w, " brings it in: ");
        put_place(w, &at, f->inputs[i]->value);
        any = true;
    }
    return any;
}

/* Rows of a shard are counted from its own first. */
static void put_rows(writing *w, const tl_tape *tape)
{
    if (tape->first_row > 0)
        put(w, " (row 0 being row %lld of the batch)", (long long)tape->first_row);
}

tl_status tl_trace_forward(const tl_op *op, tl_var *const inputs[], int count, const tl_var *output)
{
    const tl_tape *tape = output->tape;
    finding f = {.op = op,
                 .inputs = inputs,
                 .count = count,
                 .result = output->value,
                 .scope = tape->scope,
                 .tensor = output->value};
    if (!find(f.tensor, holds_steps(f.scope, f.tensor), &f.at))
        return TL_OK;
    char text[TL_TRACE_TEXT];
    writing w = {.text = text, .size = sizeof text};
    put_head(&w, &f, "forward");
    put(&w, "result is ");
    put_place(&w, &f.at, f.tensor);
    put_inputs_there(&w, &f);
    put_shapes(&w, &f);
    if (!put_causes(&w, &f))
        put(&w, count > 1 ? ", inputs all finite" : ", input finite");
    put_rows(&w, tape);
    return tl_error(TL_ERROR_NUMERIC, "%s", text);
}

/* --- On the way back --- */

tl_status tl_trace_seed(const tl_var *x, tl_tensor seed)
{
    place at;
    if (!find(seed, false, &at))
        return TL_OK;
    char text[TL_TRACE_TEXT];
    writing w = {.text = text, .size = sizeof text};
    put(&w, "backward: what it starts from brings it in: seed %s for the result of %s is ",
        TL_SHAPE_TEXT(seed.shape), x->node ? x->node->op->name : "no op");
    put_place(&w, &at, seed);
    put_rows(&w, x->tape);
    return tl_error(TL_ERROR_NUMERIC, "%s", text);
}

static tl_status report_backward(finding *f, int input, const tl_op_call *call)
{
    char text[TL_TRACE_TEXT];
    writing w = {.text = text, .size = sizeof text};
    place at;
    put_head(&w, f, "backward");
    put(&w, "gradient of input %d", input);
    put_parameter(&w, f->inputs[input]);
    put(&w, " is ");
    put_place(&w, &f->at, f->tensor);
    put_inputs_there(&w, f);
    put_shapes(&w, f);
    const bool any = put_causes(&w, f);
    if (find(call->grad_output, false, &at)) {
        put(&w, "; the gradient of the result brings it in: ");
        put_place(&w, &at, call->grad_output);
    } else if (!any) {
        put(&w, ", all finite, and so is the gradient of the result");
    }
    put_rows(&w, call->tape);
    return tl_error(TL_ERROR_NUMERIC, "%s", text);
}

/* The gradient of an input as the rule left it. Empty where there is none to look at: it is by rows of a
 * table, a part of the gradient of the result as it stands, or was given back since nothing flowed. */
static tl_status written(tl_var *x, const tl_destination *to, tl_tensor *gradient)
{
    const tl_var *home = x->base ? x->base : x;
    *gradient = (tl_tensor){0};
    if (to->aside)
        return tl_gradient_of(x, gradient);
    if (to->tensor.storage && to->tensor.storage == home->gradient.storage)
        *gradient = to->tensor;
    return TL_OK;
}

tl_status tl_trace_backward(const tl_node *node, const tl_op_call *call, const tl_destination to[])
{
    if (!node->op->forward) /* it happened on another tape, which saw it */
        return TL_OK;
    finding f = {.op = node->op,
                 .inputs = node->inputs,
                 .count = node->count,
                 .result = call->output,
                 .scope = node->scope};
    for (int i = 0; i < node->count; i++) {
        if (written(node->inputs[i], &to[i], &f.tensor) != TL_OK)
            return tl_error_status();
        if (f.tensor.storage && find(f.tensor, holds_steps(f.scope, f.tensor), &f.at))
            return report_backward(&f, i, call);
    }
    return TL_OK;
}

/* --- Parameters --- */

static tl_status trace_parameter(const char *what, const char *before, const tl_parameter *parameter,
                                 tl_tensor tensor, const char *after)
{
    place at;
    if (!find(tensor, false, &at))
        return TL_OK;
    char text[TL_TRACE_TEXT];
    writing w = {.text = text, .size = sizeof text};
    put(&w, "%s: %s parameter %s %s is ", what, before, parameter->name, TL_SHAPE_TEXT(tensor.shape));
    put_place(&w, &at, tensor);
    put(&w, "%s", after);
    return tl_error(TL_ERROR_NUMERIC, "%s", text);
}

tl_status tl_trace_parameter_gradient(const tl_parameter *parameter)
{
    return trace_parameter("backward", "the gradient of", parameter, parameter->gradient,
                           ", summed over all that it was used for");
}

tl_status tl_trace_parameter_value(const char *what, const tl_parameter *parameter)
{
    return trace_parameter(what, "after its step", parameter, parameter->value,
                           ", its gradient having been finite");
}
