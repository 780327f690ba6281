/* Recurrent layers over any cell: padding, direction, stacking, and projections of a table instead of
 * sequences. */
#include "tests/nn/cells_internal.h"
#include "tests/nn/testing_internal.h"

enum { TIME = 9, ROWS = 4, WIDTH = 3, UNITS = 5, SIMPLE = 2 * USER_CELLS, LAYERS = SIMPLE + 1 };

/* Layers by number: the user's cells with and without a projection, then SimpleRNN. `cell` must outlive it.
 */
static tl_module *new_layer(user_cell *cell, int which, bool sequences, bool backwards)
{
    if (which == SIMPLE)
        return tl_simple_rnn(UNITS, .return_sequences = sequences, .go_backwards = backwards);
    *cell = new_cell(which / 2, UNITS, which % 2);
    return tl_rnn(cell, .return_sequences = sequences, .go_backwards = backwards);
}

static tl_tensor slice_of(tl_tensor x, int axis, int64_t start, int64_t length)
{
    tl_tensor view = tl_tensor_slice(x, axis, start, length);
    ck_assert_msg(tl_tensor_ok(view), "%s", tl_error_message());
    return view;
}

static tl_tensor reversed_in_time(tl_tensor x)
{
    tl_tensor result = tl_tensor_new(x.dtype, x.shape);
    for (int64_t t = 0; t < TIME; t++)
        check_ok(tl_tensor_copy(tl_tensor_select(result, 1, TIME - 1 - t), tl_tensor_select(x, 1, t)));
    return result;
}

/* Rows with 0 to 3 steps of padding in front, against each row alone without it. */
static void check_padding(tl_model *model, tl_tensor x, tl_tensor mask)
{
    tl_tensor whole = output_of(model, x, mask);
    for (int64_t row = 0; row < ROWS; row++) {
        tl_tensor alone = slice_of(slice_of(x, 0, row, 1), 1, row, TIME - row);
        tl_tensor out = output_of(model, alone, (tl_tensor){0});
        ck_assert_msg(same_bits(out, slice_of(whole, 0, row, 1)), "row %d differs by %g", (int)row,
                      difference(out, slice_of(whole, 0, row, 1)));
        tl_tensor_free(&out);
    }
    tl_tensor_free(&whole);
}

static tl_tensor padding_mask(void)
{
    tl_tensor mask = tl_tensor_new(TL_U8, tl_shape(ROWS, TIME));
    uint8_t *m = tl_data_mut(mask);
    for (int64_t i = 0; i < ROWS * TIME; i++)
        m[i] = i % TIME >= i / TIME;
    return mask;
}

START_TEST(masked_steps_leave_no_trace)
{
    for (int d = 0; d < 2; d++)
        for (int layers = 1; layers <= 2; layers++) {
            user_cell cells[2];
            tl_dtype dtype = d ? TL_F32 : TL_F64;
            tl_module *first = new_layer(&cells[0], _i, layers == 2, false);
            tl_model *model = layers == 1 ? tl_sequential(first)
                                          : tl_sequential(first, new_layer(&cells[1], _i, false, false));
            build_randomly(model, tl_shape(TIME, WIDTH), dtype, 0.6);
            tl_tensor x = random_tensor(dtype, tl_shape(ROWS, TIME, WIDTH), 4), mask = padding_mask();
            check_padding(model, x, mask);
            tl_tensor_free(&x);
            tl_tensor_free(&mask);
            tl_model_free(model);
        }
}
END_TEST

