#include "tests/parity/apply_internal.h"
#include "tests/parity/names_internal.h"

static int axis_of(const op_inputs *c)
{
    return (int)whole_of(c->at, "axis");
}

static tl_axis_set axes_of(const op_inputs *c)
{
    const json_t *list = json_object_get(c->at, "axes");
    tl_axis_set axes = {.count = (int)json_array_size(list)};
    for (int i = 0; i < axes.count; i++)
        axes.axes[i] = (int)json_integer_value(json_array_get(list, (size_t)i));
    return axes;
}

/* The value of an input that is not differentiated, such as a mask; empty if there is none. */
static tl_tensor constant(const op_inputs *c, int i)
{
    return i < c->count ? tl_value(c->in[i]) : (tl_tensor){0};
}

static tl_var *apply_scale(const op_inputs *c)
{
    return tl_scale(c->in[0], number_of(c->at, "factor", 0));
}

static tl_var *apply_pow(const op_inputs *c)
{
    return tl_pow(c->in[0], number_of(c->at, "exponent", 0));
}

static tl_var *apply_clamp(const op_inputs *c)
{
    return tl_clamp(c->in[0], number_of(c->at, "low", 0), number_of(c->at, "high", 0));
}

static tl_var *apply_activate(const op_inputs *c)
{
    return tl_activate(c->in[0], activation_of(c->at));
}

static tl_var *apply_affine(const op_inputs *c)
{
    return tl_affine(c->in[0], c->in[1], c->in[2], activation_of(c->at));
}

static tl_var *apply_affine_masked(const op_inputs *c)
{
    return tl_affine_masked(c->in[0], c->in[1], c->in[2], activation_of(c->at), constant(c, 3));
}

static tl_var *apply_affine_scan(const op_inputs *c)
{
    return tl_affine_scan(c->in[0], c->in[1], c->in[2], activation_of(c->at), flag_of(c->at, "backwards"),
                          constant(c, 3));
}

static tl_var *apply_sum(const op_inputs *c)
{
    return tl_sum(c->in[0], axes_of(c), flag_of(c->at, "keepdims"));
}

static tl_var *apply_mean(const op_inputs *c)
{
    return tl_mean(c->in[0], axes_of(c), flag_of(c->at, "keepdims"));
}

static tl_var *apply_max(const op_inputs *c)
{
    return tl_max(c->in[0], axes_of(c), flag_of(c->at, "keepdims"));
}

static tl_var *apply_reshape(const op_inputs *c)
{
    return tl_reshape(c->in[0], shape_from(json_object_get(c->at, "shape")));
}

static tl_var *apply_transpose(const op_inputs *c)
{
    return tl_transpose(c->in[0], axis_of(c), (int)whole_of(c->at, "other"));
}

static tl_var *apply_slice(const op_inputs *c)
{
    return tl_slice(c->in[0], axis_of(c), whole_of(c->at, "start"), whole_of(c->at, "length"));
}

static tl_var *apply_select(const op_inputs *c)
{
    return tl_select(c->in[0], axis_of(c), whole_of(c->at, "index"));
}

static tl_var *apply_unsqueeze(const op_inputs *c)
{
    return tl_unsqueeze(c->in[0], axis_of(c));
}

/* Has no function of its own: reshape uses it where it has to copy. */
static tl_var *apply_contiguous(const op_inputs *c)
{
    return tl_apply(tl_op_by_name("contiguous"), c->in, 1, NULL, 0);
}

static tl_var *apply_concat(const op_inputs *c)
{
    return tl_concat(c->in, c->count, axis_of(c));
}

static tl_var *apply_stack(const op_inputs *c)
{
    return tl_stack(c->in, c->count, axis_of(c));
}

static tl_var *apply_gather_matmul(const op_inputs *c)
{
    return tl_matmul(tl_gather(c->in[0], c->in[1]), c->in[2]);
}

