/* Losses against their formulas in double, at extreme logits too; targets that nearly fit; accuracy. */
#include "tests/nn/testing_internal.h"

enum { ROWS = 6, CLASSES = 4 };

static const tl_dtype floats_of[] = {TL_F64, TL_F32};

/* The losses of rows in a tensor of the caller's. */
static tl_tensor rows_of(tl_loss loss, tl_tensor prediction, tl_tensor target, bool from_logits)
{
    tl_tape *tape = tl_tape_new();
    tl_var *rows = tl_loss_rows(loss, tl_input(tape, prediction), tl_input(tape, target), from_logits);
    tl_tensor result = rows ? copy_of(tl_value(rows)) : (tl_tensor){0};
    tl_tape_free(tape);
    return result;
}

static double tolerance(tl_dtype dtype)
{
    return dtype == TL_F64 ? 1e-13 : 4e-6;
}

static void check_rows(tl_loss loss, tl_tensor prediction, tl_tensor target, bool from_logits,
                       double (*expected)(tl_tensor p, tl_tensor y, int64_t row))
{
    tl_tensor rows = rows_of(loss, prediction, target, from_logits);
    ck_assert_msg(tl_tensor_ok(rows), "%s", tl_error_message());
    ck_assert(tl_shape_equal(rows.shape, tl_shape(prediction.shape.dims[0])));
    for (int64_t i = 0; i < rows.shape.dims[0]; i++) {
        double truth = expected(prediction, target, i), bound = tolerance(rows.dtype) * fmax(1, fabs(truth));
        ck_assert_msg(fabs(element(rows, i) - truth) <= bound, "%s, row %d: %.17g, expected %.17g",
                      tl_loss_name(loss), (int)i, element(rows, i), truth);
    }
    tl_tensor_free(&rows);
}

static double at(tl_tensor t, int64_t row, int64_t column)
{
    return tl_tensor_at(t, (int64_t[]){row, column});
}

static double clipped(double p)
{
    return fmin(fmax(p, 1e-7), 1 - 1e-7);
}

/* log(1 + e^x) */
static double softplus(double x)
{
    return fmax(x, 0) + log1p(exp(-fabs(x)));
}

static double binary_of_logits(tl_tensor x, tl_tensor y, int64_t row)
{
    double sum = 0;
    for (int64_t j = 0; j < x.shape.dims[1]; j++)
        sum += at(y, row, j) * softplus(-at(x, row, j)) + (1 - at(y, row, j)) * softplus(at(x, row, j));
    return sum / (double)x.shape.dims[1];
}

static double binary(tl_tensor p, tl_tensor y, int64_t row)
{
    double sum = 0;
    for (int64_t j = 0; j < p.shape.dims[1]; j++) {
        double q = clipped(at(p, row, j));
        sum -= at(y, row, j) * log(q) + (1 - at(y, row, j)) * log(1 - q);
    }
    return sum / (double)p.shape.dims[1];
}

/* log softmax(x)[j] */
static double log_share(tl_tensor x, int64_t row, int64_t j)
{
    double most = -(double)INFINITY, sum = 0;
    for (int64_t k = 0; k < x.shape.dims[1]; k++)
        most = fmax(most, at(x, row, k));
    for (int64_t k = 0; k < x.shape.dims[1]; k++)
        sum += exp(at(x, row, k) - most);
    return at(x, row, j) - most - log(sum);
}

static double log_probability(tl_tensor p, int64_t row, int64_t j)
{
    double sum = 0;
    for (int64_t k = 0; k < p.shape.dims[1]; k++)
        sum += at(p, row, k);
    return log(clipped(at(p, row, j) / sum));
}

static double categorical_of_logits(tl_tensor x, tl_tensor y, int64_t row)
{
    double sum = 0;
    for (int64_t j = 0; j < x.shape.dims[1]; j++)
        sum -= at(y, row, j) * log_share(x, row, j);
    return sum;
}

static double categorical(tl_tensor p, tl_tensor y, int64_t row)
{
    double sum = 0;
    for (int64_t j = 0; j < p.shape.dims[1]; j++)
        sum -= at(y, row, j) * log_probability(p, row, j);
    return sum;
}

