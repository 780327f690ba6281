/* The tape: how gradients gather in variables and parameters, what is recorded and what is not. */
#include "tests/autograd/testing_internal.h"

#include <stdio.h>

static tl_tape *tape;

static void set_up(void)
{
    tape = tl_tape_new();
    ck_assert_ptr_nonnull(tape);
}

static void tear_down(void)
{
    tl_tape_free(tape);
}

static tl_var *total(tl_var *x)
{
    return tl_sum(x, TL_ALL_AXES, false);
}

static void check_all(tl_tensor tensor, double expected)
{
    ck_assert_msg(tl_tensor_ok(tensor), "%s", tl_error_message());
    for (int64_t i = 0; i < tl_tensor_count(tensor); i++)
        ck_assert_msg(element(tensor, i) == expected, "element %lld is %g, expected %g", (long long)i,
                      element(tensor, i), expected);
}

/* --- broadcasting --- */

START_TEST(broadcast_axes_are_summed_out)
{
    tl_tensor a = random_tensor(TL_F64, tl_shape(2, 1, 3), 1), b = random_tensor(TL_F64, tl_shape(4, 1), 2);
    tl_tensor bias = random_tensor(TL_F64, tl_shape(3), 3), scalar = random_tensor(TL_F64, TL_SCALAR, 4);
    tl_var *va = tl_variable(tape, a), *vb = tl_variable(tape, b);
    tl_var *vbias = tl_variable(tape, bias), *vscalar = tl_variable(tape, scalar);
    check_ok(tl_backward(total(tl_sub(tl_add(tl_add(va, vb), vbias), vscalar))));
    check_all(tl_grad(va), 4);
    check_all(tl_grad(vb), 6);
    check_all(tl_grad(vbias), 8);
    check_all(tl_grad(vscalar), -24);
    tl_tensor_free(&a);
    tl_tensor_free(&b);
    tl_tensor_free(&bias);
    tl_tensor_free(&scalar);
}
END_TEST

static tl_var *choose(tl_var *a, tl_var *b)
{
    static uint8_t mask[] = {1, 0, 0, 1, 1, 0};
    static tl_storage storage = {.data = mask, .bytes = sizeof mask};
    tl_tensor condition = {.storage = &storage, .shape = {2, {2, 3}}, .strides = {3, 1}, .dtype = TL_U8};
    return tl_where(tl_input(tl_tape_of(a), condition), a, b);
}

/* The gradient of x is that of x repeated beforehand, summed over the repetitions. */
static void compare_with_repeated(tl_var *(*op)(tl_var *, tl_var *), tl_shape shape, bool first)
{
    tl_tape_reset(tape);
    tl_tensor x = random_tensor(TL_F64, shape, 1), full = tl_tensor_new(TL_F64, tl_shape(2, 3));
    tl_tensor other = random_tensor(TL_F64, tl_shape(2, 3), 2),
              weights = random_tensor(TL_F64, tl_shape(2, 3), 3);
    for (int64_t i = 0; i < tl_tensor_count(x); i++) /* away from 0, for div */
        ((double *)tl_data_mut(x))[i] += 2;
    check_ok(tl_tensor_copy(full, x));
    tl_var *small = tl_variable(tape, x), *large = tl_variable(tape, full);
    tl_var *v = tl_scale(tl_input(tape, other), 2), *w = tl_input(tape, weights);
    tl_var *y = first ? op(small, v) : op(v, small), *z = first ? op(large, v) : op(v, large);
    check_ok(tl_backward(total(tl_mul(tl_add(y, z), w))));
    tl_tensor repeated = tl_grad(large), sum = tl_tensor_new(TL_F64, shape);
    for (int64_t i = 0; i < 6; i++) {
        int64_t row = i / 3, column = i % 3, rank = shape.rank;
        int64_t place = rank == 0   ? 0
                        : rank == 1 ? column % shape.dims[0]
                                    : row % shape.dims[0] * shape.dims[1] + column % shape.dims[1];
        ((double *)tl_data_mut(sum))[place] += element(repeated, i);
    }
    ck_assert_double_le(difference(tl_grad(small), sum), 1e-14);
    tl_tensor_free(&x);
    tl_tensor_free(&full);
    tl_tensor_free(&other);
    tl_tensor_free(&weights);
    tl_tensor_free(&sum);
}

