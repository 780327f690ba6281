/* Every op against torch: its value, and the gradient of each input that has one. */
#include "tests/parity/apply_internal.h"

/* Rounding is 6e-8 an operation. Where the numbers of a gradient cancel, as behind a softmax, what is left is
 * smaller than what was rounded. */
static const double float32_bound = 1e-5;

/* A case in memory: its inputs, and the gradient that is given for its value. */
typedef struct op_case {
    vector_case vector;
    int count;
    tl_tensor inputs[TL_MAX_INPUTS], seed;
} op_case;

static const char *text_at(const json_t *list, int i, const char *otherwise)
{
    const json_t *text = json_array_get(list, (size_t)i);
    return text ? json_string_value(text) : otherwise;
}

static int64_t start_of(vector_case c, int stream)
{
    return json_integer_value(json_array_get(json_object_get(c.at, "at"), (size_t)stream));
}

static tl_tensor converted(tl_tensor from, tl_dtype dtype)
{
    tl_tensor to = tl_tensor_new(dtype, from.shape);
    check_ok(tl_tensor_copy(to, from));
    return to;
}

static tl_dtype type_of(vector_case c, int i)
{
    const char *type = text_at(json_object_get(c.at, "types"), i, "float");
    return strcmp(type, "id") == 0 ? TL_I32 : strcmp(type, "mask") == 0 ? TL_U8 : c.dtype;
}

static op_case new_op_case(vector_case vector)
{
    const json_t *shapes = json_object_get(vector.at, "inputs");
    op_case c = {.vector = vector, .count = (int)json_array_size(shapes)};
    ck_assert_int_le(c.count, TL_MAX_INPUTS);
    tl_tensor stream = tensor_named("given", TL_F64);
    int64_t at = start_of(vector, 0);
    for (int i = 0; i < c.count; i++)
        c.inputs[i] =
            converted(take(stream, &at, shape_from(json_array_get(shapes, (size_t)i))), type_of(vector, i));
    c.seed = converted(take(stream, &at, shape_from(json_object_get(vector.at, "value"))), vector.dtype);
    tl_tensor_free(&stream);
    return c;
}

static void free_op_case(op_case *c)
{
    for (int i = 0; i < c->count; i++)
        tl_tensor_free(&c->inputs[i]);
    tl_tensor_free(&c->seed);
}

/* What an op sees of the tensor behind it. */
static tl_var *viewed(tl_var *x, const char *layout)
{
    if (strcmp(layout, "transposed") == 0)
        return tl_transpose(x, 0, -1);
    if (strcmp(layout, "selected") == 0)
        return tl_select(x, 0, 1);
    if (strcmp(layout, "sliced") == 0)
        return tl_slice(x, -1, 1, tl_shape_of(x).dims[tl_shape_of(x).rank - 1] - 2);
    ck_assert_str_eq(layout, "plain");
    return x;
}

START_TEST(values_and_gradients)
{
    op_case c = new_op_case(vector_of_run(_i));
    tl_tape *tape = tl_tape_new();
    tl_var *vars[TL_MAX_INPUTS];
    op_inputs inputs = {.at = c.vector.at, .tape = tape, .count = c.count};
    for (int i = 0; i < c.count; i++) {
        bool differentiable = tl_dtype_is_float(c.inputs[i].dtype);
        vars[i] = differentiable ? tl_variable(tape, c.inputs[i]) : tl_input(tape, c.inputs[i]);
        inputs.in[i] = viewed(vars[i], text_at(json_object_get(c.vector.at, "layouts"), i, "plain"));
    }
    if (flag_of(c.vector.at, "same"))
        inputs.in[inputs.count++] = inputs.in[0];
    tl_var *value = apply_op(&inputs);
    ck_assert_msg(value != NULL, "%s: %s", c.vector.name, tl_error_message());
    tl_tensor stream = tensor_named("expected", TL_F64);
    int64_t at = start_of(c.vector, 1);
    check_close(c.vector, "value", tl_value(value), take(stream, &at, c.seed.shape));
    ck_assert_msg(tl_backward_from(value, c.seed) == TL_OK, "%s: %s", c.vector.name, tl_error_message());
    for (int i = 0; i < c.count; i++) {
        if (!tl_dtype_is_float(c.inputs[i].dtype))
            continue;
        char what[32];
        snprintf(what, sizeof what, "gradient %d", i);
        check_close(c.vector, what, tl_grad(vars[i]), take(stream, &at, c.inputs[i].shape));
    }
    tl_tensor_free(&stream);
    tl_tape_free(tape);
    free_op_case(&c);
}
END_TEST

static bool has_vector(const char *op)
{
    for (int i = 0; i < vector_count(); i++)
        if (is_of(vector_at(i, TL_F64).name, op))
            return true;
    return false;
}

START_TEST(no_op_is_without_a_vector)
{
    const tl_op *op;
    for (int i = 0; (op = tl_op_at(i)); i++)
        ck_assert_msg(has_vector(op->name), "op %s has no vector: add cases to reference/*_cases.py",
                      op->name);
}
END_TEST

int main(void)
{
    return run_vectors("ops", float32_bound, (const TTest *const[]){values_and_gradients, NULL},
                       (const TTest *const[]){no_op_is_without_a_vector, NULL});
}
