/* Tapes that detect anomalies: what they say of the first op that gives NaN or infinity, forward and on the
 * way back, and that they change nothing else. */
#include "autograd/trace_internal.h"
#include "tests/autograd/testing_internal.h"
#include "tests/support/suite.h"

static tl_tape *detecting_tape(void)
{
    tl_tape *tape = tl_tape_new();
    tl_tape_set_detect_anomaly(tape, true);
    return tape;
}

static tl_tensor f64_of(tl_shape shape, const double *values)
{
    return tl_tensor_of(TL_F64, shape, values);
}

#define FOUND(message) EXPECT_ERROR(TL_ERROR_NUMERIC, message)

START_TEST(the_first_op_of_a_forward_pass)
{
    tl_tape *tape = detecting_tape();
    ck_assert(tl_tape_detects_anomaly(tape));
    tl_tensor values = f64_of(tl_shape(2, 3), (double[]){1, 2, 3, 4, -5, -6});
    tl_var *x = tl_input(tape, values), *more = tl_scale(x, 2);
    ck_assert_ptr_nonnull(more);
    ck_assert_ptr_null(tl_exp(tl_log(more)));
    FOUND("log: forward: result is NaN at [1, 1], where input 0 is -10; inputs [2, 3], result [2, 3], input "
          "finite");
    ck_assert_ptr_null(tl_div(x, tl_zeros(tape, TL_F64, tl_shape(3))));
    FOUND("div: forward: result is infinity at [0, 0], where input 0 is 1; inputs [2, 3], [3], result "
          "[2, 3], inputs all finite");
    ck_assert_ptr_null(tl_log(tl_zeros(tape, TL_F64, TL_SCALAR)));
    FOUND("log: forward: result is -infinity at [], where input 0 is 0; inputs [], result [], input finite");
    tl_tape_set_detect_anomaly(tape, false);
    ck_assert_ptr_nonnull(tl_exp(tl_log(more)));
    tl_tape_free(tape);
    tl_tensor_free(&values);
}
END_TEST

START_TEST(an_input_that_brings_it_in)
{
    tl_tape *tape = detecting_tape();
    tl_parameter *w = random_parameter("w", TL_F32, tl_shape(3, 2), 1);
    tl_tensor x = random_tensor(TL_F32, tl_shape(4, 3), 2);
    ((float *)tl_data_mut(w->value))[3] = NAN;
    ck_assert_ptr_null(tl_matmul(tl_input(tape, x), tl_use(tape, w)));
    FOUND("matmul: forward: result is NaN at [0, 1]; inputs [4, 3], [3, 2], result [4, 2]; input 1 "
          "(parameter w) brings it in: NaN at [1, 1]");
    ((float *)tl_data_mut(x))[5] = -INFINITY;
    ck_assert_ptr_null(tl_matmul(tl_input(tape, x), tl_slice(tl_use(tape, w), 1, 1, 1)));
    FOUND("matmul: forward: result is NaN at [0, 0]; inputs [4, 3], [3, 1], result [4, 1]; input 0 brings it "
          "in: -infinity at [1, 2] and input 1 (parameter w) brings it in: NaN at [1, 0]");
    tl_tape_free(tape);
    tl_parameter_free(w);
    tl_tensor_free(&x);
}
END_TEST

