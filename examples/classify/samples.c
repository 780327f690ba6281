#include "samples.h"

#include <math.h>
#include <stdlib.h>

enum { STREAM = 0xE2 };

/* --- order --- */

/* Takes the members of two groups in turns, as often as there are of each. */
static void interleave(const int64_t *group[2], const int64_t counts[2], int64_t *out)
{
    for (int64_t taken[2] = {0, 0}; taken[0] + taken[1] < counts[0] + counts[1];) {
        bool second = (2 * taken[1] + 1) * counts[0] < (2 * taken[0] + 1) * counts[1];
        *out++ = group[second][taken[second]++];
    }
}

static void sort_by_label(const sequences *s, const int64_t *order, int64_t *group[2], int64_t counts[2])
{
    for (int64_t i = 0; i < s->count; i++) {
        int label = s->labels[order[i]];
        group[label][counts[label]++] = order[i];
    }
}

int64_t *mixed_order(const sequences *s, uint64_t seed)
{
    int64_t *order = calloc((size_t)s->count, sizeof *order), counts[2] = {0, 0};
    int64_t *group[2] = {calloc((size_t)s->count, sizeof *order), calloc((size_t)s->count, sizeof *order)};
    if (order && group[0] && group[1]) {
        tl_random_permutation(seed, (uint64_t)STREAM << 56, s->count, order);
        sort_by_label(s, order, group, counts);
        interleave((const int64_t *[]){group[0], group[1]}, counts, order);
    } else {
        tl_error(TL_ERROR_MEMORY, "out of memory for the order of %lld sequences", (long long)s->count);
        free(order);
        order = NULL;
    }
    free(group[0]);
    free(group[1]);
    return order;
}

/* --- selections --- */

static int64_t member(const selection *some, int64_t i)
{
    return some->order ? some->order[i] : i;
}

tl_status check_labels(const selection *some, const char *what)
{
    int64_t ones = 0;
    for (int64_t i = 0; i < some->count; i++)
        ones += some->from->labels[member(some, i)];
    if (ones > 0 && ones < some->count)
        return TL_OK;
    return tl_error(TL_ERROR_FORMAT, "%s: no sequence of label %d, expected some of both labels", what,
                    ones == 0);
}

/* --- scale --- */

tl_status make_scaling(scaling *to, int64_t width)
{
    *to = (scaling){.width = width,
                    .means = calloc((size_t)width, sizeof *to->means),
                    .deviations = calloc((size_t)width, sizeof *to->deviations)};
    if (to->means && to->deviations)
        return TL_OK;
    return tl_error(TL_ERROR_MEMORY, "out of memory for the scale of %lld features", (long long)width);
}

void free_scaling(scaling *to)
{
    free(to->means);
    free(to->deviations);
}

static double squared(double x)
{
    return x * x;
}

/* The mean over all steps of feature `i`, or, around `center`, of its square. */
static double mean_of(const selection *some, int64_t i, const double *center)
{
    const sequences *s = some->from;
    double sum = 0;
    int64_t steps = 0;
    for (int64_t j = 0; j < some->count; j++) {
        int64_t sequence = member(some, j);
        for (int64_t row = s->starts[sequence]; row < s->starts[sequence + 1]; row++) {
            double value = s->values[row * s->width + i];
            sum += center ? squared(value - *center) : value;
        }
        steps += length_of(s, sequence);
    }
    return sum / (double)steps;
}

static const char *feature_name(const sequences *s, int64_t i)
{
    return json_string_value(json_array_get(s->features, (size_t)i));
}

tl_status find_scaling(scaling *to, const selection *some)
{
    if (make_scaling(to, some->from->width) != TL_OK)
        return tl_error_status();
    for (int64_t i = 0; i < to->width; i++) {
        to->means[i] = mean_of(some, i, NULL);
        to->deviations[i] = sqrt(mean_of(some, i, &to->means[i]));
        if (!isfinite(to->deviations[i]))
            return tl_error(TL_ERROR_NUMERIC, "feature '%.60s' is too large to be scaled",
                            feature_name(some->from, i));
        if (!(to->deviations[i] > 0))
            to->deviations[i] = 1;
    }
    return TL_OK;
}

static tl_status refuse(const sequences *s, int64_t row, int64_t i, double scaled)
{
    return tl_error(TL_ERROR_NUMERIC,
                    "%s: line %lld: feature '%.60s' is %g deviations from its mean in training, expected "
                    "at most %d",
                    s->path, (long long)(s->file ? tl_csv_line(s->file, row) : row), feature_name(s, i),
                    scaled, MOST);
}

tl_status scale(const sequences *s, const scaling *by)
{
    int64_t rows = s->count ? s->starts[s->count] : 0;
    for (int64_t row = 0; row < rows; row++) {
        for (int64_t i = 0; i < s->width; i++) {
            double *value = &s->values[row * s->width + i];
            *value = (*value - by->means[i]) / by->deviations[i];
            if (!(fabs(*value) <= MOST))
                return refuse(s, row, i, *value);
        }
    }
    return TL_OK;
}

/* --- tensors --- */

static tl_status check_steps(const selection *some, const padding *p, int64_t *steps)
{
    int64_t longest = 0;
    for (int64_t i = 0; i < some->count; i++) {
        int64_t length = length_of(some->from, member(some, i));
        longest = length > longest ? length : longest;
    }
    *steps = p->steps > 0 ? p->steps : longest;
    if (longest <= *steps)
        return TL_OK;
    return tl_error(TL_ERROR_ARGUMENT, "--pad-to %lld: the longest sequence has %lld steps",
                    (long long)p->steps, (long long)longest);
}

static void copy_sequence(const sequences *s, int64_t sequence, float *to)
{
    const double *values = s->values + s->starts[sequence] * s->width;
    for (int64_t i = 0; i < length_of(s, sequence) * s->width; i++)
        to[i] = (float)values[i];
}

static void fill(const selection *some, const padding *p, int64_t steps, float *x, float *y)
{
    const sequences *s = some->from;
    for (int64_t i = 0; i < some->count; i++, x += steps * s->width) {
        int64_t sequence = member(some, i), missing = steps - length_of(s, sequence);
        copy_sequence(s, sequence, x + (p->in_front ? missing * s->width : 0));
        y[i] = (float)s->labels[sequence];
    }
}

tl_dataset pad(const selection *some, const padding *p)
{
    tl_dataset data = {0};
    int64_t steps;
    if (check_steps(some, p, &steps) != TL_OK)
        return data;
    data.x = tl_tensor_new(TL_F32, tl_shape(some->count, steps, some->from->width));
    if (tl_tensor_ok(data.x))
        data.y = tl_tensor_new(TL_F32, tl_shape(some->count));
    if (tl_dataset_ok(data) && tl_tensor_fill(data.x, PADDING) == TL_OK)
        fill(some, p, steps, tl_data_mut(data.x), tl_data_mut(data.y));
    else
        tl_dataset_free(&data);
    return data;
}
