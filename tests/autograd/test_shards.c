/* Shards: the gradients of a batch cut over rows are those of the whole, and the same bit for bit whatever
 * the number of threads. */
#include "tensor/threads.h"
#include "tests/autograd/testing_internal.h"

#include <stdio.h>

enum { BATCH = 17, TIME = 4, WORDS = 3333, WIDTH = 10, UNITS = 6, PARAMETERS = 5, MOST_SHARDS = 8 };
enum { TABLE, W, U, B, V };

/* The table is large enough for several threads to merge it; it is looked up, and it also multiplies, so that
 * its gradient comes both by rows and dense. */
static const struct {
    const char *name;
    int rank;
    int64_t dims[2];
} parameter_shapes[PARAMETERS] = {
    [TABLE] = {"table", 2, {WORDS, WIDTH}}, [W] = {"w", 2, {WIDTH, UNITS}},
    [U] = {"u", 2, {UNITS, UNITS}},         [B] = {"b", 1, {UNITS}},
    [V] = {"v", 2, {UNITS, WIDTH}},
};

typedef struct job {
    tl_parameter *parameters[PARAMETERS];
    tl_tensor ids, labels;
    int64_t shards;
    double losses[MOST_SHARDS];
    int failing; /* every shard from this one on whose number is odd fails; 0: none */
} job;

static job new_job(tl_dtype dtype)
{
    job j = {.ids = tl_tensor_new(TL_I32, tl_shape(BATCH, TIME)),
             .labels = tl_tensor_new(TL_I32, tl_shape(BATCH))};
    for (int i = 0; i < PARAMETERS; i++) {
        tl_shape shape = {.rank = parameter_shapes[i].rank};
        memcpy(shape.dims, parameter_shapes[i].dims, sizeof parameter_shapes[i].dims);
        j.parameters[i] = random_parameter(parameter_shapes[i].name, dtype, shape, (uint64_t)i);
    }
    int32_t *id = tl_data_mut(j.ids), *label = tl_data_mut(j.labels);
    for (int64_t i = 0; i < BATCH * TIME; i++) /* few rows, so that shards share some, and the last one */
        id[i] = (int32_t)(i % 3 ? WORDS / 2 + tl_random_below(1, 1, (uint64_t)i, 9) - 4 : WORDS - 1 - i % 4);
    for (int64_t i = 0; i < BATCH; i++)
        label[i] = (int32_t)tl_random_below(1, 2, (uint64_t)i, WORDS);
    return j;
}

static void free_job(job *j)
{
    for (int i = 0; i < PARAMETERS; i++)
        tl_parameter_free(j->parameters[i]);
    tl_tensor_free(&j->ids);
    tl_tensor_free(&j->labels);
}

static void clear_gradients(const job *j)
{
    for (int i = 0; i < PARAMETERS; i++)
        tl_parameter_clear_gradient(j->parameters[i]);
}

/* The loss of each of the rows from `first` on: a language model whose output weights are its table. */
static tl_var *row_losses(const job *j, tl_tape *tape, int64_t first, int64_t rows)
{
    tl_var *p[PARAMETERS];
    for (int i = 0; i < PARAMETERS; i++)
        p[i] = tl_use(tape, j->parameters[i]);
    tl_tape_set_random(tape, 5, 6, first);
    tl_var *ids = tl_input(tape, tl_tensor_slice(j->ids, 0, first, rows));
    tl_var *labels = tl_input(tape, tl_tensor_slice(j->labels, 0, first, rows));
    tl_var *words = tl_dropout(tl_gather(p[TABLE], ids), 0.25);
    tl_var *state = tl_zeros(tape, tl_dtype_of(p[U]), tl_shape(rows, UNITS));
    for (int64_t t = 0; t < TIME; t++)
        state = tl_affine(state, p[U], tl_affine(tl_select(words, 1, t), p[W], p[B], TL_LINEAR), TL_TANH);
    tl_var *logits = tl_matmul(tl_matmul(state, p[V]), tl_transpose(p[TABLE], 0, 1));
    return tl_sparse_softmax_cross_entropy_with_logits(logits, labels);
}

/* Backward from the mean over the whole batch, of which these rows are a part. */
static tl_status differentiate(tl_var *losses, double *sum)
{
    tl_var *part = tl_scale(tl_sum(losses, TL_ALL_AXES, false), 1.0 / BATCH);
    *sum = tl_tensor_item(tl_value(part));
    return tl_backward(part);
}

static tl_status run_shard(void *context, int64_t shard, tl_tape *tape)
{
    job *j = context;
    int64_t first = BATCH * shard / j->shards, last = BATCH * (shard + 1) / j->shards;
    if (j->failing && shard >= j->failing && shard % 2)
        return tl_error(TL_ERROR_NUMERIC, "shard %lld: no numbers today", (long long)shard);
    return differentiate(row_losses(j, tape, first, last - first), &j->losses[shard]);
}