START_TEST(every_op_that_broadcasts_sums_alike)
{
    tl_var *(*const ops[])(tl_var *, tl_var *) = {tl_add, tl_sub, tl_mul, tl_div, choose};
    const tl_shape shapes[] = {TL_SCALAR,      tl_shape(3),    tl_shape(1),
                               tl_shape(2, 1), tl_shape(1, 3), tl_shape(1, 1)};
    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++)
        for (size_t j = 0; j < sizeof shapes / sizeof *shapes; j++) {
            compare_with_repeated(ops[i], shapes[j], true);
            compare_with_repeated(ops[i], shapes[j], false);
        }
}
END_TEST

/* An op of a user's own, a column plus a row, whose rule writes gradients in the full shape. */
static tl_status grid_forward(const tl_op_call *call)
{
    const double *a = tl_data(*call->inputs[0]), *b = tl_data(*call->inputs[1]);
    double *y = tl_data_mut(call->output);
    int64_t n = call->output.shape.dims[1];
    for (int64_t i = 0; i < tl_tensor_count(call->output); i++)
        y[i] = a[i / n] * b[i % n];
    return TL_OK;
}

static tl_status grid_backward(const tl_op_call *call)
{
    const double *g = tl_data(call->grad_output);
    int64_t n = call->output.shape.dims[1];
    for (int input = 0; input < 2; input++) {
        const double *other = tl_data(*call->inputs[1 - input]);
        double *dx = tl_data_mut(call->grad_inputs[input]);
        for (int64_t i = 0; i < tl_tensor_count(call->output); i++)
            dx[i] = g[i] * other[input == 0 ? i % n : i / n];
    }
    return TL_OK;
}

START_TEST(the_gradients_of_a_users_op_are_summed_too)
{
    static const tl_op_case cases[] = {
        {.name = "grid", .count = 2, .inputs = {{.shape = {2, {3, 1}}}, {.shape = {1, {4}}}}},
        {.name = "square",
         .count = 2,
         .inputs = {{.shape = {2, {3, 1}}, .layout = TL_SAMPLE_SLICED}, {.shape = {1, {1}}}}}};
    static const tl_op grid = {.name = "grid",
                               .inputs = 2,
                               .infer = tl_infer_broadcast,
                               .forward = grid_forward,
                               .backward = grid_backward,
                               .reads = TL_READS_INPUTS,
                               .full_shape = tl_full_shape_of_output,
                               .cases = cases,
                               .case_count = 2};
    check_ok(tl_gradcheck_op(&grid, NULL));
}
END_TEST

/* --- uses --- */

START_TEST(gradients_of_many_uses_add_up)
{
    enum { USES = 200 };
    tl_tensor x = random_tensor(TL_F64, tl_shape(3, 2), 1);
    tl_var *v = tl_variable(tape, x), *sum = tl_zeros(tape, TL_F64, TL_SCALAR);
    for (int i = 0; i < USES; i++)
        sum = tl_add(sum, total(tl_scale(i % 2 ? v : tl_transpose(v, 0, 1), i)));
    check_ok(tl_backward(sum));
    check_all(tl_grad(v), USES * (USES - 1) / 2);
    tl_tensor_free(&x);
}
END_TEST

START_TEST(a_var_that_is_both_inputs_gets_both_gradients)
{
    tl_tensor x = tl_tensor_of(TL_F64, tl_shape(2), (double[]){3, -2});
    tl_var *v = tl_variable(tape, x);
    tl_var *square = tl_mul(v, v), *fourth = tl_mul(square, square);
    check_ok(tl_backward(total(tl_add(fourth, tl_sub(v, v)))));
    ck_assert(element(tl_grad(v), 0) == 4 * 27);
    ck_assert(element(tl_grad(v), 1) == 4 * -8);
    tl_tensor_free(&x);
}
END_TEST

