/* Measuring gradient norms: a forward and a backward pass on a tape of their own, with a probe that keeps the
 * states of recurrent layers and has their gradients kept. */
#include "nn/gradients.h"
#include "autograd/trace_internal.h"
#include "nn/batch_internal.h"
#include "nn/model_internal.h"
#include "tensor/memory_internal.h"

#include <math.h>
#include <string.h>

/* The states of a layer that was seen. */
typedef struct seen_layer {
    const void *layer;
    tl_layer_gradients result;
    tl_var **states; /* [steps, TL_MAX_STATES]; NULL: none */
} seen_layer;

typedef struct watching {
    struct tl_probe probe;
    seen_layer *layers;
    int count;
} watching;

enum { NAME_SIZE = 192 };

static seen_layer *find_layer(const watching *w, const void *layer)
{
    for (int i = 0; i < w->count; i++)
        if (w->layers[i].layer == layer)
            return &w->layers[i];
    return NULL;
}

static seen_layer *add_layer(watching *w, const tl_probe_step *step)
{
    char name[NAME_SIZE];
    seen_layer *grown = tl_allocate((size_t)(w->count + 1) * sizeof *grown);
    if (!grown)
        return NULL;
    if (w->count > 0)
        memcpy(grown, w->layers, (size_t)w->count * sizeof *grown);
    tl_release(w->layers);
    w->layers = grown;
    seen_layer *new = &grown[w->count++];
    tl_scope_text(tl_tape_of(step->states[0])->scope, name, sizeof name);
    *new = (seen_layer){.layer = step->layer,
                        .result = {.name = tl_allocate_text(name),
                                   .steps = step->steps,
                                   .backwards = step->backwards,
                                   .norms = tl_allocate((size_t)step->steps * sizeof(double))},
                        .states = tl_allocate((size_t)step->steps * TL_MAX_STATES * sizeof(tl_var *))};
    return new->result.name &&new->result.norms &&new->states ? new : NULL;
}

static tl_status see(struct tl_probe *probe, const tl_probe_step *step)
{
    watching *w = (watching *)probe;
    const seen_layer *layer = find_layer(w, step->layer);
    if (!layer)
        layer = add_layer(w, step);
    if (!layer)
        return TL_ERROR_MEMORY;
    for (int i = 0; i < step->count; i++)
        layer->states[step->t * TL_MAX_STATES + i] = tl_retain_grad(step->states[i]);
    return TL_OK;
}

static void free_layer(tl_layer_gradients *layer)
{
    tl_release(layer->name);
    tl_release(layer->norms);
}

static void stop_watching(watching *w)
{
    for (int i = 0; i < w->count; i++) {
        tl_release(w->layers[i].states);
        free_layer(&w->layers[i].result);
    }
    tl_release(w->layers);
}

/* --- Norms --- */

/* A sum of squares, as the square of a scale times a sum, so that it neither overflows nor vanishes. */
typedef struct norm {
    double scale, sum;
} norm;

static void add_square(norm *n, double value)
{
    value = fabs(value);
    if (!(value > n->scale)) {
        n->sum += n->scale > 0 ? value / n->scale * (value / n->scale) : value; /* 0, or NaN */
        return;
    }
    n->sum = n->scale > 0 ? 1 + n->sum * (n->scale / value) * (n->scale / value) : 1 + n->sum;
    n->scale = value;
}

static double value_of(norm n)
{
    return isinf(n.scale) ? n.scale : n.scale > 0 ? n.scale * sqrt(n.sum) : n.sum;
}

static void add_tensor(norm *n, tl_tensor t)
{
    if (t.shape.rank == 0) {
        add_square(n, tl_tensor_item(t));
        return;
    }
    const int64_t last = t.shape.dims[t.shape.rank - 1], stride = t.strides[t.shape.rank - 1];
    if (t.shape.rank > 1) {
        for (int64_t i = 0; i < t.shape.dims[0]; i++)
            add_tensor(n, tl_tensor_select(t, 0, i));
        return;
    }
    const void *data = tl_address(t);
    for (int64_t i = 0; i < last; i++)
        add_square(n, t.dtype == TL_F32 ? (double)((const float *)data)[i * stride]
                                        : ((const double *)data)[i * stride]);
}

/* Adds what reached a var, if anything can. */
static tl_status add_gradient(norm *n, tl_var *x)
{
    if (!x->needs_gradient)
        return TL_OK;
    tl_tensor gradient = tl_grad(x);
    if (!gradient.storage)
        return tl_error_status();
    add_tensor(n, gradient);
    return TL_OK;
}

/* Of the states behind step t; one that is there twice counts once. */
static tl_status measure_step(const seen_layer *layer, int64_t t)
{
    tl_var *const *states = layer->states + t * TL_MAX_STATES;
    norm n = {0};
    for (int i = 0; i < TL_MAX_STATES && states[i]; i++) {
        int j = 0;
        while (states[j] != states[i])
            j++;
        if (j == i && add_gradient(&n, states[i]) != TL_OK)
            return tl_error_status();
    }
    layer->result.norms[t] = value_of(n);
    return TL_OK;
}

