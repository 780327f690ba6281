#include "gradients.h"

#include <math.h>

/* The same dropouts whenever it is recorded, since a tape that was reset draws the same numbers again. */
static tl_var *record(tl_tape *tape, tl_model *model, tl_tensor x)
{
    tl_tape_reset(tape);
    return tl_sum(tl_forward(model, tl_input(tape, x)), TL_ALL_AXES, false);
}

/* The sum with one weight moved. */
static double sum_at(tl_tape *tape, tl_model *model, tl_tensor x, tl_tensor weights, int64_t i, double by)
{
    double *w = tl_data_mut(weights), kept = w[i];
    w[i] += by;
    double sum = tl_tensor_item(tl_value(record(tape, model, x)));
    w = tl_data_mut(weights); /* changed once more */
    w[i] = kept;
    return sum;
}

static tl_status check_parameter(tl_tape *tape, tl_model *model, tl_tensor x, tl_parameter *p)
{
    const double eps = 1e-6, absolute = 1e-7, relative = 1e-5;
    const double *analytic = tl_data(p->gradient);
    for (int64_t i = 0; i < tl_tensor_count(p->value); i++) {
        double above = sum_at(tape, model, x, p->value, i, eps);
        double numeric = (above - sum_at(tape, model, x, p->value, i, -eps)) / (2 * eps);
        if (!(fabs(analytic[i] - numeric) <= absolute + relative * fabs(numeric)))
            return tl_error(TL_ERROR_NUMERIC,
                            "%s, element %lld: derivative %.10g on the tape, %.10g measured", p->name,
                            (long long)i, analytic[i], numeric);
    }
    return TL_OK;
}

tl_status check_gradients(tl_model *model, tl_tensor x, int64_t *checked)
{
    int count;
    tl_parameter *const *parameters = tl_model_parameters(model, &count);
    tl_tape *tape = tl_tape_new();
    tl_status status = tape ? tl_backward(record(tape, model, x)) : tl_error_status();
    *checked = 0;
    for (int i = 0; i < count && status == TL_OK; i++) {
        status = check_parameter(tape, model, x, parameters[i]);
        *checked += tl_tensor_count(parameters[i]->value);
    }
    tl_tape_free(tape);
    return status;
}
