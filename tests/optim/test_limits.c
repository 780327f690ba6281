/* Optimizers at their limits: nothing to update, gradients that are no numbers, rates of nothing and beyond,
 * and more steps than anyone takes. */
#include "optim/optimizer_internal.h"
#include "tests/autograd/testing_internal.h"

static const double infinite = (double)INFINITY, not_a_number = (double)NAN;

static const char *const names[] = {"sgd", "rmsprop", "adam", "adamw", "adagrad"};
enum { NAMES = sizeof names / sizeof names[0], N = 21 };

static tl_optimizer *optimizer_of(const char *name, double rate, tl_parameter *parameter)
{
    tl_optimizer *optimizer = tl_optimizer_by_name(name, rate);
    ck_assert_msg(optimizer != NULL, "%s", tl_error_message());
    check_ok(tl_optimizer_add(optimizer, &parameter, 1));
    return optimizer;
}

START_TEST(nothing_to_update_is_a_step)
{
    tl_optimizer *none = tl_optimizer_by_name(names[_i], 0);
    check_ok(tl_optimizer_add(none, NULL, 0));
    check_ok(tl_optimizer_step(none));
    tl_parameter *empty = tl_parameter_new("empty", tl_tensor_new(TL_F32, tl_shape(0, 5)));
    check_ok(tl_optimizer_add(none, &empty, 1));
    check_ok(tl_optimizer_step(none));
    ck_assert_int_eq(tl_optimizer_steps(none), 2);
    tl_optimizer_free(none);
    tl_parameter_free(empty);
}
END_TEST

/* What is no number stays with its element. */
START_TEST(gradients_that_are_no_numbers_stay_where_they_are)
{
    const double bad[] = {not_a_number, infinite, -infinite};
    for (int i = 0; i < 6; i++) {
        tl_parameter *p = random_parameter("w", i % 2 ? TL_F64 : TL_F32, tl_shape(N), 1);
        tl_parameter *q = random_parameter("w", i % 2 ? TL_F64 : TL_F32, tl_shape(N), 1);
        tl_optimizer *one = optimizer_of(names[_i], 0, p), *other = optimizer_of(names[_i], 0, q);
        for (int step = 0; step < 3; step++) {
            tl_tensor_fill(p->gradient, 0.5);
            tl_tensor_fill(q->gradient, 0.5);
            tl_tensor_fill(tl_tensor_slice(q->gradient, 0, 13, 1), bad[i / 2]);
            check_ok(tl_optimizer_step(one));
            check_ok(tl_optimizer_step(other));
        }
        for (int64_t j = 0; j < N; j++)
            if (j == 13)
                ck_assert(!isfinite(element(q->value, j)));
            else
                ck_assert(element(p->value, j) == element(q->value, j));
        tl_optimizer_free(one);
        tl_optimizer_free(other);
        tl_parameter_free(p);
        tl_parameter_free(q);
    }
}
END_TEST

/* A norm of NaN is no norm to clip to: nothing is scaled, and NaN goes on. One of infinity makes all of a
 * gradient 0, but for what was infinite. */
START_TEST(norms_that_are_no_numbers)
{
    const double bad[] = {not_a_number, infinite};
    for (int i = 0; i < 4; i++) {
        tl_parameter *p = random_parameter("w", TL_F32, tl_shape(N), 1);
        tl_tensor before = copy_of(p->value);
        tl_optimizer *o = i / 2 ? tl_sgd(.clip_norm = 1) : tl_sgd(.global_clip_norm = 1);
        check_ok(tl_optimizer_add(o, &p, 1));
        tl_tensor_fill(p->gradient, 0.5);
        tl_tensor_fill(tl_tensor_slice(p->gradient, 0, 13, 1), bad[i % 2]);
        check_ok(tl_optimizer_step(o));
        for (int64_t j = 0; j < N; j++)
            if (j == 13)
                ck_assert(isnan(element(p->value, j)));
            else if (i % 2)
                ck_assert_double_eq(element(p->value, j), element(before, j));
            else
                ck_assert_double_eq_tol(element(p->value, j), element(before, j) - 0.005, 1e-6);
        tl_optimizer_free(o);
        tl_parameter_free(p);
        tl_tensor_free(&before);
    }
}
END_TEST

