/* A training step over very long sequences, with every state kept and with checkpoint_every. One feature, a
 * layer of 64 units, a dense output at the end. */
#include "../examples/custom_cell/gru.h"
#include "case.h"
#include "data.h"
#include "network.h"
#include "tensor/memory_internal.h"

enum { ROWS = 8, FEATURES = 1, UNITS = 64 };

typedef struct long_size {
    const char *name;
    bool gated;
    int64_t time, every;
} long_size;

/* A GRU of generic ops keeps more than ten times what SimpleRNN does of a step. */
static const long_size sizes[] = {{"simple_rnn-plain", false, 100000, 0},
                                  {"simple_rnn-checkpointed", false, 100000, 512},
                                  {"gru-plain", true, 10000, 0},
                                  {"gru-checkpointed", true, 10000, 64}};

static void *set_up(const bench_case *c)
{
    const long_size *size = c->what;
    network *n = tl_allocate(sizeof *n);
    if (!n)
        return NULL;
    tl_module *layer = size->gated ? tl_rnn(gru(UNITS), .checkpoint_every = size->every)
                                   : tl_simple_rnn(UNITS, .checkpoint_every = size->every);
    *n = (network){.model = tl_sequential(layer, tl_dense(1)),
                   .x = random_floats(tl_shape(1, ROWS, size->time, FEATURES), 1),
                   .y = random_floats(tl_shape(1, ROWS, 1), 2)};
    if (tl_tensor_ok(n->x) && tl_tensor_ok(n->y) &&
        tl_compile(n->model, .optimizer = tl_sgd(), .loss = TL_MEAN_SQUARED_ERROR) == TL_OK)
        return n;
    free_network(n);
    return NULL;
}

/* Forward, once or twice, and backward to the states and the weights. */
static double count_flops(const long_size *size)
{
    const double positions = (double)(size->time * ROWS), gates = size->gated ? 3 : 1;
    const double forward = FEATURES + UNITS, backward = FEATURES + 2 * UNITS;
    return 2 * positions * gates * UNITS * (forward * (size->every ? 2 : 1) + backward);
}

tl_status add_long(case_list *list)
{
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        bench_case c = {.flops = count_flops(&sizes[i]),
                        .what = &sizes[i],
                        .rows = ROWS,
                        .steps = sizes[i].time,
                        .units = UNITS,
                        .set_up = set_up,
                        .run = train_network,
                        .tear_down = free_network,
                        .peak_bytes = network_peak_bytes};
        name_case(list, &c, "long/%s", sizes[i].name);
        if (add_case(list, &c) != TL_OK)
            return tl_error_status();
    }
    return TL_OK;
}
