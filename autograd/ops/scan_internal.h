/* What the op affine_scan (scan.c) and the loops over its steps (scan_steps.c) say to each other. */
#ifndef TL_AUTOGRAD_OPS_SCAN_INTERNAL_H
#define TL_AUTOGRAD_OPS_SCAN_INTERNAL_H

#include "autograd/ops/ops_internal.h"

/* The rows of all steps: element j of row i in step t at base[t * step + i * row + j]. */
typedef struct tl_plane {
    char *base; /* NULL: there is none */
    int64_t step, row;
} tl_plane;

/* A scan as kernels see it. */
typedef struct tl_scan {
    const tl_kernels *kernels;
    int64_t rows, steps, n, size; /* size of an element */
    bool backwards;
    const void *packed;  /* w, or its transpose on the way back */
    const uint8_t *mask; /* [steps, rows], or NULL */
    tl_plane x, y, h;    /* h has one step; x is there on the way forward */
    tl_plane g, dx, dh;  /* the way back; dh without a base: not wanted */
    bool last_only;      /* g is there for the last step taken alone */
    bool add_dh;
    tl_plane spare[2]; /* with a mask, for the gradients of the states after two steps */
    tl_outer dw;       /* out NULL: not wanted */
} tl_scan;

static inline char *tl_plane_row(const tl_scan *s, tl_plane p, int64_t t, int64_t i)
{
    return p.base + (t * p.step + i * p.row) * s->size;
}

/* The place in time of step i. */
static inline int64_t tl_scan_time(const tl_scan *s, int64_t i)
{
    return s->backwards ? s->steps - 1 - i : i;
}

/* y from x and h. */
void tl_scan_forward(const tl_scan *s, tl_map activation);

/* Gradients of x, which are those behind the slope, from the last step taken to the first; then that of h. */
void tl_scan_back(const tl_scan *s, tl_map slope);

/* The gradient of w, from dx. */
void tl_scan_weight_gradient(const tl_scan *s);

#endif
