/* Optimizers against Keras 3's formulas, step by step in double. */
#include "optim/optimizer.h"
#include "tests/autograd/testing_internal.h"
#include "tests/support/suite.h"

enum { STEPS = 20, COUNT = 37 };

/* Everything that a formula may need. */
typedef struct settings {
    double rate, momentum, rho, epsilon, beta_1, beta_2, start, decay;
} settings;

/* One weight with its state. */
typedef struct weight {
    double w, m, v, most, mean;
} weight;

typedef void (*formula)(weight *x, double g, int t, const settings *s);

static void sgd(weight *x, double g, int t, const settings *s)
{
    (void)t;
    x->w -= s->rate * g;
}

static void momentum(weight *x, double g, int t, const settings *s)
{
    (void)t;
    x->m = s->momentum * x->m - s->rate * g;
    x->w += x->m;
}

static void nesterov(weight *x, double g, int t, const settings *s)
{
    (void)t;
    x->m = s->momentum * x->m - s->rate * g;
    x->w += s->momentum * x->m - s->rate * g;
}

static void rmsprop(weight *x, double g, int t, const settings *s)
{
    (void)t;
    x->v = s->rho * x->v + (1 - s->rho) * g * g;
    x->w -= s->rate * g / sqrt(x->v + s->epsilon);
}

static void momentum_rmsprop(weight *x, double g, int t, const settings *s)
{
    (void)t;
    x->v = s->rho * x->v + (1 - s->rho) * g * g;
    x->m = s->momentum * x->m + s->rate * g / sqrt(x->v + s->epsilon);
    x->w -= x->m;
}

static void centered_rmsprop(weight *x, double g, int t, const settings *s)
{
    (void)t;
    x->v = s->rho * x->v + (1 - s->rho) * g * g;
    x->mean = s->rho * x->mean + (1 - s->rho) * g;
    x->m = s->momentum * x->m + s->rate * g / sqrt(x->v - x->mean * x->mean + s->epsilon);
    x->w -= x->m;
}

static void adam(weight *x, double g, int t, const settings *s)
{
    double alpha = s->rate * sqrt(1 - pow(s->beta_2, t)) / (1 - pow(s->beta_1, t));
    x->m += (g - x->m) * (1 - s->beta_1);
    x->v += (g * g - x->v) * (1 - s->beta_2);
    x->w -= alpha * x->m / (sqrt(x->v) + s->epsilon);
}

static void adamw(weight *x, double g, int t, const settings *s)
{
    x->w -= s->rate * s->decay * x->w;
    adam(x, g, t, s);
}

static void amsgrad(weight *x, double g, int t, const settings *s)
{
    double alpha = s->rate * sqrt(1 - pow(s->beta_2, t)) / (1 - pow(s->beta_1, t));
    x->w -= s->rate * s->decay * x->w;
    x->m += (g - x->m) * (1 - s->beta_1);
    x->v += (g * g - x->v) * (1 - s->beta_2);
    x->most = fmax(x->most, x->v);
    x->w -= alpha * x->m / (sqrt(x->most) + s->epsilon);
}

static void adagrad(weight *x, double g, int t, const settings *s)
{
    (void)t;
    x->v += g * g;
    x->w -= s->rate * g / sqrt(x->v + s->epsilon);
}

static tl_optimizer *with_defaults(const char *name)
{
    return tl_optimizer_by_name(name, 0);
}

static tl_optimizer *fast_sgd(const char *name)
{
    (void)name;
    return tl_sgd(.learning_rate = 0.3);
}

static tl_optimizer *with_momentum(const char *name)
{
    (void)name;
    return tl_sgd(.learning_rate = 0.05, .momentum = 0.9);
}

static tl_optimizer *with_nesterov(const char *name)
{
    (void)name;
    return tl_sgd(.learning_rate = 0.05, .momentum = 0.8, .nesterov = true);
}

static tl_optimizer *other_rmsprop(const char *name)
{
    (void)name;
    return tl_rmsprop(.learning_rate = 0.02, .rho = 0.7, .epsilon = 1e-3);
}

static tl_optimizer *other_adam(const char *name)
{
    (void)name;
    return tl_adam(.learning_rate = 0.02, .beta_1 = 0.6, .beta_2 = 0.9, .epsilon = 1e-4);
}

