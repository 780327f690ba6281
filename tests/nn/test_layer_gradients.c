/* Gradients of models with what may stand around recurrent layers: both directions, normalization, masking,
 * pooling, one-hot input, dropout along time; on a tape and through the trainer. */
#include "tests/nn/cells_internal.h"
#include "tests/nn/gradients_internal.h"

enum { ROWS = 13, TIME = 4, WIDTH = 3, WORDS = 6, MOST_LAYERS = 8 };

/* A model in the making. The cells outlive it. */
typedef struct stack {
    user_cell cells[2];
    tl_module *layers[MOST_LAYERS];
    int count;
} stack;

static void add(stack *s, tl_module *layer)
{
    ck_assert_msg(layer != NULL, "%s", tl_error_message());
    s->layers[s->count++] = layer;
}

static tl_module *new_rnn(void)
{
    return tl_simple_rnn(3, .return_sequences = true);
}

/* --- What is checked --- */

static void add_merged(stack *s, tl_merge_mode mode, bool sequences)
{
    s->cells[0] = new_cell(0, 3, true);
    s->cells[1] = new_cell(1, 3, true);
    add(s, tl_bidirectional(tl_rnn(&s->cells[0], .return_sequences = sequences),
                            tl_rnn(&s->cells[1], .return_sequences = sequences), .merge_mode = mode));
}

static void add_concatenated(stack *s)
{
    add_merged(s, TL_MERGE_CONCAT, false);
}

static void add_summed(stack *s)
{
    add_merged(s, TL_MERGE_SUM, true);
}

static void add_multiplied(stack *s)
{
    add_merged(s, TL_MERGE_MUL, true);
}

static void add_averaged(stack *s)
{
    add_merged(s, TL_MERGE_AVE, false);
}

static void add_normalized(stack *s)
{
    add(s, tl_layer_normalization());
    add(s, new_rnn());
    add(s, tl_layer_normalization(.no_scale = true));
    add(s, new_rnn());
    add(s, tl_layer_normalization(.no_center = true));
}

static void add_mean(stack *s)
{
    add(s, new_rnn());
    add(s, tl_global_average_pooling_1d());
}

static void add_maximum(stack *s)
{
    add(s, new_rnn());
    add(s, tl_global_max_pooling_1d());
}

/* The state reaches the next in two ways, and loses elements on one of them. */
static tl_var *leaky_step(void *self, tl_var *x, tl_var *state[])
{
    user_cell *c = self;
    tl_var *recurrent = user_recurrent(c, tl_dropped(x, state[0]), 0);
    return state[0] = tl_add(tl_scale(state[0], 0.5), tl_tanh(tl_add(user_input(c, x), recurrent)));
}

static void add_dropped(stack *s)
{
    s->cells[0] = new_cell(3, 3, true); /* one gate */
    s->cells[0].cell.step = leaky_step;
    s->cells[0].cell.applies_dropout = true;
    add(s, tl_rnn(&s->cells[0], .return_sequences = true, .dropout = 0.3, .recurrent_dropout = 0.3));
    add(s, tl_bidirectional(tl_simple_rnn(2, .recurrent_dropout = 0.5), tl_simple_rnn(2, .dropout = 0.5)));
}

static const struct {
    void (*add)(stack *s);
    bool sequences;
} parts[] = {{add_concatenated, false}, {add_summed, true}, {add_multiplied, true}, {add_averaged, false},
             {add_normalized, true},    {add_mean, false},  {add_maximum, false},   {add_dropped, false}};
enum { PARTS = sizeof parts / sizeof parts[0], DRAWING = 1 }; /* the last draws anew in every step */

static tl_model *finish(stack *s)
{
    add(s, tl_dense(2));
    return tl_sequential_of(s->layers, s->count);
}

/* --- On a tape --- */

/* In front, behind, in between, and all of a row. */
static tl_tensor new_mask(void)
{
    static const uint8_t steps[][TIME] = {
        {1, 1, 1, 1}, {0, 0, 1, 1}, {1, 1, 0, 0}, {1, 0, 0, 1}, {0, 0, 0, 0}};
    return tl_tensor_of(TL_U8, tl_shape(5, TIME), steps);
}

START_TEST(on_a_tape)
{
    tl_tensor x = random_tensor(TL_F64, tl_shape(5, TIME, WIDTH), 1);
    for (int masked = 0; masked < 2; masked++) {
        stack s = {.count = 0};
        parts[_i].add(&s);
        tl_model *model = build_randomly(finish(&s), tl_shape(TIME, WIDTH), TL_F64, 0.7);
        tl_tensor mask = masked ? new_mask() : (tl_tensor){0};
        check_on_tape(model, x, mask);
        tl_tensor_free(&mask);
        tl_model_free(model);
    }
    tl_tensor_free(&x);
}
END_TEST

/* --- Through the trainer --- */

static tl_tensor padded_features(void)
{
    tl_tensor x = random_tensor(TL_F64, tl_shape(ROWS, TIME, WIDTH), 1);
    for (int64_t row = 0; row < ROWS; row++)
        tl_tensor_fill(tl_tensor_slice(tl_tensor_select(x, 0, row), 0, 0, row % TIME), 0);
    return x;
}

/* Behind an embedding, behind Masking, behind one-hot input: tables are projected for the first and the last.
 */
START_TEST(through_the_trainer)
{
    tl_shape target = parts[_i].sequences ? tl_shape(ROWS, TIME, 2) : tl_shape(ROWS, 2);
    tl_tensor words = padded_ids(ROWS, TIME, WORDS, 1), features = padded_features(),
              y = random_tensor(TL_F64, target, 2);
    for (int front = 0; front < 3; front++) {
        stack s = {.count = 0};
        add(&s, front == 0   ? tl_embedding(WORDS, WIDTH, .mask_zero = true)
                : front == 1 ? tl_masking()
                             : tl_category_encoding(WORDS));
        parts[_i].add(&s);
        check_trained(finish(&s), front == 1 ? tl_shape(TIME, WIDTH) : tl_shape(TIME),
                      front == 1 ? features : words, y, TL_MEAN_SQUARED_ERROR);
    }
    tl_tensor *all[] = {&words, &features, &y};
    for (int i = 0; i < 3; i++)
        tl_tensor_free(all[i]);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("layer_gradients");
    tcase_add_loop_test(tests, on_a_tape, 0, PARTS);
    tcase_add_loop_test(tests, through_the_trainer, 0, PARTS - DRAWING);
    return run_tests("layer_gradients", tests);
}
