#include "report.h"

#include <math.h>
#include <stdlib.h>

double accuracy_of(tl_tensor probabilities, tl_tensor labels)
{
    const float *p = tl_data(probabilities), *y = tl_data(labels);
    int64_t count = tl_tensor_count(labels), right = 0;
    for (int64_t i = 0; i < count; i++)
        right += (p[i] > 0.5F) == (y[i] > 0.5F);
    return (double)right / (double)count;
}

typedef struct judgement {
    float probability, label;
} judgement;

static int compare(const void *left, const void *right)
{
    const judgement *a = left, *b = right;
    return (a->probability > b->probability) - (a->probability < b->probability);
}

/* Goes through the judgements, sorted, by groups of one probability. */
static double area(const judgement *sorted, int64_t count)
{
    double zeros = 0, ones = 0, pairs = 0; /* so far, and pairs of them in the right order */
    for (int64_t start = 0, i = 0; start < count; start = i) {
        double group[2] = {0, 0};
        for (; i < count && sorted[i].probability <= sorted[start].probability; i++)
            group[sorted[i].label > 0.5F]++;
        pairs += group[1] * (zeros + group[0] / 2);
        zeros += group[0];
        ones += group[1];
    }
    return pairs / (zeros * ones);
}

static bool has_numbers(const judgement *all, int64_t count)
{
    for (int64_t i = 0; i < count; i++)
        if (isnan(all[i].probability))
            return false;
    return true;
}

double area_under_roc(tl_tensor probabilities, tl_tensor labels)
{
    const float *p = tl_data(probabilities), *y = tl_data(labels);
    int64_t count = tl_tensor_count(labels);
    judgement *all = calloc((size_t)count, sizeof *all);
    double found = (double)NAN;
    if (!all) {
        tl_error(TL_ERROR_MEMORY, "out of memory to sort %lld probabilities", (long long)count);
        return found;
    }
    for (int64_t i = 0; i < count; i++)
        all[i] = (judgement){p[i], y[i]};
    if (has_numbers(all, count)) {
        qsort(all, (size_t)count, sizeof *all, compare);
        found = area(all, count);
    } else {
        tl_error(TL_ERROR_NUMERIC, "a probability is not a number: training went astray");
    }
    free(all);
    return found;
}