static double sparse_of_logits(tl_tensor x, tl_tensor y, int64_t row)
{
    return -log_share(x, row, (int64_t)element(y, row));
}

/* Once clipped, Keras scales probabilities to sum 1 again: by less than 1e-7 here. */
static double sparse(tl_tensor p, tl_tensor y, int64_t row)
{
    double sum = 0;
    for (int64_t j = 0; j < p.shape.dims[1]; j++)
        sum += exp(log_probability(p, row, j));
    return log(sum) - log_probability(p, row, (int64_t)element(y, row));
}

static double squared(tl_tensor p, tl_tensor y, int64_t row)
{
    double sum = 0;
    for (int64_t j = 0; j < p.shape.dims[1]; j++)
        sum += (at(p, row, j) - at(y, row, j)) * (at(p, row, j) - at(y, row, j));
    return sum / (double)p.shape.dims[1];
}

/* Ones where the label is, and rows that are no labels: all zeros, and spread. */
static tl_tensor one_hot(tl_tensor labels, tl_dtype dtype)
{
    tl_tensor y = tl_tensor_new(dtype, tl_shape(ROWS, CLASSES));
    for (int64_t i = 0; i < ROWS - 2; i++)
        tl_tensor_fill(tl_tensor_select(tl_tensor_select(y, 0, i), 0, (int64_t)element(labels, i)), 1);
    tl_tensor_fill(tl_tensor_select(y, 0, ROWS - 1), 1.0 / CLASSES);
    return y;
}

/* Ordinary numbers, then every combination of +-1e4. */
static tl_tensor extreme_logits(tl_dtype dtype)
{
    tl_tensor x = random_tensor(dtype, tl_shape(ROWS, CLASSES), 1);
    for (int64_t i = 0; i < CLASSES; i++) {
        tl_tensor_fill(tl_tensor_select(tl_tensor_select(x, 0, 1), 0, i), i % 2 ? 1e4 : -1e4);
        tl_tensor_fill(tl_tensor_select(tl_tensor_select(x, 0, 2), 0, i), i % 2 ? -1e4 : 1e4);
        tl_tensor_fill(tl_tensor_select(tl_tensor_select(x, 0, 3), 0, i), i ? -1e4 : 1e4);
    }
    return x;
}

/* Ordinary probabilities, then those that are 0 and 1. */
static tl_tensor extreme_probabilities(tl_dtype dtype)
{
    tl_tensor p = tl_tensor_new(dtype, tl_shape(ROWS, CLASSES));
    check_ok(tl_random_fill_uniform(p, 0.05, 0.95, 6, 0));
    for (int64_t i = 0; i < CLASSES; i++) {
        tl_tensor_fill(tl_tensor_select(tl_tensor_select(p, 0, 1), 0, i), i == 1);
        tl_tensor_fill(tl_tensor_select(tl_tensor_select(p, 0, 2), 0, i), i == 2);
    }
    return p;
}

START_TEST(losses_follow_their_formulas)
{
    const tl_dtype dtype = floats_of[_i];
    tl_tensor x = extreme_logits(dtype), p = extreme_probabilities(dtype);
    tl_tensor labels = random_labels(ROWS, CLASSES, 3), y = one_hot(labels, dtype);
    check_rows(TL_BINARY_CROSSENTROPY, x, y, true, binary_of_logits);
    check_rows(TL_CATEGORICAL_CROSSENTROPY, x, y, true, categorical_of_logits);
    check_rows(TL_SPARSE_CATEGORICAL_CROSSENTROPY, x, labels, true, sparse_of_logits);
    check_rows(TL_MEAN_SQUARED_ERROR, x, y, true, squared);
    /* In f32, 1 - 1e-7 is 1 - 2^-23, so -log(1 - p) is 15.94 where double has 16.12: left to the next. */
    if (dtype == TL_F64)
        check_rows(TL_BINARY_CROSSENTROPY, p, y, false, binary);
    check_rows(TL_CATEGORICAL_CROSSENTROPY, p, y, false, categorical);
    check_rows(TL_SPARSE_CATEGORICAL_CROSSENTROPY, p, labels, false, sparse);
    check_rows(TL_MEAN_SQUARED_ERROR, p, y, false, squared);
    tl_tensor *all[] = {&x, &p, &labels, &y};
    for (int i = 0; i < 4; i++)
        tl_tensor_free(all[i]);
}
END_TEST

