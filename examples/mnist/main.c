/* Images named by a network that reads them row by row, or pixel by pixel: SimpleRNN -> Dense on MNIST, or on
 * Fashion-MNIST where that is not there. */
#include "network.h"
#include "report.h"

#include <stdio.h>

static int train(const options *o, const network *n, tl_model **model, const digits *d)
{
    const training *t = &o->training;
    const reading r = reading_of(n);
    tl_dataset data = samples_of(&d->train, &r);
    const training_plan plan = {.data = data, .monitor = "val_accuracy"};
    tl_optimizer *optimizer = training_optimizer(t, training_steps(t, tl_dataset_size(data)));
    *model = new_model(n, optimizer, (uint64_t)t->seed);
    if (!*model || tl_summary(*model, stdout) != TL_OK || !training_run(t, *model, &plan))
        return fail();
    return 0;
}

static int test(const options *o, const network *n, tl_model *model, const digits *d, tl_tensor pictures)
{
    enum { BATCH = 256 };
    const reading r = reading_of(n);
    tl_tensor predictions = tl_predict(model, samples_of(&d->test, &r).x, BATCH);
    if (!tl_tensor_ok(predictions))
        return fail();
    print_report(predictions, pictures, d->test.labels, d->names, o->show);
    tl_tensor_free(&predictions);
    return 0;
}

/* The test images before their pixels are put into another order. */
static tl_tensor copy_of(tl_tensor pixels)
{
    return tl_tensor_of(TL_F32, pixels.shape, tl_data(pixels));
}

static int run(const options *o)
{
    network n = network_of(o);
    digits d = {0};
    tl_model *model = NULL;
    tl_tensor pictures = {0};
    int status = 0;
    if (o->training.load && !(model = load_network(&n, o->training.load)))
        return fail();
    const reading r = reading_of(&n);
    if (training_check(&o->training) != TL_OK || read_digits(&d, o->data) != TL_OK ||
        !tl_tensor_ok(pictures = copy_of(d.test.pixels)))
        status = fail();
    if (status == 0) {
        rearrange(&d.train, &r);
        rearrange(&d.test, &r);
    }
    if (status == 0 && !model)
        status = train(o, &n, &model, &d);
    if (status == 0)
        status = test(o, &n, model, &d, pictures);
    if (status == 0 && o->training.save)
        status = save_network(&n, model, o->training.save) == TL_OK ? 0 : fail();
    tl_tensor_free(&pictures);
    tl_model_free(model);
    free_digits(&d);
    return status;
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
