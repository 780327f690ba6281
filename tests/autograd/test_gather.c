/* gather: the gradient by rows, which a parameter gets, against the dense one, and values computed late. */
#include "tests/autograd/testing_internal.h"

enum { ROWS = 7, WIDTH = 5 };

static const int32_t id_values[] = {3, 0, 3, 6, 1, 3, 0, 0, 2, 6, 5, 3};

static tl_tensor some_ids(void)
{
    return tl_tensor_of(TL_I32, tl_shape(4, 3), id_values);
}

/* What is looked up, and in which order: a sequence, the same transposed (time-major ids), one step, one. */
static tl_var *lookup(tl_var *table, tl_var *ids, int form)
{
    switch (form) {
    case 0:
        return tl_gather(table, ids);
    case 1:
        return tl_gather(table, tl_transpose(ids, 0, 1));
    case 2:
        return tl_gather(table, tl_select(ids, 1, 1));
    default:
        return tl_gather(table, tl_select(tl_select(ids, 0, 2), 0, 0));
    }
}

/* Differentiates sum(tanh(rows) * weights), with the rows looked up in each of `forms` forms. */
static void differentiate(tl_tape *tape, tl_var *table, int forms)
{
    tl_tensor ids = some_ids(), weights = random_tensor(tl_dtype_of(table), tl_shape(4, 3, WIDTH), 5);
    tl_var *sum = tl_zeros(tape, tl_dtype_of(table), TL_SCALAR);
    for (int form = 0; form < forms; form++) {
        tl_var *rows = tl_tanh(lookup(table, tl_input(tape, ids), form));
        tl_tensor w = weights;
        if (form == 1)
            w = tl_tensor_transpose(w, 0, 1);
        else if (form > 1)
            w = tl_tensor_select(w, 1, 0);
        if (form > 2)
            w = tl_tensor_select(w, 0, 0);
        sum = tl_add(sum, tl_sum(tl_mul(rows, tl_input(tape, w)), TL_ALL_AXES, false));
    }
    check_ok(tl_backward(sum));
    tl_tensor_free(&ids);
    tl_tensor_free(&weights);
}

/* dsum / dtable of one lookup of all ids, by hand. */
static tl_tensor expected_gradient(tl_tensor table)
{
    tl_tensor weights = random_tensor(table.dtype, tl_shape(4, 3, WIDTH), 5);
    tl_tensor gradient = tl_tensor_new(TL_F64, tl_shape(ROWS, WIDTH));
    double *g = tl_data_mut(gradient);
    for (int64_t i = 0; i < 12; i++)
        for (int64_t j = 0; j < WIDTH; j++) {
            int64_t place = id_values[i] * WIDTH + j;
            double y = tanh(element(table, place));
            g[place] += element(weights, i * WIDTH + j) * (1 - y * y);
        }
    tl_tensor_free(&weights);
    return gradient;
}

static void compare_paths(tl_dtype dtype, double bound)
{
    for (int forms = 1; forms <= 4; forms++) {
        tl_tape *tape = tl_tape_new();
        tl_tensor table = random_tensor(dtype, tl_shape(ROWS, WIDTH), 1);
        tl_var *dense = tl_variable(tape, table);
        differentiate(tape, dense, forms);
        tl_tensor by_hand = expected_gradient(table), gradient = copy_of(tl_grad(dense));
        if (forms == 1)
            ck_assert_double_le(difference(gradient, by_hand), bound);

        tl_parameter *parameter = tl_parameter_new("table", table);
        tl_tape_reset(tape);
        differentiate(tape, tl_use(tape, parameter), forms);
        ck_assert_double_le(difference(parameter->gradient, gradient), bound);
        ck_assert_double_le(difference(tl_grad(tl_use(tape, parameter)), gradient), bound);
        for (int64_t j = 0; j < WIDTH; j++) /* row 4 is never looked up */
            ck_assert(element(parameter->gradient, 4 * WIDTH + j) == 0);

        tl_tensor_free(&by_hand);
        tl_tensor_free(&gradient);
        tl_parameter_free(parameter);
        tl_tape_free(tape);
    }
}

