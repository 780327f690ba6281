/* Work over threads: how many there may be, that results do not depend on it bit for bit, and that the
 * mode of the floating-point unit comes back as it was. */
#include "tensor/compute_internal.h"
#include "tensor/cores_internal.h"
#include "tensor/flush_internal.h"
#include "tensor/team_internal.h"
#include "tensor/threads.h"
#include "tests/support/numbers.h"
#include "tests/support/again.h"
#include "tests/support/suite.h"

#include <dirent.h>
#include <omp.h>
#include <pthread.h>

/* What this program prints when it is run again: see main. */
static int threads_with(const char *omp_num_threads)
{
    char text[TEXT_SIZE];
    ck_assert_int_eq(run_again("OMP_NUM_THREADS", omp_num_threads, text), 0);
    return atoi(text);
}

START_TEST(the_number_of_threads_can_be_set)
{
    const int usual = tl_threads();
    ck_assert_int_eq(tl_set_threads(3), TL_OK);
    ck_assert_int_eq(tl_threads(), 3);
    ck_assert_int_eq(tl_set_threads(-1), TL_ERROR_ARGUMENT);
    EXPECT_ERROR(TL_ERROR_ARGUMENT, "set_threads: -1 threads, expected 0 or more");
    ck_assert_int_eq(tl_threads(), 3);
    ck_assert_int_eq(tl_set_threads(0), TL_OK);
    ck_assert_int_eq(tl_threads(), usual);
}
END_TEST

START_TEST(without_a_setting_it_is_openmps_or_the_cores)
{
    ck_assert_int_eq(threads_with(NULL), tl_cores());
    ck_assert_int_eq(threads_with("1"), 1);
    ck_assert_int_eq(threads_with("7"), 7);
}
END_TEST

START_TEST(inside_a_parallel_region_there_is_one)
{
    int inside = 0, regions = 0;
    tl_set_threads(3);
#pragma omp parallel num_threads(2) reduction(+ : inside, regions)
    {
        inside += tl_threads();
        regions++;
    }
    ck_assert_int_eq(regions, 2);
    ck_assert_int_eq(inside, 2);
    ck_assert_int_eq(tl_threads(), 3);
}
END_TEST

static void *ask_threads(void *result)
{
    *(int *)result = tl_threads();
    return NULL;
}

START_TEST(the_setting_is_the_calling_threads_own)
{
    pthread_t thread;
    int other = 0;
    const int usual = tl_threads();
    tl_set_threads(usual + 7);
    ck_assert_int_eq(pthread_create(&thread, NULL, ask_threads, &other), 0);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    ck_assert_int_eq(other, usual);
}
END_TEST

static const tl_dtype types[] = {TL_F32, TL_F64};
static const int counts[] = {1, 2, 5};

static void *random_numbers(tl_dtype dtype, int64_t count, double low, double high, uint64_t seed)
{
    return dtype == TL_F32 ? (void *)random_floats(count, low, high, seed)
                           : (void *)random_doubles(count, low, high, seed);
}

static size_t bytes_of(tl_dtype dtype, int64_t count)
{
    return (size_t)count * tl_dtype_size(dtype);
}

/* A product with all that it can have, over so many rows; the caller frees the result. */
static void *run_product(tl_dtype dtype, int64_t m, int threads)
{
    const int64_t n = 65;
    const tl_kernels *kernels = tl_kernels_for(dtype);
    void *a = random_numbers(dtype, m * n, -1, 1, 1), *b = random_numbers(dtype, n * n, -1, 1, 2),
         *c = random_numbers(dtype, m * n, -1, 1, 3);
    void *right = room_for((int64_t)kernels->packed_bytes(n, n), 1),
         *out = random_numbers(dtype, m * n, -1, 1, 4);
    uint8_t *mask = room_for(2 * m, 1);
    for (int64_t i = 0; i < 2 * m; i++)
        mask[i] = i % 7 != 0;
    kernels->pack(n, n, b, n, 1, right);
    ck_assert_int_eq(tl_set_threads(threads), TL_OK);
    tl_compute_product(dtype, &(tl_product){.m = m,
                                            .n = n,
                                            .k = n,
                                            .a = a,
                                            .a_row = n,
                                            .b = right,
                                            .c = c,
                                            .c_row = n,
                                            .out = out,
                                            .out_row = n,
                                            .activation = TL_MAP_TANH,
                                            .mask = mask,
                                            .mask_stride = 2});
    void *all[] = {a, b, c, right, mask};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        free(all[i]);
    return out;
}

