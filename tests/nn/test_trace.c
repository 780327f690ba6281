/* Models that detect anomalies: the layer and the time step that are named, in all directions, and that
 * training is the same bit for bit. */
#include "autograd/trace.h"
#include "tensor/threads.h"
#include "tests/nn/cells_internal.h"
#include "tests/nn/testing_internal.h"

enum { TIME = 41, ROWS = 3, FEATURES = 2 };

/* h_t = h_(t-1) / 2 + sqrt(x_t w), with w = 1: a negative x is NaN forward, a 0 infinite on the way back. */
typedef struct root_cell {
    tl_cell cell;
    tl_parameter *w;
} root_cell;

static tl_status root_build(void *self, tl_builder *builder, int64_t features)
{
    root_cell *c = self;
    c->w = tl_build_parameter(builder, "w", tl_shape(features), TL_ONES);
    return c->w ? TL_OK : tl_error_status();
}

static tl_var *root_step(void *self, tl_var *x, tl_var *state[])
{
    const root_cell *c = self;
    tl_var *root = tl_sqrt(tl_mul(x, tl_use(tl_tape_of(x), c->w)));
    return state[0] = tl_add(tl_scale(state[0], 0.5), root);
}

static root_cell new_root(void)
{
    return (root_cell){
        .cell = {.name = "root", .states = {FEATURES}, .build = root_build, .step = root_step}};
}

static tl_tensor ones(int64_t time)
{
    tl_tensor x = tl_tensor_new(TL_F32, tl_shape(ROWS, time, FEATURES));
    tl_tensor_fill(x, 1);
    return x;
}

static void set(tl_tensor x, int64_t row, int64_t t, int64_t feature, double value)
{
    tl_tensor_fill(tl_tensor_select(tl_tensor_select(tl_tensor_select(x, 0, row), 0, t), 0, feature), value);
}

/* The ways of a layer through a sequence. */
static const struct way {
    const char *name, *scope;
    bool backwards, sequences, bidirectional, stacked, masked;
    int64_t checkpoint_every;
} ways[] = {
    {"forwards", "root", .sequences = false},
    {"sequences", "root", .sequences = true},
    {"backwards", "root", .backwards = true},
    {"backwards, sequences", "root", .backwards = true, .sequences = true},
    {"both ways", "bidirectional/forward_root", .bidirectional = true},
    {"both ways, sequences", "bidirectional/forward_root", .bidirectional = true, .sequences = true},
    {"stacked", "root", .stacked = true, .sequences = true},
    {"masked", "root", .masked = true},
    {"masked, backwards", "root", .masked = true, .backwards = true},
    {"in segments", "root", .checkpoint_every = 16},
    {"in segments, sequences, backwards", "root", .checkpoint_every = 16, .sequences = true,
     .backwards = true},
};
enum { WAYS = sizeof ways / sizeof ways[0] };

typedef struct cells {
    root_cell a, b;
} cells;

static tl_model *model_of(const struct way *w, cells *c)
{
    c->a = c->b = new_root();
    tl_module *layer = tl_rnn(&c->a, .return_sequences = w->sequences, .go_backwards = w->backwards,
                              .checkpoint_every = w->checkpoint_every);
    if (w->bidirectional)
        layer = tl_bidirectional(layer, tl_rnn(&c->b, .return_sequences = w->sequences));
    tl_module *last = w->sequences ? tl_simple_rnn(4) : tl_dense(3);
    tl_model *model =
        w->stacked  ? tl_sequential(layer, tl_simple_rnn(4, .return_sequences = true), last, tl_dense(1))
        : w->masked ? tl_sequential(tl_masking(.mask_value = 7), layer, last, tl_dense(1))
                    : tl_sequential(layer, last, tl_dense(1));
    ck_assert_msg(model != NULL, "%s", tl_error_message());
    check_ok(tl_compile(model, .optimizer = tl_sgd(), .loss = TL_MEAN_SQUARED_ERROR));
    return model;
}

static tl_status train(tl_model *model, tl_tensor x)
{
    tl_tensor y = tl_tensor_new(TL_F32, tl_shape(x.shape.dims[0], 1));
    tl_status status = tl_train_on_batch(model, x, y, NULL);
    tl_tensor_free(&y);
    return status;
}

/* The message begins so. */
static void expect_start(const struct way *w, int64_t t, const char *start)
{
    ck_assert_int_eq(tl_error_status(), TL_ERROR_NUMERIC);
    ck_assert_msg(strncmp(tl_error_message(), start, strlen(start)) == 0, "%s, t = %lld: %s, expected %s",
                  w->name, (long long)t, tl_error_message(), start);
}

