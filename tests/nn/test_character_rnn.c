/* The character model that is often written by hand in a hundred lines: one-hot characters, one layer of 100
 * tanh units, windows of 25 characters whose state is carried on, the summed cross-entropy of the next
 * character, gradients clipped to [-5, 5] one by one, Adagrad. Here it is on the bare tape, in float64,
 * beside plain loops with gradients derived by hand:
 *
 *     h_t = tanh(x_t wx + h_(t-1) wh + bh),   p_t = softmax(h_t wy + by),   loss = -sum_t log p_t[target_t]
 *
 * Left alone, the two would part after a dozen windows, as any two that differ by rounding: the recurrence
 * amplifies a difference from step to step, and Adagrad, whose sums start at 0, one in a small gradient up to
 * 0.1 / sqrt(1e-8) times. So the side by hand starts every window with the weights and the state of the tape,
 * and its update with the gradients of the tape, after they were compared. */
#include "autograd/ops.h"
#include "optim/optimizer.h"
#include "tests/autograd/testing_internal.h"

#include <stddef.h>

enum { UNITS = 100, WINDOW = 25, ROUNDS = 60, CHARACTERS = 35 };

static const double rate = 0.1, limit = 5, tolerance = 1e-12;

static const char text[] =
    "A tape remembers what was done to it, and in which order. Played forward it tells how the numbers came "
    "about; played backward, how much each of them mattered. Nothing else is needed to learn: a step down "
    "the slope, a new reading, and so on. The net below has seen only this page, letter by letter, and is "
    "asked every time for the next one. It guesses badly at first, then a little better, and in the end it "
    "knows some of the page by heart!\n";

/* The characters of the text are numbered in the order in which they first appear. */
static void read_alphabet(int32_t ids[256])
{
    int count = 0;
    memset(ids, -1, 256 * sizeof *ids);
    for (const char *at = text; *at; at++)
        if (ids[(unsigned char)*at] < 0)
            ids[(unsigned char)*at] = count++;
    ck_assert_int_eq(count, CHARACTERS);
}

/* The characters of the window at a place and, one further on, their targets. */
static void read_window(const int32_t ids[256], int64_t place, int32_t window[WINDOW + 1])
{
    for (int t = 0; t <= WINDOW; t++)
        window[t] = ids[(unsigned char)text[place + t]];
}

/* Goes on by a window; true if the text begins again, and with it the state. The target of a window's last
 * character has to be in the text too. */
static bool next_window(int64_t *place)
{
    *place += WINDOW;
    bool again = *place + WINDOW >= (int64_t)strlen(text);
    if (again)
        *place = 0;
    return again;
}

/* The loss as such programs print it; at first that of guessing. */
static void smooth(double *smoothed, double loss)
{
    *smoothed = 0.999 * *smoothed + 0.001 * loss;
}

/* --- by hand --- */

typedef struct weights {
    double wx[CHARACTERS][UNITS], wh[UNITS][UNITS], wy[UNITS][CHARACTERS], bh[UNITS], by[CHARACTERS];
} weights;

typedef struct by_hand {
    weights w, gradient, squares;
    double h[WINDOW + 1][UNITS]; /* h[0] is what the window before left */
    double p[WINDOW][CHARACTERS];
    double smoothed;
} by_hand;

/* Ways to derive a gradient wrongly. */
typedef enum mistake { NONE, NO_HISTORY, NO_TANH, NO_TARGET, MISTAKES } mistake;

static double forward_step(by_hand *n, int t, int input, int target)
{
    for (int j = 0; j < UNITS; j++) {
        double z = n->w.wx[input][j] + n->w.bh[j];
        for (int i = 0; i < UNITS; i++)
            z += n->h[t][i] * n->w.wh[i][j];
        n->h[t + 1][j] = tanh(z);
    }
    double sum = 0;
    for (int k = 0; k < CHARACTERS; k++) {
        double y = n->w.by[k];
        for (int j = 0; j < UNITS; j++)
            y += n->h[t + 1][j] * n->w.wy[j][k];
        n->p[t][k] = exp(y);
        sum += n->p[t][k];
    }
    for (int k = 0; k < CHARACTERS; k++)
        n->p[t][k] /= sum;
    return -log(n->p[t][target]);
}

