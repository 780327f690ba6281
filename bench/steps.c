/* Whole training steps: a batch in, forward, backward, and the optimizer. */
#include "case.h"
#include "data.h"
#include "network.h"
#include "tensor/memory_internal.h"

typedef struct step_kind {
    const char *name;
    int64_t time, rows;
    int64_t words;    /* ids below that come in and are embedded; 0: features do */
    int64_t features; /* of a step, embedded or not */
    int64_t units, outputs;
    bool every_step; /* has an output */
} step_kind;

static const step_kind kinds[] = {
    {"imdb", 500, 128, 10000, 32, 32, 1, false},
    {"rows", 28, 32, 0, 28, 50, 10, false},
    {"pixels", 784, 32, 0, 1, 100, 10, false},
    {"char", 64, 32, 65, 256, 256, 65, true},
};

static tl_model *make_model(const step_kind *k)
{
    tl_module *rnn = tl_simple_rnn(k->units, .return_sequences = k->every_step),
              *dense = tl_dense(k->outputs, .activation = k->outputs == 1 ? TL_SIGMOID : TL_SOFTMAX);
    if (!k->words)
        return tl_sequential(rnn, dense);
    return tl_sequential(tl_embedding(k->words, k->features), rnn, dense);
}

static tl_status compile(tl_model *model, const step_kind *k)
{
    if (k->outputs == 1)
        return tl_compile(model, .optimizer = tl_rmsprop(), .loss = TL_BINARY_CROSSENTROPY);
    return tl_compile(model, .optimizer = tl_adam(.global_clip_norm = k->every_step ? 5 : 0),
                      .loss = TL_SPARSE_CATEGORICAL_CROSSENTROPY);
}

static tl_tensor make_inputs(const step_kind *k)
{
    if (k->words)
        return random_ids(tl_shape(POOL, k->rows, k->time), k->words, 1);
    return random_floats(tl_shape(POOL, k->rows, k->time, k->features), 1);
}

static tl_tensor make_targets(const step_kind *k)
{
    const int64_t classes = k->outputs == 1 ? 2 : k->outputs;
    return random_ids(k->every_step ? tl_shape(POOL, k->rows, k->time) : tl_shape(POOL, k->rows), classes, 2);
}

static void *set_up(const bench_case *c)
{
    const step_kind *k = c->what;
    network *n = tl_allocate(sizeof *n);
    if (!n)
        return NULL;
    *n = (network){.model = make_model(k), .x = make_inputs(k), .y = make_targets(k)};
    if (n->model && tl_tensor_ok(n->x) && tl_tensor_ok(n->y) && compile(n->model, k) == TL_OK)
        return n;
    free_network(n);
    return NULL;
}

/* Of the products as they are done: words are projected once each, in the table, where there are fewer of
 * them than positions. */
static double count_flops(const step_kind *k)
{
    const int64_t positions = k->time * k->rows,
                  table = k->words && k->words <= positions ? k->words : positions;
    const int64_t input = table * k->features * k->units, recurrent = positions * k->units * k->units,
                  output = (k->every_step ? positions : k->rows) * k->units * k->outputs;
    const double unneeded = k->words ? 0 : (double)input; /* the gradient of data */
    return 2 * (3 * (double)(input + recurrent + output) - unneeded);
}

tl_status add_steps(case_list *list)
{
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        bench_case c = {.flops = count_flops(&kinds[i]),
                        .what = &kinds[i],
                        .set_up = set_up,
                        .run = train_network,
                        .tear_down = free_network};
        name_case(list, &c, "steps/%s", kinds[i].name);
        if (add_case(list, &c) != TL_OK)
            return tl_error_status();
    }
    return TL_OK;
}
