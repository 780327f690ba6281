#include "generated.h"

#include <math.h>

static const uint64_t stream = (uint64_t)0xE1 << 56;

/* How far an event raises a feature, in noise of which deviation. */
static const double rise = 1, noise = 0.3;

/* Draws for one sequence, one after the other. */
typedef struct draws {
    uint64_t seed, stream, counter;
} draws;

static int64_t draw_below(draws *d, int64_t limit)
{
    return tl_random_below(d->seed, d->stream, d->counter++, limit);
}

static draws draws_of(const design *d, int64_t sequence)
{
    return (draws){d->seed, stream | (uint64_t)sequence, 0};
}

static int64_t draw_length(draws *from, int64_t time)
{
    int64_t least = time / 4 < 2 ? 2 : time / 4;
    return least + draw_below(from, time - least + 1);
}

/* The number nearest to x with three decimals, as it is read from "%.3f". */
static double rounded(double x)
{
    return round(x * 1000) / 1000;
}

/* Adds an event to a step: of the first half of its features, or of the second. */
static void add_event(double *step, int64_t width, bool second)
{
    int64_t half = width / 2;
    for (int64_t i = second ? half : 0; i < (second ? width : half); i++)
        step[i] += rise;
}

static void fill_sequence(const sequences *s, int64_t i, draws *from)
{
    int64_t length = length_of(s, i), count = length * s->width;
    double *values = s->values + s->starts[i] * s->width;
    int64_t one = draw_below(from, length), other = draw_below(from, length - 1);
    other += other >= one; /* two different steps */
    for (int64_t j = 0; j < count; j++)
        values[j] = noise * tl_random_normal(from->seed, from->stream, from->counter++);
    add_event(values + one * s->width, s->width, false);
    add_event(values + other * s->width, s->width, true);
    for (int64_t j = 0; j < count; j++)
        values[j] = rounded(values[j]);
    s->labels[i] = one < other;
}

tl_status generate_sequences(sequences *s, const design *d)
{
    *s = (sequences){.path = "generated"};
    int64_t rows = 0;
    for (int64_t i = 0; i < d->count; i++) {
        draws from = draws_of(d, i);
        rows += draw_length(&from, d->time);
    }
    if (make_sequences(s, d->count, rows, d->width) != TL_OK)
        return tl_error_status();
    for (int64_t i = 0; i < d->count; i++) {
        draws from = draws_of(d, i);
        s->starts[i + 1] = s->starts[i] + draw_length(&from, d->time);
        fill_sequence(s, i, &from);
    }
    return TL_OK;
}
