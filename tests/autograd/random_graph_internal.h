/* Random expressions over all ops: a seed decides everything about one. Nodes keep their numbers small, by
 * squashing what could grow, so that differences stay exact enough; ops with kinks are given numbers that
 * stay away from them. */
#ifndef TL_TESTS_AUTOGRAD_RANDOM_GRAPH_INTERNAL_H
#define TL_TESTS_AUTOGRAD_RANDOM_GRAPH_INTERNAL_H

#include "tests/autograd/testing_internal.h"

enum { INPUTS = 5, NODES = 12, MOST_VARS = INPUTS + NODES, MOST_ELEMENTS = 60, KINDS = 39 };

typedef struct graph {
    uint64_t seed, draws;
    tl_tape *tape;
    tl_var *vars[MOST_VARS]; /* the inputs, then the nodes; the caller sets the inputs */
    int count;
    int kinds[MOST_VARS]; /* what each node is */
} graph;

static int64_t below(graph *g, int64_t limit)
{
    return tl_random_below(g->seed, 1, g->draws++, limit);
}

static int64_t extent(tl_var *x, int axis)
{
    tl_shape shape = tl_shape_of(x);
    return shape.dims[axis < 0 ? axis + shape.rank : axis];
}

static int rank(tl_var *x)
{
    return tl_shape_of(x).rank;
}

/* One of all, or one of the last few, so that graphs grow deep as well as wide. */
static tl_var *any(graph *g)
{
    int64_t from = below(g, 2) ? 0 : g->count - 3;
    return g->vars[from + below(g, g->count - from)];
}

static tl_var *any_with_axis(graph *g)
{
    tl_var *x = any(g);
    return rank(x) > 0 ? x : tl_unsqueeze(x, 0);
}

static int any_axis(graph *g, tl_var *x)
{
    return (int)below(g, 2 * rank(x)) - rank(x); /* from the front or from the end */
}

/* A var that fits, as `fits` says, beside x: the first from a random place on. x itself if there is none. */
static tl_var *partner(graph *g, tl_var *x, bool (*fits)(tl_var *x, tl_var *y))
{
    int64_t start = below(g, g->count);
    for (int i = 0; i < g->count; i++) {
        tl_var *y = g->vars[(start + i) % g->count];
        if (fits(x, y))
            return y;
    }
    return x;
}

static bool broadcasts(tl_var *x, tl_var *y)
{
    tl_shape shape;
    return tl_shape_broadcast("", tl_shape_of(x), tl_shape_of(y), &shape) == TL_OK &&
           tl_shape_count(shape) <= MOST_ELEMENTS;
}

static bool is_alike(tl_var *x, tl_var *y)
{
    return x != y && tl_shape_equal(tl_shape_of(x), tl_shape_of(y));
}

/* y is a matrix that x's rows can be multiplied by. */
static bool is_weight(tl_var *x, tl_var *y)
{
    return rank(y) == 2 && extent(y, 0) == extent(x, -1);
}

static bool is_square_weight(tl_var *x, tl_var *y)
{
    return is_weight(x, y) && extent(y, 1) == extent(y, 0);
}

/* A constant of small whole numbers 0 ... limit - 1. */
static tl_var *numbers(graph *g, tl_dtype dtype, tl_shape shape, int64_t limit)
{
    tl_var *x = tl_zeros(g->tape, dtype, shape);
    tl_tensor flat = tl_tensor_reshape(tl_value(x), tl_shape(-1));
    for (int64_t i = 0; i < flat.shape.dims[0]; i++)
        tl_tensor_fill(tl_tensor_select(flat, 0, i), (double)below(g, limit));
    return x;
}

/* --- the kinds of nodes; NULL where a random choice does not fit, and another is tried --- */

static tl_var *node_add(graph *g)
{
    tl_var *x = any(g);
    return tl_add(x, partner(g, x, broadcasts));
}

static tl_var *node_sub(graph *g)
{
    tl_var *x = any(g);
    return tl_sub(partner(g, x, broadcasts), x);
}

static tl_var *node_mul(graph *g)
{
    tl_var *x = any(g);
    return tl_tanh(tl_mul(x, partner(g, x, broadcasts)));
}

