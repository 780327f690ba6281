#include "nn/loss.h"
#include "tensor/tensor_internal.h"
#include "tensor/error_internal.h"

#include <math.h>

typedef tl_var *(*rows_function)(tl_var *prediction, tl_var *target);
typedef double (*right_function)(tl_tensor prediction, tl_tensor target, double threshold);

static tl_var *mean_of_last(tl_var *x)
{
    return tl_mean(x, tl_axes(-1), false);
}

static tl_var *clip(tl_var *p)
{
    const double epsilon = 1e-7;
    return tl_clamp(p, epsilon, 1 - epsilon);
}

static tl_var *binary_from_logits(tl_var *x, tl_var *y)
{
    return mean_of_last(tl_sigmoid_cross_entropy_with_logits(x, y));
}

/* 1 - x */
static tl_var *rest(tl_var *x)
{
    tl_var *one = tl_zeros(tl_tape_of(x), tl_dtype_of(x), TL_SCALAR);
    if (!one || tl_tensor_fill(tl_value(one), 1) != TL_OK)
        return NULL;
    return tl_sub(one, x);
}

static tl_var *binary(tl_var *p, tl_var *y)
{
    p = clip(p);
    tl_var *hit = tl_mul(y, tl_log(p)), *miss = tl_mul(rest(y), tl_log(rest(p)));
    return tl_neg(mean_of_last(tl_add(hit, miss)));
}

static tl_var *log_of_probabilities(tl_var *p)
{
    return tl_log(clip(tl_div(p, tl_sum(p, tl_axes(-1), true))));
}

static tl_var *categorical(tl_var *p, tl_var *y)
{
    return tl_neg(tl_sum(tl_mul(y, log_of_probabilities(p)), tl_axes(-1), false));
}

/* log p is a fine logit: softmax(log p) = p. */
static tl_var *sparse(tl_var *p, tl_var *y)
{
    return tl_sparse_softmax_cross_entropy_with_logits(log_of_probabilities(p), y);
}

static tl_var *squared(tl_var *p, tl_var *y)
{
    tl_var *difference = tl_sub(p, y);
    return mean_of_last(tl_mul(difference, difference));
}

static double element(tl_tensor t, int64_t i)
{
    return tl_tensor_at(t, (int64_t[]){i});
}

static int64_t largest(tl_tensor t)
{
    const char *at = tl_address(t);
    const int64_t step = t.strides[0];
    int64_t best = 0;
    if (t.dtype == TL_F32) {
        const float *x = (const float *)(const void *)at;
        for (int64_t i = 1; i < t.shape.dims[0]; i++)
            best = x[i * step] > x[best * step] ? i : best;
        return best;
    }
    for (int64_t i = 1; i < t.shape.dims[0]; i++)
        best = element(t, i) > element(t, best) ? i : best;
    return best;
}

static double right_binary(tl_tensor p, tl_tensor y, double threshold)
{
    double right = 0;
    for (int64_t i = 0; i < p.shape.dims[0]; i++)
        right += (element(p, i) > threshold) == (element(y, i) > 0.5);
    return right / (double)p.shape.dims[0];
}

static double right_categorical(tl_tensor p, tl_tensor y, double threshold)
{
    (void)threshold;
    return largest(p) == largest(y);
}

static double right_sparse(tl_tensor p, tl_tensor y, double threshold)
{
    (void)threshold;
    return (double)largest(p) == tl_tensor_item(y);
}

static const struct {
    const char *name;
    tl_activation activation;
    bool sparse; /* the target has one axis less, and class numbers in it */
    rows_function rows, rows_from_logits;
    right_function right; /* NULL: no accuracy */
} losses[] = {
    [TL_NO_LOSS] = {NULL, TL_LINEAR, false, NULL, NULL, NULL},
    [TL_BINARY_CROSSENTROPY] = {"binary_crossentropy", TL_SIGMOID, false, binary, binary_from_logits,
                                right_binary},
    [TL_CATEGORICAL_CROSSENTROPY] = {"categorical_crossentropy", TL_SOFTMAX, false, categorical,
                                     tl_softmax_cross_entropy_with_logits, right_categorical},
    [TL_SPARSE_CATEGORICAL_CROSSENTROPY] = {"sparse_categorical_crossentropy", TL_SOFTMAX, true, sparse,
                                            tl_sparse_softmax_cross_entropy_with_logits, right_sparse},
    [TL_MEAN_SQUARED_ERROR] = {"mean_squared_error", TL_LINEAR, false, squared, squared, NULL},
};

