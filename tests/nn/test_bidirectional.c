/* tl_bidirectional: against its two layers run by hand, and as a layer of a model. */
#include "tensor/threads.h"
#include "tests/nn/cells_internal.h"
#include "tests/nn/folder_internal.h"
#include "tests/nn/testing_internal.h"

enum { ROWS = 4, TIME = 6, WIDTH = 3, UNITS = 4, MODES = 4, WORDS = 9 };

/* Layers by number: SimpleRNN, then the user's cells. `cell` must outlive it. */
enum { LAYERS = 1 + USER_CELLS };

static tl_module *new_layer(user_cell *cell, int which, bool sequences, bool backwards)
{
    if (which == 0)
        return tl_simple_rnn(UNITS, .return_sequences = sequences, .go_backwards = backwards);
    *cell = new_cell(which - 1, UNITS, true);
    return tl_rnn(cell, .return_sequences = sequences, .go_backwards = backwards);
}

/* --- By hand --- */

/* The wrapper, and each of its layers in a model of its own, all with the same weights. */
typedef struct trio {
    user_cell cells[4];
    tl_model *both, *one, *other;
} trio;

static void make(trio *t, int which, bool sequences, tl_merge_mode mode)
{
    t->both =
        tl_sequential(tl_bidirectional(new_layer(&t->cells[0], which, sequences, false),
                                       new_layer(&t->cells[1], which, sequences, false), .merge_mode = mode));
    t->one = tl_sequential(new_layer(&t->cells[2], which, sequences, false));
    t->other = tl_sequential(new_layer(&t->cells[3], which, sequences, true));
    build_randomly(t->both, tl_shape(TIME, WIDTH), TL_F64, 0.6);
    tl_model *parts[] = {t->one, t->other};
    int count, of_part;
    tl_parameter *const *from = tl_model_parameters(t->both, &count);
    for (int i = 0; i < 2; i++) {
        check_ok(tl_build(parts[i], tl_shape(TIME, WIDTH), TL_F64, 0));
        tl_parameter *const *to = tl_model_parameters(parts[i], &of_part);
        ck_assert_int_eq(count, 2 * of_part);
        for (int j = 0; j < of_part; j++)
            check_ok(tl_tensor_copy(to[j]->value, from[i * of_part + j]->value));
    }
}

static void unmake(trio *t)
{
    tl_model_free(t->both);
    tl_model_free(t->one);
    tl_model_free(t->other);
}

static tl_tensor reversed_in_time(tl_tensor x)
{
    tl_tensor result = tl_tensor_new(x.dtype, x.shape);
    int64_t steps = x.shape.dims[1];
    for (int64_t t = 0; t < steps; t++)
        check_ok(tl_tensor_copy(tl_tensor_select(result, 1, steps - 1 - t), tl_tensor_select(x, 1, t)));
    return result;
}

static double merged(tl_merge_mode mode, double a, double b)
{
    return mode == TL_MERGE_SUM ? a + b : mode == TL_MERGE_MUL ? a * b : (a + b) / 2;
}

/* The outputs of the two, as a user would put them together. */
static tl_tensor merge_by_hand(tl_merge_mode mode, tl_tensor a, tl_tensor b)
{
    tl_shape shape = a.shape;
    int last = shape.rank - 1;
    if (mode == TL_MERGE_CONCAT)
        shape.dims[last] *= 2;
    tl_tensor out = tl_tensor_new(TL_F64, shape);
    if (mode == TL_MERGE_CONCAT) {
        check_ok(tl_tensor_copy(tl_tensor_slice(out, last, 0, UNITS), a));
        check_ok(tl_tensor_copy(tl_tensor_slice(out, last, UNITS, UNITS), b));
        return out;
    }
    double *to = tl_data_mut(out);
    for (int64_t i = 0; i < tl_tensor_count(out); i++)
        to[i] = merged(mode, element(a, i), element(b, i));
    return out;
}

/* Padding in front of some rows, behind others, within one; the last row is nothing else. */
static tl_tensor new_mask(void)
{
    static const uint8_t steps[] = {1, 1, 1, 1, 1, 1, 0, 0, 1, 1, 1, 1, 1, 1, 1, 0, 1, 0, 0, 0, 0, 0, 0, 0};
    return tl_tensor_of(TL_U8, tl_shape(ROWS, TIME), steps);
}

