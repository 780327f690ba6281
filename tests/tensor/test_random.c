#include "tensor/random.h"
#include "tests/support/suite.h"

#include <math.h>
#include <string.h>

/* The vectors that the authors of Philox publish with their Random123 library (kat_vectors). */
START_TEST(philox_gives_the_published_answers)
{
    static const struct {
        uint32_t counter[4], key[2], out[4];
    } answers[] = {
        {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
        {{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
         {0xffffffff, 0xffffffff},
         {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
        {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
         {0xa4093822, 0x299f31d0},
         {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
    };
    for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++) {
        uint32_t out[4];
        tl_philox(answers[i].key, answers[i].counter, out);
        ck_assert_mem_eq(out, answers[i].out, sizeof out);
    }
}
END_TEST

/* How (seed, stream, counter) becomes a block is part of the files' meaning: a resumed run draws on. */
START_TEST(bits_are_the_low_half_of_their_block)
{
    ck_assert_uint_eq(tl_random_bits(0, 0, 0), 0xe169c58d6627e8d5u);
    ck_assert_uint_eq(tl_random_bits(0x299f31d0a4093822u, 0x0370734413198a2eu, 0x85a308d3243f6a88u),
                      0x94fdccebd16cfe09u);
}
END_TEST

START_TEST(every_bit_of_seed_stream_and_counter_counts)
{
    const uint64_t base = tl_random_bits(11, 22, 33);
    ck_assert_uint_eq(tl_random_bits(11, 22, 33), base);
    for (int bit = 0; bit < 64; bit++) {
        const uint64_t flip = (uint64_t)1 << bit;
        ck_assert_uint_ne(tl_random_bits(11 ^ flip, 22, 33), base);
        ck_assert_uint_ne(tl_random_bits(11, 22 ^ flip, 33), base);
        ck_assert_uint_ne(tl_random_bits(11, 22, 33 ^ flip), base);
    }
}
END_TEST

enum { DRAWS = 400000 };

typedef double (*drawer)(uint64_t seed, uint64_t stream, uint64_t counter);

/* The first four moments about `middle`, and the covariance of draws that follow each other. */
static void take_moments(drawer draw, double middle, double moments[4], double *following)
{
    double before = 0;
    memset(moments, 0, 4 * sizeof *moments);
    *following = 0;
    for (uint64_t i = 0; i < DRAWS; i++) {
        double x = draw(5, 6, i) - middle, power = 1;
        for (int k = 0; k < 4; k++) {
            power *= x;
            moments[k] += power / DRAWS;
        }
        *following += x * before / DRAWS;
        before = x;
    }
}

/* The allowances are about five standard errors at this many draws. */
START_TEST(uniform_draws_have_the_moments_of_their_distribution)
{
    double moments[4], following;
    take_moments(tl_random_uniform, 0.5, moments, &following);
    ck_assert_double_eq_tol(moments[0], 0, 0.0023);
    ck_assert_double_eq_tol(moments[1], 1.0 / 12, 0.0006);
    ck_assert_double_eq_tol(moments[2], 0, 0.0004);
    ck_assert_double_eq_tol(moments[3], 1.0 / 80, 0.0002);
    ck_assert_double_eq_tol(following, 0, 0.0007);
}
END_TEST

START_TEST(normal_draws_have_the_moments_of_their_distribution)
{
    double moments[4], following;
    take_moments(tl_random_normal, 0, moments, &following);
    ck_assert_double_eq_tol(moments[0], 0, 0.008);
    ck_assert_double_eq_tol(moments[1], 1, 0.012);
    ck_assert_double_eq_tol(moments[2], 0, 0.031);
    ck_assert_double_eq_tol(moments[3], 3, 0.08);
    ck_assert_double_eq_tol(following, 0, 0.008);
}
END_TEST

START_TEST(uniform_draws_fill_the_unit_interval_evenly)
{
    enum { BINS = 64 };
    int64_t counts[BINS] = {0};
    for (uint64_t i = 0; i < DRAWS; i++) {
        double x = tl_random_uniform(1, 2, i);
        ck_assert_msg(x >= 0 && x < 1, "draw %llu: %g", (unsigned long long)i, x);
        counts[(int)(x * BINS)]++;
    }
    double chi_squared = 0, expected = (double)DRAWS / BINS;
    for (int i = 0; i < BINS; i++)
        chi_squared += ((double)counts[i] - expected) * ((double)counts[i] - expected) / expected;
    ck_assert_double_lt(chi_squared, 120); /* 63 degrees of freedom: past this once in 50,000 */
    ck_assert_double_gt(chi_squared, 25);  /* and below this as seldom: too even is not random either */
}
END_TEST

START_TEST(normal_draws_have_the_tails_of_their_distribution)
{
    int64_t beyond[4] = {0};
    for (uint64_t i = 0; i < DRAWS; i++) {
        double x = tl_random_normal(3, 4, i);
        ck_assert_msg(isfinite(x), "draw %llu: %g", (unsigned long long)i, x);
        for (int k = 0; k < 4; k++)
            beyond[k] += fabs(x) > k;
    }
    for (int k = 1; k < 4; k++)
        ck_assert_double_eq_tol((double)beyond[k] / DRAWS, erfc(k / sqrt(2.0)),
                                5 * sqrt(erfc(k / sqrt(2.0)) / DRAWS));
}
END_TEST

START_TEST(below_is_the_high_part_of_bits_times_limit)
{
    __extension__ typedef unsigned __int128 wide;
    static const int64_t limits[] = {
        1, 2, 3, 1000, 1LL << 31, (1LL << 32) - 1, (1LL << 32) + 1, 1LL << 40, INT64_MAX};
    for (size_t l = 0; l < sizeof limits / sizeof limits[0]; l++)
        for (uint64_t i = 0; i < 2000; i++) {
            wide product = (wide)tl_random_bits(7, 8, i) * (wide)limits[l];
            ck_assert_int_eq(tl_random_below(7, 8, i, limits[l]), (int64_t)(product >> 64));
        }
}
END_TEST

START_TEST(below_reaches_every_number_and_none_beyond)
{
    for (int64_t limit = 1; limit <= 3; limit++) {
        int64_t counts[3] = {0};
        for (uint64_t i = 0; i < 30000; i++) {
            int64_t x = tl_random_below(9, 10, i, limit);
            ck_assert_msg(x >= 0 && x < limit, "%lld below %lld", (long long)x, (long long)limit);
            counts[x]++;
        }
        for (int64_t x = 0; x < limit; x++)
            ck_assert_int_lt(llabs(counts[x] - 30000 / limit), 450);
    }
    int64_t least = INT64_MAX, most = 0;
    for (uint64_t i = 0; i < 30000; i++) {
        int64_t x = tl_random_below(9, 10, i, 1LL << 40);
        least = x < least ? x : least;
        most = x > most ? x : most;
    }
    ck_assert_int_ge(least, 0);
    ck_assert_int_lt(least, 1LL << 28);
    ck_assert_int_lt(most, 1LL << 40);
    ck_assert_int_gt(most, (1LL << 40) - (1LL << 28));
}
END_TEST

enum { CARDS = 1000 };

START_TEST(a_permutation_has_every_number_once)
{
    int64_t order[CARDS];
    bool seen[CARDS] = {false};
    tl_random_permutation(1, 2, CARDS, order);
    int64_t at_home = 0;
    for (int64_t i = 0; i < CARDS; i++) {
        ck_assert(order[i] >= 0 && order[i] < CARDS && !seen[order[i]]);
        seen[order[i]] = true;
        at_home += order[i] == i;
    }
    ck_assert_int_lt(at_home, 10); /* one is expected */
}
END_TEST

START_TEST(permutations_differ_by_seed_and_stream)
{
    int64_t order[CARDS], same[CARDS], other[CARDS];
    tl_random_permutation(1, 2, CARDS, order);
    tl_random_permutation(1, 2, CARDS, same);
    ck_assert_mem_eq(order, same, sizeof order);
    tl_random_permutation(3, 2, CARDS, other);
    ck_assert_mem_ne(order, other, sizeof order);
    tl_random_permutation(1, 3, CARDS, other);
    ck_assert_mem_ne(order, other, sizeof order);
}
END_TEST

START_TEST(every_order_of_three_is_as_likely)
{
    int64_t counts[27] = {0};
    for (uint64_t seed = 0; seed < 60000; seed++) {
        int64_t order[3];
        tl_random_permutation(seed, 0, 3, order);
        counts[order[0] * 9 + order[1] * 3 + order[2]]++;
    }
    const int orders[] = {5, 7, 11, 15, 19, 21};
    for (int i = 0; i < 6; i++)
        ck_assert_int_lt(llabs(counts[orders[i]] - 10000), 460);
}
END_TEST

START_TEST(permutations_of_nothing_and_of_one)
{
    int64_t order[2] = {-7, -7};
    tl_random_permutation(1, 2, 0, order);
    ck_assert_int_eq(order[0], -7);
    tl_random_permutation(1, 2, 1, order);
    ck_assert_int_eq(order[0], 0);
    ck_assert_int_eq(order[1], -7);
}
END_TEST

/* Element i of a filled tensor is draw i, for either type of float. */
START_TEST(tensors_are_filled_in_row_major_order)
{
    static const tl_dtype types[] = {TL_F32, TL_F64};
    for (int t = 0; t < 2; t++) {
        tl_tensor tensor = tl_tensor_new(types[t], tl_shape(3, 5));
        uint64_t version = tensor.storage->version;
        ck_assert_int_eq(tl_random_fill_uniform(tensor, -2, 6, 17, 18), TL_OK);
        ck_assert_uint_ne(tensor.storage->version, version);
        for (int64_t i = 0; i < 15; i++) {
            double expected = -2 + 8 * tl_random_uniform(17, 18, (uint64_t)i);
            double rounded = t == 0 ? (double)(float)expected : expected;
            ck_assert_double_eq(tl_tensor_at(tensor, (int64_t[]){i / 5, i % 5}), rounded);
        }
        ck_assert_int_eq(tl_random_fill_normal(tensor, 3, 0.5, 17, 18), TL_OK);
        for (int64_t i = 0; i < 15; i++) {
            double expected = 3 + 0.5 * tl_random_normal(17, 18, (uint64_t)i);
            double rounded = t == 0 ? (double)(float)expected : expected;
            ck_assert_double_eq(tl_tensor_at(tensor, (int64_t[]){i / 5, i % 5}), rounded);
        }
        tl_tensor_free(&tensor);
    }
}
END_TEST

START_TEST(only_row_major_floats_are_filled)
{
    tl_tensor integers = tl_tensor_new(TL_I32, tl_shape(4));
    ck_assert_int_eq(tl_random_fill_uniform(integers, 0, 1, 1, 1), TL_ERROR_DTYPE);
    EXPECT_ERROR(TL_ERROR_DTYPE, "random_fill_uniform: i32, expected f32 or f64");
    ck_assert_int_eq(tl_random_fill_normal(integers, 0, 1, 1, 1), TL_ERROR_DTYPE);
    EXPECT_ERROR(TL_ERROR_DTYPE, "random_fill_normal: i32, expected f32 or f64");
    tl_tensor_free(&integers);
    ck_assert_int_eq(tl_random_fill_normal(integers, 0, 1, 1, 1), TL_ERROR_DTYPE); /* as it was left */

    tl_tensor floats = tl_tensor_new(TL_F32, tl_shape(3, 4));
    ck_assert_int_eq(tl_random_fill_normal(tl_tensor_transpose(floats, 0, 1), 0, 1, 1, 1), TL_ERROR_SHAPE);
    ck_assert_ptr_nonnull(strstr(tl_error_message(), "view of shape [4, 3] is not row-major"));
    ck_assert_int_eq(tl_random_fill_normal(tl_tensor_slice(floats, 0, 0, 0), 0, 1, 1, 1), TL_OK);
    for (int64_t i = 0; i < 12; i++)
        ck_assert_double_eq(tl_tensor_at(floats, (int64_t[]){i / 4, i % 4}), 0);
    tl_tensor_free(&floats);
}
END_TEST

int main(void)
{
    return RUN_SUITE(
        "random", philox_gives_the_published_answers, bits_are_the_low_half_of_their_block,
        every_bit_of_seed_stream_and_counter_counts, uniform_draws_have_the_moments_of_their_distribution,
        normal_draws_have_the_moments_of_their_distribution, uniform_draws_fill_the_unit_interval_evenly,
        normal_draws_have_the_tails_of_their_distribution, below_is_the_high_part_of_bits_times_limit,
        below_reaches_every_number_and_none_beyond, a_permutation_has_every_number_once,
        permutations_differ_by_seed_and_stream, every_order_of_three_is_as_likely,
        permutations_of_nothing_and_of_one, tensors_are_filled_in_row_major_order,
        only_row_major_floats_are_filled);
}
