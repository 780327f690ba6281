/* Gradients of models with a bit of everything: words with padding through both directions, normalization,
 * dropout, a cell and an op of a user's, and pooling, to each of the losses in each of its forms. */
#include "tests/nn/cells_internal.h"
#include "tests/nn/gradcheck_internal.h"

enum { ROWS = 11, TIME = 5, CLASSES = 3, MOST_LAYERS = 12 };

/* --- softplus, a layer of a user's with an op of its own --- */

static tl_status softplus_forward(const tl_op_call *call)
{
    const double *x = tl_data(*call->inputs[0]);
    double *y = tl_data_mut(call->output);
    for (int64_t i = 0; i < tl_tensor_count(call->output); i++)
        y[i] = log1p(exp(x[i]));
    return TL_OK;
}

static tl_status softplus_backward(const tl_op_call *call)
{
    const double *x = tl_data(*call->inputs[0]), *g = tl_data(call->grad_output);
    double *dx = tl_data_mut(call->grad_inputs[0]);
    for (int64_t i = 0; i < tl_tensor_count(call->output); i++)
        dx[i] = g[i] / (1 + exp(-x[i]));
    return TL_OK;
}

static tl_status build_softplus(tl_module *module, tl_builder *builder, tl_shape input, tl_shape *output)
{
    (void)module, (void)builder;
    *output = input;
    return TL_OK;
}

static tl_var *apply_softplus(const tl_module *module, tl_var *x)
{
    static const tl_op softplus = {.name = "softplus",
                                   .inputs = 1,
                                   .reads = TL_READS_INPUTS,
                                   .infer = tl_infer_same,
                                   .forward = softplus_forward,
                                   .backward = softplus_backward};
    (void)module;
    return tl_set_mask(tl_apply(&softplus, &x, 1, NULL, 0), tl_mask_of(x));
}

static tl_module *softplus_layer(void)
{
    static const tl_module_type type = {
        .name = "softplus", .build = build_softplus, .forward = apply_softplus, .takes_mask = true};
    return tl_module_new(&type, sizeof(tl_module));
}

/* --- The model --- */

typedef struct stack {
    user_cell cell;
    tl_module *layers[MOST_LAYERS];
    int count;
} stack;

static void add(stack *s, tl_module *layer)
{
    ck_assert_msg(layer != NULL, "%s", tl_error_message());
    s->layers[s->count++] = layer;
}

/* How a sequence becomes what is predicted. */
typedef enum ending { THE_LAST, THE_MEAN, THE_MAXIMUM, EVERY_STEP, ENDINGS } ending;

/* Few words, whose embeddings are projected as a table, or more than there are positions. */
static void add_body(stack *s, int64_t words, ending end)
{
    add(s, tl_embedding(words, 3, .mask_zero = true));
    add(s, tl_bidirectional(tl_simple_rnn(2, .return_sequences = true),
                            tl_simple_rnn(2, .return_sequences = true)));
    add(s, tl_layer_normalization());
    add(s, tl_dropout_layer(0.2));
    add(s, softplus_layer());
    s->cell = new_cell(0, 3, true);
    add(s, tl_rnn(&s->cell, .return_sequences = end != THE_LAST));
    if (end == THE_MEAN)
        add(s, tl_global_average_pooling_1d());
    if (end == THE_MAXIMUM)
        add(s, tl_global_max_pooling_1d());
}

/* Each loss with its activation fused into it, with logits, and with probabilities that come from elsewhere:
 * a last layer that does nothing keeps the two apart. */
static const struct {
    const char *name;
    tl_loss loss;
    tl_activation activation;
    bool from_logits, apart;
} losses[] = {{"binary", TL_BINARY_CROSSENTROPY, TL_SIGMOID, false, false},
              {"binary, logits", TL_BINARY_CROSSENTROPY, TL_LINEAR, true, false},
              {"binary, apart", TL_BINARY_CROSSENTROPY, TL_SIGMOID, false, true},
              {"categorical", TL_CATEGORICAL_CROSSENTROPY, TL_SOFTMAX, false, false},
              {"categorical, logits", TL_CATEGORICAL_CROSSENTROPY, TL_LINEAR, true, false},
              {"categorical, apart", TL_CATEGORICAL_CROSSENTROPY, TL_SOFTMAX, false, true},
              {"sparse", TL_SPARSE_CATEGORICAL_CROSSENTROPY, TL_SOFTMAX, false, false},
              {"sparse, logits", TL_SPARSE_CATEGORICAL_CROSSENTROPY, TL_LINEAR, true, false},
              {"sparse, apart", TL_SPARSE_CATEGORICAL_CROSSENTROPY, TL_SOFTMAX, false, true},
              {"squared", TL_MEAN_SQUARED_ERROR, TL_LINEAR, false, false},
              {"squared, tanh", TL_MEAN_SQUARED_ERROR, TL_TANH, false, false}};
enum { LOSSES = sizeof losses / sizeof losses[0] };

static tl_model *new_model(stack *s, int loss, int64_t words, ending end)
{
    add_body(s, words, end);
    add(s, tl_dense(CLASSES, .activation = losses[loss].activation));
    if (losses[loss].apart)
        add(s, tl_dropout_layer(0));
    tl_model *model = tl_sequential_of(s->layers, s->count);
    check_ok(tl_compile(model, .optimizer = tl_adam(), .loss = losses[loss].loss,
                        .from_logits = losses[loss].from_logits));
    return build_randomly(model, tl_shape(TIME), TL_F64, 0.7);
}

static tl_tensor new_targets(int loss, ending end)
{
    tl_shape rows = end == EVERY_STEP ? tl_shape(ROWS, TIME) : tl_shape(ROWS), all = rows;
    if (losses[loss].loss == TL_SPARSE_CATEGORICAL_CROSSENTROPY) {
        tl_tensor labels = tl_tensor_new(TL_I32, rows);
        int32_t *label = tl_data_mut(labels);
        for (int64_t i = 0; i < tl_tensor_count(labels); i++)
            label[i] = (int32_t)tl_random_below(6, 1, (uint64_t)i, CLASSES);
        return labels;
    }
    all.dims[all.rank++] = CLASSES;
    tl_tensor targets = tl_tensor_new(TL_F64, all);
    check_ok(tl_random_fill_uniform(targets, 0, 1, 6, 2));
    return targets;
}

START_TEST(a_bit_of_everything)
{
    static const int64_t words[] = {6, 80}; /* of 55 positions */
    for (int end = 0; end < ENDINGS; end++)
        for (int i = 0; i < 2; i++) {
            stack s = {.count = 0};
            tl_model *model = new_model(&s, _i, words[i], (ending)end);
            tl_tensor x = padded_ids(ROWS, TIME, words[i], 1), y = new_targets(_i, (ending)end);
            tl_gradcheck_options options = strict;
            options.fast_mode = i == 1 && end != THE_LAST; /* most of many words are in no row */
            tl_gradcheck_report report;
            tl_status status = tl_gradcheck_model(model, x, y, &options, &report);
            ck_assert_msg(status == TL_OK, "%s, ending %d, %lld words: %s", losses[_i].name, end,
                          (long long)words[i], tl_error_message());
            count_check(&report);
            tl_tensor_free(&x);
            tl_tensor_free(&y);
            tl_model_free(model);
        }
    print_counts(losses[_i].name);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("gradcheck of composed models");
    tcase_add_checked_fixture(tests, use_one_thread, NULL);
    tcase_add_loop_test(tests, a_bit_of_everything, 0, LOSSES);
    return run_tests("gradcheck of composed models", tests);
}
