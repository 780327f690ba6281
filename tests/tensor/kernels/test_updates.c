/* Optimizer steps: the plain ones against the formulas of Keras 3 in double precision, all others bit for
 * bit against the plain ones. */
#include "tests/support/kernels.h"
#include "tests/support/numbers.h"
#include "tests/support/suite.h"

static const tl_kernels *const plain = &tl_kernels_reference_f32;

typedef struct element {
    double w, s0, s1;
} element;

static element sgd(element e, double g, const double *p)
{
    e.w -= p[0] * g;
    return e;
}

static element momentum(element e, double g, const double *p)
{
    e.s0 = p[1] * e.s0 - p[0] * g;
    e.w += e.s0;
    return e;
}

static element nesterov(element e, double g, const double *p)
{
    e.s0 = p[1] * e.s0 - p[0] * g;
    e.w += p[1] * e.s0 - p[0] * g;
    return e;
}

static element rmsprop(element e, double g, const double *p)
{
    e.s0 = p[1] * e.s0 + (1 - p[1]) * g * g;
    e.w -= p[0] * g / sqrt(e.s0 + p[2]);
    return e;
}

static element adam(element e, double g, const double *p)
{
    e.s0 = p[1] * e.s0 + (1 - p[1]) * g;
    e.s1 = p[2] * e.s1 + (1 - p[2]) * g * g;
    e.w -= p[0] * e.s0 / (sqrt(e.s1) + p[3]);
    return e;
}

static element adagrad(element e, double g, const double *p)
{
    e.s0 += g * g;
    e.w -= p[0] * g / sqrt(e.s0 + p[1]);
    return e;
}

static const struct {
    const char *name;
    element (*formula)(element e, double g, const double *p);
    int states;
    double p[4];
} updates[TL_UPDATE_COUNT] = {
    [TL_UPDATE_SGD] = {"sgd", sgd, 0, {0.01}},
    [TL_UPDATE_MOMENTUM] = {"momentum", momentum, 1, {0.01, 0.9}},
    [TL_UPDATE_NESTEROV] = {"nesterov", nesterov, 1, {0.01, 0.9}},
    [TL_UPDATE_RMSPROP] = {"rmsprop", rmsprop, 1, {0.001, 0.9, 1e-7}},
    [TL_UPDATE_ADAM] = {"adam", adam, 2, {0.003, 0.9, 0.999, 1e-7}},
    [TL_UPDATE_ADAGRAD] = {"adagrad", adagrad, 1, {0.001, 1e-7}},
};

START_TEST(the_plain_updates_follow_their_formulas)
{
    enum { N = 100, STEPS = 20 };
    for (int u = 0; u < TL_UPDATE_COUNT; u++) {
        double *w = random_doubles(N, -1, 1, 1), s0[N] = {0}, s1[N] = {0};
        float narrow_w[N], narrow_s0[N] = {0}, narrow_s1[N] = {0}, narrow_g[N];
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
            tl_kernels_reference_f64.update[u](N, updates[u].p, g, w, s0, s1);
            plain->update[u](N, updates[u].p, narrow_g, narrow_w, narrow_s0, narrow_s1);
            free(g);
        }
        for (int i = 0; i < N; i++) {
            if (!(fabs(w[i] - expected[i].w) <= 1e-13) || !(fabs(s0[i] - expected[i].s0) <= 1e-13) ||
                !(fabs(s1[i] - expected[i].s1) <= 1e-13))
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

/* Gradients, weights and states of n elements; states that an update does not have are NULL. */
typedef struct buffers {
    float *g, *w, *s0, *s1;
} buffers;

static buffers make_buffers(int update, int64_t n)
{
    return (buffers){.g = random_floats(n, -1, 1, 2),
                     .w = random_floats(n, -1, 1, 3),
                     .s0 = updates[update].states > 0 ? random_floats(n, 0, 1, 4) : NULL,
                     .s1 = updates[update].states > 1 ? random_floats(n, 0, 1, 5) : NULL};
}

static void free_buffers(buffers b)
{
    free(b.g);
    free(b.w);
    free(b.s0);
    free(b.s1);
}

/* Elements `first` to `first + n`. */
static void run_part(const tl_kernels *kernels, int update, buffers b, int64_t first, int64_t n)
{
    kernels->update[update](n, updates[update].p, b.g + first, b.w + first, b.s0 ? b.s0 + first : NULL,
                            b.s1 ? b.s1 + first : NULL);
}

static void expect_same(const tl_kernels *kernels, int update, int64_t n, buffers got, buffers expected)
{
    ck_assert_msg(first_difference(n, got.w, expected.w) < 0 &&
                      (!got.s0 || first_difference(n, got.s0, expected.s0) < 0) &&
                      (!got.s1 || first_difference(n, got.s1, expected.s1) < 0) &&
                      first_difference(n, got.g, expected.g) < 0,
                  "%s %s of %lld elements", kernels->isa, updates[update].name, (long long)n);
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
            for (int i = 0; i < N; i++)
                if (isnan(b.w[i]) != (i == place) || (b.s0 && isnan(b.s0[i]) != (i == place)) ||
                    (b.s1 && isnan(b.s1[i]) != (i == place)))
                    ck_abort_msg("%s %s: NaN at %d, %g at %d", kernels->isa, updates[u].name, place,
                                 (double)b.w[i], i);
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
        float w = 0.5f, s0 = 0, s1 = 0;
        plain->update[u](1, updates[u].p, &g, &w, &s0, &s1);
        ck_assert_float_eq(w, 0.5f);
        ck_assert_float_eq(s0, 0);
        ck_assert_float_eq(s1, 0);
    }
}
END_TEST

int main(void)
{
    return RUN_SUITE("kernel updates", the_plain_updates_follow_their_formulas,
                     every_table_agrees_with_the_plain_one, nan_gradients_give_nan_weights_and_no_others,
                     a_zero_gradient_divides_by_no_zero);
}
