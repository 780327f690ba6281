/* Kernels: all arithmetic over buffers, behind one table of functions per element type.
 *
 * The contract, for every kernel:
 *  - buffers hold elements of the table's type; strides are in elements; any alignment will do;
 *  - zero sizes are fine and touch nothing but what is overwritten with an empty sum;
 *  - an output overwrites: what was there is never read, unless the kernel says that it adds;
 *  - an output may be the very same buffer as an input with the same stride where the kernel reads and
 *    writes elements one for one (maps, updates, the addend of a product); no other overlap is allowed;
 *  - NaN in gives NaN out, but where a formula does not look: a closed gate (relu, clamp) passes no gradient
 *    on, whatever it is, and NaN equals nothing;
 *  - a result does not depend on how work is cut over rows, so callers may spread rows over threads.
 *
 * Each kernel has a plain C form, from one source for f32 and f64 (plain_template.h, reference.c). For f32
 * the plain form is compiled once more for each instruction set, and what pays is written with compiler
 * vector extensions (maps.c, product.c, rows.c). dispatch.c chooses a table once; TAPELOOP_ISA overrides it.
 */
#ifndef TL_TENSOR_KERNELS_KERNELS_INTERNAL_H
#define TL_TENSOR_KERNELS_KERNELS_INTERNAL_H

#include "tensor/tensor.h"

/* Element-wise functions of a, b and the numbers p. A gradient takes the incoming gradient as a. */
typedef enum tl_map {
    TL_MAP_COPY,
    TL_MAP_NEG,
    TL_MAP_ABS,
    TL_MAP_SQRT,
    TL_MAP_LOG,
    TL_MAP_EXP,
    TL_MAP_TANH,
    TL_MAP_SIGMOID,
    TL_MAP_RELU,
    TL_MAP_SCALE, /* p[0] a */
    TL_MAP_POW,   /* a ^ p[0] */
    TL_MAP_CLAMP, /* a held within [p[0], p[1]] */
    TL_MAP_ADD,
    TL_MAP_SUB,
    TL_MAP_MUL,
    TL_MAP_DIV,
    TL_MAP_MAX,
    TL_MAP_ADD_SCALED,            /* a + p[0] b */
    TL_MAP_EQUAL,                 /* 1 where a = b, else 0 */
    TL_MAP_SIGMOID_CROSS_ENTROPY, /* of logit a and label b, stable for any a */
    TL_MAP_SIGMOID_MINUS,         /* sigmoid(a) - b */
    TL_MAP_ABS_GRAD,              /* b is the input */
    TL_MAP_SQRT_GRAD,             /* b is the output */
    TL_MAP_TANH_GRAD,             /* b is the output */
    TL_MAP_SIGMOID_GRAD,          /* b is the output */
    TL_MAP_RELU_GRAD,             /* b is the output */
    TL_MAP_POW_GRAD,              /* b is the input */
    TL_MAP_CLAMP_GRAD,            /* b is the input */
    TL_MAP_COUNT
} tl_map;

/* out[i] = f(a[i], b[i], p) for n elements. Maps of one argument do not look at b. */
typedef void tl_map_kernel(int64_t n, const void *a, int64_t a_stride, const void *b, int64_t b_stride,
                           void *out, int64_t out_stride, const double *p);

/* out[m, n] = f(a[m, k] b[k, n] + c), one output row after the other; with a slope, slope(a b + c, h). */
typedef struct tl_product {
    int64_t m, n, k;
    const void *a; /* rows of k consecutive elements */
    int64_t a_row;
    const void *b; /* as `pack` laid it out */
    const void *c; /* rows of n elements, or NULL for none; c_row 0 is one row for all; may be out itself */
    int64_t c_row;
    void *out; /* rows of n elements */
    int64_t out_row;
    tl_map activation;   /* of one argument; TL_MAP_COPY for none */
    const uint8_t *mask; /* one a row, or NULL: where it is 0 the row is a's row instead (then k = n) */
    int64_t mask_stride;
    tl_map slope;  /* the gradient of an activation, applied to the incoming gradient a b + c and the
                      activation's value h; TL_MAP_COPY for none */
    const void *h; /* rows of n elements */
    int64_t h_row;
} tl_product;

