/* What tl_backward refuses: a second time, more than one element, gradients of gradients, values that were
 * changed since. */
#include "tests/autograd/testing_internal.h"

static tl_tape *tape;
static tl_parameter *weights;

static void set_up(void)
{
    tape = tl_tape_new();
    weights = random_parameter("weights", TL_F64, tl_shape(3, 3), 1);
}

static void tear_down(void)
{
    tl_parameter_free(weights);
    tl_tape_free(tape);
}

static tl_var *total(tl_var *x)
{
    return tl_sum(x, TL_ALL_AXES, false);
}

static void refused(tl_status got, tl_status status, const char *message)
{
    ck_assert_msg(got == status, "status %d, expected: %s", (int)got, message);
    check_error(status, message);
}

static void check_zero(tl_tensor tensor)
{
    for (int64_t i = 0; i < tl_tensor_count(tensor); i++)
        ck_assert(element(tensor, i) == 0);
}

START_TEST(a_second_backward_is_refused)
{
    tl_var *loss = total(tl_tanh(tl_use(tape, weights)));
    check_ok(tl_backward(loss));
    tl_tensor once = copy_of(weights->gradient);
    refused(tl_backward(loss), TL_ERROR_STATE,
            "backward: this tape was differentiated already; reset it and record again");
    tl_var *later = total(tl_use(tape, weights));
    refused(tl_backward(later), TL_ERROR_STATE, "backward: this tape was differentiated already");
    ck_assert(same_bits(weights->gradient, once));
    tl_tape_reset(tape);
    tl_parameter_clear_gradient(weights);
    check_ok(tl_backward(total(tl_tanh(tl_use(tape, weights)))));
    ck_assert(same_bits(weights->gradient, once));
    tl_tensor_free(&once);
}
END_TEST

START_TEST(a_loss_of_many_elements_is_refused)
{
    tl_var *y = tl_tanh(tl_use(tape, weights));
    refused(tl_backward(y), TL_ERROR_SHAPE,
            "backward: the loss has shape [3, 3], expected one element: use tl_mean or tl_sum");
    refused(tl_backward(tl_slice(y, 0, 0, 0)), TL_ERROR_SHAPE, "backward: the loss has shape [0, 3]");
    check_ok(tl_backward(tl_slice(tl_slice(y, 0, 1, 1), 1, 2, 1))); /* one element of any rank will do */
    ck_assert(element(weights->gradient, 5) != 0);
    ck_assert(element(weights->gradient, 4) == 0);
}
END_TEST

START_TEST(a_seed_must_fit)
{
    tl_var *y = tl_tanh(tl_use(tape, weights));
    tl_tensor wrong[] = {tl_tensor_new(TL_F64, tl_shape(9)), tl_tensor_new(TL_F32, tl_shape(3, 3)),
                         tl_tensor_new(TL_F64, tl_shape(1))};
    refused(tl_backward_from(y, wrong[0]), TL_ERROR_SHAPE,
            "backward: seed [9] of f64 for a value [3, 3] of f64");
    refused(tl_backward_from(y, wrong[1]), TL_ERROR_SHAPE,
            "backward: seed [3, 3] of f32 for a value [3, 3] of f64");
    refused(tl_backward_from(y, wrong[2]), TL_ERROR_SHAPE,
            "backward: seed [1] of f64"); /* none is broadcast */
    for (int i = 0; i < 3; i++)
        tl_tensor_free(&wrong[i]);
}
END_TEST

START_TEST(a_loss_without_parameters_is_refused)
{
    tl_tensor x = random_tensor(TL_F64, tl_shape(2), 1);
    refused(tl_backward(total(tl_input(tape, x))), TL_ERROR_STATE,
            "backward: the loss depends on no parameter or variable that needs a gradient");
    refused(tl_backward(tl_detach(total(tl_use(tape, weights)))), TL_ERROR_STATE,
            "backward: the loss depends on no");
    tl_tensor_free(&x);
}
END_TEST

/* --- gradients of gradients --- */

START_TEST(a_gradient_of_the_same_tape_is_no_input)
{
    tl_var *w = tl_use(tape, weights);
    check_ok(tl_backward(total(tl_tanh(w))));
    const char *message =
        "input: this is a gradient of the same tape, shape [3, 3]: gradients of gradients are not "
        "supported; copy it out to use it as a constant";
    ck_assert_ptr_null(tl_input(tape, tl_grad(w)));
    check_error(TL_ERROR_STATE, message);
    ck_assert_ptr_null(tl_variable(tape, tl_grad(w)));
    check_error(TL_ERROR_STATE, message);
    ck_assert_ptr_null(tl_input(tape, tl_tensor_select(tl_grad(w), 0, 1))); /* nor is a view of it */
    check_error(TL_ERROR_STATE, "input: this is a gradient of the same tape, shape [3]");

    tl_tensor constant = copy_of(tl_grad(w));
    tl_tape *other = tl_tape_new();
    ck_assert_ptr_nonnull(tl_input(tape, constant));
    ck_assert_ptr_nonnull(tl_input(other, tl_grad(w)));
    tl_tape_free(other);
    tl_tensor_free(&constant);
}
END_TEST

/* Rules that do what they must not. */
static tl_status copy_forward(const tl_op_call *call)
{
    return tl_tensor_copy(call->output, *call->inputs[0]);
}

static tl_var *seen_by_rule;

static tl_status recording_backward(const tl_op_call *call)
{
    (void)call;
    return tl_tanh(seen_by_rule) ? TL_OK : tl_error_status();
}

static tl_status viewing_backward(const tl_op_call *call)
{
    (void)call;
    return tl_transpose(seen_by_rule, 0, 1) ? TL_OK : tl_error_status();
}

