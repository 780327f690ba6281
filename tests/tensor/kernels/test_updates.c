/* Optimizer steps: the plain ones against the formulas of Keras 3 in double precision, all others bit for
 * bit against the plain ones. */
#include "tests/support/kernels.h"
#include "tests/support/numbers.h"
#include "tests/support/suite.h"

static const tl_kernels *const plain = &tl_kernels_reference_f32;

typedef struct element {
    double w, s[TL_UPDATE_STATES];
} element;

static element sgd(element e, double g, const double *p)
{
    e.w -= p[0] * g;
    return e;
}

static element momentum(element e, double g, const double *p)
{
    e.s[0] = p[1] * e.s[0] - p[0] * g;
    e.w += e.s[0];
    return e;
}

static element nesterov(element e, double g, const double *p)
{
    e.s[0] = p[1] * e.s[0] - p[0] * g;
    e.w += p[1] * e.s[0] - p[0] * g;
    return e;
}

static element rmsprop(element e, double g, const double *p)
{
    e.s[0] = p[1] * e.s[0] + (1 - p[1]) * g * g;
    e.w -= p[0] * g / sqrt(e.s[0] + p[2]);
    return e;
}

static element rmsprop_momentum(element e, double g, const double *p)
{
    e.s[0] = p[1] * e.s[0] + (1 - p[1]) * g * g;
    e.s[1] = p[3] * e.s[1] + p[0] * g / sqrt(e.s[0] + p[2]);
    e.w -= e.s[1];
    return e;
}

static element rmsprop_centered(element e, double g, const double *p)
{
    e.s[0] = p[1] * e.s[0] + (1 - p[1]) * g * g;
    e.s[1] = p[1] * e.s[1] + (1 - p[1]) * g;
    e.w -= p[0] * g / sqrt(e.s[0] - e.s[1] * e.s[1] + p[2]);
    return e;
}

static element rmsprop_centered_momentum(element e, double g, const double *p)
{
    e.s[0] = p[1] * e.s[0] + (1 - p[1]) * g * g;
    e.s[1] = p[1] * e.s[1] + (1 - p[1]) * g;
    e.s[2] = p[3] * e.s[2] + p[0] * g / sqrt(e.s[0] - e.s[1] * e.s[1] + p[2]);
    e.w -= e.s[2];
    return e;
}

static element adam(element e, double g, const double *p)
{
    e.w -= p[4] * e.w;
    e.s[0] = p[1] * e.s[0] + (1 - p[1]) * g;
    e.s[1] = p[2] * e.s[1] + (1 - p[2]) * g * g;
    e.w -= p[0] * e.s[0] / (sqrt(e.s[1]) + p[3]);
    return e;
}

static element amsgrad(element e, double g, const double *p)
{
    e.w -= p[4] * e.w;
    e.s[0] = p[1] * e.s[0] + (1 - p[1]) * g;
    e.s[1] = p[2] * e.s[1] + (1 - p[2]) * g * g;
    e.s[2] = fmax(e.s[2], e.s[1]);
    e.w -= p[0] * e.s[0] / (sqrt(e.s[2]) + p[3]);
    return e;
}

static element adagrad(element e, double g, const double *p)
{
    e.s[0] += g * g;
    e.w -= p[0] * g / sqrt(e.s[0] + p[1]);
    return e;
}