static void check_against_hand(int which, bool sequences, bool masked, tl_merge_mode mode)
{
    trio t;
    make(&t, which, sequences, mode);
    tl_tensor x = random_tensor(TL_F64, tl_shape(ROWS, TIME, WIDTH), 4),
              mask = masked ? new_mask() : (tl_tensor){0};
    tl_tensor out = output_of(t.both, x, mask), one = output_of(t.one, x, mask),
              other = output_of(t.other, x, mask);
    if (sequences) { /* in the order in which it went */
        tl_tensor in_order = reversed_in_time(other);
        tl_tensor_free(&other);
        other = in_order;
    }
    tl_tensor expected = merge_by_hand(mode, one, other);
    ck_assert_msg(difference(out, expected) < 1e-15, "mode %d, sequences %d, masked %d: %g apart", (int)mode,
                  sequences, masked, difference(out, expected));
    tl_tensor *all[] = {&x, &mask, &out, &one, &other, &expected};
    for (int i = 0; i < 6; i++)
        tl_tensor_free(all[i]);
    unmake(&t);
}

START_TEST(it_is_two_layers_by_hand)
{
    for (int flags = 0; flags < 4; flags++)
        check_against_hand(_i % LAYERS, flags & 1, flags & 2, (tl_merge_mode)(_i / LAYERS));
}
END_TEST

/* --- Padding --- */

/* A row in the company of others, padded in front or behind, against the same row alone and whole. */
START_TEST(padding_changes_nothing)
{
    enum { FIRST = 2, LENGTH = 3 };
    bool sequences = _i & 1, behind = _i & 2;
    trio t;
    make(&t, _i / 4, sequences, TL_MERGE_CONCAT);
    tl_tensor x = random_tensor(TL_F64, tl_shape(2, TIME, WIDTH), 4),
              mask = tl_tensor_new(TL_U8, tl_shape(2, TIME));
    int64_t start = behind ? 0 : TIME - LENGTH;
    tl_tensor_fill(tl_tensor_select(mask, 0, 0), 1);
    tl_tensor_fill(tl_tensor_slice(tl_tensor_select(mask, 0, 1), 0, start, LENGTH), 1);
    tl_tensor alone = tl_tensor_slice(tl_tensor_slice(x, 0, 1, 1), 1, start, LENGTH);
    tl_tensor together = output_of(t.both, x, mask), by_itself = output_of(t.both, alone, (tl_tensor){0});
    tl_tensor row = tl_tensor_slice(together, 0, 1, 1);
    if (sequences)
        row = tl_tensor_slice(row, 1, start, LENGTH);
    ck_assert(same_bits(row, by_itself));
    tl_tensor *all[] = {&x, &mask, &together, &by_itself};
    for (int i = 0; i < 4; i++)
        tl_tensor_free(all[i]);
    unmake(&t);
}
END_TEST

START_TEST(the_mask_goes_on_with_sequences)
{
    for (int sequences = 0; sequences < 2; sequences++) {
        trio t;
        make(&t, 0, sequences, TL_MERGE_SUM);
        tl_tensor x = random_tensor(TL_F64, tl_shape(ROWS, TIME, WIDTH), 4), mask = new_mask();
        tl_tape *tape = tl_tape_new();
        tl_tensor out = tl_mask_of(tl_forward(t.both, tl_set_mask(tl_input(tape, x), mask)));
        ck_assert_int_eq(tl_tensor_ok(out), sequences);
        ck_assert(!sequences || same_bits(out, mask));
        tl_tape_free(tape);
        tl_tensor_free(&x);
        tl_tensor_free(&mask);
        unmake(&t);
    }
}
END_TEST

/* --- In a model --- */

START_TEST(parameters_are_named_by_direction)
{
    static const char *const names[] = {
        "bidirectional/forward_simple_rnn/kernel",    "bidirectional/forward_simple_rnn/recurrent_kernel",
        "bidirectional/forward_simple_rnn/bias",      "bidirectional/backward_gru/kernel",
        "bidirectional/backward_gru/recurrent",       "bidirectional/backward_gru/bias",
        "bidirectional_1/forward_simple_rnn/kernel",  "bidirectional_1/forward_simple_rnn/recurrent_kernel",
        "bidirectional_1/backward_simple_rnn/kernel", "bidirectional_1/backward_simple_rnn/recurrent_kernel"};
    enum { COUNT = sizeof names / sizeof names[0] };
    user_cell cell;
    tl_model *model = tl_sequential(
        tl_bidirectional(tl_simple_rnn(2, .return_sequences = true), new_layer(&cell, 1, true, true)),
        tl_bidirectional(tl_simple_rnn(3, .no_bias = true), tl_simple_rnn(1, .no_bias = true)));
    check_ok(tl_build(model, tl_shape(TIME, WIDTH), TL_F32, 0));
    int count;
    tl_parameter *const *parameters = tl_model_parameters(model, &count);
    ck_assert_int_eq(count, COUNT);
    for (int i = 0; i < COUNT; i++)
        ck_assert_str_eq(parameters[i]->name, names[i]);
    ck_assert(tl_shape_equal(parameter_of(model, names[6])->value.shape, tl_shape(2 + UNITS, 3)));
    tl_tensor x = random_tensor(TL_F32, tl_shape(ROWS, TIME, WIDTH), 1), y = tl_predict(model, x, 0);
    ck_assert(tl_shape_equal(y.shape, tl_shape(ROWS, 3 + 1)));
    tl_tensor_free(&x);
    tl_tensor_free(&y);
    tl_model_free(model);
}
END_TEST

