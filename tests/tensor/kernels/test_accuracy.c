/* exp, tanh and sigmoid of every table against the C library's in double precision: within 3 units in the
 * last place, tanh and sigmoid within 2e-7 too. Denormal results may be flushed, see numbers.h; and all of
 * it holds with flush-to-zero on, as tapes run. */
#include "tensor/compute_internal.h"
#include "tensor/flush_internal.h"
#include "tests/support/kernels.h"
#include "tests/support/numbers.h"
#include "tests/support/suite.h"

static double sigmoid(double x)
{
    return x < 0 ? exp(x) / (1 + exp(x)) : 1 / (1 + exp(-x));
}

static const struct {
    tl_map map;
    const char *name;
    double (*truth)(double x);
    double absolute;
} functions[] = {
    {TL_MAP_EXP, "exp", exp, (double)INFINITY},
    {TL_MAP_TANH, "tanh", tanh, 2e-7},
    {TL_MAP_SIGMOID, "sigmoid", sigmoid, 2e-7},
};
enum { FUNCTIONS = sizeof functions / sizeof functions[0], BLOCK = 1021 };

/* At most BLOCK arguments through one function of every table; gradual and with flush-to-zero. */
static void check_block(int which, int64_t count, const float *x)
{
    const tl_kernels *tables[TABLES];
    const int available = tl_kernels_available(tables, TABLES);
    double truth[BLOCK];
    for (int64_t i = 0; i < count; i++)
        truth[i] = functions[which].truth((double)x[i]);
    for (int t = 0; t < 2 * available; t++) {
        const tl_kernels *kernels = tables[t / 2];
        float out[BLOCK];
        unsigned mode = t % 2 ? tl_flush_set(tl_flushing) : 0;
        kernels->map[functions[which].map](count, x, 1, NULL, 1, out, 1, NULL);
        if (t % 2)
            tl_flush_set(mode);
        for (int64_t i = 0; i < count; i++)
            if (!(ulps_off(out[i], truth[i]) <= 3) ||
                fabs((double)out[i] - truth[i]) > functions[which].absolute)
                ck_abort_msg("%s %s(%.9g)%s: %.9g, expected %.9g: %.3g units off", kernels->isa,
                             functions[which].name, (double)x[i], t % 2 ? " flushing" : "", (double)out[i],
                             truth[i], ulps_off(out[i], truth[i]));
    }
}

/* Every float whose bits are first, first + step, ... up to last. */
static void check_bits(int which, uint32_t first, uint32_t last, uint32_t step)
{
    float x[BLOCK];
    int64_t count = 0;
    for (uint64_t bits = first; bits <= last; bits += step) {
        const uint32_t narrow = (uint32_t)bits;
        memcpy(&x[count++], &narrow, sizeof narrow);
        if (count == BLOCK || bits + step > last) {
            check_block(which, count, x);
            count = 0;
        }
    }
}

