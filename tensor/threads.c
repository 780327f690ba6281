#include "tensor/threads.h"
#include "tensor/cores_internal.h"
#include "tensor/team_internal.h"

#include <omp.h>
#include <stdatomic.h>
#include <stdlib.h>

static _Thread_local int chosen;
static atomic_int pretended;

tl_status tl_set_threads(int threads)
{
    if (threads < 0)
        return tl_error(TL_ERROR_ARGUMENT, "set_threads: %d threads, expected 0 or more", threads);
    chosen = threads;
    return TL_OK;
}

/* What OpenMP would use, which follows OMP_NUM_THREADS; without that, no more than there are cores for. */
static int usual_threads(void)
{
    const char *wanted = getenv("OMP_NUM_THREADS");
    const int most = omp_get_max_threads();
    return (wanted && *wanted) || most < tl_cores() ? most : tl_cores();
}

int tl_threads(void)
{
    if (omp_in_parallel())
        return 1;
    return chosen > 0 ? chosen : usual_threads();
}

void tl_team_set_cores(int cores)
{
    pretended = cores;
}

int tl_team_size(int64_t parts)
{
    const int cores = pretended > 0 ? pretended : tl_cores_seen();
    int size = tl_threads();
    size = size < cores ? size : cores;
    return parts < size ? (int)parts : size;
}