/* Adam's second beta is small enough for the mean of squares to fall now and then. */
static const struct {
    const char *name;
    element (*formula)(element e, double g, const double *p);
    int states;
    double p[TL_UPDATE_NUMBERS];
} updates[TL_UPDATE_COUNT] = {
    [TL_UPDATE_SGD] = {"sgd", sgd, 0, {0.01}},
    [TL_UPDATE_MOMENTUM] = {"momentum", momentum, 1, {0.01, 0.9}},
    [TL_UPDATE_NESTEROV] = {"nesterov", nesterov, 1, {0.01, 0.9}},
    [TL_UPDATE_RMSPROP] = {"rmsprop", rmsprop, 1, {0.001, 0.9, 1e-7}},
    [TL_UPDATE_RMSPROP_MOMENTUM] = {"momentum rmsprop", rmsprop_momentum, 2, {0.001, 0.9, 1e-7, 0.7}},
    [TL_UPDATE_RMSPROP_CENTERED] = {"centered rmsprop", rmsprop_centered, 2, {0.001, 0.9, 1e-7}},
    [TL_UPDATE_RMSPROP_CENTERED_MOMENTUM] = {"centered momentum rmsprop",
                                             rmsprop_centered_momentum,
                                             3,
                                             {0.001, 0.9, 1e-7, 0.7}},
    [TL_UPDATE_ADAM] = {"adam", adam, 2, {0.003, 0.9, 0.999, 1e-7, 1e-4}},
    [TL_UPDATE_AMSGRAD] = {"amsgrad", amsgrad, 3, {0.003, 0.9, 0.7, 1e-7, 1e-4}},
    [TL_UPDATE_ADAGRAD] = {"adagrad", adagrad, 1, {0.001, 1e-7}},
};

START_TEST(the_plain_updates_follow_their_formulas)
{
    enum { N = 100, STEPS = 20 };
    for (int u = 0; u < TL_UPDATE_COUNT; u++) {
        double *w = random_doubles(N, -1, 1, 1), s[TL_UPDATE_STATES][N] = {{0}};
        float narrow_w[N], narrow_s[TL_UPDATE_STATES][N] = {{0}}, narrow_g[N];
        element expected[N];
        for (int i = 0; i < N; i++) {
            expected[i] = (element){.w = w[i]};
            narrow_w[i] = (float)w[i];
        }
        for (uint64_t step = 0; step < STEPS; step++) {
            double *g = random_doubles(N, -1, 1, 10 + step);
            for (int i = 0; i < N; i++) {
                expected[i] = updates[u].formula(expected[i], g[i], updates[u].p);
                narrow_g[i] = (float)g[i];
            }
            tl_kernels_reference_f64.update[u](N, updates[u].p, g, w, (void *[]){s[0], s[1], s[2]});
            plain->update[u](N, updates[u].p, narrow_g, narrow_w,
                             (void *[]){narrow_s[0], narrow_s[1], narrow_s[2]});
            free(g);
        }
        for (int i = 0; i < N; i++) {
            bool near = fabs(w[i] - expected[i].w) <= 1e-13;
            for (int j = 0; j < TL_UPDATE_STATES; j++)
                near &= fabs(s[j][i] - expected[i].s[j]) <= 1e-13;
            if (!near)
                ck_abort_msg("f64 %s: weight %d is %.17g, expected %.17g", updates[u].name, i, w[i],
                             expected[i].w);
            if (!(fabs((double)narrow_w[i] - expected[i].w) <= 5e-6))
                ck_abort_msg("f32 %s: weight %d is %.9g, expected %.9g", updates[u].name, i,
                             (double)narrow_w[i], expected[i].w);
        }
        free(w);
    }
}
END_TEST

/* Gradients that do not change: their variance falls to nothing, and rounding must not take it below. */
START_TEST(the_variance_of_equal_gradients_is_never_negative)
{
    enum { N = 64, STEPS = 300 };
    float g[N], w[N] = {0}, square[N] = {0}, mean[N] = {0};
    for (int i = 0; i < N; i++)
        g[i] = 10 + (float)i * 1.37f;
    for (int step = 0; step < STEPS; step++)
        plain->update[TL_UPDATE_RMSPROP_CENTERED](N, (const double[]){1e-6, 0.9, 1e-7}, g, w,
                                                  (void *[]){square, mean});
    int below = 0;
    for (int i = 0; i < N; i++) {
        ck_assert_msg(isfinite(w[i]), "weight %d is %g", i, (double)w[i]);
        below += square[i] - mean[i] * mean[i] < -1e-7f;
    }
    ck_assert_int_gt(below, 0); /* there was something to be guarded against */
}
END_TEST

/* Gradients, weights and states of n elements; states that an update does not have are NULL. */
typedef struct buffers {
    float *g, *w, *s[TL_UPDATE_STATES];
} buffers;