static tl_optimizer *other_adagrad(const char *name)
{
    (void)name;
    return tl_adagrad(.learning_rate = 0.1, .initial_accumulator_value = 0.5, .epsilon = 1e-2);
}

static tl_optimizer *rmsprop_with_momentum(const char *name)
{
    (void)name;
    return tl_rmsprop(.learning_rate = 0.02, .rho = 0.7, .epsilon = 1e-3, .momentum = 0.8);
}

static tl_optimizer *centered(const char *name)
{
    (void)name;
    return tl_rmsprop(.learning_rate = 0.02, .rho = 0.7, .epsilon = 1e-3, .centered = true);
}

static tl_optimizer *centered_with_momentum(const char *name)
{
    (void)name;
    return tl_rmsprop(.centered = true, .momentum = 0.9);
}

static tl_optimizer *adam_amsgrad(const char *name)
{
    (void)name;
    return tl_adam(.learning_rate = 0.02, .beta_1 = 0.6, .beta_2 = 0.7, .amsgrad = true);
}

static tl_optimizer *adam_with_decay(const char *name)
{
    (void)name;
    return tl_adam(.weight_decay = 0.5);
}

static tl_optimizer *other_adamw(const char *name)
{
    (void)name;
    return tl_adamw(.learning_rate = 0.02, .weight_decay = 3, .beta_1 = 0.6, .beta_2 = 0.9, .epsilon = 1e-4);
}

static tl_optimizer *adamw_amsgrad(const char *name)
{
    (void)name;
    return tl_adamw(.learning_rate = 0.02, .beta_2 = 0.7, .amsgrad = true);
}

static tl_optimizer *adamw_without_decay(const char *name)
{
    (void)name;
    return tl_adamw(.weight_decay = TL_ZERO);
}

/* Without accumulators and momenta: zeros that were meant. */
static tl_optimizer *zero_adam(const char *name)
{
    (void)name;
    return tl_adam(.beta_1 = TL_ZERO, .beta_2 = TL_ZERO);
}

static tl_optimizer *zero_adagrad(const char *name)
{
    (void)name;
    return tl_adagrad(.initial_accumulator_value = TL_ZERO);
}

static tl_optimizer *zero_rate(const char *name)
{
    (void)name;
    return tl_sgd(.learning_rate = TL_ZERO);
}

static const struct variant {
    const char *name;
    tl_optimizer *(*make)(const char *name);
    formula step;
    settings settings;
} variants[] = {
    {"sgd", with_defaults, sgd, {.rate = 0.01}},
    {"sgd", fast_sgd, sgd, {.rate = 0.3}},
    {"sgd", zero_rate, sgd, {.rate = 0}},
    {"sgd", with_momentum, momentum, {.rate = 0.05, .momentum = 0.9}},
    {"sgd", with_nesterov, nesterov, {.rate = 0.05, .momentum = 0.8}},
    {"rmsprop", with_defaults, rmsprop, {.rate = 0.001, .rho = 0.9, .epsilon = 1e-7}},
    {"rmsprop", other_rmsprop, rmsprop, {.rate = 0.02, .rho = 0.7, .epsilon = 1e-3}},
    {"adam", with_defaults, adam, {.rate = 0.001, .beta_1 = 0.9, .beta_2 = 0.999, .epsilon = 1e-7}},
    {"adam", other_adam, adam, {.rate = 0.02, .beta_1 = 0.6, .beta_2 = 0.9, .epsilon = 1e-4}},
    {"adam", zero_adam, adam, {.rate = 0.001, .epsilon = 1e-7}},
    {"adagrad", with_defaults, adagrad, {.rate = 0.001, .start = 0.1, .epsilon = 1e-7}},
    {"adagrad", other_adagrad, adagrad, {.rate = 0.1, .start = 0.5, .epsilon = 1e-2}},
    {"adagrad", zero_adagrad, adagrad, {.rate = 0.001, .epsilon = 1e-7}},
    {"rmsprop",
     rmsprop_with_momentum,
     momentum_rmsprop,
     {.rate = 0.02, .rho = 0.7, .epsilon = 1e-3, .momentum = 0.8}},
    {"rmsprop", centered, centered_rmsprop, {.rate = 0.02, .rho = 0.7, .epsilon = 1e-3}},
    {"rmsprop",
     centered_with_momentum,
     centered_rmsprop,
     {.rate = 0.001, .rho = 0.9, .epsilon = 1e-7, .momentum = 0.9}},
    {"adam", adam_amsgrad, amsgrad, {.rate = 0.02, .beta_1 = 0.6, .beta_2 = 0.7, .epsilon = 1e-7}},
    {"adam",
     adam_with_decay,
     adamw,
     {.rate = 0.001, .beta_1 = 0.9, .beta_2 = 0.999, .epsilon = 1e-7, .decay = 0.5}},
    {"adamw",
     with_defaults,
     adamw,
     {.rate = 0.001, .beta_1 = 0.9, .beta_2 = 0.999, .epsilon = 1e-7, .decay = 0.004}},
    {"adamw", other_adamw, adamw, {.rate = 0.02, .beta_1 = 0.6, .beta_2 = 0.9, .epsilon = 1e-4, .decay = 3}},
    {"adamw",
     adamw_amsgrad,
     amsgrad,
     {.rate = 0.02, .beta_1 = 0.9, .beta_2 = 0.7, .epsilon = 1e-7, .decay = 0.004}},
    {"adamw", adamw_without_decay, adam, {.rate = 0.001, .beta_1 = 0.9, .beta_2 = 0.999, .epsilon = 1e-7}},
};
enum { VARIANTS = sizeof variants / sizeof variants[0] };

