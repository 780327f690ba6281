#include "nn/batch_internal.h"
#include "autograd/trace_internal.h"
#include "nn/model_internal.h"
#include "tensor/compute_internal.h"
#include "tensor/memory_internal.h"
#include "tensor/tensor_internal.h"

#include <math.h>
#include <string.h>

static bool records(const tl_batch_run *run)
{
    return run->mode == TL_BATCH_TRAIN || run->mode == TL_BATCH_DIFFERENTIATE;
}

/* Whether layers are in training mode. */
static bool trains(const tl_batch_run *run)
{
    return records(run) || run->mode == TL_BATCH_MEASURE;
}

/* Sequences lie time-major, so that a step is one stretch: ids [n, time] and features [n, time, features]. */
static void lay_out(tl_tensor *rows)
{
    tl_shape shape = rows->shape;
    tl_tensor_set_row_major(rows);
    bool sequence = (shape.rank == 2 && rows->dtype == TL_I32) || shape.rank == 3;
    if (!sequence)
        return;
    int64_t features = shape.rank == 3 ? shape.dims[2] : 1;
    rows->strides[0] = features;
    rows->strides[1] = shape.dims[0] * features;
}

static int64_t sample_at(const tl_batch_run *run, int64_t i)
{
    return run->order ? run->order[i] : i;
}

/* Copies sequences of features step by step, as rows of a table, where they lie like one. False, with nothing
 * done, where they do not, or where a step is too small to be worth it. */
static bool take_steps(const tl_batch_run *run, tl_tape *tape, tl_tensor source, int64_t first, tl_tensor to)
{
    enum { SMALL = 8 };
    if (to.shape.rank != 3 || source.dtype != to.dtype || to.shape.dims[2] < SMALL || source.strides[2] != 1)
        return false;
    const int64_t n = to.shape.dims[0], steps = to.shape.dims[1], row = source.strides[1];
    const int64_t apart = row > 0 ? source.strides[0] / row : 0;
    if (apart < 1 || apart * row != source.strides[0] || source.shape.dims[0] * apart > INT32_MAX - steps)
        return false;
    int32_t *ids = tl_arena_take(tape->arena, (size_t)(n * steps) * sizeof *ids);
    for (int64_t i = 0; ids && i < n; i++)
        for (int64_t t = 0; t < steps; t++)
            ids[t * n + i] = (int32_t)(sample_at(run, first + i) * apart + t);
    if (ids)
        tl_kernels_for(to.dtype)->gather(n * steps, to.shape.dims[2], tl_address(source), row, ids, 1,
                                         tl_address(to), to.strides[0]);
    return ids != NULL;
}

/* Copies samples that lie as they are to lie. False, with nothing done, where they do not. */
static bool take_whole(const tl_batch_run *run, tl_tensor source, int64_t first, tl_tensor to)
{
    int64_t elements = 1;
    bool fits = source.dtype == to.dtype;
    for (int i = source.shape.rank - 1; i > 0; elements *= source.shape.dims[i--])
        fits = fits && source.strides[i] == elements && to.strides[i] == elements;
    if (!fits)
        return false;
    for (int64_t i = 0; i < to.shape.dims[0]; i++)
        memcpy(tl_row_address(to, i), tl_row_address(source, sample_at(run, first + i)),
               (size_t)elements * tl_size_of(to.dtype));
    return true;
}

/* Samples [first, first + n) in order, copied onto the tape; floats in the model's type. */
static tl_var *take_rows(const tl_batch_run *run, tl_tape *tape, tl_tensor source, int64_t first, int64_t n,
                         tl_dtype dtype)
{
    tl_shape shape = source.shape;
    shape.dims[0] = n;
    tl_tensor rows = {.shape = shape, .dtype = dtype};
    lay_out(&rows);
    if (tl_tape_place(tape, &rows) != TL_OK)
        return NULL;
    if (take_steps(run, tape, source, first, rows) || take_whole(run, source, first, rows))
        return tl_input(tape, rows);
    for (int64_t i = 0; i < n; i++)
        if (tl_tensor_copy(tl_tensor_select(rows, 0, i),
                           tl_tensor_select(source, 0, sample_at(run, first + i))) != TL_OK)
            return NULL;
    return tl_input(tape, rows);
}