static buffers make_buffers(int update, int64_t n)
{
    buffers b = {.g = random_floats(n, -1, 1, 2), .w = random_floats(n, -1, 1, 3)};
    for (int i = 0; i < updates[update].states; i++)
        b.s[i] = random_floats(n, 0, 1, 4 + (uint64_t)i);
    return b;
}

static void free_buffers(buffers b)
{
    free(b.g);
    free(b.w);
    for (int i = 0; i < TL_UPDATE_STATES; i++)
        free(b.s[i]);
}

/* Elements `first` to `first + n`. */
static void run_part(const tl_kernels *kernels, int update, buffers b, int64_t first, int64_t n)
{
    void *states[TL_UPDATE_STATES] = {NULL};
    for (int i = 0; i < updates[update].states; i++)
        states[i] = b.s[i] + first;
    kernels->update[update](n, updates[update].p, b.g + first, b.w + first, states);
}

static void expect_same(const tl_kernels *kernels, int update, int64_t n, buffers got, buffers expected)
{
    bool same = first_difference(n, got.w, expected.w) < 0 && first_difference(n, got.g, expected.g) < 0;
    for (int i = 0; i < updates[update].states; i++)
        same &= first_difference(n, got.s[i], expected.s[i]) < 0;
    ck_assert_msg(same, "%s %s of %lld elements", kernels->isa, updates[update].name, (long long)n);
}

static void compare_updates(const tl_kernels *kernels)
{
    for (int u = 0; u < TL_UPDATE_COUNT; u++)
        for (int size = 0; size < RAGGED; size++) {
            const int64_t n = ragged[size];
            buffers got = make_buffers(u, n), expected = make_buffers(u, n), pieces = make_buffers(u, n);
            run_part(kernels, u, got, 0, n);
            run_part(plain, u, expected, 0, n);
            expect_same(kernels, u, n, got, expected);
            for (int64_t i = 0; i < n; i += 5)
                run_part(kernels, u, pieces, i, n - i < 5 ? n - i : 5);
            expect_same(kernels, u, n, pieces, expected);
            free_buffers(got);
            free_buffers(expected);
            free_buffers(pieces);
        }
}

START_TEST(every_table_agrees_with_the_plain_one)
{
    for_each_table(compare_updates);
}
END_TEST

static void poison(const tl_kernels *kernels)
{
    enum { N = 35 };
    for (int u = 0; u < TL_UPDATE_COUNT; u++)
        for (int place = 0; place < N; place++) {
            buffers b = make_buffers(u, N);
            b.g[place] = NAN;
            run_part(kernels, u, b, 0, N);
            for (int i = 0; i < N; i++) {
                bool right = isnan(b.w[i]) == (i == place);
                for (int j = 0; j < updates[u].states; j++)
                    right &= isnan(b.s[j][i]) == (i == place);
                if (!right)
                    ck_abort_msg("%s %s: NaN at %d, %g at %d", kernels->isa, updates[u].name, place,
                                 (double)b.w[i], i);
            }
            free_buffers(b);
        }
}

START_TEST(nan_gradients_give_nan_weights_and_no_others)
{
    for_each_table(poison);
}
END_TEST

START_TEST(a_zero_gradient_divides_by_no_zero)
{
    const float g = 0;
    for (int u = 0; u < TL_UPDATE_COUNT; u++) {
        float w = 0.5f, s[TL_UPDATE_STATES] = {0};
        double p[TL_UPDATE_NUMBERS];
        memcpy(p, updates[u].p, sizeof p);
        p[4] = 0; /* but for the decay of weights, nothing moves */
        plain->update[u](1, p, &g, &w, (void *[]){&s[0], &s[1], &s[2]});
        ck_assert_float_eq(w, 0.5f);
        for (int i = 0; i < TL_UPDATE_STATES; i++)
            ck_assert_float_eq(s[i], 0);
    }
}
END_TEST

int main(void)
{
    return RUN_SUITE("kernel updates", the_plain_updates_follow_their_formulas,
                     the_variance_of_equal_gradients_is_never_negative, every_table_agrees_with_the_plain_one,
                     nan_gradients_give_nan_weights_and_no_others, a_zero_gradient_divides_by_no_zero);
}
