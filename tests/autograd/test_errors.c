/* Errors of the tape and its ops: what is refused, in which words, and that the first error survives. */
#include "tests/autograd/testing_internal.h"

static tl_tape *tape;

static void set_up(void)
{
    tape = tl_tape_new();
}

static void tear_down(void)
{
    tl_tape_free(tape);
}

static tl_var *zeros(tl_dtype dtype, tl_shape shape)
{
    tl_var *x = tl_zeros(tape, dtype, shape);
    ck_assert_ptr_nonnull(x);
    return x;
}

#define F32(...) zeros(TL_F32, tl_shape(__VA_ARGS__))
#define F64(...) zeros(TL_F64, tl_shape(__VA_ARGS__))
#define I32(...) zeros(TL_I32, tl_shape(__VA_ARGS__))
#define U8(...)  zeros(TL_U8, tl_shape(__VA_ARGS__))

static void refused(const tl_var *result, tl_status status, const char *message)
{
    ck_assert_msg(result == NULL, "not refused: %s", message);
    check_error(status, message);
    ck_assert_msg(strncmp(tl_error_message(), message, strlen(message)) == 0,
                  "expected '%s' in front, the message is '%s'", message, tl_error_message());
}

START_TEST(arithmetic_names_shapes_and_types)
{
    refused(tl_add(F32(32, 100), F32(32, 101)), TL_ERROR_SHAPE,
            "add: shapes [32, 100] and [32, 101] do not broadcast: 100 against 101");
    refused(tl_sub(F32(2), F32(3, 4)), TL_ERROR_SHAPE,
            "sub: shapes [2] and [3, 4] do not broadcast: 2 against 4");
    refused(tl_mul(F32(0), F32(3)), TL_ERROR_SHAPE, "mul: shapes [0] and [3] do not broadcast");
    refused(tl_div(F32(2), F64(2)), TL_ERROR_DTYPE, "div: inputs of f32 and f64, expected one type");
    refused(tl_add(F32(2), I32(2)), TL_ERROR_DTYPE, "add: input 1 is i32, expected f32 or f64");
    refused(tl_mse(F32(2), F32(3)), TL_ERROR_SHAPE, "mse: [2] and [3], expected one shape");
}
END_TEST

START_TEST(functions_name_types_and_numbers)
{
    tl_var *(*const functions[])(tl_var *) = {tl_neg, tl_tanh, tl_sigmoid, tl_relu,
                                              tl_exp, tl_log,  tl_sqrt,    tl_abs};
    static const char *const messages[] = {
        "neg: input 0 is i32, expected f32 or f64",     "tanh: input 0 is i32, expected f32 or f64",
        "sigmoid: input 0 is i32, expected f32 or f64", "relu: input 0 is i32, expected f32 or f64",
        "exp: input 0 is i32, expected f32 or f64",     "log: input 0 is i32, expected f32 or f64",
        "sqrt: input 0 is i32, expected f32 or f64",    "abs: input 0 is i32, expected f32 or f64"};
    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++)
        refused(functions[i](I32(2)), TL_ERROR_DTYPE, messages[i]);
    refused(tl_scale(U8(2), 2), TL_ERROR_DTYPE, "scale: input 0 is u8, expected f32 or f64");
    refused(tl_pow(U8(2), 2), TL_ERROR_DTYPE, "pow: input 0 is u8, expected f32 or f64");
    refused(tl_clamp(F32(2), 1, -1), TL_ERROR_ARGUMENT, "clamp: low 1, high -1, expected low <= high");
    refused(tl_clamp(F32(2), (double)NAN, 1), TL_ERROR_ARGUMENT, "clamp: low nan");
    refused(tl_activate(F32(2), (tl_activation)77), TL_ERROR_ARGUMENT,
            "activate: activation 77 is not known");
}
END_TEST