static tl_dtype input_dtype(const tl_batch_run *run)
{
    return run->data.x.dtype == TL_I32 ? TL_I32 : run->model->dtype;
}

/* The mask of the predictions, as weights in the shape of the loss; 1 everywhere without one. */
tl_var *tl_batch_row_weights(tl_var *prediction, tl_var *rows)
{
    tl_tensor mask = tl_mask_of(prediction);
    tl_var *weights = tl_zeros(tl_tape_of(rows), tl_dtype_of(rows), tl_shape_of(rows));
    if (!weights)
        return NULL;
    tl_status status;
    if (mask.storage && tl_shape_equal(mask.shape, tl_shape_of(rows)))
        status = tl_tensor_copy(tl_value(weights), mask);
    else
        status = tl_tensor_fill(tl_value(weights), 1);
    return status == TL_OK ? weights : NULL;
}

static double element(const void *data, tl_dtype dtype, int64_t i)
{
    return dtype == TL_F32 ? (double)((const float *)data)[i] : ((const double *)data)[i];
}

static tl_status measure(const tl_batch_run *run, tl_var *prediction, tl_var *target, tl_var *rows,
                         tl_var *weights, tl_shard_result *result)
{
    const tl_model *model = run->model;
    tl_tensor value = tl_value(rows), weight = tl_value(weights);
    const void *l = tl_data(value), *w = tl_data(weight);
    if (!l || !w)
        return tl_error_status();
    *result = (tl_shard_result){.nominal = (double)tl_tensor_count(value)};
    for (int64_t i = 0; i < tl_tensor_count(value); i++) {
        double share = element(w, weight.dtype, i);
        result->weight += share;
        result->loss += share != 0 ? share * element(l, value.dtype, i) : 0;
    }
    if (!tl_loss_has_accuracy(model->loss))
        return TL_OK;
    return tl_loss_accuracy(model->loss, tl_value(prediction), tl_value(target), weight, model->from_logits,
                            &result->right);
}

/* Backward from the losses of a shard's rows. Each weighs one over the number of rows and steps in the whole
 * batch; where some are masked, gather_gradients puts that right. */
static tl_status differentiate(const tl_batch_run *run, tl_var *rows, tl_tensor weights)
{
    double per_row = (double)tl_tensor_count(weights) / (double)weights.shape.dims[0];
    tl_compute_map(TL_MAP_SCALE, weights, weights, (tl_tensor){0},
                   (const double[]){1 / ((double)run->count * per_row), 0});
    return tl_backward_from(rows, weights);
}

static tl_status write_outputs(const tl_batch_run *run, tl_var *prediction, int64_t first, int64_t n)
{
    tl_var *output = tl_activate(prediction, run->model->activation);
    if (!output)
        return tl_error_status();
    /* No new version for the outputs: shards write their parts at once. */
    tl_tensor part = tl_tensor_slice(run->outputs, 0, first, n), value = tl_value(output);
    if (!part.storage || !value.storage)
        return tl_missing("model", "output");
    if (!tl_shape_equal(part.shape, value.shape))
        return tl_error(TL_ERROR_SHAPE, "the model gives %s, its last layer said %s",
                        TL_SHAPE_TEXT(value.shape), TL_SHAPE_TEXT(part.shape));
    tl_compute_store(part, value, false);
    return TL_OK;
}

tl_var *tl_batch_loss_rows(const tl_model *model, tl_var *prediction, tl_var *target)
{
    tl_tape *tape = tl_tape_of(prediction);
    if (tl_scope_push(tape, "loss") != TL_OK)
        return NULL;
    tl_var *rows = tl_loss_rows(model->loss, prediction, target, model->from_logits);
    tl_scope_pop(tape);
    return rows;
}

