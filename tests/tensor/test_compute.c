/* Kernels over views: random shapes and layouts against loops over indices. */
#include "tensor/compute_internal.h"
#include "tests/support/naive_maps.h"
#include "tests/support/numbers.h"
#include "tests/support/suite.h"

enum { ROUNDS = 400 };

static const double numbers[] = {0.625, 1.25}; /* p, wherever maps take it */
static const tl_dtype types[] = {TL_F32, TL_F64};

static uint64_t drawn;

static int64_t below(int64_t limit)
{
    return tl_random_below(77, 1, drawn++, limit);
}

/* A view somewhere inside a tensor whose axes lie in memory in any order, perhaps with gaps between all
 * elements; and the tensor as it was. */
typedef struct placed {
    tl_tensor base, before, view;
} placed;

static placed place_view(tl_dtype dtype, tl_shape shape)
{
    int order[TL_MAX_RANK];
    tl_shape around = {.rank = shape.rank + 1};
    for (int i = 0; i < shape.rank; i++) {
        int place = (int)below(i + 1);
        order[i] = order[place];
        order[place] = i;
    }
    for (int i = 0; i < shape.rank; i++)
        around.dims[i] = shape.dims[order[i]] + (below(3) == 0);
    around.dims[shape.rank] = 1 + (below(3) == 0);
    placed p = {.base = tl_tensor_new(dtype, around), .before = tl_tensor_new(dtype, around)};
    ck_assert(tl_tensor_ok(p.base) && tl_tensor_ok(p.before));
    tl_random_fill_uniform(p.base, -2, 2, 78, drawn++);
    tl_tensor_copy(p.before, p.base);
    p.view = p.base;
    p.view.shape = shape;
    for (int i = 0; i < shape.rank; i++) {
        p.view.strides[order[i]] = p.base.strides[i];
        p.view.offset += (around.dims[i] - shape.dims[order[i]]) * p.base.strides[i];
    }
    return p;
}

static void free_placed(placed p)
{
    tl_tensor_free(&p.base);
    tl_tensor_free(&p.before);
}

/* The view's elements as they were before. */
static tl_tensor view_before(placed p)
{
    tl_tensor view = p.view;
    view.storage = p.before.storage;
    return view;
}

/* Nothing around the view has changed. */
static void expect_untouched_around(placed p)
{
    ck_assert_int_eq(tl_tensor_copy(p.view, view_before(p)), TL_OK);
    ck_assert_mem_eq(p.base.storage->data, p.before.storage->data, p.base.storage->bytes);
}

static tl_shape random_shape(void)
{
    tl_shape shape = {.rank = (int)below(5)};
    for (int i = 0; i < shape.rank; i++)
        shape.dims[i] = below(12) == 0 ? 0 : 1 + below(6);
    return shape;
}

/* A shape that broadcasts to the given one: some axes 1, or missing in front. */
static tl_shape random_narrower(tl_shape shape)
{
    int dropped = below(3) == 0 && shape.rank > 0 ? (int)below(shape.rank + 1) : 0;
    tl_shape narrower = {.rank = shape.rank - dropped};
    for (int i = 0; i < narrower.rank; i++)
        narrower.dims[i] = below(3) == 0 ? 1 : shape.dims[i + dropped];
    return narrower;
}

/* The next index in row-major order; false after the last. */
static bool next_index(tl_shape shape, int64_t index[])
{
    for (int axis = shape.rank - 1; axis >= 0; axis--) {
        if (++index[axis] < shape.dims[axis])
            return true;
        index[axis] = 0;
    }
    return false;
}

/* The element that a tensor, broadcast to a shape of this rank, has at an index of that shape. */
static double broadcast_at(tl_tensor tensor, int rank, const int64_t index[])
{
    int64_t own[TL_MAX_RANK];
    for (int i = 0; i < tensor.shape.rank; i++)
        own[i] = tensor.shape.dims[i] == 1 ? 0 : index[i + rank - tensor.shape.rank];
    return tl_tensor_at(tensor, own);
}

/* Right up to the rounding of so many terms. */
static bool near(tl_dtype dtype, double got, double expected, int64_t terms)
{
    if (isnan(expected) || isinf(expected))
        return isnan(expected) ? isnan(got) : got == expected;
    return fabs(got - expected) <= (double)terms * (dtype == TL_F32 ? 1e-6 : 2e-15) * (1 + fabs(expected));
}

START_TEST(maps_go_over_any_views)
{
    for (int round = 0; round < ROUNDS; round++)
        for (int map = 0; map < TL_MAP_COUNT; map++) {
            tl_dtype dtype = types[round % 2];
            const bool two = map >= TL_MAP_ADD;
            tl_shape shape = random_shape();
            placed out = place_view(dtype, shape), a = place_view(dtype, random_narrower(shape));
            placed b = place_view(dtype, two ? random_narrower(shape) : TL_SCALAR);
            tl_compute_map((tl_map)map, out.view, a.view, two ? b.view : (tl_tensor){0}, numbers);
            int64_t index[TL_MAX_RANK] = {0};
            if (tl_shape_count(shape) > 0)
                do {
                    double x = broadcast_at(a.view, shape.rank, index);
                    double y = two ? broadcast_at(b.view, shape.rank, index) : 0;
                    double expected = naive_map(map, x, y, numbers), got = tl_tensor_at(out.view, index);
                    if (!near(dtype, got, expected, 2))
                        ck_abort_msg("map %d to %s of %s and %s: %g, expected %g", map, TL_SHAPE_TEXT(shape),
                                     TL_SHAPE_TEXT(a.view.shape), TL_SHAPE_TEXT(b.view.shape), got, expected);
                } while (next_index(shape, index));
            expect_untouched_around(out);
            free_placed(out);
            free_placed(a);
            free_placed(b);
        }
}
END_TEST

