/* What a cell may do with its input: a layer takes steps a chunk at a time, lets the gradients of steps lie
 * in that of their chunk and gives the chunk's memory back, and nothing of that may show. Each cell is
 * compared with its own functions called by hand on a bare tape, where nothing is shared. */
#include "autograd/tape_internal.h"
#include "tests/nn/testing_internal.h"

enum { ROWS = 4, WIDTH = 4 };

typedef struct odd_cell {
    tl_cell cell;
    tl_parameter *kernel, *recurrent;
} odd_cell;

static tl_status build(void *self, tl_builder *builder, int64_t features)
{
    odd_cell *c = self;
    c->kernel = tl_build_parameter(builder, "kernel", tl_shape(features, WIDTH), TL_GLOROT_UNIFORM);
    c->recurrent = tl_build_parameter(builder, "recurrent", tl_shape(WIDTH, WIDTH), TL_GLOROT_UNIFORM);
    return c->kernel && c->recurrent ? TL_OK : tl_error_status();
}

static tl_var *kernel(const odd_cell *c, tl_var *x)
{
    return tl_use(tl_tape_of(x), c->kernel);
}

static tl_var *recurrent(const odd_cell *c, tl_var *x)
{
    return tl_use(tl_tape_of(x), c->recurrent);
}

static tl_var *project(void *self, tl_var *x)
{
    return tl_matmul(x, kernel(self, x));
}

static tl_var *project_linear(void *self, tl_var *x)
{
    return tl_affine(x, kernel(self, x), tl_select(kernel(self, x), 0, 0), TL_LINEAR);
}

static tl_var *project_nothing(void *self, tl_var *x)
{
    (void)self;
    return x;
}

/* The same features twice, one after the other. */
static tl_var *project_joined(void *self, tl_var *x)
{
    tl_var *half = tl_tanh(tl_slice(project(self, x), 2, 0, WIDTH / 2));
    tl_var *again = tl_mul(half, half);
    return tl_add(tl_concat((tl_var *[]){half, again}, 2, 2), project(self, x));
}

/* Of the features in front, as they lie. */
static tl_var *project_stacked(void *self, tl_var *x)
{
    tl_var *steps[64];
    const int64_t count = tl_shape_of(x).dims[1];
    for (int64_t t = 0; t < count; t++)
        steps[t] = tl_tanh(tl_matmul(tl_select(x, 1, t), kernel(self, x)));
    return tl_stack(steps, (int)count, 1);
}

static tl_var *project_detached(void *self, tl_var *x)
{
    tl_var *z = project(self, x);
    return tl_add(z, tl_mul(tl_detach(z), tl_select(kernel(self, x), 0, 1)));
}

/* --- steps --- */

static tl_var *plain_step(void *self, tl_var *x, tl_var *state[])
{
    return state[0] = tl_affine(state[0], recurrent(self, x), x, TL_TANH);
}

static tl_var *identity_step(void *self, tl_var *x, tl_var *state[])
{
    (void)self;
    return state[0] = x;
}

/* The state is the input of the step before. */
static tl_var *delaying_step(void *self, tl_var *x, tl_var *state[])
{
    tl_var *y = tl_affine(state[1], recurrent(self, x), state[0], TL_TANH);
    state[0] = x;
    state[1] = y;
    return y;
}

static tl_var *input_twice_step(void *self, tl_var *x, tl_var *state[])
{
    tl_var *first = tl_affine(state[0], recurrent(self, x), x, TL_TANH);
    return state[0] = tl_affine(first, recurrent(self, x), x, TL_SIGMOID);
}

/* A view of the input is used before the input is; its gradient comes later. */
static tl_var *view_first_step(void *self, tl_var *x, tl_var *state[])
{
    tl_var *gate = tl_sigmoid(tl_slice(x, -1, 0, 1));
    tl_var *y = tl_affine(state[0], recurrent(self, x), x, TL_TANH);
    return state[0] = tl_mul(gate, y);
}

static tl_var *view_last_step(void *self, tl_var *x, tl_var *state[])
{
    tl_var *y = tl_affine(state[0], recurrent(self, x), x, TL_TANH);
    return state[0] = tl_mul(tl_sigmoid(tl_reshape(tl_transpose(x, 0, 1), tl_shape(-1, WIDTH))), y);
}

/* The input weighs what passes, without a gradient of its own by that way. */
static tl_var *detached_step(void *self, tl_var *x, tl_var *state[])
{
    tl_var *h = tl_affine(state[0], recurrent(self, x), x, TL_TANH);
    return state[0] = tl_mul(h, tl_detach(x));
}