static tl_var *apply_where(const op_inputs *c)
{
    return tl_where(c->in[0], c->in[1], c->in[2]);
}

static tl_var *apply_softmax(const op_inputs *c)
{
    return tl_softmax(c->in[0], axis_of(c));
}

static tl_var *apply_log_softmax(const op_inputs *c)
{
    return tl_log_softmax(c->in[0], axis_of(c));
}

static tl_var *apply_layer_norm(const op_inputs *c)
{
    return tl_layer_norm(c->in[0], number_of(c->at, "epsilon", 0));
}

static tl_var *apply_dropout(const op_inputs *c)
{
    tl_tape_set_training(c->tape, flag_of(c->at, "training"));
    tl_tape_set_random(c->tape, (uint64_t)whole_of(c->at, "seed"), (uint64_t)whole_of(c->at, "step"),
                       whole_of(c->at, "first_row"));
    for (int64_t i = 0; i < whole_of(c->at, "earlier"); i++)
        tl_dropout(c->in[0], 0.5);
    return tl_dropout(c->in[0], number_of(c->at, "rate", 0));
}

/* By name: a function of one var, of two, or one that looks at options. */
static const struct {
    const char *name;
    tl_var *(*one)(tl_var *x);
    tl_var *(*two)(tl_var *a, tl_var *b);
    tl_var *(*apply)(const op_inputs *c);
} functions[] = {
    {"add", .two = tl_add},
    {"sub", .two = tl_sub},
    {"mul", .two = tl_mul},
    {"div", .two = tl_div},
    {"neg", .one = tl_neg},
    {"scale", .apply = apply_scale},
    {"pow", .apply = apply_pow},
    {"tanh", .one = tl_tanh},
    {"sigmoid", .one = tl_sigmoid},
    {"relu", .one = tl_relu},
    {"exp", .one = tl_exp},
    {"log", .one = tl_log},
    {"sqrt", .one = tl_sqrt},
    {"abs", .one = tl_abs},
    {"clamp", .apply = apply_clamp},
    {"activate", .apply = apply_activate},
    {"matmul", .two = tl_matmul},
    {"affine", .apply = apply_affine},
    {"affine_masked", .apply = apply_affine_masked},
    {"affine_scan", .apply = apply_affine_scan},
    {"sum", .apply = apply_sum},
    {"mean", .apply = apply_mean},
    {"max", .apply = apply_max},
    {"reshape", .apply = apply_reshape},
    {"transpose", .apply = apply_transpose},
    {"slice", .apply = apply_slice},
    {"select", .apply = apply_select},
    {"unsqueeze", .apply = apply_unsqueeze},
    {"contiguous", .apply = apply_contiguous},
    {"concat", .apply = apply_concat},
    {"stack", .apply = apply_stack},
    {"gather", .two = tl_gather},
    {"gather_matmul", .apply = apply_gather_matmul},
    {"where", .apply = apply_where},
    {"softmax", .apply = apply_softmax},
    {"log_softmax", .apply = apply_log_softmax},
    {"layer_norm", .apply = apply_layer_norm},
    {"dropout", .apply = apply_dropout},
    {"sigmoid_cross_entropy_with_logits", .two = tl_sigmoid_cross_entropy_with_logits},
    {"softmax_cross_entropy_with_logits", .two = tl_softmax_cross_entropy_with_logits},
    {"sparse_softmax_cross_entropy_with_logits", .two = tl_sparse_softmax_cross_entropy_with_logits},
    {"mse", .two = tl_mse},
};

tl_var *apply_op(const op_inputs *c)
{
    const char *name = text_of(c->at, "name", "");
    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++)
        if (is_of(name, functions[i].name))
            return functions[i].one   ? functions[i].one(c->in[0])
                   : functions[i].two ? functions[i].two(c->in[0], c->in[1])
                                      : functions[i].apply(c);
    ck_abort_msg("nothing here applies %s", name);
    return NULL;
}
