/* Optimizers: limits on gradients, options that are refused, and large parameters on several threads. */
#include "optim/optimizer.h"
#include "tensor/threads.h"
#include "tests/autograd/testing_internal.h"
#include "tests/support/suite.h"

/* Two parameters, of gradients (3, 4) and (0, -12, 5): norms 5 and 13, together sqrt(194). */
static const double gradients[2][3] = {{3, 4}, {0, -12, 5}};
static const int64_t counts[] = {2, 3};

/* Hands both to the optimizer, takes one step from 0 at rate 1, and leaves what the gradients were after
 * clipping. */
static void clipped(tl_optimizer *optimizer, tl_dtype dtype, double result[2][3])
{
    ck_assert_msg(optimizer != NULL, "%s", tl_error_message());
    tl_parameter *parameters[2];
    for (int i = 0; i < 2; i++) {
        parameters[i] = tl_parameter_new("p", tl_tensor_new(dtype, tl_shape(counts[i])));
        for (int64_t j = 0; j < counts[i]; j++)
            tl_tensor_fill(tl_tensor_select(parameters[i]->gradient, 0, j), gradients[i][j]);
    }
    check_ok(tl_optimizer_add(optimizer, parameters, 2));
    check_ok(tl_optimizer_step(optimizer));
    for (int i = 0; i < 2; i++) {
        for (int64_t j = 0; j < counts[i]; j++)
            result[i][j] = -element(parameters[i]->value, j);
        tl_parameter_free(parameters[i]);
    }
    tl_optimizer_free(optimizer);
}

static void check_clipped(tl_optimizer *optimizer, tl_dtype dtype, const double expected[2][3])
{
    double result[2][3] = {{0}};
    clipped(optimizer, dtype, result);
    for (int i = 0; i < 2; i++)
        for (int64_t j = 0; j < counts[i]; j++)
            ck_assert_double_eq_tol(result[i][j], expected[i][j], dtype == TL_F64 ? 1e-14 : 2e-6);
}

static const tl_dtype floats_of[] = {TL_F64, TL_F32};

START_TEST(values_are_clipped_one_by_one)
{
    const double expected[2][3] = {{3, 3.5}, {0, -3.5, 3.5}};
    check_clipped(tl_sgd(.learning_rate = 1, .clip_value = 3.5), floats_of[_i], expected);
}
END_TEST

START_TEST(norms_are_clipped_parameter_by_parameter)
{
    const double some[2][3] = {{3, 4}, {0, -12.0 / 13 * 6, 5.0 / 13 * 6}};
    check_clipped(tl_sgd(.learning_rate = 1, .clip_norm = 6), floats_of[_i], some);
    const double all[2][3] = {{0.6, 0.8}, {0, -12.0 / 13, 5.0 / 13}};
    check_clipped(tl_sgd(.learning_rate = 1, .clip_norm = 1), floats_of[_i], all);
}
END_TEST

START_TEST(the_global_norm_scales_all_alike)
{
    const double s = 2 / sqrt(194), expected[2][3] = {{3 * s, 4 * s}, {0, -12 * s, 5 * s}};
    check_clipped(tl_sgd(.learning_rate = 1, .global_clip_norm = 2), floats_of[_i], expected);
    check_clipped(tl_sgd(.learning_rate = 1, .global_clip_norm = 14), floats_of[_i], gradients);
}
END_TEST

START_TEST(a_gradient_of_zero_stays_zero)
{
    tl_parameter *p = random_parameter("w", TL_F64, tl_shape(4), 1);
    tl_tensor before = copy_of(p->value);
    tl_optimizer *optimizers[] = {tl_sgd(.clip_norm = 1), tl_sgd(.global_clip_norm = 1)};
    for (int i = 0; i < 2; i++) {
        check_ok(tl_optimizer_add(optimizers[i], &p, 1));
        check_ok(tl_optimizer_step(optimizers[i]));
        ck_assert(same_bits(p->value, before));
        tl_optimizer_free(optimizers[i]);
    }
    tl_tensor_free(&before);
    tl_parameter_free(p);
}
END_TEST