static tl_var *kept_detached_step(void *self, tl_var *x, tl_var *state[])
{
    tl_var *y = tl_affine(state[1], recurrent(self, x), x, TL_TANH);
    state[1] = tl_tanh(tl_add(y, state[0]));
    state[0] = tl_detach(x);
    return tl_scale(y, 1);
}

static tl_var *value_step(void *self, tl_var *x, tl_var *state[])
{
    tl_var *h = tl_affine(state[0], recurrent(self, x), x, TL_TANH);
    return state[0] = tl_mul(h, tl_input(tl_tape_of(x), tl_value(x)));
}

/* Rows of the input, looked at after the step at the earliest. */
static tl_var *lazy_step(void *self, tl_var *x, tl_var *state[])
{
    static int32_t ids[ROWS] = {2, 0, 2, 3};
    static tl_storage storage = {.data = ids, .bytes = sizeof ids};
    tl_tensor rows = {.storage = &storage, .shape = {1, {ROWS}}, .strides = {1}, .dtype = TL_I32};
    tl_var *h = tl_tanh(tl_matmul(tl_add(state[0], state[1]), recurrent(self, x)));
    state[1] = tl_gather(x, tl_input(tl_tape_of(x), rows));
    return state[0] = h;
}

/* The input as a matrix on the right. */
static tl_var *matrix_step(void *self, tl_var *x, tl_var *state[])
{
    tl_var *scores = tl_matmul(state[0], tl_transpose(x, 0, 1));
    return state[0] = tl_affine(tl_matmul(tl_softmax(scores, -1), x), recurrent(self, x), x, TL_TANH);
}

/* As many rows as features: a matrix as it is. */
static tl_var *square_step(void *self, tl_var *x, tl_var *state[])
{
    tl_var *h = tl_matmul(state[0], recurrent(self, x));
    return state[0] = tl_tanh(tl_add(tl_matmul(h, x), recurrent(self, x)));
}

/* The input only now and then. */
static tl_var *blind_step(void *self, tl_var *x, tl_var *state[])
{
    return state[0] = tl_tanh(tl_matmul(state[0], tl_add(recurrent(self, x), tl_select(x, 0, 0))));
}

static tl_var *deaf_step(void *self, tl_var *x, tl_var *state[])
{
    return state[0] = tl_tanh(tl_add(tl_matmul(state[0], recurrent(self, x)), tl_scale(state[0], 0.5)));
}

static tl_var *joining_step(void *self, tl_var *x, tl_var *state[])
{
    tl_var *gate = tl_sigmoid(tl_scale(x, 2)), *both[] = {x, tl_tanh(gate)};
    tl_var *wide = tl_concat(both, 2, 0), *weights[] = {state[0], tl_mul(gate, state[0])};
    tl_var *y = tl_affine(tl_concat(weights, 2, 0), recurrent(self, x), wide, TL_TANH);
    return state[0] = tl_add(tl_slice(y, 0, 0, ROWS), tl_slice(y, 0, ROWS, ROWS));
}

static tl_var *retaining_step(void *self, tl_var *x, tl_var *state[])
{
    tl_var *y = tl_affine(tl_retain_grad(state[0]), recurrent(self, x), tl_retain_grad(x), TL_TANH);
    return state[0] = tl_retain_grad(y);
}

/* --- many steps at once --- */

static tl_var *plain_scan(void *self, tl_var *x, tl_var *state, bool backwards, tl_tensor mask)
{
    return tl_affine_scan(x, recurrent(self, x), state, TL_TANH, backwards, mask);
}

static tl_var *identity_scan(void *self, tl_var *x, tl_var *state, bool backwards, tl_tensor mask)
{
    (void)self, (void)state, (void)backwards, (void)mask;
    return x;
}

/* A view of what was used once besides. */
static tl_var *view_scan(void *self, tl_var *x, tl_var *state, bool backwards, tl_tensor mask)
{
    (void)self, (void)state, (void)backwards, (void)mask;
    return tl_tanh(x) ? tl_slice(x, 2, 0, WIDTH) : NULL;
}

/* h = x w, where x weighs itself. */
static tl_var *detached_scan(void *self, tl_var *x, tl_var *state, bool backwards, tl_tensor mask)
{
    (void)state, (void)backwards, (void)mask;
    return tl_mul(tl_matmul(x, recurrent(self, x)), tl_detach(x));
}