/* The gradient of sqrt at 0 is infinite, or NaN where none comes from above; the value is fine. */
START_TEST(on_the_way_back_alone)
{
    tl_tape *tape = detecting_tape();
    tl_tensor values = f64_of(tl_shape(2, 2), (double[]){4, 9, 0, 1});
    tl_tensor some = f64_of(tl_shape(2, 2), (double[]){1, 1, 0, 1});
    for (int i = 0; i < 2; i++, tl_tape_reset(tape)) {
        tl_var *x = tl_variable(tape, values), *root = tl_sqrt(tl_scale(x, 1));
        if (i == 1)
            root = tl_mul(root, tl_input(tape, some));
        tl_var *loss = tl_sum(tl_scale(root, 3), TL_ALL_AXES, false);
        ck_assert_ptr_nonnull(loss);
        ck_assert_int_eq(tl_backward(loss), TL_ERROR_NUMERIC);
        if (i == 0)
            FOUND("sqrt: backward: gradient of input 0 is infinity at [1, 0], where input 0 is 0; inputs "
                  "[2, 2], result [2, 2], all finite, and so is the gradient of the result");
        else
            FOUND("sqrt: backward: gradient of input 0 is NaN at [1, 0], where input 0 is 0; inputs [2, 2], "
                  "result [2, 2], all finite, and so is the gradient of the result");
        ck_assert(!tl_tensor_ok(tl_grad(x)));
    }
    tl_tape_free(tape);
    tl_tensor_free(&values);
    tl_tensor_free(&some);
}
END_TEST

START_TEST(a_seed_that_brings_it_in)
{
    tl_tape *tape = detecting_tape();
    tl_tensor x = random_tensor(TL_F64, tl_shape(2), 1), seed = f64_of(tl_shape(2), (double[]){1, NAN});
    ck_assert_int_eq(tl_backward_from(tl_exp(tl_variable(tape, x)), seed), TL_ERROR_NUMERIC);
    FOUND("backward: what it starts from brings it in: seed [2] for the result of exp is NaN at [1]");
    tl_tape_free(tape);
    tl_tensor_free(&x);
    tl_tensor_free(&seed);
}
END_TEST

/* An op of one's own that writes NaN where the gradient of its result has a negative number. */
static tl_status forward(const tl_op_call *call)
{
    return tl_tensor_copy(call->output, *call->inputs[0]);
}

static tl_status backward(const tl_op_call *call)
{
    const double *g = tl_data(call->grad_output);
    double *dx = tl_data_mut(call->grad_inputs[0]);
    for (int64_t i = 0; i < tl_tensor_count(call->output); i++)
        dx[i] = g[i] < 0 ? NAN : g[i];
    return TL_OK;
}

static const tl_op wrong = {
    .name = "wrong", .inputs = 1, .infer = tl_infer_same, .forward = forward, .backward = backward};

START_TEST(an_op_of_ones_own_and_its_scope)
{
    tl_tape *tape = detecting_tape();
    tl_tensor x = random_tensor(TL_F64, tl_shape(3), 1);
    check_ok(tl_scope_push(tape, "model"));
    tl_var *h = tl_variable(tape, x);
    for (int t = 0; t < 5; t++) {
        check_ok(tl_scope_push_steps(tape, t, 1));
        h = tl_apply(&wrong, (tl_var *[]){tl_scale(h, t == 2 ? -1 : 1)}, 1, NULL, 0);
        tl_scope_pop(tape);
    }
    check_ok(tl_scope_push(tape, "loss"));
    tl_var *loss = tl_sum(h, TL_ALL_AXES, false);
    tl_scope_pop(tape);
    tl_scope_pop(tape);
    ck_assert_int_eq(tl_backward(loss), TL_ERROR_NUMERIC);
    FOUND(
        "wrong: backward, in model/t=1: gradient of input 0 is NaN at [0], where input 0 is 0.952715; inputs "
        "[3], result [3], all finite, and so is the gradient of the result");
    tl_tape_free(tape);
    tl_tensor_free(&x);
}
END_TEST

