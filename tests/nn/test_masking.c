/* Masking: which steps count as padding, and that what is behind it leaves them out. */
#include "tests/nn/testing_internal.h"

enum { ROWS = 3, TIME = 4, FEATURES = 2 };

/* The mask that a layer gives x [rows, TIME, features]. */
static tl_tensor mask_from(double mask_value, tl_tensor x)
{
    tl_model *model = tl_sequential(tl_masking(.mask_value = mask_value));
    check_ok(tl_build(model, tl_shape(TIME, x.shape.dims[2]), x.dtype, 0));
    tl_tape *tape = tl_tape_new();
    tl_var *input = tl_input(tape, x), *output = tl_forward(model, input);
    ck_assert_msg(output != NULL, "%s", tl_error_message());
    ck_assert(same_bits(tl_value(output), x));
    ck_assert(!tl_tensor_ok(tl_mask_of(input))); /* the mask is the output's alone */
    tl_tensor mask = copy_of(tl_mask_of(output));
    tl_tape_free(tape);
    tl_model_free(model);
    return mask;
}

static void check_mask(double mask_value, tl_tensor x, const uint8_t expected[])
{
    tl_tensor mask = mask_from(mask_value, x);
    ck_assert_int_eq(mask.dtype, TL_U8);
    ck_assert(tl_shape_equal(mask.shape, tl_shape(x.shape.dims[0], TIME)));
    ck_assert_mem_eq(tl_data(mask), expected, (size_t)tl_tensor_count(mask));
    tl_tensor_free(&mask);
}

/* Zeros of both signs are padding; one feature that is none makes a step count, NaN among them. */
static const double steps[ROWS][TIME][FEATURES] = {
    {{0, 0}, {1, 0}, {0, -0.0}, {0, -2}},
    {{5, 0.1}, {-0.0, -0.0}, {(double)NAN, 0}, {0, 1e-300}},
    {{0, 0}, {0, 0}, {0, 0}, {0, 0}},
};
static const uint8_t counts[ROWS * TIME] = {0, 1, 0, 1, 1, 0, 1, 1, 0, 0, 0, 0};

START_TEST(steps_of_zeros_are_padding)
{
    tl_tensor x = tl_tensor_of(TL_F64, tl_shape(ROWS, TIME, FEATURES), steps);
    check_mask(0, x, counts);
    check_mask(TL_ZERO, x, counts);
    tl_tensor_free(&x);
}
END_TEST

/* Compared in the type of the data, where 0.1 is what it is there. */
START_TEST(another_value_can_mean_padding)
{
    for (int d = 0; d < 2; d++) {
        tl_tensor x = tl_tensor_new(d ? TL_F32 : TL_F64, tl_shape(1, TIME, FEATURES));
        tl_tensor_fill(x, 0.1);
        tl_tensor_fill(tl_tensor_select(tl_tensor_select(x, 1, 1), 1, 0), 0);
        check_mask(0.1, x, (const uint8_t[]){0, 1, 0, 0});
        check_mask(0, x, (const uint8_t[]){1, 1, 1, 1});
        tl_tensor_free(&x);
    }
}
END_TEST

START_TEST(layout_does_not_matter)
{
    enum { MANY = 9, WIDE = 17 };
    tl_tensor x = tl_tensor_new(TL_F32, tl_shape(TIME, MANY, WIDE)), view = tl_tensor_transpose(x, 0, 1);
    float *values = tl_data_mut(x);
    uint8_t expected[MANY * TIME] = {0};
    for (int i = 0; i < MANY * TIME; i += 3) { /* one feature of every third step */
        values[i * WIDE + i % WIDE] = 1;
        expected[i % MANY * TIME + i / MANY] = 1;
    }
    tl_tensor rows = copy_of(view);
    check_mask(0, rows, expected);
    check_mask(0, view, expected);
    tl_tensor_free(&x);
    tl_tensor_free(&rows);
}
END_TEST

START_TEST(no_steps_and_no_features_are_fine)
{
    tl_tensor none = tl_tensor_new(TL_F32, tl_shape(ROWS, TIME, 0));
    check_mask(0, none, (const uint8_t[ROWS * TIME]){0});
    tl_tensor_free(&none);
    tl_model *model = tl_sequential(tl_masking());
    check_ok(tl_build(model, tl_shape(TL_ANY, FEATURES), TL_F32, 0));
    tl_tensor empty = tl_tensor_new(TL_F32, tl_shape(ROWS, 0, FEATURES)), y = tl_predict(model, empty, 0);
    ck_assert(tl_shape_equal(y.shape, empty.shape));
    tl_tensor_free(&empty);
    tl_tensor_free(&y);
    tl_model_free(model);
}
END_TEST

START_TEST(padded_steps_leave_no_trace)
{
    tl_model *model =
        build_randomly(tl_sequential(tl_masking(.mask_value = -9), tl_layer_normalization(),
                                     tl_simple_rnn(5, .return_sequences = true), tl_simple_rnn(4)),
                       tl_shape(TL_ANY, FEATURES), TL_F32, 0.6);
    tl_tensor padded = tl_tensor_new(TL_F32, tl_shape(ROWS, TIME, FEATURES)),
              x = random_tensor(TL_F32, tl_shape(ROWS, TIME, FEATURES), 1);
    tl_tensor_fill(padded, -9);
    for (int64_t row = 0; row < ROWS; row++) /* row steps in front, and one behind for row 1 */
        check_ok(
            tl_tensor_copy(tl_tensor_slice(tl_tensor_select(padded, 0, row), 0, row, TIME - row - (row == 1)),
                           tl_tensor_slice(tl_tensor_select(x, 0, row), 0, row, TIME - row - (row == 1))));
    tl_tensor whole = tl_predict(model, padded, 0);
    for (int64_t row = 0; row < ROWS; row++) {
        tl_tensor alone = tl_tensor_slice(tl_tensor_slice(x, 0, row, 1), 1, row, TIME - row - (row == 1));
        tl_tensor y = tl_predict(model, alone, 0);
        ck_assert_msg(same_bits(y, tl_tensor_slice(whole, 0, row, 1)), "row %d", (int)row);
        tl_tensor_free(&y);
    }
    tl_tensor *all[] = {&padded, &x, &whole};
    for (int i = 0; i < 3; i++)
        tl_tensor_free(all[i]);
    tl_model_free(model);
}
END_TEST

