/* SimpleRNN as a user would write it: a cell with a projection and a step. */
#include "nn/rnn.h"
#include "tensor/memory_internal.h"
#include "tensor/options_internal.h"

typedef struct simple_rnn {
    tl_cell cell;
    tl_simple_rnn_options options;
    tl_parameter *kernel, *recurrent, *bias; /* bias NULL: none */
} simple_rnn;

static tl_initializer either(tl_initializer given, tl_initializer standard)
{
    return given ? given : standard;
}

static tl_status build(void *self, tl_builder *builder, int64_t features)
{
    simple_rnn *c = self;
    const tl_simple_rnn_options *o = &c->options;
    c->kernel = tl_build_parameter(builder, "kernel", tl_shape(features, o->units),
                                   either(o->kernel_initializer, TL_GLOROT_UNIFORM));
    c->recurrent = tl_build_parameter(builder, "recurrent_kernel", tl_shape(o->units, o->units),
                                      either(o->recurrent_initializer, TL_ORTHOGONAL));
    if (!o->no_bias)
        c->bias =
            tl_build_parameter(builder, "bias", tl_shape(o->units), either(o->bias_initializer, TL_ZEROS));
    return c->kernel && c->recurrent && (c->bias || o->no_bias) ? TL_OK : tl_error_status();
}

static tl_var *project(void *self, tl_var *x)
{
    const simple_rnn *c = self;
    tl_tape *tape = tl_tape_of(x);
    if (!c->bias)
        return tl_matmul(x, tl_use(tape, c->kernel));
    return tl_affine(x, tl_use(tape, c->kernel), tl_use(tape, c->bias), TL_LINEAR);
}

static tl_var *step(void *self, tl_var *x, tl_var *state[])
{
    const simple_rnn *c = self;
    tl_var *recurrent = tl_use(tl_tape_of(x), c->recurrent);
    return state[0] = tl_affine_masked(state[0], recurrent, x, c->options.activation, tl_mask_of(x));
}

static tl_var *scan(void *self, tl_var *x, tl_var *state, bool backwards, tl_tensor mask)
{
    const simple_rnn *c = self;
    return tl_affine_scan(x, tl_use(tl_tape_of(x), c->recurrent), state, c->options.activation, backwards,
                          mask);
}

tl_module *tl_simple_rnn_with(const tl_simple_rnn_options *options)
{
    tl_simple_rnn_options o;
    tl_options_read(&o, sizeof o, options);
    if (o.units < 1) {
        tl_error(TL_ERROR_ARGUMENT, "simple_rnn: units %lld, expected at least 1", (long long)o.units);
        return NULL;
    }
    if (!tl_activation_name(o.activation) || o.activation == TL_SOFTMAX) {
        tl_error(TL_ERROR_ARGUMENT, "simple_rnn: activation %d, expected one that works element by element",
                 (int)o.activation);
        return NULL;
    }
    simple_rnn *c = tl_allocate(sizeof *c);
    if (!c)
        return NULL;
    c->options = o;
    if (!c->options.activation)
        c->options.activation = TL_TANH;
    c->cell = (tl_cell){.name = "simple_rnn",
                        .states = {o.units},
                        .build = build,
                        .project = project,
                        .step = step,
                        .scan = scan,
                        .free = tl_release,
                        .applies_mask = true};
    return tl_rnn(c, .return_sequences = o.return_sequences, .go_backwards = o.go_backwards,
                  .stateful = o.stateful, .dropout = o.dropout, .recurrent_dropout = o.recurrent_dropout,
                  .checkpoint_every = o.checkpoint_every);
}
