/* One batch given whole, for training loops and streams of one's own. */
#include "nn/batch_internal.h"
#include "nn/model_internal.h"
#include "tensor/tensor_internal.h"

static tl_status prepare_training(const tl_batch_run *run)
{
    tl_model *model = run->model;
    tl_tensor x = run->data.x, y = run->data.y;
    if (tl_model_check("train_on_batch", model, true, false) != TL_OK ||
        tl_batch_check_rows("train_on_batch", x, y) != TL_OK)
        return tl_error_status();
    return tl_build_for(model, x.shape, 0) == TL_OK ? tl_batch_start(run) : tl_error_status();
}

tl_status tl_train_on_batch(tl_model *model, tl_tensor x, tl_tensor y, tl_metrics *metrics)
{
    tl_batch_run run = {.model = model, .data = {.x = x, .y = y}, .mode = TL_BATCH_TRAIN};
    if (prepare_training(&run) != TL_OK)
        return tl_error_status();
    run.batch_size = x.shape.dims[0];
    run.seed = model->seed;
    run.step_number = (uint64_t)tl_optimizer_steps(model->optimizer);
    if (tl_batch_process(&run, 0, run.batch_size) != TL_OK)
        return tl_error_status();
    if (metrics)
        *metrics = tl_batch_take_metrics(&run);
    return TL_OK;
}

static tl_status check_output(const tl_batch_run *run, tl_tensor out)
{
    tl_shape expected = tl_batch_output_shape(run);
    tl_dtype dtype = run->model->dtype;
    if (out.dtype == dtype && tl_shape_equal(out.shape, expected))
        return TL_OK;
    return tl_error(out.dtype == dtype ? TL_ERROR_SHAPE : TL_ERROR_DTYPE,
                    "predict_on_batch: out is %s %s, for x %s the model gives %s %s",
                    tl_dtype_name(out.dtype), TL_SHAPE_TEXT(out.shape), TL_SHAPE_TEXT(run->data.x.shape),
                    tl_dtype_name(dtype), TL_SHAPE_TEXT(expected));
}

tl_status tl_predict_on_batch(tl_model *model, tl_tensor x, tl_tensor out)
{
    tl_batch_run run = {.model = model, .data = {.x = x}, .mode = TL_BATCH_PREDICT, .outputs = out};
    if (tl_model_check("predict_on_batch", model, false, true) != TL_OK)
        return tl_error_status();
    if (!x.storage || !out.storage)
        return tl_missing("predict_on_batch", x.storage ? "out" : "x");
    if (tl_batch_start(&run) != TL_OK || check_output(&run, out) != TL_OK)
        return tl_error_status();
    run.batch_size = x.shape.dims[0];
    out.storage->version = tl_next_version(); /* here, since shards write their parts at once */
    return run.batch_size > 0 ? tl_batch_process(&run, 0, run.batch_size) : TL_OK;
}
