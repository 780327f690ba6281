/* Ops at their limits: shapes that overflow, extents of nothing, numbers that are none, ids that are no rows.
 */
#include "autograd/tape_internal.h"
#include "tensor/tensor_internal.h"
#include "tests/autograd/testing_internal.h"

#include <stdio.h>
#include <sys/mman.h>

static const double infinite = (double)INFINITY, not_a_number = (double)NAN;

static tl_var *nothing(tl_tape *tape, int64_t rows, int64_t columns)
{
    tl_var *x = tl_zeros(tape, TL_F32, tl_shape(rows, columns));
    ck_assert_msg(x != NULL, "%s", tl_error_message());
    return x;
}

START_TEST(results_too_large_to_count_are_refused)
{
    const int64_t large = (int64_t)1 << 31;
    tl_tape *tape = tl_tape_new();
    tl_var *column = nothing(tape, large, 0), *row = nothing(tape, 0, large);
    ck_assert_ptr_null(tl_matmul(column, row));
    check_error(TL_ERROR_SHAPE, "matmul: shape [2147483648, 2147483648] has too many elements");

    /* One number that stands for 2^31 on either side. */
    tl_tensor one = tl_tensor_of(TL_F32, tl_shape(1, 1), &(float){1});
    tl_var *tall = tl_input(tape, tl_tensor_broadcast(one, tl_shape(large, 1)));
    tl_var *wide = tl_input(tape, tl_tensor_broadcast(one, tl_shape(1, large)));
    ck_assert_ptr_null(tl_add(tall, wide));
    check_error(TL_ERROR_SHAPE, "add: shape [2147483648, 2147483648] has too many elements");
    ck_assert_ptr_null(tl_matmul(tall, wide));
    check_error(TL_ERROR_SHAPE, "matmul: shape [2147483648, 2147483648] has too many elements");

    enum { PARTS = 40 };
    tl_var *parts[PARTS];
    for (int i = 0; i < PARTS; i++)
        parts[i] = nothing(tape, (int64_t)1 << 58, 0);
    ck_assert_ptr_null(tl_concat(parts, PARTS, 0));
    check_error(TL_ERROR_SHAPE, "concat: 40 parts like [288230376151711744, 0] have too many elements");
    ck_assert_ptr_null(tl_concat(parts, 3, 0));
    check_error(TL_ERROR_SHAPE, "concat: shape [864691128455135232, 0] has too many elements");
    ck_assert_ptr_null(tl_stack(parts, PARTS, 0));
    check_error(TL_ERROR_SHAPE, "stack: shape [40, 288230376151711744, 0] has too many elements");
    ck_assert_ptr_null(tl_zeros(tape, TL_F32, tl_shape(INT64_MAX)));
    tl_tensor_free(&one);
    tl_tape_free(tape);
}
END_TEST

/* A sum over nothing is 0, whatever the extents of the other axes would come to. */
START_TEST(sums_over_nothing_are_zero_and_have_gradients)
{
    tl_tape *tape = tl_tape_new();
    tl_parameter *x = tl_parameter_new("x", tl_tensor_new(TL_F64, tl_shape(3, 0)));
    tl_parameter *w = tl_parameter_new("w", tl_tensor_new(TL_F64, tl_shape(0, 4)));
    tl_var *product = tl_matmul(tl_use(tape, x), tl_use(tape, w));
    ck_assert(tl_shape_equal(tl_shape_of(product), tl_shape(3, 4)));
    for (int64_t i = 0; i < 12; i++)
        ck_assert_double_eq(element(tl_value(product), i), 0);
    check_ok(tl_backward(tl_sum(product, TL_ALL_AXES, false)));
    ck_assert_double_eq(tl_tensor_item(tl_value(tl_sum(tl_use(tape, x), TL_ALL_AXES, false))), 0);
    ck_assert(isnan(tl_tensor_item(tl_value(tl_mean(tl_use(tape, x), TL_ALL_AXES, false)))));
    ck_assert_double_eq(tl_tensor_item(tl_value(tl_max(tl_use(tape, x), TL_ALL_AXES, false))), -infinite);
    tl_tape_free(tape);
    tl_parameter_free(x);
    tl_parameter_free(w);
}
END_TEST

typedef tl_var *(*function)(tl_var *x);

static tl_var *row_softmax(tl_var *x)
{
    return tl_softmax(x, -1);
}

static tl_var *row_log_softmax(tl_var *x)
{
    return tl_log_softmax(x, -1);
}

