/* What an optimizer remembers, as checkpoints see it: names, order, and going on as if never stopped. */
#include "optim/optimizer_internal.h"
#include "tests/autograd/testing_internal.h"

static tl_optimizer *sgd(void)
{
    return tl_sgd(.clip_norm = 1);
}

static tl_optimizer *momentum(void)
{
    return tl_sgd(.momentum = 0.9);
}

static tl_optimizer *nesterov(void)
{
    return tl_sgd(.momentum = 0.9, .nesterov = true);
}

static tl_optimizer *rmsprop(void)
{
    return tl_rmsprop(.schedule = tl_step_decay(5, 0.5));
}

static tl_optimizer *rmsprop_momentum(void)
{
    return tl_rmsprop(.momentum = 0.9);
}

static tl_optimizer *rmsprop_centered(void)
{
    return tl_rmsprop(.centered = true);
}

static tl_optimizer *rmsprop_both(void)
{
    return tl_rmsprop(.centered = true, .momentum = 0.9);
}

static tl_optimizer *adam(void)
{
    return tl_adam(.schedule = tl_cosine_decay(11));
}

static tl_optimizer *amsgrad(void)
{
    return tl_adam(.amsgrad = true);
}

static tl_optimizer *adamw(void)
{
    return tl_adamw();
}

static tl_optimizer *adagrad(void)
{
    return tl_adagrad();
}

static const struct {
    tl_optimizer *(*make)(void);
    const char *states[4];
} kinds[] = {
    {sgd, {NULL}},
    {momentum, {"momentum"}},
    {nesterov, {"momentum"}},
    {rmsprop, {"v"}},
    {rmsprop_momentum, {"v", "momentum"}},
    {rmsprop_centered, {"v", "average"}},
    {rmsprop_both, {"v", "average", "momentum"}},
    {adam, {"m", "v"}},
    {amsgrad, {"m", "v", "v_hat"}},
    {adamw, {"m", "v"}},
    {adagrad, {"v"}},
};
enum { KINDS = sizeof kinds / sizeof kinds[0], PARAMETERS = 2 };

typedef struct setup {
    tl_parameter *parameters[PARAMETERS];
    tl_optimizer *optimizer;
} setup;

static setup start(int kind, tl_dtype dtype)
{
    setup s = {.parameters = {random_parameter("a", dtype, tl_shape(3, 5), 1),
                              random_parameter("b", dtype, tl_shape(7), 2)},
               .optimizer = kinds[kind].make()};
    check_ok(tl_optimizer_add(s.optimizer, s.parameters, PARAMETERS));
    return s;
}

static void clear(setup *s)
{
    tl_optimizer_free(s->optimizer);
    for (int i = 0; i < PARAMETERS; i++)
        tl_parameter_free(s->parameters[i]);
}

static void steps(setup *s, int first, int count)
{
    for (int t = first; t < first + count; t++) {
        for (int i = 0; i < PARAMETERS; i++)
            check_ok(tl_random_fill_normal(s->parameters[i]->gradient, 0, 1, (uint64_t)i, (uint64_t)t));
        check_ok(tl_optimizer_step(s->optimizer));
    }
}

START_TEST(states_come_parameter_by_parameter_with_their_names)
{
    setup s = start(_i, TL_F32);
    int index = 0;
    tl_optimizer_state state;
    for (int i = 0; i < PARAMETERS; i++)
        for (int j = 0; kinds[_i].states[j]; j++) {
            ck_assert(tl_optimizer_state_at(s.optimizer, index++, &state));
            ck_assert_str_eq(state.name, kinds[_i].states[j]);
            ck_assert_ptr_eq(state.parameter, s.parameters[i]);
            ck_assert(state.value.dtype == TL_F32);
            ck_assert(tl_shape_equal(state.value.shape, s.parameters[i]->value.shape));
            ck_assert_double_eq_tol(element(state.value, 0), kinds[_i].make == adagrad ? 0.1 : 0, 1e-8);
        }
    ck_assert(!tl_optimizer_state_at(s.optimizer, index, &state));
    ck_assert(!tl_optimizer_state_at(s.optimizer, index + 1, &state));
    ck_assert(!tl_optimizer_state_at(s.optimizer, -1, &state));
    clear(&s);
}
END_TEST

START_TEST(states_are_those_that_steps_change)
{
    setup s = start(_i, TL_F64);
    tl_optimizer_state state;
    for (int i = 0; tl_optimizer_state_at(s.optimizer, i, &state); i++) {
        tl_tensor before = copy_of(state.value);
        steps(&s, i, 1);
        ck_assert_msg(!same_bits(state.value, before), "%s of %s", state.name, state.parameter->name);
        tl_tensor_free(&before);
    }
    clear(&s);
}
END_TEST

/* Steps, the states and the weights are all there is to carry over. */
static void carry_over(const setup *from, setup *to)
{
    tl_optimizer_state source, target;
    for (int i = 0; tl_optimizer_state_at(from->optimizer, i, &source); i++) {
        ck_assert(tl_optimizer_state_at(to->optimizer, i, &target));
        check_ok(tl_tensor_copy(target.value, source.value));
    }
    for (int i = 0; i < PARAMETERS; i++)
        check_ok(tl_tensor_copy(to->parameters[i]->value, from->parameters[i]->value));
    check_ok(tl_optimizer_set_steps(to->optimizer, tl_optimizer_steps(from->optimizer)));
}

START_TEST(going_on_is_the_same_as_never_stopping)
{
    const tl_dtype dtype = _i % 2 ? TL_F32 : TL_F64;
    setup whole = start(_i / 2, dtype), first = start(_i / 2, dtype), second = start(_i / 2, dtype);
    steps(&whole, 0, 13);
    steps(&first, 0, 7);
    carry_over(&first, &second);
    clear(&first);
    steps(&second, 7, 6);
    for (int i = 0; i < PARAMETERS; i++)
        ck_assert(same_bits(whole.parameters[i]->value, second.parameters[i]->value));
    ck_assert_int_eq(tl_optimizer_steps(second.optimizer), 13);
    clear(&whole);
    clear(&second);
}
END_TEST

START_TEST(steps_are_never_negative)
{
    tl_optimizer *optimizer = tl_adam();
    ck_assert_int_eq(tl_optimizer_set_steps(optimizer, -4), TL_ERROR_ARGUMENT);
    check_error(TL_ERROR_ARGUMENT, "adam: -4 steps");
    ck_assert_int_eq(tl_optimizer_steps(optimizer), 0);
    tl_optimizer_free(optimizer);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("optimizer state");
    tcase_add_loop_test(tests, states_come_parameter_by_parameter_with_their_names, 0, KINDS);
    tcase_add_loop_test(tests, states_are_those_that_steps_change, 0, KINDS);
    tcase_add_loop_test(tests, going_on_is_the_same_as_never_stopping, 0, 2 * KINDS);
    tcase_add_test(tests, steps_are_never_negative);
    return run_tests("optimizer state", tests);
}