/* Two on top of each other behind an embedding. A table with more rows than a batch has words is not
 * projected.
 */
static tl_model *new_text_model(user_cell cells[4], int which, int64_t rows, tl_dtype dtype)
{
    tl_model *model = tl_sequential(
        tl_embedding(rows, WIDTH, .mask_zero = true),
        tl_bidirectional(new_layer(&cells[0], which, true, false), new_layer(&cells[1], which, true, false)),
        tl_bidirectional(new_layer(&cells[2], which, false, false), new_layer(&cells[3], which, false, false),
                         .merge_mode = TL_MERGE_AVE),
        tl_dense(1, .activation = TL_SIGMOID));
    check_ok(tl_compile(model, .optimizer = tl_sgd(.learning_rate = 0.5), .loss = TL_BINARY_CROSSENTROPY));
    return build_randomly(model, tl_shape(TIME), dtype, 0.6);
}

static void train(tl_model *model, tl_dataset data)
{
    tl_history *history = tl_fit(model, data, .epochs = 2, .batch_size = 30);
    ck_assert_msg(history != NULL, "%s", tl_error_message());
    tl_history_free(history);
}

START_TEST(projecting_the_table_changes_nothing)
{
    user_cell cells[8];
    tl_model *on = new_text_model(cells, _i, WORDS, TL_F64),
             *off = new_text_model(cells + 4, _i, 500, TL_F64);
    int count;
    tl_parameter *const *p = tl_model_parameters(on, &count), *const *q = tl_model_parameters(off, &count);
    for (int i = 0; i < count; i++) {
        tl_tensor to = i > 0 ? q[i]->value : tl_tensor_slice(q[0]->value, 0, 0, WORDS);
        check_ok(tl_tensor_copy(to, p[i]->value));
    }
    tl_tensor x = padded_ids(50, TIME, WORDS, 1), y = random_labels(50, 2, 2);
    train(on, tl_dataset_of(x, y));
    train(off, tl_dataset_of(x, y));
    for (int i = 0; i < count; i++) {
        tl_tensor other = i > 0 ? q[i]->value : tl_tensor_slice(q[0]->value, 0, 0, WORDS);
        ck_assert_msg(difference(p[i]->value, other) < 1e-12, "%s", p[i]->name);
    }
    tl_tensor_free(&x);
    tl_tensor_free(&y);
    tl_model_free(on);
    tl_model_free(off);
}
END_TEST

START_TEST(threads_change_no_bit_and_files_keep_all)
{
    enter_folder();
    user_cell cells[3][4];
    tl_tensor x = padded_ids(50, TIME, WORDS, 1), y = random_labels(50, 2, 2), p[3];
    tl_model *models[3];
    for (int i = 0; i < 3; i++) {
        check_ok(tl_set_threads(i + 1));
        models[i] = new_text_model(cells[i], _i, WORDS, TL_F32);
        if (i < 2)
            train(models[i], tl_dataset_of(x, y));
        else
            check_ok(tl_load_weights(models[i], "w.safetensors"));
        if (i == 0)
            check_ok(tl_save(models[i], "w.safetensors"));
        p[i] = tl_predict(models[i], x, 0);
    }
    for (int i = 1; i < 3; i++) {
        ck_assert(same_weights(models[0], models[i]));
        ck_assert(same_bits(p[0], p[i]));
    }
    for (int i = 0; i < 3; i++) {
        tl_tensor_free(&p[i]);
        tl_model_free(models[i]);
    }
    tl_tensor_free(&x);
    tl_tensor_free(&y);
    leave_folder();
}
END_TEST

/* --- Errors --- */

static int freed;

static void count_free(void *self)
{
    (void)self;
    freed++;
}

static tl_var *first_step(void *self, tl_var *x, tl_var *state[])
{
    (void)self;
    return state[0] = x;
}

/* A layer that counts when it is freed. */
static tl_module *counted(tl_cell *cell, bool sequences, bool backwards)
{
    *cell = (tl_cell){.name = "counted", .states = {WIDTH}, .step = first_step, .free = count_free};
    return tl_rnn(cell, .return_sequences = sequences, .go_backwards = backwards);
}