static tl_var *node_div(graph *g)
{
    tl_var *x = any(g);
    return tl_tanh(tl_div(x, tl_exp(tl_tanh(partner(g, x, broadcasts)))));
}

static tl_var *node_neg(graph *g)
{
    return tl_neg(any(g));
}

static tl_var *node_scale(graph *g)
{
    return tl_scale(any(g), (double)below(g, 40) / 10 - 2);
}

static tl_var *node_tanh(graph *g)
{
    return tl_tanh(any(g));
}

static tl_var *node_sigmoid(graph *g)
{
    return tl_sigmoid(any(g));
}

static tl_var *node_exp(graph *g)
{
    return tl_exp(tl_tanh(any(g)));
}

static tl_var *node_log(graph *g)
{
    return tl_log(tl_sigmoid(tl_tanh(any(g))));
}

static tl_var *node_sqrt(graph *g)
{
    return tl_sqrt(tl_sigmoid(tl_tanh(any(g))));
}

static tl_var *node_pow(graph *g)
{
    static const double exponents[] = {-1, 0, 0.5, 1, 1.7, 2, 3};
    return tl_pow(tl_sigmoid(tl_tanh(any(g))), exponents[below(g, 7)]);
}

static tl_axis_set some_axes(graph *g, tl_var *x)
{
    tl_axis_set axes = TL_ALL_AXES;
    for (int i = 0; i < rank(x); i++)
        if (below(g, 2))
            axes.axes[axes.count++] = below(g, 2) ? i : i - rank(x);
    return axes;
}

static tl_var *node_sum(graph *g)
{
    tl_var *x = any(g);
    tl_axis_set axes = some_axes(g, x);
    return tl_tanh(tl_sum(x, axes, below(g, 2)));
}

static tl_var *node_mean(graph *g)
{
    tl_var *x = any(g);
    tl_axis_set axes = some_axes(g, x);
    return tl_mean(x, axes, below(g, 2));
}

static tl_var *node_reshape(graph *g)
{
    tl_var *x = any_with_axis(g);
    return below(g, 2) ? tl_reshape(x, tl_shape(-1)) : tl_reshape(x, tl_shape(extent(x, -1), 1, -1));
}

static tl_var *node_transpose(graph *g)
{
    tl_var *x = any_with_axis(g);
    int axis = any_axis(g, x);
    return tl_transpose(x, axis, any_axis(g, x));
}

static tl_var *node_slice(graph *g)
{
    tl_var *x = any_with_axis(g);
    int axis = any_axis(g, x);
    int64_t start = below(g, extent(x, axis)), length = 1 + below(g, extent(x, axis) - start);
    return tl_slice(x, axis, below(g, 2) ? start : start - extent(x, axis), length);
}

static tl_var *node_select(graph *g)
{
    tl_var *x = any_with_axis(g);
    int axis = any_axis(g, x);
    return tl_select(x, axis, below(g, 2 * extent(x, axis)) - extent(x, axis));
}

static tl_var *node_unsqueeze(graph *g)
{
    tl_var *x = any(g);
    return rank(x) < 4 ? tl_unsqueeze(x, (int)below(g, 2 * rank(x) + 2) - rank(x) - 1) : NULL;
}

static tl_var *node_concat(graph *g)
{
    tl_var *x = any_with_axis(g), *parts[] = {x, partner(g, x, is_alike), x};
    int axis = any_axis(g, x);
    return tl_concat(parts, 1 + (int)below(g, 3), axis);
}

static tl_var *node_stack(graph *g)
{
    tl_var *x = any(g), *parts[] = {partner(g, x, is_alike), x, x};
    int axis = (int)below(g, rank(x) + 1);
    return rank(x) < 4 ? tl_stack(parts, 1 + (int)below(g, 3), axis) : NULL;
}

static tl_var *node_matmul(graph *g)
{
    tl_var *x = any_with_axis(g);
    if (rank(x) == 1)
        x = tl_unsqueeze(x, 0);
    tl_var *w = below(g, 2) ? partner(g, x, is_weight) : x; /* x times its own transposed is batched */
    return tl_tanh(tl_matmul(x, w == x ? tl_transpose(x, -1, -2) : w));
}

static tl_activation any_smooth_activation(graph *g)
{
    static const tl_activation activations[] = {TL_LINEAR, TL_TANH, TL_SIGMOID};
    return activations[below(g, 3)];
}

