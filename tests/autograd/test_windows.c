/* Overlapping windows as inputs: every op reads them as it reads a copy, for values and for gradients. */
#include "tests/autograd/testing_internal.h"

enum { TIME = 23, FEATURES = 4, WINDOW = 6, UNITS = 5 };

/* x is [n, WINDOW, FEATURES], w [FEATURES, UNITS]. */
typedef tl_var *(*function)(tl_var *x, tl_var *w);

static tl_var *products(tl_var *x, tl_var *w)
{
    return tl_matmul(x, w);
}

static tl_var *a_recurrence(tl_var *x, tl_var *w)
{
    tl_shape shape = tl_shape_of(x);
    tl_var *h = tl_zeros(tl_tape_of(x), tl_dtype_of(x), tl_shape(shape.dims[0], UNITS));
    for (int64_t t = 0; t < shape.dims[1]; t++)
        h = tl_tanh(tl_add(tl_matmul(tl_select(x, 1, t), w), h));
    return h;
}

static tl_var *an_affine_step(tl_var *x, tl_var *w)
{
    tl_var *c = tl_zeros(tl_tape_of(x), tl_dtype_of(x), tl_shape(UNITS));
    return tl_affine(tl_select(x, 1, 2), w, c, TL_SIGMOID);
}

static tl_var *a_batch_of_matrices(tl_var *x, tl_var *w)
{
    return tl_matmul(tl_matmul(tl_transpose(x, 1, 2), x), w);
}

static tl_var *maps(tl_var *x, tl_var *w)
{
    return tl_matmul(tl_mul(tl_exp(x), tl_sub(x, tl_tanh(tl_scale(x, 2)))), w);
}

static tl_var *sums(tl_var *x, tl_var *w)
{
    tl_var *parts[] = {tl_sum(x, tl_axes(1), false), tl_mean(x, tl_axes(1), false),
                       tl_max(x, tl_axes(1), false)};
    return tl_matmul(tl_stack(parts, 3, 0), w);
}

static tl_var *joins_and_views(tl_var *x, tl_var *w)
{
    tl_var *parts[] = {tl_slice(x, 1, 1, 3), tl_slice(x, 1, 0, 2)};
    return tl_matmul(tl_reshape(tl_concat(parts, 2, 1), tl_shape(-1, FEATURES)), w);
}

static tl_var *normal_rows(tl_var *x, tl_var *w)
{
    return tl_matmul(tl_add(tl_softmax(x, -1), tl_layer_norm(x, 1e-3)), w);
}

static const function functions[] = {products, a_recurrence, an_affine_step,  a_batch_of_matrices,
                                     maps,     sums,         joins_and_views, normal_rows};
enum { FUNCTIONS = sizeof functions / sizeof functions[0] };

/* The value of a function of x, and the gradients of the sum of its squares; the caller frees all three. */
static void run(function f, tl_tensor x, tl_tensor w, tl_tensor results[3])
{
    tl_tape *tape = tl_tape_new();
    tl_var *input = tl_variable(tape, x), *weights = tl_variable(tape, w);
    tl_var *value = f(input, weights);
    ck_assert_msg(value != NULL, "%s", tl_error_message());
    results[0] = copy_of(tl_value(value));
    check_ok(tl_backward(tl_sum(tl_mul(value, value), TL_ALL_AXES, false)));
    results[1] = copy_of(tl_grad(weights));
    results[2] = copy_of(tl_grad(input));
    tl_tape_free(tape);
}

/* As above for an x that is only read: its gradient is not asked for. */
static void run_input(function f, tl_tensor x, tl_tensor w, tl_tensor results[2])
{
    tl_tape *tape = tl_tape_new();
    tl_var *weights = tl_variable(tape, w), *value = f(tl_input(tape, x), weights);
    ck_assert_msg(value != NULL, "%s", tl_error_message());
    results[0] = copy_of(tl_value(value));
    check_ok(tl_backward(tl_sum(tl_mul(value, value), TL_ALL_AXES, false)));
    results[1] = copy_of(tl_grad(weights));
    tl_tape_free(tape);
}

static void expect_same(int f, int count, tl_tensor got[], tl_tensor expected[], double allowed)
{
    for (int i = 0; i < count; i++) {
        double apart = difference(got[i], expected[i]);
        ck_assert_msg(apart <= allowed, "function %d, result %d of %s: %g apart", f, i,
                      TL_SHAPE_TEXT(expected[i].shape), apart);
        tl_tensor_free(&got[i]);
    }
}

START_TEST(windows_are_read_as_their_copies_are)
{
    tl_dtype dtype = _i % 2 ? TL_F64 : TL_F32;
    int f = _i / 2 % FUNCTIONS;
    int64_t step = 1 + _i / (2 * FUNCTIONS);
    double allowed = dtype == TL_F64 ? 1e-14 : 2e-6;
    tl_tensor series = random_tensor(dtype, tl_shape(TIME, FEATURES), 1);
    tl_tensor w = random_tensor(dtype, tl_shape(FEATURES, UNITS), 2);
    tl_tensor x = tl_tensor_transpose(tl_tensor_unfold(series, 0, WINDOW, step), 1, 2), copy = copy_of(x);
    tl_tensor expected[3], got[3];
    run(functions[f], copy, w, expected);
    run_input(functions[f], x, w, got);
    expect_same(f, 2, got, expected, allowed);
    run(functions[f], x, w, got);
    expect_same(f, 3, got, expected, allowed);
    for (int i = 0; i < 3; i++)
        tl_tensor_free(&expected[i]);
    tl_tensor_free(&copy);
    tl_tensor_free(&w);
    tl_tensor_free(&series);
}
END_TEST

/* Rows that begin one element after each other, as the rows of a matrix. */
START_TEST(rows_may_overlap)
{
    tl_tensor line = random_tensor(TL_F32, tl_shape(60), 3), w = random_tensor(TL_F32, tl_shape(37, 33), 4);
    tl_tensor x = tl_tensor_unfold(line, 0, 37, 1), copy = copy_of(x), expected[2], got[2];
    run_input(products, copy, w, expected);
    run_input(products, x, w, got);
    expect_same(0, 2, got, expected, 2e-6);
    tl_tensor_free(&expected[0]);
    tl_tensor_free(&expected[1]);
    tl_tensor_free(&copy);
    tl_tensor_free(&w);
    tl_tensor_free(&line);
}
END_TEST

int main(void)
{
    enum { STEPS = 3, DTYPES = 2 };
    TCase *tests = tcase_create("windows");
    tcase_add_loop_test(tests, windows_are_read_as_their_copies_are, 0, DTYPES * FUNCTIONS * STEPS);
    tcase_add_test(tests, rows_may_overlap);
    return run_tests("windows", tests);
}
