/* Learning-rate schedules at points known by hand, and what optimizers make of them. */
#include "optim/optimizer_internal.h"
#include "tests/autograd/testing_internal.h"

typedef struct point {
    int64_t step;
    double factor;
} point;

static void check_points(tl_schedule schedule, const point points[], int count)
{
    check_ok(tl_schedule_check(&schedule));
    for (int i = 0; i < count; i++) {
        double factor = tl_schedule_factor(&schedule, points[i].step);
        ck_assert_msg(fabs(factor - points[i].factor) <= 1e-15, "step %lld: %.17g, not %.17g",
                      (long long)points[i].step, factor, points[i].factor);
    }
}
#define CHECK_POINTS(schedule, ...)                                                                          \
    check_points(schedule, (const point[]){__VA_ARGS__},                                                     \
                 (int)(sizeof((const point[]){__VA_ARGS__}) / sizeof(point)))

START_TEST(a_zeroed_schedule_is_constant)
{
    CHECK_POINTS((tl_schedule){0}, {0, 1}, {1, 1}, {1000, 1}, {INT64_MAX, 1});
}
END_TEST

START_TEST(exponential_decay_is_smooth_or_a_staircase)
{
    CHECK_POINTS(tl_exponential_decay(4, 0.25), {0, 1}, {1, sqrt(0.5)}, {2, 0.5}, {4, 0.25}, {6, 0.125},
                 {8, 0.0625});
    CHECK_POINTS(tl_exponential_decay(4, 0.25, .staircase = true), {0, 1}, {3, 1}, {4, 0.25}, {7, 0.25},
                 {8, 0.0625}, {INT64_MAX, 0});
    CHECK_POINTS(tl_exponential_decay(1, 1.5), {0, 1}, {1, 1.5}, {2, 2.25});
}
END_TEST

START_TEST(step_decay_falls_every_so_many_steps)
{
    CHECK_POINTS(tl_step_decay(30, 0.1), {0, 1}, {29, 1}, {30, 0.1}, {59, 0.1}, {60, 0.01}, {90, 0.001});
}
END_TEST

START_TEST(cosine_decay_goes_down_to_alpha_and_stays)
{
    CHECK_POINTS(tl_cosine_decay(100), {0, 1}, {25, 0.5 + sqrt(0.125)}, {50, 0.5}, {75, 0.5 - sqrt(0.125)},
                 {100, 0}, {101, 0}, {INT64_MAX, 0});
    CHECK_POINTS(tl_cosine_decay(60, .alpha = 0.1), {0, 1}, {20, 0.1 + 0.9 * 0.75}, {30, 0.55},
                 {40, 0.1 + 0.9 * 0.25}, {60, 0.1}, {1000, 0.1});
}
END_TEST

START_TEST(a_warmup_comes_before_the_decay)
{
    CHECK_POINTS(tl_cosine_decay(60, .alpha = 0.1, .warmup_steps = 10), {0, 0}, {1, 0.1}, {5, 0.5}, {9, 0.9},
                 {10, 1}, {30, 0.1 + 0.9 * 0.75}, {40, 0.55}, {70, 0.1}, {71, 0.1});
    CHECK_POINTS(tl_exponential_decay(4, 0.25, .alpha = 0.5, .warmup_steps = 2), {0, 0}, {1, 0.5}, {2, 1},
                 {4, 0.75}, {6, 0.625}, {4000, 0.5});
    CHECK_POINTS(((tl_schedule){.warmup_steps = 4}), {0, 0}, {3, 0.75}, {4, 1}, {5, 1});
}
END_TEST

static void check_refused(tl_schedule schedule, const char *part)
{
    ck_assert_int_eq(tl_schedule_check(&schedule), TL_ERROR_ARGUMENT);
    check_error(TL_ERROR_ARGUMENT, part);
    ck_assert_double_nan(tl_schedule_factor(&schedule, 0));
    ck_assert_ptr_null(tl_sgd(.schedule = schedule));
    ck_assert_ptr_null(tl_rmsprop(.schedule = schedule));
    ck_assert_ptr_null(tl_adam(.schedule = schedule));
    ck_assert_ptr_null(tl_adamw(.schedule = schedule));
    ck_assert_ptr_null(tl_adagrad(.schedule = schedule));
    check_error(TL_ERROR_ARGUMENT, part);
}

