/* affine_scan against its steps, one tl_affine_masked each: the same bits forwards, and the same gradients
 * whichever inputs want one, whatever the mask, and however things lie in memory. */
#include "autograd/tape_internal.h"
#include "tests/autograd/testing_internal.h"

enum { X, W, H, INPUTS };

typedef enum mask_kind {
    NO_MASK,
    ALL_ONES,
    OTHER_THAN_ONE,
    ALL_ZEROS,
    STILL_ROWS,
    STILL_STEPS,
    ALTERNATING,
    PADDED,
    TRANSPOSED,
    MASKS
} mask_kind;

static uint8_t mask_value(mask_kind kind, int64_t row, int64_t t, int64_t steps)
{
    switch (kind) {
    case OTHER_THAN_ONE:
        return (uint8_t)(row % 2 ? 255 : 2 * (t % 3));
    case ALL_ZEROS:
        return 0;
    case STILL_ROWS:
        return row % 3 == 1;
    case STILL_STEPS:
        return t % 5 > 1;
    case ALTERNATING:
    case TRANSPOSED:
        return (uint8_t)((row + t) % 2);
    case PADDED:
        return t >= (row * 4) % (steps + 1);
    default:
        return 1;
    }
}

static tl_tensor new_mask(mask_kind kind, int64_t rows, int64_t steps)
{
    if (kind == NO_MASK)
        return (tl_tensor){0};
    tl_tensor mask = kind == TRANSPOSED ? tl_tensor_new(TL_U8, tl_shape(steps, rows))
                                        : tl_tensor_new(TL_U8, tl_shape(rows, steps));
    if (kind == TRANSPOSED)
        mask = tl_tensor_transpose(mask, 0, 1);
    for (int64_t i = 0; i < rows; i++)
        for (int64_t t = 0; t < steps; t++)
            tl_tensor_fill(tl_tensor_select(tl_tensor_select(mask, 0, i), 0, t),
                           mask_value(kind, i, t, steps));
    return mask;
}

enum { EVERY_STEP, LAST_STEP, LAST_PART, SOME_PARTS };

/* One recurrence, computed in either way. */
typedef struct trial {
    tl_dtype dtype;
    int64_t rows, steps, n;
    tl_activation activation;
    bool backwards;
    mask_kind kind;
    unsigned wanted;     /* inputs that are variables, by bit */
    bool used_elsewhere; /* the inputs, before and after */
    int seen;            /* of the states, one of those below */
    tl_tensor in[INPUTS], mask;
} trial;

typedef struct outcome {
    tl_tensor y, gradients[INPUTS];
} outcome;

static void start_trial(trial *t)
{
    t->in[X] = random_tensor(t->dtype, tl_shape(t->rows, t->steps, t->n), 1);
    t->in[W] = random_tensor(t->dtype, tl_shape(t->n, t->n), 2);
    t->in[H] = random_tensor(t->dtype, tl_shape(t->rows, t->n), 3);
    t->mask = new_mask(t->kind, t->rows, t->steps);
}

static void end_trial(trial *t)
{
    for (int i = 0; i < INPUTS; i++)
        tl_tensor_free(&t->in[i]);
    tl_tensor_free(&t->mask);
}

static int64_t time_of(const trial *t, int64_t i)
{
    return t->backwards ? t->steps - 1 - i : i;
}

static tl_var *step_by_step(const trial *t, tl_var *const in[])
{
    tl_var *h = in[H], *outputs[64];
    for (int64_t i = 0; i < t->steps; i++) {
        const int64_t at = time_of(t, i);
        tl_tensor mask = tl_tensor_ok(t->mask) ? tl_tensor_select(t->mask, 1, at) : t->mask;
        h = outputs[at] = tl_affine_masked(h, in[W], tl_select(in[X], 1, at), t->activation, mask);
    }
    return tl_stack(outputs, (int)t->steps, 1);
}

/* Adds up x times numbers that belong to `stream`. */
static tl_var *weighed(tl_var *x, uint64_t stream)
{
    tl_var *factors = tl_zeros(tl_tape_of(x), tl_dtype_of(x), tl_shape_of(x));
    check_ok(tl_random_fill_uniform(tl_value(factors), -1, 1, 98, stream));
    return tl_sum(tl_mul(x, factors), TL_ALL_AXES, false);
}