START_TEST(probabilities_of_zero_and_one_are_clipped)
{
    for (int d = 0; d < 2; d++) {
        tl_tensor p = tl_tensor_new(floats_of[d], tl_shape(4, 1)), y = tl_tensor_new(floats_of[d], p.shape);
        for (int64_t i = 0; i < 4; i++) {
            tl_tensor_fill(tl_tensor_select(p, 0, i), (double)(i % 2));
            tl_tensor_fill(tl_tensor_select(y, 0, i), (double)(i / 2));
        }
        tl_tensor rows = rows_of(TL_BINARY_CROSSENTROPY, p, y, false);
        ck_assert_double_eq_tol(element(rows, 0), 0, 2e-7);
        ck_assert_double_eq_tol(element(rows, 1), -log(1e-7), 0.2);
        ck_assert_double_eq_tol(element(rows, 2), -log(1e-7), 1e-5);
        ck_assert_double_eq_tol(element(rows, 3), 0, 2e-7);
        tl_tensor_free(&rows);
        tl_tensor_free(&p);
        tl_tensor_free(&y);
    }
}
END_TEST

/* Gradients at extreme logits are finite: sigmoid(x) - y. */
START_TEST(extreme_logits_have_finite_gradients)
{
    for (int d = 0; d < 2; d++) {
        tl_tensor x = extreme_logits(floats_of[d]), labels = random_labels(ROWS, CLASSES, 3),
                  y = one_hot(labels, floats_of[d]);
        const tl_loss losses[] = {TL_BINARY_CROSSENTROPY, TL_CATEGORICAL_CROSSENTROPY,
                                  TL_SPARSE_CATEGORICAL_CROSSENTROPY};
        for (int i = 0; i < 3; i++) {
            tl_tape *tape = tl_tape_new();
            tl_var *v = tl_variable(tape, x), *target = tl_input(tape, i == 2 ? labels : y);
            check_ok(tl_backward(tl_sum(tl_loss_rows(losses[i], v, target, true), TL_ALL_AXES, false)));
            tl_tensor g = tl_grad(v);
            for (int64_t j = 0; j < tl_tensor_count(g); j++)
                ck_assert(fabs(element(g, j)) <= 1.0000001);
            tl_tape_free(tape);
        }
        tl_tensor *all[] = {&x, &labels, &y};
        for (int i = 0; i < 3; i++)
            tl_tensor_free(all[i]);
    }
}
END_TEST

START_TEST(sequences_have_a_loss_a_step)
{
    tl_tensor x = random_tensor(TL_F64, tl_shape(2, 3, CLASSES), 1),
              flat_x = tl_tensor_reshape(x, tl_shape(6, CLASSES));
    tl_tensor labels = random_labels(6, CLASSES, 3), steps = tl_tensor_reshape(labels, tl_shape(2, 3));
    tl_tensor a = rows_of(TL_SPARSE_CATEGORICAL_CROSSENTROPY, x, steps, true),
              b = rows_of(TL_SPARSE_CATEGORICAL_CROSSENTROPY, flat_x, labels, true);
    ck_assert(tl_shape_equal(a.shape, tl_shape(2, 3)));
    ck_assert_mem_eq(tl_data(a), tl_data(b), 6 * sizeof(double));
    tl_tensor *all[] = {&x, &labels, &a, &b};
    for (int i = 0; i < 4; i++)
        tl_tensor_free(all[i]);
}
END_TEST

