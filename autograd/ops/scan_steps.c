/* The steps of a scan, one after the other, by the kernels. On the way back the slope of f is taken while the
 * product is at hand, and the gradient of w is one sum over all steps. */
#include "autograd/ops/scan_internal.h"

#include <string.h>

/* --- Forward --- */

static tl_plane in_step(const tl_scan *s, tl_plane p, int64_t t)
{
    return (tl_plane){p.base ? tl_plane_row(s, p, t, 0) : NULL, 0, p.row};
}

/* The state before step i. */
static tl_plane state_before(const tl_scan *s, int64_t i)
{
    return i == 0 ? s->h : in_step(s, s->y, tl_scan_time(s, i - 1));
}

static const uint8_t *mask_at(const tl_scan *s, int64_t i)
{
    return s->mask ? s->mask + tl_scan_time(s, i) * s->rows : NULL;
}

/* Whether step i keeps some rows as they are. */
static bool keeps_rows(const tl_scan *s, int64_t i)
{
    return s->mask && memchr(mask_at(s, i), 0, (size_t)s->rows);
}

void tl_scan_forward(const tl_scan *s, tl_map activation)
{
    for (int64_t i = 0; i < s->steps; i++) {
        const tl_plane before = state_before(s, i), x = in_step(s, s->x, tl_scan_time(s, i)),
                       y = in_step(s, s->y, tl_scan_time(s, i));
        s->kernels->product(&(tl_product){.m = s->rows,
                                          .n = s->n,
                                          .k = s->n,
                                          .a = before.base,
                                          .a_row = before.row,
                                          .b = s->packed,
                                          .c = x.base,
                                          .c_row = x.row,
                                          .out = y.base,
                                          .out_row = y.row,
                                          .activation = activation,
                                          .mask = keeps_rows(s, i) ? mask_at(s, i) : NULL,
                                          .mask_stride = 1});
    }
}

/* --- Back --- */

/* to = z w^T, added to `onto` if there is such, and then through the slope at h. */
static void step_back(const tl_scan *s, tl_plane z, tl_plane onto, tl_map slope, tl_plane h, tl_plane to)
{
    s->kernels->product(&(tl_product){.m = s->rows,
                                      .n = s->n,
                                      .k = s->n,
                                      .a = z.base,
                                      .a_row = z.row,
                                      .b = s->packed,
                                      .c = onto.base,
                                      .c_row = onto.row,
                                      .out = to.base,
                                      .out_row = to.row,
                                      .activation = TL_MAP_COPY,
                                      .slope = slope,
                                      .h = h.base,
                                      .h_row = h.row});
}

static bool has_no_gaps(const tl_scan *s, tl_plane p)
{
    return !p.base || p.row == s->n;
}

/* to = f(a, b); without a, zeros. */
static void map_step(const tl_scan *s, tl_map map, tl_plane a, tl_plane b, tl_plane to)
{
    if (a.base && has_no_gaps(s, a) && has_no_gaps(s, b) && has_no_gaps(s, to)) {
        s->kernels->map[map](s->rows * s->n, a.base, 1, b.base, 1, to.base, 1, NULL);
        return;
    }
    for (int64_t i = 0; i < s->rows; i++)
        if (a.base)
            s->kernels->map[map](s->n, tl_plane_row(s, a, 0, i), 1, b.base ? tl_plane_row(s, b, 0, i) : NULL,
                                 1, tl_plane_row(s, to, 0, i), 1, NULL);
        else
            memset(tl_plane_row(s, to, 0, i), 0, (size_t)(s->n * s->size));
}

/* What reaches the state after step i from outside of the scan. */
static tl_plane from_outside(const tl_scan *s, int64_t i)
{
    return s->last_only && i < s->steps - 1 ? (tl_plane){0} : in_step(s, s->g, tl_scan_time(s, i));
}

/* Adds the gradients of rows that step i kept to those of the state before it. */
static void add_kept(const tl_scan *s, int64_t i, tl_plane after, tl_plane before)
{
    for (int64_t r = 0; r < s->rows; r++)
        if (!mask_at(s, i)[r])
            s->kernels->map[TL_MAP_ADD](s->n, tl_plane_row(s, before, 0, r), 1, tl_plane_row(s, after, 0, r),
                                        1, tl_plane_row(s, before, 0, r), 1, NULL);
}

/* A step back where rows were kept, by this step or the one after it: the gradient of the state is needed as
 * it is, d, and not only behind the slope. */
static tl_plane step_back_masked(const tl_scan *s, int64_t i, tl_plane z, tl_plane after, tl_map slope,
                                 tl_plane h, tl_plane to)
{
    const tl_plane d = s->spare[i % 2];
    if (z.base)
        step_back(s, z, from_outside(s, i), TL_MAP_COPY, (tl_plane){0}, d);
    else
        map_step(s, TL_MAP_COPY, from_outside(s, i), (tl_plane){0}, d);
    if (z.base && keeps_rows(s, i + 1))
        add_kept(s, i + 1, after, d);
    map_step(s, slope, d, h, to);
    for (int64_t r = 0; keeps_rows(s, i) && r < s->rows; r++)
        if (!mask_at(s, i)[r])
            memset(tl_plane_row(s, to, 0, r), 0, (size_t)(s->n * s->size));
    return d;
}

void tl_scan_back(const tl_scan *s, tl_map slope)
{
    tl_plane z = {0}, d = {0};
    for (int64_t i = s->steps - 1; i >= 0; i--) {
        const tl_plane h = in_step(s, s->y, tl_scan_time(s, i)), to = in_step(s, s->dx, tl_scan_time(s, i));
        if (keeps_rows(s, i) || (z.base && keeps_rows(s, i + 1)))
            d = step_back_masked(s, i, z, d, slope, h, to);
        else if (z.base)
            step_back(s, z, from_outside(s, i), slope, h, to);
        else
            map_step(s, slope, from_outside(s, i), h, to);
        z = to;
    }
    if (!s->dh.base)
        return;
    if (s->steps == 0) {
        map_step(s, TL_MAP_COPY, s->add_dh ? s->dh : (tl_plane){0}, (tl_plane){0}, s->dh);
        return;
    }
    step_back(s, z, s->add_dh ? s->dh : (tl_plane){0}, TL_MAP_COPY, (tl_plane){0}, s->dh);
    if (keeps_rows(s, 0))
        add_kept(s, 0, d, s->dh);
}

/* The pairs whose products are summed, the last step taken first, a few at a time. */
void tl_scan_weight_gradient(const tl_scan *s)
{
    enum { AT_ONCE = 16 };
    tl_pair pairs[AT_ONCE];
    tl_outer o = s->dw;
    o.pairs = pairs;
    for (int64_t i = s->steps - 1; i >= 0; i--) {
        const tl_plane before = state_before(s, i);
        if (o.count == AT_ONCE || (o.count > 0 && before.row != o.a_row)) {
            s->kernels->outer(&o);
            o.add = true;
            o.count = 0;
        }
        o.a_row = before.row;
        pairs[o.count++] = (tl_pair){before.base, tl_plane_row(s, s->dx, tl_scan_time(s, i), 0)};
    }
    s->kernels->outer(&o);
}
