/* Initializers: ranges and moments, orthogonality, names, and what is refused. */
#include "nn/initializer.h"
#include "tests/autograd/testing_internal.h"
#include "tests/support/suite.h"

enum { IN = 300, OUT = 200 };

static tl_tensor initialized(tl_dtype dtype, tl_shape shape, tl_initializer initializer, uint64_t seed,
                             uint64_t stream)
{
    tl_tensor tensor = tl_tensor_new(dtype, shape);
    check_ok(tl_initialize(tensor, initializer, seed, stream));
    return tensor;
}

typedef struct moments {
    double mean, deviation, largest;
} moments;

static moments moments_of(tl_tensor tensor)
{
    const double *x = tl_data(tensor);
    int64_t n = tl_tensor_count(tensor);
    moments m = {0};
    for (int64_t i = 0; i < n; i++) {
        m.mean += x[i] / (double)n;
        m.largest = fmax(m.largest, fabs(x[i]));
    }
    for (int64_t i = 0; i < n; i++)
        m.deviation += (x[i] - m.mean) * (x[i] - m.mean) / (double)n;
    m.deviation = sqrt(m.deviation);
    return m;
}

/* 60,000 draws: their mean is within 5 of its own deviations, their deviation within 2 %. `largest` is what
 * all are within, and what the largest comes close to; infinite for what has no bound. */
static void check_moments(tl_initializer initializer, double deviation, double largest)
{
    tl_tensor tensor = initialized(TL_F64, tl_shape(IN, OUT), initializer, 1, 2);
    moments m = moments_of(tensor);
    const char *name = tl_initializer_name(initializer);
    ck_assert_msg(fabs(m.mean) < 5 * deviation / sqrt(IN * OUT), "%s: mean %g", name, m.mean);
    ck_assert_msg(fabs(m.deviation / deviation - 1) < 0.02, "%s: deviation %g, expected %g", name,
                  m.deviation, deviation);
    ck_assert_msg(m.largest <= largest, "%s: %g is past %g", name, m.largest, largest);
    ck_assert_msg(isinf(largest) || m.largest > 0.98 * largest, "%s: %g is far from %g", name, m.largest,
                  largest);
    tl_tensor_free(&tensor);
}

START_TEST(draws_have_the_range_and_moments_of_their_formulas)
{
    const double glorot = sqrt(6.0 / (IN + OUT)), he = sqrt(6.0 / IN), cut = 2 / 0.87962566103423978;
    check_moments(TL_RANDOM_UNIFORM, 0.05 / sqrt(3), 0.05);
    check_moments(TL_GLOROT_UNIFORM, glorot / sqrt(3), glorot);
    check_moments(TL_HE_UNIFORM, he / sqrt(3), he);
    check_moments(TL_RANDOM_NORMAL, 0.05, (double)INFINITY);
    check_moments(TL_STANDARD_NORMAL, 1, (double)INFINITY);
    check_moments(TL_GLOROT_NORMAL, sqrt(2.0 / (IN + OUT)), sqrt(2.0 / (IN + OUT)) * cut);
    check_moments(TL_HE_NORMAL, sqrt(2.0 / IN), sqrt(2.0 / IN) * cut);
}
END_TEST

START_TEST(in_and_out_are_the_first_and_last_extents)
{
    const struct {
        tl_shape shape;
        double in, out;
    } cases[] = {{tl_shape(50, 3, 400), 50, 400}, {tl_shape(20000), 20000, 20000}};
    for (int i = 0; i < 2; i++) {
        tl_tensor glorot = initialized(TL_F64, cases[i].shape, TL_GLOROT_UNIFORM, 1, 0);
        tl_tensor he = initialized(TL_F64, cases[i].shape, TL_HE_UNIFORM, 1, 0);
        double limit = sqrt(6 / (cases[i].in + cases[i].out)), he_limit = sqrt(6 / cases[i].in);
        ck_assert_double_eq_tol(moments_of(glorot).largest, limit, 0.01 * limit);
        ck_assert_double_eq_tol(moments_of(he).largest, he_limit, 0.01 * he_limit);
        tl_tensor_free(&glorot);
        tl_tensor_free(&he);
    }
}
END_TEST

