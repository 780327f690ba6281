/* Kernels that fold many numbers into one: sums, maxima, softmax. The plain ones against loops in double
 * precision, all others bit for bit against the plain ones. */
#include "tests/support/kernels.h"
#include "tests/support/numbers.h"
#include "tests/support/suite.h"

static const tl_kernels *const plain = &tl_kernels_reference_f32;

START_TEST(plain_sums_are_sums)
{
    for (int size = 0; size < RAGGED; size++)
        for (int64_t stride = 0; stride <= 3; stride++) {
            const int64_t n = ragged[size], room = n > 0 ? (n - 1) * stride + 1 : 0;
            double *wide = random_doubles(room, -2, 3, 1), narrow_total = 0, most = -(double)INFINITY;
            long double total = 0;
            float *narrow = floats(room);
            for (int64_t i = 0; i < room; i++)
                narrow[i] = (float)wide[i];
            for (int64_t i = 0; i < n; i++) {
                total += (long double)wide[i * stride];
                narrow_total += (double)narrow[i * stride];
                most = fmax(most, wide[i * stride]);
            }
            ck_assert_double_eq_tol(tl_kernels_reference_f64.sum(n, wide, stride), (double)total,
                                    1e-14 * (double)(n + 1));
            ck_assert_double_eq_tol(plain->sum(n, narrow, stride), narrow_total, 1e-6 * (double)(n + 1));
            ck_assert(tl_kernels_reference_f64.max(n, wide, stride) == most);
            ck_assert(plain->max(n, narrow, stride) == (double)(float)most);
            free(wide);
            free(narrow);
        }
}
END_TEST

START_TEST(plain_square_sums_are_sums_of_squares)
{
    for (int size = 0; size < RAGGED; size++) {
        const int64_t n = ragged[size];
        double *wide = random_doubles(n, -2, 3, 2), total = 0, narrow_total = 0;
        float *narrow = floats(n);
        for (int64_t i = 0; i < n; i++) {
            narrow[i] = (float)wide[i];
            total += wide[i] * wide[i];
            narrow_total += (double)narrow[i] * (double)narrow[i];
        }
        ck_assert_double_eq_tol(tl_kernels_reference_f64.square_sum(n, wide), total, 1e-12);
        ck_assert_double_eq_tol(plain->square_sum(n, narrow), narrow_total, 2e-6 * (double)(n + 1));
        free(wide);
        free(narrow);
    }
}
END_TEST

static void compare_folds(const tl_kernels *kernels)
{
    for (int size = 0; size < RAGGED; size++)
        for (int64_t stride = 0; stride <= 3; stride++) {
            const int64_t n = ragged[size], room = n > 0 ? (n - 1) * stride + 1 : 0;
            float *x = random_floats(room, -100, 100, 3), *gathered = floats(n);
            for (int64_t i = 0; i < n; i++)
                gathered[i] = x[i * stride];
            /* the same numbers give the same sum, wherever they lie */
            ck_assert(kernels->sum(n, x, stride) == plain->sum(n, gathered, 1));
            ck_assert(kernels->sum(n, gathered, 1) == plain->sum(n, gathered, 1));
            ck_assert(kernels->square_sum(n, gathered) == plain->square_sum(n, gathered));
            ck_assert(kernels->max(n, x, stride) == plain->max(n, gathered, 1));
            free(x);
            free(gathered);
        }
}

START_TEST(every_table_folds_as_the_plain_one)
{
    for_each_table(compare_folds);
}
END_TEST