static const int64_t steps[] = {0, 1, 15, 16, 17, 31, 32, TIME - 1};
enum { STEPS = sizeof steps / sizeof steps[0] };

START_TEST(the_time_step_is_the_right_one)
{
    for (int i = 0; i < WAYS * STEPS * 2; i++) {
        const struct way *w = &ways[i % WAYS];
        const int64_t t = steps[i / WAYS % STEPS];
        const bool back = i / WAYS / STEPS;
        cells c;
        char start[160];
        tl_model *model = model_of(w, &c);
        tl_tensor x = ones(TIME);
        if (w->masked) /* one row is left out here and there, the other two are not */
            for (int64_t k = 0; k < TIME; k += 3)
                for (int64_t j = 0; j < FEATURES; j++)
                    set(x, 0, k, j, 7);
        set(x, 2, t, 1, back ? 0 : -1);
        check_ok(train(model, x)); /* nobody looks, and nobody minds but the weights */
        tl_model_free(model);
        model = model_of(w, &c);
        tl_model_set_detect_anomaly(model, true);
        ck_assert_int_eq(train(model, x), TL_ERROR_NUMERIC);
        snprintf(start, sizeof start, "sqrt: %s, in %s/t=%lld: %s", back ? "backward" : "forward", w->scope,
                 (long long)t,
                 back ? "gradient of input 0 is " : "result is NaN at [2, 1], where input 0 is -1;");
        if (back && w->bidirectional) /* the other direction comes first on the way back */
            snprintf(start, sizeof start, "sqrt: backward, in bidirectional/backward_root/t=%lld: gradient",
                     (long long)t);
        expect_start(w, t, start);
        tl_model_free(model);
        tl_tensor_free(&x);
    }
}
END_TEST

/* What a projection for 16 steps at once finds is pinned to its step. */
START_TEST(a_step_of_a_projection)
{
    for (int i = 0; i < STEPS * 4; i++) {
        const int64_t t = steps[i / 4];
        char expected[400];
        tl_module *layer = tl_simple_rnn(4, .go_backwards = i & 1, .checkpoint_every = i & 2 ? 16 : 0);
        tl_model *model = tl_sequential(layer, tl_dense(1));
        check_ok(tl_compile(model, .optimizer = tl_sgd(), .loss = TL_MEAN_SQUARED_ERROR));
        tl_model_set_detect_anomaly(model, true);
        tl_tensor x = ones(TIME);
        check_ok(train(model, x));
        set(x, 1, t, 1, NAN);
        ck_assert_int_eq(train(model, x), TL_ERROR_NUMERIC);
        const int64_t first = t / 16 * 16, count = TIME - first < 16 ? TIME - first : 16;
        snprintf(
            expected, sizeof expected,
            "affine: forward, in simple_rnn/t=%lld: result is NaN at [1, %lld, 0]; inputs [3, %lld, 2], "
            "[2, 4], [4], result [3, %lld, 4]; input 0 brings it in: NaN at [1, %lld, 1]; in training step 2",
            (long long)t, (long long)(t - first), (long long)count, (long long)count, (long long)(t - first));
        EXPECT_ERROR(TL_ERROR_NUMERIC, expected);
        tl_model_free(model);
        tl_tensor_free(&x);
    }
}
END_TEST

/* A linear recurrence that grows by 1e10 a step is beyond f32 in its fourth. */
START_TEST(an_explosion)
{
    tl_model *model = tl_sequential(tl_simple_rnn(1, .activation = TL_LINEAR), tl_dense(1));
    check_ok(tl_compile(model, .optimizer = tl_sgd(), .loss = TL_MEAN_SQUARED_ERROR));
    check_ok(tl_build(model, tl_shape(6, FEATURES), TL_F32, 0));
    tl_model_set_detect_anomaly(model, true);
    tl_tensor_fill(parameter_of(model, "simple_rnn/kernel")->value, 0.5);
    tl_tensor_fill(parameter_of(model, "simple_rnn/recurrent_kernel")->value, 1e10);
    tl_tensor x = ones(6), y = tl_tensor_new(TL_F32, tl_shape(ROWS));
    const char *expected =
        "affine: forward, in simple_rnn/t=4: result is infinity at [0, 0], where input 0 "
        "is 1e+30 and input 2 is 1; inputs [3, 1], [1, 1], [3, 1], result [3, 1], inputs all "
        "finite";
    char in_training[400];
    snprintf(in_training, sizeof in_training, "%s; in training step 1", expected);
    ck_assert_ptr_null(tl_fit(model, tl_dataset_of(x, y)));
    EXPECT_ERROR(TL_ERROR_NUMERIC, in_training);
    tl_tensor predicted = tl_predict(model, x, 0);
    ck_assert(!tl_tensor_ok(predicted));
    EXPECT_ERROR(TL_ERROR_NUMERIC, expected);
    tl_metrics metrics;
    ck_assert_int_eq(tl_evaluate(model, tl_dataset_of(x, y), 0, &metrics), TL_ERROR_NUMERIC);
    EXPECT_ERROR(TL_ERROR_NUMERIC, expected);
    tl_model_set_detect_anomaly(model, false);
    predicted = tl_predict(model, x, 0);
    ck_assert(isinf(tl_tensor_at(predicted, (int64_t[]){0, 0})) ||
              isnan(tl_tensor_at(predicted, (int64_t[]){0, 0})));
    tl_tensor_free(&predicted);
    tl_tensor_free(&x);
    tl_tensor_free(&y);
    tl_model_free(model);
}
END_TEST

