/* What is written of gradient norms: sentences, a plot, tables. */
#include "nn/gradients.h"
#include "nn/plot.h"
#include "nn/run_log_internal.h"
#include "tensor/error_internal.h"
#include "tensor/memory_internal.h"

#include <math.h>

/* A plot of the layers, whose lines are to be released; without lines where no layer has steps. */
typedef struct picture {
    tl_plot plot;
    tl_plot_line lines[TL_PLOT_LINES];
    double *values;
} picture;

static tl_status draw(const tl_gradient_norms *norms, picture *p)
{
    const int count = norms->layer_count < TL_PLOT_LINES ? norms->layer_count : TL_PLOT_LINES;
    int64_t steps = 0;
    for (int i = 0; i < count; i++)
        steps = norms->layers[i].steps > steps ? norms->layers[i].steps : steps;
    *p = (picture){.plot = {.title = "||dL/dh_t|| by time step t", .count = steps, .logarithmic = true}};
    p->values = tl_allocate((size_t)(count * steps + 1) * sizeof *p->values);
    if (!p->values)
        return TL_ERROR_MEMORY;
    for (int i = 0; i < count && steps > 0; i++) {
        const tl_layer_gradients *layer = &norms->layers[i];
        double *line = p->values + i * steps;
        for (int64_t t = 0; t < steps; t++)
            line[t] = t < layer->steps ? layer->norms[t] : (double)NAN;
        p->lines[p->plot.line_count++] = (tl_plot_line){layer->name, line};
    }
    p->plot.lines = p->lines;
    return TL_OK;
}

static tl_status written(FILE *to)
{
    return ferror(to) ? tl_error(TL_ERROR_IO, "gradient_norms: the file cannot be written") : TL_OK;
}

tl_status tl_gradient_norms_print(const tl_gradient_norms *norms, FILE *to)
{
    picture p;
    if (!norms || !to)
        return tl_missing("gradient_norms", norms ? "file" : "norms");
    if (draw(norms, &p) != TL_OK)
        return TL_ERROR_MEMORY;
    for (int i = 0; i < norms->layer_count; i++)
        fprintf(to, "%s\n", norms->layers[i].flow.message);
    tl_status status = p.plot.line_count > 0 ? tl_plot_print(&p.plot, to) : TL_OK;
    fprintf(to, "%-36s %12s %12s\n", "parameter", "||gradient||", "||value||");
    for (int i = 0; i < norms->parameter_count; i++) {
        const tl_parameter_gradient *parameter = &norms->parameters[i];
        fprintf(to, "%-36s %12.4g %12.4g\n", parameter->name, parameter->gradient, parameter->value);
    }
    tl_release(p.values);
    return status == TL_OK ? written(to) : status;
}

tl_status tl_gradient_norms_svg(const tl_gradient_norms *norms, FILE *to)
{
    picture p;
    if (!norms || !to)
        return tl_missing("gradient_norms", norms ? "file" : "norms");
    if (draw(norms, &p) != TL_OK)
        return TL_ERROR_MEMORY;
    tl_status status = p.plot.line_count > 0
                           ? tl_plot_svg(&p.plot, to)
                           : tl_error(TL_ERROR_ARGUMENT, "gradient_norms: no recurrent layer to draw");
    tl_release(p.values);
    return status;
}

/* --- The log of a training --- */

typedef struct gradient_log {
    tl_callback callback;
    tl_run_log log;
    tl_tensor x, y;
} gradient_log;

static const char log_header[] = "epoch,loss";

static void write_header(const tl_gradient_norms *norms, FILE *to)
{
    fputs(log_header, to);
    for (int i = 0; i < norms->layer_count; i++)
        fprintf(to, ",%s first step,%s last step", norms->layers[i].name, norms->layers[i].name);
    for (int i = 0; i < norms->parameter_count; i++)
        fprintf(to, ",%s", norms->parameters[i].name);
    fputc('\n', to);
}

static void write_line(const tl_gradient_norms *norms, int epoch, FILE *to)
{
    fprintf(to, "%d,%.9g", epoch, norms->loss);
    for (int i = 0; i < norms->layer_count; i++)
        fprintf(to, ",%.9g,%.9g", norms->layers[i].flow.first, norms->layers[i].flow.last);
    for (int i = 0; i < norms->parameter_count; i++)
        fprintf(to, ",%.9g", norms->parameters[i].gradient);
    fputc('\n', to);
}

static tl_status log_epoch(gradient_log *g, tl_model *model, int epoch, bool anew)
{
    tl_gradient_norms *norms = tl_gradient_norms_of(model, g->x, g->y);
    if (!norms)
        return tl_error_status();
    if (anew)
        write_header(norms, g->log.file);
    write_line(norms, epoch, g->log.file);
    tl_gradient_norms_free(norms);
    return tl_run_log_line(&g->log);
}

/* The epoch before the first is 0. */
static tl_status log_begin(tl_callback *callback, struct tl_model *model)
{
    gradient_log *g = (gradient_log *)callback;
    bool anew;
    if (tl_run_log_open(&g->log, log_header, &anew) != TL_OK)
        return tl_error_status();
    return anew ? log_epoch(g, model, 0, true) : TL_OK;
}

static tl_status log_remember(tl_callback *callback, struct tl_model *model, tl_memory *memory)
{
    (void)model;
    return tl_run_log_remember(&((gradient_log *)callback)->log, memory, "gradient_log/lines");
}

static tl_status log_epoch_end(tl_callback *callback, struct tl_model *model, const tl_epoch *epoch,
                               bool *stop)
{
    (void)stop;
    return log_epoch((gradient_log *)callback, model, epoch->epoch, false);
}

static tl_status log_end(tl_callback *callback, struct tl_model *model)
{
    (void)model;
    return tl_run_log_close(&((gradient_log *)callback)->log);
}

static void log_free(tl_callback *callback)
{
    tl_run_log_free(&((gradient_log *)callback)->log);
    tl_release(callback);
}

tl_callback *tl_gradient_log(const char *path, tl_tensor x, tl_tensor y)
{
    if (!path || !x.storage || !y.storage) {
        tl_missing("gradient_log", !path ? "path" : !x.storage ? "x" : "y");
        return NULL;
    }
    gradient_log *g = tl_allocate(sizeof *g);
    if (!g)
        return NULL;
    g->callback = (tl_callback){.begin = log_begin,
                                .epoch_end = log_epoch_end,
                                .end = log_end,
                                .free = log_free,
                                .remember = log_remember};
    g->x = x;
    g->y = y;
    if (tl_run_log_start(&g->log, "gradient_log", path) == TL_OK)
        return &g->callback;
    log_free(&g->callback);
    return NULL;
}
