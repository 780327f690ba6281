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

typedef struct run {
    const options *o;
    classifier c;
    sequences all;   /* divided: some to learn from, validation included, and some to test on */
    int64_t *order;  /* of them, */
    int64_t learned; /* so many to learn from in front */
    sequences test;  /* to test on instead */
    sequences asked; /* to judge */
} run;

static void free_run(run *r)
{
    free_classifier(&r->c);
    free_sequences(&r->all);
    free_sequences(&r->test);
    free_sequences(&r->asked);
    free(r->order);
}

static selection part_to_learn(const run *r)
{
    return (selection){&r->all, r->order, r->learned};
}

static selection part_to_test(const run *r)
{
    if (r->o->test)
        return (selection){&r->test, NULL, r->test.count};
    return (selection){&r->all, r->order ? r->order + r->learned : NULL, r->all.count - r->learned};
}

static padding padding_of(const options *o)
{
    return (padding){.steps = o->pad_to, .in_front = strcmp(o->padding, "pre") == 0};
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
    fprintf(stderr, "Data: %s: sequences: %lld, steps: %lld to %lld, features: %lld\n", s->path,
            (long long)s->count, (long long)shortest, (long long)longest, (long long)s->width);
}

static tl_status read_file(const run *r, sequences *s, const char *path, bool labelled)
{
    const columns named = {r->o->id, r->o->label};
    tl_status status = read_sequences(s, path, &named, r->c.features, labelled);
    if (status == TL_OK)
        tell(s);
    return status;
}

static tl_status generate_all(run *r)
{
    if (generate(&r->all, r->o, r->c.seed) != TL_OK)
        return tl_error_status();
    tell(&r->all);
    return check_features(&r->all, r->c.features);
}

/* A loaded model is tested on the part that it did not learn from, which takes the same sequences to find. */
static tl_status check_division(const run *r)
{
    const classifier *c = &r->c;
    if (!r->o->training.load || (c->test_split > 0 && c->sequences == r->all.count))
        return TL_OK;
    return tl_error(
        TL_ERROR_ARGUMENT,
        "%s learned from %g %% of %lld sequences, these are %lld: expected the same ones, or --test FILE",
        r->o->training.load, 100 * (1 - c->test_split), (long long)c->sequences, (long long)r->all.count);
}

/* Reads or generates the sequences to divide, and divides them. */
static tl_status read_all(run *r)
{
    const char *path = r->o->csv;
    sequences *s = &r->all;
    if ((path ? read_file(r, s, path, true) : generate_all(r)) != TL_OK ||
        check_labels(&(selection){s, NULL, s->count}, s->path) != TL_OK || check_division(r) != TL_OK)
        return tl_error_status();
    r->c.sequences = s->count;
    r->order = mixed_order(s, r->c.seed);
    r->learned = s->count - (int64_t)round((double)s->count * r->c.test_split);
    return r->order ? TL_OK : tl_error_status();
}

/* All that the options ask for. What a new classifier reads first says which features it has. */
static tl_status read_sequences_of(run *r)
{
    const options *o = r->o;
    bool loaded = o->training.load != NULL;
    if ((!loaded || o->csv || !(o->test || o->predict)) && read_all(r) != TL_OK)
        return tl_error_status();
    if (!loaded)
        r->c.features = json_incref(r->all.features);
    if (o->test && read_file(r, &r->test, o->test, true) != TL_OK)
        return tl_error_status();
    if (o->predict && read_file(r, &r->asked, o->predict, false) != TL_OK)
        return tl_error_status();
    selection test = part_to_test(r);
    return test.from->count ? check_labels(&test, o->test ? o->test : "the test part") : TL_OK;
}

static tl_status scale_all(const run *r)
{
    const sequences *each[] = {&r->all, &r->test, &r->asked};
    for (int i = 0; i < 3; i++)
        if (scale(each[i], &r->c.scaling) != TL_OK)
            return tl_error_status();
    return TL_OK;
}

/* --- training, testing, judging --- */

static tl_status scale_by_training(run *r)
{
    selection some = part_to_learn(r);
    some.count = training_samples(&r->o->training, some.count);
    if (check_labels(&some, "the training part") != TL_OK || find_scaling(&r->c.scaling, &some) != TL_OK)
        return tl_error_status();
    return scale_all(r);
}

