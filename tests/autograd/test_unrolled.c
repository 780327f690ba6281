/* A recurrent network unrolled on the tape over 50 steps, written in several ways, against backpropagation
 * through time by hand. */
#include "tests/autograd/testing_internal.h"

enum { BATCH = 3, TIME = 50, IN = 4, UNITS = 5, OUT = 2 };
enum { X, W, U, B, V, Y, INPUTS };

static const struct {
    int rank;
    int64_t dims[3];
} shapes[INPUTS] = {
    [X] = {3, {BATCH, TIME, IN}}, [W] = {2, {IN, UNITS}},  [U] = {2, {UNITS, UNITS}},
    [B] = {1, {UNITS}},           [V] = {2, {UNITS, OUT}}, [Y] = {2, {BATCH, OUT}},
};

/* --- by hand, in double: loss = mean((h_T v - y)^2), h_t = tanh(x_t w + h_{t-1} u + b), h_0 = 0.
 * A row whose mask is 0 at a step keeps its h. --- */

typedef struct by_hand {
    double x[BATCH][TIME][IN], w[IN][UNITS], u[UNITS][UNITS], b[UNITS], v[UNITS][OUT], y[BATCH][OUT];
} by_hand;

static double h[TIME + 1][BATCH][UNITS];

static double forward_by_hand(const by_hand *n, const uint8_t *mask, double dlast[BATCH][UNITS], by_hand *g)
{
    double loss = 0;
    for (int t = 0; t < TIME; t++)
        for (int r = 0; r < BATCH; r++)
            for (int j = 0; j < UNITS; j++) {
                double z = n->b[j];
                for (int i = 0; i < IN; i++)
                    z += n->x[r][t][i] * n->w[i][j];
                for (int i = 0; i < UNITS; i++)
                    z += h[t][r][i] * n->u[i][j];
                h[t + 1][r][j] = mask[r * TIME + t] ? tanh(z) : h[t][r][j];
            }
    for (int r = 0; r < BATCH; r++)
        for (int o = 0; o < OUT; o++) {
            double apart = -n->y[r][o];
            for (int j = 0; j < UNITS; j++)
                apart += h[TIME][r][j] * n->v[j][o];
            loss += apart * apart / (BATCH * OUT);
            double d = 2 * apart / (BATCH * OUT);
            g->y[r][o] = -d;
            for (int j = 0; j < UNITS; j++) {
                g->v[j][o] += h[TIME][r][j] * d;
                dlast[r][j] += n->v[j][o] * d;
            }
        }
    return loss;
}

static double differentiate_by_hand(const by_hand *n, const uint8_t *mask, by_hand *g)
{
    double dh[BATCH][UNITS] = {{0}};
    memset(g, 0, sizeof *g);
    memset(h, 0, sizeof h);
    double loss = forward_by_hand(n, mask, dh, g);
    for (int t = TIME - 1; t >= 0; t--)
        for (int r = 0; r < BATCH; r++) {
            if (!mask[r * TIME + t])
                continue;
            double dz[UNITS];
            for (int j = 0; j < UNITS; j++)
                dz[j] = dh[r][j] * (1 - h[t + 1][r][j] * h[t + 1][r][j]);
            for (int j = 0; j < UNITS; j++) {
                g->b[j] += dz[j];
                dh[r][j] = 0;
            }
            for (int j = 0; j < UNITS; j++) {
                for (int i = 0; i < IN; i++) {
                    g->w[i][j] += n->x[r][t][i] * dz[j];
                    g->x[r][t][i] += n->w[i][j] * dz[j];
                }
                for (int i = 0; i < UNITS; i++) {
                    g->u[i][j] += h[t][r][i] * dz[j];
                    dh[r][i] += n->u[i][j] * dz[j];
                }
            }
        }
    return loss;
}

/* --- on the tape --- */

typedef tl_var *step_function(tl_var *x_t, tl_var *h, tl_var *const in[], tl_tensor mask_t);

static tl_var *plain_step(tl_var *x_t, tl_var *state, tl_var *const in[], tl_tensor mask_t)
{
    (void)mask_t;
    return tl_tanh(tl_add(tl_add(tl_matmul(x_t, in[W]), tl_matmul(state, in[U])), in[B]));
}

static tl_var *affine_step(tl_var *x_t, tl_var *state, tl_var *const in[], tl_tensor mask_t)
{
    (void)mask_t;
    return tl_affine(state, in[U], tl_affine(x_t, in[W], in[B], TL_LINEAR), TL_TANH);
}

