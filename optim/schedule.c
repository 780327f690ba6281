#include "optim/schedule.h"
#include "tensor/error_internal.h"

#include <math.h>

static double no_decay(const tl_schedule *s, int64_t step)
{
    (void)s, (void)step;
    return 1;
}

static double exponential_decay(const tl_schedule *s, int64_t step)
{
    int64_t whole = step / s->decay_steps;
    return pow(s->decay_rate, s->staircase ? (double)whole : (double)step / (double)s->decay_steps);
}

static double cosine_decay(const tl_schedule *s, int64_t step)
{
    return step < s->decay_steps ? 0.5 * (1 + cos(M_PI * (double)step / (double)s->decay_steps)) : 0;
}

static double (*const decays[])(const tl_schedule *s, int64_t step) = {
    [TL_DECAY_NONE] = no_decay,
    [TL_DECAY_EXPONENTIAL] = exponential_decay,
    [TL_DECAY_COSINE] = cosine_decay,
};
enum { DECAYS = sizeof decays / sizeof decays[0] };

tl_status tl_schedule_check(const tl_schedule *s)
{
    if (!s)
        return tl_missing("schedule", "schedule");
    if ((unsigned)s->decay >= DECAYS)
        return tl_error(TL_ERROR_ARGUMENT, "schedule: decay %d, expected 0 to %d", (int)s->decay, DECAYS - 1);
    if (s->decay != TL_DECAY_NONE && s->decay_steps < 1)
        return tl_error(TL_ERROR_ARGUMENT, "schedule: decay_steps %lld, expected at least 1",
                        (long long)s->decay_steps);
    if (s->decay == TL_DECAY_EXPONENTIAL && !(s->decay_rate > 0 && isfinite(s->decay_rate)))
        return tl_error(TL_ERROR_ARGUMENT, "schedule: decay_rate %g, expected a number above 0",
                        s->decay_rate);
    if (!(s->alpha >= 0 && s->alpha <= 1))
        return tl_error(TL_ERROR_ARGUMENT, "schedule: alpha %g, expected 0 to 1", s->alpha);
    if (s->warmup_steps < 0)
        return tl_error(TL_ERROR_ARGUMENT, "schedule: warmup_steps %lld, expected at least 0",
                        (long long)s->warmup_steps);
    return TL_OK;
}

double tl_schedule_factor(const tl_schedule *s, int64_t step)
{
    if (tl_schedule_check(s) != TL_OK)
        return (double)NAN;
    if (step < 0) {
        tl_error(TL_ERROR_ARGUMENT, "schedule: step %lld, expected at least 0", (long long)step);
        return (double)NAN;
    }
    if (step < s->warmup_steps)
        return (double)step / (double)s->warmup_steps;
    return s->alpha + (1 - s->alpha) * decays[s->decay](s, step - s->warmup_steps);
}
