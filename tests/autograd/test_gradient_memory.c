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

/* The last state of a scan is the addend of a product, and all its states have been joined before: the
 * product's weight gradient waits, and the whole's is added to the part's. */
static tl_var *part_and_whole(tl_var *const x[], tl_var *weight)
{
    tl_var *steps[] = {x[0], x[1], x[2]}, *sequence = tl_stack(steps, 3, 1);
    tl_var *y = tl_affine_scan(sequence, weight, x[3], TL_TANH, false, (tl_tensor){0});
    tl_var *last = y && tl_split(y) ? tl_part(y, 1, 2) : NULL;
    tl_var *all = weighed(join(y, y, 1), 1), *view = weighed(tl_slice(y, 2, 0, 2), 2);
    return tl_add(tl_add(weighed(tl_affine(x[1], weight, last, TL_TANH), 3), all), view);
}

static tl_var *part_and_its_view(tl_var *const x[], tl_var *weight)
{
    tl_var *steps[] = {x[0], x[1], x[2]}, *sequence = tl_stack(steps, 3, 1);
    tl_var *y = sequence && tl_split(sequence) ? tl_part(sequence, 1, 2) : NULL;
    tl_var *view = weighed(tl_tanh(tl_slice(y, 1, 0, 2)), 2);
    return tl_add(weighed(tl_affine(x[3], weight, y, TL_TANH), 3), view);
}

static tl_var *parts_in_any_order(tl_var *const x[], tl_var *weight)
{
    tl_var *z = tl_matmul(tl_concat(x, 4, 0), weight), *cube = tl_reshape(z, tl_shape(4, ROWS, WIDTH));
    tl_var *whole = tl_add(cube, cube), *parts[4];
    if (!whole || !tl_split(whole))
        return NULL;
    for (int i = 0; i < 3; i++) /* the last is nobody's */
        parts[i] = tl_part(whole, 0, i);
    tl_var *y = tl_affine(tl_affine(x[0], weight, parts[2], TL_TANH), weight, parts[0], TL_TANH);
    return tl_add(weighed(y, 1), tl_add(weighed(tl_tanh(parts[1]), 2), weighed(tl_mul(parts[0], y), 3)));
}

static expression *const expressions[] = {part_and_whole,       part_and_its_view,   parts_in_any_order,
                                          waits_while_lent,     waits_while_stacked, lends_along,
                                          lends_the_same_twice, lends_to_leaves,     states_and_outputs};
enum { EXPRESSIONS = sizeof expressions / sizeof expressions[0] };

START_TEST(gradients_are_right_wherever_they_lie)
{
    check_expression(expressions[_i]);
}
END_TEST

/* --- whoever looks on --- */

/* A var of an expression, for each of which a gradient is kept in turn. */
static tl_var *watched[5];
enum { WATCHED = sizeof watched / sizeof watched[0] };

static tl_var *with_watched(tl_var *const x[], unsigned kept)
{
    tl_var *weight = tl_use(tape, w), *u = tl_tanh(x[0]), *again = weighed(u, 1);
    tl_var *pair = join(u, tl_tanh(x[1]), 0), *first = tl_slice(pair, 0, 0, ROWS);
    tl_var *y = tl_affine(join(x[2], first, 0), weight, pair, TL_TANH), *all = join(y, pair, 0);
    tl_var *const vars[] = {u, pair, first, y, all};
    for (int i = 0; i < WATCHED; i++) {
        watched[i] = vars[i];
        if (kept >> i & 1)
            tl_retain_grad(vars[i]);
    }
    return tl_add(tl_add(weighed(all, 2), again), weighed(tl_tanh(all), 3));
}

/* The gradients of w and, where it is kept, of each var, for one choice of what is kept. */
static void differentiate(unsigned kept, tl_tensor gradients[1 + WATCHED])
{
    tl_var *x[4];
    tl_parameter_clear_gradient(w);
    for (int i = 0; i < 4; i++)
        x[i] = tl_variable(tape, values[i]);
    check_ok(tl_backward(with_watched(x, kept)));
    gradients[0] = copy_of(w->gradient);
    for (int i = 0; i < WATCHED; i++)
        gradients[1 + i] = kept >> i & 1 ? copy_of(tl_grad(watched[i])) : (tl_tensor){0};
    tl_tape_reset(tape);
}