START_TEST(products_name_shapes_and_types)
{
    refused(tl_matmul(F32(32, 100), F32(101, 64)), TL_ERROR_SHAPE,
            "matmul: inner dimensions differ: [32, 100] x [101, 64]");
    refused(tl_matmul(F32(3), F32(3, 4)), TL_ERROR_SHAPE,
            "matmul: [3] x [3, 4], expected ranks of 2 or more");
    refused(tl_matmul(F32(2, 3, 4), F32(3, 4, 5)), TL_ERROR_SHAPE,
            "matmul: shapes [2] and [3] do not broadcast");
    refused(tl_matmul(F32(3, 4), F64(4, 5)), TL_ERROR_DTYPE, "matmul: f32 x f64, expected f32 or f64");
    refused(tl_affine(F32(2, 3), F32(4, 5), F32(5), TL_TANH), TL_ERROR_SHAPE,
            "affine: inner dimensions differ: [2, 3] x [4, 5]");
    refused(tl_affine(F32(2, 3), F32(3, 5), F32(4), TL_TANH), TL_ERROR_SHAPE,
            "affine: addend [4], expected [5] or [2, 5]");
    refused(tl_affine(F32(2, 3), F32(3, 5), F64(5), TL_TANH), TL_ERROR_DTYPE,
            "affine: x of f32, w of f32, c of f64");
    refused(tl_affine(F32(2, 3), F32(3, 5), F32(5), TL_SOFTMAX), TL_ERROR_ARGUMENT, "affine: activation 5");
    refused(tl_affine_masked(F32(2, 3), F32(3, 3), F32(3), TL_TANH, tl_value(U8(3))), TL_ERROR_SHAPE,
            "affine: mask [3] of u8 with [2, 3] x [3, 3], expected u8 [m] with [m, n] x [n, n]");
    refused(tl_affine_masked(F32(2, 3), F32(3, 5), F32(5), TL_TANH, tl_value(U8(2))), TL_ERROR_SHAPE,
            "affine: mask [2] of u8 with [2, 3] x [3, 5]");
    refused(tl_affine_masked(F32(2, 3), F32(3, 3), F32(3), TL_TANH, tl_value(F32(2))), TL_ERROR_SHAPE,
            "affine: mask [2] of f32");
    const tl_tensor none = {0};
    refused(tl_affine_scan(F32(2, 5, 3), F32(3, 4), F32(2, 3), TL_TANH, false, none), TL_ERROR_SHAPE,
            "affine_scan: x [2, 5, 3], w [3, 4], h [2, 3], expected [b, t, n], [n, n] and [b, n]");
    refused(tl_affine_scan(F32(5, 3), F32(3, 3), F32(2, 3), TL_TANH, false, none), TL_ERROR_SHAPE,
            "affine_scan: x [5, 3], w [3, 3], h [2, 3], expected [b, t, n]");
    refused(tl_affine_scan(F32(2, 5, 3), F32(3, 3), F32(1, 3), TL_TANH, false, none), TL_ERROR_SHAPE,
            "affine_scan: x [2, 5, 3], w [3, 3], h [1, 3], expected");
    refused(tl_affine_scan(F32(2, 5, 3), F64(3, 3), F32(2, 3), TL_TANH, false, none), TL_ERROR_DTYPE,
            "affine_scan: x of f32, w of f64, h of f32, expected one of f32 and f64");
    refused(tl_affine_scan(I32(2, 5, 3), I32(3, 3), I32(2, 3), TL_TANH, false, none), TL_ERROR_DTYPE,
            "affine_scan: x of i32, w of i32, h of i32, expected one of f32 and f64");
    refused(tl_affine_scan(F32(2, 5, 3), F32(3, 3), F32(2, 3), TL_SOFTMAX, false, none), TL_ERROR_ARGUMENT,
            "affine_scan: activation 5");
    refused(tl_affine_scan(F32(2, 5, 3), F32(3, 3), F32(2, 3), TL_TANH, false, tl_value(U8(5, 2))),
            TL_ERROR_SHAPE, "affine_scan: mask [5, 2] of u8 for x [2, 5, 3], expected u8 [b, t]");
    refused(tl_affine_scan(F32(2, 5, 3), F32(3, 3), F32(2, 3), TL_TANH, false, tl_value(F32(2, 5))),
            TL_ERROR_SHAPE, "affine_scan: mask [2, 5] of f32");
}
END_TEST

START_TEST(reductions_and_softmax_name_axes)
{
    refused(tl_sum(F32(2, 3), tl_axes(2), false), TL_ERROR_SHAPE,
            "sum: axis 2 of shape [2, 3], expected -2 to 1");
    refused(tl_mean(F32(2, 3), tl_axes(0, -3), true), TL_ERROR_SHAPE, "mean: axis -3 of shape [2, 3]");
    refused(tl_max(I32(2, 3), TL_ALL_AXES, false), TL_ERROR_DTYPE, "max: input 0 is i32");
    refused(tl_softmax(F32(2, 3), 2), TL_ERROR_SHAPE, "softmax: axis 2 of shape [2, 3]");
    refused(tl_log_softmax(F32(2, 3), -3), TL_ERROR_SHAPE, "log_softmax: axis -3 of shape [2, 3]");
    refused(tl_softmax(U8(2), 0), TL_ERROR_DTYPE, "softmax: input 0 is u8");
}
END_TEST