/* [n] for [n, 1] and the other way round, in any element type. */
START_TEST(a_last_axis_of_one_may_be_missing_or_too_many)
{
    tl_tensor p = random_tensor(TL_F32, tl_shape(ROWS, 1), 1),
              x = random_tensor(TL_F32, tl_shape(ROWS, CLASSES), 2);
    tl_tensor y = random_labels(ROWS, 2, 3), labels = random_labels(ROWS, CLASSES, 4);
    tl_tensor column = tl_tensor_unsqueeze(y, -1), label_column = tl_tensor_unsqueeze(labels, -1);
    const tl_dtype types[] = {TL_F32, TL_F64, TL_U8};
    tl_tensor a = rows_of(TL_BINARY_CROSSENTROPY, p, column, true),
              b = rows_of(TL_BINARY_CROSSENTROPY, p, y, true);
    ck_assert(tl_tensor_ok(a) && same_bits(a, b));
    for (int i = 0; i < 3; i++) {
        tl_tensor other = tl_tensor_new(types[i], y.shape);
        check_ok(tl_tensor_copy(other, y));
        tl_tensor c = rows_of(TL_BINARY_CROSSENTROPY, p, other, true);
        ck_assert(tl_tensor_ok(c) && same_bits(a, c));
        tl_tensor_free(&c);
        tl_tensor_free(&other);
    }
    tl_tensor e = rows_of(TL_SPARSE_CATEGORICAL_CROSSENTROPY, x, labels, true),
              f = rows_of(TL_SPARSE_CATEGORICAL_CROSSENTROPY, x, label_column, true);
    ck_assert(tl_tensor_ok(e) && same_bits(e, f));
    tl_tensor *all[] = {&p, &x, &y, &labels, &a, &b, &e, &f};
    for (int i = 0; i < 8; i++)
        tl_tensor_free(all[i]);
}
END_TEST

static void check_refused(tl_loss loss, tl_shape prediction, tl_shape target, const char *part)
{
    tl_tensor p = random_tensor(TL_F32, prediction, 1), y = tl_tensor_new(TL_F32, target);
    ck_assert(!tl_tensor_ok(rows_of(loss, p, y, true)));
    check_error(tl_error_status(), part);
    double sum;
    if (tl_loss_name(loss) && tl_loss_has_accuracy(loss))
        ck_assert_int_ne(tl_loss_accuracy(loss, p, y, (tl_tensor){0}, true, &sum), TL_OK);
    tl_tensor_free(&p);
    tl_tensor_free(&y);
}

START_TEST(targets_of_another_shape_are_refused)
{
    check_refused(TL_BINARY_CROSSENTROPY, tl_shape(6, 1), tl_shape(6, 2),
                  "binary_crossentropy: targets [6, 2] for predictions [6, 1], expected [6, 1]");
    check_refused(TL_BINARY_CROSSENTROPY, tl_shape(6, 3), tl_shape(6), "targets [6]");
    check_refused(TL_MEAN_SQUARED_ERROR, tl_shape(6, 1), tl_shape(1), "mean_squared_error: targets [1]");
    check_refused(TL_CATEGORICAL_CROSSENTROPY, tl_shape(6, 3), tl_shape(6, 4), "expected [6, 3]");
    check_refused(TL_SPARSE_CATEGORICAL_CROSSENTROPY, tl_shape(6, 3), tl_shape(6, 3), "expected [6]");
    check_refused(TL_BINARY_CROSSENTROPY, tl_shape(6), tl_shape(6), "predictions [6]");
    check_refused(TL_NO_LOSS, tl_shape(6, 1), tl_shape(6, 1), "loss: 0");
    check_refused((tl_loss)99, tl_shape(6, 1), tl_shape(6, 1), "loss: 99");
}
END_TEST

START_TEST(classes_past_the_last_are_refused)
{
    tl_tensor x = random_tensor(TL_F32, tl_shape(2, 3), 1), y = ids_of(tl_shape(2), (int32_t[]){1, 3});
    ck_assert(!tl_tensor_ok(rows_of(TL_SPARSE_CATEGORICAL_CROSSENTROPY, x, y, true)));
    check_error(TL_ERROR_RANGE, "3");
    tl_tensor_free(&x);
    tl_tensor_free(&y);
}
END_TEST

static double accuracy_of(tl_loss loss, tl_tensor p, tl_tensor y, tl_tensor weights, bool from_logits)
{
    double sum;
    check_ok(tl_loss_accuracy(loss, p, y, weights, from_logits, &sum));
    return sum;
}

