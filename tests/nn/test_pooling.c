/* Pooling over time: means and maxima against plain loops, with and without masks. */
#include "tests/nn/testing_internal.h"

enum { ROWS = 4, TIME = 5, FEATURES = 3 };

static const char *const kinds[] = {"global_average_pooling1d", "global_max_pooling1d"};
enum { AVERAGE, MAXIMUM, KINDS };

static tl_module *new_layer(int kind)
{
    return kind == AVERAGE ? tl_global_average_pooling_1d() : tl_global_max_pooling_1d();
}

static tl_model *new_model(int kind, tl_dtype dtype)
{
    tl_model *model = tl_sequential(new_layer(kind));
    check_ok(tl_build(model, tl_shape(TL_ANY, FEATURES), dtype, 0));
    return model;
}

/* Padding in front, behind, and in between; the last row is nothing else. */
static tl_tensor new_mask(void)
{
    static const uint8_t steps[] = {0, 0, 1, 1, 1, 1, 1, 0, 0, 0, 1, 0, 1, 0, 1, 0, 0, 0, 0, 0};
    return tl_tensor_of(TL_U8, tl_shape(ROWS, TIME), steps);
}

/* One feature of one row. Without a step that counts, the mean is 0 and the maximum that of all steps. */
static double plain_pool(int kind, tl_tensor x, tl_tensor mask, int64_t row, int64_t feature)
{
    double sum = 0, most = -INFINITY, all = -INFINITY;
    int count = 0;
    for (int64_t t = 0; t < TIME; t++) {
        double value = element(x, (row * TIME + t) * FEATURES + feature);
        all = fmax(all, value);
        if (tl_tensor_ok(mask) && element(mask, row * TIME + t) == 0)
            continue;
        sum += value;
        most = fmax(most, value);
        count++;
    }
    if (kind == AVERAGE)
        return count > 0 ? sum / count : 0;
    return count > 0 ? most : all;
}

static void check_pool(int kind, tl_tensor x, tl_tensor mask)
{
    tl_model *model = new_model(kind, x.dtype);
    tl_tensor out = output_of(model, x, mask);
    ck_assert(tl_shape_equal(out.shape, tl_shape(ROWS, FEATURES)));
    for (int64_t i = 0; i < ROWS * FEATURES; i++) {
        double expected = plain_pool(kind, x, mask, i / FEATURES, i % FEATURES);
        ck_assert_double_eq_tol(element(out, i), expected, x.dtype == TL_F32 ? 1e-6 : 1e-15);
    }
    tl_tensor_free(&out);
    tl_model_free(model);
}

/* Numbers below 0 show whether a maximum sees the padding. Layouts: as rows, and time-major as in batches. */
START_TEST(it_is_what_a_plain_loop_computes)
{
    for (int flags = 0; flags < 8; flags++) {
        tl_dtype dtype = flags & 1 ? TL_F32 : TL_F64;
        tl_tensor rows = tl_tensor_new(dtype, tl_shape(ROWS, TIME, FEATURES)),
                  steps = tl_tensor_new(dtype, tl_shape(TIME, ROWS, FEATURES)),
                  view = tl_tensor_transpose(steps, 0, 1);
        check_ok(tl_random_fill_uniform(rows, -3, -1, 1, 1));
        check_ok(tl_tensor_copy(view, rows));
        tl_tensor mask = flags & 2 ? new_mask() : (tl_tensor){0};
        check_pool(_i, flags & 4 ? view : rows, mask);
        tl_tensor *all[] = {&rows, &steps, &mask};
        for (int i = 0; i < 3; i++)
            tl_tensor_free(all[i]);
    }
}
END_TEST

/* Whatever stands in the padding, even what is no number. */
START_TEST(padding_leaves_no_trace)
{
    static const double padding[] = {0, -1000, 1e30, (double)NAN, (double)INFINITY};
    tl_model *model = new_model(_i, TL_F32);
    tl_tensor x = random_tensor(TL_F32, tl_shape(1, TIME, FEATURES), 1),
              mask = tl_tensor_new(TL_U8, tl_shape(1, TIME));
    tl_tensor_fill(tl_tensor_slice(mask, 1, 1, 3), 1);
    tl_tensor alone = output_of(model, tl_tensor_slice(x, 1, 1, 3), (tl_tensor){0});
    for (int i = 0; i < 5; i++) {
        tl_tensor_fill(tl_tensor_select(x, 1, 0), padding[i]);
        tl_tensor_fill(tl_tensor_select(x, 1, 4), padding[i]);
        tl_tensor out = output_of(model, x, mask);
        ck_assert_msg(difference(out, alone) < 1e-6, "%s: padding of %g", kinds[_i], padding[i]);
        tl_tensor_free(&out);
    }
    tl_tensor *all[] = {&x, &mask, &alone};
    for (int i = 0; i < 3; i++)
        tl_tensor_free(all[i]);
    tl_model_free(model);
}
END_TEST

