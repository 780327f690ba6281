/* Gradients that vanish and explode: a SimpleRNN has to recall the first of 200 steps. How far back its
 * gradients reach before training is measured and drawn for four kinds of recurrent weights, then each is
 * trained, without clipping and with it. */
#include "../common/command.h"
#include "../common/output.h"
#include "starts.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { SAMPLES = 512, TESTED = 256, MEASURED = 64 };

typedef struct options {
    int steps, units, epochs, threads, trace_nan;
    long long seed;
    double clip;
    char *svg;
} options;

static const char *find_mistake(const void *given, char text[], size_t size)
{
    const options *o = given;
    const range ranges[] = {{"steps", o->steps, 2, 10000},
                            {"units", o->units, 1, 4096},
                            {"epochs", o->epochs, 1, INT_MAX},
                            {"clip", o->clip, DBL_MIN, DBL_MAX},
                            {"seed", (double)o->seed, 0, (double)LLONG_MAX},
                            {"threads", o->threads, 0, 1024}};
    return find_out_of_range(ranges, sizeof ranges / sizeof ranges[0], text, size);
}

static int read_options(options *o, int argc, const char **argv)
{
    *o = (options){.steps = 200, .units = 32, .epochs = 10, .clip = 1};
    const struct poptOption table[] = {
        {"steps", 0, POPT_ARG_INT | POPT_ARGFLAG_SHOW_DEFAULT, &o->steps, 0, "of a sequence", "N"},
        {"units", 0, POPT_ARG_INT | POPT_ARGFLAG_SHOW_DEFAULT, &o->units, 0, "of the network", "N"},
        {"epochs", 0, POPT_ARG_INT | POPT_ARGFLAG_SHOW_DEFAULT, &o->epochs, 0, "times through the data", "N"},
        {"clip", 0, POPT_ARG_DOUBLE | POPT_ARGFLAG_SHOW_DEFAULT, &o->clip, 0,
         "the largest norm of all gradients together, where they are clipped", "NORM"},
        {"seed", 0, POPT_ARG_LONGLONG | POPT_ARGFLAG_SHOW_DEFAULT, &o->seed, 0, "of all that is random", "N"},
        {"svg", 0, POPT_ARG_STRING, &o->svg, 0, "also draw the norms into this SVG file", "FILE"},
        {"trace-nan", 0, POPT_ARG_NONE, &o->trace_nan, 0,
         "where a training ends in NaN, say which op it came from", NULL},
        {"threads", 0, POPT_ARG_INT, &o->threads, 0,
         "threads to use (default: all cores; no result depends on it)", "N"},
        POPT_AUTOHELP POPT_TABLEEND};
    const command c = {.name = "gradients",
                       .usage = "[OPTION...]\nMeasures how far back gradients of recurrent networks reach.\n",
                       .options = table,
                       .find_mistake = find_mistake,
                       .given = o};
    return read_command(&c, argc, argv);
}

/* --- Before training --- */

/* NULL with the error set. */
static tl_gradient_norms *measure(const start *s, const options *o, const recall *data)
{
    tl_model *model = start_model(s, o->units, o->steps, (uint64_t)o->seed, 0, TL_F64);
    tl_gradient_norms *norms = tl_gradient_norms_of(model, tl_tensor_slice(data->x, 0, 0, MEASURED),
                                                    tl_tensor_slice(data->y, 0, 0, MEASURED));
    tl_model_free(model);
    return norms;
}

static tl_status draw(const options *o, tl_gradient_norms *const norms[])
{
    tl_plot_line lines[STARTS];
    for (int i = 0; i < STARTS; i++)
        lines[i] = (tl_plot_line){starts[i].name, norms[i]->layers[0].norms};
    const tl_plot plot = {.title = "||dL/dh_t|| by time step t, before training",
                          .count = o->steps,
                          .lines = lines,
                          .line_count = STARTS,
                          .logarithmic = true};
    tl_status status = tl_plot_print(&plot, stdout);
    return status == TL_OK && o->svg ? save_plot(&plot, o->svg) : status;
}

static tl_status look(const options *o, const recall *data)
{
    tl_gradient_norms *norms[STARTS] = {0};
    tl_status status = TL_OK;
    for (int i = 0; i < STARTS && status == TL_OK; i++) {
        norms[i] = measure(&starts[i], o, data);
        status = norms[i] ? TL_OK : tl_error_status();
        if (status == TL_OK) {
            const double *n = norms[i]->layers[0].norms;
            const tl_flow_report flow = tl_flow_judge(starts[i].name, n, o->steps, false);
            printf("%s\n", flow.message);
        }
    }
    puts("");
    if (status == TL_OK)
        status = draw(o, norms);
    for (int i = 0; i < STARTS; i++)
        tl_gradient_norms_free(norms[i]);
    return status;
}

/* --- Training --- */

/* Prints what training comes to. NaN is no failure here, but what is to be shown. */
static tl_status train(const start *s, const options *o, const recall *data, const recall *test, double clip)
{
    tl_model *model = start_model(s, o->units, o->steps, (uint64_t)o->seed, clip, TL_F32);
    tl_model_set_detect_anomaly(model, o->trace_nan);
    tl_history *history =
        tl_fit(model, tl_dataset_of(data->x, data->y), .epochs = o->epochs,
               .validation_data = tl_dataset_of(test->x, test->y), .seed = (uint64_t)o->seed);
    printf("%s, %s: ", s->name, clip > 0 ? "clipped" : "not clipped");
    if (!history && tl_error_status() != TL_ERROR_NUMERIC) {
        tl_model_free(model);
        return tl_error_status();
    }
    if (!history)
        printf("%s\n", tl_error_message());
    else if (!isfinite(history->epochs[o->epochs - 1].train.loss))
        printf("the loss is not a number any more\n");
    else
        printf("loss %.4f, test accuracy %.3f\n", history->epochs[o->epochs - 1].train.loss,
               history->epochs[o->epochs - 1].validation.accuracy);
    tl_history_free(history);
    tl_model_free(model);
    return TL_OK;
}

static tl_status train_all(const options *o, const recall *data, const recall *test)
{
    printf("\nAfter %d epochs of SGD:\n", o->epochs);
    for (int i = 0; i < STARTS; i++)
        if (train(&starts[i], o, data, test, 0) != TL_OK ||
            train(&starts[i], o, data, test, o->clip) != TL_OK)
            return tl_error_status();
    return TL_OK;
}

static tl_status run(const options *o)
{
    recall data = {0}, test = {0};
    tl_status status = recall_new(&data, SAMPLES, o->steps, (uint64_t)o->seed, 0);
    if (status == TL_OK)
        status = recall_new(&test, TESTED, o->steps, (uint64_t)o->seed, 1);
    if (status == TL_OK)
        status = look(o, &data);
    if (status == TL_OK)
        status = train_all(o, &data, &test);
    recall_free(&data);
    recall_free(&test);
    return status;
}

int main(int argc, const char **argv)
{
    options o;
    int status = read_options(&o, argc, argv);
    if (status == GO_ON)
        status = (o.threads > 0 && tl_set_threads(o.threads) != TL_OK) || check_output(o.svg) != TL_OK ||
                         run(&o) != TL_OK
                     ? fail()
                     : 0;
    free(o.svg);
    return finish(status);
}