START_TEST(a_chain_of_doublings_is_exact)
{
    tl_tensor x = tl_tensor_of(TL_F64, TL_SCALAR, &(double){1});
    tl_var *v = tl_variable(tape, x), *y = v;
    for (int i = 0; i < 40; i++)
        y = tl_add(y, y); /* 2^40 paths */
    check_ok(tl_backward(y));
    ck_assert(tl_tensor_item(tl_grad(v)) == 0x1p40);
    tl_tensor_free(&x);
}
END_TEST

/* --- parameters --- */

START_TEST(a_parameter_is_one_leaf_however_often_it_is_asked)
{
    tl_parameter *w = random_parameter("w", TL_F64, tl_shape(2, 3), 1);
    ck_assert_ptr_eq(tl_use(tape, w), tl_use(tape, w));
    check_ok(tl_backward(total(tl_add(tl_use(tape, w), tl_scale(tl_use(tape, w), 4)))));
    check_all(w->gradient, 5);
    check_all(tl_grad(tl_use(tape, w)), 5);
    ck_assert(tl_value(tl_use(tape, w)).storage == w->value.storage);
    tl_parameter_free(w);
}
END_TEST

START_TEST(gradients_add_to_the_parameter_until_cleared)
{
    tl_parameter *w = random_parameter("w", TL_F32, tl_shape(4), 1);
    for (int round = 1; round <= 3; round++) {
        uint64_t version = w->gradient.storage->version;
        check_ok(tl_backward(total(tl_scale(tl_use(tape, w), 2))));
        check_all(w->gradient, 2 * round);
        ck_assert_uint_ne(w->gradient.storage->version, version);
        tl_tape_reset(tape);
    }
    tl_parameter_clear_gradient(w);
    check_all(w->gradient, 0);
    tl_parameter_free(w);
}
END_TEST

START_TEST(a_frozen_parameter_gets_no_gradient)
{
    tl_parameter *w = random_parameter("w", TL_F64, tl_shape(3), 1);
    tl_parameter *frozen = random_parameter("frozen", TL_F64, tl_shape(3), 2);
    frozen->trainable = false;
    check_ok(tl_backward(total(tl_mul(tl_use(tape, w), tl_use(tape, frozen)))));
    ck_assert(same_bits(w->gradient, frozen->value));
    check_all(frozen->gradient, 0);
    ck_assert(!tl_tensor_ok(tl_grad(tl_use(tape, frozen))));
    check_error(TL_ERROR_STATE, "grad: there is no gradient: the var does not need one");
    tl_tape_reset(tape);
    ck_assert_int_eq(tl_backward(total(tl_use(tape, frozen))), TL_ERROR_STATE);
    check_error(TL_ERROR_STATE, "backward: the loss depends on no parameter or variable");
    tl_parameter_free(w);
    tl_parameter_free(frozen);
}
END_TEST

START_TEST(many_parameters_keep_apart)
{
    enum { MANY = 200 };
    tl_parameter *parameters[MANY];
    tl_var *vars[MANY];
    for (int i = 0; i < MANY; i++)
        parameters[i] = random_parameter("p", TL_F64, tl_shape(2), (uint64_t)i);
    for (int round = 0; round < 2; round++) {
        tl_var *sum = tl_zeros(tape, TL_F64, TL_SCALAR);
        for (int i = 0; i < MANY; i++) {
            vars[i] = tl_use(tape, parameters[i]);
            sum = tl_add(sum, total(tl_scale(vars[i], i)));
        }
        for (int i = 0; i < MANY; i++)
            ck_assert_ptr_eq(tl_use(tape, parameters[i]), vars[i]);
        check_ok(tl_backward(sum));
        for (int i = 0; i < MANY; i++) {
            check_all(tl_grad(vars[i]), i);
            check_all(parameters[i]->gradient, i * (round + 1));
        }
        tl_tape_reset(tape);
    }
    for (int i = 0; i < MANY; i++)
        tl_parameter_free(parameters[i]);
}
END_TEST