START_TEST(masked_steps_repeat_the_last_output)
{
    user_cell cell;
    tl_model *model = tl_sequential(new_layer(&cell, _i, true, false));
    build_randomly(model, tl_shape(TIME, WIDTH), TL_F64, 0.6);
    tl_tensor x = random_tensor(TL_F64, tl_shape(1, TIME, WIDTH), 4);
    tl_tensor mask = tl_tensor_of(TL_U8, tl_shape(1, TIME), (uint8_t[]){0, 0, 1, 1, 0, 1, 0, 0, 1});
    tl_tensor out = output_of(model, x, mask);
    for (int64_t t = 0; t < TIME; t++) {
        bool repeats = t == 0 || element(mask, t) < 0.5;
        tl_tensor now = slice_of(out, 1, t, 1);
        if (t < 2)
            for (int64_t j = 0; j < UNITS; j++)
                ck_assert_double_eq(element(now, j), 0);
        else
            ck_assert_int_eq(same_bits(now, slice_of(out, 1, t - 1, 1)), repeats);
    }
    tl_tensor_free(&out);
    tl_tensor_free(&x);
    tl_tensor_free(&mask);
    tl_model_free(model);
}
END_TEST

START_TEST(backwards_is_forwards_over_what_is_reversed)
{
    for (int masked = 0; masked < 2; masked++) {
        user_cell cells[2];
        tl_model *forwards = tl_sequential(new_layer(&cells[0], _i, true, false)),
                 *backwards = tl_sequential(new_layer(&cells[1], _i, true, true));
        build_randomly(forwards, tl_shape(TIME, WIDTH), TL_F32, 0.6);
        build_randomly(backwards, tl_shape(TIME, WIDTH), TL_F32, 0.6);
        tl_tensor x = random_tensor(TL_F32, tl_shape(ROWS, TIME, WIDTH), 4), turned = reversed_in_time(x);
        tl_tensor mask = padding_mask(), turned_mask = reversed_in_time(mask), none = {0};
        tl_tensor a = output_of(forwards, turned, masked ? turned_mask : none),
                  b = output_of(backwards, x, masked ? mask : none), c = output_of(backwards, turned, none);
        ck_assert(same_bits(a, b));
        ck_assert(!same_bits(a, c));
        tl_tensor *all[] = {&x, &turned, &mask, &turned_mask, &a, &b, &c};
        for (int i = 0; i < 7; i++)
            tl_tensor_free(all[i]);
        tl_model_free(forwards);
        tl_model_free(backwards);
    }
}
END_TEST

START_TEST(the_last_of_a_sequence_is_what_comes_without_it)
{
    user_cell cells[2];
    tl_model *all = tl_sequential(new_layer(&cells[0], _i, true, false)),
             *last = tl_sequential(new_layer(&cells[1], _i, false, false));
    build_randomly(all, tl_shape(TIME, WIDTH), TL_F32, 0.6);
    build_randomly(last, tl_shape(TIME, WIDTH), TL_F32, 0.6);
    tl_tensor x = random_tensor(TL_F32, tl_shape(ROWS, TIME, WIDTH), 4), mask = padding_mask();
    tl_tensor a = output_of(all, x, mask), b = output_of(last, x, mask);
    ck_assert(tl_shape_equal(a.shape, tl_shape(ROWS, TIME, UNITS)));
    ck_assert(same_bits(tl_tensor_select(a, 1, TIME - 1), b));
    tl_tensor *tensors[] = {&x, &mask, &a, &b};
    for (int i = 0; i < 4; i++)
        tl_tensor_free(tensors[i]);
    tl_model_free(all);
    tl_model_free(last);
}
END_TEST

/* One step of training on 13 x 9 = 117 positions. A table of fewer rows is projected instead of the
 * positions, one of more rows is not; both tables begin alike, and only those rows are used. */
enum { SAMPLES = 13, SMALL = 20, BIG = 500 };

static void same_start(const tl_model *small, const tl_model *big)
{
    int count;
    tl_parameter *const *from = tl_model_parameters(small, &count), *const *to =
                                                                        tl_model_parameters(big, &count);
    for (int i = 1; i < count; i++)
        check_ok(tl_tensor_copy(to[i]->value, from[i]->value));
    check_ok(tl_tensor_copy(slice_of(to[0]->value, 0, 0, SMALL), from[0]->value));
}

