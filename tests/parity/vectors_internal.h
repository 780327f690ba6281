/* Vectors, as make_vectors.py writes them: the cases of a file, their tensors in either float type, and how
 * far from them the library is.
 *
 * A test program opens one file before Check forks, runs its tests as loops over the cases in float64 and
 * float32, and prints a table of the worst errors when it is done:
 *
 *     return run_vectors("losses", float32_bound, agrees);
 *
 * An error is the largest difference between two tensors as a part of the largest number that is expected in
 * them, or of 1e-3 where that is less: what is smaller is what larger numbers left when they cancelled. */
#ifndef TL_TESTS_PARITY_VECTORS_INTERNAL_H
#define TL_TESTS_PARITY_VECTORS_INTERNAL_H

#include "data/safetensors.h"
#include "tests/autograd/testing_internal.h"

#include <jansson.h>

/* A case, to be carried out in one float type. */
typedef struct vector_case {
    const json_t *at; /* its object in the table */
    const char *name;
    tl_dtype dtype;
} vector_case;

/* The cases of the file, counted from 0, in a type; how many there are. */
int vector_count(void);
vector_case vector_at(int index, tl_dtype dtype);

/* Whether a case of that name belongs to that group: "add/row" to "add". */
bool is_of(const char *name, const char *group);

/* Options, at any depth of a case's object: what is not there is 0, false or `otherwise`. */
double number_of(const json_t *at, const char *key, double otherwise);
int64_t whole_of(const json_t *at, const char *key);
bool flag_of(const json_t *at, const char *key);
const char *text_of(const json_t *at, const char *key, const char *otherwise);
tl_shape shape_from(const json_t *extents);

/* A tensor of the file in memory of the caller's: floats that are given in the case's type, all else as it
 * is. `given` takes the case's own by key, `tensor_named` any. */
tl_tensor tensor_named(const char *name, tl_dtype dtype);
tl_tensor given(vector_case c, const char *key);
bool has(vector_case c, const char *key);

/* What a case is to give, float64, owned by the file. */
tl_tensor expected(vector_case c, const char *key);

/* A part of a flat tensor, as a view: as many numbers as the shape has, from *at on, which moves behind them.
 */
tl_tensor take(tl_tensor flat, int64_t *at, tl_shape shape);

/* Fails the test unless `got`, any view in the case's type, is as near to `wanted` as the type allows: 1e-10
 * in float64, in float32 the program's bound or the case's own ("float32"). Either way it is kept for the
 * table. */
void check_close(vector_case c, const char *what, tl_tensor got, tl_tensor wanted);

/* Opens the file, runs each function for each case and type (_i = 2 case + type), and once those of `others`,
 * NULL-terminated or NULL; prints the table; what main returns. */
enum { FLOAT_TYPES = 2 };
vector_case vector_of_run(int run);
int run_vectors(const char *name, double float32_bound, const TTest *const each[],
                const TTest *const others[]);

#endif