START_TEST(maps_go_in_place)
{
    for (int round = 0; round < ROUNDS; round++) {
        tl_dtype dtype = types[round % 2];
        tl_shape shape = random_shape();
        placed out = place_view(dtype, shape), b = place_view(dtype, random_narrower(shape));
        tl_compute_map(TL_MAP_MUL, out.view, out.view, b.view, NULL);
        tl_compute_store(out.view, b.view, true);
        int64_t index[TL_MAX_RANK] = {0};
        if (tl_shape_count(shape) > 0)
            do {
                double y = broadcast_at(b.view, shape.rank, index);
                ck_assert(near(dtype, tl_tensor_at(out.view, index),
                               (tl_tensor_at(view_before(out), index) + 1) * y, 2));
            } while (next_index(shape, index));
        tl_compute_store(out.view, b.view, false);
        if (tl_shape_count(shape) > 0)
            do
                ck_assert(tl_tensor_at(out.view, index) == broadcast_at(b.view, shape.rank, index));
            while (next_index(shape, index));
        expect_untouched_around(out);
        free_placed(out);
        free_placed(b);
    }
}
END_TEST

typedef enum folding { SUM, SUM_ONTO, MAX } folding;

/* What element `at` of the output should be: a fold over the elements of a that broadcast to it. */
static double naive_fold(folding kind, tl_tensor a, placed out, const int64_t at[])
{
    double value = kind == MAX        ? -(double)INFINITY
                   : kind == SUM_ONTO ? tl_tensor_at(view_before(out), at)
                                      : 0;
    int64_t index[TL_MAX_RANK] = {0};
    if (tl_tensor_count(a) == 0)
        return value;
    do {
        bool here = true;
        for (int i = 0; i < out.view.shape.rank && here; i++)
            here = out.view.shape.dims[i] == 1 || at[i] == index[i + a.shape.rank - out.view.shape.rank];
        double x = here ? tl_tensor_at(a, index) : 0;
        if (here && kind == MAX)
            value = isnan(x) || x > value ? x : value;
        else if (here)
            value += x;
    } while (!(kind == MAX && isnan(value)) && next_index(a.shape, index));
    return value;
}

static void check_fold(folding kind, tl_dtype dtype, tl_shape shape, tl_shape narrower)
{
    placed a = place_view(dtype, shape), out = place_view(dtype, narrower);
    if (below(4) == 0 && tl_tensor_count(a.base) > 0)
        tl_tensor_fill(
            tl_tensor_select(tl_tensor_reshape(a.base, tl_shape(-1)), 0, below(tl_tensor_count(a.base))),
            (double)NAN);
    if (kind != SUM_ONTO)
        tl_tensor_fill(out.view, (double)NAN); /* overwriting reads nothing */
    if (kind == MAX)
        tl_compute_max(out.view, a.view);
    else
        tl_compute_sum(out.view, a.view, kind == SUM_ONTO);
    int64_t index[TL_MAX_RANK] = {0};
    if (tl_shape_count(narrower) > 0)
        do {
            double expected = naive_fold(kind, a.view, out, index), got = tl_tensor_at(out.view, index);
            if (!near(dtype, got, expected, 1 + tl_shape_count(shape)))
                ck_abort_msg("fold %d of %s to %s: %g, expected %g", (int)kind, TL_SHAPE_TEXT(shape),
                             TL_SHAPE_TEXT(narrower), got, expected);
        } while (next_index(narrower, index));
    expect_untouched_around(out);
    free_placed(a);
    free_placed(out);
}

START_TEST(sums_and_maxima_go_over_any_axes)
{
    for (int round = 0; round < 5 * ROUNDS; round++)
        for (folding kind = SUM; kind <= MAX; kind++) {
            tl_shape shape = random_shape();
            check_fold(kind, types[round % 2], shape, random_narrower(shape));
        }
}
END_TEST

/* The gradient of a bias: all rows of a sequence into one, which has a kernel of its own. */
START_TEST(sums_go_into_a_row)
{
    for (int round = 0; round < ROUNDS; round++)
        for (folding kind = SUM; kind <= SUM_ONTO; kind++) {
            tl_shape shape = random_shape();
            if (shape.rank > 1)
                check_fold(kind, types[round % 2], shape, tl_shape(shape.dims[shape.rank - 1]));
        }
}
END_TEST

START_TEST(folding_nothing_gives_zero_and_minus_infinity)
{
    for (int t = 0; t < 2; t++) {
        tl_tensor nothing = tl_tensor_new(types[t], tl_shape(3, 0, 2)),
                  out = tl_tensor_new(types[t], tl_shape(3, 1, 2));
        tl_tensor_fill(out, 5);
        tl_compute_sum(out, nothing, true);
        ck_assert_double_eq(tl_tensor_at(out, (int64_t[]){2, 0, 1}), 5);
        tl_compute_sum(out, nothing, false);
        ck_assert_double_eq(tl_tensor_at(out, (int64_t[]){2, 0, 1}), 0);
        tl_compute_max(out, nothing);
        ck_assert(tl_tensor_at(out, (int64_t[]){0, 0, 1}) == -(double)INFINITY);
        tl_tensor_free(&nothing);
        tl_tensor_free(&out);
    }
}
END_TEST

int main(void)
{
    return RUN_SUITE("compute", maps_go_over_any_views, maps_go_in_place, sums_and_maxima_go_over_any_axes,
                     sums_go_into_a_row, folding_nothing_gives_zero_and_minus_infinity);
}