START_TEST(rows_and_dense_give_the_same_gradient)
{
    compare_paths(TL_F64, 1e-15);
    compare_paths(TL_F32, 4e-7);
}
END_TEST

/* A table that is looked up and multiplied by: its gradient comes by rows and dense at once. */
START_TEST(rows_and_dense_add_up)
{
    tl_parameter *table = random_parameter("table", TL_F64, tl_shape(ROWS, WIDTH), 1);
    tl_tensor ids = some_ids();
    tl_tape *tape = tl_tape_new();
    tl_tensor gradients[3];
    for (int which = 0; which < 3; which++) {
        tl_tape_reset(tape);
        tl_parameter_clear_gradient(table);
        tl_var *e = tl_use(tape, table);
        tl_var *rows = tl_gather(e, tl_input(tape, ids));
        tl_var *first = tl_sum(tl_tanh(rows), TL_ALL_AXES, false);
        tl_var *second = tl_sum(tl_sigmoid(tl_matmul(tl_transpose(e, 0, 1), e)), TL_ALL_AXES, false);
        check_ok(tl_backward(which == 0 ? first : which == 1 ? second : tl_add(first, second)));
        ck_assert(same_bits(tl_grad(e), table->gradient));
        ck_assert(same_bits(tl_grad(e), table->gradient)); /* asking twice adds nothing */
        gradients[which] = copy_of(table->gradient);
    }
    for (int64_t i = 0; i < ROWS * WIDTH; i++)
        ck_assert_double_eq_tol(element(gradients[2], i), element(gradients[0], i) + element(gradients[1], i),
                                1e-14);
    for (int which = 0; which < 3; which++)
        tl_tensor_free(&gradients[which]);
    tl_tensor_free(&ids);
    tl_parameter_free(table);
    tl_tape_free(tape);
}
END_TEST

START_TEST(gradients_of_two_rounds_add_up_in_the_parameter)
{
    tl_parameter *table = random_parameter("table", TL_F64, tl_shape(ROWS, WIDTH), 1);
    tl_tape *tape = tl_tape_new();
    differentiate(tape, tl_use(tape, table), 1);
    tl_tensor once = copy_of(table->gradient);
    tl_tape_reset(tape);
    differentiate(tape, tl_use(tape, table), 1);
    for (int64_t i = 0; i < ROWS * WIDTH; i++)
        ck_assert(element(table->gradient, i) == 2 * element(once, i));
    tl_tensor_free(&once);
    tl_parameter_free(table);
    tl_tape_free(tape);
}
END_TEST

START_TEST(a_frozen_table_gets_no_gradient)
{
    tl_parameter *table = random_parameter("table", TL_F64, tl_shape(ROWS, WIDTH), 1);
    tl_parameter *other = random_parameter("other", TL_F64, tl_shape(WIDTH), 2);
    tl_tensor ids = some_ids();
    table->trainable = false;
    tl_tape *tape = tl_tape_new();
    tl_var *rows = tl_gather(tl_use(tape, table), tl_input(tape, ids));
    check_ok(tl_backward(tl_sum(tl_mul(rows, tl_use(tape, other)), TL_ALL_AXES, false)));
    for (int64_t i = 0; i < ROWS * WIDTH; i++)
        ck_assert(element(table->gradient, i) == 0);
    for (int64_t j = 0; j < WIDTH; j++) {
        double sum = 0;
        for (int64_t i = 0; i < 12; i++)
            sum += element(table->value, id_values[i] * WIDTH + j);
        ck_assert_double_eq_tol(element(other->gradient, j), sum, 1e-14);
    }
    tl_tensor_free(&ids);
    tl_parameter_free(table);
    tl_parameter_free(other);
    tl_tape_free(tape);
}
END_TEST

