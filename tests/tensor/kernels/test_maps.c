/* Element-wise kernels: the plain ones against formulas, all others against the plain ones. */
#include "tests/support/kernels.h"
#include "tests/support/naive_maps.h"
#include "tests/support/numbers.h"
#include "tests/support/suite.h"

static const tl_kernels *const plain = &tl_kernels_reference_f32;

static const double numbers[] = {0.625, 1.25}; /* p, wherever maps take it */

/* Where tables may differ, they are this close to the plain one; test_accuracy.c says how close to truth. */
static bool agrees(int map, float got, float expected)
{
    return is_smooth(map) ? ulps_off(got, (double)expected) <= 5 : same_float(got, expected);
}

/* Values of all kinds: random ones, and every so often one that is special. */
static float *mixed_floats(int64_t count, uint64_t seed)
{
    static const float special[] = {0,      -0.0f,     1,          -1,        INFINITY, -INFINITY,
                                    NAN,    0x1p-149f, -0x1p-130f, 0x1p-126f, 3.4e38f,  -3.4e38f,
                                    0.625f, 1.25f,     -100,       100};
    float *x = random_floats(count, -3, 3, seed);
    for (int64_t i = 0; i < count; i++)
        if (tl_random_below(seed, 1, (uint64_t)i, 4) == 0)
            x[i] = special[tl_random_below(seed, 2, (uint64_t)i, sizeof special / sizeof special[0])];
    return x;
}

START_TEST(the_plain_maps_follow_their_formulas)
{
    enum { N = 2000 };
    double *a = random_doubles(N, -4, 4, 1), *b = random_doubles(N, -4, 4, 2), *out = doubles(N);
    float narrow_a[N], narrow_b[N], narrow_out[N];
    for (int i = 0; i < N; i++) {
        b[i] = i % 5 == 0 ? a[i] : b[i]; /* for EQUAL */
        narrow_a[i] = (float)a[i];
        narrow_b[i] = (float)b[i];
    }
    for (int map = 0; map < TL_MAP_COUNT; map++) {
        tl_kernels_reference_f64.map[map](N, a, 1, b, 1, out, 1, numbers);
        plain->map[map](N, narrow_a, 1, narrow_b, 1, narrow_out, 1, numbers);
        for (int i = 0; i < N; i++) {
            double wide = naive_map(map, a[i], b[i], numbers);
            double narrow = naive_map(map, (double)narrow_a[i], (double)narrow_b[i], numbers);
            double room = 1 + fabs(wide);
            if (!(fabs(out[i] - wide) <= 2e-15 * room) && !(isnan(wide) && isnan(out[i])))
                ck_abort_msg("f64 map %d of %g, %g: %.17g, expected %.17g", map, a[i], b[i], out[i], wide);
            if (!(fabs((double)narrow_out[i] - narrow) <= 1e-6 * room) &&
                !(isnan(narrow) && isnan(narrow_out[i])))
                ck_abort_msg("f32 map %d of %g, %g: %.9g, expected %.9g", map, a[i], b[i],
                             (double)narrow_out[i], narrow);
        }
    }
    free(a);
    free(b);
    free(out);
}
END_TEST

/* One map at one size and one set of strides; what lies between the results stays. */
static void compare_strided(const tl_kernels *kernels, int map, int64_t n, const int64_t strides[3])
{
    const int64_t room = n > 0 ? (n - 1) * 3 + 1 : 0, used = n > 0 ? (n - 1) * strides[2] + 1 : 0;
    float *a = mixed_floats(n > 0 ? (n - 1) * strides[0] + 1 : 0, 3), *b = mixed_floats(room, 4);
    float *got = same_floats(used, 77), *expected = same_floats(used, 77);
    const void *second = takes_two(map) ? b : NULL;
    kernels->map[map](n, a, strides[0], second, strides[1], got, strides[2], numbers);
    plain->map[map](n, a, strides[0], second, strides[1], expected, strides[2], numbers);
    for (int64_t i = 0; i < used; i++)
        if (!(i % strides[2] == 0 ? agrees(map, got[i], expected[i]) : got[i] == 77))
            ck_abort_msg("%s map %d of %lld elements, strides %lld, %lld, %lld: %.9g at %lld, expected %.9g",
                         kernels->isa, map, (long long)n, (long long)strides[0], (long long)strides[1],
                         (long long)strides[2], (double)got[i], (long long)i, (double)expected[i]);
    free(a);
    free(b);
    free(got);
    free(expected);
}

static void compare_all(const tl_kernels *kernels)
{
    static const int64_t strides[][3] = {{1, 1, 1}, {0, 1, 1}, {1, 0, 1}, {0, 0, 1},
                                         {3, 1, 1}, {1, 3, 1}, {1, 1, 2}, {2, 3, 3}};
    for (int map = 0; map < TL_MAP_COUNT; map++)
        for (int size = 0; size < RAGGED; size++)
            for (size_t s = 0; s < sizeof strides / sizeof strides[0]; s++)
                compare_strided(kernels, map, ragged[size], strides[s]);
}

START_TEST(every_table_agrees_with_the_plain_one)
{
    for_each_table(compare_all);
}
END_TEST