static tl_status nesting_backward(const tl_op_call *call)
{
    return tl_backward_from(seen_by_rule, call->grad_output);
}

static tl_status failing_backward(const tl_op_call *call)
{
    return tl_error(TL_ERROR_NUMERIC, "%s: did not converge", call->op->name);
}

static tl_status try_rule(tl_status (*backward)(const tl_op_call *call))
{
    const tl_op op = {.name = "naughty",
                      .inputs = 1,
                      .infer = tl_infer_same,
                      .forward = copy_forward,
                      .backward = backward};
    tl_tape_reset(tape);
    seen_by_rule = tl_use(tape, weights);
    tl_var *y = tl_apply(&op, &seen_by_rule, 1, NULL, 0);
    tl_var *later = tl_scale(seen_by_rule, 2); /* comes first on the way back, and leaves a gradient */
    return tl_backward(total(tl_add(y, later)));
}

START_TEST(rules_do_not_record)
{
    refused(try_rule(recording_backward), TL_ERROR_STATE,
            "tanh: recorded while the tape runs backward: gradients of gradients are not supported");
    refused(try_rule(viewing_backward), TL_ERROR_STATE, "transpose: recorded while the tape runs backward");
    refused(try_rule(nesting_backward), TL_ERROR_STATE, "backward: called while the tape runs backward");
    check_zero(weights->gradient);
}
END_TEST

START_TEST(the_error_of_a_rule_is_that_of_backward)
{
    refused(try_rule(failing_backward), TL_ERROR_NUMERIC, "naughty: did not converge");
    check_zero(weights->gradient);
    refused(tl_backward(total(tl_use(tape, weights))), TL_ERROR_STATE, "differentiated already");
    tl_tape_reset(tape);
    check_ok(tl_backward(total(tl_use(tape, weights)))); /* the reset puts all right */
}
END_TEST

/* --- changes in place between recording and backward --- */

START_TEST(a_changed_parameter_is_noticed_where_it_matters)
{
    tl_tensor x = random_tensor(TL_F64, tl_shape(2, 3), 2);
    tl_var *product = tl_matmul(tl_variable(tape, x), tl_use(tape, weights));
    tl_tensor_fill(weights->value, 1);
    refused(tl_backward(total(product)), TL_ERROR_STATE,
            "backward: input 1 of matmul, shape [3, 3], was changed in place after it was recorded");
    check_zero(weights->gradient);

    tl_tape_reset(tape);
    tl_var *sum = tl_add(tl_use(tape, weights), tl_use(tape, weights));
    tl_tensor_fill(weights->value, 2);
    check_ok(tl_backward(total(tl_scale(sum, 3)))); /* neither of these rules looks at it */
    ck_assert(element(weights->gradient, 0) == 6);
    tl_tensor_free(&x);
}
END_TEST

START_TEST(a_changed_input_is_noticed_where_it_matters)
{
    tl_tensor x = random_tensor(TL_F64, tl_shape(3), 2);
    tl_var *loss = total(tl_mul(tl_input(tape, x), tl_use(tape, weights)));
    tl_tensor_fill(x, 0);
    refused(tl_backward(loss), TL_ERROR_STATE, "backward: input 0 of mul, shape [3], was changed in place");

    tl_tape_reset(tape);
    loss = total(tl_sub(tl_input(tape, x), tl_use(tape, weights)));
    tl_tensor_fill(x, 1);
    check_ok(tl_backward(loss));
    tl_tensor_free(&x);
}
END_TEST

START_TEST(a_changed_result_is_noticed_where_it_matters)
{
    tl_var *y = tl_tanh(tl_use(tape, weights));
    tl_tensor_fill(tl_value(y), 0);
    refused(tl_backward(total(y)), TL_ERROR_STATE,
            "backward: the result of tanh, shape [3, 3], was changed in place after it was recorded");

    tl_tape_reset(tape);
    y = tl_scale(tl_use(tape, weights), 2);
    ck_assert_ptr_nonnull(tl_data_mut(tl_value(y)));
    check_ok(tl_backward(total(y)));
}
END_TEST

START_TEST(a_change_through_a_view_is_a_change)
{
    tl_var *w = tl_use(tape, weights);
    tl_var *loss = total(tl_exp(tl_log(tl_mul(tl_transpose(w, 0, 1), tl_slice(w, 0, 0, 3)))));
    tl_tensor_fill(tl_tensor_select(weights->value, 1, 2), 1);
    refused(tl_backward(loss), TL_ERROR_STATE, "of mul, shape [3, 3], was changed in place");
}
END_TEST

START_TEST(a_change_before_recording_is_none)
{
    tl_var *w = tl_use(tape, weights); /* on the tape already, but nothing has read it */
    tl_tensor_fill(weights->value, 0.5);
    check_ok(tl_backward(total(tl_mul(w, w))));
    for (int64_t i = 0; i < 9; i++)
        ck_assert(element(weights->gradient, i) == 1);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("backward");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, a_second_backward_is_refused);
    tcase_add_test(tests, a_loss_of_many_elements_is_refused);
    tcase_add_test(tests, a_seed_must_fit);
    tcase_add_test(tests, a_loss_without_parameters_is_refused);
    tcase_add_test(tests, a_gradient_of_the_same_tape_is_no_input);
    tcase_add_test(tests, rules_do_not_record);
    tcase_add_test(tests, the_error_of_a_rule_is_that_of_backward);
    tcase_add_test(tests, a_changed_parameter_is_noticed_where_it_matters);
    tcase_add_test(tests, a_changed_input_is_noticed_where_it_matters);
    tcase_add_test(tests, a_changed_result_is_noticed_where_it_matters);
    tcase_add_test(tests, a_change_through_a_view_is_a_change);
    tcase_add_test(tests, a_change_before_recording_is_none);
    return run_tests("backward", tests);
}
