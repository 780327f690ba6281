#include "autograd/gradcheck.h"
#include "autograd/cases_internal.h"
#include "tensor/error_internal.h"
#include "tensor/memory_internal.h"
#include "tensor/random.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* One check: the inputs are copies, which are perturbed in place. */
typedef struct check {
    tl_gradcheck_function f;
    void *context;
    int count;
    tl_tensor *inputs;
    tl_tensor *analytic; /* gradients of the weighted sum */
    double **numeric;
    tl_var **vars;
    tl_tape *tape;
    tl_gradcheck_options options;
    tl_gradcheck_report *report;
} check;

static bool is_checked(tl_tensor input)
{
    return input.dtype == TL_F64;
}

static double weight(int64_t element)
{
    double u = tl_random_uniform(11, 0, (uint64_t)element);
    return u < 0.5 ? -0.5 - u : 0.5 + u; /* never near 0 */
}

static tl_var *call(check *c)
{
    tl_tape_reset(c->tape);
    for (int i = 0; i < c->count; i++)
        c->vars[i] =
            is_checked(c->inputs[i]) ? tl_variable(c->tape, c->inputs[i]) : tl_input(c->tape, c->inputs[i]);
    tl_var *y = c->f(c->context, c->vars);
    if (!y && tl_error_status() == TL_OK)
        tl_error(TL_ERROR_ARGUMENT, "gradcheck: the function returned NULL without an error");
    if (y && tl_value(y).dtype != TL_F64) {
        tl_error(TL_ERROR_DTYPE, "gradcheck: the function gives %s, expected f64",
                 tl_dtype_name(tl_dtype_of(y)));
        return NULL;
    }
    return y;
}

