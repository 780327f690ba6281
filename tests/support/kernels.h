/* What the tests of kernels go over: every table that this machine can run, and sizes about every width of
 * vector. */
#ifndef TESTS_SUPPORT_KERNELS_H
#define TESTS_SUPPORT_KERNELS_H

#include "tensor/kernels/kernels_internal.h"

static const int64_t ragged[] = {0,  1,  2,  3,  7,  8,  15,  16,  17,  18, 31,
                                 32, 33, 47, 50, 64, 65, 100, 131, 144, 179};
enum { RAGGED = sizeof ragged / sizeof ragged[0], TABLES = 8 };

/* Calls the test with each f32 table, the plain one among them. */
static inline void for_each_table(void (*test)(const tl_kernels *kernels))
{
    const tl_kernels *tables[TABLES];
    int count = tl_kernels_available(tables, TABLES);
    for (int i = 0; i < count; i++)
        test(tables[i]);
}

/* Maps of two arguments come after those of one. */
static inline bool takes_two(int map)
{
    return map >= TL_MAP_ADD;
}

/* Maps that tables may compute with errors of their own. */
static inline bool is_smooth(int map)
{
    return map == TL_MAP_EXP || map == TL_MAP_TANH || map == TL_MAP_SIGMOID;
}

#endif
