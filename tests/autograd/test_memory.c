/* Memory of a tape: after the first round of a loop nothing is asked of the heap, and gradients are recycled.
 * Calls of the heap are counted by standing in front of it, which a sanitizer or another C library may not
 * allow: then those tests say that they skip. */
#include "tests/autograd/testing_internal.h"

#include <stdio.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define SANITIZED 1
#endif
#endif

static int64_t heap_calls;

#if defined(__GLIBC__) && !defined(SANITIZED)
static const bool counts = true;

extern void *__libc_malloc(size_t bytes);
extern void *__libc_calloc(size_t count, size_t bytes);
extern void *__libc_realloc(void *memory, size_t bytes);
extern void *__libc_memalign(size_t alignment, size_t bytes);

void *malloc(size_t bytes)
{
    heap_calls++;
    return __libc_malloc(bytes);
}

void *calloc(size_t count, size_t bytes)
{
    heap_calls++;
    return __libc_calloc(count, bytes);
}

void *realloc(void *memory, size_t bytes)
{
    heap_calls++;
    return __libc_realloc(memory, bytes);
}

void *aligned_alloc(size_t alignment, size_t bytes)
{
    heap_calls++;
    return __libc_memalign(alignment, bytes);
}

int posix_memalign(void **memory, size_t alignment, size_t bytes)
{
    heap_calls++;
    *memory = __libc_memalign(alignment, bytes);
    return *memory ? 0 : 12;
}
#else
static const bool counts = false;
#endif

enum { BATCH = 7, TIME = 30, WORDS = 40, WIDTH = 5, UNITS = 24, ROUNDS = 50 };

typedef struct model {
    tl_parameter *table, *w, *u, *b, *v;
    tl_tensor ids, y, mask;
} model;

static model new_model(void)
{
    model m = {
        .table = random_parameter("table", TL_F32, tl_shape(WORDS, WIDTH), 1),
        .w = random_parameter("w", TL_F32, tl_shape(WIDTH, UNITS), 2),
        .u = random_parameter("u", TL_F32, tl_shape(UNITS, UNITS), 3),
        .b = random_parameter("b", TL_F32, tl_shape(UNITS), 4),
        .v = random_parameter("v", TL_F32, tl_shape(UNITS, 1), 5),
        .ids = tl_tensor_new(TL_I32, tl_shape(BATCH, TIME)),
        .y = random_tensor(TL_F32, tl_shape(BATCH, 1), 6),
        .mask = tl_tensor_new(TL_U8, tl_shape(BATCH, TIME)),
    };
    int32_t *id = tl_data_mut(m.ids);
    uint8_t *mask = tl_data_mut(m.mask);
    for (int64_t i = 0; i < BATCH * TIME; i++) {
        id[i] = (int32_t)tl_random_below(1, 0, (uint64_t)i, WORDS);
        mask[i] = i % 5 != 0;
    }
    return m;
}

static void free_model(model *m)
{
    tl_parameter *parameters[] = {m->table, m->w, m->u, m->b, m->v};
    for (int i = 0; i < 5; i++)
        tl_parameter_free(parameters[i]);
    tl_tensor_free(&m->ids);
    tl_tensor_free(&m->y);
    tl_tensor_free(&m->mask);
}

/* A step of training, its loss left in *value. No assertions in here, since Check's call the heap: embedding,
 * recurrence, attention of a sort, dropout, views and joins, backward, and a change of every parameter. */
