/* The comparison of a gradient with differences: element by element, or along one random direction an input.
 */
#include "autograd/gradcheck_internal.h"
#include "tensor/memory_internal.h"
#include "tensor/random.h"

#include <math.h>
#include <stdio.h>

enum { DIRECTIONS = 12 }; /* their stream of random numbers */

static const double *elements(tl_tensor tensor)
{
    return tl_data(tensor);
}

double tl_comparison_tolerance(const tl_comparison *c, double numeric)
{
    return c->options.atol + c->options.rtol * fabs(numeric);
}

static tl_status evaluate(const tl_comparison *c, double *value)
{
    return c->subject->evaluate(c->subject->context, value);
}

tl_status tl_comparison_evaluate_at(const tl_comparison *c, int input, int64_t element, double step,
                                    double *value)
{
    double *x = tl_data_mut(c->subject->inputs[input]), before = x[element];
    x[element] = before + step;
    tl_status status = evaluate(c, value);
    x = tl_data_mut(c->subject->inputs[input]); /* a new version: what the tape packed is stale again */
    x[element] = before;
    return status;
}

/* --- Determinism --- */

/* False for two NaN, which are alike. */
static bool are_apart(const tl_comparison *c, double a, double b)
{
    return !(fabs(a - b) <= c->options.nondet_tol) && !(isnan(a) && isnan(b)) && !(a == b);
}

static tl_status refuse(const tl_comparison *c, const char *what)
{
    tl_gradcheck_report *r = c->report;
    r->verdict = TL_GRADIENT_NOT_DETERMINISTIC;
    snprintf(r->message, sizeof r->message, "the %s with the same inputs differ", what);
    return tl_error(TL_ERROR_NUMERIC, "%s", r->message);
}

static tl_status check_value_twice(const tl_comparison *c)
{
    double first, second;
    if (evaluate(c, &first) != TL_OK || evaluate(c, &second) != TL_OK)
        return tl_error_status();
    return are_apart(c, first, second) ? refuse(c, "function is not deterministic: two calls") : TL_OK;
}

/* The gradient as well, which it leaves in c->analytic. */
static tl_status check_gradient_twice(const tl_comparison *c)
{
    const tl_gradcheck_subject *s = c->subject;
    if (s->differentiate(s->context, c->analytic) != TL_OK || s->differentiate(s->context, c->again) != TL_OK)
        return tl_error_status();
    for (int i = 0; i < s->count; i++) {
        if (!s->inputs[i].storage)
            continue;
        const double *first = elements(c->analytic[i]), *second = elements(c->again[i]);
        for (int64_t j = 0; j < tl_tensor_count(s->inputs[i]); j++)
            if (are_apart(c, first[j], second[j]))
                return refuse(c, "gradient is not deterministic: two backward passes");
    }
    return TL_OK;
}

/* --- Along a direction --- */

/* A vector of length 1, none of whose elements is near 0. */
static void choose_direction(tl_tensor direction, int input)
{
    double *u = tl_data_mut(direction), square = 0;
    const int64_t count = tl_tensor_count(direction);
    for (int64_t j = 0; j < count; j++) {
        u[j] = 2 * tl_random_uniform(DIRECTIONS, (uint64_t)input, (uint64_t)j) - 1;
        u[j] += u[j] < 0 ? -0.5 : 0.5;
        square += u[j] * u[j];
    }
    for (int64_t j = 0; j < count; j++)
        u[j] /= sqrt(square);
}

static tl_status evaluate_along(const tl_comparison *c, int input, tl_tensor direction, tl_tensor before,
                                double step, double *value)
{
    double *x = tl_data_mut(c->subject->inputs[input]);
    const double *from = elements(before), *u = elements(direction);
    for (int64_t j = 0; j < tl_tensor_count(direction); j++)
        x[j] = from[j] + step * u[j];
    return evaluate(c, value);
}

/* Whether the derivative of one input along a direction agrees. c->again and c->numeric are free for the
 * direction and for the input as it was. */
static tl_status compare_along(const tl_comparison *c, int input, bool *agrees)
{
    tl_tensor direction = c->again[input], before = c->numeric[input], x = c->subject->inputs[input];
    const double eps = c->options.eps;
    double above, below;
    choose_direction(direction, input);
    if (tl_tensor_copy(before, x) != TL_OK)
        return tl_error_status();
    tl_status status = evaluate_along(c, input, direction, before, eps, &above);
    if (status == TL_OK)
        status = evaluate_along(c, input, direction, before, -eps, &below);
    if (tl_tensor_copy(x, before) != TL_OK || status != TL_OK)
        return tl_error_status();
    const double *a = elements(c->analytic[input]), *u = elements(direction);
    double analytic = 0, numeric = (above - below) / (2 * eps);
    for (int64_t j = 0; j < tl_tensor_count(x); j++)
        analytic += a[j] * u[j];
    *agrees = fabs(analytic - numeric) <= tl_comparison_tolerance(c, numeric); /* false for NaN */
    c->report->checked++;
    return TL_OK;
}

