/* Gradients of parameters in f64 against central differences, weight by weight: on a tape, and through
 * tl_fit, whose change of a weight by plain SGD at rate 1 is minus the gradient of what tl_evaluate measures.
 */
#ifndef TL_TESTS_NN_GRADIENTS_INTERNAL_H
#define TL_TESTS_NN_GRADIENTS_INTERNAL_H

#include "tests/nn/testing_internal.h"

/* The tolerances of tl_gradcheck are 1e-5 and 1e-3; what is checked here is smooth enough for less. */
static inline void compare(tl_tensor analytic, tl_tensor numeric, const char *name)
{
    for (int64_t i = 0; i < tl_tensor_count(numeric); i++) {
        double a = element(analytic, i), n = element(numeric, i);
        ck_assert_msg(fabs(a - n) <= 1e-7 + 1e-5 * fabs(n), "%s, element %lld: analytic %.10g, numeric %.10g",
                      name, (long long)i, a, n);
    }
}

/* --- On a tape --- */

/* What is differentiated: one number on a tape, the same whenever it is computed on a new one. */
typedef struct tape_function {
    tl_var *(*loss_on)(tl_tape *tape, void *context);
    void *context;
} tape_function;

static inline double value_of(void *context)
{
    const tape_function *f = context;
    tl_tape *tape = tl_tape_new();
    double value = tl_tensor_item(tl_value(f->loss_on(tape, f->context)));
    tl_tape_free(tape);
    return value;
}

static inline void check_parameters(tl_parameter *const *parameters, int count, tape_function f)
{
    for (int i = 0; i < count; i++)
        tl_parameter_clear_gradient(parameters[i]);
    tl_tape *tape = tl_tape_new();
    check_ok(tl_backward(f.loss_on(tape, f.context)));
    tl_tape_free(tape);
    for (int i = 0; i < count; i++) {
        tl_tensor numeric = numeric_gradient(parameters[i], value_of, &f);
        compare(parameters[i]->gradient, numeric, parameters[i]->name);
        tl_tensor_free(&numeric);
    }
}

typedef struct problem {
    tl_model *model;
    tl_tensor x, mask, y; /* y: weights of the outputs */
} problem;

static inline tl_var *loss_on(tl_tape *tape, void *context)
{
    const problem *p = context;
    tl_var *x = tl_input(tape, p->x);
    if (tl_tensor_ok(p->mask))
        x = tl_set_mask(x, p->mask);
    return tl_sum(tl_mul(tl_forward(p->model, x), tl_input(tape, p->y)), TL_ALL_AXES, false);
}

/* All weights of a model in training mode; with dropout, new tapes draw alike. */
static inline void check_on_tape(tl_model *model, tl_tensor x, tl_tensor mask)
{
    tl_tensor out = output_of(model, x, mask);
    problem p = {model, x, mask, random_tensor(TL_F64, out.shape, 8)};
    int count;
    tl_parameter *const *parameters = tl_model_parameters(model, &count);
    check_parameters(parameters, count, (tape_function){loss_on, &p});
    tl_tensor_free(&p.y);
    tl_tensor_free(&out);
}

/* --- Through the trainer --- */

typedef struct trained {
    tl_model *model;
    tl_dataset data;
} trained;

static inline double evaluated(void *context)
{
    const trained *t = context;
    tl_metrics metrics;
    check_ok(tl_evaluate(t->model, t->data, 5, &metrics));
    return metrics.loss;
}

/* Trains the model on all data at once; frees it. */
static inline void check_trained(tl_model *model, tl_shape input, tl_tensor x, tl_tensor y, tl_loss loss)
{
    check_ok(tl_compile(model, .optimizer = tl_sgd(.learning_rate = 1), .loss = loss));
    build_randomly(model, input, TL_F64, 0.6);
    trained t = {model, tl_dataset_of(x, y)};
    int count;
    tl_parameter *const *parameters = tl_model_parameters(model, &count);
    tl_tensor numeric[16], before[16];
    ck_assert_int_le(count, 16);
    for (int i = 0; i < count; i++) {
        numeric[i] = numeric_gradient(parameters[i], evaluated, &t);
        before[i] = copy_of(parameters[i]->value);
    }
    double loss_before = evaluated(&t);
    tl_history *history = tl_fit(model, t.data, .batch_size = tl_dataset_size(t.data));
    ck_assert_msg(history != NULL, "%s", tl_error_message());
    ck_assert_double_eq_tol(history->epochs[0].train.loss, loss_before, 1e-12);
    for (int i = 0; i < count; i++) {
        tl_tensor change = tl_tensor_new(TL_F64, before[i].shape);
        double *c = tl_data_mut(change);
        for (int64_t j = 0; j < tl_tensor_count(change); j++)
            c[j] = element(before[i], j) - element(parameters[i]->value, j);
        compare(change, numeric[i], parameters[i]->name);
        tl_tensor_free(&change);
        tl_tensor_free(&numeric[i]);
        tl_tensor_free(&before[i]);
    }
    tl_history_free(history);
    tl_model_free(model);
}

#endif