static tl_var *node_affine(graph *g)
{
    tl_var *x = any_with_axis(g), *w = partner(g, x, is_weight);
    if (!is_weight(x, w))
        return NULL;
    tl_var *row = tl_select(w, 0, 0),
           *c = below(g, 2) ? row : tl_matmul(rank(x) == 1 ? tl_unsqueeze(x, 0) : x, w);
    if (c != row && rank(x) == 1)
        c = tl_select(c, 0, 0);
    return tl_tanh(tl_affine(x, w, c, any_smooth_activation(g)));
}

static tl_var *node_affine_masked(graph *g)
{
    tl_var *x = any_with_axis(g), *w = partner(g, x, is_square_weight);
    if (rank(x) != 2 || !is_square_weight(x, w))
        return NULL;
    tl_var *mask = numbers(g, TL_U8, tl_shape(extent(x, 0)), 2), *c = below(g, 2) ? x : tl_select(w, 1, 0);
    return tl_affine_masked(x, w, c, any_smooth_activation(g), tl_value(mask));
}

static tl_var *node_affine_scan(graph *g)
{
    tl_var *x = any_with_axis(g);
    for (int i = rank(x); i < 3; i++)
        x = tl_unsqueeze(x, (int)below(g, 2));
    tl_var *w = partner(g, x, is_square_weight), *start = tl_select(x, 1, 0);
    if (rank(x) != 3 || !is_square_weight(x, w))
        return NULL;
    tl_var *mask = numbers(g, TL_U8, tl_shape(extent(x, 0), extent(x, 1)), 2);
    return tl_affine_scan(x, w, partner(g, start, is_alike), any_smooth_activation(g), below(g, 2),
                          below(g, 2) ? tl_value(mask) : (tl_tensor){0});
}

static tl_var *node_softmax(graph *g)
{
    tl_var *x = any_with_axis(g);
    return tl_softmax(x, any_axis(g, x));
}

static tl_var *node_log_softmax(graph *g)
{
    tl_var *x = any_with_axis(g);
    return tl_log_softmax(x, any_axis(g, x));
}

static tl_var *node_gather(graph *g)
{
    tl_var *x = any(g);
    if (rank(x) != 2)
        return NULL;
    tl_shape shape = below(g, 2) ? tl_shape(2, 2) : tl_shape(3);
    return tl_gather(x, numbers(g, TL_I32, shape, extent(x, 0)));
}

static tl_var *node_where(graph *g)
{
    tl_var *x = any(g), *other = partner(g, x, broadcasts);
    return tl_where(numbers(g, TL_U8, tl_shape_of(x), 2), x, other);
}

static tl_var *node_dropout(graph *g)
{
    return tl_dropout(any(g), 0.3);
}

static tl_var *node_sigmoid_loss(graph *g)
{
    tl_var *x = any(g);
    return tl_sigmoid_cross_entropy_with_logits(x, tl_sigmoid(partner(g, x, is_alike)));
}

static tl_var *node_softmax_loss(graph *g)
{
    tl_var *x = any_with_axis(g);
    return tl_softmax_cross_entropy_with_logits(x, tl_softmax(partner(g, x, is_alike), -1));
}

static tl_var *node_sparse_loss(graph *g)
{
    tl_var *x = any_with_axis(g);
    tl_shape shape = tl_shape_of(x);
    shape.rank--;
    return tl_sparse_softmax_cross_entropy_with_logits(x, numbers(g, TL_I32, shape, extent(x, -1)));
}

static tl_var *node_layer_norm(graph *g)
{
    return tl_layer_norm(any_with_axis(g), 0.1);
}

/* Numbers between 0.25 and 0.75. */
static tl_var *between(tl_var *x)
{
    return tl_sigmoid(tl_tanh(x));
}

/* Numbers of either sign, 0.25 or more from 0. */
static tl_var *on_both_sides(graph *g, tl_var *x)
{
    tl_var *magnitude = between(x);
    return tl_where(numbers(g, TL_U8, tl_shape_of(x), 2), magnitude, tl_neg(magnitude));
}

static tl_var *node_relu(graph *g)
{
    return tl_relu(on_both_sides(g, any(g)));
}