static tl_var *row_max(tl_var *x)
{
    return tl_max(x, tl_axes(-1), false);
}

static tl_var *row_sum(tl_var *x)
{
    return tl_sum(x, tl_axes(-1), false);
}

static tl_var *row_norm(tl_var *x)
{
    return tl_layer_norm(x, 1e-3);
}

static tl_var *shares(tl_var *x)
{
    return tl_sigmoid_cross_entropy_with_logits(x, x);
}

static tl_var *classes(tl_var *x)
{
    const tl_shape shape = tl_shape_of(x);
    return tl_sparse_softmax_cross_entropy_with_logits(
        x, tl_zeros(tl_tape_of(x), TL_I32, tl_shape(shape.dims[0])));
}

static tl_var *product(tl_var *x)
{
    return tl_matmul(x, tl_transpose(x, 0, 1));
}

static const struct {
    const char *name;
    function f;
} functions[] = {{"tanh", tl_tanh},  {"sigmoid", tl_sigmoid},  {"relu", tl_relu},
                 {"exp", tl_exp},    {"log", tl_log},          {"sqrt", tl_sqrt},
                 {"abs", tl_abs},    {"neg", tl_neg},          {"softmax", row_softmax},
                 {"max", row_max},   {"sum", row_sum},         {"log_softmax", row_log_softmax},
                 {"norm", row_norm}, {"sigmoid loss", shares}, {"softmax loss", classes},
                 {"matmul", product}};
enum { FUNCTIONS = sizeof functions / sizeof functions[0] };

/* NaN comes out of the row that it went into, forward and backward, and out of no other. */
START_TEST(nan_goes_through_and_stays_in_its_row)
{
    enum { ROWS = 3, N = 21 };
    const tl_dtype dtype = _i % 2 ? TL_F64 : TL_F32;
    const char *name = functions[_i / 2].name;
    tl_tensor value = random_tensor(dtype, tl_shape(ROWS, N), 3);
    tl_tensor bad = tl_tensor_slice(tl_tensor_select(value, 0, 1), 0, 17, 1);
    tl_tensor_fill(bad, not_a_number);
    tl_parameter *x = tl_parameter_new("x", value);
    tl_tape *tape = tl_tape_new();
    tl_var *y = functions[_i / 2].f(tl_use(tape, x));
    ck_assert_msg(y != NULL, "%s", tl_error_message());
    const bool crosses = functions[_i / 2].f == product, roots = strstr("log sqrt", name) != NULL;
    bool found = false;
    for (int64_t i = 0; i < tl_tensor_count(tl_value(y)); i++) {
        const int64_t row = i / (tl_tensor_count(tl_value(y)) / ROWS);
        found |= row == 1 && isnan(element(tl_value(y), i));
        ck_assert_msg(row == 1 || crosses || roots || !isnan(element(tl_value(y), i)), "%s: NaN in row %d",
                      name, (int)row);
    }
    ck_assert_msg(found, "%s swallows NaN", name);
    check_ok(tl_backward(tl_sum(y, TL_ALL_AXES, false)));
    for (int64_t j = 0; j < N && !crosses && !roots; j++)
        ck_assert_msg(!isnan(element(x->gradient, j)), "%s: gradient of row 0", name);
    tl_tape_free(tape);
    tl_parameter_free(x);
}
END_TEST

START_TEST(infinity_goes_through)
{
    const tl_dtype dtype = _i ? TL_F64 : TL_F32;
    tl_tensor value = tl_tensor_new(dtype, tl_shape(1, 3));
    tl_tensor_fill(tl_tensor_slice(value, 1, 0, 1), infinite);
    tl_tensor_fill(tl_tensor_slice(value, 1, 1, 1), -infinite);
    tl_tape *tape = tl_tape_new();
    tl_var *x = tl_input(tape, value);
    const double tanhs[] = {1, -1, 0}, sigmoids[] = {1, 0, 0.5}, exps[] = {infinite, 0, 1};
    for (int64_t i = 0; i < 3; i++) {
        ck_assert_double_eq(element(tl_value(tl_tanh(x)), i), tanhs[i]);
        ck_assert_double_eq(element(tl_value(tl_sigmoid(x)), i), sigmoids[i]);
        ck_assert_double_eq(element(tl_value(tl_exp(x)), i), exps[i]);
    }
    ck_assert(isnan(tl_tensor_item(tl_value(tl_sum(x, TL_ALL_AXES, false)))));
    ck_assert_double_eq(tl_tensor_item(tl_value(tl_max(x, TL_ALL_AXES, false))), infinite);
    tl_tape_free(tape);
    tl_tensor_free(&value);
}
END_TEST