static tl_var *weighing_step(void *self, tl_var *x, tl_var *state[])
{
    return state[0] = tl_mul(tl_matmul(x, recurrent(self, x)), tl_detach(x));
}

static const struct {
    const char *name;
    int states;
    tl_var *(*step)(void *self, tl_var *x, tl_var *state[]);
    tl_var *(*scan)(void *self, tl_var *x, tl_var *state, bool backwards, tl_tensor mask);
    bool ignores_mask;
} steps[] = {
    {"plain", 1, plain_step, NULL, false},
    {"identity", 1, identity_step, NULL, false},
    {"delaying", 2, delaying_step, NULL, false},
    {"input twice", 1, input_twice_step, NULL, false},
    {"view first", 1, view_first_step, NULL, false},
    {"view last", 1, view_last_step, NULL, false},
    {"detached", 1, detached_step, NULL, false},
    {"kept detached", 2, kept_detached_step, NULL, false},
    {"value", 1, value_step, NULL, false},
    {"lazy", 2, lazy_step, NULL, false},
    {"matrix", 1, matrix_step, NULL, false},
    {"blind", 1, blind_step, NULL, false},
    {"deaf", 1, deaf_step, NULL, false},
    {"joining", 1, joining_step, NULL, false},
    {"square", 1, square_step, NULL, false},
    {"retaining", 1, retaining_step, NULL, false},
    {"scanned", 1, plain_step, plain_scan, false},
    {"identity scanned", 1, identity_step, identity_scan, true},
    {"view scanned", 1, identity_step, view_scan, true},
    {"detached scanned", 1, weighing_step, detached_scan, true},
};
enum { STEPS = sizeof steps / sizeof steps[0] };

static const struct {
    const char *name;
    tl_var *(*project)(void *self, tl_var *x);
} projections[] = {
    {"matmul", project},
    {"linear", project_linear},
    {"argument", project_nothing},
    {"joined", project_joined},
    {"stacked", project_stacked},
    {"detached", project_detached},
    {"none", NULL},
};
enum { PROJECTIONS = sizeof projections / sizeof projections[0] };

/* --- by the layer and by hand --- */

typedef struct trial {
    odd_cell cell;
    tl_module *layer;
    tl_model *model;
    int64_t time;
    tl_tensor x, mask;
    bool sequences, backwards, records;
} trial;

typedef struct outcome {
    tl_tensor y, dx, dkernel, drecurrent; /* the last three only if it records */
} outcome;

static void start_trial(trial *t, int step, int projection)
{
    t->cell = (odd_cell){.cell = {.name = "odd",
                                  .states = {WIDTH, steps[step].states > 1 ? WIDTH : 0},
                                  .build = build,
                                  .project = projections[projection].project,
                                  .step = steps[step].step,
                                  .scan = steps[step].scan}};
    t->layer = tl_rnn(&t->cell, .return_sequences = t->sequences, .go_backwards = t->backwards);
    t->model = build_randomly(tl_sequential(t->layer), tl_shape(t->time, WIDTH), TL_F64, 0.8);
    t->x = random_tensor(TL_F64, tl_shape(ROWS, t->time, WIDTH), 3);
}

static void end_trial(trial *t)
{
    tl_model_free(t->model);
    tl_tensor_free(&t->x);
}

/* Step after step on the bare tape, every step projected for itself. */
static tl_var *by_hand(trial *t, tl_var *x)
{
    tl_tape *tape = tl_tape_of(x);
    tl_var *state[TL_MAX_STATES] = {0}, *outputs[64];
    for (int i = 0; i < 2; i++)
        state[i] = tl_zeros(tape, TL_F64, tl_shape(ROWS, WIDTH));
    tl_var *y = state[0];
    for (int64_t i = 0; i < t->time; i++) {
        const int64_t at = t->backwards ? t->time - 1 - i : i;
        tl_var *x_t = tl_slice(x, 1, at, 1);
        if (t->cell.cell.project)
            x_t = t->cell.cell.project(&t->cell, x_t);
        tl_var *before[] = {state[0], state[1]}, *last = y;
        y = t->cell.cell.step(&t->cell, tl_select(x_t, 1, 0), state);
        ck_assert_msg(y != NULL, "%s", tl_error_message());
        if (tl_tensor_ok(t->mask)) {
            tl_var *kept = tl_unsqueeze(tl_input(tape, tl_tensor_select(t->mask, 1, at)), 1);
            y = tl_where(kept, y, last);
            for (int j = 0; j < 2; j++)
                state[j] = tl_where(kept, state[j], before[j]);
        }
        outputs[i] = y;
    }
    return t->sequences ? tl_stack(outputs, (int)t->time, 1) : y;
}

