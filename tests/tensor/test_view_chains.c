/* Random chains of views, step by step against a model that knows nothing of strides: a shape, and for each
 * element, in row-major order, the place it has in the storage. */
#include "tensor/random.h"
#include "tensor/tensor.h"
#include "tests/support/suite.h"

#include <string.h>

enum { CHAINS = 3000, LONGEST = 12, ROOM = 1500 };

typedef struct model {
    tl_shape shape;
    int64_t count, place[ROOM];
} model;

typedef enum kind { SLICE, SELECT, TRANSPOSE, RESHAPE, BROADCAST, UNSQUEEZE, KINDS } kind;

/* One view: axes counted from the front, and the shape it leads to. */
typedef struct step {
    kind kind;
    int axis, other;
    int64_t start;
    tl_shape to;
} step;

static uint64_t drawn; /* numbers drawn so far */

static int64_t below(int64_t limit)
{
    return tl_random_below(2024, 1, drawn++, limit);
}

/* Half the time, the same axis or index counted from the end. */
static int64_t from_either_end(int64_t place, int64_t extent)
{
    return below(2) ? place : place - extent;
}

static void unravel(int64_t linear, tl_shape shape, int64_t index[])
{
    for (int i = shape.rank - 1; i >= 0; i--) {
        index[i] = linear % shape.dims[i];
        linear /= shape.dims[i];
    }
}

static int64_t ravel(const int64_t index[], tl_shape shape)
{
    int64_t linear = 0;
    for (int i = 0; i < shape.rank; i++)
        linear = linear * shape.dims[i] + index[i];
    return linear;
}

/* Which element of the old shape is the new shape's element `linear`. */
static int64_t old_element(const step *s, tl_shape from, int64_t linear)
{
    int64_t index[TL_MAX_RANK], old[TL_MAX_RANK] = {0};
    unravel(linear, s->to, index);
    if (s->kind == RESHAPE)
        return linear;
    for (int i = 0; i < from.rank; i++)
        if (s->kind == BROADCAST)
            old[i] = from.dims[i] == 1 ? 0 : index[i + s->to.rank - from.rank];
        else if (s->kind == UNSQUEEZE)
            old[i] = index[i + (i >= s->axis)];
        else if (s->kind == SELECT)
            old[i] = i == s->axis ? s->start : index[i - (i > s->axis)];
        else if (s->kind == TRANSPOSE)
            old[i] = index[i == s->axis ? s->other : i == s->other ? s->axis : i];
        else
            old[i] = index[i] + (i == s->axis ? s->start : 0);
    return ravel(old, from);
}

static void apply_to_model(const step *s, model *m)
{
    model next = {.shape = s->to, .count = tl_shape_count(s->to)};
    for (int64_t i = 0; i < next.count; i++)
        next.place[i] = m->place[old_element(s, m->shape, i)];
    *m = next;
}

static tl_tensor apply_to_tensor(const step *s, tl_tensor t)
{
    int rank = t.shape.rank;
    int axis = (int)from_either_end(s->axis, s->kind == UNSQUEEZE ? rank + 1 : rank);
    tl_shape asked = s->to;
    switch (s->kind) {
    case SLICE: {
        int64_t extent = t.shape.dims[s->axis], length = s->to.dims[s->axis];
        return tl_tensor_slice(t, axis, s->start < extent ? from_either_end(s->start, extent) : s->start,
                               length);
    }
    case SELECT:
        return tl_tensor_select(t, axis, from_either_end(s->start, t.shape.dims[s->axis]));
    case TRANSPOSE:
        return tl_tensor_transpose(t, axis, (int)from_either_end(s->other, rank));
    case RESHAPE:
        if (asked.rank > 0 && tl_shape_count(asked) > 0 && below(2))
            asked.dims[below(asked.rank)] = -1;
        return tl_tensor_reshape(t, asked);
    case BROADCAST:
        return tl_tensor_broadcast(t, asked);
    default:
        return tl_tensor_unsqueeze(t, axis);
    }
}