/* The weighted sum of f's elements. */
static tl_status evaluate(check *c, double *sum)
{
    tl_var *y = call(c);
    tl_tensor value = tl_value(y);
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

static tl_status differentiate(check *c)
{
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
        if (is_checked(c->inputs[i])) {
            tl_tensor gradient = tl_grad(c->vars[i]);
            status = tl_tensor_ok(gradient) ? tl_tensor_copy(c->analytic[i], gradient) : tl_error_status();
        }
    tl_tensor_free(&seed);
    return status;
}

/* The weighted sum with one element of one input moved by `step`. */
static tl_status evaluate_at(check *c, int input, int64_t element, double step, double *sum)
{
    double *x = tl_data_mut(c->inputs[input]), before = x[element];
    x[element] = before + step;
    tl_status status = evaluate(c, sum);
    x = tl_data_mut(c->inputs[input]); /* a new version: what the tape packed is stale again */
    x[element] = before;
    return status;
}

static tl_status measure(check *c)
{
    for (int i = 0; i < c->count; i++)
        for (int64_t j = 0; is_checked(c->inputs[i]) && j < tl_tensor_count(c->inputs[i]); j++) {
            double above, below;
            if (evaluate_at(c, i, j, c->options.eps, &above) != TL_OK ||
                evaluate_at(c, i, j, -c->options.eps, &below) != TL_OK)
                return tl_error_status();
            c->numeric[i][j] = (above - below) / (2 * c->options.eps);
            c->report->checked++;
        }
    return TL_OK;
}

static bool agree(const check *c, double analytic, double numeric)
{
    return fabs(analytic - numeric) <= c->options.atol + c->options.rtol * fabs(numeric);
}

/* Finds the worst element over all inputs; false if every one agrees. */
static bool find_worst(check *c, int64_t *worst)
{
    double most = 1;
    bool found = false;
    for (int i = 0; i < c->count; i++) {
        const double *a = is_checked(c->inputs[i]) ? tl_data(c->analytic[i]) : NULL;
        for (int64_t j = 0; a && j < tl_tensor_count(c->inputs[i]); j++) {
            double n = c->numeric[i][j];
            double excess = fabs(a[j] - n) / (c->options.atol + c->options.rtol * fabs(n));
            if (excess <= most) /* false for NaN */
                continue;
            found = true;
            most = isnan(excess) ? (double)INFINITY : excess;
            *worst = j;
            c->report->input = i;
            c->report->analytic = a[j];
            c->report->numeric = n;
        }
    }
    return found;
}

/* True if analytic = factor x numeric for all elements of the input, with at least two that tell. */
static bool has_factor(const check *c, int input, double *factor)
{
    const double *a = tl_data(c->analytic[input]), *n = c->numeric[input];
    int64_t count = tl_tensor_count(c->inputs[input]), telling = 0;
    double numeric_square = 0, product = 0;
    for (int64_t j = 0; j < count; j++) {
        product += a[j] * n[j];
        numeric_square += n[j] * n[j];
        telling += fabs(n[j]) > 10 * c->options.atol;
    }
    *factor = product / numeric_square;
    if (telling < 1 || fabs(*factor) < c->options.rtol)
        return false;
    for (int64_t j = 0; j < count; j++)
        if (!agree(c, a[j], *factor * n[j]))
            return false;
    return telling > 1 || fabs(*factor + 1) < c->options.rtol;
}

/* True if the slopes to the left and to the right of the worst element differ. */
static tl_status has_kink(check *c, int64_t element, bool *kink)
{
    double here, above, below, eps = c->options.eps;
    int input = c->report->input;
    if (evaluate(c, &here) != TL_OK || evaluate_at(c, input, element, eps, &above) != TL_OK ||
        evaluate_at(c, input, element, -eps, &below) != TL_OK)
        return tl_error_status();
    double right = (above - here) / eps, left = (here - below) / eps;
    *kink = fabs(right - left) > 1e-2 * (fabs(right) + fabs(left)) + 1e-3;
    return TL_OK;
}

static tl_status diagnose(check *c, int64_t worst)
{
    tl_gradcheck_report *r = c->report;
    bool kink = false;
    double factor;
    if (!isfinite(r->analytic) || !isfinite(r->numeric)) {
        r->verdict = TL_GRADIENT_NOT_FINITE;
        return TL_OK;
    }
    if (has_kink(c, worst, &kink) != TL_OK)
        return tl_error_status();
    if (kink) {
        r->verdict = TL_GRADIENT_KINK;
    } else if (has_factor(c, r->input, &factor)) {
        r->verdict = fabs(factor + 1) < 1e-2 ? TL_GRADIENT_WRONG_SIGN : TL_GRADIENT_FACTOR;
        r->factor = factor;
    } else {
        r->verdict = TL_GRADIENT_MISSING_TERM;
    }
    return TL_OK;
}

static void explain(tl_gradcheck_report *r, int64_t worst)
{
    char reason[96];
    switch (r->verdict) {
    case TL_GRADIENT_CORRECT:
        return;
    case TL_GRADIENT_WRONG_SIGN:
        snprintf(reason, sizeof reason, "wrong sign");
        break;
    case TL_GRADIENT_FACTOR:
        snprintf(reason, sizeof reason, "off by a constant factor of %.4g", r->factor);
        break;
    case TL_GRADIENT_MISSING_TERM:
        snprintf(reason, sizeof reason, "%s",
                 r->analytic == 0 ? "a missing gradient" : "a missing or wrong term");
        break;
    case TL_GRADIENT_KINK:
        snprintf(reason, sizeof reason, "a kink: the slopes on its two sides differ");
        break;
    case TL_GRADIENT_NOT_DETERMINISTIC:
        snprintf(r->message, sizeof r->message,
                 "the function is not deterministic: two calls with the same inputs differ");
        return;
    case TL_GRADIENT_NOT_FINITE:
        snprintf(reason, sizeof reason, "not a finite number");
        break;
    }
    tl_shape place = {.rank = r->shape.rank};
    for (int i = r->shape.rank - 1; i >= 0; i--) {
        place.dims[i] = worst % r->shape.dims[i];
        worst /= r->shape.dims[i];
    }
    memcpy(r->index, place.dims, sizeof r->index);
    snprintf(r->message, sizeof r->message, "input %d %s, element %s: analytic %.6g, numeric %.6g: %s",
             r->input, TL_SHAPE_TEXT(r->shape), TL_SHAPE_TEXT(place), r->analytic, r->numeric, reason);
}

static tl_status run(check *c)
{
    double first, second;
    int64_t worst = 0;
    if (evaluate(c, &first) != TL_OK || evaluate(c, &second) != TL_OK || differentiate(c) != TL_OK)
        return tl_error_status();
    if (memcmp(&first, &second, sizeof first) != 0 && !(isnan(first) && isnan(second))) {
        c->report->verdict = TL_GRADIENT_NOT_DETERMINISTIC;
    } else {
        if (measure(c) != TL_OK)
            return tl_error_status();
        if (!find_worst(c, &worst))
            return TL_OK;
        c->report->shape = c->inputs[c->report->input].shape;
        if (diagnose(c, worst) != TL_OK)
            return tl_error_status();
    }
    explain(c->report, worst);
    return tl_error(TL_ERROR_NUMERIC, "%s", c->report->message);
}

static tl_status prepare(check *c, const tl_tensor inputs[])
{
    size_t n = (size_t)c->count;
    c->tape = tl_tape_new();
    c->inputs = tl_allocate(n * sizeof *c->inputs);
    c->analytic = tl_allocate(n * sizeof *c->analytic);
    c->numeric = tl_allocate(n * sizeof *c->numeric);
    c->vars = tl_allocate(n * sizeof(tl_var *));
    if (!c->tape || !c->inputs || !c->analytic || !c->numeric || !c->vars)
        return TL_ERROR_MEMORY;
    for (int i = 0; i < c->count; i++) {
        if (!inputs[i].storage)
            return tl_error(TL_ERROR_ARGUMENT, "gradcheck: input %d is empty", i);
        if (inputs[i].dtype == TL_F32)
            return tl_error(TL_ERROR_DTYPE,
                            "gradcheck: input %d is f32, which is too narrow for differences; use f64", i);
        c->inputs[i] = tl_tensor_new(inputs[i].dtype, inputs[i].shape);
        if (tl_tensor_copy(c->inputs[i], inputs[i]) != TL_OK)
            return tl_error_status();
        if (!is_checked(inputs[i]))
            continue;
        c->analytic[i] = tl_tensor_new(TL_F64, inputs[i].shape);
        c->numeric[i] = tl_allocate((size_t)tl_tensor_count(inputs[i]) * sizeof(double));
        if (!c->analytic[i].storage || !c->numeric[i])
            return TL_ERROR_MEMORY;
    }
    return TL_OK;
}

static void clean_up(check *c)
{
    for (int i = 0; i < c->count; i++) {
        if (c->inputs)
            tl_tensor_free(&c->inputs[i]);
        if (c->analytic)
            tl_tensor_free(&c->analytic[i]);
        if (c->numeric)
            tl_release(c->numeric[i]);
    }
    tl_release(c->inputs);
    tl_release(c->analytic);
    tl_release(c->numeric);
    tl_release(c->vars);
    tl_tape_free(c->tape);
}

tl_status tl_gradcheck(tl_gradcheck_function f, void *context, const tl_tensor inputs[], int count,
                       const tl_gradcheck_options *options, tl_gradcheck_report *report)
{
    tl_gradcheck_report unwanted;
    check c = {.f = f, .context = context, .count = count, .report = report ? report : &unwanted};
    *c.report = (tl_gradcheck_report){0};
    c.options = options ? *options : (tl_gradcheck_options){0};
    c.options.eps = c.options.eps > 0 ? c.options.eps : 1e-6;
    c.options.atol = c.options.atol > 0 ? c.options.atol : 1e-5;
    c.options.rtol = c.options.rtol > 0 ? c.options.rtol : 1e-3;
    tl_status status = prepare(&c, inputs);
    if (status == TL_OK)
        status = run(&c);
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