START_TEST(ids_and_labels_out_of_range_are_told)
{
    const int32_t wrong[] = {-1, 5, INT32_MAX, INT32_MIN};
    tl_tensor table = random_tensor(TL_F32, tl_shape(5, 3), 1);
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        char id[64], label[64];
        snprintf(id, sizeof id, "gather: id %d, the table has rows 0 to 4", wrong[i]);
        snprintf(label, sizeof label, "label %d, the logits have classes 0 to 2", wrong[i]);
        tl_tensor ids = tl_tensor_of(TL_I32, tl_shape(2, 2), (const int32_t[]){4, 0, wrong[i], 1});
        tl_tensor labels = tl_tensor_of(TL_I32, tl_shape(5), (const int32_t[]){0, 1, 2, wrong[i], 0});
        tl_tape *tape = tl_tape_new();
        tl_var *rows = tl_gather(tl_input(tape, table), tl_input(tape, ids));
        ck_assert(!tl_tensor_ok(tl_value(rows)));
        check_error(TL_ERROR_RANGE, id);
        ck_assert_ptr_null(
            tl_sparse_softmax_cross_entropy_with_logits(tl_input(tape, table), tl_input(tape, labels)));
        check_error(TL_ERROR_RANGE, label);
        tl_tape_free(tape);
        tl_tensor_free(&ids);
        tl_tensor_free(&labels);
    }
    tl_tensor_free(&table);
}
END_TEST

START_TEST(a_table_of_nothing_has_no_row)
{
    tl_tape *tape = tl_tape_new();
    tl_tensor zero = tl_tensor_new(TL_I32, tl_shape(1)), none = tl_tensor_new(TL_I32, tl_shape(0));
    tl_var *table = nothing(tape, 0, 3);
    ck_assert(!tl_tensor_ok(tl_value(tl_gather(table, tl_input(tape, zero)))));
    check_error(TL_ERROR_RANGE, "gather: id 0, the table has rows 0 to -1");
    ck_assert(tl_shape_equal(tl_shape_of(tl_gather(table, tl_input(tape, none))), tl_shape(0, 3)));
    ck_assert(tl_tensor_ok(tl_value(tl_gather(table, tl_input(tape, none)))));
    tl_tape_free(tape);
    tl_tensor_free(&zero);
    tl_tensor_free(&none);
}
END_TEST

/* Rows of a table with more elements than 32 bits count: one page of each row touched is there. */
START_TEST(rows_past_32_bits_are_gathered)
{
    const int64_t rows = (int64_t)1 << 29, width = 16;
    const size_t bytes = (size_t)(rows * width) * sizeof(float);
    void *data =
        mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (data == MAP_FAILED) {
        puts("SKIPPED: this machine gives no address space for a table of 2^33 elements");
        return;
    }
    tl_storage storage = {.data = data, .bytes = bytes};
    tl_tensor table = {.storage = &storage, .shape = tl_shape(rows, width), .dtype = TL_F32};
    tl_tensor_set_row_major(&table);
    const int32_t numbers[] = {0, (int32_t)(rows - 1), (int32_t)(rows / 2 + 3)};
    for (int i = 0; i < 3; i++)
        tl_tensor_fill(tl_tensor_select(table, 0, numbers[i]), i + 1);
    tl_tensor ids = tl_tensor_of(TL_I32, tl_shape(3), numbers);
    tl_tape *tape = tl_tape_new();
    tl_tensor found = tl_value(tl_gather(tl_input(tape, table), tl_input(tape, ids)));
    ck_assert_msg(tl_tensor_ok(found), "%s", tl_error_message());
    for (int64_t i = 0; i < 3 * width; i++)
        ck_assert_double_eq(element(found, i), (double)(i / width + 1));
    tl_tape_free(tape);
    tl_tensor_free(&ids);
    munmap(data, bytes);
}
END_TEST

