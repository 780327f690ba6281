/* Gradient norms of models against the same recurrence written out on a bare tape with tl_retain_grad. */
#include "nn/gradients.h"
#include "tests/nn/folder_internal.h"
#include "tests/nn/testing_internal.h"

enum { ROWS = 5, FEATURES = 3, UNITS = 4, MOST = 50 };

/* h_t = tanh(x_t w + h_(t-1) u + b), with what was kept of each step. */
typedef struct unrolled {
    tl_var *h[MOST];
} unrolled;

/* One layer of a model, named so, over x[0], x[1], ...; rows of `mask` that are 0 keep their state. */
static unrolled unroll(tl_tape *tape, const tl_model *model, const char *layer, tl_var *const x[],
                       int64_t steps, bool backwards, tl_tensor mask)
{
    char name[3][80];
    snprintf(name[0], 80, "%s/kernel", layer);
    snprintf(name[1], 80, "%s/recurrent_kernel", layer);
    snprintf(name[2], 80, "%s/bias", layer);
    unrolled un;
    tl_var *h = tl_zeros(tape, TL_F64, tl_shape(ROWS, UNITS));
    for (int64_t i = 0; i < steps; i++) {
        const int64_t t = backwards ? steps - 1 - i : i;
        tl_var *in = tl_add(tl_matmul(x[t], tl_use(tape, parameter_of(model, name[0]))),
                            tl_use(tape, parameter_of(model, name[2])));
        tl_var *next = tl_tanh(tl_add(in, tl_matmul(h, tl_use(tape, parameter_of(model, name[1])))));
        if (tl_tensor_ok(mask))
            next = tl_where(tl_input(tape, tl_tensor_unsqueeze(tl_tensor_select(mask, 1, t), 1)), next, h);
        un.h[t] = h = tl_retain_grad(next);
    }
    return un;
}

static double norm_of(tl_tensor t)
{
    double sum = 0;
    ck_assert_msg(tl_tensor_ok(t), "%s", tl_error_message());
    for (int64_t i = 0; i < tl_tensor_count(t); i++)
        sum += element(t, i) * element(t, i);
    return sqrt(sum);
}

static void check_close(double a, double b, const char *what, int64_t t)
{
    ck_assert_msg(fabs(a - b) <= 1e-12 * fabs(b), "%s, %d: %.17g, expected %.17g", what, (int)t, a, b);
}

/* Dense(1) and the mean squared error. */
static void finish(tl_tape *tape, const tl_model *model, tl_var *h, tl_tensor y)
{
    tl_var *out = tl_add(tl_matmul(h, tl_use(tape, parameter_of(model, "dense/kernel"))),
                         tl_use(tape, parameter_of(model, "dense/bias")));
    check_ok(tl_backward(tl_mse(out, tl_input(tape, y))));
}

static void compare(const tl_gradient_norms *norms, int layer, const unrolled *un, int64_t steps,
                    const char *name)
{
    const tl_layer_gradients *l = &norms->layers[layer];
    ck_assert_str_eq(l->name, name);
    ck_assert_int_eq(l->steps, steps);
    for (int64_t t = 0; t < steps; t++)
        check_close(l->norms[t], norm_of(tl_grad(un->h[t])), name, t);
}

static void compare_parameters(tl_tape *tape, const tl_model *model, const tl_gradient_norms *norms)
{
    int count;
    tl_parameter *const *parameters = tl_model_parameters(model, &count);
    ck_assert_int_eq(norms->parameter_count, count);
    for (int i = 0; i < count; i++) {
        ck_assert_str_eq(norms->parameters[i].name, parameters[i]->name);
        check_close(norms->parameters[i].gradient, norm_of(tl_grad(tl_use(tape, parameters[i]))),
                    parameters[i]->name, 0);
        check_close(norms->parameters[i].value, norm_of(parameters[i]->value), parameters[i]->name, 0);
        tl_parameter_clear_gradient(parameters[i]); /* of the bare tape */
    }
}

static tl_model *compiled(tl_model *model, int64_t steps)
{
    build_randomly(model, tl_shape(steps, FEATURES), TL_F64, 0.7);
    check_ok(tl_compile(model, .optimizer = tl_sgd(), .loss = TL_MEAN_SQUARED_ERROR));
    return model;
}

static tl_gradient_norms *measured(tl_model *model, tl_tensor x, tl_tensor y)
{
    tl_gradient_norms *norms = tl_gradient_norms_of(model, x, y);
    ck_assert_msg(norms != NULL, "%s", tl_error_message());
    return norms;
}