START_TEST(impossible_schedules_are_refused_by_name_and_value)
{
    check_refused(tl_exponential_decay(0, 0.5), "schedule: decay_steps 0");
    check_refused(tl_cosine_decay(-3), "schedule: decay_steps -3");
    check_refused(tl_step_decay(10, 0), "schedule: decay_rate 0");
    check_refused(tl_exponential_decay(10, (double)INFINITY), "schedule: decay_rate inf");
    check_refused(tl_exponential_decay(10, (double)NAN), "schedule: decay_rate nan");
    check_refused(tl_cosine_decay(10, .alpha = 1.5), "schedule: alpha 1.5");
    check_refused(tl_cosine_decay(10, .alpha = -0.5), "schedule: alpha -0.5");
    check_refused(tl_cosine_decay(10, .warmup_steps = -1), "schedule: warmup_steps -1");
    check_refused((tl_schedule){.decay = (tl_decay)7}, "schedule: decay 7");
    const tl_schedule fine = tl_cosine_decay(10);
    ck_assert_double_nan(tl_schedule_factor(&fine, -1));
    check_error(TL_ERROR_ARGUMENT, "schedule: step -1");
    ck_assert_int_ne(tl_schedule_check(NULL), TL_OK);
}
END_TEST

START_TEST(a_step_takes_the_rate_times_the_factor)
{
    tl_parameter *p = tl_parameter_new("w", tl_tensor_new(TL_F64, tl_shape(1)));
    tl_optimizer *optimizer =
        tl_sgd(.learning_rate = 2, .schedule = tl_step_decay(2, 0.5)); /* 2, 2, 1, 1, 0.5, ... */
    check_ok(tl_optimizer_add(optimizer, &p, 1));
    const double rates[] = {2, 2, 1, 1, 0.5, 40 * 0.25, 40 * 0.125};
    double w = 0;
    for (int i = 0; i < 7; i++) {
        if (i == 5) /* what a callback may do */
            check_ok(tl_optimizer_set_learning_rate(optimizer, 40));
        if (i == 6) /* and a checkpoint */
            check_ok(tl_optimizer_set_steps(optimizer, 7));
        ck_assert_double_eq(tl_optimizer_current_rate(optimizer), rates[i]);
        ck_assert_double_eq(tl_optimizer_learning_rate(optimizer), i < 5 ? 2 : 40);
        tl_tensor_fill(p->gradient, -1);
        check_ok(tl_optimizer_step(optimizer));
        ck_assert_double_eq(element(p->value, 0), w += rates[i]);
    }
    tl_optimizer_free(optimizer);
    tl_parameter_free(p);
}
END_TEST

static tl_optimizer *make(int which, tl_schedule schedule)
{
    switch (which) {
    case 0:
        return tl_sgd(.momentum = 0.9, .schedule = schedule);
    case 1:
        return tl_rmsprop(.schedule = schedule);
    case 2:
        return tl_adam(.schedule = schedule);
    case 3:
        return tl_adamw(.weight_decay = 0.5, .schedule = schedule);
    default:
        return tl_adagrad(.schedule = schedule);
    }
}
enum { KINDS = 5, STEPS = 20, COUNT = 37 };

/* The value of a parameter after some steps with a schedule, or the same course set by hand. */
static tl_tensor trained(int which, bool by_hand)
{
    const tl_schedule schedule = tl_cosine_decay(12, .alpha = 0.2, .warmup_steps = 4);
    tl_parameter *p = random_parameter("w", TL_F32, tl_shape(COUNT), 1);
    tl_optimizer *optimizer = make(which, by_hand ? (tl_schedule){0} : schedule);
    const double rate = tl_optimizer_learning_rate(optimizer);
    check_ok(tl_optimizer_add(optimizer, &p, 1));
    for (int t = 0; t < STEPS; t++) {
        if (by_hand)
            check_ok(tl_optimizer_set_learning_rate(optimizer, rate * tl_schedule_factor(&schedule, t)));
        check_ok(tl_random_fill_normal(p->gradient, 0, 1, 4, (uint64_t)t));
        check_ok(tl_optimizer_step(optimizer));
    }
    tl_tensor result = copy_of(p->value);
    tl_optimizer_free(optimizer);
    tl_parameter_free(p);
    return result;
}

START_TEST(every_optimizer_follows_its_schedule)
{
    tl_tensor scheduled = trained(_i, false), by_hand = trained(_i, true);
    ck_assert(same_bits(scheduled, by_hand));
    tl_tensor_free(&scheduled);
    tl_tensor_free(&by_hand);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("schedule");
    tcase_add_test(tests, a_zeroed_schedule_is_constant);
    tcase_add_test(tests, exponential_decay_is_smooth_or_a_staircase);
    tcase_add_test(tests, step_decay_falls_every_so_many_steps);
    tcase_add_test(tests, cosine_decay_goes_down_to_alpha_and_stays);
    tcase_add_test(tests, a_warmup_comes_before_the_decay);
    tcase_add_test(tests, impossible_schedules_are_refused_by_name_and_value);
    tcase_add_test(tests, a_step_takes_the_rate_times_the_factor);
    tcase_add_loop_test(tests, every_optimizer_follows_its_schedule, 0, KINDS);
    return run_tests("schedule", tests);
}
