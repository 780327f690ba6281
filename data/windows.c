#include "data/windows.h"
#include "tensor/error_internal.h"
#include "tensor/options_internal.h"

static const tl_dataset none;

static tl_status check_windows(const tl_windows_options *o)
{
    if (!o->series.storage)
        return tl_missing("windows", "series");
    tl_shape shape = o->series.shape;
    if (shape.rank < 1 || shape.rank > 2)
        return tl_error(TL_ERROR_SHAPE, "windows: a series of shape %s, expected [time] or [time, features]",
                        TL_SHAPE_TEXT(shape));
    if (o->window < 1 || o->horizon < 1 || o->step < 1)
        return tl_error(TL_ERROR_ARGUMENT,
                        "windows: window %lld, horizon %lld, step %lld, expected at least 1",
                        (long long)o->window, (long long)o->horizon, (long long)o->step);
    int64_t time = shape.dims[0], features = shape.rank == 2 ? shape.dims[1] : 1;
    if (o->window > time || o->horizon > time - o->window)
        return tl_error(
            TL_ERROR_SHAPE,
            "windows: a series of %lld steps is too short for a window of %lld and a horizon of %lld",
            (long long)time, (long long)o->window, (long long)o->horizon);
    if (o->target < 0 || o->target >= features)
        return tl_error(TL_ERROR_RANGE, "windows: target %lld of %lld features", (long long)o->target,
                        (long long)features);
    return TL_OK;
}

tl_dataset tl_windows_with(const tl_windows_options *given)
{
    tl_windows_options o;
    tl_options_read(&o, sizeof o, given);
    o.horizon = o.horizon ? o.horizon : 1;
    o.step = o.step ? o.step : 1;
    if (check_windows(&o) != TL_OK)
        return none;
    tl_tensor series = o.series.shape.rank == 1 ? tl_tensor_unsqueeze(o.series, -1) : o.series;
    int64_t known = series.shape.dims[0] - o.horizon, to_come = series.shape.dims[0] - o.window;
    tl_tensor x = tl_tensor_unfold(tl_tensor_slice(series, 0, 0, known), 0, o.window, o.step);
    tl_tensor targets = tl_tensor_slice(tl_tensor_select(series, 1, o.target), 0, o.window, to_come);
    return tl_dataset_of(tl_tensor_transpose(x, 1, 2), tl_tensor_unfold(targets, 0, o.horizon, o.step));
}

static tl_status check_streams(tl_tensor ids, int64_t batch_size, int64_t window)
{
    if (!ids.storage)
        return tl_missing("streams", "ids");
    if (ids.dtype != TL_I32)
        return tl_error(TL_ERROR_DTYPE, "streams: %s, expected i32", tl_dtype_name(ids.dtype));
    if (ids.shape.rank != 1)
        return tl_error(TL_ERROR_SHAPE, "streams: ids of shape %s, expected one axis",
                        TL_SHAPE_TEXT(ids.shape));
    if (batch_size < 1 || window < 1)
        return tl_error(TL_ERROR_ARGUMENT, "streams: batch_size %lld, window %lld, expected at least 1",
                        (long long)batch_size, (long long)window);
    int64_t count = ids.shape.dims[0];
    if (count < 1 || window > (count - 1) / batch_size)
        return tl_error(
            TL_ERROR_SHAPE,
            "streams: %lld ids are too few for %lld streams of a window of %lld and the id after it",
            (long long)count, (long long)batch_size, (long long)window);
    return TL_OK;
}

/* The windows of all streams, which begin at id `start`, in a new tensor. */
static tl_tensor cut(tl_tensor ids, int64_t start, int64_t batch_size, int64_t windows, int64_t window)
{
    tl_tensor used = tl_tensor_slice(ids, 0, start, batch_size * windows * window);
    tl_tensor streams = tl_tensor_reshape(used, tl_shape(batch_size, windows, window));
    tl_tensor samples = tl_tensor_new(TL_I32, tl_shape(windows * batch_size, window));
    tl_tensor target = tl_tensor_reshape(samples, tl_shape(windows, batch_size, window));
    if (tl_tensor_copy(target, tl_tensor_transpose(streams, 0, 1)) != TL_OK)
        tl_tensor_free(&samples);
    return samples;
}

tl_dataset tl_streams(tl_tensor ids, int64_t batch_size, int64_t window)
{
    if (check_streams(ids, batch_size, window) != TL_OK)
        return none;
    int64_t windows = (ids.shape.dims[0] - 1) / (batch_size * window);
    tl_dataset data = {.x = cut(ids, 0, batch_size, windows, window)};
    if (tl_tensor_ok(data.x))
        data.y = cut(ids, 1, batch_size, windows, window);
    if (!tl_dataset_ok(data))
        tl_dataset_free(&data);
    return data;
}