static tl_status fit(run *r, tl_dataset data)
{
    const training *t = &r->o->training;
    const training_plan plan = {.data = data, .monitor = "val_loss"};
    tl_optimizer *optimizer = training_optimizer(t, training_steps(t, tl_dataset_size(data)));
    if (build_classifier(&r->c, optimizer) == TL_OK && tl_summary(r->c.model, stdout) == TL_OK &&
        training_run(t, r->c.model, &plan))
        return TL_OK;
    return tl_error_status();
}

static int train(run *r)
{
    const char *path = r->o->training.save;
    const padding p = padding_of(r->o);
    const selection some = part_to_learn(r);
    if (scale_by_training(r) != TL_OK)
        return fail();
    tl_dataset data = pad(&some, &p);
    tl_status status = tl_dataset_ok(data) ? fit(r, data) : tl_error_status();
    tl_dataset_free(&data);
    if (status == TL_OK && path)
        status = save_classifier(&r->c, path);
    return status == TL_OK ? 0 : fail();
}

static tl_status report_test(const run *r, tl_dataset data, tl_tensor probabilities)
{
    tl_metrics metrics;
    double area = area_under_roc(probabilities, data.y);
    if (isnan(area) || tl_evaluate(r->c.model, data, 0, &metrics) != TL_OK)
        return tl_error_status();
    printf("test_loss: %.4f test_accuracy: %.4f test_auc: %.4f\n", metrics.loss,
           accuracy_of(probabilities, data.y), area);
    return TL_OK;
}

static tl_status report_asked(const run *r, tl_dataset data, tl_tensor probabilities)
{
    const float *p = tl_data(probabilities);
    for (int64_t i = 0; i < tl_dataset_size(data); i++)
        printf("%s: %.9g\n", id_of(&r->asked, i), (double)p[i]);
    return TL_OK;
}

/* Reports on the probabilities for some sequences; on none, nothing. */
static int judge(const run *r, const selection *some, tl_status (*report)(const run *, tl_dataset, tl_tensor))
{
    const padding p = padding_of(r->o);
    if (some->count == 0)
        return 0;
    tl_dataset data = pad(some, &p);
    tl_tensor probabilities = {0};
    if (tl_dataset_ok(data))
        probabilities = tl_predict(r->c.model, data.x, 0);
    tl_status status = tl_tensor_ok(probabilities) ? report(r, data, probabilities) : tl_error_status();
    tl_tensor_free(&probabilities);
    tl_dataset_free(&data);
    return status == TL_OK ? 0 : fail();
}

/* --- the program --- */

static int go(run *r)
{
    const training *t = &r->o->training;
    if ((t->save && tl_safetensors_writable(t->save) != TL_OK) ||
        (t->load && load_classifier(&r->c, t->load) != TL_OK) || read_sequences_of(r) != TL_OK)
        return fail();
    int status = !t->load ? train(r) : scale_all(r) == TL_OK ? 0 : fail();
    const selection test = part_to_test(r), asked = {&r->asked, NULL, r->asked.count};
    if (status == 0)
        status = judge(r, &test, report_test);
    if (status == 0)
        status = judge(r, &asked, report_asked);
    return status;
}

static int write_generated(const options *o)
{
    sequences s = {0};
    tl_status status = generate(&s, o, (uint64_t)o->training.seed);
    if (status == TL_OK)
        status = write_sequences(&s, o->generate);
    free_sequences(&s);
    return status == TL_OK ? 0 : fail();
}

static int start(const options *o)
{
    run r = {.o = o,
             .c = {.units = o->units,
                   .loss = strcmp(o->loss, "mse") == 0 ? TL_MEAN_SQUARED_ERROR : TL_BINARY_CROSSENTROPY,
                   .seed = (uint64_t)o->training.seed,
                   .test_split = o->test ? 0 : o->test_split}};
    int status = go(&r);
    free_run(&r);
    return status;
}

int main(int argc, const char **argv)
{
    options o;
    int status = read_options(&o, argc, argv);
    if (status == GO_ON) {
        if (tl_set_threads(o.training.threads) != TL_OK)
            status = fail();
        else
            status = o.generate ? write_generated(&o) : start(&o);
    }
    free_options(&o);
    return finish(status);
}
