/* What the tests of this folder share. */
#ifndef TL_TESTS_AUTOGRAD_TESTING_INTERNAL_H
#define TL_TESTS_AUTOGRAD_TESTING_INTERNAL_H

#include "autograd/gradcheck.h"
#include "autograd/ops.h"
#include "autograd/shards.h"
#include "tensor/random.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Numbers uniform in [-1, 1]; as f32 those of f64, rounded. */
static inline tl_tensor random_tensor(tl_dtype dtype, tl_shape shape, uint64_t stream)
{
    tl_tensor tensor = tl_tensor_new(dtype, shape);
    ck_assert_msg(tl_random_fill_uniform(tensor, -1, 1, 99, stream) == TL_OK, "%s", tl_error_message());
    return tensor;
}

static inline tl_parameter *random_parameter(const char *name, tl_dtype dtype, tl_shape shape,
                                             uint64_t stream)
{
    tl_parameter *parameter = tl_parameter_new(name, random_tensor(dtype, shape, stream));
    ck_assert_msg(parameter != NULL, "%s", tl_error_message());
    return parameter;
}

/* A tensor of the caller's with the same elements, row-major. */
static inline tl_tensor copy_of(tl_tensor tensor)
{
    ck_assert_msg(tl_tensor_ok(tensor), "%s", tl_error_message());
    tl_tensor copy = tl_tensor_new(tensor.dtype, tensor.shape);
    ck_assert_int_eq(tl_tensor_copy(copy, tensor), TL_OK);
    return copy;
}

/* The element at a place in row-major order. */
static inline double element(tl_tensor tensor, int64_t place)
{
    int64_t index[TL_MAX_RANK] = {0};
    for (int i = tensor.shape.rank - 1; i >= 0; i--) {
        index[i] = place % tensor.shape.dims[i];
        place /= tensor.shape.dims[i];
    }
    return tl_tensor_at(tensor, index);
}

/* The largest difference between two tensors of one shape, as a part of the largest number in b, or of 1
 * where that is less. Infinite if anything is NaN on one side only. */
static inline double difference(tl_tensor a, tl_tensor b)
{
    ck_assert_msg(tl_tensor_ok(a) && tl_tensor_ok(b), "%s", tl_error_message());
    ck_assert_msg(tl_shape_equal(a.shape, b.shape), "%s and %s", TL_SHAPE_TEXT(a.shape),
                  TL_SHAPE_TEXT(b.shape));
    double most = 0, largest = 1;
    for (int64_t i = 0; i < tl_tensor_count(a); i++) {
        double x = element(a, i), y = element(b, i), apart = fabs(x - y);
        if (isnan(apart) && !(isnan(x) && isnan(y)))
            return (double)INFINITY;
        most = apart > most ? apart : most;
        largest = fabs(y) > largest ? fabs(y) : largest;
    }
    return most / largest;
}

/* Whether two tensors have the same elements bit for bit, whatever their strides. */
static inline bool same_bits(tl_tensor a, tl_tensor b)
{
    tl_tensor x = copy_of(a), y = copy_of(b);
    bool same = x.dtype == y.dtype && tl_shape_equal(x.shape, y.shape) &&
                memcmp(x.storage->data, y.storage->data, x.storage->bytes) == 0;
    tl_tensor_free(&x);
    tl_tensor_free(&y);
    return same;
}

/* Fails the test unless the last error is that one. */
static inline void check_error(tl_status status, const char *part)
{
    ck_assert_msg(strstr(tl_error_message(), part) != NULL, "expected '%s', the message is '%s'", part,
                  tl_error_message());
    ck_assert_int_eq(tl_error_status(), status);
}

#define check_ok(call) ck_assert_msg((call) == TL_OK, "%s", tl_error_message())

/* Runs the tests of a file; what main returns. */
static inline int run_tests(const char *name, TCase *tests)
{
    Suite *suite = suite_create(name);
    tcase_set_timeout(tests, 120);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

#endif