START_TEST(views_and_joins_name_shapes)
{
    refused(tl_reshape(F32(2, 3), tl_shape(4, 2)), TL_ERROR_SHAPE,
            "reshape: [2, 3] has 6 elements, [4, 2] does not fit");
    refused(tl_reshape(F32(2, 3), tl_shape(-1, 4)), TL_ERROR_SHAPE,
            "reshape: [2, 3] has 6 elements, [-1, 4]");
    refused(tl_reshape(F32(2, 3), tl_shape(-1, -1)), TL_ERROR_SHAPE,
            "reshape: to [-1, -1]: one extent may be -1");
    refused(tl_transpose(F32(2, 3), 0, 2), TL_ERROR_SHAPE, "transpose: axis 2 of shape [2, 3]");
    refused(tl_slice(F32(2, 3), 1, 2, 2), TL_ERROR_RANGE,
            "slice: 2 elements from 2 along axis 1 of shape [2, 3]");
    refused(tl_slice(F32(2, 3), 1, 0, -1), TL_ERROR_RANGE, "slice: -1 elements from 0 along axis 1");
    refused(tl_select(F32(2, 3), 0, 2), TL_ERROR_RANGE, "select: index 2 along axis 0 of shape [2, 3]");
    refused(tl_select(F32(2, 3), 2, 0), TL_ERROR_SHAPE, "select: axis 2 of shape [2, 3]");
    refused(tl_unsqueeze(F32(2, 3), 3), TL_ERROR_SHAPE, "unsqueeze: axis 3 of shape [2, 3]");
    refused(tl_concat((tl_var *[]){F32(2, 3), F32(2, 4)}, 2, 0), TL_ERROR_SHAPE,
            "concat: part 1 is [2, 4], part 0 is [2, 3], joined along axis 0");
    refused(tl_concat((tl_var *[]){F32(2, 3), F32(2)}, 2, 0), TL_ERROR_SHAPE, "concat: part 1 is [2]");
    refused(tl_concat((tl_var *[]){F32(2), F64(2)}, 2, 0), TL_ERROR_DTYPE, "concat: parts of f32 and f64");
    refused(tl_concat((tl_var *[]){F32(2)}, 1, 1), TL_ERROR_SHAPE, "concat: axis 1 of shape [2]");
    refused(tl_concat(NULL, 0, 0), TL_ERROR_ARGUMENT, "concat: no inputs");
    refused(tl_stack((tl_var *[]){F32(2), F32(3)}, 2, 0), TL_ERROR_SHAPE,
            "stack: part 1 is [3], part 0 is [2]");
    refused(tl_stack((tl_var *[]){F32(2)}, 1, 2), TL_ERROR_SHAPE, "stack: axis 2 for parts of shape [2]");
    refused(tl_stack((tl_var *[]){F32(2), I32(2)}, 2, 0), TL_ERROR_DTYPE, "stack: parts of f32 and i32");
}
END_TEST

START_TEST(lookups_choices_and_dropout_name_what_does_not_fit)
{
    refused(tl_gather(F32(3, 4), F32(2)), TL_ERROR_DTYPE, "gather: table of f32 and ids of f32");
    refused(tl_gather(I32(3, 4), I32(2)), TL_ERROR_DTYPE, "gather: table of i32 and ids of i32");
    refused(tl_gather(F32(3), I32(2)), TL_ERROR_SHAPE,
            "gather: table [3] and ids [2], expected [v, n] and [...]");
    refused(tl_where(F32(2), F32(2), F32(2)), TL_ERROR_DTYPE, "where: f32 ? f32 : f32, expected u8");
    refused(tl_where(U8(2), F32(2), F64(2)), TL_ERROR_DTYPE, "where: u8 ? f32 : f64");
    refused(tl_where(U8(3), F32(2), F32(2)), TL_ERROR_SHAPE, "where: shapes [3] and [2] do not broadcast");
    refused(tl_dropout(F32(2), 1), TL_ERROR_ARGUMENT, "dropout: rate 1, expected 0 <= rate < 1");
    refused(tl_dropout(F32(2), -0.1), TL_ERROR_ARGUMENT, "dropout: rate -0.1");
    refused(tl_dropout(F32(2), (double)NAN), TL_ERROR_ARGUMENT, "dropout: rate ");
    refused(tl_dropout(I32(2), 0.5), TL_ERROR_DTYPE, "dropout: input 0 is i32");
    refused(tl_set_mask(F32(2, 3), tl_value(U8(2, 4))), TL_ERROR_SHAPE,
            "set_mask: mask [2, 4] does not fit values [2, 3]");
    refused(tl_set_mask(F32(2, 3), tl_value(F32(2))), TL_ERROR_SHAPE,
            "set_mask: mask [2] of f32 for values [2, 3]");
}
END_TEST