/* dh: on entry the gradient of h_t by all later steps, at the end that of h_(t-1) by this one and those. */
static void backward_step(by_hand *n, int t, int input, int target, mistake wrong, double dh[UNITS])
{
    weights *g = &n->gradient;
    double dz[UNITS];
    for (int k = 0; k < CHARACTERS; k++) {
        double dy = n->p[t][k] - (k == target && wrong != NO_TARGET);
        g->by[k] += dy;
        for (int j = 0; j < UNITS; j++) {
            g->wy[j][k] += n->h[t + 1][j] * dy;
            dh[j] += n->w.wy[j][k] * dy;
        }
    }
    for (int j = 0; j < UNITS; j++) {
        dz[j] = wrong == NO_TANH ? dh[j] : dh[j] * (1 - n->h[t + 1][j] * n->h[t + 1][j]);
        g->bh[j] += dz[j];
        g->wx[input][j] += dz[j];
    }
    for (int i = 0; i < UNITS; i++) {
        dh[i] = 0;
        for (int j = 0; j < UNITS; j++) {
            g->wh[i][j] += n->h[t][i] * dz[j];
            dh[i] += wrong == NO_HISTORY ? 0 : n->w.wh[i][j] * dz[j];
        }
    }
}

/* The loss of a window, with its gradient. */
static double differentiate(by_hand *n, const int32_t window[WINDOW + 1], mistake wrong)
{
    double loss = 0, dh[UNITS] = {0};
    memset(&n->gradient, 0, sizeof n->gradient);
    for (int t = 0; t < WINDOW; t++)
        loss += forward_step(n, t, window[t], window[t + 1]);
    for (int t = WINDOW - 1; t >= 0; t--)
        backward_step(n, t, window[t], window[t + 1], wrong, dh);
    return loss;
}

/* Clips, takes a step, and returns how many numbers were clipped. */
static int update(by_hand *n)
{
    double *w = (double *)&n->w, *g = (double *)&n->gradient, *squares = (double *)&n->squares;
    int clipped = 0;
    for (size_t i = 0; i < sizeof(weights) / sizeof(double); i++) {
        double d = fmax(-limit, fmin(limit, g[i]));
        clipped += d != g[i];
        squares[i] += d * d;
        w[i] -= rate * d / sqrt(squares[i] + 1e-8);
    }
    return clipped;
}

/* --- on the tape --- */

enum { WX, WH, WY, BH, BY, PARAMETERS };

static const struct {
    const char *name;
    tl_shape shape;
    size_t place; /* among the weights by hand */
} known[PARAMETERS] = {
    [WX] = {"wx", {2, {CHARACTERS, UNITS}}, offsetof(weights, wx)},
    [WH] = {"wh", {2, {UNITS, UNITS}}, offsetof(weights, wh)},
    [WY] = {"wy", {2, {UNITS, CHARACTERS}}, offsetof(weights, wy)},
    [BH] = {"bh", {1, {UNITS}}, offsetof(weights, bh)},
    [BY] = {"by", {1, {CHARACTERS}}, offsetof(weights, by)},
};

typedef struct on_tape {
    tl_tape *tape;
    tl_parameter *parameters[PARAMETERS];
    tl_optimizer *adagrad;
    tl_tensor x, targets, h; /* [WINDOW, CHARACTERS], [WINDOW], [1, UNITS] */
    double smoothed;
} on_tape;

static on_tape new_on_tape(void)
{
    on_tape n = {.tape = tl_tape_new(),
                 .adagrad = tl_adagrad(.learning_rate = rate, .initial_accumulator_value = TL_ZERO,
                                       .epsilon = 1e-8, .clip_value = limit),
                 .x = tl_tensor_new(TL_F64, tl_shape(WINDOW, CHARACTERS)),
                 .targets = tl_tensor_new(TL_I32, tl_shape(WINDOW)),
                 .h = tl_tensor_new(TL_F64, tl_shape(1, UNITS))};
    for (int i = 0; i < PARAMETERS; i++) {
        tl_tensor value = tl_tensor_new(TL_F64, known[i].shape);
        if (known[i].shape.rank == 2) /* biases start as zeros */
            check_ok(tl_random_fill_normal(value, 0, 0.01, 12, (uint64_t)i));
        n.parameters[i] = tl_parameter_new(known[i].name, value);
    }
    check_ok(tl_optimizer_add(n.adagrad, n.parameters, PARAMETERS));
    return n;
}