static void poison_folds(const tl_kernels *kernels)
{
    enum { N = 50 };
    for (int place = 0; place < N; place++) {
        float *x = random_floats(N, -1, 1, 4);
        ck_assert(!isnan(kernels->max(N, x, 1)));
        x[place] = NAN;
        ck_assert(isnan(kernels->sum(N, x, 1)));
        ck_assert(isnan(kernels->square_sum(N, x)));
        ck_assert(isnan(kernels->max(N, x, 1)));
        float out[N];
        kernels->softmax(N, x, out);
        for (int i = 0; i < N; i++)
            ck_assert(isnan(out[i]));
        kernels->log_softmax(N, x, out);
        for (int i = 0; i < N; i++)
            ck_assert(isnan(out[i]));
        free(x);
    }
    const float low[] = {-INFINITY, -INFINITY}, high[] = {-3, INFINITY};
    ck_assert(kernels->max(0, low, 1) == -(double)INFINITY);
    ck_assert(kernels->max(2, low, 1) == -(double)INFINITY);
    ck_assert(kernels->max(2, high, 1) == (double)INFINITY);
    ck_assert(kernels->sum(0, low, 1) == 0);
    ck_assert(kernels->square_sum(0, low) == 0);
}

START_TEST(nan_goes_through_every_fold)
{
    for_each_table(poison_folds);
}
END_TEST

/* Column sums, over what was there and added to it; between and behind the rows nothing is read. */
static void compare_sum_rows(const tl_kernels *kernels)
{
    static const int64_t heights[] = {0, 1, 2, 5, 33};
    for (size_t h = 0; h < sizeof heights / sizeof heights[0]; h++)
        for (int size = 0; size < RAGGED; size++)
            for (int64_t gap = 0; gap <= 3; gap += 3) {
                const int64_t m = heights[h], n = ragged[size], row = n + gap;
                float *a = random_floats(m > 0 ? (m - 1) * row + n : 0, -1, 1, 5);
                float *over = same_floats(n, NAN), *added = random_floats(n, -1, 1, 6),
                      *before = copy_floats(n, added);
                for (int64_t i = 0; i + 1 < m && gap > 0; i++)
                    a[i * row + n] = NAN;
                kernels->sum_rows(m, n, a, row, over, false);
                kernels->sum_rows(m, n, a, row, added, true);
                for (int64_t j = 0; j < n; j++) {
                    float total = 0, grown = before[j]; /* from the last row to the first */
                    for (int64_t i = m - 1; i >= 0; i--) {
                        total += a[i * row + j];
                        grown += a[i * row + j];
                    }
                    if (!same_float(over[j], total) || !same_float(added[j], grown))
                        ck_abort_msg("%s sum_rows of [%lld, %lld], column %lld", kernels->isa, (long long)m,
                                     (long long)n, (long long)j);
                }
                free(a);
                free(over);
                free(added);
                free(before);
            }
}

START_TEST(rows_are_summed_in_order)
{
    for_each_table(compare_sum_rows);
}
END_TEST

/* Rows from anywhere and to anywhere, some of them more than once. */
static void compare_scattered_rows(const tl_kernels *kernels)
{
    enum { ROWS = 7, COUNT = 40 };
    for (int size = 0; size < RAGGED; size++) {
        const int64_t n = ragged[size], row = n + 3;
        float *table = random_floats(ROWS * row, -1, 1, 1), *a = random_floats(COUNT * row, -1, 1, 2);
        float *copies = same_floats(COUNT * row, NAN), *sums = copy_floats(ROWS * row, table);
        float *total = random_floats(n, -1, 1, 3), *expected = copy_floats(n, total);
        const void *from[COUNT];
        void *to[COUNT];
        int32_t ids[2 * COUNT];
        for (int i = 0; i < COUNT; i++) {
            from[i] = table + i * 5 % ROWS * row;
            to[i] = sums + i * 5 % ROWS * row;
            ids[2 * i] = (int32_t)(i * 5 % ROWS);
        }
        kernels->gather(COUNT, n, table, row, ids, 2, copies, row);
        kernels->add_rows(COUNT, n, a, row, to);
        kernels->add_up_rows(COUNT, n, from, total);
        for (int64_t j = 0; j < n; j++) {
            for (int i = 0; i < COUNT; i++) {
                const float *source = table + i * 5 % ROWS * row;
                ck_assert(same_float(copies[i * row + j], source[j]));
                expected[j] += source[j];
            }
            ck_assert(same_float(total[j], expected[j]));
            for (int r = 0; r < ROWS; r++) {
                float sum = table[r * row + j];
                for (int i = 0; i < COUNT; i++)
                    sum += i * 5 % ROWS == r ? a[i * row + j] : 0;
                ck_assert(same_float(sums[r * row + j], sum));
            }
        }
        void *all[] = {table, a, copies, sums, total, expected};
        for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
            free(all[i]);
    }
}