START_TEST(a_loss_and_an_optimizer)
{
    tl_model *model = tl_sequential(tl_dense(1, .no_bias = true));
    check_ok(tl_compile(model, .optimizer = tl_sgd(.learning_rate = 1e38), .loss = TL_MEAN_SQUARED_ERROR));
    check_ok(tl_build(model, tl_shape(2), TL_F32, 0));
    tl_model_set_detect_anomaly(model, true);
    tl_tensor_fill(parameter_of(model, "dense/kernel")->value, 1);
    tl_tensor x = tl_tensor_of(TL_F32, tl_shape(1, 2), (float[]){1, 2}),
              y = tl_tensor_of(TL_F32, tl_shape(1), (float[]){-1e20F});
    ck_assert_int_eq(tl_train_on_batch(model, x, y, NULL), TL_ERROR_NUMERIC);
    ck_assert_msg(strstr(tl_error_message(), "forward, in loss: result is infinity at [0") != NULL, "%s",
                  tl_error_message());
    tl_tensor_fill(y, -1);
    ck_assert_int_eq(tl_train_on_batch(model, x, y, NULL), TL_ERROR_NUMERIC);
    EXPECT_ERROR(TL_ERROR_NUMERIC,
                 "sgd: after its step parameter dense/kernel [2, 1] is -infinity at [0, 0], its "
                 "gradient having been finite; in training step 1");
    tl_tensor_free(&x);
    tl_tensor_free(&y);
    tl_model_free(model);
}
END_TEST

/* Where a table of embeddings is projected in place of sequences, that is in the layer's scope. */
START_TEST(a_table_that_was_projected)
{
    tl_model *model = tl_sequential(tl_embedding(5, 3), tl_simple_rnn(4), tl_dense(1));
    check_ok(tl_compile(model, .optimizer = tl_sgd(), .loss = TL_MEAN_SQUARED_ERROR));
    check_ok(tl_build(model, tl_shape(9), TL_F32, 0));
    tl_model_set_detect_anomaly(model, true);
    tl_tensor_fill(tl_tensor_select(parameter_of(model, "embedding/embeddings")->value, 0, 3), INFINITY);
    tl_tensor x = random_ids(tl_shape(8, 9), 5, 1), y = tl_tensor_new(TL_F32, tl_shape(8));
    ck_assert_int_eq(tl_train_on_batch(model, x, y, NULL), TL_ERROR_NUMERIC);
    const char *start = "affine: forward, in simple_rnn: result is ";
    ck_assert_msg(strncmp(tl_error_message(), start, strlen(start)) == 0, "%s", tl_error_message());
    ck_assert_msg(strstr(tl_error_message(),
                         "input 0 (parameter embedding/embeddings) brings it in: infinity at [3, 0]"),
                  "%s", tl_error_message());
    tl_tensor_free(&x);
    tl_tensor_free(&y);
    tl_model_free(model);
}
END_TEST

/* On the bare tape, where a layer is run by hand. */
START_TEST(a_layer_on_the_bare_tape)
{
    tl_model *model = tl_sequential(tl_simple_rnn(1, .activation = TL_LINEAR, .return_sequences = true));
    check_ok(tl_build(model, tl_shape(20, FEATURES), TL_F32, 0));
    tl_tape *tape = tl_tape_new();
    tl_tape_set_detect_anomaly(tape, true);
    tl_tensor x = ones(20);
    set(x, 0, 19, 0, NAN);
    check_ok(tl_scope_push(tape, "encoder"));
    ck_assert_ptr_null(tl_forward(model, tl_input(tape, x)));
    const char *start = "affine: forward, in encoder/simple_rnn/t=19: result is NaN at [0, 3, 0]; ";
    ck_assert_msg(strncmp(tl_error_message(), start, strlen(start)) == 0, "%s", tl_error_message());
    tl_scope_pop(tape);
    ck_assert_ptr_null(tl_log(tl_input(tape, x)));
    ck_assert_msg(strncmp(tl_error_message(), "log: forward: ", 14) == 0, "%s", tl_error_message());
    tl_tape_free(tape);
    tl_tensor_free(&x);
    tl_model_free(model);
}
END_TEST