static tl_var *joined_step(tl_var *x_t, tl_var *state, tl_var *const in[], tl_tensor mask_t)
{
    tl_var *both[] = {x_t, state}, *weights[] = {in[W], in[U]};
    (void)mask_t;
    return tl_affine(tl_concat(both, 2, 1), tl_concat(weights, 2, 0), in[B], TL_TANH);
}

static tl_var *masked_step(tl_var *x_t, tl_var *state, tl_var *const in[], tl_tensor mask_t)
{
    return tl_affine_masked(state, in[U], tl_affine(x_t, in[W], in[B], TL_LINEAR), TL_TANH, mask_t);
}

static tl_var *chosen_step(tl_var *x_t, tl_var *state, tl_var *const in[], tl_tensor mask_t)
{
    tl_var *keep = tl_unsqueeze(tl_input(tl_tape_of(state), mask_t), 1);
    return tl_where(keep, plain_step(x_t, state, in, mask_t), state);
}

static tl_var *loss_of(tl_var *last, tl_var *const in[])
{
    return tl_mse(tl_matmul(last, in[V]), in[Y]);
}

/* One step after the other, x_t a view of x. */
static tl_var *unroll(tl_tape *tape, tl_var *const in[], step_function *step, tl_tensor mask)
{
    tl_var *state = tl_zeros(tape, tl_dtype_of(in[X]), tl_shape(BATCH, UNITS));
    for (int64_t t = 0; t < TIME; t++)
        state = step(tl_select(in[X], 1, t), state, in, tl_tensor_select(mask, 1, t));
    return loss_of(state, in);
}

/* The input projected for all steps at once, as a layer does it; all states stacked, the last one taken. */
static tl_var *unroll_projected(tl_tape *tape, tl_var *const in[], step_function *step, tl_tensor mask)
{
    (void)step;
    (void)mask;
    tl_var *projected = tl_affine(in[X], in[W], in[B], TL_LINEAR), *states[TIME];
    tl_var *state = tl_zeros(tape, tl_dtype_of(in[X]), tl_shape(BATCH, UNITS));
    for (int64_t t = 0; t < TIME; t++)
        states[t] = state = tl_affine(state, in[U], tl_select(projected, 1, t), TL_TANH);
    return loss_of(tl_select(tl_stack(states, TIME, 1), 1, -1), in);
}

typedef tl_var *network(tl_tape *tape, tl_var *const in[], step_function *step, tl_tensor mask);

static tl_tensor input_tensor(tl_dtype dtype, int i)
{
    tl_shape shape = {.rank = shapes[i].rank};
    memcpy(shape.dims, shapes[i].dims, sizeof shapes[i].dims);
    return random_tensor(dtype, shape, (uint64_t)i);
}

static void check_against_hand(network *f, step_function *step, bool masked, tl_dtype dtype, double bound)
{
    static by_hand numbers, expected;
    const struct {
        void *value, *gradient;
        size_t bytes;
    } fields[INPUTS] = {
        [X] = {numbers.x, expected.x, sizeof numbers.x}, [W] = {numbers.w, expected.w, sizeof numbers.w},
        [U] = {numbers.u, expected.u, sizeof numbers.u}, [B] = {numbers.b, expected.b, sizeof numbers.b},
        [V] = {numbers.v, expected.v, sizeof numbers.v}, [Y] = {numbers.y, expected.y, sizeof numbers.y},
    };
    tl_tape *tape = tl_tape_new();
    tl_tensor tensors[INPUTS], mask = tl_tensor_new(TL_U8, tl_shape(BATCH, TIME));
    uint8_t *m = tl_data_mut(mask);
    for (int64_t i = 0; i < BATCH * TIME; i++)
        m[i] = !masked || tl_random_uniform(5, 5, (uint64_t)i) < 0.6;
    tl_var *in[INPUTS];
    for (int i = 0; i < INPUTS; i++) {
        tl_tensor wide = input_tensor(TL_F64, i);
        check_ok(tl_copy_out(wide, fields[i].value, fields[i].bytes));
        tl_tensor_free(&wide);
        tensors[i] = input_tensor(dtype, i);
        in[i] = tl_variable(tape, tensors[i]);
    }
    double loss = differentiate_by_hand(&numbers, m, &expected);
    tl_var *got = f(tape, in, step, mask);
    check_ok(tl_backward(got));
    ck_assert_double_eq_tol(tl_tensor_item(tl_value(got)), loss, bound);
    for (int i = 0; i < INPUTS; i++) {
        tl_tensor by_hand_gradient = tl_tensor_of(TL_F64, tensors[i].shape, fields[i].gradient);
        double largest = 0, apart = 0;
        for (int64_t j = 0; j < tl_tensor_count(by_hand_gradient); j++) {
            double a = element(tl_grad(in[i]), j), b = element(by_hand_gradient, j);
            apart = fabs(a - b) > apart ? fabs(a - b) : apart;
            largest = fabs(b) > largest ? fabs(b) : largest;
        }
        ck_assert_double_gt(largest, 1e-4);
        ck_assert_msg(apart <= bound * largest,
                      "the gradient of input %d is off by %.3g of its largest number", i, apart / largest);
        tl_tensor_free(&by_hand_gradient);
        tl_tensor_free(&tensors[i]);
    }
    tl_tensor_free(&mask);
    tl_tape_free(tape);
}