static tl_status train_step(tl_tape *tape, const model *m, int64_t rows, double *value)
{
    tl_var *ids = tl_input(tape, tl_tensor_slice(m->ids, 0, 0, rows)), *states[TIME];
    tl_var *rows_of_table = tl_dropout(tl_gather(tl_use(tape, m->table), ids), 0.2);
    tl_var *projected = tl_affine(rows_of_table, tl_use(tape, m->w), tl_use(tape, m->b), TL_LINEAR);
    tl_var *state = tl_zeros(tape, TL_F32, tl_shape(rows, UNITS));
    for (int64_t t = 0; t < TIME; t++) {
        tl_tensor mask = tl_tensor_slice(tl_tensor_select(m->mask, 1, t), 0, 0, rows);
        states[t] = state =
            tl_affine_masked(state, tl_use(tape, m->u), tl_select(projected, 1, t), TL_TANH, mask);
    }
    tl_var *sequence = tl_stack(states, TIME, 1);
    tl_var *scores = tl_softmax(tl_matmul(sequence, tl_use(tape, m->v)), 1);
    tl_var *context = tl_sum(tl_mul(sequence, scores), tl_axes(1), false);
    tl_var *both[] = {tl_relu(context), tl_reshape(tl_transpose(state, 0, 1), tl_shape(rows, UNITS))};
    tl_var *last = tl_retain_grad(tl_slice(tl_concat(both, 2, 1), 1, UNITS / 2, UNITS));
    tl_var *loss =
        tl_mse(tl_matmul(last, tl_use(tape, m->v)), tl_input(tape, tl_tensor_slice(m->y, 0, 0, rows)));
    tl_status status = tl_backward(loss);
    tl_parameter *parameters[] = {m->table, m->w, m->u, m->b, m->v};
    for (int i = 0; i < 5; i++) {
        float *w = tl_data_mut(parameters[i]->value);
        const float *g = tl_data(parameters[i]->gradient);
        for (int64_t j = 0; j < tl_tensor_count(parameters[i]->value); j++)
            w[j] -= 0.1f * g[j];
        tl_parameter_clear_gradient(parameters[i]);
    }
    *value = tl_tensor_item(tl_value(loss));
    tl_tape_reset(tape);
    return status;
}

static bool skipped(void)
{
    if (!counts)
        puts("test_memory: skipped counting calls of the heap: a sanitizer or another C library is in the "
             "way");
    return !counts;
}

START_TEST(rounds_after_the_first_ask_nothing_of_the_heap)
{
    if (skipped())
        return;
    model m = new_model();
    tl_tape *tape = tl_tape_new();
    double loss;
    for (int round = 1; round <= ROUNDS; round++) {
        int64_t before = heap_calls;
        tl_status status =
            train_step(tape, &m, BATCH - (round - 1) % 3, &loss); /* the first is the largest */
        int64_t calls = heap_calls - before;
        check_ok(status);
        ck_assert_msg((calls == 0) == (round > 1), "round %d called the heap %lld times", round,
                      (long long)calls);
    }
    tl_tape_free(tape);
    free_model(&m);
}
END_TEST

START_TEST(memory_does_not_grow)
{
    model m = new_model();
    tl_tape *tape = tl_tape_new();
    double first, last;
    check_ok(train_step(tape, &m, BATCH, &first));
    size_t peak = tl_tape_peak_bytes(tape);
    ck_assert_uint_gt(peak, 3 << 16); /* more than the first round found in one piece */
    for (int round = 0; round < ROUNDS; round++) {
        check_ok(train_step(tape, &m, BATCH, &last));
        ck_assert_uint_eq(tl_tape_peak_bytes(tape), peak);
    }
    ck_assert_double_lt(last, first); /* it did learn something meanwhile */
    tl_tape_free(tape);
    free_model(&m);
}
END_TEST

/* The right-hand side of a product is packed for the kernel, and packed once where it stays the same: here it
 * is computed anew each round. */
static tl_status multiply_by_results(tl_tape *tape, const model *m)
{
    tl_var *u = tl_use(tape, m->u), *x = u;
    for (int i = 0; i < 20; i++)
        x = tl_matmul(u, tl_tanh(x));
    tl_status status = tl_backward(tl_sum(x, TL_ALL_AXES, false));
    tl_tape_reset(tape);
    return status;
}