static tl_status compare_directions(const tl_comparison *c, bool *agree)
{
    *agree = true;
    for (int i = 0; i < c->subject->count && *agree; i++)
        if (c->subject->inputs[i].storage && tl_tensor_count(c->subject->inputs[i]) > 0 &&
            compare_along(c, i, agree) != TL_OK)
            return tl_error_status();
    return TL_OK;
}

/* --- Element by element --- */

static tl_status measure_input(const tl_comparison *c, int input)
{
    double *numeric = tl_data_mut(c->numeric[input]), eps = c->options.eps, above, below;
    for (int64_t j = 0; j < tl_tensor_count(c->numeric[input]); j++) {
        if (tl_comparison_evaluate_at(c, input, j, eps, &above) != TL_OK ||
            tl_comparison_evaluate_at(c, input, j, -eps, &below) != TL_OK)
            return tl_error_status();
        numeric[j] = (above - below) / (2 * eps);
        c->report->checked++;
    }
    return TL_OK;
}

/* Finds the worst element over all inputs; false if every one agrees. */
static bool find_worst(const tl_comparison *c, int64_t *worst)
{
    double most = 1;
    bool found = false;
    for (int i = 0; i < c->subject->count; i++) {
        if (!c->subject->inputs[i].storage)
            continue;
        const double *a = elements(c->analytic[i]), *n = elements(c->numeric[i]);
        for (int64_t j = 0; j < tl_tensor_count(c->numeric[i]); j++) {
            double excess = fabs(a[j] - n[j]) / tl_comparison_tolerance(c, n[j]);
            if (excess <= most) /* false for NaN */
                continue;
            found = true;
            most = isnan(excess) ? (double)INFINITY : excess;
            *worst = j;
            c->report->input = i;
            c->report->analytic = a[j];
            c->report->numeric = n[j];
        }
    }
    return found;
}

static tl_status compare_elements(const tl_comparison *c)
{
    int64_t worst = 0;
    for (int i = 0; i < c->subject->count; i++)
        if (c->subject->inputs[i].storage && measure_input(c, i) != TL_OK)
            return tl_error_status();
    if (!find_worst(c, &worst))
        return TL_OK;
    c->report->shape = c->subject->inputs[c->report->input].shape;
    if (c->subject->names)
        c->report->parameter = c->subject->names[c->report->input];
    return tl_gradcheck_diagnose(c, worst) == TL_OK ? tl_gradcheck_explain(c, worst) : tl_error_status();
}

/* --- A check --- */

static tl_status compare(const tl_comparison *c)
{
    if (check_value_twice(c) != TL_OK || check_gradient_twice(c) != TL_OK)
        return tl_error_status();
    bool agrees = false;
    if (c->options.fast_mode && compare_directions(c, &agrees) != TL_OK)
        return tl_error_status();
    return agrees ? TL_OK : compare_elements(c);
}

static tl_gradcheck_options with_defaults(const tl_gradcheck_options *given)
{
    tl_gradcheck_options o = given ? *given : (tl_gradcheck_options){0};
    o.eps = o.eps > 0 ? o.eps : 1e-6;
    o.atol = o.atol > 0 ? o.atol : 1e-5;
    o.rtol = o.rtol > 0 ? o.rtol : 1e-3;
    return o;
}

tl_status tl_gradcheck_run(const tl_gradcheck_subject *subject, const tl_gradcheck_options *options,
                           tl_gradcheck_report *report)
{
    enum { KINDS = 3 };
    const int count = subject->count;
    tl_gradcheck_report unwanted;
    tl_tensor *gradients = tl_allocate((size_t)(KINDS * count) * sizeof *gradients);
    if (!gradients)
        return TL_ERROR_MEMORY;
    tl_comparison c = {.subject = subject,
                       .options = with_defaults(options),
                       .report = report ? report : &unwanted,
                       .analytic = gradients,
                       .again = gradients + count,
                       .numeric = gradients + 2 * count};
    *c.report = (tl_gradcheck_report){0};
    tl_status status = TL_OK;
    for (int i = 0; i < KINDS * count && status == TL_OK; i++) {
        tl_tensor like = subject->inputs[i % count];
        if (!like.storage)
            continue;
        gradients[i] = tl_tensor_new(TL_F64, like.shape);
        status = gradients[i].storage ? TL_OK : tl_error_status();
    }
    if (status == TL_OK)
        status = compare(&c);
    for (int i = 0; i < KINDS * count; i++)
        tl_tensor_free(&gradients[i]);
    tl_release(gradients);
    return status;
}
