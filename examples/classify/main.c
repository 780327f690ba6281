/* Sequences of feature vectors, of one kind or the other: trains Masking -> SimpleRNN -> Dense on those of a
 * CSV file, or on generated ones in which the order of two events decides, and judges others with it. */
#include "classifier.h"
#include "generated.h"
#include "options.h"
#include "report.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BATCH = 256 }; /* of sequences that nothing is learned from */

typedef struct run {
    const options *o;
    classifier c;
    sequences all;    /* divided: some to learn from, validation included, and some to test on */
    int64_t *order;   /* of them, */
    int64_t learned;  /* so many to learn from in front */
    sequences test;   /* to test on instead */
    sequences asked;  /* to judge */
} run;

static void free_run(run *r)
{
    free_classifier(&r->c);
    free_sequences(&r->all);
    free_sequences(&r->test);
    free_sequences(&r->asked);
    free(r->order);
}

static bool has_all(const options *o)
{
    return !o->training.load || o->csv || !(o->test || o->predict);
}

static selection part_to_learn(const run *r)
{
    return (selection){&r->all, r->order, r->learned};
}

static selection part_to_test(const run *r)
{
    if (r->o->test)
        return (selection){&r->test, NULL, r->test.count};
    return (selection){&r->all, r->order + r->learned, r->all.count - r->learned};
}

/* --- reading --- */

static tl_status generate(sequences *s, const options *o, uint64_t seed)
{
    const design d = {.count = o->sequences, .time = o->time, .width = o->features, .seed = seed};
    return generate_sequences(s, &d);
}

static void tell(const sequences *s)
{
    int64_t shortest = length_of(s, 0), longest = shortest;
    for (int64_t i = 1; i < s->count; i++) {
        int64_t length = length_of(s, i);
        shortest = length < shortest ? length : shortest;
        longest = length > longest ? length : longest;
    }
    fprintf(stderr, "Data: %s: %lld sequences of %lld to %lld steps of %lld features\n", s->path,
            (long long)s->count, (long long)shortest, (long long)longest, (long long)s->width);
}

static tl_status read_file(const run *r, sequences *s, const char *path, bool labelled)
{
    const columns named = {r->o->id, r->o->label};
    if (read_sequences(s, path, &named, labelled) != TL_OK)
        return tl_error_status();
    tell(s);
    return r->c.features ? check_features(s, r->c.features) : TL_OK;
}

static tl_status read_all(run *r)
{
    const options *o = r->o;
    if (o->csv ? read_file(r, &r->all, o->csv, true) != TL_OK
               : generate(&r->all, o, r->c.seed) != TL_OK)
        return tl_error_status();
}