START_TEST(scopes)
{
    char text[64], name[] = "inner";
    tl_tape *tape = detecting_tape();
    tl_scope_text(tape->scope, text, sizeof text);
    ck_assert_str_eq(text, "");
    check_ok(tl_scope_push(tape, "outer"));
    check_ok(tl_scope_push(tape, name));
    name[0] = 'X'; /* it was copied */
    check_ok(tl_scope_push_steps(tape, 16, 16));
    tl_scope_text(tape->scope, text, sizeof text);
    ck_assert_str_eq(text, "outer/inner/t=16..31");
    tl_scope_text(tape->scope, text, 10);
    ck_assert_str_eq(text, "outer/inn");
    tl_scope_pop(tape);
    tl_scope_pop(tape);
    tl_scope_text(tape->scope, text, sizeof text);
    ck_assert_str_eq(text, "outer");
    tl_scope_pop(tape);
    tl_scope_pop(tape); /* one too many */
    check_ok(tl_scope_push(tape, "left"));
    tl_tape_reset(tape);
    ck_assert_ptr_null(tape->scope);
    ck_assert(tl_tape_detects_anomaly(tape));
    ck_assert_int_eq(tl_scope_push(tape, NULL), TL_ERROR_ARGUMENT);
    EXPECT_ERROR(TL_ERROR_ARGUMENT, "scope_push: no name");
    ck_assert_int_eq(tl_scope_push_steps(tape, 3, 0), TL_ERROR_ARGUMENT);
    EXPECT_ERROR(TL_ERROR_ARGUMENT, "scope_push_steps: 0 steps, expected at least 1");
    tl_tape_free(tape);
}
END_TEST

START_TEST(a_tape_that_does_not_detect_keeps_no_scopes)
{
    tl_tape *tape = tl_tape_new();
    const size_t before = tl_tape_peak_bytes(tape);
    for (int i = 0; i < 100000; i++)
        check_ok(tl_scope_push(tape, "scope"));
    ck_assert_uint_eq(tl_tape_peak_bytes(tape), before);
    ck_assert_ptr_null(tape->scope);
    tl_scope_pop(tape);
    tl_tape_free(tape);
}
END_TEST

/* What is computed for several steps at once is pinned to the first step that is wrong, whatever the row. */
START_TEST(a_step_of_several)
{
    tl_tape *tape = detecting_tape();
    tl_tensor x = tl_tensor_new(TL_F32, tl_shape(2, 4, 3));
    tl_tensor_fill(x, 2);
    ((float *)tl_data_mut(x))[3 * 3 + 1] = -1;       /* [0, 3, 1] */
    ((float *)tl_data_mut(x))[(4 + 2) * 3 + 2] = -1; /* [1, 2, 2] */
    check_ok(tl_scope_push(tape, "layer"));
    check_ok(tl_scope_push_steps(tape, 16, 4));
    ck_assert_ptr_null(tl_log(tl_input(tape, x)));
    FOUND("log: forward, in layer/t=18: result is NaN at [1, 2, 2], where input 0 is -1; inputs [2, 4, 3], "
          "result [2, 4, 3], input finite");
    tl_tape_free(tape);
    tl_tensor_free(&x);
}
END_TEST

/* Rows of a table are read when somebody looks; the scope is the one in which they were asked for. */
START_TEST(a_lazy_op_and_views)
{
    tl_tape *tape = detecting_tape();
    tl_parameter *table = random_parameter("table", TL_F32, tl_shape(4, 2), 1);
    ((float *)tl_data_mut(table->value))[5] = INFINITY;
    tl_tensor ids = tl_tensor_of(TL_I32, tl_shape(3), (int32_t[]){0, 2, 1});
    check_ok(tl_scope_push(tape, "embedding"));
    tl_var *rows = tl_gather(tl_use(tape, table), tl_input(tape, ids));
    ck_assert_ptr_nonnull(rows);
    tl_scope_pop(tape);
    check_ok(tl_scope_push(tape, "elsewhere"));
    ck_assert_ptr_null(tl_tanh(rows));
    FOUND("gather: forward, in embedding: result is infinity at [1, 1]; inputs [4, 2], [3], result [3, 2]; "
          "input 0 (parameter table) brings it in: infinity at [2, 1]");
    ck_assert_str_eq(tape->scope->name, "elsewhere");
    ck_assert_ptr_nonnull(tl_transpose(tl_use(tape, table), 0, 1)); /* computes nothing */
    tl_tape_free(tape);
    tl_parameter_free(table);
    tl_tensor_free(&ids);
}
END_TEST

