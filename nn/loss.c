#include "nn/loss.h"
#include "tensor/tensor_internal.h"
#include "tensor/error_internal.h"
#include "tensor/iterate_internal.h"

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

/* Where the largest element is; -1 if one is NaN, with which any comparison would be a matter of order. */
static int64_t largest(tl_tensor t)
{
    const char *at = tl_address(t);
    const int64_t step = t.strides[0];
    int64_t best = 0;
    bool has_nan = false;
    if (t.dtype == TL_F32) {
        const float *x = (const float *)(const void *)at;
        for (int64_t i = 0; i < t.shape.dims[0]; i++) {
            has_nan |= isnan(x[i * step]);
            best = x[i * step] > x[best * step] ? i : best;
        }
        return has_nan ? -1 : best;
    }
    for (int64_t i = 0; i < t.shape.dims[0]; i++) {
        has_nan |= isnan(element(t, i));
        best = element(t, i) > element(t, best) ? i : best;
    }
    return has_nan ? -1 : best;
}

static double right_binary(tl_tensor p, tl_tensor y, double threshold)
{
    double right = 0;
    for (int64_t i = 0; i < p.shape.dims[0]; i++) {
        const double x = element(p, i);
        right += !isnan(x) && (x > threshold) == (element(y, i) > 0.5);
    }
    return right / (double)p.shape.dims[0];
}

static double right_categorical(tl_tensor p, tl_tensor y, double threshold)
{
    (void)threshold;
    const int64_t best = largest(p);
    return best >= 0 && best == largest(y);
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
    if (prediction.rank < 2 || prediction.dims[prediction.rank - 1] < 1)
        return tl_error(TL_ERROR_SHAPE, "%s: predictions %s, expected [batch, ..., n], n at least 1",
                        losses[loss].name, TL_SHAPE_TEXT(prediction));
    tl_tensor fitted = fit(loss, target, prediction);
    tl_shape wanted = target_shape(loss, prediction);
    if (!tl_shape_equal(fitted.shape, wanted))
        return tl_error(TL_ERROR_SHAPE, "%s: targets %s for predictions %s, expected %s", losses[loss].name,
                        TL_SHAPE_TEXT(target.shape), TL_SHAPE_TEXT(prediction), TL_SHAPE_TEXT(wanted));
    return TL_OK;
}

/* The first number of a target that a loss has no use for: not 0 to `most`, or not whole where it has to be.
 */
typedef struct search {
    double most;
    bool whole;
    tl_dtype dtype;
    bool found;
    double value;
} search;

/* Whether floats are all 0 to `most`, which those of most batches are. */
static bool are_within(int64_t n, const float *x, int64_t stride, float most)
{
    bool beyond = false;
    for (int64_t i = 0; i < n; i++)
        beyond |= !(x[i * stride] >= 0 && x[i * stride] <= most);
    return !beyond;
}

static void search_run(void *context, int64_t n, char *const at[], const int64_t strides[])
{
    search *s = context;
    const int64_t size = (int64_t)tl_size_of(s->dtype);
    if (s->dtype == TL_F32 && !s->whole &&
        are_within(n, (const float *)(const void *)at[0], strides[0], (float)s->most))
        return;
    for (int64_t i = 0; i < n && !s->found; i++) {
        s->value = tl_element(at[0] + i * strides[0] * size, s->dtype);
        s->found = !(s->value >= 0 && s->value <= s->most) || (s->whole && s->value != floor(s->value));
    }
}

/* Class numbers that come as floats are whole, and what is between hit and miss lies between 0 and 1. */
static tl_status check_values(tl_loss loss, tl_tensor target)
{
    const bool by_float = losses[loss].sparse && tl_dtype_is_float(target.dtype);
    if (!by_float && loss != TL_BINARY_CROSSENTROPY)
        return TL_OK;
    search s = {.most = by_float ? INT32_MAX : 1, .whole = by_float, .dtype = target.dtype};
    tl_iterate(1, &target, search_run, &s);
    if (!s.found)
        return TL_OK;
    return tl_error(TL_ERROR_RANGE, "%s: target %g, expected %s", losses[loss].name, s.value,
                    by_float ? "the number of a class" : "0 to 1");
}

/* The target as the loss takes it: floats of the prediction's type, or i32. */
static tl_var *convert(tl_loss loss, tl_var *prediction, tl_tensor target)
{
    tl_dtype wanted = losses[loss].sparse ? TL_I32 : tl_dtype_of(prediction);
    tl_tape *tape = tl_tape_of(prediction);
    if (check_values(loss, target) != TL_OK)
        return NULL;
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
    if (!fitted)
        return NULL;
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