static outcome run(trial *t, bool layer)
{
    tl_tape *tape = tl_tape_new();
    tl_tape_set_recording(tape, t->records);
    tl_var *x = tl_variable(tape, t->x);
    if (tl_tensor_ok(t->mask) && layer)
        x = tl_set_mask(x, t->mask);
    tl_var *y = layer ? tl_rnn_forward(t->layer, x, NULL, NULL) : by_hand(t, x);
    ck_assert_msg(y != NULL, "%s", tl_error_message());
    outcome o = {.y = copy_of(tl_value(y))};
    tl_parameter_clear_gradient(t->cell.kernel);
    tl_parameter_clear_gradient(t->cell.recurrent);
    if (t->records) {
        tl_tensor seed = random_tensor(TL_F64, tl_shape_of(y), 4);
        tl_status status = tl_backward_from(y, seed);
        ck_assert_msg(status == TL_OK, "%s", tl_error_message());
        tl_tensor_free(&seed);
        o.dx = copy_of(tl_grad(x));
        o.dkernel = copy_of(t->cell.kernel->gradient);
        o.drecurrent = copy_of(t->cell.recurrent->gradient);
    }
    tl_tape_free(tape);
    return o;
}

static void free_outcome(outcome *o)
{
    tl_tensor_free(&o->y);
    tl_tensor_free(&o->dx);
    tl_tensor_free(&o->dkernel);
    tl_tensor_free(&o->drecurrent);
}

static void compare(trial *t, const char *what)
{
    enum { EXACT = 0 };
    const double least = 1e-12;
    outcome a = run(t, true), b = run(t, false);
    ck_assert_msg(difference(a.y, b.y) <= least, "%s: outputs", what);
    if (t->records) {
        ck_assert_msg(difference(a.dx, b.dx) <= least, "%s: gradient of x", what);
        ck_assert_msg(difference(a.dkernel, b.dkernel) <= least, "%s: gradient of the kernel", what);
        ck_assert_msg(difference(a.drecurrent, b.drecurrent) <= least, "%s: recurrent gradient", what);
    }
    free_outcome(&a);
    free_outcome(&b);
}

static void try_all(tl_tensor mask, int64_t time, bool records)
{
    for (int i = 0; i < STEPS * PROJECTIONS * 4; i++) {
        const int step = i % STEPS, projection = i / STEPS % PROJECTIONS, way = i / STEPS / PROJECTIONS;
        trial t = {
            .time = time, .mask = mask, .sequences = way & 1, .backwards = way & 2, .records = records};
        if (tl_tensor_ok(mask) && steps[step].ignores_mask)
            continue;
        char what[128];
        snprintf(what, sizeof what, "%s step, %s projection, %lld steps%s%s%s%s", steps[step].name,
                 projections[projection].name, (long long)time, t.sequences ? ", sequences" : "",
                 t.backwards ? ", backwards" : "", tl_tensor_ok(mask) ? ", masked" : "",
                 records ? "" : ", not recorded");
        start_trial(&t, step, projection);
        compare(&t, what);
        end_trial(&t);
    }
}

static const int64_t lengths[] = {1, 15, 16, 17, 33};
enum { LENGTHS = sizeof lengths / sizeof lengths[0] };

START_TEST(a_layer_is_its_cell)
{
    try_all((tl_tensor){0}, lengths[_i], true);
}
END_TEST

START_TEST(a_layer_that_is_not_recorded_is_its_cell)
{
    try_all((tl_tensor){0}, lengths[_i], false);
}
END_TEST

START_TEST(a_masked_layer_is_its_cell)
{
    const int64_t time = lengths[_i];
    tl_tensor mask = tl_tensor_new(TL_U8, tl_shape(ROWS, time));
    uint8_t *at = tl_data_mut(mask);
    for (int64_t i = 0; i < ROWS * time; i++)
        at[i] = (uint8_t)(i % 3 ? 1 + i % 7 : 0);
    try_all(mask, time, true);
    tl_tensor_free(&mask);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("chunks");
    tcase_add_loop_test(tests, a_layer_is_its_cell, 0, LENGTHS);
    tcase_add_loop_test(tests, a_layer_that_is_not_recorded_is_its_cell, 0, LENGTHS);
    tcase_add_loop_test(tests, a_masked_layer_is_its_cell, 0, LENGTHS);
    return run_tests("chunks", tests);
}