static tl_model *new_text_model(user_cell cells[2], int which, int64_t rows, tl_dtype dtype)
{
    tl_model *model =
        tl_sequential(tl_embedding(rows, WIDTH, .mask_zero = true), new_layer(&cells[0], which, true, false),
                      new_layer(&cells[1], which, false, true), tl_dense(1, .activation = TL_SIGMOID));
    check_ok(tl_compile(model, .optimizer = tl_sgd(.learning_rate = 0.5), .loss = TL_BINARY_CROSSENTROPY));
    return build_randomly(model, tl_shape(TIME), dtype, 0.6);
}

static void train(tl_model *model, tl_dataset data)
{
    tl_history *history = tl_fit(model, data, .batch_size = SAMPLES, .no_shuffle = true);
    ck_assert_msg(history != NULL, "%s", tl_error_message());
    tl_history_free(history);
}

/* Gradients here are below 1, and so is their rounding below 1e-6 in f32 for some hundred terms. */
START_TEST(projecting_the_table_changes_nothing)
{
    for (int d = 0; d < 2; d++) {
        user_cell cells[4];
        tl_dtype dtype = d ? TL_F32 : TL_F64;
        tl_model *on = new_text_model(cells, _i, SMALL, dtype),
                 *off = new_text_model(cells + 2, _i, BIG, dtype);
        same_start(on, off);
        tl_tensor x = padded_ids(SAMPLES, TIME, SMALL, 1), y = random_labels(SAMPLES, 2, 2);
        tl_tensor before = copy_of(parameter_of(on, "embedding/embeddings")->value);
        train(on, tl_dataset_of(x, y));
        train(off, tl_dataset_of(x, y));
        int count;
        tl_parameter *const *p = tl_model_parameters(on, &count), *const *q =
                                                                      tl_model_parameters(off, &count);
        for (int i = 0; i < count; i++) {
            tl_tensor other = i ? q[i]->value : slice_of(q[0]->value, 0, 0, SMALL);
            double apart = difference(p[i]->value, other);
            ck_assert_msg(apart < (d ? 1e-6 : 1e-12), "%s: %g apart", p[i]->name, apart);
        }
        ck_assert_double_gt(difference(p[0]->value, before), 1e-4);
        tl_tensor *all[] = {&x, &y, &before};
        for (int i = 0; i < 3; i++)
            tl_tensor_free(all[i]);
        tl_model_free(on);
        tl_model_free(off);
    }
}
END_TEST

static tl_var *failing_step(void *self, tl_var *x, tl_var *state[])
{
    (void)self, (void)state;
    return tl_reshape(x, tl_shape(7, 7, 7));
}

static int freed;

static void count_free(void *self)
{
    (void)self;
    freed++;
}

START_TEST(cells_that_cannot_be_are_refused)
{
    tl_cell no_step = {.name = "idle", .states = {3}, .free = count_free},
            no_state = {.name = "blank", .step = failing_step, .free = count_free},
            fails = {.name = "fails", .states = {3}, .step = failing_step, .free = count_free};
    ck_assert_ptr_null(tl_rnn(&no_step));
    check_error(TL_ERROR_ARGUMENT, "cell idle needs a step");
    ck_assert_ptr_null(tl_rnn(&no_state));
    check_error(TL_ERROR_ARGUMENT, "cell blank needs a step and at least one state");
    ck_assert_int_eq(freed, 2);
    tl_model *model = tl_sequential(tl_rnn(&fails));
    check_ok(tl_build(model, tl_shape(TIME, WIDTH), TL_F32, 0));
    tl_tensor x = random_tensor(TL_F32, tl_shape(ROWS, TIME, WIDTH), 4);
    ck_assert(!tl_tensor_ok(tl_predict(model, x, 0)));
    check_error(TL_ERROR_SHAPE, "[7, 7, 7]");
    tl_tensor_free(&x);
    tl_model_free(model);
    ck_assert_int_eq(freed, 3);
}
END_TEST