START_TEST(constants_fill)
{
    for (int d = 0; d < 2; d++) {
        tl_tensor zeros = initialized(d ? TL_F32 : TL_F64, tl_shape(3, 4), TL_ZEROS, 1, 0),
                  ones = initialized(d ? TL_F32 : TL_F64, tl_shape(3, 4), TL_ONES, 1, 0);
        for (int64_t i = 0; i < 12; i++) {
            ck_assert_double_eq(element(zeros, i), 0);
            ck_assert_double_eq(element(ones, i), 1);
        }
        tl_tensor_free(&zeros);
        tl_tensor_free(&ones);
    }
}
END_TEST

static const tl_shape matrices[] = {
    {2, {1, 1}},  {2, {2, 2}}, {2, {32, 32}}, {2, {65, 65}}, {2, {1, 7}},
    {2, {8, 20}}, {2, {7, 1}}, {2, {20, 8}},  {2, {33, 32}},
};
enum { MATRICES = sizeof matrices / sizeof matrices[0] };

/* Of q q^T or q^T q, whichever is the smaller, how far an element is from the identity's at most. */
static double from_orthonormal(tl_tensor q)
{
    if (q.shape.dims[0] > q.shape.dims[1])
        q = tl_tensor_transpose(q, 0, 1);
    double most = 0;
    for (int64_t i = 0; i < q.shape.dims[0]; i++)
        for (int64_t j = 0; j < q.shape.dims[0]; j++) {
            double dot = i == j ? -1 : 0;
            for (int64_t k = 0; k < q.shape.dims[1]; k++)
                dot += tl_tensor_at(q, (int64_t[]){i, k}) * tl_tensor_at(q, (int64_t[]){j, k});
            most = fmax(most, fabs(dot));
        }
    return most;
}

START_TEST(orthogonal_is_orthonormal)
{
    tl_tensor wide = initialized(TL_F64, matrices[_i], TL_ORTHOGONAL, 3, 0);
    tl_tensor narrow = initialized(TL_F32, matrices[_i], TL_ORTHOGONAL, 3, 0);
    ck_assert_double_lt(from_orthonormal(wide), 1e-12);
    ck_assert_double_lt(from_orthonormal(narrow), 1e-6);
    tl_tensor_free(&wide);
    tl_tensor_free(&narrow);
}
END_TEST

/* A uniformly distributed rotation has no preferred sign: neither its diagonal nor its determinant. */
START_TEST(orthogonal_has_no_preferred_direction)
{
    enum { DRAWS = 400 };
    double diagonal = 0;
    int positive = 0;
    for (uint64_t i = 0; i < DRAWS; i++) {
        tl_tensor q = initialized(TL_F64, tl_shape(2, 2), TL_ORTHOGONAL, i, 0);
        diagonal += element(q, 0) + element(q, 3);
        positive += element(q, 0) * element(q, 3) - element(q, 1) * element(q, 2) > 0;
        tl_tensor_free(&q);
    }
    ck_assert_double_lt(fabs(diagonal / DRAWS), 5 * sqrt(1.0 / DRAWS));
    ck_assert_double_lt(fabs((double)positive / DRAWS - 0.5), 5 * sqrt(0.25 / DRAWS));
}
END_TEST

START_TEST(identity_has_ones_on_its_diagonal)
{
    for (int m = 0; m < MATRICES; m++)
        for (int d = 0; d < 2; d++) {
            tl_tensor q = tl_tensor_new(d ? TL_F32 : TL_F64, matrices[m]);
            check_ok(tl_tensor_fill(q, 7)); /* what was there must go */
            check_ok(tl_initialize(q, TL_IDENTITY, 0, 0));
            for (int64_t i = 0; i < tl_tensor_count(q); i++) {
                int64_t row = i / matrices[m].dims[1], column = i % matrices[m].dims[1];
                ck_assert_double_eq(element(q, i), row == column ? 1 : 0);
            }
            tl_tensor_free(&q);
        }
}
END_TEST

static const tl_initializer random_ones[] = {TL_RANDOM_UNIFORM, TL_RANDOM_NORMAL, TL_GLOROT_UNIFORM,
                                             TL_GLOROT_NORMAL,  TL_HE_UNIFORM,    TL_HE_NORMAL,
                                             TL_ORTHOGONAL};
enum { RANDOM = sizeof random_ones / sizeof random_ones[0] };

