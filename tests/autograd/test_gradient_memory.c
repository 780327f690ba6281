/* Where gradients lie while backward runs: lent by what was joined, waiting to be summed, written part by
 * part. Whatever the order of use, they are those that plain ops, which share nothing, would give. */
#include "autograd/tape_internal.h"
#include "tests/autograd/testing_internal.h"

enum { ROWS = 3, WIDTH = 4 };

static tl_tape *tape;
static tl_parameter *w;
static tl_tensor values[4]; /* [ROWS, WIDTH] */

static void set_up(void)
{
    tape = tl_tape_new();
    w = random_parameter("w", TL_F64, tl_shape(WIDTH, WIDTH), 9);
    for (int i = 0; i < 4; i++)
        values[i] = random_tensor(TL_F64, tl_shape(ROWS, WIDTH), (uint64_t)i);
}

static void tear_down(void)
{
    tl_tape_free(tape);
    tl_parameter_free(w);
    for (int i = 0; i < 4; i++)
        tl_tensor_free(&values[i]);
}

/* Adds up x times fixed numbers, so that its gradient is not the same everywhere. */
static tl_var *weighed(tl_var *x, uint64_t stream)
{
    tl_tensor factors = random_tensor(TL_F64, tl_shape_of(x), 100 + stream);
    tl_var *copy = tl_zeros(tl_tape_of(x), TL_F64, tl_shape_of(x));
    check_ok(tl_tensor_copy(tl_value(copy), factors));
    tl_tensor_free(&factors);
    return tl_sum(tl_mul(x, copy), TL_ALL_AXES, false);
}

/* An expression of the vars and w, to be checked by differences. */
typedef tl_var *expression(tl_var *const x[], tl_var *weight);

static tl_var *apply(void *context, tl_var *const inputs[])
{
    return (*(expression *const *)context)(inputs, inputs[4]);
}

/* The numeric check uses w as a variable, and so as a leaf like any other. */
static void check_expression(expression *f)
{
    const tl_tensor inputs[] = {values[0], values[1], values[2], values[3], w->value};
    check_ok(tl_gradcheck(apply, &f, inputs, 5, NULL, NULL));
}

static tl_var *join(tl_var *a, tl_var *b, int axis)
{
    return tl_concat((tl_var *[]){a, b}, 2, axis);
}

/* --- lending: what is joined has its gradient in that of the whole --- */

/* The addend of a product is joined of things that are used again: the product's weight gradient waits, and
 * must not see what is added to them meanwhile. */
static tl_var *waits_while_lent(tl_var *const x[], tl_var *weight)
{
    tl_var *u = tl_tanh(x[0]), *v = tl_tanh(x[1]);
    tl_var *again = weighed(u, 1), *more = weighed(v, 2);
    tl_var *y = tl_affine(join(x[2], x[3], 0), weight, join(u, v, 0), TL_TANH);
    return tl_add(tl_add(weighed(y, 3), again), more);
}

static tl_var *waits_while_stacked(tl_var *const x[], tl_var *weight)
{
    tl_var *u = tl_tanh(x[0]), *v = tl_tanh(x[1]);
    tl_var *again = weighed(u, 1);
    tl_var *c = tl_reshape(tl_stack((tl_var *[]){u, v}, 2, 0), tl_shape(2 * ROWS, WIDTH));
    return tl_add(weighed(tl_affine(join(x[2], x[3], 0), weight, c, TL_TANH), 3), again);
}

static tl_var *lends_along(tl_var *const x[], tl_var *weight)
{
    tl_var *u = tl_tanh(x[0]), *before = weighed(u, 1), *view = weighed(tl_slice(u, 1, 1, 2), 2);
    tl_var *first = join(u, tl_matmul(x[1], weight), 0), *second = join(first, tl_tanh(x[2]), 0);
    tl_var *both = join(second, second, 0), *after = weighed(u, 4);
    return tl_add(tl_add(weighed(both, 3), tl_add(before, view)), tl_add(after, weighed(first, 5)));
}

static tl_var *lends_the_same_twice(tl_var *const x[], tl_var *weight)
{
    tl_var *u = tl_tanh(tl_matmul(x[0], weight)), *many[12];
    for (int i = 0; i < 12; i++)
        many[i] = i % 3 ? u : tl_slice(u, 0, 0, ROWS);
    return tl_add(weighed(tl_stack(many, 12, 1), 1), weighed(join(u, u, 0), 2));
}

static tl_var *lends_to_leaves(tl_var *const x[], tl_var *weight)
{
    tl_var *all[] = {x[0], weight, x[1], x[0], tl_tanh(x[2])};
    return tl_add(weighed(tl_concat(all, 5, 0), 1), weighed(tl_tanh(tl_matmul(x[3], weight)), 2));
}

/* A state that is an output as well, with an output in between that nobody looks at. */
static tl_var *states_and_outputs(tl_var *const x[], tl_var *weight)
{
    tl_var *h = x[0], *outputs[5];
    for (int t = 0; t < 5; t++)
        h = outputs[t] = tl_affine(h, weight, x[1 + t % 3], TL_TANH);
    tl_var *sequence = tl_stack(outputs, 5, 1), *tail = tl_concat(outputs + 2, 3, 0);
    return tl_add(tl_add(weighed(sequence, 1), weighed(h, 2)),
                  tl_add(weighed(tail, 3), weighed(tl_select(sequence, 1, 1), 4)));
}

static expression *const expressions[] = {waits_while_lent,     waits_while_stacked, lends_along,
                                          lends_the_same_twice, lends_to_leaves,     states_and_outputs};
enum { EXPRESSIONS = sizeof expressions / sizeof expressions[0] };

START_TEST(gradients_are_right_wherever_they_lie)
{
    check_expression(expressions[_i]);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("gradient memory");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_loop_test(tests, gradients_are_right_wherever_they_lie, 0, EXPRESSIONS);
    return run_tests("gradient memory", tests);
}
