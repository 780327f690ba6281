#include "tensor/threads.h"

#include <omp.h>

static _Thread_local int chosen;

tl_status tl_set_threads(int threads)
{
    if (threads < 0)
        return tl_error(TL_ERROR_ARGUMENT, "set_threads: %d threads, expected 0 or more", threads);
    chosen = threads;
    return TL_OK;
}

int tl_threads(void)
{
    if (omp_in_parallel())
        return 1;
    return chosen > 0 ? chosen : omp_get_max_threads();
}
