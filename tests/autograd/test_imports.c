/* Imported vars: what depends on parameters alone is computed once on a step tape, shared by the shards of a
 * batch, and differentiated once when their gradients are summed. */
#include "tensor/threads.h"
#include "tests/autograd/testing_internal.h"

enum { BATCH = 13, TIME = 5, WORDS = 11, WIDTH = 4, UNITS = 6 };

static tl_parameter *table, *w;
static tl_tensor ids, weights;
static tl_shards *shards;
static tl_tape *step;

static void set_up(void)
{
    table = random_parameter("table", TL_F64, tl_shape(WORDS, WIDTH), 1);
    w = random_parameter("w", TL_F64, tl_shape(WIDTH, UNITS), 2);
    weights = random_tensor(TL_F64, tl_shape(BATCH, TIME, UNITS), 3);
    ids = tl_tensor_new(TL_I32, tl_shape(BATCH, TIME));
    int32_t *id = tl_data_mut(ids);
    for (int64_t i = 0; i < BATCH * TIME; i++)
        id[i] = (int32_t)tl_random_below(1, 1, (uint64_t)i, WORDS);
    shards = tl_shards_new();
    step = tl_tape_new();
    ck_assert(shards && step);
}

static void tear_down(void)
{
    tl_parameter_free(table);
    tl_parameter_free(w);
    tl_tensor_free(&ids);
    tl_tensor_free(&weights);
    tl_shards_free(shards);
    tl_tape_free(step);
}

/* What the step tape prepares from table and w: [WORDS, UNITS], in memories of several kinds. */
typedef tl_var *preparation(tl_tape *tape);

static tl_var *product(tl_tape *tape)
{
    return tl_matmul(tl_use(tape, table), tl_use(tape, w));
}

static tl_var *transposed_product(tl_tape *tape)
{
    return tl_tanh(tl_transpose(
        tl_matmul(tl_transpose(tl_use(tape, w), 0, 1), tl_transpose(tl_use(tape, table), 0, 1)), 0, 1));
}

static tl_var *view_of_transposed(tl_tape *tape)
{
    return tl_transpose(
        tl_matmul(tl_transpose(tl_use(tape, w), 0, 1), tl_transpose(tl_use(tape, table), 0, 1)), 0, 1);
}

static tl_var *view_of_columns(tl_tape *tape)
{
    tl_var *p = product(tape), *both[] = {p, tl_tanh(p), p};
    return tl_slice(tl_concat(both, 3, 1), 1, UNITS / 2, UNITS);
}

static tl_var *view_of_rows(tl_tape *tape)
{
    tl_var *p = product(tape), *both[] = {p, tl_tanh(p)};
    return tl_slice(tl_concat(both, 2, 0), 0, WORDS / 2, WORDS);
}

/* What shards do with it: sum(rows * weights), the rows looked up, cut out of it, or multiplied out of it. */
typedef tl_var *usage(tl_var *prepared, int64_t first, int64_t rows);

static tl_var *weighted(tl_var *x, tl_tensor by)
{
    return tl_sum(tl_mul(x, tl_input(tl_tape_of(x), by)), TL_ALL_AXES, false);
}

static tl_var *look_up(tl_var *prepared, int64_t first, int64_t rows)
{
    tl_var *some = tl_input(tl_tape_of(prepared), tl_tensor_slice(ids, 0, first, rows));
    return weighted(tl_tanh(tl_gather(prepared, some)), tl_tensor_slice(weights, 0, first, rows));
}

static tl_var *cut_out(tl_var *prepared, int64_t first, int64_t rows)
{
    tl_var *sum = tl_zeros(tl_tape_of(prepared), TL_F64, TL_SCALAR);
    for (int64_t i = first; i < first + rows; i++) {
        tl_var *row = tl_select(tl_slice(prepared, 0, i % WORDS, 1), 0, 0);
        tl_tensor by = tl_tensor_select(tl_tensor_select(weights, 0, i), 0, i % TIME);
        sum = tl_add(sum, weighted(tl_mul(row, row), by));
    }
    return sum;
}

