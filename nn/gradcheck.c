#include "nn/gradcheck.h"
#include "autograd/gradcheck_internal.h"
#include "nn/batch_internal.h"
#include "nn/model_internal.h"
#include "tensor/memory_internal.h"

/* The batch in one of two modes, from the same states and with the same draws each time. */
static tl_status process(void *context, enum tl_batch_mode mode, tl_metrics *metrics)
{
    tl_batch_run run = *(const tl_batch_run *)context;
    run.mode = mode;
    if (tl_reset_states(run.model) != TL_OK || tl_batch_process(&run, 0, run.batch_size) != TL_OK)
        return tl_error_status();
    *metrics = tl_batch_take_metrics(&run);
    return TL_OK;
}

static tl_status evaluate(void *context, double *loss)
{
    tl_metrics metrics;
    if (process(context, TL_BATCH_MEASURE, &metrics) != TL_OK)
        return tl_error_status();
    *loss = metrics.loss;
    return TL_OK;
}

static tl_status differentiate(void *context, const tl_tensor gradients[])
{
    const tl_model *model = ((const tl_batch_run *)context)->model;
    tl_metrics metrics;
    tl_batch_clear_gradients(model);
    tl_status status = process(context, TL_BATCH_DIFFERENTIATE, &metrics);
    for (int i = 0; i < model->parameter_count && status == TL_OK; i++)
        if (gradients[i].storage)
            status = tl_tensor_copy(gradients[i], model->parameters[i]->gradient);
    tl_batch_clear_gradients(model);
    return status;
}

static tl_status check_model(const tl_model *model, tl_gradcheck_report *report)
{
    if (tl_model_check("gradcheck", model, true, true) != TL_OK)
        return tl_error_status();
    if (model->dtype != TL_F64)
        return tl_gradcheck_narrow(
            report,
            "gradcheck: the model is built in %s, which is too narrow for differences; build it in f64",
            tl_dtype_name(model->dtype));
    for (int i = 0; i < model->parameter_count; i++)
        if (model->parameters[i]->trainable)
            return TL_OK;
    return tl_error(TL_ERROR_ARGUMENT, "gradcheck: the model has no trainable parameters");
}

static tl_status check_parameters(tl_batch_run *run, const tl_gradcheck_options *options,
                                  tl_gradcheck_report *report)
{
    const tl_model *model = run->model;
    const size_t count = (size_t)model->parameter_count;
    tl_tensor *weights = tl_allocate(count * sizeof *weights);
    const char **names = tl_allocate(count * sizeof *names);
    tl_status status = weights && names ? TL_OK : TL_ERROR_MEMORY;
    for (size_t i = 0; i < count && status == TL_OK; i++) {
        names[i] = model->parameters[i]->name;
        if (model->parameters[i]->trainable)
            weights[i] = model->parameters[i]->value;
    }
    if (status == TL_OK) {
        const tl_gradcheck_subject subject = {.context = run,
                                              .count = model->parameter_count,
                                              .inputs = weights,
                                              .names = names,
                                              .evaluate = evaluate,
                                              .differentiate = differentiate};
        status = tl_gradcheck_run(&subject, options, report);
    }
    tl_release(weights);
    tl_release((void *)names);
    return status;
}

tl_status tl_gradcheck_model(tl_model *model, tl_tensor x, tl_tensor y, const tl_gradcheck_options *options,
                             tl_gradcheck_report *report)
{
    tl_gradcheck_report unwanted;
    report = report ? report : &unwanted;
    *report = (tl_gradcheck_report){0};
    if (check_model(model, report) != TL_OK)
        return tl_error_status();
    tl_batch_run run = {.model = model,
                        .data = {.x = x, .y = y},
                        .seed = model->seed,
                        .step_number = (uint64_t)tl_optimizer_steps(model->optimizer)};
    if (tl_batch_check_rows("gradcheck", x, y) != TL_OK || tl_batch_start(&run) != TL_OK)
        return tl_error_status();
    run.batch_size = x.shape.dims[0];
    tl_status status = check_parameters(&run, options, report);
    tl_reset_states(model);
    return status;
}