static void select_steps(tl_tape *tape, tl_tensor x, tl_var *steps[])
{
    for (int64_t t = 0; t < x.shape.dims[1]; t++)
        steps[t] = tl_input(tape, tl_tensor_select(x, 1, t));
}

/* Lengths around the chunk of 16; forwards, backwards, masked, in segments. */
START_TEST(a_layer_by_hand)
{
    static const int64_t lengths[] = {1, 2, 16, 17, 33, 50};
    for (int i = 0; i < 6 * 8; i++) {
        const int64_t steps = lengths[i / 8];
        const bool backwards = i & 1, masks = i & 2;
        tl_module *layer =
            tl_simple_rnn(UNITS, .go_backwards = backwards, .checkpoint_every = i & 4 ? 16 : 0);
        tl_model *model = compiled(masks ? tl_sequential(tl_masking(.mask_value = 9), layer, tl_dense(1))
                                         : tl_sequential(layer, tl_dense(1)),
                                   steps);
        tl_tensor x = random_tensor(TL_F64, tl_shape(ROWS, steps, FEATURES), 1),
                  y = random_tensor(TL_F64, tl_shape(ROWS, 1), 2), mask = {0};
        if (masks) {
            mask = tl_tensor_new(TL_U8, tl_shape(ROWS, steps));
            for (int64_t r = 0; r < ROWS; r++) /* the first 20 steps of all rows: a chunk and more */
                for (int64_t t = 0; t < steps; t++) {
                    const bool is_step = t >= (steps > 20 ? 20 : 0) && (r + t) % 3 != 0;
                    tl_tensor_fill(tl_tensor_select(tl_tensor_select(mask, 0, r), 0, t), is_step);
                    if (!is_step)
                        tl_tensor_fill(tl_tensor_select(tl_tensor_select(x, 0, r), 0, t), 9);
                }
        }
        tl_gradient_norms *norms = measured(model, x, y);
        ck_assert_int_eq(norms->layer_count, 1);
        ck_assert_int_eq(norms->layers[0].backwards, backwards);
        tl_tape *tape = tl_tape_new();
        tl_var *in[MOST];
        select_steps(tape, x, in);
        unrolled un = unroll(tape, model, "simple_rnn", in, steps, backwards, mask);
        finish(tape, model, un.h[backwards ? 0 : steps - 1], y);
        compare(norms, 0, &un, steps, "simple_rnn");
        compare_parameters(tape, model, norms);
        const tl_flow_report *flow = &norms->layers[0].flow;
        check_close(flow->first, norms->layers[0].norms[backwards ? steps - 1 : 0], "first", 0);
        check_close(flow->last, norms->layers[0].norms[backwards ? 0 : steps - 1], "last", 0);
        tl_gradient_norms_free(norms);
        tl_tape_free(tape);
        tl_tensor_free(&x);
        tl_tensor_free(&y);
        tl_tensor_free(&mask);
        tl_model_free(model);
    }
}
END_TEST

START_TEST(layers_on_layers)
{
    enum { TIME = 19 };
    tl_model *model = compiled(
        tl_sequential(tl_simple_rnn(UNITS, .return_sequences = true), tl_simple_rnn(UNITS), tl_dense(1)),
        TIME);
    tl_tensor x = random_tensor(TL_F64, tl_shape(ROWS, TIME, FEATURES), 1),
              y = random_tensor(TL_F64, tl_shape(ROWS, 1), 2);
    tl_gradient_norms *norms = measured(model, x, y);
    ck_assert_int_eq(norms->layer_count, 2);
    tl_tape *tape = tl_tape_new();
    tl_var *in[MOST];
    select_steps(tape, x, in);
    unrolled one = unroll(tape, model, "simple_rnn", in, TIME, false, (tl_tensor){0});
    unrolled two = unroll(tape, model, "simple_rnn_1", one.h, TIME, false, (tl_tensor){0});
    finish(tape, model, two.h[TIME - 1], y);
    compare(norms, 0, &one, TIME, "simple_rnn");
    compare(norms, 1, &two, TIME, "simple_rnn_1");
    compare_parameters(tape, model, norms);
    tl_gradient_norms_free(norms);
    tl_tape_free(tape);
    tl_tensor_free(&x);
    tl_tensor_free(&y);
    tl_model_free(model);
}
END_TEST