/* What is seen of the states. Parts are asked for where the scan is on trial, and selected where not. */
static tl_var *seen_of(const trial *t, tl_var *y, bool scans)
{
    const int64_t last = time_of(t, t->steps - 1), first = time_of(t, 0);
    if (t->seen == EVERY_STEP)
        return weighed(y, 10);
    if (t->seen == LAST_STEP)
        return weighed(tl_select(y, 1, last), 10);
    ck_assert(!scans || tl_split(y));
    tl_var *some = scans ? tl_part(y, 1, last) : tl_select(y, 1, last);
    if (t->seen == LAST_PART || t->steps == 1)
        return tl_add(weighed(some, 10), weighed(tl_tanh(some), 11));
    tl_var *other = scans ? tl_part(y, 1, first) : tl_select(y, 1, first);
    return tl_add(weighed(some, 10), weighed(tl_tanh(other), 11));
}

static outcome run(const trial *t, bool scans)
{
    tl_tape *tape = tl_tape_new();
    tl_var *in[INPUTS], *loss = tl_zeros(tape, t->dtype, TL_SCALAR);
    for (int i = 0; i < INPUTS; i++) {
        in[i] = t->wanted >> i & 1 ? tl_variable(tape, t->in[i]) : tl_input(tape, t->in[i]);
        if (t->used_elsewhere)
            loss = tl_add(loss, weighed(tl_tanh(in[i]), 20 + (uint64_t)i));
    }
    tl_var *y = scans ? tl_affine_scan(in[X], in[W], in[H], t->activation, t->backwards, t->mask)
                      : step_by_step(t, in);
    ck_assert_msg(y != NULL, "%s", tl_error_message());
    outcome o = {.y = copy_of(tl_value(y))};
    loss = tl_add(loss, seen_of(t, y, scans));
    for (int i = 0; i < INPUTS && t->used_elsewhere; i++)
        loss = tl_add(loss, weighed(tl_sigmoid(in[i]), 30 + (uint64_t)i));
    check_ok(tl_backward(loss));
    for (int i = 0; i < INPUTS; i++)
        if (t->wanted >> i & 1)
            o.gradients[i] = copy_of(tl_grad(in[i]));
    tl_tape_free(tape);
    return o;
}

static void free_outcome(outcome *o)
{
    tl_tensor_free(&o->y);
    for (int i = 0; i < INPUTS; i++)
        tl_tensor_free(&o->gradients[i]);
}

static void try_one(trial *t)
{
    static const char *const names[] = {"x", "w", "h"};
    const double close = t->dtype == TL_F64 ? 1e-12 : 1e-4;
    start_trial(t);
    outcome scanned = run(t, true), stepped = run(t, false);
    ck_assert_msg(same_bits(scanned.y, stepped.y), "%lld x %lld x %lld, mask %d", (long long)t->rows,
                  (long long)t->steps, (long long)t->n, (int)t->kind);
    for (int i = 0; i < INPUTS; i++)
        if (t->wanted >> i & 1)
            ck_assert_msg(difference(scanned.gradients[i], stepped.gradients[i]) <= close,
                          "%lld x %lld x %lld, mask %d, wanted %u, seen %d, %s: gradient of %s off by %g",
                          (long long)t->rows, (long long)t->steps, (long long)t->n, (int)t->kind, t->wanted,
                          t->seen, t->backwards ? "backwards" : "forwards", names[i],
                          difference(scanned.gradients[i], stepped.gradients[i]));
    free_outcome(&scanned);
    free_outcome(&stepped);
    end_trial(t);
}

static const int64_t lengths[] = {1, 2, 15, 16, 17, 33};
enum { LENGTHS = sizeof lengths / sizeof lengths[0] };

