#include "tensor/isa.h"
#include "tensor/kernels/kernels_internal.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if defined(__aarch64__)
extern const tl_kernels tl_kernels_neon;
#else
extern const tl_kernels tl_kernels_baseline;
#endif
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
#if defined(__aarch64__)
    {&tl_kernels_neon, always},
#else
    {&tl_kernels_baseline, always},
#endif
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

enum { NAMES_SIZE = 128 };

/* Chosen once, the table last. Where TAPELOOP_ISA names no table of this machine's, `refused` is what it
 * names. */
static struct {
    const tl_kernels *_Atomic table;
    char refused[NAMES_SIZE], names[NAMES_SIZE];
} chosen;

/* "plain, baseline, avx2" */
static void list_names(const tl_kernels *const tables[], int count)
{
    size_t used = 0;
    for (int i = 0; i < count && used < NAMES_SIZE; i++)
        used +=
            (size_t)snprintf(chosen.names + used, NAMES_SIZE - used, "%s%s", i ? ", " : "", tables[i]->isa);
}

/* The table that TAPELOOP_ISA names, or the best. */
static const tl_kernels *choose(void)
{
    const tl_kernels *tables[CANDIDATES];
    const int count = tl_kernels_available(tables, CANDIDATES);
    const char *wanted = getenv("TAPELOOP_ISA");
    const bool any = !wanted || !*wanted;
    for (int i = 0; !any && i < count; i++)
        if (strcmp(wanted, tables[i]->isa) == 0)
            return tables[i];
    if (!any) {
        snprintf(chosen.refused, sizeof chosen.refused, "%s", wanted);
        list_names(tables, count);
    }
    return tables[count - 1];
}

static void choose_for_good(void)
{
    atomic_store_explicit(&chosen.table, choose(), memory_order_release);
}

static const tl_kernels *chosen_table(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    const tl_kernels *table = atomic_load_explicit(&chosen.table, memory_order_acquire);
    if (table)
        return table;
    pthread_once(&once, choose_for_good);
    return chosen.table;
}

tl_status tl_kernels_check(const char *what)
{
    if (chosen_table() && !*chosen.refused)
        return TL_OK;
    return tl_error(TL_ERROR_ARGUMENT, "%s: TAPELOOP_ISA=%s, expected one of what this machine can run: %s",
                    what, chosen.refused, chosen.names);
}

const char *tl_isa(void)
{
    return tl_kernels_check("isa") == TL_OK ? chosen_table()->isa : NULL;
}

const tl_kernels *tl_kernels_for(tl_dtype dtype)
{
    return dtype == TL_F64 ? &tl_kernels_reference_f64 : chosen_table();
}