static void check_refused(tl_module *layer, tl_status status, const char *message, int freed_by_it)
{
    ck_assert_ptr_null(layer);
    check_error(status, message);
    ck_assert_int_eq(freed, freed_by_it);
    freed = 0;
}

START_TEST(layers_that_do_not_go_together_are_refused)
{
    tl_cell a, b;
    check_refused(tl_bidirectional(counted(&a, false, false), counted(&b, true, false)), TL_ERROR_ARGUMENT,
                  "bidirectional: one layer returns sequences and the other does not, expected the same", 2);
    check_refused(tl_bidirectional(counted(&a, false, true), counted(&b, false, false)), TL_ERROR_ARGUMENT,
                  "bidirectional: the first layer goes backwards, expected forwards", 2);
    check_refused(tl_bidirectional(counted(&a, false, false), tl_dense(3)), TL_ERROR_ARGUMENT,
                  "bidirectional: layers counted and dense, expected recurrent ones", 1);
    check_refused(tl_bidirectional(tl_dense(3), counted(&a, false, false)), TL_ERROR_ARGUMENT,
                  "bidirectional: layers dense and counted, expected recurrent ones", 1);
    check_refused(tl_bidirectional(counted(&a, false, false), tl_simple_rnn(0)), TL_ERROR_ARGUMENT,
                  "simple_rnn: units 0", 1);
    check_refused(tl_bidirectional(tl_simple_rnn(0), counted(&a, false, false)), TL_ERROR_ARGUMENT,
                  "simple_rnn: units 0", 1);
    check_refused(tl_bidirectional(counted(&a, false, false), counted(&b, false, false),
                                   .merge_mode = (tl_merge_mode)4),
                  TL_ERROR_ARGUMENT, "bidirectional: merge mode 4 is not one, such as TL_MERGE_CONCAT", 2);
    tl_module *twice = counted(&a, false, false);
    check_refused(tl_bidirectional(twice, twice), TL_ERROR_ARGUMENT,
                  "bidirectional: one layer counted twice, expected two", 1);
}
END_TEST

START_TEST(layers_of_others_stay_theirs)
{
    tl_cell mine, fresh, first, second;
    tl_module *layer = counted(&mine, false, false);
    tl_model *model = tl_sequential(layer);
    check_refused(tl_bidirectional(layer, counted(&fresh, false, false)), TL_ERROR_STATE,
                  "bidirectional: layer counted belongs to another already", 1);
    check_refused(tl_bidirectional(counted(&fresh, false, false), layer), TL_ERROR_STATE,
                  "bidirectional: layer counted belongs to another already", 1);
    check_refused(tl_bidirectional(layer, layer), TL_ERROR_ARGUMENT, "one layer counted twice", 0);
    tl_module *inside = counted(&first, false, false),
              *both = tl_bidirectional(inside, counted(&second, false, false));
    ck_assert_ptr_null(tl_sequential(inside));
    check_error(TL_ERROR_STATE, "sequential: layer 0, counted, is in a model already");
    ck_assert_int_eq(freed, 0);
    tl_module_free(both);
    ck_assert_int_eq(freed, 2);
    tl_model_free(model);
    ck_assert_int_eq(freed, 3);
}
END_TEST

START_TEST(widths_that_cannot_be_merged_are_refused)
{
    for (int mode = 0; mode < MODES; mode++) {
        tl_model *model = tl_sequential(tl_bidirectional(tl_simple_rnn(2, .return_sequences = true),
                                                         tl_simple_rnn(3, .return_sequences = true),
                                                         .merge_mode = (tl_merge_mode)mode));
        tl_status status = tl_build(model, tl_shape(TL_ANY, WIDTH), TL_F32, 0);
        if (mode == TL_MERGE_CONCAT)
            check_ok(status);
        else
            check_error(TL_ERROR_SHAPE, "cannot be merged element by element");
        tl_model_free(model);
    }
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("bidirectional");
    tcase_add_loop_test(tests, it_is_two_layers_by_hand, 0, LAYERS * MODES);
    tcase_add_loop_test(tests, padding_changes_nothing, 0, 4 * LAYERS);
    tcase_add_test(tests, the_mask_goes_on_with_sequences);
    tcase_add_test(tests, parameters_are_named_by_direction);
    tcase_add_loop_test(tests, projecting_the_table_changes_nothing, 0, LAYERS);
    tcase_add_loop_test(tests, threads_change_no_bit_and_files_keep_all, 0, LAYERS);
    tcase_add_test(tests, layers_that_do_not_go_together_are_refused);
    tcase_add_test(tests, layers_of_others_stay_theirs);
    tcase_add_test(tests, widths_that_cannot_be_merged_are_refused);
    return run_tests("bidirectional", tests);
}
