/* Every optimizer, way of clipping and schedule against its formula: the weights after each of 20 steps with
 * given gradients. */
#include "optim/optimizer.h"
#include "tests/parity/build_internal.h"

static const double float32_bound = 2e-6;

static const char *const names[] = {"matrix", "vector"};
enum { PARAMETERS = sizeof names / sizeof *names };

static tl_tensor shared(vector_case c, const char *what, const char *parameter)
{
    char name[64];
    snprintf(name, sizeof name, "%s/%s", what, parameter);
    return tensor_named(name, c.dtype);
}

START_TEST(twenty_steps)
{
    vector_case c = vector_of_run(_i);
    tl_parameter *parameters[PARAMETERS];
    tl_tensor gradients[PARAMETERS];
    for (int i = 0; i < PARAMETERS; i++) {
        parameters[i] = tl_parameter_new(names[i], shared(c, "start", names[i]));
        gradients[i] = shared(c, "gradients", names[i]);
    }
    tl_optimizer *optimizer = new_optimizer(c.at);
    check_ok(tl_optimizer_add(optimizer, parameters, PARAMETERS));
    int64_t steps = gradients[0].shape.dims[0];
    ck_assert_int_eq(steps, 20);
    for (int64_t step = 0; step < steps; step++) {
        for (int i = 0; i < PARAMETERS; i++)
            check_ok(tl_tensor_copy(parameters[i]->gradient, tl_tensor_select(gradients[i], 0, step)));
        check_ok(tl_optimizer_step(optimizer));
        for (int i = 0; i < PARAMETERS; i++) {
            char what[64];
            snprintf(what, sizeof what, "%s after step %d", names[i], (int)step + 1);
            check_close(c, what, parameters[i]->value, tl_tensor_select(expected(c, names[i]), 0, step));
        }
    }
    tl_optimizer_free(optimizer);
    for (int i = 0; i < PARAMETERS; i++) {
        tl_parameter_free(parameters[i]);
        tl_tensor_free(&gradients[i]);
    }
}
END_TEST

int main(void)
{
    return run_vectors("optimizers", float32_bound, (const TTest *const[]){twenty_steps, NULL}, NULL);
}