static uint32_t bits_of(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

START_TEST(floats_of_every_size_are_accurate)
{
    for (int f = 0; f < FUNCTIONS; f++) {
        check_bits(f, bits_of(0.0f), bits_of(INFINITY), 10007);
        check_bits(f, bits_of(-0.0f), bits_of(-INFINITY), 10007);
    }
}
END_TEST

/* Where the results are neither 0 nor 1 nor infinite. */
START_TEST(the_interesting_range_is_accurate)
{
    for (int f = 0; f < FUNCTIONS; f++) {
        check_bits(f, bits_of(0x1p-13f), bits_of(110.0f), 251);
        check_bits(f, bits_of(-0x1p-13f), bits_of(-110.0f), 251);
    }
}
END_TEST

/* Every single float about the places where the code changes its mind. */
START_TEST(the_edges_are_accurate)
{
    static const float edges[] = {9.01f,       9.1f,        80.0f,      86.99f, 87.0f,
                                  87.33f,      87.336544f,  88.37f,     88.72f, 88.722839f,
                                  0.34657359f, 1.03972077f, 0.17328680f};
    for (int f = 0; f < FUNCTIONS; f++)
        for (size_t e = 0; e < sizeof edges / sizeof edges[0]; e++) {
            uint32_t place = bits_of(edges[e]), sign = bits_of(-0.0f);
            check_bits(f, place - 3000, place + 3000, 1);
            check_bits(f, (place - 3000) | sign, (place + 3000) | sign, 1);
        }
}
END_TEST

START_TEST(special_values_are_right)
{
    static const float x[] = {0,         -0.0f,      0x1p-149f,     -0x1p-149f,     0x1p-127f, -0x1p-127f,
                              0x1p-126f, -0x1p-126f, 1e-20f,        -1e-20f,        1,         -1,
                              1e4f,      -1e4f,      3.4028235e38f, -3.4028235e38f, INFINITY,  -INFINITY};
    for (int f = 0; f < FUNCTIONS; f++)
        check_block(f, sizeof x / sizeof x[0], x);
}
END_TEST

/* The values that people rely on, to the bit. */
static void check_exact(const tl_kernels *kernels)
{
    static const struct {
        tl_map map;
        float x, y;
    } values[] = {
        {TL_MAP_EXP, 0, 1},
        {TL_MAP_EXP, -0.0f, 1},
        {TL_MAP_EXP, INFINITY, INFINITY},
        {TL_MAP_EXP, 89, INFINITY},
        {TL_MAP_EXP, -INFINITY, 0},
        {TL_MAP_TANH, 0, 0},
        {TL_MAP_TANH, 0x1p-149f, 0x1p-149f},
        {TL_MAP_TANH, -0x1p-130f, -0x1p-130f},
        {TL_MAP_TANH, 1e-20f, 1e-20f},
        {TL_MAP_TANH, 20, 1},
        {TL_MAP_TANH, -20, -1},
        {TL_MAP_TANH, INFINITY, 1},
        {TL_MAP_TANH, -INFINITY, -1},
        {TL_MAP_SIGMOID, 0, 0.5f},
        {TL_MAP_SIGMOID, -0.0f, 0.5f},
        {TL_MAP_SIGMOID, 0x1p-149f, 0.5f},
        {TL_MAP_SIGMOID, 30, 1},
        {TL_MAP_SIGMOID, INFINITY, 1},
    };
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        float y;
        kernels->map[values[i].map](1, &values[i].x, 1, NULL, 1, &y, 1, NULL);
        ck_assert_msg(same_float(y, values[i].y), "%s map %d of %g: %.9g, expected %.9g", kernels->isa,
                      (int)values[i].map, (double)values[i].x, (double)y, (double)values[i].y);
    }
}

START_TEST(well_known_values_are_exact)
{
    for_each_table(check_exact);
}
END_TEST

static void check_bounds(const tl_kernels *kernels)
{
    enum { N = 4096 };
    float *x = random_floats(N, -120, 120, 9), *y = floats(N);
    for (int f = 0; f < FUNCTIONS; f++) {
        kernels->map[functions[f].map](N, x, 1, NULL, 1, y, 1, NULL);
        for (int i = 0; i < N; i++)
            ck_assert_msg(y[i] >= (functions[f].map == TL_MAP_TANH ? -1.0f : 0.0f) &&
                              (functions[f].map == TL_MAP_EXP || y[i] <= 1),
                          "%s %s(%g) is %.9g", kernels->isa, functions[f].name, (double)x[i], (double)y[i]);
    }
    free(x);
    free(y);
}

START_TEST(results_stay_within_their_bounds)
{
    for_each_table(check_bounds);
}
END_TEST

int main(void)
{
    return RUN_SUITE("kernel accuracy", floats_of_every_size_are_accurate, the_interesting_range_is_accurate,
                     the_edges_are_accurate, special_values_are_right, well_known_values_are_exact,
                     results_stay_within_their_bounds);
}