START_TEST(kept_gradients_change_nothing)
{
    tl_tensor none[1 + WATCHED], all[1 + WATCHED], some[1 + WATCHED];
    const unsigned every = (1u << WATCHED) - 1;
    differentiate(0, none);
    differentiate(every, all);
    ck_assert(difference(all[0], none[0]) <= 1e-14);
    for (unsigned kept = 1; kept < every; kept++) {
        differentiate(kept, some);
        ck_assert(difference(some[0], none[0]) <= 1e-14);
        for (int i = 0; i <= WATCHED; i++) {
            if (i > 0 && tl_tensor_ok(some[i]))
                ck_assert_msg(difference(some[i], all[i]) <= 1e-14, "kept %u, var %d", kept, i - 1);
            tl_tensor_free(&some[i]);
        }
    }
    for (int i = 0; i <= WATCHED; i++) {
        tl_tensor_free(&all[i]);
        tl_tensor_free(&none[i]);
    }
}
END_TEST

START_TEST(what_was_not_kept_in_time_is_refused)
{
    tl_var *x = tl_variable(tape, values[0]), *y = tl_tanh(tl_stack((tl_var *[]){x, x}, 2, 1));
    ck_assert(tl_split(y));
    tl_var *part = tl_part(y, 1, 1);
    check_ok(tl_backward(weighed(tl_tanh(part), 1)));
    ck_assert(!tl_tensor_ok(tl_grad(tl_retain_grad(part))));
    check_error(TL_ERROR_STATE,
                "grad: this var's gradient was not kept; call tl_retain_grad before tl_backward");
    ck_assert(tl_tensor_ok(tl_grad(x)));
}
END_TEST

/* --- a rule that fails --- */

static tl_status copy_forward(const tl_op_call *call)
{
    return tl_tensor_copy(call->output, *call->inputs[0]);
}

static tl_status failing_backward(const tl_op_call *call)
{
    return tl_scratch(call, 4096) ? tl_error(TL_ERROR_ARGUMENT, "failing: no gradient today")
                                  : TL_ERROR_MEMORY;
}

static const tl_op failing = {.name = "failing",
                              .inputs = 1,
                              .infer = tl_infer_same,
                              .forward = copy_forward,
                              .backward = failing_backward,
                              .reads = TL_READS_NOTHING};

static tl_var *deep(tl_var *x, bool fails)
{
    tl_var *weight = tl_use(tape, w), *h = tl_tanh(x);
    for (int t = 0; t < 20; t++) {
        if (fails && t == 7)
            h = tl_apply(&failing, &h, 1, NULL, 0);
        h = tl_affine(h, weight, x, TL_TANH);
    }
    return weighed(h, 1);
}

START_TEST(a_tape_is_as_new_after_a_rule_failed)
{
    tl_tensor expected = (tl_tensor){0};
    for (int i = 0; i < 6; i++, tl_tape_reset(tape)) {
        const bool fails = i % 3 == 1;
        tl_parameter_clear_gradient(w);
        tl_var *x = tl_variable(tape, values[0]);
        tl_status status = tl_backward(deep(x, fails));
        if (fails) {
            ck_assert_int_eq(status, TL_ERROR_ARGUMENT);
            check_error(TL_ERROR_ARGUMENT, "failing: no gradient today");
            for (int64_t j = 0; j < WIDTH * WIDTH; j++)
                ck_assert(element(w->gradient, j) == 0);
            ck_assert(!tl_tensor_ok(tl_grad(x)));
            check_error(TL_ERROR_STATE, "grad: there is no gradient: tl_backward failed");
            continue;
        }
        check_ok(status);
        if (tl_tensor_ok(expected))
            ck_assert(same_bits(expected, w->gradient));
        else
            expected = copy_of(w->gradient);
    }
    tl_tensor_free(&expected);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("gradient memory");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_loop_test(tests, gradients_are_right_wherever_they_lie, 0, EXPRESSIONS);
    tcase_add_test(tests, kept_gradients_change_nothing);
    tcase_add_test(tests, what_was_not_kept_in_time_is_refused);
    tcase_add_test(tests, a_tape_is_as_new_after_a_rule_failed);
    return run_tests("gradient memory", tests);
}