START_TEST(a_scan_is_its_steps)
{
    static const int64_t sizes[][2] = {{1, 1}, {1, 70}, {5, 3}, {9, 32}};
    for (int i = 0; i < LENGTHS * 4 * 4; i++)
        try_one(&(trial){.dtype = i & 1 ? TL_F64 : TL_F32,
                         .rows = sizes[i / 4 % 4][0],
                         .n = sizes[i / 4 % 4][1],
                         .steps = lengths[i / 16],
                         .activation = i / 4 % 4 == 2 ? TL_SIGMOID : TL_TANH,
                         .backwards = i & 2,
                         .kind = (mask_kind)_i,
                         .wanted = 7});
}
END_TEST

START_TEST(whatever_is_wanted_and_seen)
{
    for (int i = 0; i < 7 * 4 * 2 * 2; i++)
        try_one(&(trial){.dtype = TL_F64,
                         .rows = 5,
                         .n = 3,
                         .steps = i / 56 ? 7 : 1,
                         .activation = TL_TANH,
                         .wanted = 1 + (unsigned)i % 7,
                         .seen = i / 7 % 4,
                         .used_elsewhere = i / 28 % 2,
                         .backwards = i % 3 == 1,
                         .kind = (mask_kind)_i});
}
END_TEST

/* Views of larger tensors, in every order of axes. */
static tl_tensor lie_differently(tl_tensor t, int way)
{
    tl_shape shape = t.shape;
    const int last = shape.rank - 1, other = way % shape.rank;
    shape.dims[other] = t.shape.dims[last];
    shape.dims[last] = t.shape.dims[other] + 2;
    tl_tensor room = tl_tensor_new(t.dtype, shape),
              view = tl_tensor_transpose(tl_tensor_slice(room, last, 1, t.shape.dims[other]), other, last);
    check_ok(tl_tensor_copy(view, t));
    return view;
}

START_TEST(values_lie_anyhow)
{
    trial t = {.dtype = TL_F32,
               .rows = 4,
               .steps = 6,
               .n = 5,
               .activation = TL_TANH,
               .wanted = 7,
               .kind = (mask_kind)_i};
    start_trial(&t);
    for (int way = 0; way < 12; way++) {
        trial moved = t;
        moved.backwards = t.backwards = way % 2;
        moved.in[X] = lie_differently(t.in[X], way % 3);
        moved.in[W] = lie_differently(t.in[W], way / 3 % 2);
        moved.in[H] = lie_differently(t.in[H], way / 6 % 2);
        outcome plain = run(&t, true), other = run(&moved, true);
        ck_assert(same_bits(plain.y, other.y));
        for (int i = 0; i < INPUTS; i++)
            ck_assert_msg(difference(plain.gradients[i], other.gradients[i]) <= 1e-6, "way %d, input %d", way,
                          i);
        free_outcome(&plain);
        free_outcome(&other);
        for (int i = 0; i < INPUTS; i++)
            tl_tensor_free(&moved.in[i]);
    }
    end_trial(&t);
}
END_TEST

/* Rows that never move get nothing that is not a number from those that do, nor into the weights. */
START_TEST(rows_that_keep_still_stay_out_of_it)
{
    trial t = {.dtype = TL_F32,
               .rows = 6,
               .steps = 5,
               .n = 4,
               .activation = TL_TANH,
               .wanted = 7,
               .kind = STILL_ROWS};
    start_trial(&t);
    tl_tensor_fill(tl_tensor_select(t.in[X], 0, 0), (double)NAN);
    outcome o = run(&t, true);
    for (int i = 0; i < INPUTS; i++)
        ck_assert(isfinite(
            tl_tensor_item(tl_tensor_select(tl_tensor_reshape(o.gradients[i], tl_shape(-1)), 0, 0))));
    ck_assert(
        same_bits(tl_tensor_select(tl_tensor_select(o.y, 0, 0), 0, 4), tl_tensor_select(t.in[H], 0, 0)));
    free_outcome(&o);
    end_trial(&t);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("scan");
    tcase_add_loop_test(tests, a_scan_is_its_steps, 0, MASKS);
    tcase_add_loop_test(tests, whatever_is_wanted_and_seen, 0, MASKS);
    tcase_add_loop_test(tests, values_lie_anyhow, 0, MASKS);
    tcase_add_test(tests, rows_that_keep_still_stay_out_of_it);
    return run_tests("scan", tests);
}