START_TEST(every_optimizer_clips)
{
    /* The first step of each is a function of the clipped gradient 0.01 alone. */
    const double g = 0.01, v = 0.1 + g * g;
    tl_optimizer *optimizers[] = {tl_sgd(.momentum = 0.9, .clip_value = g), tl_rmsprop(.clip_value = g),
                                  tl_adam(.clip_value = g), tl_adagrad(.clip_value = g)};
    const double steps[] = {0.01 * g, 0.001 * g / sqrt(0.1 * g * g + 1e-7),
                            0.001 * sqrt(0.001) * g / (sqrt(0.001 * g * g) + 1e-7),
                            0.001 * g / sqrt(v + 1e-7)};
    for (int i = 0; i < 4; i++) {
        double result[2][3];
        clipped(optimizers[i], TL_F64, result);
        ck_assert_double_eq_tol(result[0][0], steps[i], 1e-12);
    }
}
END_TEST

static void check_refused(tl_optimizer *optimizer, const char *part)
{
    ck_assert_ptr_null(optimizer);
    check_error(TL_ERROR_ARGUMENT, part);
}

START_TEST(impossible_options_are_refused_by_name_and_value)
{
    check_refused(tl_sgd(.learning_rate = -0.5), "sgd: learning_rate -0.5");
    check_refused(tl_sgd(.learning_rate = (double)NAN), "sgd: learning_rate nan");
    check_refused(tl_sgd(.learning_rate = (double)INFINITY), "sgd: learning_rate inf");
    check_refused(tl_sgd(.momentum = 1), "sgd: momentum 1");
    check_refused(tl_sgd(.momentum = -0.1), "sgd: momentum -0.1");
    check_refused(tl_rmsprop(.rho = 1.5), "rmsprop: rho 1.5");
    check_refused(tl_rmsprop(.epsilon = -1), "rmsprop: epsilon -1");
    check_refused(tl_adam(.beta_1 = 1), "adam: beta_1 1");
    check_refused(tl_adam(.beta_2 = -0.25), "adam: beta_2 -0.25");
    check_refused(tl_rmsprop(.momentum = 1), "rmsprop: momentum 1");
    check_refused(tl_adamw(.weight_decay = -0.5), "adamw: weight_decay -0.5");
    check_refused(tl_adamw(.weight_decay = (double)INFINITY), "adamw: weight_decay inf");
    check_refused(tl_adam(.epsilon = -1e-3), "adam: epsilon -0.001");
    check_refused(tl_adagrad(.initial_accumulator_value = -2), "adagrad: initial_accumulator_value -2");
    check_refused(tl_adagrad(.clip_norm = -3), "adagrad: clip_norm -3");
    check_refused(tl_adam(.clip_value = -3), "adam: clip_value -3");
    check_refused(tl_rmsprop(.global_clip_norm = (double)NAN), "rmsprop: global_clip_norm nan");
}
END_TEST

START_TEST(one_way_of_clipping_is_enough)
{
    check_refused(tl_sgd(.clip_value = 1, .clip_norm = 2), "clip_value 1, clip_norm 2");
    check_refused(tl_adam(.clip_norm = 2, .global_clip_norm = 3), "global_clip_norm 3");
    check_refused(tl_rmsprop(.clip_value = 1, .global_clip_norm = 3), "rmsprop: only one");
}
END_TEST

START_TEST(an_unknown_name_lists_the_known)
{
    check_refused(tl_optimizer_by_name("nadam", 0), "'nadam'");
    const char *known[] = {"sgd", "rmsprop", "adam", "adamw", "adagrad"};
    for (int i = 0; i < 5; i++) {
        check_error(TL_ERROR_ARGUMENT, known[i]);
        tl_optimizer *optimizer = tl_optimizer_by_name(known[i], 0.25);
        ck_assert_str_eq(tl_optimizer_name(optimizer), known[i]);
        ck_assert_double_eq(tl_optimizer_learning_rate(optimizer), 0.25);
        tl_optimizer_free(optimizer);
    }
    check_refused(tl_optimizer_by_name("adam", -1), "adam: learning_rate -1");
}
END_TEST