/* A random shape of `count` elements, with ones here and there. */
static tl_shape random_factors(int64_t count)
{
    tl_shape shape = {0};
    while (shape.rank < TL_MAX_RANK - 1 && (count > 1 || below(3) == 0)) {
        int64_t divisor = 1 + below(count < 6 ? count : 6);
        while (count % divisor)
            divisor--;
        shape.dims[shape.rank++] = divisor;
        count /= divisor;
    }
    if (count > 1)
        shape.dims[shape.rank++] = count;
    return shape;
}

/* A random view of a tensor of this shape; false where the kind drawn has none. */
static bool draw_step(tl_shape from, int64_t count, step *s)
{
    *s = (step){.kind = (kind)below(KINDS), .to = from};
    int rank = from.rank;
    if (s->kind == RESHAPE) {
        s->to = count > 0 ? random_factors(count) : tl_shape(3, 0);
        return true;
    }
    if (s->kind == UNSQUEEZE || s->kind == BROADCAST) {
        if (rank == TL_MAX_RANK)
            return false;
        s->axis = s->kind == UNSQUEEZE ? (int)below(rank + 1) : 0;
        int64_t extent = s->kind == UNSQUEEZE ? 1 : 1 + below(3);
        memmove(&s->to.dims[s->axis + 1], &s->to.dims[s->axis], (size_t)(rank - s->axis) * sizeof(int64_t));
        s->to.dims[s->axis] = extent;
        s->to.rank = rank + 1;
        for (int i = 1; i <= rank && s->kind == BROADCAST; i++)
            s->to.dims[i] = s->to.dims[i] == 1 ? 1 + below(3) : s->to.dims[i];
        return tl_shape_count(s->to) <= ROOM;
    }
    if (rank == 0)
        return false;
    s->axis = (int)below(rank);
    s->other = (int)below(rank);
    int64_t extent = from.dims[s->axis];
    if (s->kind == TRANSPOSE) {
        s->to.dims[s->axis] = from.dims[s->other];
        s->to.dims[s->other] = extent;
    } else if (s->kind == SLICE) {
        s->start = extent == 0 || below(40) == 0 ? extent : below(extent); /* seldom nothing */
        s->to.dims[s->axis] = s->start < extent ? 1 + below(extent - s->start) : 0;
    } else {
        if (extent == 0)
            return false;
        s->start = below(extent);
        memmove(&s->to.dims[s->axis], &s->to.dims[s->axis + 1],
                (size_t)(rank - 1 - s->axis) * sizeof(int64_t));
        s->to.rank = rank - 1;
    }
    return true;
}

/* Whether the places can be had by strides under this shape: then they are sums over the axes. */
static bool has_strides(const model *m, tl_shape shape)
{
    if (m->count == 0)
        return true;
    int64_t strides[TL_MAX_RANK] = {0}, index[TL_MAX_RANK] = {0};
    for (int i = 0; i < shape.rank; i++)
        if (shape.dims[i] > 1) {
            index[i] = 1;
            strides[i] = m->place[ravel(index, shape)] - m->place[0];
            index[i] = 0;
        }
    for (int64_t e = 0; e < m->count; e++) {
        int64_t place = m->place[0];
        unravel(e, shape, index);
        for (int i = 0; i < shape.rank; i++)
            place += index[i] * strides[i];
        if (place != m->place[e])
            return false;
    }
    return true;
}

static bool in_order(const model *m)
{
    for (int64_t i = 0; i < m->count; i++)
        if (m->place[i] != m->place[0] + i)
            return false;
    return true;
}

/* How many elements lie at each place; *least is the lowest, *distinct how many places there are. */
static void count_places(const model *m, int uses[ROOM], int64_t *least, int64_t *distinct)
{
    memset(uses, 0, ROOM * sizeof *uses);
    *least = ROOM;
    *distinct = 0;
    for (int64_t i = 0; i < m->count; i++) {
        *distinct += uses[m->place[i]]++ == 0;
        *least = m->place[i] < *least ? m->place[i] : *least;
    }
}

static bool without_gaps(const model *m)
{
    int uses[ROOM];
    int64_t least, distinct;
    count_places(m, uses, &least, &distinct);
    for (int64_t i = 0; i < m->count; i++)
        if (least + i >= ROOM || uses[least + i] != 1)
            return false;
    return true;
}