/* Two layers would share its parameters; when the first is gone, another may have it. */
START_TEST(a_cell_is_for_one_layer)
{
    user_cell cell = new_cell(0, UNITS, true);
    tl_module *layer = tl_rnn(&cell);
    ck_assert_ptr_nonnull(layer);
    ck_assert_ptr_null(tl_rnn(&cell, .go_backwards = true));
    check_error(TL_ERROR_STATE, "rnn: cell gru is in a layer already, expected one struct a layer");
    tl_module_free(layer);
    layer = tl_rnn(&cell);
    ck_assert_ptr_nonnull(layer);
    tl_module_free(layer);
}
END_TEST

START_TEST(the_mask_goes_where_the_outputs_go)
{
    const int32_t values[] = {0, 0, 3, 4};
    tl_tensor ids = ids_of(tl_shape(1, 4), values);
    for (int backwards = 0; backwards < 2; backwards++) {
        tl_model *model = build_randomly(
            tl_sequential(tl_embedding(5, 3, .mask_zero = true),
                          tl_simple_rnn(2, .return_sequences = true, .go_backwards = backwards == 1)),
            tl_shape(4), TL_F64, 1);
        tl_tape *tape = tl_tape_new();
        tl_tensor mask = tl_mask_of(tl_forward(model, tl_input(tape, ids)));
        for (int64_t t = 0; t < 4; t++)
            ck_assert(tl_tensor_at(mask, (int64_t[]){0, t}) == (backwards ? t < 2 : t >= 2));
        tl_tape_free(tape);
        tl_model_free(model);
    }
    tl_tensor_free(&ids);
}
END_TEST

static tl_var *step_without_output(void *self, tl_var *x, tl_var *state[])
{
    (void)self, (void)x, (void)state;
    return NULL;
}

static tl_var *step_too_wide(void *self, tl_var *x, tl_var *state[])
{
    (void)self, (void)state;
    return x;
}

START_TEST(a_step_without_a_fit_output_is_an_error)
{
    struct {
        tl_cell cell;
    } cells[] = {{{.name = "silent", .states = {4}, .step = step_without_output}},
                 {{.name = "wide", .states = {4}, .step = step_too_wide}}};
    const char *const messages[] = {"silent: no output of a step",
                                    "wide: a step gave [1, 8], expected [1, 4]"};
    tl_tensor x = tl_tensor_new(TL_F32, tl_shape(1, 2, 8));
    tl_model *model = tl_sequential(tl_rnn(&cells[_i]));
    check_ok(tl_build(model, tl_shape(2, 8), TL_F32, 0));
    ck_assert_int_eq(tl_error_status(), TL_OK); /* nothing failed before */
    ck_assert(!tl_tensor_ok(tl_predict(model, x, 0)));
    ck_assert_ptr_nonnull(strstr(tl_error_message(), messages[_i]));
    tl_model_free(model);
    tl_tensor_free(&x);
}
END_TEST

START_TEST(layers_are_named_by_their_cells)
{
    user_cell cell;
    tl_model *model = tl_sequential(new_layer(&cell, 0, false, false));
    check_ok(tl_build(model, tl_shape(TIME, WIDTH), TL_F32, 0));
    ck_assert_ptr_nonnull(parameter_of(model, "gru/kernel"));
    tl_model_free(model);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("rnn");
    tcase_add_loop_test(tests, masked_steps_leave_no_trace, 0, LAYERS);
    tcase_add_loop_test(tests, masked_steps_repeat_the_last_output, 0, LAYERS);
    tcase_add_loop_test(tests, backwards_is_forwards_over_what_is_reversed, 0, LAYERS);
    tcase_add_loop_test(tests, the_last_of_a_sequence_is_what_comes_without_it, 0, LAYERS);
    tcase_add_loop_test(tests, projecting_the_table_changes_nothing, 0, LAYERS);
    tcase_add_test(tests, cells_that_cannot_be_are_refused);
    tcase_add_test(tests, a_cell_is_for_one_layer);
    tcase_add_test(tests, the_mask_goes_where_the_outputs_go);
    tcase_add_loop_test(tests, a_step_without_a_fit_output_is_an_error, 0, 2);
    tcase_add_test(tests, layers_are_named_by_their_cells);
    return run_tests("rnn", tests);
}