START_TEST(losses_name_logits_and_labels)
{
    refused(tl_sigmoid_cross_entropy_with_logits(F32(2, 1), F32(2)), TL_ERROR_SHAPE,
            "sigmoid_cross_entropy_with_logits: logits [2, 1] and labels [2], expected one shape");
    refused(tl_softmax_cross_entropy_with_logits(F32(2, 3), F32(2)), TL_ERROR_SHAPE,
            "softmax_cross_entropy_with_logits: logits [2, 3] and labels [2]");
    refused(tl_softmax_cross_entropy_with_logits(F32(2, 3), F64(2, 3)), TL_ERROR_DTYPE,
            "softmax_cross_entropy_with_logits: inputs of f32 and f64");
    refused(tl_sparse_softmax_cross_entropy_with_logits(F32(2, 3), I32(2, 3)), TL_ERROR_SHAPE,
            "sparse_softmax_cross_entropy_with_logits: labels [2, 3] of i32 for logits [2, 3], expected [2] "
            "of i32");
    refused(tl_sparse_softmax_cross_entropy_with_logits(zeros(TL_F32, TL_SCALAR), I32(2)), TL_ERROR_SHAPE,
            "sparse_softmax_cross_entropy_with_logits: logits [], expected [..., classes]");
    tl_var *labels = I32(2);
    tl_tensor_fill(tl_value(labels), 3);
    refused(tl_sparse_softmax_cross_entropy_with_logits(F32(2, 3), labels), TL_ERROR_RANGE,
            "sparse_softmax_cross_entropy_with_logits: label 3, the logits have classes 0 to 2");
}
END_TEST

START_TEST(leaves_refuse_what_cannot_be_differentiated)
{
    refused(tl_variable(tape, tl_value(I32(2))), TL_ERROR_DTYPE, "variable: i32, expected f32 or f64");
    refused(tl_zeros(tape, TL_F32, tl_shape(2, -1)), TL_ERROR_SHAPE,
            "zeros: negative extent in shape [2, -1]");
    refused(tl_zeros(tape, TL_F32, tl_shape(1 << 30, 1 << 30, 1 << 30)), TL_ERROR_SHAPE, "zeros: shape");
    ck_assert_ptr_null(tl_parameter_new("ids", tl_tensor_new(TL_I32, tl_shape(2))));
    check_error(TL_ERROR_DTYPE, "parameter ids: i32, expected f32 or f64");
    ck_assert_ptr_null(tl_use(tape, NULL));
    ck_assert_ptr_null(tl_use(NULL, NULL));
}
END_TEST

/* --- errors stick --- */