START_TEST(both_directions)
{
    enum { TIME = 18 };
    tl_model *model = compiled(tl_sequential(tl_bidirectional(tl_simple_rnn(UNITS), tl_simple_rnn(UNITS),
                                                              .merge_mode = TL_MERGE_SUM),
                                             tl_dense(1)),
                               TIME);
    tl_tensor x = random_tensor(TL_F64, tl_shape(ROWS, TIME, FEATURES), 1),
              y = random_tensor(TL_F64, tl_shape(ROWS, 1), 2);
    tl_gradient_norms *norms = measured(model, x, y);
    tl_tape *tape = tl_tape_new();
    tl_var *in[MOST];
    select_steps(tape, x, in);
    unrolled one = unroll(tape, model, "bidirectional/forward_simple_rnn", in, TIME, false, (tl_tensor){0});
    unrolled two = unroll(tape, model, "bidirectional/backward_simple_rnn", in, TIME, true, (tl_tensor){0});
    finish(tape, model, tl_add(one.h[TIME - 1], two.h[0]), y);
    compare(norms, 0, &one, TIME, "bidirectional/forward_simple_rnn");
    compare(norms, 1, &two, TIME, "bidirectional/backward_simple_rnn");
    ck_assert(!norms->layers[0].backwards && norms->layers[1].backwards);
    tl_gradient_norms_free(norms);
    tl_tape_free(tape);
    tl_tensor_free(&x);
    tl_tensor_free(&y);
    tl_model_free(model);
}
END_TEST

/* A cell of the user's with two states: c = c / 2 + x v, h = tanh(c) h / 2 + x v. */
typedef struct two_cell {
    tl_cell cell;
    tl_parameter *v;
} two_cell;

static tl_status two_build(void *self, tl_builder *builder, int64_t features)
{
    two_cell *c = self;
    c->v = tl_build_parameter(builder, "v", tl_shape(features, UNITS), TL_GLOROT_UNIFORM);
    return c->v ? TL_OK : tl_error_status();
}

static void two_formula(tl_var *in, tl_var *state[])
{
    tl_var *c = tl_add(tl_scale(state[1], 0.5), in);
    state[0] = tl_add(tl_scale(tl_mul(tl_tanh(c), state[0]), 0.5), in);
    state[1] = c;
}

static tl_var *two_step(void *self, tl_var *x, tl_var *state[])
{
    two_formula(tl_matmul(x, tl_use(tl_tape_of(x), ((two_cell *)self)->v)), state);
    return state[0];
}

START_TEST(a_cell_of_the_users)
{
    enum { TIME = 20 };
    two_cell cell = {.cell = {.name = "two", .states = {UNITS, UNITS}, .build = two_build, .step = two_step}};
    tl_model *model = compiled(tl_sequential(tl_rnn(&cell), tl_dense(1)), TIME);
    tl_tensor x = random_tensor(TL_F64, tl_shape(ROWS, TIME, FEATURES), 1),
              y = random_tensor(TL_F64, tl_shape(ROWS, 1), 2);
    tl_gradient_norms *norms = measured(model, x, y);
    tl_tape *tape = tl_tape_new();
    tl_var *in[MOST], *h[MOST], *c[MOST];
    tl_var *state[] = {tl_zeros(tape, TL_F64, tl_shape(ROWS, UNITS)),
                       tl_zeros(tape, TL_F64, tl_shape(ROWS, UNITS))};
    select_steps(tape, x, in);
    for (int64_t t = 0; t < TIME; t++) {
        two_formula(tl_matmul(in[t], tl_use(tape, parameter_of(model, "two/v"))), state);
        h[t] = tl_retain_grad(state[0]);
        c[t] = tl_retain_grad(state[1]);
    }
    finish(tape, model, state[0], y);
    ck_assert_str_eq(norms->layers[0].name, "two");
    for (int64_t t = 0; t < TIME; t++)
        check_close(norms->layers[0].norms[t], hypot(norm_of(tl_grad(h[t])), norm_of(tl_grad(c[t]))), "two",
                    t);
    compare_parameters(tape, model, norms);
    tl_gradient_norms_free(norms);
    tl_tape_free(tape);
    tl_tensor_free(&x);
    tl_tensor_free(&y);
    tl_model_free(model);
}
END_TEST

/* --- What it leaves alone --- */

static tl_model *stateful_model(void)
{
    tl_model *model = tl_sequential(tl_simple_rnn(6, .stateful = true, .recurrent_dropout = 0.2),
                                    tl_dropout_layer(0.3), tl_dense(1));
    check_ok(tl_compile(model, .optimizer = tl_adam(), .loss = TL_MEAN_SQUARED_ERROR));
    return model;
}

