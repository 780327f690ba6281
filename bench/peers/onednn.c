/* oneDNN's vanilla RNN primitive. CASE is that of a layer, forward and backward with all gradients and with
 * the reorders of weights that changing them asks for; or latency/rnnUNITS, one step of one sequence in
 * inference. */
#include "peer.h"

#include <omp.h>
#include <oneapi/dnnl/dnnl.h>
#include <string.h>

typedef struct layer_size {
    const char *name;
    int64_t time, rows, features, units;
} layer_size;

static const layer_size sizes[] = {
    {"layers/imdb", 500, 128, 32, 32},    {"layers/rows", 28, 32, 28, 50},
    {"layers/pixels", 784, 32, 1, 100},   {"layers/rnn128", 100, 64, 128, 128},
    {"layers/rnn256", 100, 64, 256, 256}, {"layers/rnn512", 100, 64, 512, 512},
    {"latency/rnn32", 1, 1, 32, 32},      {"latency/rnn256", 1, 1, 256, 256},
    {"latency/rnn512", 1, 1, 512, 512},
};

static dnnl_engine_t engine;
static dnnl_stream_t stream;

static void check(dnnl_status_t status, const char *what)
{
    if (status != dnnl_success)
        give_up("onednn: %s: status %d", what, (int)status);
}
#define TRY(call) check(call, #call)

/* The tensors of a layer, in the layouts of the user or, for weights, in any. */
typedef struct layouts {
    dnnl_memory_desc_t x, y, state, kernel, recurrent, bias, none;
} layouts;

static layouts layouts_of(const layer_size *s)
{
    layouts l = {0};
    TRY(dnnl_memory_desc_init_by_tag(&l.x, 3, (dnnl_dims_t){s->time, s->rows, s->features}, dnnl_f32,
                                     dnnl_tnc));
    TRY(dnnl_memory_desc_init_by_tag(&l.y, 3, (dnnl_dims_t){s->time, s->rows, s->units}, dnnl_f32, dnnl_tnc));
    TRY(dnnl_memory_desc_init_by_tag(&l.state, 4, (dnnl_dims_t){1, 1, s->rows, s->units}, dnnl_f32,
                                     dnnl_ldnc));
    TRY(dnnl_memory_desc_init_by_tag(&l.kernel, 5, (dnnl_dims_t){1, 1, s->features, 1, s->units}, dnnl_f32,
                                     dnnl_format_tag_any));
    TRY(dnnl_memory_desc_init_by_tag(&l.recurrent, 5, (dnnl_dims_t){1, 1, s->units, 1, s->units}, dnnl_f32,
                                     dnnl_format_tag_any));
    TRY(dnnl_memory_desc_init_by_tag(&l.bias, 4, (dnnl_dims_t){1, 1, 1, s->units}, dnnl_f32, dnnl_ldgo));
    return l;
}

/* Memory full of random numbers; it lasts as long as the program. */
static dnnl_memory_t new_memory(const dnnl_memory_desc_t *layout)
{
    dnnl_memory_t memory;
    void *data;
    TRY(dnnl_memory_create(&memory, layout, engine, DNNL_MEMORY_ALLOCATE));
    TRY(dnnl_memory_get_data_handle(memory, &data));
    fill_randomly(data, dnnl_memory_desc_get_size(layout) / sizeof(float));
    return memory;
}

static void clear(dnnl_memory_t memory)
{
    const dnnl_memory_desc_t *layout;
    void *data;
    TRY(dnnl_memory_get_memory_desc(memory, &layout));
    TRY(dnnl_memory_get_data_handle(memory, &data));
    memset(data, 0, dnnl_memory_desc_get_size(layout));
}

/* What is executed, and with what. */
typedef struct job {
    dnnl_primitive_t primitive;
    dnnl_exec_arg_t arguments[16];
    int count;
} job;

static void give(job *j, int which, dnnl_memory_t memory)
{
    j->arguments[j->count++] = (dnnl_exec_arg_t){which, memory};
}