START_TEST(dropout_may_take_next_to_all_or_nothing)
{
    const double rates[] = {0, 1e-300, 0.999, 1 - 0x1p-53};
    for (int i = 0; i < 4; i++)
        for (int wide = 0; wide < 2; wide++) {
            tl_tape *tape = tl_tape_new();
            tl_tape_set_training(tape, true);
            tl_parameter *x = random_parameter("x", wide ? TL_F64 : TL_F32, tl_shape(50, 20), 4);
            tl_var *y = tl_dropout(tl_use(tape, x), rates[i]);
            check_ok(tl_backward(tl_sum(y, TL_ALL_AXES, false)));
            double kept = 0;
            for (int64_t j = 0; j < 1000; j++) {
                ck_assert(isfinite(element(tl_value(y), j)));
                ck_assert(isfinite(element(x->gradient, j)));
                kept += element(x->gradient, j) != 0;
            }
            ck_assert_msg(i < 2    ? kept == 1000
                          : i == 2 ? kept < 20
                                   : kept == 0,
                          "rate %g keeps %g", rates[i], kept);
            tl_tape_free(tape);
            tl_parameter_free(x);
        }
    const double wrong[] = {1, -0x1p-60, not_a_number, infinite};
    tl_tape *tape = tl_tape_new();
    for (int i = 0; i < 4; i++) {
        ck_assert_ptr_null(tl_dropout(nothing(tape, 1, 1), wrong[i]));
        check_error(TL_ERROR_ARGUMENT, "expected 0 <= rate < 1");
    }
    tl_tape_free(tape);
}
END_TEST

/* As with one dropout a step, in a sequence of a million. */
START_TEST(dropouts_differ_however_many_there_are)
{
    enum { ORDINALS = 5 };
    const uint64_t ordinals[ORDINALS] = {0, 0xFFFF, 0x10000, 0x100000, 0x800000};
    tl_tensor ones = tl_tensor_new(TL_F32, tl_shape(8, 40)), dropped[ORDINALS];
    tl_tensor_fill(ones, 1);
    tl_tape *tape = tl_tape_new();
    tl_tape_set_training(tape, true);
    for (int i = 0; i < ORDINALS; i++) {
        tape->dropouts = ordinals[i];
        dropped[i] = copy_of(tl_value(tl_dropout(tl_input(tape, ones), 0.5)));
        for (int j = 0; j < i; j++)
            ck_assert_msg(!same_bits(dropped[i], dropped[j]), "dropout %d as dropout %d", i, j);
    }
    for (int i = 0; i < ORDINALS; i++)
        tl_tensor_free(&dropped[i]);
    tl_tape_free(tape);
    tl_tensor_free(&ones);
}
END_TEST

START_TEST(ops_work_up_to_the_last_rank)
{
    const tl_shape deep = {8, {2, 1, 2, 1, 2, 1, 1, 3}};
    tl_tape *tape = tl_tape_new();
    tl_parameter *x = random_parameter("x", TL_F64, deep, 5);
    tl_var *used = tl_use(tape, x), *parts[] = {used, used};
    tl_var *y = tl_softmax(tl_transpose(tl_concat(parts, 2, 0), 0, 4), 2);
    check_ok(tl_backward(tl_sum(tl_mul(y, y), TL_ALL_AXES, false)));
    ck_assert_ptr_null(tl_stack(parts, 2, 0));
    check_error(TL_ERROR_SHAPE, "stack: axis 0 for parts of shape");
    ck_assert_ptr_null(tl_unsqueeze(used, 0));
    ck_assert_ptr_null(tl_gather(tl_reshape(used, tl_shape(4, 6)), tl_zeros(tape, TL_I32, deep)));
    ck_assert_int_eq(tl_shape_of(tl_sum(used, TL_ALL_AXES, true)).rank, 8);
    tl_tape_free(tape);
    tl_parameter_free(x);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("limits");
    tcase_add_test(tests, results_too_large_to_count_are_refused);
    tcase_add_test(tests, sums_over_nothing_are_zero_and_have_gradients);
    tcase_add_loop_test(tests, nan_goes_through_and_stays_in_its_row, 0, 2 * FUNCTIONS);
    tcase_add_loop_test(tests, infinity_goes_through, 0, 2);
    tcase_add_test(tests, ids_and_labels_out_of_range_are_told);
    tcase_add_test(tests, a_table_of_nothing_has_no_row);
    tcase_add_test(tests, rows_past_32_bits_are_gathered);
    tcase_add_test(tests, dropout_may_take_next_to_all_or_nothing);
    tcase_add_test(tests, dropouts_differ_however_many_there_are);
    tcase_add_test(tests, ops_work_up_to_the_last_rank);
    return run_tests("limits of ops", tests);
}