START_TEST(the_first_error_survives_to_the_end)
{
    const char *first = "matmul: inner dimensions differ: [2, 3] x [4, 5]";
    tl_var *bad = tl_matmul(F32(2, 3), F32(4, 5));
    refused(bad, TL_ERROR_SHAPE, first);
    tl_var *good = tl_retain_grad(F32(2, 3)), *both[] = {good, bad};
    tl_var *const results[] = {tl_add(good, bad),
                               tl_sub(bad, good),
                               tl_mul(bad, bad),
                               tl_div(good, bad),
                               tl_neg(bad),
                               tl_scale(bad, 2),
                               tl_pow(bad, 2),
                               tl_tanh(bad),
                               tl_sigmoid(bad),
                               tl_relu(bad),
                               tl_exp(bad),
                               tl_log(bad),
                               tl_sqrt(bad),
                               tl_abs(bad),
                               tl_clamp(bad, 1, -1),
                               tl_activate(bad, TL_TANH),
                               tl_matmul(good, bad),
                               tl_affine(good, bad, good, TL_TANH),
                               tl_affine(bad, good, good, TL_SOFTMAX),
                               tl_affine_scan(good, bad, good, TL_TANH, false, (tl_tensor){0}),
                               tl_affine_scan(bad, good, good, TL_SOFTMAX, true, (tl_tensor){0}),
                               tl_sum(bad, tl_axes(7), false),
                               tl_mean(bad, TL_ALL_AXES, true),
                               tl_max(bad, TL_ALL_AXES, true),
                               tl_reshape(bad, tl_shape(1)),
                               tl_transpose(bad, 0, 7),
                               tl_slice(bad, 0, 0, 1),
                               tl_select(bad, 0, 0),
                               tl_unsqueeze(bad, 0),
                               tl_concat(both, 2, 0),
                               tl_stack(both, 2, 0),
                               tl_gather(bad, good),
                               tl_gather(good, bad),
                               tl_where(good, bad, good),
                               tl_softmax(bad, 0),
                               tl_log_softmax(bad, 0),
                               tl_dropout(bad, 7),
                               tl_sigmoid_cross_entropy_with_logits(good, bad),
                               tl_softmax_cross_entropy_with_logits(bad, good),
                               tl_sparse_softmax_cross_entropy_with_logits(good, bad),
                               tl_mse(bad, good),
                               tl_detach(bad),
                               tl_retain_grad(bad),
                               tl_set_mask(bad, tl_value(good)),
                               tl_input(tape, tl_value(bad)),
                               tl_variable(tape, tl_grad(bad)),
                               tl_import(tape, bad)};
    for (size_t i = 0; i < sizeof results / sizeof *results; i++)
        ck_assert_msg(results[i] == NULL, "expression %zu is not NULL", i);
    ck_assert_int_eq(tl_backward(results[0]), TL_ERROR_SHAPE);
    ck_assert_int_eq(tl_backward_from(bad, tl_value(good)), TL_ERROR_SHAPE);
    ck_assert(!tl_tensor_ok(tl_value(bad)));
    ck_assert_ptr_null(tl_tape_of(bad));
    check_error(TL_ERROR_SHAPE, first);
}
END_TEST

START_TEST(a_loss_of_nothing_is_never_ok)
{
    tl_error(TL_OK, "%s", ""); /* as on a thread on which nothing ever failed */
    ck_assert_int_ne(tl_backward(NULL), TL_OK);
    ck_assert_int_ne(tl_backward_from(F32(2), (tl_tensor){0}), TL_OK);
}
END_TEST

START_TEST(a_tape_goes_on_after_an_error)
{
    tl_tensor x = random_tensor(TL_F64, tl_shape(2, 2), 1);
    tl_var *v = tl_variable(tape, x);
    ck_assert_ptr_null(tl_add(v, F64(3)));
    check_ok(tl_backward(tl_sum(tl_scale(v, 2), TL_ALL_AXES, false)));
    ck_assert(element(tl_grad(v), 3) == 2);
    tl_tensor_free(&x);
}
END_TEST

START_TEST(ops_of_the_wrong_arity_are_refused)
{
    tl_var *x = F32(2), *inputs[] = {x, x, x};
    refused(tl_apply(tl_op_by_name("add"), inputs, 3, NULL, 0), TL_ERROR_ARGUMENT,
            "add: 3 inputs, expected 2");
    refused(tl_apply(tl_op_by_name("add"), inputs, 0, NULL, 0), TL_ERROR_ARGUMENT, "add: no inputs");
}
END_TEST

START_TEST(vars_of_two_tapes_do_not_mix)
{
    tl_tape *other = tl_tape_new();
    tl_var *foreign = tl_zeros(other, TL_F32, tl_shape(2));
    refused(tl_add(F32(2), foreign), TL_ERROR_STATE, "add: input 1 is on another tape than input 0");
    refused(tl_concat((tl_var *[]){F32(2), F32(2), foreign}, 3, 0), TL_ERROR_STATE,
            "concat: input 2 is on another tape than input 0");
    tl_tape_free(other);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("errors");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, arithmetic_names_shapes_and_types);
    tcase_add_test(tests, functions_name_types_and_numbers);
    tcase_add_test(tests, products_name_shapes_and_types);
    tcase_add_test(tests, reductions_and_softmax_name_axes);
    tcase_add_test(tests, views_and_joins_name_shapes);
    tcase_add_test(tests, lookups_choices_and_dropout_name_what_does_not_fit);
    tcase_add_test(tests, losses_name_logits_and_labels);
    tcase_add_test(tests, leaves_refuse_what_cannot_be_differentiated);
    tcase_add_test(tests, the_first_error_survives_to_the_end);
    tcase_add_test(tests, a_loss_of_nothing_is_never_ok);
    tcase_add_test(tests, a_tape_goes_on_after_an_error);
    tcase_add_test(tests, ops_of_the_wrong_arity_are_refused);
    tcase_add_test(tests, vars_of_two_tapes_do_not_mix);
    return run_tests("errors", tests);
}
