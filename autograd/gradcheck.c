#include "autograd/gradcheck.h"
#include "autograd/cases_internal.h"
#include "autograd/gradcheck_internal.h"
#include "tensor/error_internal.h"
#include "tensor/memory_internal.h"
#include "tensor/random.h"

#include <stdio.h>
#include <string.h>

/* A function of vars under check. The inputs are copies, since they are moved. */
typedef struct function {
    tl_gradcheck_function f;
    void *context;
    int count;
    tl_tensor *inputs; /* all of them */
    tl_tensor *moved;  /* those of f64; the others empty */
    tl_var **vars;
    tl_tape *tape;
    tl_gradcheck_report *report;
} function;

static double weight(int64_t element)
{
    double u = tl_random_uniform(11, 0, (uint64_t)element);
    return u < 0.5 ? -0.5 - u : 0.5 + u; /* never near 0 */
}

static tl_var *call(function *c)
{
    tl_tape_reset(c->tape);
    for (int i = 0; i < c->count; i++)
        c->vars[i] =
            c->moved[i].storage ? tl_variable(c->tape, c->inputs[i]) : tl_input(c->tape, c->inputs[i]);
    tl_var *y = c->f(c->context, c->vars);
    if (!y && tl_error_status() == TL_OK)
        tl_error(TL_ERROR_ARGUMENT, "gradcheck: the function returned NULL without an error");
    if (y && tl_value(y).dtype != TL_F64) {
        tl_gradcheck_narrow(c->report, "gradcheck: the function gives %s, expected f64",
                            tl_dtype_name(tl_dtype_of(y)));
        return NULL;
    }
    return y;
}

/* The weighted sum of f's elements. */
static tl_status evaluate(void *context, double *sum)
{
    function *c = context;
    tl_tensor value = tl_value(call(c));
    if (!value.storage)
        return tl_error_status();
    int64_t count = tl_tensor_count(value);
    double *flat = tl_allocate_raw((size_t)count * sizeof *flat);
    if (!flat || tl_copy_out(value, flat, (size_t)count * sizeof *flat) != TL_OK) {
        tl_release(flat);
        return tl_error_status();
    }
    *sum = 0;
    for (int64_t i = 0; i < count; i++)
        *sum += weight(i) * flat[i];
    tl_release(flat);
    return TL_OK;
}

static tl_status differentiate(void *context, const tl_tensor gradients[])
{
    function *c = context;
    tl_var *y = call(c);
    tl_tensor value = tl_value(y);
    tl_tensor seed = value.storage ? tl_tensor_new(TL_F64, value.shape) : value;
    if (!seed.storage)
        return tl_error_status();
    double *w = tl_data_mut(seed);
    for (int64_t i = 0; i < tl_tensor_count(seed); i++)
        w[i] = weight(i);
    tl_status status = tl_backward_from(y, seed);
    for (int i = 0; i < c->count && status == TL_OK; i++)
        if (c->moved[i].storage) {
            tl_tensor gradient = tl_grad(c->vars[i]);
            status = tl_tensor_ok(gradient) ? tl_tensor_copy(gradients[i], gradient) : tl_error_status();
        }
    tl_tensor_free(&seed);
    return status;
}

static tl_status take_input(function *c, int i, tl_tensor input)
{
    if (!input.storage)
        return tl_error(TL_ERROR_ARGUMENT, "gradcheck: input %d is empty", i);
    if (input.dtype == TL_F32) {
        c->report->input = i;
        c->report->shape = input.shape;
        return tl_gradcheck_narrow(
            c->report, "gradcheck: input %d is f32, which is too narrow for differences; use f64", i);
    }
    c->inputs[i] = tl_tensor_new(input.dtype, input.shape);
    if (input.dtype == TL_F64)
        c->moved[i] = c->inputs[i];
    return tl_tensor_copy(c->inputs[i], input);
}

