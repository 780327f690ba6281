#include "nn/flow.h"

#include <math.h>
#include <stddef.h>
#include <stdio.h>

/* Norms in the order of the way back: 0 is the step that was taken last. */
typedef struct way_back {
    const double *norms;
    int64_t steps;
    bool backwards;
} way_back;

static double norm_at(const way_back *w, int64_t i)
{
    return w->norms[w->backwards ? i : w->steps - 1 - i];
}

const char *tl_flow_name(tl_flow flow)
{
    static const char *const names[] = {"healthy", "vanishing", "exploding", "absent"};
    return (size_t)flow < sizeof names / sizeof names[0] ? names[flow] : NULL;
}

static bool all_finite(const way_back *w)
{
    int64_t i = 0;
    while (i < w->steps && isfinite(norm_at(w, i)))
        i++;
    return i == w->steps;
}

/* The first place on the way back at which the norm is not within [least, most]; `steps`: none. */
static int64_t leaves(const way_back *w, int64_t from, double least, double most)
{
    int64_t i = from;
    while (i < w->steps && norm_at(w, i) >= least && norm_at(w, i) <= most)
        i++;
    return i;
}

static double factor_of(const way_back *w, int64_t start)
{
    int64_t end = w->steps - 1;
    while (end > start && !(isfinite(norm_at(w, end)) && norm_at(w, end) > 0))
        end--;
    return end > start ? exp((log(norm_at(w, end)) - log(norm_at(w, start))) / (double)(end - start)) : 1;
}

static tl_flow flow_of(const way_back *w, const tl_flow_report *r, int64_t start)
{
    if (start == w->steps)
        return TL_FLOW_ABSENT;
    if (!all_finite(w))
        return TL_FLOW_EXPLODING;
    return r->ratio > TL_FLOW_BOUND       ? TL_FLOW_EXPLODING
           : r->ratio < 1 / TL_FLOW_BOUND ? TL_FLOW_VANISHING
                                          : TL_FLOW_HEALTHY;
}

static void explain(tl_flow_report *r, const char *name, const way_back *w, int64_t start)
{
    static const char *const verbs[] = {"goes", "falls", "grows"};
    const size_t size = sizeof r->message;
    if (r->flow == TL_FLOW_ABSENT) {
        snprintf(r->message, size, "%s: absent: no gradient reaches any of %lld steps", name,
                 (long long)w->steps);
        return;
    }
    int used =
        snprintf(r->message, size,
                 "%s: %s: from the last of %lld steps back to the first the norm of the gradient %s from "
                 "%.3g to %.3g, a ratio of %.3g, or a factor of %.4g a step",
                 name, tl_flow_name(r->flow), (long long)w->steps, verbs[r->flow], r->last, r->first,
                 r->ratio, r->factor);
    if (used < 0 || (size_t)used >= size || start + r->reach == w->steps - 1)
        return;
    const double at = norm_at(w, start + r->reach + 1);
    used += snprintf(r->message + used, size - (size_t)used, "; %s after %lld",
                     at < r->last   ? "below a thousandth"
                     : isfinite(at) ? "beyond a thousandfold"
                                    : "not finite",
                     (long long)(r->reach + 1));
    const int64_t rounded = leaves(w, start, r->last * TL_FLOW_ROUNDED_AWAY, (double)HUGE_VAL);
    if (r->flow == TL_FLOW_VANISHING && rounded < w->steps && (size_t)used < size)
        snprintf(r->message + used, size - (size_t)used, ", rounded away in float32 after %lld",
                 (long long)(rounded - start));
}

tl_flow_report tl_flow_judge(const char *name, const double norms[], int64_t steps, bool backwards)
{
    const way_back w = {norms, steps, backwards};
    tl_flow_report r = {.factor = 1};
    int64_t start = 0;
    while (start < steps && norm_at(&w, start) == 0)
        start++;
    if (start < steps) {
        r.first = norm_at(&w, steps - 1);
        r.last = norm_at(&w, start);
        r.ratio = r.first / r.last;
        r.factor = factor_of(&w, start);
        r.reach = leaves(&w, start, r.last / TL_FLOW_BOUND, r.last * TL_FLOW_BOUND) - start - 1;
    }
    r.flow = flow_of(&w, &r, start);
    explain(&r, name, &w, start);
    return r;
}