START_TEST(the_mask_ends_here)
{
    tl_model *model = new_model(_i, TL_F32);
    tl_tensor x = random_tensor(TL_F32, tl_shape(ROWS, TIME, FEATURES), 1), mask = new_mask();
    tl_tape *tape = tl_tape_new();
    tl_var *out = tl_forward(model, tl_set_mask(tl_input(tape, x), mask));
    ck_assert(!tl_tensor_ok(tl_mask_of(out)));
    tl_tape_free(tape);
    tl_tensor_free(&x);
    tl_tensor_free(&mask);
    tl_model_free(model);
}
END_TEST

/* A row of padding alone changes no weight: it has nothing to say about them. */
START_TEST(a_row_of_padding_has_no_gradient_of_a_mean)
{
    tl_model *model = new_model(AVERAGE, TL_F64);
    tl_tensor values = random_tensor(TL_F64, tl_shape(ROWS, TIME, FEATURES), 1), mask = new_mask();
    tl_tape *tape = tl_tape_new();
    tl_var *x = tl_variable(tape, values);
    check_ok(tl_backward(tl_sum(tl_forward(model, tl_set_mask(x, mask)), TL_ALL_AXES, false)));
    tl_tensor gradient = tl_grad(x);
    static const double counts[] = {3, 2, 3, 0};
    for (int64_t i = 0; i < ROWS * TIME * FEATURES; i++) {
        bool counted = element(mask, i / FEATURES) > 0;
        ck_assert_double_eq_tol(element(gradient, i), counted ? 1 / counts[i / (TIME * FEATURES)] : 0, 1e-15);
    }
    tl_tape_free(tape);
    tl_tensor_free(&values);
    tl_tensor_free(&mask);
    tl_model_free(model);
}
END_TEST

/* Whether word 3 is somewhere in a padded text. */
START_TEST(it_learns)
{
    enum { SAMPLES = 300, WORDS = 12, LENGTH = 8 };
    tl_tensor x = padded_ids(SAMPLES, LENGTH, WORDS, 1), y = tl_tensor_new(TL_F32, tl_shape(SAMPLES));
    float *label = tl_data_mut(y);
    for (int64_t i = 0; i < SAMPLES * LENGTH; i++)
        if (element(x, i) == 3)
            label[i / LENGTH] = 1;
    tl_model *model =
        tl_sequential(tl_embedding(WORDS, 4, .mask_zero = true), new_layer(_i),
                      tl_dense(8, .activation = TL_RELU), tl_dense(1, .activation = TL_SIGMOID));
    check_ok(tl_compile(model, .optimizer = tl_adam(.learning_rate = 0.03), .loss = TL_BINARY_CROSSENTROPY));
    tl_history *history = tl_fit(model, tl_dataset_of(x, y), .epochs = 30, .validation_split = 0.2);
    ck_assert_msg(history != NULL, "%s", tl_error_message());
    ck_assert_msg(history->epochs[29].validation.accuracy > 0.9, "%s: %g", kinds[_i],
                  history->epochs[29].validation.accuracy);
    tl_history_free(history);
    tl_tensor_free(&x);
    tl_tensor_free(&y);
    tl_model_free(model);
}
END_TEST

START_TEST(what_is_no_sequence_is_refused)
{
    char message[96];
    snprintf(message, sizeof message, "%s: input [3], expected [time, features]", kinds[_i]);
    tl_model *model = tl_sequential(new_layer(_i));
    ck_assert_int_ne(tl_build(model, tl_shape(3), TL_F32, 0), TL_OK);
    check_error(TL_ERROR_SHAPE, message);
    tl_model_free(model);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("pooling");
    tcase_add_loop_test(tests, it_is_what_a_plain_loop_computes, 0, KINDS);
    tcase_add_loop_test(tests, padding_leaves_no_trace, 0, KINDS);
    tcase_add_loop_test(tests, the_mask_ends_here, 0, KINDS);
    tcase_add_test(tests, a_row_of_padding_has_no_gradient_of_a_mean);
    tcase_add_loop_test(tests, it_learns, 0, KINDS);
    tcase_add_loop_test(tests, what_is_no_sequence_is_refused, 0, KINDS);
    return run_tests("pooling", tests);
}