static void execute(const job *j)
{
    if (j->primitive)
        TRY(dnnl_primitive_execute(j->primitive, stream, j->count, j->arguments));
}

/* From one layout into another; nothing to do where the two are the same. */
static job reorder(dnnl_memory_t from, dnnl_memory_t to)
{
    const dnnl_memory_desc_t *before, *after;
    dnnl_primitive_desc_t about;
    job j = {0};
    TRY(dnnl_memory_get_memory_desc(from, &before));
    TRY(dnnl_memory_get_memory_desc(to, &after));
    if (dnnl_memory_desc_equal(before, after)) {
        void *data;
        TRY(dnnl_memory_get_data_handle(from, &data));
        TRY(dnnl_memory_set_data_handle(to, data));
        return j;
    }
    TRY(dnnl_reorder_primitive_desc_create(&about, before, engine, after, engine, NULL));
    TRY(dnnl_primitive_create(&j.primitive, about));
    give(&j, DNNL_ARG_FROM, from);
    give(&j, DNNL_ARG_TO, to);
    return j;
}

static dnnl_memory_t memory_for(const_dnnl_primitive_desc_t about, dnnl_query_t what, int which)
{
    return new_memory(dnnl_primitive_desc_query_md(about, what, which));
}

/* Forward, as far as training and inference have it in common. States come in and go out in inference alone.
 */
static dnnl_primitive_desc_t make_forward(const layer_size *s, dnnl_prop_kind_t kind, job *forward)
{
    const layouts l = layouts_of(s);
    const dnnl_memory_desc_t *state = kind == dnnl_forward_inference ? &l.state : &l.none;
    dnnl_rnn_desc_t description;
    dnnl_primitive_desc_t about;
    TRY(dnnl_vanilla_rnn_forward_desc_init(&description, kind, dnnl_eltwise_tanh,
                                           dnnl_unidirectional_left2right, &l.x, state, &l.kernel,
                                           &l.recurrent, &l.bias, &l.y, state, 0, 0, 0));
    TRY(dnnl_primitive_desc_create(&about, &description, NULL, engine, NULL));
    TRY(dnnl_primitive_create(&forward->primitive, about));
    give(forward, DNNL_ARG_SRC_LAYER, new_memory(&l.x));
    give(forward, DNNL_ARG_WEIGHTS_LAYER, memory_for(about, dnnl_query_weights_md, 0));
    give(forward, DNNL_ARG_WEIGHTS_ITER, memory_for(about, dnnl_query_weights_md, 1));
    give(forward, DNNL_ARG_BIAS, new_memory(&l.bias));
    give(forward, DNNL_ARG_DST_LAYER, new_memory(&l.y));
    return about;
}

static dnnl_memory_t argument(const job *j, int which)
{
    for (int i = 0; i < j->count; i++)
        if (j->arguments[i].arg == which)
            return j->arguments[i].memory;
    return NULL;
}

/* Weights are kept, and their gradients wanted, in the layout of the forward pass: what an optimizer does is
 * the same in any. */
typedef struct training {
    job forward, backward, weights[2], gradients[2];
    dnnl_memory_t cleared[3]; /* gradients, which backward adds to */
} training;

static dnnl_primitive_desc_t describe_backward(const layer_size *s, dnnl_primitive_desc_t forward)
{
    const layouts l = layouts_of(s);
    dnnl_rnn_desc_t description;
    dnnl_primitive_desc_t about;
    TRY(dnnl_vanilla_rnn_backward_desc_init(&description, dnnl_backward, dnnl_eltwise_tanh,
                                            dnnl_unidirectional_left2right, &l.x, &l.none, &l.kernel,
                                            &l.recurrent, &l.bias, &l.y, &l.none, &l.x, &l.none, &l.kernel,
                                            &l.recurrent, &l.bias, &l.y, &l.none, 0, 0, 0));
    TRY(dnnl_primitive_desc_create(&about, &description, NULL, engine, forward));
    return about;
}