/* An outer product added to what was there. */
static void *run_outer(tl_dtype dtype, int64_t m, int threads)
{
    const int64_t n = 65, k = 64;
    void *a = random_numbers(dtype, m * k, -1, 1, 1), *g = random_numbers(dtype, m * n, -1, 1, 2),
         *out = random_numbers(dtype, k * n, -1, 1, 3);
    ck_assert_int_eq(tl_set_threads(threads), TL_OK);
    tl_compute_outer(dtype, &(tl_outer){.m = m,
                                        .n = n,
                                        .k = k,
                                        .count = 1,
                                        .pairs = &(tl_pair){a, g},
                                        .a_row = k,
                                        .g_row = n,
                                        .out = out,
                                        .out_row = n,
                                        .add = true});
    free(a);
    free(g);
    return out;
}

START_TEST(products_do_not_depend_on_the_number_of_threads)
{
    const int64_t m = 611, n = 65, k = 64; /* well above the size that is spread */
    for (int t = 0; t < 2; t++) {
        void *product = run_product(types[t], m, 1), *outer = run_outer(types[t], m, 1);
        for (int i = 1; i < 3; i++) {
            void *other = run_product(types[t], m, counts[i]);
            ck_assert_mem_eq(other, product, bytes_of(types[t], m * n));
            free(other);
            other = run_outer(types[t], m, counts[i]);
            ck_assert_mem_eq(other, outer, bytes_of(types[t], k * n));
            free(other);
        }
        free(product);
        free(outer);
    }
}
END_TEST

START_TEST(spread_products_are_those_of_the_kernel)
{
    const tl_kernels *kernels = tl_kernels_for(TL_F32);
    const int64_t m = 700, n = 40, k = 40, k_outer = 70;
    float *a = random_floats(m * k_outer, -1, 1, 1), *b = random_floats(m * n, -1, 1, 2);
    float *got = same_floats(m * n, NAN), *expected = same_floats(m * n, NAN);
    void *right = room_for((int64_t)kernels->packed_bytes(k, n), 1);
    kernels->pack(k, n, b, n, 1, right);
    tl_product p = {
        .m = m, .n = n, .k = k, .a = a, .a_row = k, .b = right, .c = b, .out = expected, .out_row = n};
    kernels->product(&p);
    p.out = got;
    tl_set_threads(3);
    tl_compute_product(TL_F32, &p);
    ck_assert_int_eq(first_difference(m * n, got, expected), -1);
    tl_outer o = {.m = m,
                  .n = n,
                  .k = k_outer,
                  .count = 1,
                  .pairs = &(tl_pair){a, b},
                  .a_row = k_outer,
                  .g_row = n,
                  .out = expected,
                  .out_row = n};
    kernels->outer(&o);
    o.out = got;
    tl_compute_outer(TL_F32, &o);
    ck_assert_int_eq(first_difference(k_outer * n, got, expected), -1);
    void *all[] = {a, b, got, expected, right};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        free(all[i]);
}
END_TEST

START_TEST(updates_do_not_depend_on_the_number_of_threads)
{
    enum { N = 200003 };
    const double p[TL_UPDATE_NUMBERS] = {0.01, 0.9, 0.999, 1e-7, 1e-4};
    for (int t = 0; t < 2; t++)
        for (tl_update update = 0; update < TL_UPDATE_COUNT; update++) {
            void *w[3], *states[3][TL_UPDATE_STATES], *g = random_numbers(types[t], N, -1, 1, 1);
            for (int i = 0; i < 3; i++) {
                w[i] = random_numbers(types[t], N, -1, 1, 2);
                for (int j = 0; j < TL_UPDATE_STATES; j++)
                    states[i][j] = random_numbers(types[t], N, 0, 1, 3 + (uint64_t)j);
                ck_assert_int_eq(tl_set_threads(counts[i]), TL_OK);
                tl_compute_update(types[t], update, N, p, g, w[i], states[i]);
            }
            for (int i = 1; i < 3; i++) {
                ck_assert_mem_eq(w[i], w[0], bytes_of(types[t], N));
                for (int j = 0; j < TL_UPDATE_STATES; j++)
                    ck_assert_mem_eq(states[i][j], states[0][j], bytes_of(types[t], N));
            }
            for (int i = 0; i < 3; i++) {
                free(w[i]);
                for (int j = 0; j < TL_UPDATE_STATES; j++)
                    free(states[i][j]);
            }
            free(g);
        }
}
END_TEST

/* Threads of this process, or 0 where that cannot be seen. */
static int running_threads(void)
{
    int count = 0;
    DIR *tasks = opendir("/proc/self/task");
    for (const struct dirent *entry = tasks ? readdir(tasks) : NULL; entry; entry = readdir(tasks))
        count += entry->d_name[0] != '.';
    if (tasks)
        closedir(tasks);
    return count;
}

/* Threads are kept once they were started. */
START_TEST(small_work_starts_no_threads_and_large_work_does)
{
    int before = running_threads();
    if (before == 0)
        return;
    free(run_product(TL_F32, 90, 3));
    free(run_outer(TL_F32, 90, 3));
    free(run_product(TL_F32, 611, 1));
    ck_assert_int_eq(running_threads(), before);
    free(run_product(TL_F32, 611, 3));
    ck_assert_int_ge(running_threads(), before + 2);
}
END_TEST