START_TEST(training_goes_on_as_if_nobody_had_looked)
{
    tl_tensor x = random_tensor(TL_F32, tl_shape(8, 21, 2), 1), y = random_tensor(TL_F32, tl_shape(8, 1), 2);
    tl_model *plain = stateful_model(), *watched = stateful_model();
    for (int i = 0; i < 4; i++) {
        tl_gradient_norms *norms = measured(watched, x, y), *again = measured(watched, x, y);
        tl_metrics metrics;
        check_ok(tl_train_on_batch(plain, x, y, &metrics));
        check_ok(tl_train_on_batch(watched, x, y, NULL));
        ck_assert(norms->loss == again->loss);
        if (i == 0) /* later the states that are carried make a difference */
            ck_assert_msg(fabs(norms->loss - metrics.loss) <= 1e-6 * metrics.loss, "%g, expected %g",
                          norms->loss, metrics.loss);
        for (int64_t t = 0; t < 21; t++)
            ck_assert(norms->layers[0].norms[t] == again->layers[0].norms[t]);
        tl_gradient_norms_free(norms);
        tl_gradient_norms_free(again);
    }
    ck_assert(same_weights(plain, watched));
    tl_model_free(plain);
    tl_model_free(watched);
    tl_tensor_free(&x);
    tl_tensor_free(&y);
}
END_TEST

START_TEST(mistakes)
{
    tl_tensor x = random_tensor(TL_F32, tl_shape(8, 21, 2), 1), y = random_tensor(TL_F32, tl_shape(7, 1), 2);
    tl_model *model = stateful_model();
    ck_assert_ptr_null(tl_gradient_norms_of(model, x, y));
    EXPECT_ERROR(TL_ERROR_SHAPE,
                 "gradient_norms: x [8, 21, 2] and y [7, 1], expected one number of rows, at least 1");
    ck_assert_ptr_null(tl_gradient_norms_of(NULL, x, y));
    tl_model *raw = tl_sequential(tl_dense(1));
    ck_assert_ptr_null(tl_gradient_norms_of(raw, x, y));
    EXPECT_ERROR(TL_ERROR_STATE, "gradient_norms: the model is not compiled (tl_compile)");
    tl_gradient_norms_free(NULL);
    tl_model_free(model);
    tl_model_free(raw);
    tl_tensor_free(&x);
    tl_tensor_free(&y);
}
END_TEST

/* --- What is written --- */

static char *text_of(tl_status (*write)(const tl_gradient_norms *, FILE *), const tl_gradient_norms *norms)
{
    char *text;
    size_t size;
    FILE *to = open_memstream(&text, &size);
    check_ok(write(norms, to));
    fclose(to);
    return text;
}

START_TEST(text_and_picture)
{
    tl_model *model = compiled(tl_sequential(tl_simple_rnn(UNITS), tl_dense(1)), 30);
    tl_tensor_fill(parameter_of(model, "simple_rnn/recurrent_kernel")->value, 0);
    for (int64_t i = 0; i < UNITS; i++)
        tl_tensor_fill(
            tl_tensor_select(
                tl_tensor_select(parameter_of(model, "simple_rnn/recurrent_kernel")->value, 0, i), 0, i),
            1e-2);
    tl_tensor x = random_tensor(TL_F64, tl_shape(ROWS, 30, FEATURES), 1),
              y = random_tensor(TL_F64, tl_shape(ROWS, 1), 2);
    tl_gradient_norms *norms = measured(model, x, y);
    ck_assert_int_eq(norms->layers[0].flow.flow, TL_FLOW_VANISHING);
    char *text = text_of(tl_gradient_norms_print, norms);
    ck_assert_ptr_nonnull(strstr(text, norms->layers[0].flow.message));
    ck_assert_ptr_nonnull(strstr(text, "||dL/dh_t|| by time step t\n"));
    ck_assert_ptr_nonnull(strstr(text, " 1e-40 "));
    ck_assert_ptr_nonnull(strstr(text, "simple_rnn/recurrent_kernel"));
    free(text);
    text = text_of(tl_gradient_norms_svg, norms);
    ck_assert(strncmp(text, "<svg ", 5) == 0);
    ck_assert(strcmp(text + strlen(text) - 7, "</svg>\n") == 0);
    ck_assert_ptr_nonnull(strstr(text, ">1e-40</text>"));
    ck_assert_ptr_nonnull(strstr(text, ">simple_rnn</text>"));
    free(text);
    tl_gradient_norms_free(norms);
    tl_model_free(model);
    tl_tensor_free(&x);
    tl_tensor_free(&y);
}
END_TEST

