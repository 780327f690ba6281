/* What is wrong where a gradient and its differences do not agree, in a word and in a sentence. */
#include "autograd/gradcheck_internal.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* True if analytic = factor x numeric for all elements of the input, with at least two that tell. */
static bool has_factor(const tl_comparison *c, int input, double *factor)
{
    const double *a = tl_data(c->analytic[input]), *n = tl_data(c->numeric[input]);
    int64_t count = tl_tensor_count(c->numeric[input]), telling = 0;
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
        if (!(fabs(a[j] - *factor * n[j]) <= tl_comparison_tolerance(c, *factor * n[j])))
            return false;
    return telling > 1 || fabs(*factor + 1) < c->options.rtol;
}

/* True if the slopes to the left and to the right of the worst element differ. */
static tl_status has_kink(const tl_comparison *c, int64_t element, bool *kink)
{
    double here, above, below, eps = c->options.eps;
    int input = c->report->input;
    if (tl_comparison_evaluate_at(c, input, element, 0, &here) != TL_OK ||
        tl_comparison_evaluate_at(c, input, element, eps, &above) != TL_OK ||
        tl_comparison_evaluate_at(c, input, element, -eps, &below) != TL_OK)
        return tl_error_status();
    double right = (above - here) / eps, left = (here - below) / eps;
    *kink = fabs(right - left) > 1e-2 * (fabs(right) + fabs(left)) + 1e-3;
    return TL_OK;
}

/* True if, `spacing` by `spacing`, values bend up and down again and again, and so far that the difference is
 * not to be trusted: they are rounded to too few digits. A smooth function bends one way here, a kink or a
 * jump once. */
static tl_status is_coarse_at(const tl_comparison *c, int64_t element, double spacing, bool *coarse)
{
    enum { POINTS = 17, MOST_TURNS = 2 };
    double value[POINTS], last = 0;
    const double bound = 2 * c->options.eps * tl_comparison_tolerance(c, c->report->numeric);
    for (int k = 0; k < POINTS; k++) {
        const int steps = k - POINTS / 2;
        if (tl_comparison_evaluate_at(c, c->report->input, element, steps * spacing, &value[k]) != TL_OK)
            return tl_error_status();
    }
    int turns = 0;
    for (int k = 1; k < POINTS - 1; k++) {
        double bend = value[k - 1] - 2 * value[k] + value[k + 1];
        if (!(fabs(bend) > bound))
            continue;
        turns += bend * last < 0;
        last = bend;
    }
    *coarse = turns > MOST_TURNS;
    return TL_OK;
}

/* The same near by and, for a function that hardly moves there, farther off. */
static tl_status is_coarse(const tl_comparison *c, int64_t element, bool *coarse)
{
    static const double spacings[] = {16, 128}; /* in steps */
    for (int i = 0; i < 2 && !*coarse; i++)
        if (is_coarse_at(c, element, spacings[i] * c->options.eps, coarse) != TL_OK)
            return tl_error_status();
    return TL_OK;
}

tl_status tl_gradcheck_diagnose(const tl_comparison *c, int64_t worst)
{
    tl_gradcheck_report *r = c->report;
    bool coarse = false, kink = false;
    double factor;
    if (!isfinite(r->analytic) || !isfinite(r->numeric)) {
        r->verdict = TL_GRADIENT_NOT_FINITE;
        return TL_OK;
    }
    if (is_coarse(c, worst, &coarse) != TL_OK || has_kink(c, worst, &kink) != TL_OK)
        return tl_error_status();
    if (coarse) {
        r->verdict = TL_GRADIENT_DTYPE_TOO_NARROW;
    } else if (kink) {
        r->verdict = TL_GRADIENT_KINK;
    } else if (has_factor(c, r->input, &factor)) {
        r->verdict = fabs(factor + 1) < 1e-2 ? TL_GRADIENT_WRONG_SIGN : TL_GRADIENT_FACTOR;
        r->factor = factor;
    } else {
        r->verdict = TL_GRADIENT_MISSING_TERM;
    }
    return TL_OK;
}

/* The verdict in words. */
static void write_reason(const tl_gradcheck_report *r, char *text, size_t size)
{
    static const char *const reasons[] = {
        [TL_GRADIENT_WRONG_SIGN] = "wrong sign",
        [TL_GRADIENT_MISSING_TERM] = "a missing or wrong term",
        [TL_GRADIENT_KINK] = "a kink: the slopes on its two sides differ",
        [TL_GRADIENT_NOT_FINITE] = "not a finite number",
        [TL_GRADIENT_DTYPE_TOO_NARROW] =
            "dtype too narrow: rounding moves the function more than a step does, as f32 inside of it would"};
    if (r->verdict == TL_GRADIENT_FACTOR)
        snprintf(text, size, "off by a constant factor of %.4g", r->factor);
    else if (r->verdict == TL_GRADIENT_MISSING_TERM && r->analytic == 0)
        snprintf(text, size, "a missing gradient");
    else
        snprintf(text, size, "%s", reasons[r->verdict]);
}

/* "input 0", or "parameter dense/kernel". */
static void write_place(const tl_gradcheck_report *r, char *text, size_t size)
{
    if (r->parameter)
        snprintf(text, size, "parameter %.120s", r->parameter);
    else
        snprintf(text, size, "input %d", r->input);
}

tl_status tl_gradcheck_explain(const tl_comparison *c, int64_t worst)
{
    tl_gradcheck_report *r = c->report;
    char reason[112], place[136];
    tl_shape element = {.rank = r->shape.rank};
    for (int i = r->shape.rank - 1; i >= 0; i--) {
        element.dims[i] = worst % r->shape.dims[i];
        worst /= r->shape.dims[i];
    }
    memcpy(r->index, element.dims, sizeof r->index);
    write_reason(r, reason, sizeof reason);
    write_place(r, place, sizeof place);
    snprintf(r->message, sizeof r->message, "%s %s, element %s: analytic %.6g, numeric %.6g: %s", place,
             TL_SHAPE_TEXT(r->shape), TL_SHAPE_TEXT(element), r->analytic, r->numeric, reason);
    return tl_error(r->verdict == TL_GRADIENT_DTYPE_TOO_NARROW ? TL_ERROR_DTYPE : TL_ERROR_NUMERIC, "%s",
                    r->message);
}

tl_status tl_gradcheck_narrow(tl_gradcheck_report *report, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(report->message, sizeof report->message, format, arguments);
    va_end(arguments);
    report->verdict = TL_GRADIENT_DTYPE_TOO_NARROW;
    return tl_error(TL_ERROR_DTYPE, "%s", report->message);
}