START_TEST(many_inputs_and_rows_of_a_shard)
{
    tl_tape *tape = detecting_tape();
    tl_tape_set_random(tape, 0, 0, 64);
    tl_tensor x = random_tensor(TL_F32, tl_shape(2), 1),
              y = tl_tensor_of(TL_F32, tl_shape(2), (float[]){1, NAN});
    tl_var *parts[9];
    for (int i = 0; i < 9; i++)
        parts[i] = tl_input(tape, i == 6 ? y : x);
    ck_assert_ptr_null(tl_stack(parts, 9, 1));
    FOUND(
        "stack: forward: result is NaN at [1, 6]; inputs [2], [2], [2], [2], [2] and 4 more, result [2, 9]; "
        "input 6 brings it in: NaN at [1] (row 0 being row 64 of the batch)");
    tl_tape_free(tape);
    tl_tensor_free(&x);
    tl_tensor_free(&y);
}
END_TEST

/* Each product is finite, their sum over the steps of a loop is not: the step that makes it so is named. */
START_TEST(a_sum_over_steps_that_overflows)
{
    enum { TIME = 40, ROWS = 4 };
    tl_parameter *w = tl_parameter_new("w", tl_tensor_new(TL_F32, tl_shape(2, 2)));
    tl_tensor x = tl_tensor_new(TL_F32, tl_shape(ROWS, 2));
    tl_tensor_fill(x, 3e36);
    tl_tape *tape = detecting_tape();
    tl_var *sum = NULL;
    for (int t = 0; t < TIME; t++) {
        check_ok(tl_scope_push_steps(tape, t, 1));
        tl_var *y = tl_sum(tl_matmul(tl_input(tape, x), tl_use(tape, w)), TL_ALL_AXES, false);
        sum = t ? tl_add(sum, y) : y;
        tl_scope_pop(tape);
    }
    /* 3e36 x 4 rows = 1.2e37 a step; 28 of them, steps 39 to 12, are 3.36e38, 29 are more than 3.4e38 */
    ck_assert_int_eq(tl_backward(tl_scale(sum, 1)), TL_ERROR_NUMERIC);
    FOUND("matmul: backward, in t=11: gradient of input 1 (parameter w) is infinity at [0, 0]; inputs "
          "[4, 2], [2, 2], result [4, 2], all finite, and so is the gradient of the result");
    tl_tape_free(tape);
    tl_parameter_free(w);
    tl_tensor_free(&x);
}
END_TEST

START_TEST(a_gradient_that_is_summed_over_broadcast_rows)
{
    tl_parameter *b = tl_parameter_new("b", tl_tensor_new(TL_F32, tl_shape(2)));
    tl_tape *tape = detecting_tape();
    tl_var *y = tl_add(tl_zeros(tape, TL_F32, tl_shape(4, 2)), tl_use(tape, b));
    ck_assert_int_eq(tl_backward(tl_sum(tl_scale(y, 2e38), TL_ALL_AXES, false)), TL_ERROR_NUMERIC);
    FOUND("add: backward: gradient of input 1 (parameter b) is infinity at [0]; "
          "inputs [4, 2], [2], result [4, 2], all finite, and so is the gradient of the result");
    tl_tape_free(tape);
    tl_parameter_free(b);
}
END_TEST

