/* A recurrent cell of one's own beside the library's: GRU -> Dense and SimpleRNN -> Dense, both of so many
 * units, learn to remember two numbers of a long sequence and to add them. Then the GRU with all that tl_rnn
 * gives. */
#include "network.h"
#include "options.h"
#include "show.h"

#include <stdio.h>

/* Mean squared, on the test set. */
typedef struct errors {
    double constant; /* of whoever always answers 1, the mean: about 1/6 */
    double simple_rnn, gru;
} errors;

static double constant_error(tl_dataset test)
{
    const float *y = tl_data(test.y);
    int64_t count = tl_dataset_size(test);
    double sum = 0;
    for (int64_t i = 0; i < count; i++)
        sum += (y[i] - 1.0) * (y[i] - 1.0);
    return sum / (double)count;
}

static tl_status measure(tl_model *model, tl_dataset test, double *error)
{
    tl_metrics metrics;
    tl_status status = model ? tl_evaluate(model, test, 0, &metrics) : tl_error_status();
    if (status == TL_OK)
        *error = metrics.loss;
    return status;
}

/* Trains a network. NULL with the error set; the caller frees it. */
static tl_model *train(const training *t, tl_model *network, tl_dataset data)
{
    const training_plan plan = {.data = data, .monitor = "val_loss"};
    tl_optimizer *optimizer = training_optimizer(t, training_steps(t, tl_dataset_size(data)));
    tl_model *model = ready(network, optimizer, TL_F32, (uint64_t)t->seed);
    if (model && tl_summary(model, stdout) == TL_OK && training_run(t, model, &plan))
        return model;
    tl_model_free(model);
    return NULL;
}

/* Trains both, SimpleRNN first; gives the GRU's model. */
static tl_status train_both(const options *o, tl_dataset test, errors *e, tl_model **model)
{
    training unlogged = o->training; /* --log is for the GRU */
    unlogged.log = NULL;
    tl_dataset data = tl_adding_problem(o->samples, o->time, (uint64_t)o->training.seed);
    tl_status status = tl_dataset_ok(data) ? TL_OK : tl_error_status();
    if (status == TL_OK) {
        tl_model *simple = train(&unlogged, tl_sequential(tl_simple_rnn(o->units), tl_dense(1)), data);
        status = measure(simple, test, &e->simple_rnn);
        tl_model_free(simple);
    }
    if (status == TL_OK) {
        *model = train(&o->training, gru_network(o->units), data);
        status = measure(*model, test, &e->gru);
    }
    tl_dataset_free(&data);
    return status;
}

static tl_status load(const options *o, tl_dataset test, errors *e, tl_model **model)
{
    *model = load_network(o->training.load);
    return measure(*model, test, &e->gru);
}

/* Prints the errors, and says whether the GRU's is small enough. */
static tl_status judge(const errors *e, const options *o)
{
    printf("constant_mse: %.5f\n", e->constant);
    if (!o->training.load)
        printf("simple_rnn_mse: %.5f\n", e->simple_rnn);
    printf("gru_mse: %.5f\n", e->gru);
    if (e->gru * o->factor <= e->constant)
        return TL_OK;
    return tl_error(TL_ERROR_NUMERIC,
                    "the GRU's error of %.5f is not %g times below the constant answer's, %.5f", e->gru,
                    o->factor, e->constant);
}

static tl_status run(const options *o)
{
    enum { TEST_SAMPLES = 5000 };
    const uint64_t test_seed = UINT64_MAX; /* which --seed cannot be */
    const training *t = &o->training;
    if (t->save && tl_safetensors_writable(t->save) != TL_OK)
        return tl_error_status();
    tl_dataset test = tl_adding_problem(TEST_SAMPLES, o->time, test_seed);
    if (!tl_dataset_ok(test))
        return tl_error_status();
    tl_model *model = NULL;
    errors e = {.constant = constant_error(test)};
    tl_status status = (t->load ? load : train_both)(o, test, &e, &model);
    if (status == TL_OK && t->save)
        status = save_network(model, o->units, t->save);
    if (status == TL_OK)
        status = judge(&e, o);
    if (status == TL_OK && !t->load)
        status = show_variants((uint64_t)t->seed);
    tl_model_free(model);
    tl_dataset_free(&test);
    return status;
}

int main(int argc, const char **argv)
{
    options o;
    int status = read_options(&o, argc, argv);
    if (status == GO_ON)
        status = tl_set_threads(o.training.threads) == TL_OK && run(&o) == TL_OK ? 0 : fail();
    free_options(&o);
    return finish(status);
}