/* The whole batch on one tape. */
static double run_whole(const job *j)
{
    tl_tape *tape = tl_tape_new();
    double loss;
    clear_gradients(j);
    check_ok(differentiate(row_losses(j, tape, 0, BATCH), &loss));
    tl_tape_free(tape);
    return loss;
}

static bool is_zero(tl_tensor tensor)
{
    const char *bytes = tl_data(tensor);
    bool zero = true;
    for (size_t i = 0; i < tensor.storage->bytes; i++)
        zero &= bytes[i] == 0;
    return zero;
}

static double run_in_shards(tl_shards *shards, job *j, int64_t count, int threads)
{
    double loss = 0;
    clear_gradients(j);
    j->shards = count;
    check_ok(tl_set_threads(threads));
    check_ok(tl_shards_run(shards, count, run_shard, j));
    uint64_t version = j->parameters[U]->gradient.storage->version;
    for (int i = 0; i < PARAMETERS; i++)
        ck_assert(is_zero(j->parameters[i]->gradient)); /* before the merge */
    check_ok(tl_shards_merge(shards));
    ck_assert_uint_ne(j->parameters[U]->gradient.storage->version, version);
    for (int64_t i = 0; i < count; i++)
        loss += j->losses[i];
    return loss;
}

static void copy_gradients(const job *j, tl_tensor gradients[PARAMETERS])
{
    for (int i = 0; i < PARAMETERS; i++)
        gradients[i] = copy_of(j->parameters[i]->gradient);
}

static void free_gradients(tl_tensor gradients[PARAMETERS])
{
    for (int i = 0; i < PARAMETERS; i++)
        tl_tensor_free(&gradients[i]);
}

static void check_same_gradients(const job *j, const tl_tensor gradients[PARAMETERS], int64_t shards,
                                 int threads)
{
    for (int i = 0; i < PARAMETERS; i++)
        ck_assert_msg(same_bits(j->parameters[i]->gradient, gradients[i]),
                      "%lld shards on %d threads: the gradient of %s differs", (long long)shards, threads,
                      j->parameters[i]->name);
}

/* The largest difference from another set of gradients, as a part of the largest number of each. */
static double apart(const job *j, const tl_tensor gradients[PARAMETERS])
{
    double most = 0;
    for (int i = 0; i < PARAMETERS; i++) {
        const tl_tensor a = j->parameters[i]->gradient, b = gradients[i];
        double largest = 0, worst = 0;
        for (int64_t k = 0; k < tl_tensor_count(a); k++) {
            worst = fmax(worst, fabs(element(a, k) - element(b, k)));
            largest = fmax(largest, fabs(element(b, k)));
        }
        ck_assert_double_gt(largest, 1e-4);
        most = fmax(most, worst / largest);
    }
    return most;
}

static const int64_t shard_counts[] = {1, 3, 8};
static const int thread_counts[] = {1, 2, 5};

static void compare(tl_dtype dtype, double bound)
{
    job j = new_job(dtype);
    tl_tensor whole[PARAMETERS], one_thread[PARAMETERS];
    double loss = run_whole(&j);
    copy_gradients(&j, whole);
    tl_shards *shards = tl_shards_new();
    for (int i = 0; i < 3; i++) {
        double first_loss = run_in_shards(shards, &j, shard_counts[i], 1);
        ck_assert_double_eq_tol(first_loss, loss, bound * loss);
        ck_assert_double_le(apart(&j, whole), bound);
        copy_gradients(&j, one_thread);
        for (int k = 0; k < 3; k++)
            for (int again = 0; again < 2; again++) {
                ck_assert(run_in_shards(shards, &j, shard_counts[i], thread_counts[k]) == first_loss);
                check_same_gradients(&j, one_thread, shard_counts[i], thread_counts[k]);
            }
        free_gradients(one_thread);
    }
    free_gradients(whole);
    tl_shards_free(shards);
    free_job(&j);
}

START_TEST(gradients_are_those_of_the_whole_batch_in_float64)
{
    compare(TL_F64, 1e-13);
}
END_TEST

START_TEST(gradients_are_those_of_the_whole_batch_in_float32)
{
    compare(TL_F32, 2e-6);
}
END_TEST