/* Two finite gradients whose sum is not; and rows of a table, whose gradients are added up by row. */
START_TEST(the_gradient_of_a_parameter_in_all)
{
    tl_parameter *p = tl_parameter_new("p", tl_tensor_new(TL_F32, tl_shape(2, 2)));
    tl_tape *tape = detecting_tape();
    for (int i = 0; i < 2; i++, tl_tape_reset(tape)) {
        tl_status status = tl_backward(tl_sum(tl_scale(tl_use(tape, p), 2e38), TL_ALL_AXES, false));
        ck_assert_int_eq(status, i == 0 ? TL_OK : TL_ERROR_NUMERIC);
    }
    FOUND("backward: the gradient of parameter p [2, 2] is infinity at [0, 0], summed over all that it was "
          "used for");
    tl_parameter_clear_gradient(p);
    tl_tensor ids = tl_tensor_of(TL_I32, tl_shape(3), (int32_t[]){1, 1, 0});
    tl_var *rows = tl_gather(tl_use(tape, p), tl_input(tape, ids));
    ck_assert_int_eq(tl_backward(tl_sum(tl_scale(rows, 2e38), TL_ALL_AXES, false)), TL_ERROR_NUMERIC);
    FOUND("backward: the gradient of parameter p [2, 2] is infinity at [1, 0], summed over all that it was "
          "used for");
    tl_tape_free(tape);
    tl_parameter_free(p);
    tl_tensor_free(&ids);
}
END_TEST

/* A small recurrent loop of generic ops: its gradients, by the bits. */
static void gradients_of_loop(bool detects, tl_tensor u_gradient, tl_tensor w_gradient)
{
    enum { TIME = 37 };
    tl_parameter *u = random_parameter("u", TL_F32, tl_shape(5, 5), 1),
                 *w = random_parameter("w", TL_F32, tl_shape(3, 5), 2);
    tl_tensor x = random_tensor(TL_F32, tl_shape(6, TIME, 3), 3);
    tl_tape *tape = tl_tape_new();
    tl_tape_set_detect_anomaly(tape, detects);
    tl_var *h = tl_zeros(tape, TL_F32, tl_shape(6, 5));
    for (int t = 0; t < TIME; t++) {
        check_ok(tl_scope_push_steps(tape, t, 1));
        tl_var *in = tl_matmul(tl_input(tape, tl_tensor_select(x, 1, t)), tl_use(tape, w));
        h = tl_tanh(tl_add(in, tl_matmul(h, tl_use(tape, u))));
        tl_scope_pop(tape);
    }
    check_ok(tl_backward(tl_sum(tl_mul(h, h), TL_ALL_AXES, false)));
    check_ok(tl_tensor_copy(u_gradient, u->gradient));
    check_ok(tl_tensor_copy(w_gradient, w->gradient));
    tl_tape_free(tape);
    tl_parameter_free(u);
    tl_parameter_free(w);
    tl_tensor_free(&x);
}

START_TEST(no_bit_depends_on_it)
{
    tl_tensor u[2], w[2];
    for (int i = 0; i < 2; i++) {
        u[i] = tl_tensor_new(TL_F32, tl_shape(5, 5));
        w[i] = tl_tensor_new(TL_F32, tl_shape(3, 5));
        gradients_of_loop(i, u[i], w[i]);
    }
    ck_assert(same_bits(u[0], u[1]));
    ck_assert(same_bits(w[0], w[1]));
    for (int i = 0; i < 2; i++) {
        tl_tensor_free(&u[i]);
        tl_tensor_free(&w[i]);
    }
}
END_TEST

int main(void)
{
    return RUN_SUITE("trace", the_first_op_of_a_forward_pass, an_input_that_brings_it_in,
                     on_the_way_back_alone, a_seed_that_brings_it_in, an_op_of_ones_own_and_its_scope, scopes,
                     a_tape_that_does_not_detect_keeps_no_scopes, a_step_of_several, a_lazy_op_and_views,
                     many_inputs_and_rows_of_a_shard, a_sum_over_steps_that_overflows,
                     a_gradient_that_is_summed_over_broadcast_rows, the_gradient_of_a_parameter_in_all,
                     no_bit_depends_on_it);
}