START_TEST(a_rate_of_zero_moves_nothing)
{
    tl_parameter *p = random_parameter("w", TL_F32, tl_shape(N), 1);
    tl_tensor before = copy_of(p->value);
    tl_optimizer *o = optimizer_of(names[_i], 0, p);
    check_ok(tl_optimizer_set_learning_rate(o, 0));
    for (int step = 0; step < 3; step++) {
        tl_tensor_fill(p->gradient, 0.5);
        check_ok(tl_optimizer_step(o));
    }
    ck_assert(same_bits(p->value, before));
    tl_optimizer_free(o);
    tl_parameter_free(p);
    tl_tensor_free(&before);
}
END_TEST

START_TEST(rates_beyond_measure)
{
    tl_parameter *p = random_parameter("w", TL_F32, tl_shape(N), 1);
    tl_optimizer *o = optimizer_of(names[_i], 1e300, p);
    tl_tensor_fill(p->gradient, 0.5);
    tl_tensor_fill(tl_tensor_slice(p->gradient, 0, 13, 1), 0);
    check_ok(tl_optimizer_step(o));
    ck_assert(!isfinite(element(p->value, 0)));
    const double wrong[] = {infinite, not_a_number, -1};
    for (int i = 0; i < 3; i++) {
        ck_assert_ptr_null(tl_optimizer_by_name(names[_i], wrong[i]));
        check_error(TL_ERROR_ARGUMENT, "learning_rate");
        ck_assert_int_eq(tl_optimizer_set_learning_rate(o, wrong[i]), TL_ERROR_ARGUMENT);
    }
    tl_optimizer_free(o);
    tl_parameter_free(p);
}
END_TEST

START_TEST(more_steps_than_anyone_takes)
{
    const int64_t most = (int64_t)1 << 53;
    tl_parameter *p = random_parameter("w", TL_F32, tl_shape(N), 1);
    tl_optimizer *o = optimizer_of(names[_i], 0, p);
    ck_assert_int_eq(tl_optimizer_set_steps(o, INT64_MAX), TL_ERROR_ARGUMENT);
    check_error(TL_ERROR_ARGUMENT, "9223372036854775807 steps, expected 0 to 9007199254740992");
    ck_assert_int_eq(tl_optimizer_set_steps(o, most + 1), TL_ERROR_ARGUMENT);
    check_ok(tl_optimizer_set_steps(o, most));
    for (int step = 0; step < 3; step++) {
        tl_tensor_fill(p->gradient, 0.5);
        check_ok(tl_optimizer_step(o));
    }
    for (int64_t j = 0; j < N; j++)
        ck_assert(isfinite(element(p->value, j)));
    ck_assert_int_eq(tl_optimizer_steps(o), most + 3);
    tl_optimizer_free(o);
    tl_parameter_free(p);
}
END_TEST

START_TEST(schedules_at_the_last_step)
{
    tl_schedule schedules[] = {
        {0}, tl_exponential_decay(1, 0.5), tl_step_decay(INT64_MAX, 0.5), tl_cosine_decay(INT64_MAX)};
    const double factors[] = {1, 0, 0.5, 0};
    for (int i = 0; i < 4; i++)
        ck_assert_double_eq_tol(tl_schedule_factor(&schedules[i], INT64_MAX), factors[i], 1e-12);
    tl_schedule slow = {.warmup_steps = INT64_MAX};
    ck_assert_double_eq_tol(tl_schedule_factor(&slow, INT64_MAX - 1), 1, 1e-12);
    ck_assert_double_eq(tl_schedule_factor(&slow, 0), 0);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("limits");
    tcase_add_loop_test(tests, nothing_to_update_is_a_step, 0, NAMES);
    tcase_add_loop_test(tests, gradients_that_are_no_numbers_stay_where_they_are, 0, NAMES);
    tcase_add_test(tests, norms_that_are_no_numbers);
    tcase_add_loop_test(tests, a_rate_of_zero_moves_nothing, 0, NAMES);
    tcase_add_loop_test(tests, rates_beyond_measure, 0, NAMES);
    tcase_add_loop_test(tests, more_steps_than_anyone_takes, 0, NAMES);
    tcase_add_test(tests, schedules_at_the_last_step);
    return run_tests("limits of optimizers", tests);
}