START_TEST(accuracy_counts_what_is_right)
{
    const float p[] = {0.6f, 0.4f, 0.5f, -0.1f, 0.51f, 0.2f}, y[] = {1, 1, 0, 0, 1, 0};
    tl_tensor none = {0}, a = tl_tensor_of(TL_F32, tl_shape(3, 2), p),
              b = tl_tensor_of(TL_F32, tl_shape(3, 2), y);
    /* above one half: 1 0 | 0 0 | 1 0, so 1/2 + 2/2 + 2/2; above zero: 1 1 | 1 0 | 1 1, so 2/2 + 1/2 + 1/2 */
    ck_assert_double_eq(accuracy_of(TL_BINARY_CROSSENTROPY, a, b, none, false), 2.5);
    ck_assert_double_eq(accuracy_of(TL_BINARY_CROSSENTROPY, a, b, none, true), 2);
    /* largest: 0 0 0; of the targets: 0 (first of equals), 0, 0 */
    ck_assert_double_eq(accuracy_of(TL_CATEGORICAL_CROSSENTROPY, a, b, none, true), 3);
    tl_tensor labels = ids_of(tl_shape(3), (int32_t[]){0, 1, 0});
    ck_assert_double_eq(accuracy_of(TL_SPARSE_CATEGORICAL_CROSSENTROPY, a, labels, none, true), 2);
    tl_tensor weights = tl_tensor_of(TL_F32, tl_shape(3), (float[]){0, 1, 0.5f});
    ck_assert_double_eq(accuracy_of(TL_SPARSE_CATEGORICAL_CROSSENTROPY, a, labels, weights, true), 0.5);
    ck_assert_double_eq(accuracy_of(TL_BINARY_CROSSENTROPY, a, b, weights, false), 1.5);
    ck_assert(!tl_loss_has_accuracy(TL_MEAN_SQUARED_ERROR));
    double sum;
    ck_assert_int_eq(tl_loss_accuracy(TL_MEAN_SQUARED_ERROR, a, b, none, false, &sum), TL_ERROR_ARGUMENT);
    check_error(TL_ERROR_ARGUMENT, "mean_squared_error has no accuracy");
    tl_tensor *all[] = {&a, &b, &labels, &weights};
    for (int i = 0; i < 4; i++)
        tl_tensor_free(all[i]);
}
END_TEST

START_TEST(names_and_activations)
{
    ck_assert_str_eq(tl_loss_name(TL_BINARY_CROSSENTROPY), "binary_crossentropy");
    ck_assert_str_eq(tl_loss_name(TL_CATEGORICAL_CROSSENTROPY), "categorical_crossentropy");
    ck_assert_str_eq(tl_loss_name(TL_SPARSE_CATEGORICAL_CROSSENTROPY), "sparse_categorical_crossentropy");
    ck_assert_str_eq(tl_loss_name(TL_MEAN_SQUARED_ERROR), "mean_squared_error");
    ck_assert_ptr_null(tl_loss_name(TL_NO_LOSS));
    ck_assert_ptr_null(tl_loss_name((tl_loss)99));
    ck_assert_int_eq(tl_loss_activation(TL_BINARY_CROSSENTROPY), TL_SIGMOID);
    ck_assert_int_eq(tl_loss_activation(TL_CATEGORICAL_CROSSENTROPY), TL_SOFTMAX);
    ck_assert_int_eq(tl_loss_activation(TL_SPARSE_CATEGORICAL_CROSSENTROPY), TL_SOFTMAX);
    ck_assert_int_eq(tl_loss_activation(TL_MEAN_SQUARED_ERROR), TL_LINEAR);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("loss");
    tcase_add_loop_test(tests, losses_follow_their_formulas, 0, 2);
    tcase_add_test(tests, probabilities_of_zero_and_one_are_clipped);
    tcase_add_test(tests, extreme_logits_have_finite_gradients);
    tcase_add_test(tests, sequences_have_a_loss_a_step);
    tcase_add_test(tests, a_last_axis_of_one_may_be_missing_or_too_many);
    tcase_add_test(tests, targets_of_another_shape_are_refused);
    tcase_add_test(tests, classes_past_the_last_are_refused);
    tcase_add_test(tests, accuracy_counts_what_is_right);
    tcase_add_test(tests, names_and_activations);
    return run_tests("loss", tests);
}