static const double float64_bound = 1e-12, float32_bound = 3e-6;

START_TEST(steps_of_matmul_add_and_tanh)
{
    check_against_hand(unroll, plain_step, false, TL_F64, float64_bound);
    check_against_hand(unroll, plain_step, false, TL_F32, float32_bound);
}
END_TEST

START_TEST(steps_of_affine)
{
    check_against_hand(unroll, affine_step, false, TL_F64, float64_bound);
    check_against_hand(unroll, affine_step, false, TL_F32, float32_bound);
    check_against_hand(unroll, joined_step, false, TL_F64, float64_bound);
}
END_TEST

START_TEST(input_projected_at_once)
{
    check_against_hand(unroll_projected, NULL, false, TL_F64, float64_bound);
    check_against_hand(unroll_projected, NULL, false, TL_F32, float32_bound);
}
END_TEST

START_TEST(masked_steps_keep_the_state)
{
    check_against_hand(unroll, masked_step, true, TL_F64, float64_bound);
    check_against_hand(unroll, masked_step, true, TL_F32, float32_bound);
    check_against_hand(unroll, chosen_step, true, TL_F64, float64_bound);
}
END_TEST

/* Truncated: the state handed on without its history gives the gradient of the last steps only. */
START_TEST(detach_truncates)
{
    enum { LAST = 7 };
    tl_tape *tape = tl_tape_new();
    tl_tensor tensors[INPUTS], kept, mask = {0};
    tl_var *in[INPUTS];
    for (int i = 0; i < INPUTS; i++) {
        tensors[i] = input_tensor(TL_F64, i);
        in[i] = tl_variable(tape, tensors[i]);
    }
    tl_var *state = tl_zeros(tape, TL_F64, tl_shape(BATCH, UNITS));
    for (int64_t t = 0; t < TIME; t++) {
        if (t == TIME - LAST)
            state = tl_detach(state);
        state = plain_step(tl_select(in[X], 1, t), state, in, mask);
    }
    check_ok(tl_backward(loss_of(state, in)));
    tl_tensor dx = tl_grad(in[X]);
    for (int64_t t = 0; t < TIME; t++) {
        double largest = 0;
        for (int64_t i = 0; i < BATCH * IN; i++)
            largest = fmax(largest, fabs(element(tl_tensor_select(dx, 1, t), i)));
        ck_assert((largest > 0) == (t >= TIME - LAST));
    }
    kept = copy_of(tl_grad(in[U]));

    tl_tape_reset(tape); /* the same from the carried state on, copied off the tape */
    for (int i = 0; i < INPUTS; i++)
        in[i] = tl_variable(tape, tensors[i]);
    state = tl_zeros(tape, TL_F64, tl_shape(BATCH, UNITS));
    for (int64_t t = 0; t < TIME - LAST; t++)
        state = plain_step(tl_select(in[X], 1, t), state, in, mask);
    tl_tensor carried = copy_of(tl_value(state));
    tl_tape_reset(tape);
    for (int i = 0; i < INPUTS; i++)
        in[i] = tl_variable(tape, tensors[i]);
    state = tl_input(tape, carried);
    for (int64_t t = TIME - LAST; t < TIME; t++)
        state = plain_step(tl_select(in[X], 1, t), state, in, mask);
    check_ok(tl_backward(loss_of(state, in)));
    ck_assert(same_bits(tl_grad(in[U]), kept));
    for (int i = 0; i < INPUTS; i++)
        tl_tensor_free(&tensors[i]);
    tl_tensor_free(&kept);
    tl_tensor_free(&carried);
    tl_tape_free(tape);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("unrolled");
    tcase_add_test(tests, steps_of_matmul_add_and_tanh);
    tcase_add_test(tests, steps_of_affine);
    tcase_add_test(tests, input_projected_at_once);
    tcase_add_test(tests, masked_steps_keep_the_state);
    tcase_add_test(tests, detach_truncates);
    return run_tests("unrolled", tests);
}