static tl_var *node_abs(graph *g)
{
    return tl_abs(on_both_sides(g, any(g)));
}

/* Some within, some on either side, all 0.05 or more from the ends. */
static tl_var *node_clamp(graph *g)
{
    tl_var *x = on_both_sides(g, any(g));
    tl_var *spread = tl_where(numbers(g, TL_U8, tl_shape_of(x), 2), tl_scale(x, 0.25), tl_scale(x, 2));
    return tl_clamp(spread, -0.3, 0.4);
}

/* Of numbers of which no two are close: their places in a random order, and less than half a place. */
static tl_var *node_max(graph *g)
{
    tl_var *x = any(g), *ranks = tl_zeros(g->tape, tl_dtype_of(x), tl_shape_of(x));
    tl_tensor flat = tl_tensor_reshape(tl_value(ranks), tl_shape(-1));
    const int64_t count = flat.shape.dims[0], first = below(g, count);
    for (int64_t i = 0; i < count; i++)
        tl_tensor_fill(tl_tensor_select(flat, 0, i), (double)((first + 61 * i) % count));
    tl_axis_set axes = some_axes(g, x);
    return tl_max(tl_scale(tl_add(ranks, between(x)), 1 / (double)count), axes, below(g, 2));
}

static tl_var *node_mse(graph *g)
{
    tl_var *x = any(g);
    return tl_mse(x, partner(g, x, is_alike));
}

static const struct {
    const char *name;
    tl_var *(*make)(graph *g);
} kinds[KINDS] = {
    {"add", node_add},
    {"sub", node_sub},
    {"mul", node_mul},
    {"div", node_div},
    {"neg", node_neg},
    {"scale", node_scale},
    {"tanh", node_tanh},
    {"sigmoid", node_sigmoid},
    {"exp", node_exp},
    {"log", node_log},
    {"sqrt", node_sqrt},
    {"pow", node_pow},
    {"sum", node_sum},
    {"mean", node_mean},
    {"reshape", node_reshape},
    {"transpose", node_transpose},
    {"slice", node_slice},
    {"select", node_select},
    {"unsqueeze", node_unsqueeze},
    {"concat", node_concat},
    {"stack", node_stack},
    {"matmul", node_matmul},
    {"affine", node_affine},
    {"affine_masked", node_affine_masked},
    {"affine_scan", node_affine_scan},
    {"softmax", node_softmax},
    {"log_softmax", node_log_softmax},
    {"gather", node_gather},
    {"where", node_where},
    {"sigmoid_loss", node_sigmoid_loss},
    {"softmax_loss", node_softmax_loss},
    {"sparse_loss", node_sparse_loss},
    {"dropout", node_dropout},
    {"mse", node_mse},
    {"layer_norm", node_layer_norm},
    {"relu", node_relu},
    {"abs", node_abs},
    {"clamp", node_clamp},
    {"max", node_max},
};

/* Adds nodes to the inputs until the graph is full; false with the error set if an op refused what it was
 * given. The same seed gives the same graph. */
static inline bool grow_graph(graph *g)
{
    while (g->count < MOST_VARS) {
        int kind = (int)below(g, KINDS);
        tl_error(TL_OK, "%s", ""); /* so that a choice that does not fit is told from an error */
        tl_var *x = kinds[kind].make(g);
        if (!x && tl_error_status() != TL_OK)
            return false;
        if (!x || tl_shape_count(tl_shape_of(x)) > MOST_ELEMENTS)
            continue;
        if (g->seed % 4 == 3 && below(g, 4) == 0)
            tl_retain_grad(x);
        g->kinds[g->count] = kind;
        g->vars[g->count++] = x;
    }
    return true;
}

/* What there is in one vector: everything, so that nothing goes unchecked, or, for every other seed, the
 * inputs, the last node and some in between, since memory goes other ways where nobody looks. */
static inline tl_var *all_of_graph(graph *g)
{
    tl_var *parts[MOST_VARS];
    int count = 0;
    for (int i = 0; i < g->count; i++)
        if (g->seed % 2 == 0 || i < INPUTS || i == g->count - 1 || below(g, 3) == 0)
            parts[count++] = tl_reshape(g->vars[i], tl_shape(-1));
    return tl_concat(parts, count, 0);
}

#endif