START_TEST(the_lowest_failing_shards_error_is_reported)
{
    job j = new_job(TL_F32);
    tl_shards *shards = tl_shards_new();
    run_in_shards(shards, &j, 8, 2);
    tl_tensor expected[PARAMETERS];
    copy_gradients(&j, expected);
    for (int k = 0; k < 3; k++) {
        check_ok(tl_set_threads(thread_counts[k]));
        j.failing = 2; /* 3, 5 and 7 fail */
        ck_assert_int_eq(tl_shards_run(shards, 8, run_shard, &j), TL_ERROR_NUMERIC);
        ck_assert_str_eq(tl_error_message(), "shard 3: no numbers today");
        ck_assert_int_eq(tl_error_status(), TL_ERROR_NUMERIC);

        j.failing = 0;
        int32_t *ids = tl_data_mut(j.ids), kept = ids[(BATCH - 1) * TIME];
        ids[(BATCH - 1) * TIME] = WORDS; /* an error of the library's own, in the last shard */
        ck_assert_int_eq(tl_shards_run(shards, 8, run_shard, &j), TL_ERROR_RANGE);
        ck_assert_str_eq(tl_error_message(), "gather: id 3333, the table has rows 0 to 3332");
        ids[(BATCH - 1) * TIME] = kept;

        run_in_shards(shards, &j, 8, thread_counts[k]); /* and all is well again */
        check_same_gradients(&j, expected, 8, thread_counts[k]);
    }
    free_gradients(expected);
    tl_shards_free(shards);
    free_job(&j);
}
END_TEST

START_TEST(memory_does_not_grow)
{
    job j = new_job(TL_F32);
    for (int k = 0; k < 2; k++) {
        tl_shards *shards = tl_shards_new();
        run_in_shards(shards, &j, 8, thread_counts[k]);
        run_in_shards(shards, &j, 8, thread_counts[k]);
        size_t peak = tl_shards_peak_bytes(shards);
        ck_assert_uint_gt(peak, 0);
        for (int round = 0; round < 50; round++) {
            run_in_shards(shards, &j, round % 8 + 1 < 4 ? 8 : 7, thread_counts[k]);
            ck_assert_uint_le(tl_shards_peak_bytes(shards), peak + peak / 3); /* 7 shards are a row taller */
        }
        size_t later = tl_shards_peak_bytes(shards);
        for (int round = 0; round < 50; round++)
            run_in_shards(shards, &j, 7 + round % 2, thread_counts[k]);
        ck_assert_uint_eq(tl_shards_peak_bytes(shards), later);
        tl_shards_free(shards);
    }
    free_job(&j);
}
END_TEST

START_TEST(frozen_parameters_get_no_gradient)
{
    job j = new_job(TL_F32);
    tl_shards *shards = tl_shards_new();
    tl_tensor expected[PARAMETERS];
    run_in_shards(shards, &j, 3, 2);
    copy_gradients(&j, expected);
    tl_tensor_fill(expected[TABLE], 0);
    j.parameters[TABLE]->trainable = false;
    run_in_shards(shards, &j, 3, 2);
    check_same_gradients(&j, expected, 3, 2);
    free_gradients(expected);
    tl_shards_free(shards);
    free_job(&j);
}
END_TEST

static tl_status do_nothing(void *context, int64_t shard, tl_tape *tape)
{
    (void)context;
    (void)shard;
    (void)tape;
    return TL_OK;
}

START_TEST(a_merge_adds_the_last_run_once_and_nothing_else)
{
    job j = new_job(TL_F32);
    tl_shards *shards = tl_shards_new();
    tl_tensor expected[PARAMETERS];
    run_in_shards(shards, &j, 3, 2);
    copy_gradients(&j, expected);
    check_ok(tl_shards_merge(shards)); /* once more: that run is forgotten */
    check_same_gradients(&j, expected, 3, 2);
    check_ok(tl_shards_run(shards, 3, run_shard, &j)); /* not merged, so it leaves nothing */
    check_ok(tl_shards_run(shards, 0, run_shard, &j));
    check_ok(tl_shards_merge(shards));
    check_same_gradients(&j, expected, 3, 2);
    check_ok(tl_shards_run(shards, 3, run_shard, &j));
    check_ok(tl_shards_run(shards, 3, do_nothing, &j));
    check_ok(tl_shards_merge(shards));
    check_same_gradients(&j, expected, 3, 2);
    size_t peak = tl_shards_peak_bytes(shards);
    for (int round = 0; round < 20; round++)
        check_ok(tl_shards_run(shards, 3, run_shard, &j));
    ck_assert_uint_eq(tl_shards_peak_bytes(shards), peak);
    free_gradients(expected);
    tl_shards_free(shards);
    tl_shards_free(NULL);
    free_job(&j);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("shards");
    tcase_add_test(tests, gradients_are_those_of_the_whole_batch_in_float64);
    tcase_add_test(tests, gradients_are_those_of_the_whole_batch_in_float32);
    tcase_add_test(tests, the_lowest_failing_shards_error_is_reported);
    tcase_add_test(tests, memory_does_not_grow);
    tcase_add_test(tests, frozen_parameters_get_no_gradient);
    tcase_add_test(tests, a_merge_adds_the_last_run_once_and_nothing_else);
    return run_tests("shards", tests);
}
