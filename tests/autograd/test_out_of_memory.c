/* The bare tape when memory runs out, at every place where it can: a step is done or not done, whatever
 * failed on the way, and done again it ends with the same bits. */
#include "optim/optimizer.h"
#include "tensor/threads.h"
#include "tests/autograd/testing_internal.h"
#include "tests/support/out_of_memory.h"

enum { BATCH = 4, TIME = 6, UNITS = 5, FEATURES = 3, SHARDS = 3, PARAMETERS = 4 };

static tl_tape *tape;
static tl_shards *shards;
static tl_optimizer *optimizer;
static tl_parameter *parameters[PARAMETERS]; /* kernel, recurrent, output, table */
static tl_tensor x, y, ids;

static void begin(void)
{
    static const int64_t shapes[PARAMETERS][2] = {
        {FEATURES, UNITS}, {UNITS, UNITS}, {UNITS, 1}, {7, FEATURES}};
    static const char *const names[PARAMETERS] = {"kernel", "recurrent", "output", "table"};
    x = random_tensor(TL_F64, tl_shape(BATCH, TIME, FEATURES), 1);
    y = random_tensor(TL_F64, tl_shape(BATCH, 1), 2);
    ids = tl_tensor_of(TL_I32, tl_shape(BATCH), (const int32_t[]){1, 6, 0, 1});
    for (int i = 0; i < PARAMETERS; i++)
        parameters[i] =
            random_parameter(names[i], TL_F64, tl_shape(shapes[i][0], shapes[i][1]), 3 + (uint64_t)i);
    optimizer = tl_adam(.learning_rate = 0.01);
    check_ok(tl_optimizer_add(optimizer, parameters, PARAMETERS));
}

static void end(void)
{
    tl_tape_free(tape);
    tl_shards_free(shards);
    tl_optimizer_free(optimizer);
    for (int i = 0; i < PARAMETERS; i++)
        tl_parameter_free(parameters[i]);
    tl_tensor_free(&x);
    tl_tensor_free(&y);
    tl_tensor_free(&ids);
    tape = NULL;
    shards = NULL;
}

/* A small recurrent network of plain ops, of one scan and of a table, with dropout. */
static tl_var *loss_on(tl_tape *on)
{
    tl_var *u = tl_use(on, parameters[1]), *h = tl_zeros(on, TL_F64, tl_shape(BATCH, UNITS)), *all[TIME];
    tl_var *projected = tl_matmul(tl_input(on, x), tl_use(on, parameters[0]));
    for (int t = 0; t < TIME; t++)
        all[t] = h = tl_tanh(tl_add(tl_select(projected, 1, t), tl_matmul(h, u)));
    tl_var *scanned = tl_affine_scan(projected, u, h, TL_TANH, false, (tl_tensor){0});
    tl_var *sequence = tl_dropout(tl_concat((tl_var *[]){tl_stack(all, TIME, 1), scanned}, 2, 1), 0.2);
    tl_var *looked_up =
        tl_matmul(tl_gather(tl_use(on, parameters[3]), tl_input(on, ids)), tl_use(on, parameters[0]));
    tl_var *state = tl_add(tl_mean(sequence, tl_axes(1), false), looked_up);
    return tl_mse(tl_matmul(state, tl_use(on, parameters[2])), tl_input(on, y));
}

static void add_results(void)
{
    for (int i = 0; i < PARAMETERS; i++)
        add_bytes(tl_data(parameters[i]->value), parameters[i]->value.storage->bytes);
}

static tl_status step_on_tape(void)
{
    tape = tape ? tape : tl_tape_new();
    tl_tape_reset(tape);
    if (!tape || tl_backward(loss_on(tape)) != TL_OK || tl_optimizer_step(optimizer) != TL_OK)
        return tl_error_status();
    add_results();
    return TL_OK;
}

static tl_status differentiate(void *context, int64_t shard, tl_tape *on)
{
    (void)context;
    tl_tape_set_random(on, 5, 0, shard * BATCH);
    return tl_backward(loss_on(on));
}

static tl_status step_on_shards(void)
{
    shards = shards ? shards : tl_shards_new();
    if (!shards || tl_shards_run(shards, SHARDS, differentiate, NULL) != TL_OK ||
        tl_shards_merge(shards) != TL_OK || tl_optimizer_step(optimizer) != TL_OK)
        return tl_error_status();
    add_results();
    return TL_OK;
}

static tl_var *squares(void *context, tl_var *const inputs[])
{
    (void)context;
    return tl_sum(tl_mul(tl_tanh(inputs[0]), inputs[0]), TL_ALL_AXES, false);
}

static tl_status check_gradients(void)
{
    tl_gradcheck_report report;
    tl_status status = tl_gradcheck(squares, NULL, &y, 1, NULL, &report);
    if (status == TL_OK)
        add_bytes(&report.checked, sizeof report.checked);
    return status;
}

/* Whatever failed, no gradient is left that the next step would take in. */
static void look_at_gradients(void)
{
    for (int i = 0; i < PARAMETERS; i++)
        for (int64_t j = 0; j < tl_tensor_count(parameters[i]->gradient); j++)
            ck_assert(element(parameters[i]->gradient, j) == 0);
}

static tl_status make_optimizers(void)
{
    static const char *const names[] = {"sgd", "rmsprop", "adam", "adamw", "adagrad"};
    for (int i = 0; i < 5; i++) {
        tl_optimizer *made = tl_optimizer_by_name(names[i], 0);
        tl_status status = made ? tl_optimizer_add(made, parameters, PARAMETERS) : tl_error_status();
        tl_optimizer_free(made);
        if (status != TL_OK)
            return status;
    }
    return TL_OK;
}

static const shortage shortages[] = {
    {"a step on a tape", begin, step_on_tape, look_at_gradients, end, NULL},
    {"a step on shards", begin, step_on_shards, look_at_gradients, end, NULL},
    {"a gradient check", begin, check_gradients, look_at_gradients, end, NULL},
    {"optimizers", begin, make_optimizers, look_at_gradients, end, NULL},
};
enum { SHORTAGES = sizeof shortages / sizeof *shortages };

START_TEST(nothing_breaks_when_memory_runs_out)
{
    tl_set_threads(1 + _i % 2);
    printf("%d threads: ", 1 + _i % 2);
    fail_everywhere(&shortages[_i / 2]);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("memory");
    tcase_add_loop_test(tests, nothing_breaks_when_memory_runs_out, 0, SHORTAGES * 2);
    return run_tests("out of memory", tests);
}
