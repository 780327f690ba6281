/* One recurrent layer over whole sequences, forward and backward, with the gradients of its weights and of
 * its input: SimpleRNN, and a GRU that a user wrote. Weights are packed anew each time, as after an
 * optimizer's step. */
#include "../examples/custom_cell/gru.h"
#include "case.h"
#include "data.h"
#include "tensor/memory_internal.h"

typedef struct layer_size {
    const char *name;
    bool gated;
    int64_t time, rows, features, units;
} layer_size;

static const layer_size sizes[] = {
    {"imdb", false, 500, 128, 32, 32},    {"rows", false, 28, 32, 28, 50},
    {"pixels", false, 784, 32, 1, 100},   {"rnn128", false, 100, 64, 128, 128},
    {"rnn256", false, 100, 64, 256, 256}, {"rnn512", false, 100, 64, 512, 512},
    {"gru128", true, 100, 64, 128, 128},
};

/* Rows that a thread takes at a time: their inputs, and the gradient of what follows the layer. Both are
 * [time, rows, ...] here and turned round where they are used, so that they lie time-major as in training. */
typedef struct part {
    tl_tensor x, dy;
} part;

typedef struct subject {
    tl_module *layer;
    tl_shards *shards;
    part *parts;
    int64_t count;
} subject;

static void tear_down(void *given)
{
    subject *s = given;
    for (int64_t i = 0; i < s->count; i++) {
        tl_tensor_free(&s->parts[i].x);
        tl_tensor_free(&s->parts[i].dy);
    }
    tl_release(s->parts);
    tl_shards_free(s->shards);
    tl_module_free(s->layer);
    tl_release(s);
}

static tl_status make_layer(subject *s, const layer_size *size)
{
    tl_builder builder = {.dtype = TL_F32, .seed = 1};
    s->shards = tl_shards_new();
    if (size->gated)
        s->layer = tl_rnn(gru(size->units), .return_sequences = true);
    else
        s->layer = tl_simple_rnn(size->units, .return_sequences = true);
    if (!s->shards || !s->layer)
        return tl_error_status();
    return tl_module_build(s->layer, &builder, tl_shape(size->time, size->features));
}

static tl_status make_parts(subject *s, const layer_size *size)
{
    const int64_t height = tl_shard_rows(size->rows), count = (size->rows + height - 1) / height;
    s->parts = tl_allocate((size_t)count * sizeof *s->parts);
    if (!s->parts)
        return TL_ERROR_MEMORY;
    for (; s->count < count; s->count++) {
        const int64_t first = s->count * height,
                      rows = size->rows - first < height ? size->rows - first : height;
        part *p = &s->parts[s->count];
        p->x = random_floats(tl_shape(size->time, rows, size->features), (uint64_t)(2 * first));
        p->dy = random_floats(tl_shape(size->time, rows, size->units), (uint64_t)(2 * first + 1));
        if (!tl_tensor_ok(p->x) || !tl_tensor_ok(p->dy))
            return tl_error_status();
    }
    return TL_OK;
}

static void *set_up(const bench_case *c)
{
    subject *s = tl_allocate(sizeof *s);
    if (!s)
        return NULL;
    if (make_layer(s, c->what) == TL_OK && make_parts(s, c->what) == TL_OK)
        return s;
    tear_down(s);
    return NULL;
}

static tl_status run_part(void *context, int64_t shard, tl_tape *tape)
{
    const subject *s = context;
    tl_var *x = tl_variable(tape, tl_tensor_transpose(s->parts[shard].x, 0, 1));
    tl_var *y = tl_rnn_forward(s->layer, x, NULL, NULL);
    if (!y || tl_backward_from(y, tl_tensor_transpose(s->parts[shard].dy, 0, 1)) != TL_OK)
        return tl_error_status();
    return tl_tensor_ok(tl_grad(x)) ? TL_OK : tl_error_status();
}

static tl_status run(void *given)
{
    subject *s = given;
    for (int i = 0; i < tl_module_parameters(s->layer); i++) {
        tl_parameter *parameter = tl_module_parameter(s->layer, i);
        tl_parameter_clear_gradient(parameter);
        tl_data_mut(parameter->value); /* a new version: what was packed of it is no longer valid */
    }
    if (tl_shards_run(s->shards, s->count, run_part, s) != TL_OK)
        return tl_error_status();
    return tl_shards_merge(s->shards);
}

/* Forward, and backward to the input and to the weights: three products of each kind. */
static double count_flops(const layer_size *size)
{
    const double gates = size->gated ? 3 : 1, positions = (double)(size->time * size->rows);
    return 3 * 2 * positions * gates * (double)(size->units * (size->features + size->units));
}

tl_status add_layers(case_list *list)
{
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        bench_case c = {.flops = count_flops(&sizes[i]),
                        .what = &sizes[i],
                        .set_up = set_up,
                        .run = run,
                        .tear_down = tear_down};
        name_case(list, &c, "layers/%s", sizes[i].name);
        if (add_case(list, &c) != TL_OK)
            return tl_error_status();
    }
    return TL_OK;
}