static tl_var *multiply(tl_var *prepared, int64_t first, int64_t rows)
{
    tl_tensor block = tl_tensor_slice(weights, 0, first, rows);
    tl_var *x = tl_matmul(tl_input(tl_tape_of(prepared), block), tl_transpose(prepared, 0, 1));
    return tl_sum(tl_tanh(x), TL_ALL_AXES, false);
}

static tl_var *all_of_them(tl_var *prepared, int64_t first, int64_t rows)
{
    return tl_add(tl_add(look_up(prepared, first, rows), cut_out(prepared, first, rows)),
                  multiply(prepared, first, rows));
}

typedef struct job {
    preparation *prepare;
    usage *use;
    tl_var *prepared;
    int64_t shards;
} job;

static tl_status run_shard(void *context, int64_t shard, tl_tape *tape)
{
    const job *j = context;
    int64_t first = BATCH * shard / j->shards, last = BATCH * (shard + 1) / j->shards;
    tl_var *prepared = tl_import(tape, j->prepared);
    if (prepared != tl_import(tape, j->prepared))
        return tl_error(TL_ERROR_STATE, "imported twice");
    return tl_backward(j->use(prepared, first, last - first));
}

static void clear(void)
{
    tl_parameter_clear_gradient(table);
    tl_parameter_clear_gradient(w);
}

static void run_direct(const job *j)
{
    clear();
    tl_tape_reset(step);
    check_ok(tl_backward(j->use(j->prepare(step), 0, BATCH)));
}

static void run_imported(job *j, int64_t count, int threads)
{
    clear();
    tl_tape_reset(step);
    j->prepared = j->prepare(step);
    j->shards = count;
    ck_assert_msg(tl_tensor_ok(tl_value(j->prepared)), "%s", tl_error_message());
    check_ok(tl_set_threads(threads));
    check_ok(tl_shards_run(shards, count, run_shard, j));
    check_ok(tl_shards_merge(shards));
    check_ok(tl_backward_all(step));
}

static void compare(preparation *prepare, usage *use)
{
    job j = {.prepare = prepare, .use = use};
    run_direct(&j);
    tl_tensor direct[] = {copy_of(table->gradient), copy_of(w->gradient)};
    ck_assert_double_gt(fabs(element(direct[0], 0)), 1e-3);
    for (int64_t count = 1; count <= 8; count += count == 1 ? 2 : 5) {
        run_imported(&j, count, 1);
        tl_tensor one_thread[] = {copy_of(table->gradient), copy_of(w->gradient)};
        ck_assert_double_le(difference(table->gradient, direct[0]), 1e-14);
        ck_assert_double_le(difference(w->gradient, direct[1]), 1e-14);
        for (int threads = 2; threads <= 5; threads += 3) {
            run_imported(&j, count, threads);
            ck_assert(same_bits(table->gradient, one_thread[0]));
            ck_assert(same_bits(w->gradient, one_thread[1]));
        }
        tl_tensor_free(&one_thread[0]);
        tl_tensor_free(&one_thread[1]);
    }
    tl_tensor_free(&direct[0]);
    tl_tensor_free(&direct[1]);
}

static preparation *const preparations[] = {product, transposed_product, view_of_transposed, view_of_columns,
                                            view_of_rows};
static usage *const usages[] = {look_up, cut_out, multiply, all_of_them};
enum { PREPARATIONS = 5, USAGES = 4 };

/* Once for each preparation and usage. */
START_TEST(gradients_are_those_of_the_direct_graph)
{
    compare(preparations[_i / USAGES], usages[_i % USAGES]);
}
END_TEST

/* A parameter on the step tape that shards import and another that they use themselves. */
static tl_status use_both(void *context, int64_t shard, tl_tape *tape)
{
    const job *j = context;
    tl_var *x = tl_mul(tl_import(tape, j->prepared), tl_use(tape, w));
    return tl_backward(tl_scale(tl_sum(x, TL_ALL_AXES, false), (double)(shard + 1)));
}