START_TEST(the_value_waits_until_somebody_looks)
{
    tl_tensor table = random_tensor(TL_F64, tl_shape(ROWS, WIDTH), 1), ids = some_ids();
    tl_tape *tape = tl_tape_new();
    tl_var *rows = tl_gather(tl_variable(tape, table), tl_input(tape, ids));
    ck_assert(tl_shape_equal(tl_shape_of(rows), tl_shape(4, 3, WIDTH)));
    ck_assert_int_eq(tl_dtype_of(rows), TL_F64);
    tl_var *loss = tl_sum(tl_select(rows, 1, 2), TL_ALL_AXES, false); /* a view looks at it, too */
    tl_tensor value = tl_value(rows);
    ck_assert_int_eq(value.strides[1], 4 * WIDTH); /* time-major, so that a step is one stretch */
    ck_assert_int_eq(value.strides[0], WIDTH);
    for (int64_t i = 0; i < 12; i++)
        for (int64_t j = 0; j < WIDTH; j++)
            ck_assert(element(value, i * WIDTH + j) == element(table, id_values[i] * WIDTH + j));
    double sum = 0;
    for (int64_t i = 2; i < 12; i += 3)
        for (int64_t j = 0; j < WIDTH; j++)
            sum += element(table, id_values[i] * WIDTH + j);
    ck_assert_double_eq_tol(tl_tensor_item(tl_value(loss)), sum, 1e-14);
    check_ok(tl_backward(loss));
    tl_tensor_free(&table);
    tl_tensor_free(&ids);
    tl_tape_free(tape);
}
END_TEST

START_TEST(what_nobody_looks_at_costs_nothing)
{
    tl_tensor table = random_tensor(TL_F64, tl_shape(ROWS, WIDTH), 1), ids = some_ids();
    tl_tape *tape = tl_tape_new();
    tl_var *e = tl_variable(tape, table);
    tl_var *rows = tl_gather(e, tl_input(tape, ids));
    ck_assert_ptr_nonnull(rows);
    check_ok(tl_backward(tl_sum(e, TL_ALL_AXES, false)));
    for (int64_t i = 0; i < ROWS * WIDTH; i++)
        ck_assert(element(tl_grad(e), i) == 1);
    ck_assert(tl_tensor_ok(tl_value(rows))); /* and afterwards one still can */

    tl_tape_reset(tape);
    e = tl_variable(tape, table);
    rows = tl_gather(e, tl_input(tape, ids));
    tl_tensor seed = tl_tensor_new(TL_F64, tl_shape(4, 3, WIDTH));
    tl_tensor_fill(seed, 1);
    check_ok(tl_backward_from(rows, seed)); /* straight from it */
    for (int64_t j = 0; j < WIDTH; j++)
        ck_assert(element(tl_grad(e), 3 * WIDTH + j) == 4);
    tl_tensor_free(&seed);
    tl_tensor_free(&table);
    tl_tensor_free(&ids);
    tl_tape_free(tape);
}
END_TEST

/* Whether or not somebody looks at the rows in between before their own are computed. */
START_TEST(rows_of_rows_are_looked_up)
{
    static const int32_t inner[] = {6, 2, 2, 0}, outer[] = {3, 1, 3};
    tl_tensor table = random_tensor(TL_F64, tl_shape(ROWS, WIDTH), 1);
    tl_tensor first = tl_tensor_of(TL_I32, tl_shape(4), inner),
              second = tl_tensor_of(TL_I32, tl_shape(3), outer);
    tl_tape *tape = tl_tape_new();
    tl_var *e = tl_variable(tape, table);
    tl_var *between = tl_gather(e, tl_input(tape, first));
    tl_var *rows = tl_gather(between, tl_input(tape, second));
    if (_i)
        ck_assert(element(tl_value(between), 0) == element(table, inner[0] * WIDTH));
    tl_var *loss = tl_sum(rows, TL_ALL_AXES, false);
    static const double uses[ROWS] = {2, 0, 1, 0, 0, 0, 0};
    for (int64_t i = 0; i < 3; i++)
        ck_assert(element(tl_value(rows), i * WIDTH) == element(table, inner[outer[i]] * WIDTH));
    check_ok(tl_backward(loss));
    for (int64_t i = 0; i < ROWS * WIDTH; i++)
        ck_assert(element(tl_grad(e), i) == uses[i / WIDTH]);
    tl_tensor_free(&table);
    tl_tensor_free(&first);
    tl_tensor_free(&second);
    tl_tape_free(tape);
}
END_TEST