START_TEST(what_the_loss_does_not_depend_on_has_gradient_zero)
{
    tl_parameter *w = random_parameter("w", TL_F64, tl_shape(3), 1),
                 *idle = random_parameter("idle", TL_F64, tl_shape(2), 2);
    tl_tensor x = random_tensor(TL_F64, tl_shape(4), 3);
    tl_var *unused = tl_use(tape, idle), *v = tl_variable(tape, x), *dead = tl_retain_grad(tl_tanh(v));
    check_ok(tl_backward(total(tl_use(tape, w))));
    check_all(tl_grad(unused), 0);
    check_all(idle->gradient, 0);
    check_all(tl_grad(v), 0);
    check_all(tl_grad(dead), 0);
    tl_parameter_free(w);
    tl_parameter_free(idle);
    tl_tensor_free(&x);
}
END_TEST

/* --- what is recorded, what is kept --- */

START_TEST(detach_cuts)
{
    tl_tensor x = random_tensor(TL_F64, tl_shape(3), 1);
    tl_var *v = tl_variable(tape, x), *y = tl_scale(v, 3), *cut = tl_detach(y);
    ck_assert(same_bits(tl_value(cut), tl_value(y)));
    ck_assert(tl_value(cut).storage == tl_value(y).storage);
    tl_var *loss = total(tl_mul(y, cut));
    check_ok(tl_backward(loss));
    for (int64_t i = 0; i < 3; i++)
        ck_assert(element(tl_grad(v), i) == 3 * element(tl_value(y), i));
    ck_assert(!tl_tensor_ok(tl_grad(tl_retain_grad(cut))));
    ck_assert_ptr_null(tl_detach(NULL));
    tl_tensor_free(&x);
}
END_TEST

START_TEST(retained_gradients_are_kept_and_no_others)
{
    tl_tensor x = random_tensor(TL_F64, tl_shape(3), 1);
    tl_var *v = tl_variable(tape, x), *kept = tl_scale(v, 2), *dropped = tl_scale(kept, 5);
    ck_assert_ptr_eq(tl_retain_grad(kept), kept);
    ck_assert_ptr_null(tl_retain_grad(NULL));
    tl_var *loss = total(tl_scale(dropped, 7));
    ck_assert(!tl_tensor_ok(tl_grad(kept)));
    check_error(TL_ERROR_STATE, "grad: there is no gradient: tl_backward was not called");
    check_ok(tl_backward(loss));
    check_all(tl_grad(kept), 35);
    check_all(tl_grad(v), 70);
    ck_assert(!tl_tensor_ok(tl_grad(dropped)));
    check_error(TL_ERROR_STATE,
                "grad: this var's gradient was not kept; call tl_retain_grad before tl_backward");
    ck_assert(!tl_tensor_ok(tl_grad(NULL)));
    tl_tensor_free(&x);
}
END_TEST

START_TEST(inputs_have_no_gradient)
{
    tl_tensor x = random_tensor(TL_F64, tl_shape(3), 1);
    tl_var *constant = tl_retain_grad(tl_input(tape, x)), *v = tl_variable(tape, x);
    check_ok(tl_backward(total(tl_mul(constant, v))));
    ck_assert(!tl_tensor_ok(tl_grad(constant)));
    check_error(TL_ERROR_STATE, "the var does not need one");
    ck_assert(tl_value(constant).storage == x.storage); /* nothing was copied */
    tl_tensor_free(&x);
}
END_TEST