static void make_training(const layer_size *s, training *t)
{
    static const int shared[] = {DNNL_ARG_SRC_LAYER, DNNL_ARG_BIAS, DNNL_ARG_DST_LAYER, DNNL_ARG_WORKSPACE},
                     weights[] = {DNNL_ARG_WEIGHTS_LAYER, DNNL_ARG_WEIGHTS_ITER},
                     gradients[] = {DNNL_ARG_DIFF_WEIGHTS_LAYER, DNNL_ARG_DIFF_WEIGHTS_ITER};
    const layouts l = layouts_of(s);
    dnnl_primitive_desc_t forward = make_forward(s, dnnl_forward_training, &t->forward),
                          backward = describe_backward(s, forward);
    give(&t->forward, DNNL_ARG_WORKSPACE, memory_for(forward, dnnl_query_workspace_md, 0));
    TRY(dnnl_primitive_create(&t->backward.primitive, backward));
    for (int i = 0; i < 4; i++)
        give(&t->backward, shared[i], argument(&t->forward, shared[i]));
    for (int i = 0; i < 2; i++) {
        dnnl_memory_t other = memory_for(backward, dnnl_query_weights_md, i),
                      gradient = memory_for(backward, dnnl_query_diff_weights_md, i);
        t->weights[i] = reorder(argument(&t->forward, weights[i]), other);
        t->gradients[i] = reorder(gradient, memory_for(forward, dnnl_query_weights_md, i));
        give(&t->backward, weights[i], other);
        give(&t->backward, gradients[i], gradient);
        t->cleared[i] = gradient;
    }
    t->cleared[2] = new_memory(&l.bias);
    give(&t->backward, DNNL_ARG_DIFF_BIAS, t->cleared[2]);
    give(&t->backward, DNNL_ARG_DIFF_SRC_LAYER, new_memory(&l.x));
    give(&t->backward, DNNL_ARG_DIFF_DST_LAYER, new_memory(&l.y));
}

static tl_status train(void *given)
{
    const training *t = given;
    for (int i = 0; i < 2; i++)
        execute(&t->weights[i]);
    execute(&t->forward);
    for (int i = 0; i < 3; i++)
        clear(t->cleared[i]);
    execute(&t->backward);
    for (int i = 0; i < 2; i++)
        execute(&t->gradients[i]);
    TRY(dnnl_stream_wait(stream));
    return TL_OK;
}

/* Two jobs that hand the state to each other. */
typedef struct inference {
    job there, back;
    bool is_back;
} inference;

static void make_inference(const layer_size *s, inference *f)
{
    const layouts l = layouts_of(s);
    make_forward(s, dnnl_forward_inference, &f->there);
    f->back = f->there;
    dnnl_memory_t one = new_memory(&l.state), other = new_memory(&l.state);
    give(&f->there, DNNL_ARG_SRC_ITER, one);
    give(&f->there, DNNL_ARG_DST_ITER, other);
    give(&f->back, DNNL_ARG_SRC_ITER, other);
    give(&f->back, DNNL_ARG_DST_ITER, one);
}

static tl_status infer(void *given)
{
    inference *f = given;
    execute(f->is_back ? &f->back : &f->there);
    TRY(dnnl_stream_wait(stream));
    f->is_back = !f->is_back;
    return TL_OK;
}

int main(int argc, char **argv)
{
    const peer_order order = read_order(argc, argv);
    const layer_size *size = NULL;
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
        if (strcmp(sizes[i].name, order.name) == 0)
            size = &sizes[i];
    if (!size)
        give_up("onednn: %s: no such case", order.name);
    omp_set_num_threads(order.threads);
    TRY(dnnl_engine_create(&engine, dnnl_cpu, 0));
    TRY(dnnl_stream_create(&stream, engine, dnnl_stream_default_flags));
    if (strncmp(size->name, "latency/", strlen("latency/")) == 0) {
        inference f = {0};
        make_inference(size, &f);
        return time_peer(&order, infer, &f);
    }
    training t = {0};
    make_training(size, &t);
    return time_peer(&order, train, &t);
}