static tl_status measure_layers(watching *w, tl_gradient_norms *norms)
{
    norms->layers = tl_allocate((size_t)(w->count + 1) * sizeof *norms->layers);
    if (!norms->layers)
        return TL_ERROR_MEMORY;
    for (int i = 0; i < w->count; i++) {
        tl_layer_gradients *result = &w->layers[i].result;
        for (int64_t t = 0; t < result->steps; t++)
            if (measure_step(&w->layers[i], t) != TL_OK)
                return tl_error_status();
        result->flow = tl_flow_judge(result->name, result->norms, result->steps, result->backwards);
        norms->layers[norms->layer_count++] = *result;
        *result = (tl_layer_gradients){0}; /* the name and the norms have a new owner */
    }
    return TL_OK;
}

static tl_status measure_parameters(const tl_model *model, tl_tape *tape, tl_gradient_norms *norms)
{
    norms->parameters = tl_allocate((size_t)model->parameter_count * sizeof *norms->parameters);
    if (!norms->parameters)
        return TL_ERROR_MEMORY;
    for (int i = 0; i < model->parameter_count; i++) {
        tl_parameter *parameter = model->parameters[i];
        tl_var *leaf = tl_use(tape, parameter);
        norm gradient = {0}, value = {0};
        if (!leaf || add_gradient(&gradient, leaf) != TL_OK)
            return tl_error_status();
        add_tensor(&value, parameter->value);
        char *name = tl_allocate_text(parameter->name);
        if (!name)
            return TL_ERROR_MEMORY;
        norms->parameters[norms->parameter_count++] =
            (tl_parameter_gradient){.name = name, .gradient = value_of(gradient), .value = value_of(value)};
    }
    return TL_OK;
}

/* --- The pass --- */

/* x as the model takes it; made for the tape if that is another type. */
static tl_var *input(const tl_model *model, tl_tape *tape, tl_tensor x)
{
    if (x.dtype == TL_I32 || x.dtype == model->dtype)
        return tl_input(tape, x);
    tl_var *converted = tl_zeros(tape, model->dtype, x.shape);
    return converted && tl_tensor_copy(tl_value(converted), x) == TL_OK ? converted : NULL;
}

/* Backward from the mean of what the mask has not left out. */
static tl_status differentiate(tl_var *rows, tl_tensor weights, double *loss)
{
    double sum = 0, weighed = 0;
    const tl_tensor values = tl_value(rows);
    const tl_shape all = {.rank = 1, .dims = {tl_tensor_count(values)}};
    tl_tensor value = tl_tensor_reshape(values, all), weight = tl_tensor_reshape(weights, all);
    for (int64_t i = 0; i < all.dims[0]; i++) {
        const double share = tl_tensor_at(weight, &i);
        weighed += share;
        sum += share != 0 ? share * tl_tensor_at(value, &i) : 0;
    }
    for (int64_t i = 0; i < all.dims[0]; i++)
        tl_tensor_fill(tl_tensor_select(weight, 0, i), weighed > 0 ? tl_tensor_at(weight, &i) / weighed : 0);
    *loss = sum / weighed;
    return tl_backward_from(rows, weights);
}

static tl_status run(tl_model *model, tl_tape *tape, tl_tensor x, tl_tensor y, tl_gradient_norms *norms)
{
    watching w = {.probe = {.see = see}};
    tape->keeps = true; /* parameters' own gradients stay as they are */
    tl_tape_set_random(tape, model->seed, (uint64_t)tl_optimizer_steps(model->optimizer), 0);
    tl_tape_set_probe(tape, &w.probe);
    tl_var *prediction = tl_forward(model, input(model, tape, x)), *target = tl_input(tape, y);
    tl_var *rows = prediction && target ? tl_batch_loss_rows(model, prediction, target) : NULL;
    tl_var *weights = rows ? tl_batch_row_weights(prediction, rows) : NULL;
    tl_status status = weights ? differentiate(rows, tl_value(weights), &norms->loss) : tl_error_status();
    if (status == TL_OK)
        status = measure_layers(&w, norms);
    if (status == TL_OK)
        status = measure_parameters(model, tape, norms);
    stop_watching(&w);
    return status;
}

static tl_status check(tl_model *model, tl_tensor x, tl_tensor y)
{
    if (tl_model_check("gradient_norms", model, true, false) != TL_OK ||
        tl_batch_check_rows("gradient_norms", x, y) != TL_OK)
        return tl_error_status();
    const tl_batch_run batch = {.model = model, .data = {.x = x, .y = y}};
    return tl_build_for(model, x.shape, 0) == TL_OK ? tl_batch_start(&batch) : tl_error_status();
}

tl_gradient_norms *tl_gradient_norms_of(tl_model *model, tl_tensor x, tl_tensor y)
{
    if (check(model, x, y) != TL_OK)
        return NULL;
    tl_gradient_norms *norms = tl_allocate(sizeof *norms);
    tl_tape *tape = tl_tape_new();
    tl_status status = norms && tape ? run(model, tape, x, y, norms) : tl_error_status();
    tl_tape_free(tape);
    if (status == TL_OK)
        return norms;
    tl_gradient_norms_free(norms);
    return NULL;
}

void tl_gradient_norms_free(tl_gradient_norms *norms)
{
    if (!norms)
        return;
    for (int i = 0; i < norms->layer_count; i++)
        free_layer(&norms->layers[i]);
    for (int i = 0; i < norms->parameter_count; i++)
        tl_release(norms->parameters[i].name);
    tl_release(norms->layers);
    tl_release(norms->parameters);
    tl_release(norms);
}
