#include "tests/parity/vectors_internal.h"
#include "tests/parity/tally_internal.h"

#include <stdio.h>

static const double float64_bound = 1e-10, smallest_scale = 1e-3;
static double float32_bound;

/* Read once, before Check forks. */
static tl_safetensors *file;
static json_t *cases;

int vector_count(void)
{
    return (int)json_array_size(cases);
}

vector_case vector_at(int index, tl_dtype dtype)
{
    const json_t *at = json_array_get(cases, (size_t)index);
    return (vector_case){.at = at, .name = text_of(at, "name", ""), .dtype = dtype};
}

vector_case vector_of_run(int run)
{
    static const tl_dtype types[FLOAT_TYPES] = {TL_F64, TL_F32};
    return vector_at(run / FLOAT_TYPES, types[run % FLOAT_TYPES]);
}

bool is_of(const char *name, const char *group)
{
    size_t length = strlen(group);
    return strncmp(name, group, length) == 0 && name[length] == '/';
}

/* --- Options --- */

double number_of(const json_t *at, const char *key, double otherwise)
{
    const json_t *value = json_object_get(at, key);
    return value ? json_number_value(value) : otherwise;
}

int64_t whole_of(const json_t *at, const char *key)
{
    return json_integer_value(json_object_get(at, key));
}

bool flag_of(const json_t *at, const char *key)
{
    return json_is_true(json_object_get(at, key));
}

const char *text_of(const json_t *at, const char *key, const char *otherwise)
{
    const json_t *value = json_object_get(at, key);
    return value ? json_string_value(value) : otherwise;
}

tl_shape shape_from(const json_t *extents)
{
    tl_shape shape = {.rank = (int)json_array_size(extents)};
    ck_assert_int_le(shape.rank, TL_MAX_RANK);
    for (int i = 0; i < shape.rank; i++)
        shape.dims[i] = json_integer_value(json_array_get(extents, (size_t)i));
    return shape;
}

/* --- Tensors --- */

tl_tensor tensor_named(const char *name, tl_dtype dtype)
{
    tl_tensor tensor = tl_safetensors_tensor(file, name);
    ck_assert_msg(tl_tensor_ok(tensor), "%s", tl_error_message());
    tl_tensor copy = tl_tensor_new(tl_dtype_is_float(tensor.dtype) ? dtype : tensor.dtype, tensor.shape);
    check_ok(tl_tensor_copy(copy, tensor));
    return copy;
}

static const char *full_name(vector_case c, const char *key, char text[], size_t bytes)
{
    ck_assert_int_lt(snprintf(text, bytes, "%s/%s", c.name, key), (int)bytes);
    return text;
}

tl_tensor given(vector_case c, const char *key)
{
    char name[200];
    return tensor_named(full_name(c, key, name, sizeof name), c.dtype);
}

bool has(vector_case c, const char *key)
{
    char name[200];
    return tl_tensor_ok(tl_safetensors_tensor(file, full_name(c, key, name, sizeof name)));
}

tl_tensor expected(vector_case c, const char *key)
{
    char name[200];
    tl_tensor tensor = tl_safetensors_tensor(file, full_name(c, key, name, sizeof name));
    ck_assert_msg(tl_tensor_ok(tensor) && tensor.dtype == TL_F64, "%s: %s", name, tl_error_message());
    return tensor;
}

tl_tensor take(tl_tensor flat, int64_t *at, tl_shape shape)
{
    tl_tensor part = tl_tensor_slice(flat, 0, *at, tl_shape_count(shape));
    *at += tl_shape_count(shape);
    part = tl_tensor_reshape(part, shape);
    ck_assert_msg(tl_tensor_ok(part), "%s", tl_error_message());
    return part;
}

/* --- Comparison --- */

/* 0 for what is equal, NaN and infinity too; infinite where only one side is either. */
static double apart(double got, double wanted)
{
    if (got == wanted || (isnan(got) && isnan(wanted)))
        return 0;
    double difference = fabs(got - wanted);
    return isfinite(difference) ? difference : (double)INFINITY;
}

static double error_between(tl_tensor got, tl_tensor wanted)
{
    double most = 0, scale = smallest_scale;
    for (int64_t i = 0; i < tl_tensor_count(wanted); i++) {
        double y = element(wanted, i);
        most = fmax(most, apart(element(got, i), y));
        scale = isfinite(y) ? fmax(scale, fabs(y)) : scale;
    }
    return most / scale;
}

void check_close(vector_case c, const char *what, tl_tensor got, tl_tensor wanted)
{
    bool wide = c.dtype == TL_F64;
    double bound = wide ? float64_bound : number_of(c.at, "float32", float32_bound);
    ck_assert_msg(tl_tensor_ok(got), "%s: %s: %s", c.name, what, tl_error_message());
    ck_assert_msg(got.dtype == c.dtype && tl_shape_equal(got.shape, wanted.shape),
                  "%s: %s is %s %s, expected %s %s", c.name, what, tl_dtype_name(got.dtype),
                  TL_SHAPE_TEXT(got.shape), tl_dtype_name(c.dtype), TL_SHAPE_TEXT(wanted.shape));
    double error = error_between(got, wanted);
    tally_error(c.name, !wide, error);
    ck_assert_msg(error <= bound, "%s: %s in %s is off by %.3g, the bound is %.3g", c.name, what,
                  tl_dtype_name(c.dtype), error, bound);
}

/* --- Running --- */

static bool open_file(const char *name)
{
    char path[1024];
    snprintf(path, sizeof path, "%s/%s.safetensors", VECTORS, name);
    file = tl_safetensors_read(path);
    json_error_t error;
    cases = file ? json_loads(tl_safetensors_metadata(file, "cases"), 0, &error) : NULL;
    if (!cases)
        fprintf(stderr, "%s: %s\n", path, file ? error.text : tl_error_message());
    return cases && vector_count() > 0;
}

int run_vectors(const char *name, double bound, const TTest *const each[], const TTest *const others[])
{
    float32_bound = bound;
    if (!open_file(name))
        return EXIT_FAILURE;
    tally_start();
    for (int i = 0; i < vector_count(); i++)
        tally_vector(vector_at(i, TL_F64).name);
    TCase *tests = tcase_create(name);
    for (; *each; each++)
        tcase_add_loop_test(tests, *each, 0, FLOAT_TYPES * vector_count());
    for (; others && *others; others++)
        tcase_add_test(tests, *others);
    int result = run_tests(name, tests);
    tally_print(float64_bound, float32_bound);
    json_decref(cases);
    tl_safetensors_free(file);
    return result;
}