/* The gradient of element i at step t: of many sizes, sometimes 0, exactly a float. */
static double gradient_at(int64_t i, int t)
{
    uint64_t place = (uint64_t)(i * 1000 + t);
    if (i % 11 == 3)
        return 0;
    return (double)(float)(tl_random_normal(3, 0, place) * pow(10, (double)(i % 5) - 3));
}

static void set_gradient(const tl_parameter *p, int t)
{
    tl_tensor g = p->gradient;
    for (int64_t i = 0; i < tl_tensor_count(g); i++)
        if (g.dtype == TL_F32)
            ((float *)tl_data_mut(g))[i] = (float)gradient_at(i, t);
        else
            ((double *)tl_data_mut(g))[i] = gradient_at(i, t);
}

static void step_formulas(weight *x, int t, const struct variant *v)
{
    for (int64_t i = 0; i < COUNT; i++)
        v->step(&x[i], gradient_at(i, t), t, &v->settings);
}

static void start_formulas(weight *x, const tl_parameter *p, const settings *s)
{
    for (int64_t i = 0; i < COUNT; i++)
        x[i] = (weight){.w = element(p->value, i), .v = s->start};
}

static void check_weights(const tl_parameter *p, const weight *x, double bound, const char *name)
{
    for (int64_t i = 0; i < COUNT; i++)
        ck_assert_msg(fabs(element(p->value, i) - x[i].w) <= bound * fmax(1, fabs(x[i].w)),
                      "%s: weight %lld is %.17g, the formula gives %.17g", name, (long long)i,
                      element(p->value, i), x[i].w);
}

/* In f32 a step rounds a weight near 1 to 2^-24 at worst, 20 of them to 1.2e-6; the states, with a few
 * roundings each, move an update of at most 0.3 * 10 by 1e-6 of itself. */
START_TEST(steps_follow_the_formulas)
{
    const tl_dtype dtype = _i % 2 ? TL_F32 : TL_F64;
    const struct variant *v = &variants[_i / 2];
    const double bound = dtype == TL_F64 ? 1e-12 : 6e-6;
    tl_parameter *p = random_parameter("w", dtype, tl_shape(COUNT), 1);
    weight x[COUNT];
    start_formulas(x, p, &v->settings);
    tl_optimizer *optimizer = v->make(v->name);
    ck_assert_str_eq(tl_optimizer_name(optimizer), v->name);
    ck_assert_double_eq(tl_optimizer_learning_rate(optimizer), v->settings.rate);
    check_ok(tl_optimizer_add(optimizer, &p, 1));
    for (int t = 1; t <= STEPS; t++) {
        set_gradient(p, t);
        check_ok(tl_optimizer_step(optimizer));
        step_formulas(x, t, v);
        check_weights(p, x, bound, v->name);
        ck_assert_int_eq(tl_optimizer_steps(optimizer), t);
    }
    tl_optimizer_free(optimizer);
    tl_parameter_free(p);
}
END_TEST

