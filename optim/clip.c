/* Limits on gradients. */
#include "optim/rule_internal.h"
#include "tensor/compute_internal.h"
#include "tensor/tensor_internal.h"

#include <math.h>

tl_status tl_clipping_check(const char *what, tl_clipping clip)
{
    const double infinite = (double)INFINITY;
    tl_setting limits[] = {{"clip_value", clip.value, 0, infinite},
                           {"clip_norm", clip.norm, 0, infinite},
                           {"global_clip_norm", clip.global_norm, 0, infinite}};
    if (tl_settings_check(what, limits, 3) != TL_OK)
        return tl_error_status();
    if ((clip.value > 0) + (clip.norm > 0) + (clip.global_norm > 0) > 1)
        return tl_error(TL_ERROR_ARGUMENT,
                        "%s: only one of clip_value %g, clip_norm %g and global_clip_norm %g may be given",
                        what, clip.value, clip.norm, clip.global_norm);
    return TL_OK;
}

static double square_norm(const tl_parameter *parameter)
{
    tl_tensor g = parameter->gradient;
    return tl_kernels_for(g.dtype)->square_sum(tl_tensor_count(g), tl_address(g));
}

static void scale_gradient(const tl_parameter *parameter, double factor)
{
    tl_compute_map(TL_MAP_SCALE, parameter->gradient, parameter->gradient, (tl_tensor){0},
                   (const double[]){factor, 0});
}

void tl_clip_gradients(const tl_optimizer *o)
{
    double total = 0;
    for (int i = 0; i < o->count; i++) {
        const tl_parameter *p = o->slots[i].parameter;
        if (!p->trainable)
            continue;
        if (o->clip.value > 0)
            tl_compute_map(TL_MAP_CLAMP, p->gradient, p->gradient, (tl_tensor){0},
                           (const double[]){-o->clip.value, o->clip.value});
        double norm = o->clip.norm > 0 || o->clip.global_norm > 0 ? sqrt(square_norm(p)) : 0;
        if (o->clip.norm > 0 && norm > o->clip.norm)
            scale_gradient(p, o->clip.norm / norm);
        total += norm * norm;
    }
    double norm = sqrt(total);
    for (int i = 0; i < o->count && o->clip.global_norm > 0 && norm > o->clip.global_norm; i++)
        if (o->slots[i].parameter->trainable)
            scale_gradient(o->slots[i].parameter, o->clip.global_norm / norm);
}