static void free_on_tape(on_tape *n)
{
    for (int i = 0; i < PARAMETERS; i++)
        tl_parameter_free(n->parameters[i]);
    tl_optimizer_free(n->adagrad);
    tl_tape_free(n->tape);
    tl_tensor_free(&n->x);
    tl_tensor_free(&n->targets);
    tl_tensor_free(&n->h);
}

static void set_window(on_tape *n, const int32_t window[WINDOW + 1])
{
    check_ok(tl_tensor_fill(n->x, 0));
    double *x = tl_data_mut(n->x);
    for (int t = 0; t < WINDOW; t++)
        x[t * CHARACTERS + window[t]] = 1;
    memcpy(tl_data_mut(n->targets), window + 1, WINDOW * sizeof *window);
}

/* Ways to write the network: op by op, with an output at every step; or in fused nodes, with the inputs
 * projected and the outputs computed for the whole window. Both leave the last state. */
typedef tl_var *network(on_tape *n, tl_var *const w[], tl_var **h);

static tl_var *step_by_step(on_tape *n, tl_var *const w[], tl_var **h)
{
    tl_var *losses[WINDOW];
    for (int t = 0; t < WINDOW; t++) {
        tl_var *x = tl_input(n->tape, tl_tensor_slice(n->x, 0, t, 1));
        *h = tl_tanh(tl_add(tl_add(tl_matmul(x, w[WX]), tl_matmul(*h, w[WH])), w[BH]));
        tl_var *y = tl_add(tl_matmul(*h, w[WY]), w[BY]);
        tl_var *target = tl_input(n->tape, tl_tensor_slice(n->targets, 0, t, 1));
        losses[t] = tl_sparse_softmax_cross_entropy_with_logits(y, target);
    }
    return tl_sum(tl_concat(losses, WINDOW, 0), TL_ALL_AXES, false);
}

static tl_var *all_at_once(on_tape *n, tl_var *const w[], tl_var **h)
{
    tl_var *projected = tl_affine(tl_input(n->tape, n->x), w[WX], w[BH], TL_LINEAR), *states[WINDOW];
    for (int t = 0; t < WINDOW; t++)
        states[t] = *h = tl_affine(*h, w[WH], tl_slice(projected, 0, t, 1), TL_TANH);
    tl_var *y = tl_affine(tl_concat(states, WINDOW, 0), w[WY], w[BY], TL_LINEAR);
    tl_var *targets = tl_input(n->tape, n->targets);
    return tl_sum(tl_sparse_softmax_cross_entropy_with_logits(y, targets), TL_ALL_AXES, false);
}

static network *const networks[] = {step_by_step, all_at_once};
enum { NETWORKS = sizeof networks / sizeof networks[0] };

/* The loss of the window that was set, with its gradient; h goes on. */
static double differentiate_on_tape(on_tape *n, network *f)
{
    tl_var *w[PARAMETERS], *h = tl_input(n->tape, n->h);
    for (int i = 0; i < PARAMETERS; i++)
        w[i] = tl_use(n->tape, n->parameters[i]);
    tl_var *loss = f(n, w, &h);
    check_ok(tl_backward(loss));
    double value = tl_tensor_item(tl_value(loss));
    tl_tensor last = copy_of(tl_value(h));
    tl_tape_reset(n->tape);
    check_ok(tl_tensor_copy(n->h, last));
    tl_tensor_free(&last);
    return value;
}

/* --- side by side --- */

typedef tl_tensor part(const tl_parameter *parameter);

static tl_tensor value_of(const tl_parameter *parameter)
{
    return parameter->value;
}

static tl_tensor gradient_of(const tl_parameter *parameter)
{
    return parameter->gradient;
}

static double *numbers_of(weights *w, int parameter)
{
    return (double *)((char *)w + known[parameter].place);
}

static void copy_from_tape(const on_tape *n, part *which, weights *to)
{
    for (int i = 0; i < PARAMETERS; i++) {
        tl_tensor tensor = which(n->parameters[i]);
        check_ok(tl_copy_out(tensor, numbers_of(to, i), (size_t)tl_tensor_count(tensor) * sizeof(double)));
    }
}

/* The largest difference within a parameter, as a part of its largest number by hand; of all parameters the
 * largest. */