START_TEST(draws_are_a_function_of_seed_and_stream)
{
    const tl_shape shape = tl_shape(9, 13);
    tl_tensor first = initialized(TL_F32, shape, random_ones[_i], 4, 6),
              again = initialized(TL_F32, shape, random_ones[_i], 4, 6),
              seed = initialized(TL_F32, shape, random_ones[_i], 5, 6),
              stream = initialized(TL_F32, shape, random_ones[_i], 4, 7),
              exact = initialized(TL_F64, shape, random_ones[_i], 4, 6);
    ck_assert(same_bits(first, again));
    ck_assert(!same_bits(first, seed));
    ck_assert(!same_bits(first, stream));
    for (int64_t i = 0; i < tl_tensor_count(first); i++)
        ck_assert_double_eq(element(first, i), (double)(float)element(exact, i));
    tl_tensor *all[] = {&first, &again, &seed, &stream, &exact};
    for (int i = 0; i < 5; i++)
        tl_tensor_free(all[i]);
}
END_TEST

START_TEST(names_go_both_ways)
{
    for (int i = TL_ZEROS; i <= TL_IDENTITY; i++) {
        const char *name = tl_initializer_name((tl_initializer)i);
        ck_assert_ptr_nonnull(name);
        ck_assert_int_eq(tl_initializer_by_name(name), i);
    }
    ck_assert_str_eq(tl_initializer_name(TL_GLOROT_UNIFORM), "glorot_uniform");
    ck_assert_str_eq(tl_initializer_name(TL_ORTHOGONAL), "orthogonal");
    ck_assert_ptr_null(tl_initializer_name((tl_initializer)99));
    ck_assert_ptr_null(tl_initializer_name((tl_initializer)-1));
    ck_assert_int_eq(tl_initializer_by_name("lecun"), TL_DEFAULT_INITIALIZER);
    check_error(TL_ERROR_ARGUMENT, "'lecun'");
}
END_TEST

static void check_refused(tl_tensor tensor, tl_initializer initializer, tl_status status, const char *part)
{
    ck_assert_int_eq(tl_initialize(tensor, initializer, 0, 0), status);
    check_error(status, part);
}

START_TEST(what_does_not_fit_is_refused)
{
    tl_tensor vector = tl_tensor_new(TL_F32, tl_shape(5)), cube = tl_tensor_new(TL_F64, tl_shape(2, 3, 4)),
              ids = tl_tensor_new(TL_I32, tl_shape(3, 3));
    check_refused(vector, TL_ORTHOGONAL, TL_ERROR_SHAPE, "orthogonal needs a matrix, not [5]");
    check_refused(cube, TL_IDENTITY, TL_ERROR_SHAPE, "identity needs a matrix, not [2, 3, 4]");
    check_refused(vector, TL_DEFAULT_INITIALIZER, TL_ERROR_ARGUMENT, "initializer 0");
    check_refused(vector, (tl_initializer)99, TL_ERROR_ARGUMENT, "initializer 99");
    check_refused(ids, TL_GLOROT_UNIFORM, TL_ERROR_DTYPE, "i32");
    tl_tensor_free(&vector);
    tl_tensor_free(&cube);
    tl_tensor_free(&ids);
}
END_TEST

START_TEST(an_empty_tensor_leaves_the_error)
{
    tl_tensor none = tl_tensor_new(TL_F32, tl_shape(-4));
    ck_assert(!tl_tensor_ok(none));
    ck_assert_int_ne(tl_initialize(none, TL_ZEROS, 0, 0), TL_OK);
    ck_assert_ptr_nonnull(strstr(tl_error_message(), "-4"));
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("initializer");
    tcase_add_test(tests, draws_have_the_range_and_moments_of_their_formulas);
    tcase_add_test(tests, in_and_out_are_the_first_and_last_extents);
    tcase_add_test(tests, constants_fill);
    tcase_add_loop_test(tests, orthogonal_is_orthonormal, 0, MATRICES);
    tcase_add_test(tests, orthogonal_has_no_preferred_direction);
    tcase_add_test(tests, identity_has_ones_on_its_diagonal);
    tcase_add_loop_test(tests, draws_are_a_function_of_seed_and_stream, 0, RANDOM);
    tcase_add_test(tests, names_go_both_ways);
    tcase_add_test(tests, what_does_not_fit_is_refused);
    tcase_add_test(tests, an_empty_tensor_leaves_the_error);
    return run_tests("initializer", tests);
}
