/* What checkpoint_every adds to a pass: it is cut into segments, passes of their own, that keep nothing but
 * what they give and are run once more on the way back. */
#include "autograd/replay_internal.h"
#include "nn/pass_internal.h"

#include <string.h>

/* The vars that a pass starts from, each once. */
static int list_inputs(const tl_pass *p, tl_var *inputs[])
{
    tl_var *all[TL_MAX_INPUTS] = {p->x, p->factors, p->dropout, p->output};
    memcpy(all + TL_MAX_INPUTS - TL_MAX_STATES, p->state, sizeof p->state);
    int count = 0;
    for (int i = 0; i < TL_MAX_INPUTS; i++) {
        int j = 0;
        while (j < count && inputs[j] != all[i])
            j++;
        inputs[j] = all[i];
        count += j == count && all[i];
    }
    return count;
}

/* Others in the place of these. */
static void replace_inputs(tl_pass *p, tl_var *const others[])
{
    tl_var *inputs[TL_MAX_INPUTS + 1], **all[TL_MAX_INPUTS] = {&p->x, &p->factors, &p->dropout, &p->output};
    const int count = list_inputs(p, inputs);
    for (int i = 0; i < TL_MAX_STATES; i++)
        all[TL_MAX_INPUTS - TL_MAX_STATES + i] = &p->state[i];
    for (int i = 0; i < TL_MAX_INPUTS; i++)
        for (int j = 0; j < count; j++)
            if (*all[i] == inputs[j]) {
                *all[i] = others[j];
                break;
            }
}

/* What a segment gives: the layer's output for it, and the states that are not the last step of that. */
enum { OUTPUT, FIRST_STATE, RESULTS = FIRST_STATE + TL_MAX_STATES };

static tl_status replay_segment(const void *context, tl_var *const inputs[], tl_var *results[])
{
    tl_pass p = *(const tl_pass *)context;
    replace_inputs(&p, inputs);
    results[OUTPUT] = tl_pass_run(&p);
    if (!results[OUTPUT])
        return tl_error_status();
    for (int i = 0; i < p.loop->states; i++)
        if (!p.loop->options.return_sequences || p.state[i] != p.output)
            results[FIRST_STATE + i] = p.state[i];
    return TL_OK;
}

static tl_status run_segment(tl_pass *p, int64_t first, int64_t count, tl_var **y)
{
    const tl_loop *loop = p->loop;
    tl_pass part = *p;
    tl_var *inputs[TL_MAX_INPUTS + 1], *results[RESULTS];
    part.x = tl_slice(p->x, 1, first, count);
    part.origin = first;
    if (p->mask.storage)
        part.mask = tl_tensor_slice(p->mask, 1, first, count);
    else
        part.output = part.state[0]; /* steps that are not taken repeat it, and there are none */
    if (!part.x)
        return tl_error_status();
    const tl_replay replay = {.run = replay_segment,
                              .context = &part,
                              .context_bytes = sizeof part,
                              .inputs = list_inputs(&part, inputs),
                              .results = FIRST_STATE + loop->states};
    if (tl_replay_run(&replay, inputs, results) != TL_OK)
        return tl_error_status();
    *y = p->output = results[OUTPUT];
    if (loop->options.return_sequences)
        p->output = tl_select(*y, 1, p->backwards && loop->in_order ? 0 : count - 1);
    for (int i = 0; i < loop->states; i++)
        p->state[i] = results[FIRST_STATE + i] ? results[FIRST_STATE + i] : p->output;
    return p->output ? TL_OK : tl_error_status();
}

/* Steps of a segment, whole chunks of them; 0: there is but one. */
static int64_t segment_length(const tl_loop *loop, int64_t steps)
{
    const int64_t every = loop->options.checkpoint_every;
    if (every == 0 || every >= steps)
        return 0;
    const int64_t length = (every + TL_PASS_CHUNK - 1) / TL_PASS_CHUNK * TL_PASS_CHUNK;
    return length < steps ? length : 0;
}

static tl_var *run_segments(tl_pass *p, int64_t length)
{
    const int64_t steps = tl_shape_of(p->x).dims[1], segments = (steps + length - 1) / length;
    tl_var **parts = tl_arena_take(tl_tape_of(p->x)->arena, (size_t)segments * sizeof *parts);
    if (!parts)
        return NULL;
    for (int64_t i = 0; i < segments; i++) {
        const int64_t number = p->backwards ? segments - 1 - i : i, first = number * length;
        const int64_t count = steps - first < length ? steps - first : length;
        tl_var **part = &parts[p->loop->in_order ? number : i];
        if (run_segment(p, first, count, part) != TL_OK)
            return NULL;
    }
    return p->loop->options.return_sequences ? tl_concat(parts, (int)segments, 1) : p->output;
}

tl_var *tl_pass_run_segments(tl_pass *p)
{
    const int64_t length = segment_length(p->loop, tl_shape_of(p->x).dims[1]);
    const bool seen = tl_tape_of(p->x)->probe; /* states stay where they can be looked at */
    return length && !seen ? run_segments(p, length) : tl_pass_run(p);
}