#if defined(__SSE__) || defined(__aarch64__)
static const bool can_flush = true;
#else
static const bool can_flush = false;
#endif

/* Whether half of the smallest normal number is 0. */
static bool flushes(void)
{
    volatile float smallest = 0x1p-126f, half = 0.5f;
    volatile float result = smallest * half;
    return result == 0;
}

START_TEST(flushing_is_set_and_restored)
{
    volatile float denormal = 0x1p-130f, large = 0x1p20f;
    ck_assert(!flushes());
    unsigned outer = tl_flush_set(tl_flushing);
    ck_assert(flushes() == can_flush);
    ck_assert((denormal * large == 0) == can_flush); /* an operand counts as 0 too */
    unsigned inner = tl_flush_set(tl_flushing);
    tl_flush_set(inner);
    ck_assert(flushes() == can_flush); /* what was on when it began is on when it ends */
    tl_flush_set(outer);
    ck_assert(!flushes());
    ck_assert_float_eq(denormal * large, 0x1p-110f);
}
END_TEST

typedef struct meeting {
    pthread_barrier_t begun;
    bool flushed;
} meeting;

static void *ask_flushing(void *argument)
{
    meeting *m = argument;
    pthread_barrier_wait(&m->begun);
    m->flushed = flushes();
    return NULL;
}

START_TEST(flushing_is_one_threads_own)
{
    pthread_t thread;
    meeting m = {.flushed = true};
    ck_assert_int_eq(pthread_barrier_init(&m.begun, NULL, 2), 0);
    ck_assert_int_eq(pthread_create(&thread, NULL, ask_flushing, &m), 0);
    unsigned mode = tl_flush_set(tl_flushing);
    pthread_barrier_wait(&m.begun);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    tl_flush_set(mode);
    pthread_barrier_destroy(&m.begun);
    ck_assert(!m.flushed);
}
END_TEST

/* How many elements are not 0 of a product whose every element is denormal in its type. */
static int64_t denormals_left(tl_dtype dtype, int threads)
{
    enum { M = 700, N = 40 };
    const tl_kernels *kernels = tl_kernels_for(dtype);
    const double small = dtype == TL_F32 ? 0x1p-70 : 0x1p-530, zeros[N] = {0};
    tl_tensor a = tl_tensor_new(dtype, tl_shape(M, N)), b = tl_tensor_new(dtype, tl_shape(N, N));
    tl_tensor out = tl_tensor_new(dtype, tl_shape(M, N));
    void *right = room_for((int64_t)kernels->packed_bytes(N, N), 1);
    tl_tensor_fill(a, small);
    tl_tensor_fill(b, small);
    kernels->pack(N, N, tl_data(b), N, 1, right);
    tl_product p = {.m = M,
                    .n = N,
                    .k = N,
                    .a = tl_data(a),
                    .a_row = N,
                    .b = right,
                    .out = tl_data_mut(out),
                    .out_row = N};
    ck_assert_int_eq(tl_set_threads(threads), TL_OK);
    tl_compute_product(dtype, &p);
    int64_t left = 0;
    const size_t row = N * tl_dtype_size(dtype);
    for (int64_t i = 0; i < M; i++)
        left += memcmp((const char *)tl_data(out) + (size_t)i * row, zeros, row) != 0;
    free(right);
    tl_tensor_free(&a);
    tl_tensor_free(&b);
    tl_tensor_free(&out);
    return left;
}

START_TEST(spread_products_flush_in_single_precision_alone)
{
    for (int i = 0; i < 3; i++) {
        unsigned mode = tl_flush_set(tl_flushing); /* as the tape calls it */
        int64_t left = denormals_left(TL_F32, counts[i]);
        ck_assert(flushes() == can_flush);
        tl_flush_set(mode);
        ck_assert_int_eq(left, can_flush ? 0 : 700);
        ck_assert_int_eq(denormals_left(TL_F64, counts[i]), 700);
        ck_assert(!flushes());
    }
}
END_TEST

/* With an argument: prints the number of threads. */
int main(int argc, char **argv)
{
    (void)argv;
    if (argc > 1)
        return printf("%d\n", tl_threads()) < 0;
    tl_team_set_cores(8); /* so that results are compared between as many threads as are asked for */
    return RUN_SUITE("threads", the_number_of_threads_can_be_set,
                     without_a_setting_it_is_openmps_or_the_cores, inside_a_parallel_region_there_is_one,
                     the_setting_is_the_calling_threads_own, products_do_not_depend_on_the_number_of_threads,
                     spread_products_are_those_of_the_kernel, updates_do_not_depend_on_the_number_of_threads,
                     small_work_starts_no_threads_and_large_work_does, flushing_is_set_and_restored,
                     flushing_is_one_threads_own, spread_products_flush_in_single_precision_alone);
}