static tl_status prepare(function *c, const tl_tensor inputs[])
{
    size_t n = (size_t)c->count;
    c->tape = tl_tape_new();
    c->inputs = tl_allocate(n * sizeof *c->inputs);
    c->moved = tl_allocate(n * sizeof *c->moved);
    c->vars = tl_allocate(n * sizeof(tl_var *));
    if (!c->tape || !c->inputs || !c->moved || !c->vars)
        return TL_ERROR_MEMORY;
    for (int i = 0; i < c->count; i++)
        if (take_input(c, i, inputs[i]) != TL_OK)
            return tl_error_status();
    return TL_OK;
}

static void clean_up(function *c)
{
    for (int i = 0; c->inputs && i < c->count; i++)
        tl_tensor_free(&c->inputs[i]);
    tl_release(c->inputs);
    tl_release(c->moved);
    tl_release(c->vars);
    tl_tape_free(c->tape);
}

tl_status tl_gradcheck(tl_gradcheck_function f, void *context, const tl_tensor inputs[], int count,
                       const tl_gradcheck_options *options, tl_gradcheck_report *report)
{
    tl_gradcheck_report unwanted;
    function c = {.f = f, .context = context, .count = count, .report = report ? report : &unwanted};
    *c.report = (tl_gradcheck_report){0};
    tl_status status = prepare(&c, inputs);
    if (status == TL_OK) {
        const tl_gradcheck_subject subject = {.context = &c,
                                              .count = count,
                                              .inputs = c.moved,
                                              .evaluate = evaluate,
                                              .differentiate = differentiate};
        status = tl_gradcheck_run(&subject, options, c.report);
    }
    clean_up(&c);
    return status;
}

typedef struct case_context {
    const tl_op *op;
    const tl_op_case *sample;
} case_context;

static tl_var *apply_case(void *context, tl_var *const inputs[])
{
    const case_context *c = context;
    tl_var *vars[TL_MAX_INPUTS] = {0};
    for (int i = 0, next = 0; i < c->sample->count; i++)
        vars[i] = c->sample->inputs[i].same_as ? NULL : inputs[next++];
    return tl_case_apply(c->op, c->sample, vars);
}

static tl_status check_case(const tl_op *op, const tl_op_case *sample, tl_gradcheck_report *report)
{
    tl_tensor tensors[TL_MAX_INPUTS], given[TL_MAX_INPUTS];
    tl_status status = tl_case_tensors(sample, TL_F64, tensors);
    int count = 0;
    for (int i = 0; i < sample->count; i++)
        if (tensors[i].storage)
            given[count++] = tensors[i];
    if (status == TL_OK)
        status = tl_gradcheck(apply_case, &(case_context){op, sample}, given, count, NULL, report);
    for (int i = 0; i < TL_MAX_INPUTS; i++)
        tl_tensor_free(&tensors[i]);
    return status;
}

tl_status tl_gradcheck_op(const tl_op *op, tl_gradcheck_report *report)
{
    tl_gradcheck_report unwanted;
    report = report ? report : &unwanted;
    *report = (tl_gradcheck_report){0};
    if (!op)
        return tl_missing("gradcheck", "op");
    if (!op->cases || op->case_count < 1)
        return tl_error(TL_ERROR_ARGUMENT, "gradcheck: op %s has no sample cases", op->name);
    if (!op->backward && !op->view)
        return tl_error(TL_ERROR_ARGUMENT, "gradcheck: op %s has no backward function", op->name);
    int64_t checked = 0;
    for (int i = 0; i < op->case_count; i++) {
        tl_status status = check_case(op, &op->cases[i], report);
        checked += report->checked;
        report->checked = checked;
        if (status != TL_OK) {
            char text[sizeof report->message];
            snprintf(text, sizeof text, "%.40s (%.60s): %.250s", op->name, op->cases[i].name,
                     tl_error_message());
            memcpy(report->message, text, sizeof text);
            return tl_error(status, "%s", text);
        }
    }
    return TL_OK;
}
