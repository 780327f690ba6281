/* Training against formulas: 20 steps of a model with an optimizer, a batch each, the loss before every step
 * and the weights in the end. */
#include "tests/parity/build_internal.h"

/* What rounding changes in one step goes on into the next. */
static const double float32_bound = 5e-6;

static tl_shape of_a_sample(tl_shape batches)
{
    tl_shape shape = {.rank = batches.rank - 2};
    for (int i = 0; i < shape.rank; i++)
        shape.dims[i] = batches.dims[i + 2];
    return shape;
}

START_TEST(twenty_steps)
{
    vector_case c = vector_of_run(_i);
    tl_tensor x = given(c, "x"), y = given(c, "y"),
              losses = tl_tensor_new(c.dtype, expected(c, "losses").shape);
    tl_optimizer *optimizer = new_optimizer(json_object_get(c.at, "trained_by"));
    tl_model *model = new_model(c, of_a_sample(x.shape), optimizer, NULL);
    ck_assert_int_eq(tl_tensor_count(losses), 20);
    for (int64_t step = 0; step < tl_tensor_count(losses); step++) {
        tl_metrics metrics;
        check_ok(
            tl_train_on_batch(model, tl_tensor_select(x, 0, step), tl_tensor_select(y, 0, step), &metrics));
        check_ok(tl_tensor_fill(tl_tensor_select(losses, 0, step), metrics.loss));
    }
    check_close(c, "losses", losses, expected(c, "losses"));
    ck_assert_int_eq(check_weights(c, model, false, expected(c, "trained")),
                     tl_tensor_count(expected(c, "trained")));
    tl_model_free(model);
    tl_tensor *all[] = {&x, &y, &losses};
    for (int i = 0; i < 3; i++)
        tl_tensor_free(all[i]);
}
END_TEST

int main(void)
{
    return run_vectors("training", float32_bound, (const TTest *const[]){twenty_steps, NULL}, NULL);
}