static tl_status run_shard(void *context, int64_t shard, tl_tape *tape)
{
    const tl_batch_run *run = context;
    int64_t height = tl_shard_rows(run->batch_size), offset = shard * height, first = run->start + offset;
    int64_t n = run->count - offset < height ? run->count - offset : height;
    tl_tape_set_recording(tape, records(run));
    tl_tape_set_training(tape, trains(run));
    tl_tape_set_random(tape, run->seed, run->step_number, offset);
    tl_tape_set_detect_anomaly(tape, run->model->detects);
    tl_var *x = take_rows(run, tape, run->data.x, first, n, input_dtype(run));
    tl_var *prediction = tl_forward(run->model, x);
    if (!prediction)
        return tl_missing("model", "prediction");
    if (run->mode == TL_BATCH_PREDICT)
        return write_outputs(run, prediction, first, n);
    tl_var *target = take_rows(run, tape, run->data.y, first, n, run->data.y.dtype);
    tl_var *rows = tl_batch_loss_rows(run->model, prediction, target);
    tl_var *weights = rows ? tl_batch_row_weights(prediction, rows) : NULL;
    if (!weights)
        return tl_missing("model", "loss");
    if (measure(run, prediction, target, rows, weights, &run->model->results[shard]) != TL_OK)
        return tl_error_status();
    return records(run) ? differentiate(run, rows, tl_value(weights)) : TL_OK;
}

/* Records what depends on parameters alone. */
static tl_status prepare_layers(tl_batch_run *run)
{
    tl_model *model = run->model;
    tl_tape_set_recording(model->step, records(run));
    tl_tape_set_training(model->step, trains(run));
    tl_tape_set_detect_anomaly(model->step, model->detects);
    tl_shape row = run->data.x.shape;
    int64_t positions = run->count;
    for (int i = 1; i < row.rank; i++)
        positions *= row.dims[i];
    tl_step step = {.tape = model->step, .rows = run->count, .positions = positions};
    tl_var *table = NULL;
    bool failed = false;
    for (int i = 0; i < model->layer_count && !failed; i++)
        table = tl_module_prepare(model->layers[i], &step, table, &failed);
    return failed ? tl_error_status() : TL_OK;
}

static void forget_prepared(tl_model *model)
{
    bool failed = false;
    for (int i = 0; i < model->layer_count; i++)
        tl_module_prepare(model->layers[i], NULL, NULL, &failed);
    tl_tape_reset(model->step);
}

/* Gradients of all shards into the parameters. `weight` is what the losses weighed in all, `nominal` what
 * they weigh without a mask. */
static tl_status gather_gradients(tl_model *model, double weight, double nominal)
{
    if (tl_shards_merge(model->shards) != TL_OK || tl_backward_all(model->step) != TL_OK)
        return tl_error_status();
    if (weight != nominal)
        for (int i = 0; i < model->parameter_count; i++) {
            tl_tensor gradient = model->parameters[i]->gradient;
            tl_compute_map(TL_MAP_SCALE, gradient, gradient, (tl_tensor){0},
                           (const double[]){weight > 0 ? nominal / weight : 0, 0});
        }
    return TL_OK;
}

void tl_batch_clear_gradients(const tl_model *model)
{
    for (int i = 0; i < model->parameter_count; i++)
        tl_parameter_clear_gradient(model->parameters[i]);
}

/* A step of the optimizer; with anomaly detection between a look at the gradients and one at the weights. */
static tl_status step_optimizer(const tl_model *model)
{
    for (int i = 0; model->detects && i < model->parameter_count; i++)
        if (tl_trace_parameter_gradient(model->parameters[i]) != TL_OK)
            return TL_ERROR_NUMERIC;
    if (tl_optimizer_step(model->optimizer) != TL_OK)
        return tl_error_status();
    for (int i = 0; model->detects && i < model->parameter_count; i++)
        if (tl_trace_parameter_value(tl_optimizer_name(model->optimizer), model->parameters[i]) != TL_OK)
            return TL_ERROR_NUMERIC;
    return TL_OK;
}

static tl_status grow_results(tl_model *model, int64_t count)
{
    if (count <= model->result_capacity)
        return TL_OK;
    tl_shard_result *results = tl_allocate((size_t)count * sizeof *results);
    if (!results)
        return TL_ERROR_MEMORY;
    tl_release(model->results);
    model->results = results;
    model->result_capacity = count;
    return TL_OK;
}