START_TEST(a_parameter_looked_at_before_recording_still_learns)
{
    tl_parameter *w = random_parameter("w", TL_F64, tl_shape(3), 1),
                 *u = random_parameter("u", TL_F64, tl_shape(3), 2);
    tl_tape_set_recording(tape, false);
    ck_assert_ptr_nonnull(total(tl_use(tape, w)));
    tl_tape_set_recording(tape, true);
    check_ok(tl_backward(total(tl_mul(tl_use(tape, w), tl_use(tape, u)))));
    ck_assert(same_bits(w->gradient, u->value) && same_bits(u->gradient, w->value));
    tl_parameter_free(w);
    tl_parameter_free(u);
}
END_TEST

START_TEST(a_tape_that_does_not_record_only_computes)
{
    tl_parameter *w = random_parameter("w", TL_F64, tl_shape(3, 3), 1);
    ck_assert(tl_tape_is_recording(tape));
    tl_var *y = tl_tanh(tl_matmul(tl_use(tape, w), tl_use(tape, w)));
    tl_tensor expected = copy_of(tl_value(y));
    tl_tape_reset(tape);
    tl_tape_set_recording(tape, false);
    ck_assert(!tl_tape_is_recording(tape));
    y = tl_tanh(tl_matmul(tl_use(tape, w), tl_use(tape, w)));
    ck_assert(same_bits(tl_value(y), expected));
    ck_assert_int_eq(tl_backward(total(y)), TL_ERROR_STATE);
    check_error(TL_ERROR_STATE, "backward: the tape does not record gradients (tl_tape_set_recording)");
    check_all(w->gradient, 0);
    ck_assert(!tl_tensor_ok(tl_grad(tl_use(tape, w))));
    check_error(TL_ERROR_STATE, "tl_backward was not called");
    tl_tape_reset(tape);
    ck_assert(!tl_tape_is_recording(tape)); /* a reset forgets values, not settings */
    tl_tensor_free(&expected);
    tl_parameter_free(w);
}
END_TEST

START_TEST(backward_from_takes_the_gradient_of_what_follows)
{
    tl_tensor x = random_tensor(TL_F64, tl_shape(2, 3), 1), seed = random_tensor(TL_F64, tl_shape(3, 2), 2);
    tl_var *v = tl_variable(tape, x);
    check_ok(tl_backward_from(tl_scale(tl_transpose(v, 0, 1), 2), seed));
    tl_tensor back = tl_tensor_transpose(seed, 0, 1);
    for (int64_t i = 0; i < 6; i++)
        ck_assert(element(tl_grad(v), i) == 2 * element(back, i));
    tl_tape_reset(tape);
    v = tl_variable(tape, x);
    check_ok(tl_backward_from(v, back)); /* of a leaf, and a seed that is a view */
    ck_assert(same_bits(tl_grad(v), back));
    tl_tensor_free(&x);
    tl_tensor_free(&seed);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("tape");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, broadcast_axes_are_summed_out);
    tcase_add_test(tests, every_op_that_broadcasts_sums_alike);
    tcase_add_test(tests, the_gradients_of_a_users_op_are_summed_too);
    tcase_add_test(tests, gradients_of_many_uses_add_up);
    tcase_add_test(tests, a_var_that_is_both_inputs_gets_both_gradients);
    tcase_add_test(tests, a_chain_of_doublings_is_exact);
    tcase_add_test(tests, a_parameter_is_one_leaf_however_often_it_is_asked);
    tcase_add_test(tests, gradients_add_to_the_parameter_until_cleared);
    tcase_add_test(tests, a_frozen_parameter_gets_no_gradient);
    tcase_add_test(tests, many_parameters_keep_apart);
    tcase_add_test(tests, what_the_loss_does_not_depend_on_has_gradient_zero);
    tcase_add_test(tests, detach_cuts);
    tcase_add_test(tests, retained_gradients_are_kept_and_no_others);
    tcase_add_test(tests, inputs_have_no_gradient);
    tcase_add_test(tests, a_parameter_looked_at_before_recording_still_learns);
    tcase_add_test(tests, a_tape_that_does_not_record_only_computes);
    tcase_add_test(tests, backward_from_takes_the_gradient_of_what_follows);
    return run_tests("tape", tests);
}