START_TEST(rows_lie_anywhere)
{
    for_each_table(compare_scattered_rows);
}
END_TEST

START_TEST(wide_rows_are_summed_too)
{
    const double a[] = {1, 2, 3, -99, 4, 5, 6};
    double out[] = {10, 20, (double)NAN};
    tl_kernels_reference_f64.sum_rows(2, 3, a, 4, out, true);
    ck_assert(out[0] == 15 && out[1] == 27 && isnan(out[2]));
    tl_kernels_reference_f64.sum_rows(2, 3, a, 4, out, false);
    ck_assert(out[0] == 5 && out[1] == 7 && out[2] == 9);
}
END_TEST

/* Against the definition in double precision, for numbers that exp alone could not take. */
static void check_softmax(const tl_kernels *kernels)
{
    static const double ranges[][2] = {{-1, 1}, {-30, 30}, {800, 1000}, {-1e30, -0.9e30}};
    for (size_t r = 0; r < sizeof ranges / sizeof ranges[0]; r++)
        for (int size = 0; size < RAGGED; size++) {
            const int64_t n = ragged[size];
            float *x = random_floats(n, ranges[r][0], ranges[r][1], 7), *soft = same_floats(n, NAN),
                  *logs = same_floats(n, NAN);
            double most = kernels->max(n, x, 1), total = 0;
            for (int64_t i = 0; i < n; i++)
                total += exp((double)x[i] - most);
            kernels->softmax(n, x, soft);
            kernels->log_softmax(n, x, logs);
            for (int64_t i = 0; i < n; i++) {
                double expected = exp((double)x[i] - most) / total,
                       log_expected = (double)x[i] - most - log(total);
                if (!(fabs((double)soft[i] - expected) <= 4e-6 * expected + 1e-37) ||
                    !(fabs((double)logs[i] - log_expected) <= 1e-6 * (1 + fabs(log_expected))))
                    ck_abort_msg("%s softmax of %g among %lld: %g, expected %g; log %g, expected %g",
                                 kernels->isa, (double)x[i], (long long)n, (double)soft[i], expected,
                                 (double)logs[i], log_expected);
            }
            free(x);
            free(soft);
            free(logs);
        }
}

START_TEST(softmax_follows_its_definition)
{
    for_each_table(check_softmax);
}
END_TEST

START_TEST(softmax_in_double_precision)
{
    const double x[] = {1, 2, 3}, shifted[] = {1001, 1002, 1003};
    double out[3], again[3], logs[3], total = exp(1) + exp(2) + exp(3);
    tl_kernels_reference_f64.softmax(3, x, out);
    tl_kernels_reference_f64.softmax(3, shifted, again);
    tl_kernels_reference_f64.log_softmax(3, shifted, logs);
    for (int i = 0; i < 3; i++) {
        ck_assert_double_eq_tol(out[i], exp(x[i]) / total, 1e-15);
        ck_assert_double_eq(again[i], out[i]);
        ck_assert_double_eq_tol(logs[i], x[i] - log(total), 1e-15);
    }
}
END_TEST

int main(void)
{
    return RUN_SUITE("kernel sums", plain_sums_are_sums, plain_square_sums_are_sums_of_squares,
                     every_table_folds_as_the_plain_one, nan_goes_through_every_fold,
                     rows_are_summed_in_order, rows_lie_anywhere, wide_rows_are_summed_too,
                     softmax_follows_its_definition, softmax_in_double_precision);
}
