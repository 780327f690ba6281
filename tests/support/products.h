/* Matrices for the tests of products: rows that may lie apart, and what a product should come to. */
#ifndef TESTS_SUPPORT_PRODUCTS_H
#define TESTS_SUPPORT_PRODUCTS_H

#include "tests/support/kernels.h"
#include "tests/support/numbers.h"

static const float untouched = 77.25f; /* what lies between rows, and must still lie there afterwards */

/* Rows of `columns` elements, `row` apart: the last one ends where the memory does, and the first begins
 * one float behind where it does if there are gaps, so that nothing is aligned. */
typedef struct matrix {
    int64_t rows, columns, row;
    float *memory, *data;
} matrix;

static inline int64_t matrix_span(matrix x)
{
    return x.rows > 0 ? (x.rows - 1) * x.row + x.columns : 0;
}

static inline matrix new_matrix(int64_t rows, int64_t columns, int64_t gap)
{
    matrix x = {.rows = rows, .columns = columns, .row = columns + gap};
    x.memory = same_floats(matrix_span(x) + (gap > 0), untouched);
    x.data = x.memory + (gap > 0);
    return x;
}

static inline void fill_matrix(matrix x, float value)
{
    for (int64_t i = 0; i < x.rows; i++)
        for (int64_t j = 0; j < x.columns; j++)
            x.data[i * x.row + j] = value;
}

static inline matrix random_matrix(int64_t rows, int64_t columns, int64_t gap, uint64_t seed)
{
    matrix x = new_matrix(rows, columns, gap);
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < columns; j++)
            x.data[i * x.row + j] = (float)(2 * tl_random_uniform(seed, 0, (uint64_t)(i * columns + j)) - 1);
    return x;
}

static inline matrix copy_matrix(matrix x)
{
    matrix copy = new_matrix(x.rows, x.columns, x.row - x.columns);
    memcpy(copy.data, x.data, (size_t)matrix_span(x) * sizeof(float));
    return copy;
}

static inline void free_matrix(matrix x)
{
    free(x.memory);
}

static inline float element(matrix x, int64_t i, int64_t j)
{
    return x.data[i * x.row + j];
}

/* Fails, naming the place, unless the two are the same bit for bit, gaps included. */
static inline void expect_same_matrix(const char *what, matrix got, matrix expected)
{
    int64_t place = first_difference(matrix_span(got), got.data, expected.data);
    if (place >= 0)
        ck_abort_msg("%s: [%lld, %lld] differs in row %lld, column %lld: %.9g, expected %.9g", what,
                     (long long)got.rows, (long long)got.columns, (long long)(place / got.row),
                     (long long)(place % got.row), (double)got.data[place], (double)expected.data[place]);
}

/* A product as it should be: for each element the sum, and the sum of absolute values, which says how much
 * rounding may cost. */
typedef struct truth {
    int64_t rows, columns, terms;
    double *sum, *size;
} truth;

/* a b, or a^T b if `transposed`. */
static inline truth true_product(matrix a, matrix b, bool transposed)
{
    truth t = {.rows = transposed ? a.columns : a.rows, .columns = b.columns, .terms = b.rows};
    t.sum = doubles(t.rows * t.columns);
    t.size = doubles(t.rows * t.columns);
    for (int64_t i = 0; i < t.rows; i++)
        for (int64_t j = 0; j < t.columns; j++) {
            double sum = 0, size = 0;
            for (int64_t l = 0; l < t.terms; l++) {
                double term =
                    (double)(transposed ? element(a, l, i) : element(a, i, l)) * (double)element(b, l, j);
                sum += term;
                size += fabs(term);
            }
            t.sum[i * t.columns + j] = sum;
            t.size[i * t.columns + j] = size;
        }
    return t;
}

static inline void free_truth(truth t)
{
    free(t.sum);
    free(t.size);
}

/* Fails unless got is the product plus `addend` (an empty one for none, one row for all rows), and the gaps
 * are as they were. */
static inline void expect_product(const char *what, matrix got, truth t, matrix addend)
{
    for (int64_t i = 0; i < t.rows; i++)
        for (int64_t j = 0; j < t.columns; j++) {
            double c = addend.data ? (double)element(addend, addend.rows == 1 ? 0 : i, j) : 0;
            double expected = t.sum[i * t.columns + j] + c;
            double allowed = 0x1p-24 * (double)(t.terms + 2) * (t.size[i * t.columns + j] + fabs(c));
            if (!(fabs((double)element(got, i, j) - expected) <= allowed))
                ck_abort_msg("%s: [%lld, %lld] of %lld terms: %.9g in row %lld, column %lld, expected %.9g",
                             what, (long long)t.rows, (long long)t.columns, (long long)t.terms,
                             (double)element(got, i, j), (long long)i, (long long)j, expected);
        }
    for (int64_t place = 0; place < matrix_span(got); place++)
        if (place % got.row >= got.columns && !same_float(got.data[place], untouched))
            ck_abort_msg("%s: [%lld, %lld]: written behind row %lld", what, (long long)got.rows,
                         (long long)got.columns, (long long)(place / got.row));
    if (got.data != got.memory && !same_float(got.memory[0], untouched))
        ck_abort_msg("%s: written before the first row", what);
}

/* The packed form of b, which the caller frees. */
static inline void *packed(const tl_kernels *kernels, matrix b)
{
    void *memory = room_for((int64_t)kernels->packed_bytes(b.rows, b.columns), 1);
    kernels->pack(b.rows, b.columns, b.data, b.row, 1, memory);
    return memory;
}

#endif
