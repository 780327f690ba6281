/* Models against their formulas: outputs, loss, and the gradient of every weight, on a tape and through the
 * trainer, and from states of the caller's. */
#include "tests/parity/build_internal.h"

/* On a tape an error is rounding alone; through the trainer a gradient is the difference of two weights, each
 * rounded, in steps of 6e-8 at 1, and gradients may be as small as a hundredth. */
static const double float32_bound = 5e-5;

static tl_shape without_batch(tl_shape shape)
{
    tl_shape rest = {.rank = shape.rank - 1};
    for (int i = 0; i < rest.rank; i++)
        rest.dims[i] = shape.dims[i + 1];
    return rest;
}

/* The loss of rows: their mean, or that of the steps that are not masked. */
static tl_var *mean_of(tl_var *rows, tl_tensor mask)
{
    if (!tl_tensor_ok(mask) || !tl_shape_equal(mask.shape, tl_shape_of(rows)))
        return tl_mean(rows, TL_ALL_AXES, false);
    tl_var *weights = tl_zeros(tl_tape_of(rows), tl_dtype_of(rows), mask.shape);
    check_ok(tl_tensor_copy(tl_value(weights), mask));
    return tl_div(tl_sum(tl_mul(rows, weights), TL_ALL_AXES, false), tl_sum(weights, TL_ALL_AXES, false));
}

static void check_on_a_tape(vector_case c)
{
    tl_tensor x = given(c, "x"), y = given(c, "y");
    tl_model *model = new_model(c, without_batch(x.shape), NULL, NULL);
    tl_tape *tape = tl_tape_new();
    tl_var *out = tl_forward(model, tl_input(tape, x));
    ck_assert_msg(out != NULL, "%s: %s", c.name, tl_error_message());
    check_close(c, "output", tl_value(out), expected(c, "out"));
    tl_var *rows = tl_loss_rows(loss_of(c.at), out, tl_input(tape, y), flag_of(c.at, "from_logits"));
    tl_var *loss = mean_of(rows, tl_mask_of(out));
    check_close(c, "loss", tl_value(loss), expected(c, "loss"));
    check_ok(tl_backward(loss));
    ck_assert_int_eq(check_weights(c, model, true, expected(c, "gradients")),
                     tl_tensor_count(expected(c, "gradients")));
    tl_tape_free(tape);
    tl_model_free(model);
    tl_tensor_free(&x);
    tl_tensor_free(&y);
}

static void check_from_a_state(vector_case c)
{
    tl_tensor x = given(c, "x"), state = given(c, "state"), y = given(c, "y"), y_final = given(c, "y_final");
    tl_module *layer;
    tl_model *model = new_model(c, without_batch(x.shape), NULL, &layer);
    tl_tape *tape = tl_tape_new();
    tl_var *input = tl_variable(tape, x), *initial = tl_variable(tape, state), *final[TL_MAX_STATES];
    tl_var *out = tl_rnn_forward(layer, input, &initial, final);
    ck_assert_msg(out != NULL, "%s: %s", c.name, tl_error_message());
    check_close(c, "output", tl_value(out), expected(c, "out"));
    check_close(c, "final state", tl_value(final[0]), expected(c, "final"));
    tl_var *loss = tl_add(tl_mse(out, tl_input(tape, y)), tl_mse(final[0], tl_input(tape, y_final)));
    check_close(c, "loss", tl_value(loss), expected(c, "loss"));
    check_ok(tl_backward(loss));
    tl_tensor gradients = expected(c, "gradients");
    int64_t at = check_weights(c, model, true, gradients);
    check_close(c, "gradient of the state", tl_grad(initial), take(gradients, &at, state.shape));
    check_close(c, "gradient of x", tl_grad(input), take(gradients, &at, x.shape));
    tl_tape_free(tape);
    tl_model_free(model);
    tl_tensor *all[] = {&x, &state, &y, &y_final};
    for (int i = 0; i < 4; i++)
        tl_tensor_free(all[i]);
}

/* States are carried by the trainer alone, so that stateful models have no business on a bare tape. */
START_TEST(on_a_tape)
{
    vector_case c = vector_of_run(_i);
    if (flag_of(c.at, "initial"))
        check_from_a_state(c);
    else if (!flag_of(c.at, "stateful"))
        check_on_a_tape(c);
}
END_TEST

/* A model that carries states begins anew and sees the batch before. */
static void go_through_the_batch_before(vector_case c, tl_model *model)
{
    if (!has(c, "before"))
        return;
    tl_tensor before = given(c, "before");
    check_ok(tl_reset_states(model));
    tl_tensor out = tl_predict(model, before, 0);
    ck_assert_msg(tl_tensor_ok(out), "%s", tl_error_message());
    tl_tensor_free(&out);
    tl_tensor_free(&before);
}

/* A new tensor, a - b. */
static tl_tensor minus(tl_tensor a, tl_tensor b)
{
    tl_tensor result = tl_tensor_new(b.dtype, b.shape),
              flat = tl_tensor_reshape(result, tl_shape(tl_tensor_count(b)));
    for (int64_t i = 0; i < tl_tensor_count(b); i++)
        check_ok(tl_tensor_fill(tl_tensor_select(flat, 0, i), element(a, i) - element(b, i)));
    return result;
}

/* What a step of plain SGD at rate 1 takes from weights is their gradient. */
static void check_change(vector_case c, const tl_model *model)
{
    tl_tensor before = given(c, "weights"), gradients = expected(c, "gradients");
    int count;
    tl_parameter *const *parameters = tl_model_parameters(model, &count);
    int64_t at = 0;
    for (int i = 0; i < count; i++) {
        tl_shape shape = parameters[i]->value.shape;
        int64_t begin = at;
        tl_tensor change = minus(take(before, &at, shape), parameters[i]->value);
        check_close(c, parameters[i]->name, change, take(gradients, &begin, shape));
        tl_tensor_free(&change);
    }
    ck_assert_int_eq(at, tl_tensor_count(gradients));
    tl_tensor_free(&before);
}

START_TEST(through_the_trainer)
{
    vector_case c = vector_of_run(_i);
    if (flag_of(c.at, "initial")) /* the trainer's states start at 0 */
        return;
    tl_tensor x = given(c, "x"), y = given(c, "y");
    tl_model *model = new_model(c, without_batch(x.shape), tl_sgd(.learning_rate = 1), NULL);
    go_through_the_batch_before(c, model);
    tl_tensor out = tl_predict(model, x, 0);
    check_close(c, "prediction", out, expected(c, "out"));
    go_through_the_batch_before(c, model);
    tl_metrics metrics;
    check_ok(tl_train_on_batch(model, x, y, &metrics));
    tl_tensor loss = tl_tensor_new(c.dtype, TL_SCALAR);
    check_ok(tl_tensor_fill(loss, metrics.loss));
    check_close(c, "loss", loss, expected(c, "loss"));
    check_change(c, model);
    tl_model_free(model);
    tl_tensor *all[] = {&x, &y, &out, &loss};
    for (int i = 0; i < 4; i++)
        tl_tensor_free(all[i]);
}
END_TEST

int main(void)
{
    return run_vectors("models", float32_bound, (const TTest *const[]){on_a_tape, through_the_trainer, NULL},
                       NULL);
}