/* Two matrices with equally many rows, by their first rows. */
typedef struct tl_pair {
    const void *a, *g;
} tl_pair;

/* out[k, n] = sum over pairs of a[m, k]^T g[m, n], added to what is there if `add`: one sum after the other,
 * pair by pair, and within a pair from the last row to the first. Steps of a sequence come in that order on
 * the way back, so it makes no difference whether they come one by one, in chunks or all together. */
typedef struct tl_outer {
    int64_t m, n, k;
    int count; /* of pairs */
    const tl_pair *pairs;
    int64_t a_row, g_row;
    int64_t first; /* the first column of a that counts; there are k from there */
    void *out;
    int64_t out_row;
    bool add;
} tl_outer;

/* One step of an optimizer over n elements: gradient g, weights w, state buffers and numbers p. States and
 * numbers are named where the formulas are, in plain_template.h. */
typedef enum tl_update {
    TL_UPDATE_SGD,
    TL_UPDATE_MOMENTUM,
    TL_UPDATE_NESTEROV,
    TL_UPDATE_RMSPROP,
    TL_UPDATE_RMSPROP_MOMENTUM,
    TL_UPDATE_RMSPROP_CENTERED,
    TL_UPDATE_RMSPROP_CENTERED_MOMENTUM,
    TL_UPDATE_ADAM, /* and AdamW */
    TL_UPDATE_AMSGRAD,
    TL_UPDATE_ADAGRAD,
    TL_UPDATE_COUNT
} tl_update;

enum { TL_UPDATE_STATES = 3, TL_UPDATE_NUMBERS = 5 }; /* at most */

typedef void tl_update_kernel(int64_t n, const double *p, const void *g, void *w, void *const states[]);

typedef struct tl_kernels {
    const char *isa;
    tl_map_kernel *map[TL_MAP_COUNT];
    tl_update_kernel *update[TL_UPDATE_COUNT];

    /* Sum and maximum of n elements; the maximum of none is -infinity. */
    double (*sum)(int64_t n, const void *a, int64_t stride);
    double (*max)(int64_t n, const void *a, int64_t stride);

    /* Sum of squares of n consecutive elements. */
    double (*square_sum)(int64_t n, const void *a);

    /* out[j] = sum over i of a[i, j], added to what is there if `add`; from the last row to the first. */
    void (*sum_rows)(int64_t m, int64_t n, const void *a, int64_t a_row, void *out, bool add);

    /* Rows ids[0], ids[id_step], ... of a table, n consecutive elements each, side by side in out. */
    void (*gather)(int64_t count, int64_t n, const void *table, int64_t table_row, const int32_t *ids,
                   int64_t id_step, void *out, int64_t out_row);

    /* `count` rows of n consecutive elements, of which one side lies here and there: a's rows added, one
     * after the other, to where `to` says, which may say the same place twice; rows from anywhere added up
     * onto out. */
    void (*add_rows)(int64_t count, int64_t n, const void *a, int64_t a_row, void *const *to);
    void (*add_up_rows)(int64_t count, int64_t n, const void *const *from, void *out);

    /* softmax, or its logarithm, of n consecutive elements. */
    void (*softmax)(int64_t n, const void *a, void *out);
    void (*log_softmax)(int64_t n, const void *a, void *out);

    /* The packed form of b[k, n], given by its strides: how many bytes it takes, and making it. */
    size_t (*packed_bytes)(int64_t k, int64_t n);
    void (*pack)(int64_t k, int64_t n, const void *b, int64_t b_row, int64_t b_column, void *packed);
    void (*product)(const tl_product *product);
    void (*outer)(const tl_outer *outer);
} tl_kernels;

/* The table for TL_F64, which is always the plain one, or the chosen one for TL_F32. Thread-safe. */
const tl_kernels *tl_kernels_for(tl_dtype dtype);

/* An error of the operation `what` if TAPELOOP_ISA names no table that this machine can run; the best one is
 * chosen then. */
tl_status tl_kernels_check(const char *what);

/* Every f32 table that this machine can run, the plain one first; returns how many. */
int tl_kernels_available(const tl_kernels *tables[], int most);

extern const tl_kernels tl_kernels_reference_f32, tl_kernels_reference_f64;

#endif