/* Sequences of one to ten steps, zeros behind: was the last number positive? */
START_TEST(it_learns_from_sequences_of_different_lengths)
{
    enum { SAMPLES = 300, LONGEST = 10 };
    tl_tensor x = tl_tensor_new(TL_F32, tl_shape(SAMPLES, LONGEST, 1)),
              y = tl_tensor_new(TL_F32, tl_shape(SAMPLES)), numbers = random_tensor(TL_F32, x.shape, 1);
    float *values = tl_data_mut(x), *label = tl_data_mut(y);
    for (int i = 0; i < SAMPLES; i++) {
        int last = i % LONGEST;
        memcpy(values + i * LONGEST, (const float *)tl_data(numbers) + i * LONGEST,
               (size_t)(last + 1) * sizeof *values);
        label[i] = values[i * LONGEST + last] > 0;
    }
    tl_model *model = tl_sequential(tl_masking(), tl_simple_rnn(8), tl_dense(1, .activation = TL_SIGMOID));
    check_ok(tl_compile(model, .optimizer = tl_adam(.learning_rate = 0.03), .loss = TL_BINARY_CROSSENTROPY));
    tl_history *history = tl_fit(model, tl_dataset_of(x, y), .epochs = 25, .validation_split = 0.2);
    ck_assert_msg(history != NULL, "%s", tl_error_message());
    ck_assert_double_gt(history->epochs[24].validation.accuracy, 0.9);
    tl_history_free(history);
    tl_tensor *all[] = {&x, &y, &numbers};
    for (int i = 0; i < 3; i++)
        tl_tensor_free(all[i]);
    tl_model_free(model);
}
END_TEST

/* --- Errors --- */

static void check_refused(tl_model *model, tl_tensor x, tl_status status, const char *message)
{
    check_ok(tl_build(model, tl_shape(TIME, FEATURES), TL_F32, 0));
    ck_assert(!tl_tensor_ok(tl_predict(model, x, 0)));
    check_error(status, message);
    tl_tensor_free(&x);
    tl_model_free(model);
}

START_TEST(what_it_cannot_mask_is_refused)
{
    ck_assert_ptr_null(tl_masking(.mask_value = (double)NAN));
    check_error(TL_ERROR_ARGUMENT, "masking: mask_value nan, which no feature equals");
    tl_model *model = tl_sequential(tl_masking());
    ck_assert_int_ne(tl_build(model, tl_shape(TIME), TL_F32, 0), TL_OK);
    check_error(TL_ERROR_SHAPE, "masking: input [4], expected [time, features]");
    tl_model_free(model);
    check_refused(tl_sequential(tl_masking()), tl_tensor_new(TL_I32, tl_shape(ROWS, TIME, FEATURES)),
                  TL_ERROR_DTYPE, "masking: features of i32, expected f32 or f64");
    check_refused(tl_sequential(tl_masking(), tl_masking(.mask_value = 1)),
                  tl_tensor_new(TL_F32, tl_shape(ROWS, TIME, FEATURES)), TL_ERROR_ARGUMENT,
                  "masking_1: its input has a mask, which this layer would ignore");
}
END_TEST

/* One value a row says nothing about steps. */
START_TEST(a_recurrent_layer_wants_a_mask_of_steps)
{
    tl_model *model = tl_sequential(tl_simple_rnn(2, .return_sequences = _i & 1, .go_backwards = _i & 2));
    check_ok(tl_build(model, tl_shape(7, 3), TL_F32, 0));
    tl_tape *tape = tl_tape_new();
    tl_tensor mask = tl_tensor_new(TL_U8, tl_shape(4));
    tl_var *x = tl_set_mask(tl_zeros(tape, TL_F32, tl_shape(4, 7, 3)), mask);
    ck_assert_ptr_nonnull(x);
    ck_assert_ptr_null(tl_forward(model, x));
    check_error(TL_ERROR_SHAPE, "simple_rnn: mask [4] for input [4, 7, 3], expected [batch, time]");
    tl_tensor_free(&mask);
    tl_tape_free(tape);
    tl_model_free(model);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("masking");
    tcase_add_test(tests, steps_of_zeros_are_padding);
    tcase_add_test(tests, another_value_can_mean_padding);
    tcase_add_test(tests, layout_does_not_matter);
    tcase_add_test(tests, no_steps_and_no_features_are_fine);
    tcase_add_test(tests, padded_steps_leave_no_trace);
    tcase_add_test(tests, it_learns_from_sequences_of_different_lengths);
    tcase_add_test(tests, what_it_cannot_mask_is_refused);
    tcase_add_loop_test(tests, a_recurrent_layer_wants_a_mask_of_steps, 0, 4);
    return run_tests("masking", tests);
}
