#include "tensor/kernels/kernels_internal.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

extern const tl_kernels tl_kernels_baseline;
#if defined(__x86_64__)
extern const tl_kernels tl_kernels_avx2, tl_kernels_avx512;

static bool always(void)
{
    return true;
}

static bool has_avx2(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}

static bool has_avx512(void)
{
    return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw");
}
#else
static bool always(void)
{
    return true;
}
#endif

/* From the plainest to the best. */
static const struct {
    const tl_kernels *table;
    bool (*runs_here)(void);
} candidates[] = {
    {&tl_kernels_reference_f32, always},
    {&tl_kernels_baseline, always},
#if defined(__x86_64__)
    {&tl_kernels_avx2, has_avx2},
    {&tl_kernels_avx512, has_avx512},
#endif
};

enum { CANDIDATES = sizeof candidates / sizeof candidates[0] };

int tl_kernels_available(const tl_kernels *tables[], int most)
{
    int count = 0;
    for (int i = 0; i < CANDIDATES && count < most; i++)
        if (candidates[i].runs_here())
            tables[count++] = candidates[i].table;
    return count;
}

/* The best table, or the one that TAPELOOP_ISA names, if this machine can run it. */
static const tl_kernels *choose_table(void)
{
    const tl_kernels *tables[CANDIDATES];
    int count = tl_kernels_available(tables, CANDIDATES);
    const char *wanted = getenv("TAPELOOP_ISA");
    for (int i = 0; wanted && i < count; i++)
        if (strcmp(wanted, tables[i]->isa) == 0)
            return tables[i];
    return tables[count - 1];
}

const tl_kernels *tl_kernels_for(tl_dtype dtype)
{
    static const tl_kernels *_Atomic chosen;
    if (dtype == TL_F64)
        return &tl_kernels_reference_f64;
    const tl_kernels *table = atomic_load_explicit(&chosen, memory_order_acquire);
    if (!table) {
        table = choose_table(); /* the same for whoever comes first */
        atomic_store_explicit(&chosen, table, memory_order_release);
    }
    return table;
}
