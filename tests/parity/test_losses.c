/* Every loss against its formula, from probabilities and from logits, at extremes as well: values of rows,
 * and the gradient of their sum. */
#include "tests/parity/names_internal.h"

/* Keras's 1 - 1e-7 is 1 - 2^-23 in float32, 2e-8 less, and errors of small numbers are parts of 1e-3. */
static const double float32_bound = 5e-5;

/* Whole, or row by row, so that a small row does not hide behind a large one. */
static void check_rows(vector_case c, const char *what, tl_tensor got)
{
    tl_tensor wanted = expected(c, what);
    if (!flag_of(c.at, "by_row")) {
        check_close(c, what, got, wanted);
        return;
    }
    ck_assert(tl_shape_equal(got.shape, wanted.shape));
    for (int64_t i = 0; i < wanted.shape.dims[0]; i++) {
        char row[64];
        snprintf(row, sizeof row, "%s, row %d", what, (int)i);
        check_close(c, row, tl_tensor_select(got, 0, i), tl_tensor_select(wanted, 0, i));
    }
}

START_TEST(rows_and_gradients)
{
    vector_case c = vector_of_run(_i);
    tl_tensor x = given(c, "x"), y = given(c, "y");
    tl_tape *tape = tl_tape_new();
    tl_var *prediction = tl_variable(tape, x);
    tl_var *rows = tl_loss_rows(loss_of(c.at), prediction, tl_input(tape, y), flag_of(c.at, "from_logits"));
    ck_assert_msg(rows != NULL, "%s: %s", c.name, tl_error_message());
    check_rows(c, "rows", tl_value(rows));
    check_ok(tl_backward(tl_sum(rows, TL_ALL_AXES, false)));
    check_rows(c, "gradient", tl_grad(prediction));
    tl_tape_free(tape);
    tl_tensor_free(&x);
    tl_tensor_free(&y);
}
END_TEST

/* From probabilities and from logits both. */
START_TEST(no_loss_is_without_a_vector)
{
    for (int loss = TL_NO_LOSS + 1; tl_loss_name((tl_loss)loss); loss++)
        for (int from_logits = 0; from_logits < 2; from_logits++) {
            bool found = loss == TL_MEAN_SQUARED_ERROR && from_logits; /* its logits are what it predicts */
            for (int i = 0; i < vector_count(); i++) {
                const json_t *at = vector_at(i, TL_F64).at;
                found |= (int)loss_of(at) == loss && flag_of(at, "from_logits") == (from_logits == 1);
            }
            ck_assert_msg(found, "%s, from logits: %d, has no vector", tl_loss_name((tl_loss)loss),
                          from_logits);
        }
}
END_TEST

int main(void)
{
    return run_vectors("losses", float32_bound, (const TTest *const[]){rows_and_gradients, NULL},
                       (const TTest *const[]){no_loss_is_without_a_vector, NULL});
}
