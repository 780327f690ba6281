/* Weight gradients that wait for company. A recurrent weight gets one small product a time step, a^T g; those
 * of a chunk of steps are one product over all their rows, whose sums stay in registers meanwhile. Chunks end
 * where the recording said so, which makes sums independent of how long a sequence is kept. */
#include "autograd/tape_internal.h"
#include "tensor/compute_internal.h"
#include "tensor/flush_internal.h"

#include <string.h>

enum { MOST_PAIRS = 16, MOST_WEIGHTS = 8, MOST_ROWS = 64 };

struct tl_waiting {
    tl_dtype dtype;
    tl_outer outer;
    tl_pair pairs[MOST_PAIRS];
};

void tl_outer_settle(tl_tape *tape)
{
    for (int i = 0; i < tape->waiting_count; i++) {
        struct tl_waiting *w = &tape->waiting[i];
        unsigned mode = tl_flush_set(w->dtype == TL_F32 ? tl_flushing : 0);
        w->outer.pairs = w->pairs;
        tl_compute_outer(w->dtype, &w->outer);
        tl_flush_set(mode);
    }
    tape->waiting_count = 0;
    tl_pool_release_held(&tape->pool);
}

static bool fits(const struct tl_waiting *w, const tl_outer *o)
{
    return w->outer.out == o->out && w->outer.m == o->m && w->outer.a_row == o->a_row &&
           w->outer.g_row == o->g_row && w->outer.count < MOST_PAIRS;
}

/* The one to join, a new one, or NULL when all places are taken. */
static struct tl_waiting *find(tl_tape *tape, tl_dtype dtype, const tl_outer *o)
{
    for (int i = 0; i < tape->waiting_count; i++) {
        struct tl_waiting *w = &tape->waiting[i];
        if (fits(w, o))
            return w;
        if (w->outer.out == o->out)
            return NULL; /* to be added before, so that sums are in the order of the pairs */
    }
    if (tape->waiting_count == MOST_WEIGHTS)
        return NULL;
    struct tl_waiting *w = &tape->waiting[tape->waiting_count++];
    w->dtype = dtype;
    w->outer = *o;
    return w;
}

bool tl_outer_wait(tl_tape *tape, tl_tensor out, tl_tensor a, tl_tensor g, bool add)
{
    if (a.shape.dims[0] > MOST_ROWS || g.storage->gradient_of != tape || tape->detects)
        return false;
    if (!tape->waiting)
        tape->waiting = tl_arena_take(tape->arena, MOST_WEIGHTS * sizeof *tape->waiting);
    if (!tape->waiting)
        return false;
    const tl_outer o = {.m = a.shape.dims[0],
                        .n = g.shape.dims[1],
                        .k = a.shape.dims[1],
                        .a_row = a.strides[0],
                        .g_row = g.strides[0],
                        .out = tl_address(out),
                        .out_row = out.strides[0],
                        .add = true};
    struct tl_waiting *w = find(tape, out.dtype, &o);
    if (!w) {
        tl_outer_settle(tape);
        w = find(tape, out.dtype, &o);
    }
    if (!add) /* others may add to it before this does */
        tl_tensor_fill(out, 0);
    w->pairs[w->outer.count++] = (tl_pair){tl_address(a), tl_address(g)};
    g.storage->awaited = true;
    return true;
}
