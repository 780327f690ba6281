#include "variants.h"

#include "gru.h"

/* --- The models --- */

static tl_model *masking(int64_t units)
{
    return tl_sequential(tl_masking(), tl_rnn(gru(units)), tl_dense(1));
}

static tl_model *two_layers(int64_t units)
{
    return tl_sequential(tl_rnn(gru(units), .return_sequences = true), tl_rnn(gru(units)), tl_dense(1));
}

static tl_model *reversed(int64_t units)
{
    return tl_sequential(tl_rnn(gru(units), .go_backwards = true), tl_dense(1));
}

static tl_model *bidirectional(int64_t units)
{
    return tl_sequential(tl_bidirectional(tl_rnn(gru(units)), tl_rnn(gru(units))), tl_dense(1));
}

static tl_model *stateful(int64_t units)
{
    return tl_sequential(tl_rnn(gru(units), .stateful = true), tl_dense(1));
}

static tl_model *dropout(int64_t units)
{
    return tl_sequential(tl_rnn(gru(units), .dropout = 0.2), tl_dense(1));
}

static tl_model *recurrent_dropout(int64_t units)
{
    return tl_sequential(tl_rnn(gru(units), .recurrent_dropout = 0.2), tl_dense(1));
}

/* --- What they have in common with the plain cell: ways to get its outputs for x out of them --- */

static tl_tensor predict(tl_model *model, tl_tensor x)
{
    return tl_predict(model, x, x.shape.dims[0]);
}

static tl_tensor predict_padded(tl_model *model, tl_tensor x)
{
    enum { PADDING = 3 };
    tl_shape longer = x.shape;
    longer.dims[1] += PADDING;
    tl_tensor padded = tl_tensor_new(x.dtype, longer), y = {0};
    if (tl_tensor_copy(tl_tensor_slice(padded, 1, 0, x.shape.dims[1]), x) == TL_OK)
        y = predict(model, padded);
    tl_tensor_free(&padded);
    return y;
}

static tl_tensor predict_reversed(tl_model *model, tl_tensor x)
{
    tl_tensor turned = tl_tensor_new(x.dtype, x.shape), y = {0};
    tl_status status = TL_OK;
    for (int64_t t = 0; t < x.shape.dims[1] && status == TL_OK; t++)
        status = tl_tensor_copy(tl_tensor_select(turned, 1, -1 - t), tl_tensor_select(x, 1, t));
    if (status == TL_OK)
        y = predict(model, turned);
    tl_tensor_free(&turned);
    return y;
}

static tl_tensor predict_in_two(tl_model *model, tl_tensor x)
{
    int64_t steps = x.shape.dims[1], half = steps / 2;
    tl_tensor first = predict(model, tl_tensor_slice(x, 1, 0, half)), second = {0};
    if (tl_tensor_ok(first))
        second = predict(model, tl_tensor_slice(x, 1, half, steps - half));
    tl_tensor_free(&first);
    return second;
}

const variant variants[VARIANTS] = {
    {.name = "masking", .make = masking, .predict = predict_padded, .between = "padding changes outputs"},
    {.name = "two_layers", .make = two_layers},
    {.name = "reversed",
     .make = reversed,
     .predict = predict_reversed,
     .between = "turning sequences round as well changes outputs"},
    {.name = "bidirectional", .make = bidirectional},
    {.name = "stateful",
     .make = stateful,
     .predict = predict_in_two,
     .between = "cutting sequences in two changes outputs",
     .stateful = true},
    {.name = "dropout",
     .make = dropout,
     .predict = predict,
     .between = "outside of training it changes outputs"},
    {.name = "recurrent_dropout",
     .make = recurrent_dropout,
     .predict = predict,
     .between = "outside of training it changes outputs"}};