static tl_status run_shards(tl_batch_run *run)
{
    int64_t height = tl_shard_rows(run->batch_size), shards = (run->count + height - 1) / height;
    if (grow_results(run->model, shards) != TL_OK || prepare_layers(run) != TL_OK ||
        tl_shards_run(run->model->shards, shards, run_shard, run) != TL_OK)
        return tl_error_status();
    if (run->mode == TL_BATCH_PREDICT)
        return TL_OK;
    double weight = 0, nominal = 0;
    for (int64_t i = 0; i < shards; i++) {
        const tl_shard_result *result = &run->model->results[i];
        run->sums_loss += result->loss;
        run->sums_right += result->right;
        weight += result->weight;
        nominal += result->nominal;
    }
    run->sums_weight += weight;
    tl_status status = records(run) ? gather_gradients(run->model, weight, nominal) : TL_OK;
    if (status == TL_OK && run->mode == TL_BATCH_TRAIN)
        status = step_optimizer(run->model);
    if (status != TL_OK)
        tl_batch_clear_gradients(run->model); /* or the next batch would add its own to them */
    return status;
}

tl_status tl_batch_process(tl_batch_run *run, int64_t start, int64_t count)
{
    run->start = start;
    run->count = count;
    tl_status status = run_shards(run);
    if (status == TL_ERROR_NUMERIC && run->model->detects && run->mode == TL_BATCH_TRAIN)
        status = tl_error(status, "%s; in training step %llu", tl_error_message(),
                          (unsigned long long)run->step_number + 1);
    forget_prepared(run->model);
    run->step_number++;
    return status;
}

/* The shape of one of the samples of a shape with them all. */
static tl_shape row_shape(tl_shape samples)
{
    tl_shape row = {.rank = samples.rank - 1};
    for (int i = 1; i < samples.rank; i++)
        row.dims[i - 1] = samples.dims[i];
    return row;
}

tl_status tl_build_for(tl_model *model, tl_shape samples, uint64_t seed)
{
    return model->built ? TL_OK : tl_build(model, row_shape(samples), TL_F32, seed);
}

/* Whether the model takes samples of a shape. */
static bool suits(const tl_model *model, tl_shape sample)
{
    tl_shape expected = model->input;
    if (expected.rank > 0 && sample.rank == expected.rank && expected.dims[0] == TL_ANY)
        expected.dims[0] = sample.dims[0];
    return tl_shape_equal(sample, expected);
}

tl_status tl_batch_start(const tl_batch_run *run)
{
    const tl_model *model = run->model;
    tl_shape samples = run->data.x.shape, row = row_shape(samples);
    if (!run->data.x.storage)
        return tl_error_status();
    if (samples.rank < 1 || !suits(model, row))
        return tl_error(TL_ERROR_SHAPE,
                        "the model was built for samples of shape %s, those of the data %s are %s",
                        TL_SHAPE_TEXT(model->input), TL_SHAPE_TEXT(samples), TL_SHAPE_TEXT(row));
    return TL_OK;
}

tl_status tl_batch_check_rows(const char *what, tl_tensor x, tl_tensor y)
{
    if (!x.storage || !y.storage)
        return tl_missing(what, x.storage ? "y" : "x");
    if (x.shape.rank < 1 || y.shape.rank < 1 || x.shape.dims[0] != y.shape.dims[0] || x.shape.dims[0] < 1)
        return tl_error(TL_ERROR_SHAPE, "%s: x %s and y %s, expected one number of rows, at least 1", what,
                        TL_SHAPE_TEXT(x.shape), TL_SHAPE_TEXT(y.shape));
    return TL_OK;
}

tl_shape tl_batch_output_shape(const tl_batch_run *run)
{
    const tl_model *model = run->model;
    tl_shape out = model->layers[model->layer_count - 1]->output, shape = {.rank = out.rank + 1};
    shape.dims[0] = run->data.x.shape.dims[0];
    memcpy(shape.dims + 1, out.dims, (size_t)out.rank * sizeof out.dims[0]);
    if (out.rank > 0 && out.dims[0] == TL_ANY)
        shape.dims[1] = run->data.x.shape.dims[1];
    return shape;
}

tl_metrics tl_batch_take_metrics(tl_batch_run *run)
{
    bool has_accuracy = tl_loss_has_accuracy(run->model->loss);
    tl_metrics metrics = {.loss = run->sums_loss / run->sums_weight,
                          .accuracy = has_accuracy ? run->sums_right / run->sums_weight : (double)NAN};
    run->sums_loss = run->sums_right = run->sums_weight = 0;
    return metrics;
}