static void refuse_id(int32_t id, const char *message)
{
    tl_tensor table = random_tensor(TL_F32, tl_shape(ROWS, WIDTH), 1);
    tl_tensor ids = tl_tensor_of(TL_I32, tl_shape(1), &id);
    tl_tape *tape = tl_tape_new();
    tl_var *rows = tl_gather(tl_variable(tape, table), tl_input(tape, ids));
    ck_assert_ptr_nonnull(rows); /* nobody has looked yet */
    ck_assert_ptr_null(tl_tanh(rows));
    check_error(TL_ERROR_RANGE, message);
    ck_assert(!tl_tensor_ok(tl_value(rows)));
    check_error(TL_ERROR_RANGE, message);
    tl_tensor_free(&table);
    tl_tensor_free(&ids);
    tl_tape_free(tape);
}

START_TEST(an_id_outside_the_table_is_an_error)
{
    refuse_id(ROWS, "gather: id 7, the table has rows 0 to 6");
    refuse_id(-1, "gather: id -1, the table has rows 0 to 6");
}
END_TEST

/* Many rows at first, then more: what keeps the rows has to grow, and to stop at the table's height. */
START_TEST(gradients_by_rows_grow)
{
    enum { TALL = 1000, LOOKUPS = 60 };
    tl_parameter *table = random_parameter("table", TL_F64, tl_shape(TALL, 3), 1);
    tl_tape *tape = tl_tape_new();
    tl_var *sum = tl_zeros(tape, TL_F64, TL_SCALAR);
    int uses[TALL] = {0};
    tl_tensor ids[LOOKUPS];
    for (int i = 0; i < LOOKUPS; i++) {
        int64_t n = 1 + i * 3;
        ids[i] = tl_tensor_new(TL_I32, tl_shape(n));
        int32_t *id = tl_data_mut(ids[i]);
        for (int64_t j = 0; j < n; j++) {
            id[j] = (int32_t)tl_random_below(3, (uint64_t)i, (uint64_t)j, TALL);
            uses[id[j]]++;
        }
        sum = tl_add(sum, tl_sum(tl_gather(tl_use(tape, table), tl_input(tape, ids[i])), TL_ALL_AXES, false));
    }
    check_ok(tl_backward(sum));
    for (int64_t i = 0; i < TALL * 3; i++)
        ck_assert(element(table->gradient, i) == uses[i / 3]);
    for (int i = 0; i < LOOKUPS; i++)
        tl_tensor_free(&ids[i]);
    tl_parameter_free(table);
    tl_tape_free(tape);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("gather");
    tcase_add_test(tests, rows_and_dense_give_the_same_gradient);
    tcase_add_test(tests, rows_and_dense_add_up);
    tcase_add_test(tests, gradients_of_two_rounds_add_up_in_the_parameter);
    tcase_add_test(tests, a_frozen_table_gets_no_gradient);
    tcase_add_test(tests, the_value_waits_until_somebody_looks);
    tcase_add_test(tests, what_nobody_looks_at_costs_nothing);
    tcase_add_loop_test(tests, rows_of_rows_are_looked_up, 0, 2);
    tcase_add_test(tests, an_id_outside_the_table_is_an_error);
    tcase_add_test(tests, gradients_by_rows_grow);
    return run_tests("gather", tests);
}