START_TEST(a_model_without_time)
{
    tl_model *model = tl_sequential(tl_dense(2), tl_dense(1));
    check_ok(tl_compile(model, .optimizer = tl_sgd(), .loss = TL_MEAN_SQUARED_ERROR));
    tl_tensor x = random_tensor(TL_F32, tl_shape(4, 3), 1), y = random_tensor(TL_F32, tl_shape(4, 1), 2);
    tl_gradient_norms *norms = measured(model, x, y);
    ck_assert_int_eq(norms->layer_count, 0);
    ck_assert_int_eq(norms->parameter_count, 4);
    char *text = text_of(tl_gradient_norms_print, norms);
    ck_assert(strncmp(text, "parameter ", 10) == 0);
    free(text);
    ck_assert_int_eq(tl_gradient_norms_svg(norms, stdout), TL_ERROR_ARGUMENT);
    EXPECT_ERROR(TL_ERROR_ARGUMENT, "gradient_norms: no recurrent layer to draw");
    FILE *full = fopen("/dev/full", "w");
    setvbuf(full, NULL, _IONBF, 0);
    ck_assert_int_eq(tl_gradient_norms_print(norms, full), TL_ERROR_IO);
    fclose(full);
    tl_gradient_norms_free(norms);
    tl_model_free(model);
    tl_tensor_free(&x);
    tl_tensor_free(&y);
}
END_TEST

/* A line before training and one an epoch, with what tl_gradient_norms_of says then. */
START_TEST(a_log)
{
    const char *path = "log.csv";
    char line[1000];
    enter_folder();
    tl_model *model = tl_sequential(tl_simple_rnn(3), tl_dense(1, .no_bias = true));
    check_ok(tl_compile(model, .optimizer = tl_sgd(), .loss = TL_MEAN_SQUARED_ERROR));
    tl_tensor x = random_tensor(TL_F32, tl_shape(8, 5, 2), 1), y = random_tensor(TL_F32, tl_shape(8, 1), 2);
    tl_history *history = tl_fit(model, tl_dataset_of(x, y), .epochs = 3,
                                 .callbacks = tl_callbacks(tl_gradient_log(path, x, y)));
    ck_assert_msg(history != NULL, "%s", tl_error_message());
    tl_gradient_norms *norms = measured(model, x, y);
    FILE *file = fopen(path, "r");
    ck_assert_ptr_nonnull(fgets(line, sizeof line, file));
    ck_assert_str_eq(line, "epoch,loss,simple_rnn first step,simple_rnn last step,simple_rnn/kernel,"
                           "simple_rnn/recurrent_kernel,simple_rnn/bias,dense/kernel\n");
    for (int i = 0; i < 4; i++) {
        int epoch;
        double number[7];
        ck_assert_ptr_nonnull(fgets(line, sizeof line, file));
        ck_assert_int_eq(sscanf(line, "%d,%lf,%lf,%lf,%lf,%lf,%lf,%lf", &epoch, &number[0], &number[1],
                                &number[2], &number[3], &number[4], &number[5], &number[6]),
                         8);
        ck_assert_int_eq(epoch, i);
        if (i < 3)
            continue;
        ck_assert(fabs(number[0] - norms->loss) < 1e-8);
        ck_assert(fabs(number[1] - norms->layers[0].norms[0]) < 1e-8);
        ck_assert(fabs(number[2] - norms->layers[0].norms[4]) < 1e-8);
        for (int j = 0; j < 4; j++)
            ck_assert(fabs(number[3 + j] - norms->parameters[j].gradient) < 1e-8);
    }
    ck_assert_ptr_null(fgets(line, sizeof line, file));
    fclose(file);
    leave_folder();
    ck_assert_ptr_null(tl_fit(model, tl_dataset_of(x, y),
                              .callbacks = tl_callbacks(tl_gradient_log("/nonexistent/log.csv", x, y))));
    EXPECT_ERROR(TL_ERROR_IO, "gradient_log: cannot write /nonexistent/log.csv: No such file or directory");
    tl_gradient_norms_free(norms);
    tl_history_free(history);
    tl_model_free(model);
    tl_tensor_free(&x);
    tl_tensor_free(&y);
}
END_TEST

int main(void)
{
    return RUN_SUITE("gradient_norms", a_layer_by_hand, layers_on_layers, both_directions,
                     a_cell_of_the_users, training_goes_on_as_if_nobody_had_looked, mistakes,
                     text_and_picture, a_model_without_time, a_log);
}