/* --- The same bits --- */

static tl_model *trained(int which, bool detects, user_cell *cell)
{
    *cell = new_cell(which % USER_CELLS, 9, which & 1);
    tl_module *embedding = tl_embedding(30, 8, .mask_zero = which % 4 != 3);
    tl_module *layers[] = {
        tl_simple_rnn(11, .checkpoint_every = which & 2 ? 16 : 0),
        tl_rnn(cell, .go_backwards = true, .recurrent_dropout = 0.1),
        tl_simple_rnn(32, .activation = TL_RELU, .dropout = 0.2, .go_backwards = which & 1),
        tl_bidirectional(tl_simple_rnn(5), tl_simple_rnn(7, .activation = TL_SIGMOID)),
    };
    enum { LAYERS = sizeof layers / sizeof layers[0] };
    tl_module *chosen = layers[which / 4];
    for (int i = 0; i < LAYERS; i++)
        if (layers[i] != chosen)
            tl_module_free(layers[i]);
    tl_model *model = tl_sequential(embedding, tl_simple_rnn(9, .return_sequences = true), chosen,
                                    tl_dense(1, .activation = TL_SIGMOID));
    check_ok(tl_compile(model, .optimizer = tl_rmsprop(), .loss = TL_BINARY_CROSSENTROPY));
    tl_model_set_detect_anomaly(model, detects);
    tl_tensor x = padded_ids(50, 37, 30, 1), y = random_labels(50, 2, 2);
    tl_history *history = tl_fit(model, tl_dataset_of(x, y), .epochs = 2, .batch_size = 20);
    ck_assert_msg(history != NULL, "%s", tl_error_message());
    tl_history_free(history);
    tl_tensor_free(&x);
    tl_tensor_free(&y);
    return model;
}

START_TEST(no_bit_depends_on_it)
{
    for (int i = 0; i < 16; i++) {
        check_ok(tl_set_threads(1 + i % 2));
        user_cell cells_of[2];
        tl_model *plain = trained(i, false, &cells_of[0]), *traced = trained(i, true, &cells_of[1]);
        ck_assert_msg(same_weights(plain, traced), "model %d is off by %g", i, weights_apart(plain, traced));
        tl_model_free(plain);
        tl_model_free(traced);
    }
}
END_TEST

/* --- What comes after --- */

/* Gradients of shards that are finite one by one, and not their sum, which no later batch adds to. */
START_TEST(a_refused_batch_leaves_no_gradient)
{
    tl_model *model = tl_sequential(tl_dense(1, .no_bias = true));
    tl_tensor x = tl_tensor_new(TL_F32, tl_shape(32, 1)), y = tl_tensor_new(TL_F32, tl_shape(32, 1));
    check_ok(tl_compile(model, .optimizer = tl_sgd(), .loss = TL_MEAN_SQUARED_ERROR));
    check_ok(tl_build(model, tl_shape(1), TL_F32, 0));
    tl_model_set_detect_anomaly(model, true);
    tl_tensor_fill(x, 1e19);
    tl_tensor_fill(y, -1.75e19);
    tl_tensor_fill(parameter_of(model, "dense/kernel")->value, 0);
    ck_assert_int_eq(tl_train_on_batch(model, x, y, NULL), TL_ERROR_NUMERIC);
    check_error(TL_ERROR_NUMERIC, "backward: the gradient of parameter dense/kernel [1, 1] is infinity");
    tl_tensor_fill(x, 1);
    tl_tensor_fill(y, 1);
    check_ok(tl_train_on_batch(model, x, y, NULL));
    ck_assert(tl_tensor_item(parameter_of(model, "dense/kernel")->value) > 0);
    tl_tensor_free(&x);
    tl_tensor_free(&y);
    tl_model_free(model);
}
END_TEST

int main(void)
{
    return RUN_SUITE("trace", the_time_step_is_the_right_one, a_step_of_a_projection, an_explosion,
                     a_loss_and_an_optimizer, a_table_that_was_projected, a_layer_on_the_bare_tape,
                     no_bit_depends_on_it, a_refused_batch_leaves_no_gradient);
}