START_TEST(products_with_computed_matrices_ask_nothing_of_the_heap_either)
{
    if (skipped())
        return;
    model m = new_model();
    tl_tape *tape = tl_tape_new();
    for (int round = 1; round <= ROUNDS; round++) {
        int64_t before = heap_calls;
        tl_status status = multiply_by_results(tape, &m);
        int64_t calls = heap_calls - before;
        check_ok(status);
        ck_assert_msg(calls == 0 || round == 1, "round %d called the heap %lld times", round,
                      (long long)calls);
    }
    tl_tape_free(tape);
    free_model(&m);
}
END_TEST

START_TEST(interior_gradients_are_recycled)
{
    enum { LINKS = 100, COUNT = 10000 };
    tl_tensor x = random_tensor(TL_F32, tl_shape(COUNT), 1);
    const size_t bytes = COUNT * sizeof(float);
    tl_tape *tape = tl_tape_new();
    tl_var *v = tl_variable(tape, x), *y = v;
    for (int i = 0; i < LINKS; i++)
        y = tl_tanh(y);
    tl_var *loss = tl_sum(y, TL_ALL_AXES, false);
    size_t forward = tl_tape_peak_bytes(tape);
    ck_assert_uint_ge(forward, LINKS * bytes);
    ck_assert_uint_le(forward, (LINKS + 2) * bytes);
    check_ok(tl_backward(loss));
    ck_assert_uint_le(tl_tape_peak_bytes(tape), forward + 5 * bytes);
    tl_tensor_free(&x);
    tl_tape_free(tape);
}
END_TEST

/* This loss takes two pieces of scratch, forward and backward, each about as large as its logits. */
START_TEST(scratch_is_recycled)
{
    enum { USES = 100, ROWS = 500, CLASSES = 4 };
    tl_tensor logits = random_tensor(TL_F64, tl_shape(ROWS, CLASSES), 1),
              labels = tl_tensor_new(TL_I32, tl_shape(ROWS));
    tl_tape *tape = tl_tape_new();
    tl_var *x = tl_variable(tape, logits), *y = tl_input(tape, labels),
           *sum = tl_zeros(tape, TL_F64, TL_SCALAR);
    for (int i = 0; i < USES; i++)
        sum = tl_add(sum, tl_mean(tl_sparse_softmax_cross_entropy_with_logits(x, y), TL_ALL_AXES, false));
    check_ok(tl_backward(sum));
    const size_t losses = USES * ROWS * sizeof(double), nodes = USES * 3 * 640;
    ck_assert_uint_le(tl_tape_peak_bytes(tape), losses + nodes + 8 * logits.storage->bytes);
    tl_tensor_free(&logits);
    tl_tensor_free(&labels);
    tl_tape_free(tape);
}
END_TEST

START_TEST(views_cost_no_memory)
{
    enum { COUNT = 100000 };
    tl_tensor x = tl_tensor_new(TL_F32, tl_shape(10, COUNT / 10));
    tl_tape *tape = tl_tape_new();
    tl_var *v = tl_variable(tape, x);
    for (int i = 0; i < 50; i++)
        v = tl_select(tl_transpose(tl_unsqueeze(v, 0), 1, 2), 0, 0);
    ck_assert(tl_value(v).storage == x.storage);
    ck_assert_uint_lt(tl_tape_peak_bytes(tape), COUNT * sizeof(float) / 4);
    tl_tensor_free(&x);
    tl_tape_free(tape);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("memory");
    tcase_add_test(tests, rounds_after_the_first_ask_nothing_of_the_heap);
    tcase_add_test(tests, memory_does_not_grow);
    tcase_add_test(tests, products_with_computed_matrices_ask_nothing_of_the_heap_either);
    tcase_add_test(tests, interior_gradients_are_recycled);
    tcase_add_test(tests, scratch_is_recycled);
    tcase_add_test(tests, views_cost_no_memory);
    return run_tests("memory", tests);
}