/* Every element, by index and all at once; the storage holds its own places. */
static void expect_like(tl_tensor t, const model *m)
{
    double out[ROOM];
    int64_t index[TL_MAX_RANK];
    ck_assert(tl_shape_equal(t.shape, m->shape));
    ck_assert_int_eq(tl_copy_out(t, out, (size_t)m->count * sizeof *out), TL_OK);
    for (int64_t i = 0; i < m->count; i++) {
        unravel(i, m->shape, index);
        if (tl_tensor_at(t, index) != (double)m->place[i] || out[i] != (double)m->place[i])
            ck_abort_msg("element %lld of %s: at %g, copied out %g, expected %lld", (long long)i,
                         TL_SHAPE_TEXT(t.shape), tl_tensor_at(t, index), out[i], (long long)m->place[i]);
    }
    ck_assert(tl_tensor_is_row_major(t) == in_order(m));
    ck_assert(tl_tensor_is_dense(t) == without_gaps(m));
    ck_assert((tl_data(t) != NULL) == in_order(m));
    if (m->count > 0 && in_order(m))
        ck_assert_double_eq(*(const double *)tl_data(t), (double)m->place[0]);
}

/* Writes through the view: its places change, and no other does. */
static void expect_written(tl_tensor base, tl_tensor view, const model *m)
{
    int uses[ROOM];
    int64_t least, distinct;
    count_places(m, uses, &least, &distinct);
    tl_tensor values = tl_tensor_new(TL_I32, view.shape);
    int32_t *numbers = tl_data_mut(values);
    for (int32_t i = 0; i < m->count; i++)
        numbers[i] = -1 - i;
    if (distinct == m->count)
        ck_assert_int_eq(tl_tensor_copy(view, values), TL_OK);
    else
        ck_assert_int_eq(tl_tensor_fill(view, -5), TL_OK);
    const double *data = tl_data(base);
    for (int64_t i = 0; i < tl_tensor_count(base); i++)
        ck_assert_msg(uses[i] > 0 ? data[i] < 0 : data[i] == (double)i, "place %lld", (long long)i);
    for (int64_t i = 0; i < m->count && distinct == m->count; i++)
        ck_assert_msg(data[m->place[i]] == (double)(-1 - i), "element %lld", (long long)i);
    tl_tensor_free(&values);
}

START_TEST(random_chains_of_views_give_the_right_elements)
{
    int64_t taken[KINDS] = {0}, refused = 0;
    for (int chain = 0; chain < CHAINS; chain++) {
        tl_shape shape = {.rank = (int)below(5)};
        for (int i = 0; i < shape.rank; i++)
            shape.dims[i] = 1 + below(5);
        tl_tensor base = tl_tensor_new(TL_F64, shape), view = base;
        model m = {.shape = shape, .count = tl_shape_count(shape)};
        double *data = tl_data_mut(base);
        for (int64_t i = 0; i < m.count; i++)
            data[i] = (double)(m.place[i] = i);
        for (int64_t length = below(LONGEST); length > 0; length--) {
            step s;
            if (!draw_step(view.shape, m.count, &s))
                continue;
            tl_tensor next = apply_to_tensor(&s, view);
            bool possible = s.kind != RESHAPE || has_strides(&m, s.to);
            ck_assert_msg(tl_tensor_ok(next) == possible, "chain %d, kind %d, %s to %s", chain, (int)s.kind,
                          TL_SHAPE_TEXT(view.shape), TL_SHAPE_TEXT(s.to));
            taken[s.kind] += possible;
            refused += !possible;
            if (!possible)
                continue;
            apply_to_model(&s, &m);
            expect_like(view = next, &m);
        }
        expect_written(base, view, &m);
        tl_tensor_free(&base);
    }
    for (int i = 0; i < KINDS; i++)
        ck_assert_int_gt(taken[i], 1000);
    ck_assert_int_gt(refused, 100);
}
END_TEST

int main(void)
{
    return RUN_SUITE("view_chains", random_chains_of_views_give_the_right_elements);
}