START_TEST(no_optimizer_leaves_the_error)
{
    ck_assert_ptr_null(tl_sgd(.learning_rate = -7));
    tl_parameter *p = random_parameter("w", TL_F32, tl_shape(2), 1);
    ck_assert_int_eq(tl_optimizer_add(NULL, &p, 1), TL_ERROR_ARGUMENT);
    ck_assert_int_eq(tl_optimizer_step(NULL), TL_ERROR_ARGUMENT);
    check_error(TL_ERROR_ARGUMENT, "learning_rate -7");
    tl_optimizer_free(NULL);
    tl_parameter_free(p);
}
END_TEST

static tl_optimizer *make(int which)
{
    switch (which) {
    case 0:
        return tl_sgd(.clip_value = 0.5);
    case 1:
        return tl_sgd(.momentum = 0.9, .nesterov = true, .clip_norm = 3);
    case 2:
        return tl_rmsprop(.global_clip_norm = 3);
    case 3:
        return tl_adam(.clip_norm = 1);
    case 4:
        return tl_adamw(.amsgrad = true);
    case 5:
        return tl_rmsprop(.centered = true, .momentum = 0.5);
    default:
        return tl_adagrad(.global_clip_norm = 1);
    }
}
enum { KINDS = 7, LARGE = 200003 };

static tl_tensor trained(int which, tl_dtype dtype, int threads)
{
    check_ok(tl_set_threads(threads));
    tl_parameter *p = random_parameter("w", dtype, tl_shape(LARGE), 1);
    tl_optimizer *optimizer = make(which);
    check_ok(tl_optimizer_add(optimizer, &p, 1));
    for (int t = 0; t < 3; t++) {
        check_ok(tl_random_fill_normal(p->gradient, 0, 1, 4, (uint64_t)t));
        check_ok(tl_optimizer_step(optimizer));
    }
    tl_tensor result = copy_of(p->value);
    tl_optimizer_free(optimizer);
    tl_parameter_free(p);
    return result;
}

START_TEST(threads_do_not_change_a_bit)
{
    tl_dtype dtype = floats_of[_i % 2];
    tl_tensor one = trained(_i / 2, dtype, 1), start = random_tensor(dtype, tl_shape(LARGE), 1);
    ck_assert_double_gt(difference(one, start), 1e-6);
    const int threads[] = {2, 5};
    for (int i = 0; i < 2; i++) {
        tl_tensor many = trained(_i / 2, dtype, threads[i]);
        ck_assert_msg(same_bits(one, many), "%d threads differ from one", threads[i]);
        tl_tensor_free(&many);
    }
    tl_tensor_free(&one);
    tl_tensor_free(&start);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("clipping");
    tcase_add_loop_test(tests, values_are_clipped_one_by_one, 0, 2);
    tcase_add_loop_test(tests, norms_are_clipped_parameter_by_parameter, 0, 2);
    tcase_add_loop_test(tests, the_global_norm_scales_all_alike, 0, 2);
    tcase_add_test(tests, a_gradient_of_zero_stays_zero);
    tcase_add_test(tests, every_optimizer_clips);
    tcase_add_test(tests, impossible_options_are_refused_by_name_and_value);
    tcase_add_test(tests, one_way_of_clipping_is_enough);
    tcase_add_test(tests, an_unknown_name_lists_the_known);
    tcase_add_test(tests, no_optimizer_leaves_the_error);
    tcase_add_loop_test(tests, threads_do_not_change_a_bit, 0, 2 * KINDS);
    return run_tests("clipping", tests);
}
