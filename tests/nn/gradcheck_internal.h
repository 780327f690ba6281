/* Gradient checks of many models: padded data, and a count of what was checked. */
#ifndef TL_TESTS_NN_GRADCHECK_INTERNAL_H
#define TL_TESTS_NN_GRADCHECK_INTERNAL_H

#include "nn/gradcheck.h"
#include "tensor/threads.h"
#include "tests/nn/testing_internal.h"

#include <stdio.h>

/* What is checked here is smooth enough for less than the usual tolerances. */
static const tl_gradcheck_options strict = {.atol = 1e-7, .rtol = 1e-5};

/* Of the test at hand. */
static int64_t models_checked, derivatives_checked;

static inline void count_check(const tl_gradcheck_report *report)
{
    models_checked++;
    derivatives_checked += report->checked;
}

/* Before each test: batches are too small to be worth a second thread, and on a busy machine one would wait
 * for it at each of thousands of steps. */
static inline void use_one_thread(void)
{
    check_ok(tl_set_threads(1));
}

static inline void print_counts(const char *what)
{
    printf("%s: %lld models, %lld derivatives\n", what, (long long)models_checked,
           (long long)derivatives_checked);
}

/* Where sequences have padding. */
typedef enum padding { NO_PADDING, IN_FRONT, BEHIND, HOLES, A_ROW_OF_IT, PADDINGS } padding;
static const char *const padding_names[PADDINGS] = {"no padding", "in front", "behind", "holes",
                                                    "a row of it"};

static inline bool is_padding(padding kind, int64_t row, int64_t rows, int64_t t, int64_t time)
{
    const int64_t share = row * (time + 1) / rows; /* from none to all of a row */
    switch (kind) {
    case IN_FRONT:
        return t < share;
    case BEHIND:
        return t >= time - share;
    case HOLES:
        return tl_random_below(9, (uint64_t)row, (uint64_t)t, 3) == 0;
    case A_ROW_OF_IT:
        return row == 1;
    default:
        return false;
    }
}

static inline tl_tensor padding_mask(padding kind, int64_t rows, int64_t time)
{
    tl_tensor mask = tl_tensor_new(TL_U8, tl_shape(rows, time));
    uint8_t *m = tl_data_mut(mask);
    for (int64_t row = 0; row < rows; row++)
        for (int64_t t = 0; t < time; t++)
            m[row * time + t] = !is_padding(kind, row, rows, t, time);
    return mask;
}

/* Random features, zero where there is padding. */
static inline tl_tensor padded_sequences(padding kind, int64_t rows, int64_t time, int64_t width)
{
    tl_tensor x = random_tensor(TL_F64, tl_shape(rows, time, width), 1);
    for (int64_t row = 0; row < rows; row++)
        for (int64_t t = 0; t < time; t++)
            if (is_padding(kind, row, rows, t, time))
                tl_tensor_fill(tl_tensor_select(tl_tensor_select(x, 0, row), 0, t), 0);
    return x;
}

#endif