const char *tl_loss_name(tl_loss loss)
{
    return (size_t)loss < sizeof losses / sizeof losses[0] ? losses[loss].name : NULL;
}

tl_activation tl_loss_activation(tl_loss loss)
{
    return losses[loss].activation;
}

bool tl_loss_has_accuracy(tl_loss loss)
{
    return losses[loss].right != NULL;
}

/* The shape that the target of a prediction has. */
static tl_shape target_shape(tl_loss loss, tl_shape prediction)
{
    prediction.rank -= losses[loss].sparse ? 1 : 0;
    return prediction;
}

/* The target with a last axis of 1 added or taken away where that is all that is missing. */
static tl_tensor fit(tl_loss loss, tl_tensor target, tl_shape prediction)
{
    tl_shape wanted = target_shape(loss, prediction);
    if (target.shape.rank + 1 == wanted.rank && wanted.dims[wanted.rank - 1] == 1)
        return tl_tensor_unsqueeze(target, -1);
    if (target.shape.rank == wanted.rank + 1 && target.shape.dims[wanted.rank] == 1)
        return tl_tensor_select(target, -1, 0);
    return target;
}

static tl_status check(tl_loss loss, tl_shape prediction, tl_tensor target)
{
    if (!tl_loss_name(loss))
        return tl_error(TL_ERROR_ARGUMENT, "loss: %d is not one", (int)loss);
    if (prediction.rank < 2)
        return tl_error(TL_ERROR_SHAPE, "%s: predictions %s, expected [batch, ..., n]", losses[loss].name,
                        TL_SHAPE_TEXT(prediction));
    tl_tensor fitted = fit(loss, target, prediction);
    tl_shape wanted = target_shape(loss, prediction);
    if (!tl_shape_equal(fitted.shape, wanted))
        return tl_error(TL_ERROR_SHAPE, "%s: targets %s for predictions %s, expected %s", losses[loss].name,
                        TL_SHAPE_TEXT(target.shape), TL_SHAPE_TEXT(prediction), TL_SHAPE_TEXT(wanted));
    return TL_OK;
}

/* The target as the loss takes it: floats of the prediction's type, or i32. */
static tl_var *convert(tl_loss loss, tl_var *prediction, tl_tensor target)
{
    tl_dtype wanted = losses[loss].sparse ? TL_I32 : tl_dtype_of(prediction);
    tl_tape *tape = tl_tape_of(prediction);
    if (target.dtype == wanted)
        return tl_input(tape, target);
    tl_var *converted = tl_zeros(tape, wanted, target.shape);
    return converted && tl_tensor_copy(tl_value(converted), target) == TL_OK ? converted : NULL;
}

tl_var *tl_loss_rows(tl_loss loss, tl_var *prediction, tl_var *target, bool from_logits)
{
    if (!prediction || !target)
        return NULL;
    tl_shape shape = tl_shape_of(prediction);
    if (check(loss, shape, tl_value(target)) != TL_OK)
        return NULL;
    tl_var *fitted = convert(loss, prediction, fit(loss, tl_value(target), shape));
    return (from_logits ? losses[loss].rows_from_logits : losses[loss].rows)(prediction, fitted);
}

/* Down the leading axes to one prediction at a time. */
static double count_right(tl_loss loss, tl_tensor p, tl_tensor y, tl_tensor weights, double threshold)
{
    if (p.shape.rank == 1)
        return (weights.storage ? tl_tensor_item(weights) : 1) * losses[loss].right(p, y, threshold);
    double sum = 0;
    for (int64_t i = 0; i < p.shape.dims[0]; i++)
        sum += count_right(loss, tl_tensor_select(p, 0, i), tl_tensor_select(y, 0, i),
                           weights.storage ? tl_tensor_select(weights, 0, i) : weights, threshold);
    return sum;
}

tl_status tl_loss_accuracy(tl_loss loss, tl_tensor prediction, tl_tensor target, tl_tensor weights,
                           bool from_logits, double *sum)
{
    if (!prediction.storage || !target.storage)
        return tl_missing("accuracy", prediction.storage ? "target" : "prediction");
    if (check(loss, prediction.shape, target) != TL_OK)
        return tl_error_status();
    if (!losses[loss].right)
        return tl_error(TL_ERROR_ARGUMENT, "%s has no accuracy", losses[loss].name);
    *sum = count_right(loss, prediction, fit(loss, target, prediction.shape), weights, from_logits ? 0 : 0.5);
    return TL_OK;
}
