/* Text learned character by character: stateful SimpleRNNs trained by truncated backpropagation through time
 * on tiny Shakespeare, a file, or this library's own source code; then they write. */
#include "text.h"
#include "writer.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static network network_of(const options *o)
{
    return (network){.units = o->units,
                     .layers = o->layers,
                     .embedding = o->embedding == NOT_GIVEN ? o->units : o->embedding,
                     .dropout = o->dropout,
                     .recurrent_dropout = o->recurrent_dropout,
                     .initializer = tl_initializer_by_name(o->initializer)};
}

/* Finds out before training, not after it, whether what follows will work. */
static tl_status check_plans(const options *o, const tl_alphabet *alphabet)
{
    tl_tensor prime = {0};
    if (training_check(&o->training) != TL_OK)
        return tl_error_status();
    if (!o->prime || !*o->prime)
        return TL_OK;
    prime = tl_alphabet_encode(alphabet, o->prime, strlen(o->prime));
    tl_status status = tl_tensor_ok(prime) ? TL_OK : tl_error_status();
    tl_tensor_free(&prime);
    return status;
}

/* Of the training part, which is whole batches. */
static int64_t steps_of(const training *t, tl_dataset train)
{
    return tl_dataset_size(train) / t->batch_size * t->epochs;
}

static tl_status report(const options *o, const writer *w, tl_dataset validation)
{
    tl_metrics m;
    if (!tl_dataset_ok(validation))
        return TL_OK;
    if (tl_evaluate(w->model, validation, o->training.batch_size, &m) != TL_OK)
        return tl_error_status();
    printf("val_loss: %.4f bits_per_character: %.4f perplexity: %.3f\n", m.loss, m.loss / log(2),
           exp(m.loss));
    return TL_OK;
}

static tl_status train(const options *o, writer *w, const text *source)
{
    const training *t = &o->training;
    corpus c = {0};
    w->network = network_of(o);
    w->alphabet = tl_alphabet_from_text(source->bytes, source->size, .by_bytes = o->bytes);
    tl_status status = w->alphabet ? check_plans(o, w->alphabet) : tl_error_status();
    if (status == TL_OK)
        status = make_corpus(&c, source, w->alphabet, o);
    if (status == TL_OK)
        status = build_writer(w, training_optimizer(t, steps_of(t, c.train)), (uint64_t)t->seed);
    if (status == TL_OK)
        status = tl_summary(w->model, stdout);
    const training_plan plan = {
        .data = c.train, .validation = c.validation, .in_order = true, .monitor = "val_loss"};
    if (status == TL_OK)
        status = training_run(t, w->model, &plan) ? report(o, w, c.validation) : tl_error_status();
    free_corpus(&c);
    return status;
}

static tl_status train_new(const options *o, writer *w)
{
    text source = {0};
    tl_status status = read_text(&source, o);
    if (status == TL_OK)
        status = train(o, w, &source);
    if (status == TL_OK && o->training.save)
        status = save_writer(w, o->training.save);
    free_text(&source);
    return status;
}

static int run(const options *o)
{
    writer w = {0};
    const char *load = o->training.load;
    const taste t = {o->temperature, o->top_k, (uint64_t)o->training.seed};
    tl_status status = load ? load_writer(&w, load) : train_new(o, &w);
    if (status == TL_OK && o->sample > 0)
        status = write_sample(&w, o->prime, o->sample, &t);
    free_writer(&w);
    return status == TL_OK ? 0 : fail();
}

int main(int argc, const char **argv)
{
    options o;
    int status = read_options(&o, argc, argv);
    if (status == GO_ON)
        status = tl_set_threads(o.training.threads) == TL_OK ? run(&o) : fail();
    free_options(&o);
    return finish(status);
}
