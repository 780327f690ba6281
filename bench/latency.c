/* One time step of one sequence, answered before the next is known: a stateful SimpleRNN. */
#include "case.h"
#include "data.h"
#include "tensor/memory_internal.h"

static const int64_t units[] = {32, 256, 512};

typedef struct subject {
    tl_model *model;
    tl_tensor x, out;
} subject;

static void tear_down(void *given)
{
    subject *s = given;
    tl_model_free(s->model);
    tl_tensor_free(&s->x);
    tl_tensor_free(&s->out);
    tl_release(s);
}

static void *set_up(const bench_case *c)
{
    const int64_t width = *(const int64_t *)c->what;
    subject *s = tl_allocate(sizeof *s);
    if (!s)
        return NULL;
    *s = (subject){.model = tl_sequential(tl_simple_rnn(width, .stateful = true)),
                   .x = random_floats(tl_shape(1, 1, width), 1),
                   .out = tl_tensor_new(TL_F32, tl_shape(1, width))};
    if (tl_tensor_ok(s->x) && tl_tensor_ok(s->out) &&
        tl_build(s->model, tl_shape(1, width), TL_F32, 1) == TL_OK)
        return s;
    tear_down(s);
    return NULL;
}

static tl_status run(void *given)
{
    const subject *s = given;
    return tl_predict_on_batch(s->model, s->x, s->out);
}

tl_status add_latency(case_list *list)
{
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        bench_case c = {.serial = true,
                        .flops = 2.0 * 2.0 * (double)(units[i] * units[i]),
                        .what = &units[i],
                        .set_up = set_up,
                        .run = run,
                        .tear_down = tear_down};
        name_case(list, &c, "latency/rnn%lld", (long long)units[i]);
        if (add_case(list, &c) != TL_OK)
            return tl_error_status();
    }
    return TL_OK;
}