static double apart(const on_tape *n, part *which, weights *hand)
{
    double worst = 0;
    for (int i = 0; i < PARAMETERS; i++) {
        tl_tensor tensor = which(n->parameters[i]);
        const double *got = tl_data(tensor), *expected = numbers_of(hand, i);
        double most = 0, largest = 0;
        for (int64_t j = 0; j < tl_tensor_count(tensor); j++) {
            if (isnan(got[j] - expected[j]))
                return (double)INFINITY;
            most = fmax(most, fabs(got[j] - expected[j]));
            largest = fmax(largest, fabs(expected[j]));
        }
        worst = fmax(worst, most / largest);
    }
    return worst;
}

/* The same for the state after a window, whose numbers are below 1. */
static double states_apart(const on_tape *n, const by_hand *hand)
{
    const double *got = tl_data(n->h);
    double most = 0;
    for (int j = 0; j < UNITS; j++)
        most = isnan(got[j]) ? (double)INFINITY : fmax(most, fabs(got[j] - hand->h[WINDOW][j]));
    return most;
}

/* Takes the weights and the state of the tape over. */
static void start_equal(const on_tape *n, by_hand *hand)
{
    copy_from_tape(n, value_of, &hand->w);
    check_ok(tl_copy_out(n->h, hand->h[0], sizeof hand->h[0]));
}

START_TEST(the_tape_trains_as_derived_by_hand)
{
    static by_hand hand;
    on_tape n = new_on_tape();
    hand.smoothed = n.smoothed = WINDOW * log(CHARACTERS);
    int32_t ids[256], window[WINDOW + 1];
    read_alphabet(ids);
    int64_t place = 0;
    int clipped = 0, starts = 0;
    double loss = 0;
    for (int round = 0; round < ROUNDS; round++) {
        read_window(ids, place, window);
        set_window(&n, window);
        start_equal(&n, &hand);
        loss = differentiate(&hand, window, NONE);
        smooth(&hand.smoothed, loss);
        smooth(&n.smoothed, differentiate_on_tape(&n, networks[_i]));
        ck_assert_double_le(apart(&n, gradient_of, &hand.gradient), tolerance);
        ck_assert_double_le(states_apart(&n, &hand), tolerance);
        ck_assert_double_le(fabs(n.smoothed - hand.smoothed), tolerance * hand.smoothed);

        copy_from_tape(&n, gradient_of, &hand.gradient);
        clipped += update(&hand);
        check_ok(tl_optimizer_step(n.adagrad));
        ck_assert_double_le(apart(&n, value_of, &hand.w), tolerance);
        if (next_window(&place)) {
            check_ok(tl_tensor_fill(n.h, 0));
            starts++;
        }
    }
    ck_assert_int_gt(clipped, 0);
    ck_assert_int_gt(starts, 0);
    ck_assert_double_lt(loss, WINDOW * log(CHARACTERS)); /* less than at first */
    free_on_tape(&n);
}
END_TEST

/* The comparison can fail: gradients that are derived wrongly, and one number that is a little off. */
START_TEST(a_wrong_gradient_is_seen)
{
    static by_hand hand;
    on_tape n = new_on_tape();
    int32_t ids[256], window[WINDOW + 1];
    read_alphabet(ids);
    read_window(ids, 0, window);
    set_window(&n, window);
    start_equal(&n, &hand);
    differentiate_on_tape(&n, step_by_step);
    for (mistake wrong = NONE + 1; wrong < MISTAKES; wrong++) {
        differentiate(&hand, window, wrong);
        ck_assert_double_gt(apart(&n, gradient_of, &hand.gradient), 1e-6);
    }
    differentiate(&hand, window, NONE);
    ck_assert_double_le(apart(&n, gradient_of, &hand.gradient), tolerance);
    for (int i = 0; i < PARAMETERS; i++) {
        double *g = numbers_of(&hand.gradient, i), kept = g[0], largest = 0;
        for (int64_t j = 0; j < tl_shape_count(known[i].shape); j++)
            largest = fmax(largest, fabs(g[j]));
        g[0] += 3 * tolerance * largest;
        ck_assert_double_gt(apart(&n, gradient_of, &hand.gradient), tolerance);
        g[0] = (double)NAN;
        ck_assert_double_gt(apart(&n, gradient_of, &hand.gradient), tolerance);
        g[0] = kept;
    }
    free_on_tape(&n);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("character_rnn");
    tcase_add_loop_test(tests, the_tape_trains_as_derived_by_hand, 0, NETWORKS);
    tcase_add_test(tests, a_wrong_gradient_is_seen);
    return run_tests("character_rnn", tests);
}