START_TEST(a_step_clears_gradients_and_renews_the_version)
{
    tl_parameter *p = random_parameter("w", TL_F32, tl_shape(COUNT), 1);
    tl_optimizer *optimizer = tl_sgd(.learning_rate = 0.5);
    check_ok(tl_optimizer_add(optimizer, &p, 1));
    set_gradient(p, 1);
    uint64_t before = p->value.storage->version;
    check_ok(tl_optimizer_step(optimizer));
    ck_assert_uint_ne(p->value.storage->version, before);
    for (int64_t i = 0; i < COUNT; i++)
        ck_assert_double_eq(element(p->gradient, i), 0);
    tl_optimizer_free(optimizer);
    tl_parameter_free(p);
}
END_TEST

START_TEST(frozen_parameters_stay)
{
    tl_parameter *both[] = {random_parameter("frozen", TL_F64, tl_shape(COUNT), 1),
                            random_parameter("free", TL_F64, tl_shape(COUNT), 1)};
    tl_tensor before = copy_of(both[0]->value);
    both[0]->trainable = false;
    /* Its gradient does not count for the common norm either. */
    tl_optimizer *optimizer = tl_sgd(.learning_rate = 1, .global_clip_norm = 1e6);
    check_ok(tl_optimizer_add(optimizer, both, 2));
    tl_tensor_fill(both[0]->gradient, 1e9);
    set_gradient(both[1], 1);
    check_ok(tl_optimizer_step(optimizer));
    ck_assert(same_bits(both[0]->value, before));
    for (int64_t i = 0; i < COUNT; i++)
        ck_assert_double_eq_tol(element(both[1]->value, i), element(before, i) - gradient_at(i, 1), 1e-12);
    tl_optimizer_free(optimizer);
    tl_tensor_free(&before);
    tl_parameter_free(both[0]);
    tl_parameter_free(both[1]);
}
END_TEST

/* Adam's t is the optimizer's, the momenta are the parameter's. */
START_TEST(parameters_may_come_later)
{
    const struct variant *v = &variants[8];
    tl_parameter *first = random_parameter("first", TL_F64, tl_shape(COUNT), 1),
                 *second = random_parameter("second", TL_F64, tl_shape(COUNT), 2);
    weight x[COUNT], y[COUNT];
    start_formulas(x, first, &v->settings);
    start_formulas(y, second, &v->settings);
    tl_optimizer *optimizer = v->make(v->name);
    check_ok(tl_optimizer_add(optimizer, &first, 1));
    for (int t = 1; t <= STEPS; t++) {
        if (t == 8)
            check_ok(tl_optimizer_add(optimizer, &second, 1));
        set_gradient(first, t);
        set_gradient(second, t);
        check_ok(tl_optimizer_step(optimizer));
        step_formulas(x, t, v);
        if (t >= 8)
            step_formulas(y, t, v);
    }
    check_weights(first, x, 1e-12, "first");
    check_weights(second, y, 1e-12, "second");
    tl_optimizer_free(optimizer);
    tl_parameter_free(first);
    tl_parameter_free(second);
}
END_TEST

START_TEST(the_learning_rate_may_change_between_steps)
{
    tl_parameter *p = random_parameter("w", TL_F64, tl_shape(1), 1);
    tl_optimizer *optimizer = tl_sgd(.learning_rate = 1);
    check_ok(tl_optimizer_add(optimizer, &p, 1));
    tl_tensor_fill(p->value, 0);
    for (int i = 1; i <= 3; i++) {
        check_ok(tl_optimizer_set_learning_rate(optimizer, i));
        tl_tensor_fill(p->gradient, -1);
        check_ok(tl_optimizer_step(optimizer));
    }
    ck_assert_double_eq(element(p->value, 0), 1 + 2 + 3);
    ck_assert_int_eq(tl_optimizer_set_learning_rate(optimizer, -2), TL_ERROR_ARGUMENT);
    check_error(TL_ERROR_ARGUMENT, "learning_rate -2");
    ck_assert_double_eq(tl_optimizer_learning_rate(optimizer), 3);
    tl_optimizer_free(optimizer);
    tl_parameter_free(p);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("optimizer");
    tcase_add_loop_test(tests, steps_follow_the_formulas, 0, 2 * VARIANTS);
    tcase_add_test(tests, a_step_clears_gradients_and_renews_the_version);
    tcase_add_test(tests, frozen_parameters_stay);
    tcase_add_test(tests, parameters_may_come_later);
    tcase_add_test(tests, the_learning_rate_may_change_between_steps);
    return run_tests("optimizer", tests);
}