START_TEST(imported_and_own_gradients_meet_in_the_parameter)
{
    clear();
    job j = {.prepared = tl_scale(tl_use(step, w), 3)};
    check_ok(tl_shards_run(shards, 4, use_both, &j));
    check_ok(tl_shards_merge(shards));
    for (int64_t i = 0; i < WIDTH * UNITS; i++) /* (1 + 2 + 3 + 4) 3 w so far, the shards' own part */
        ck_assert_double_eq_tol(element(w->gradient, i), 30 * element(w->value, i), 1e-14);
    check_ok(tl_backward_all(step));
    for (int64_t i = 0; i < WIDTH * UNITS; i++)
        ck_assert_double_eq_tol(element(w->gradient, i), 60 * element(w->value, i), 1e-14);
    ck_assert_int_eq(tl_backward_all(step), TL_ERROR_STATE); /* once, as any backward */
    check_error(TL_ERROR_STATE, "backward: this tape was differentiated already");
}
END_TEST

/* What is prepared may also count by itself: its own gradient is added to that of the shards. */
START_TEST(shards_and_step_tape_add_up)
{
    clear();
    job j = {.prepared = tl_scale(tl_use(step, w), 3)};
    tl_var *penalty = tl_sum(j.prepared, TL_ALL_AXES, false);
    check_ok(tl_shards_run(shards, 4, use_both, &j));
    check_ok(tl_shards_merge(shards));
    check_ok(tl_backward(penalty));
    for (int64_t i = 0; i < WIDTH * UNITS; i++)
        ck_assert_double_eq_tol(element(w->gradient, i), 60 * element(w->value, i) + 3, 1e-14);

    clear();
    tl_tape_reset(step);
    j.prepared = tl_scale(tl_use(step, w), 3);
    check_ok(tl_shards_run(shards, 4, use_both, &j));
    check_ok(tl_shards_merge(shards));
    check_ok(tl_backward_from(j.prepared, w->value)); /* where a gradient has come already */
    for (int64_t i = 0; i < WIDTH * UNITS; i++)
        ck_assert_double_eq_tol(element(w->gradient, i), 63 * element(w->value, i), 1e-14);
}
END_TEST

static tl_status use_frozen(void *context, int64_t shard, tl_tape *tape)
{
    const job *j = context;
    (void)shard;
    tl_var *imported = tl_import(tape, j->prepared);
    tl_status status = tl_backward(tl_sum(tl_mul(imported, tl_use(tape, w)), TL_ALL_AXES, false));
    if (status == TL_OK && tl_tensor_ok(tl_grad(imported)))
        return tl_error(TL_ERROR_STATE, "a constant has a gradient");
    return status;
}

START_TEST(a_constant_is_imported_as_one)
{
    clear();
    tl_tensor x = random_tensor(TL_F64, tl_shape(WIDTH, UNITS), 9);
    job j = {.prepared = tl_scale(tl_input(step, x), 2)};
    check_ok(tl_shards_run(shards, 2, use_frozen, &j));
    check_ok(tl_shards_merge(shards));
    check_ok(tl_backward_all(step));
    for (int64_t i = 0; i < WIDTH * UNITS; i++)
        ck_assert_double_eq_tol(element(w->gradient, i), 4 * element(x, i), 1e-14);
    tl_tensor_free(&x);
}
END_TEST

START_TEST(memory_does_not_grow)
{
    job j = {.prepare = product, .use = all_of_them};
    run_imported(&j, 8, 2);
    run_imported(&j, 8, 2);
    size_t peak = tl_shards_peak_bytes(shards), step_peak = tl_tape_peak_bytes(step);
    for (int round = 0; round < 50; round++) {
        run_imported(&j, 8, 2);
        ck_assert_uint_eq(tl_shards_peak_bytes(shards), peak);
        ck_assert_uint_eq(tl_tape_peak_bytes(step), step_peak);
    }
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("imports");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_loop_test(tests, gradients_are_those_of_the_direct_graph, 0, PREPARATIONS * USAGES);
    tcase_add_test(tests, imported_and_own_gradients_meet_in_the_parameter);
    tcase_add_test(tests, shards_and_step_tape_add_up);
    tcase_add_test(tests, a_constant_is_imported_as_one);
    tcase_add_test(tests, memory_does_not_grow);
    return run_tests("imports", tests);
}