/* The output in place of a, then of b. */
static void compare_in_place(const tl_kernels *kernels)
{
    for (int map = 0; map < TL_MAP_COUNT; map++)
        for (int size = 0; size < RAGGED; size++)
            for (int64_t stride = 1; stride <= 3; stride += 2) {
                const int64_t n = ragged[size], room = n > 0 ? (n - 1) * stride + 1 : 0;
                float *a = mixed_floats(room, 5), *b = mixed_floats(room, 6);
                float *apart = copy_floats(room, a), *over_b = copy_floats(room, b);
                kernels->map[map](n, a, stride, b, stride, apart, stride, numbers);
                kernels->map[map](n, a, stride, over_b, stride, over_b, stride, numbers);
                kernels->map[map](n, a, stride, b, stride, a, stride, numbers);
                int64_t place = first_difference(room, a, apart);
                for (int64_t i = 0; i < room && place < 0; i += stride)
                    place = same_float(over_b[i], a[i]) ? -1 : i;
                ck_assert_msg(place < 0, "%s map %d of %lld elements in place differs at %lld", kernels->isa,
                              map, (long long)n, (long long)place);
                free(a);
                free(b);
                free(apart);
                free(over_b);
            }
}

START_TEST(maps_work_in_place)
{
    for_each_table(compare_in_place);
}
END_TEST

static void compare_pieces(const tl_kernels *kernels)
{
    enum { N = 333 };
    float *a = mixed_floats(N, 7), *b = mixed_floats(N, 8), *whole = floats(N), *pieces = floats(N);
    static const int64_t heights[] = {1, 3, 5, 12, 16, 19, 64, 100};
    for (int map = 0; map < TL_MAP_COUNT; map++)
        for (size_t h = 0; h < sizeof heights / sizeof heights[0]; h++) {
            kernels->map[map](N, a, 1, b, 1, whole, 1, numbers);
            for (int64_t i = 0; i < N; i += heights[h])
                kernels->map[map](N - i < heights[h] ? N - i : heights[h], a + i, 1, b + i, 1, pieces + i, 1,
                                  numbers);
            int64_t place = first_difference(N, whole, pieces);
            ck_assert_msg(place < 0, "%s map %d cut every %lld elements differs at %lld", kernels->isa, map,
                          (long long)heights[h], (long long)place);
            /* Nor does it matter whether there are strides. */
            kernels->map[map](N / 2, a + 1, 2, b + 1, 2, pieces + 1, 2, numbers);
            place = first_difference(N, whole, pieces);
            ck_assert_msg(place < 0, "%s map %d with strides differs at %lld", kernels->isa, map,
                          (long long)place);
        }
    free(a);
    free(b);
    free(whole);
    free(pieces);
}

START_TEST(maps_do_not_depend_on_how_they_are_cut)
{
    for_each_table(compare_pieces);
}
END_TEST

/* What a NaN argument gives: NaN, but for comparisons, and for gates, which let the gradient through. */
typedef enum fate { IS_NAN, IS_ZERO, IS_OTHER_ARGUMENT } fate;

static fate fate_of_first(int map)
{
    return map == TL_MAP_EQUAL ? IS_ZERO : IS_NAN;
}

static fate fate_of_second(int map)
{
    return map == TL_MAP_EQUAL                                   ? IS_ZERO
           : map == TL_MAP_RELU_GRAD || map == TL_MAP_CLAMP_GRAD ? IS_OTHER_ARGUMENT
                                                                 : IS_NAN;
}

static bool met(fate expected, float result, float other)
{
    return expected == IS_NAN ? isnan(result) : result == (expected == IS_ZERO ? 0 : other);
}

static void poison(const tl_kernels *kernels)
{
    enum { N = 37 };
    float *out = floats(N);
    for (int map = 0; map < TL_MAP_COUNT; map++)
        for (int place = 0; place < N; place++) {
            float *a = same_floats(N, 0.75f), *b = same_floats(N, 0.875f);
            a[place] = NAN;
            kernels->map[map](N, a, 1, b, 1, out, 1, numbers);
            for (int i = 0; i < N; i++)
                if (i == place ? !met(fate_of_first(map), out[i], b[i]) : isnan(out[i]))
                    ck_abort_msg("%s map %d, NaN at %d: %g at %d", kernels->isa, map, place, (double)out[i],
                                 i);
            a[place] = 0.75f;
            b[place] = NAN;
            kernels->map[map](N, a, 1, b, 1, out, 1, numbers);
            for (int i = 0; i < N && takes_two(map); i++)
                if (i == place ? !met(fate_of_second(map), out[i], a[i]) : isnan(out[i]))
                    ck_abort_msg("%s map %d, second NaN at %d: %g at %d", kernels->isa, map, place,
                                 (double)out[i], i);
            free(a);
            free(b);
        }
    free(out);
}

START_TEST(nan_goes_through_every_map)
{
    for_each_table(poison);
}
END_TEST

START_TEST(cross_entropy_is_stable_where_exp_is_not)
{
    const float logits[] = {200, 200, -200, -200, 0}, labels[] = {1, 0, 1, 0, 1};
    const float expected[] = {0, 200, 200, 0, 0.69314718f};
    float out[5];
    plain->map[TL_MAP_SIGMOID_CROSS_ENTROPY](5, logits, 1, labels, 1, out, 1, NULL);
    for (int i = 0; i < 5; i++)
        ck_assert_float_eq_tol(out[i], expected[i], 1e-6f);
}
END_TEST

int main(void)
{
    return RUN_SUITE("kernel maps", the_plain_maps_follow_their_formulas,
                     every_table_agrees_with_the_plain_one, maps_work_in_place,
                     maps_do_not_depend_on_how_they_are_cut, nan_goes_through_every_map,
                     cross_entropy_is_stable_where_exp_is_not);
}
