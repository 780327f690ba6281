/* The gated recurrent unit as Cho and others gave it ("Learning phrase representations using RNN
 * encoder-decoder", 2014); Keras's GRU with reset_after=False:
 *
 *     z = sigmoid(x Wz + h Uz + bz)     how much of the state stays
 *     r = sigmoid(x Wr + h Ur + br)     how much of it the candidate sees
 *     n = tanh(x Wn + (r h) Un + bn)    the candidate
 *     h <- z h + (1 - z) n
 */
#include "gru.h"

#include <stdlib.h>

typedef struct gru_cell {
    tl_cell cell;
    int64_t units;
    tl_parameter *kernel, *recurrent, *bias;
} gru_cell;

static tl_status build(void *self, tl_builder *builder, int64_t features)
{
    gru_cell *c = self;
    c->kernel = tl_build_parameter(builder, "kernel", tl_shape(features, 3 * c->units), TL_GLOROT_UNIFORM);
    c->recurrent =
        tl_build_parameter(builder, "recurrent_kernel", tl_shape(c->units, 3 * c->units), TL_ORTHOGONAL);
    c->bias = tl_build_parameter(builder, "bias", tl_shape(3 * c->units), TL_ZEROS);
    return c->kernel && c->recurrent && c->bias ? TL_OK : tl_error_status();
}

/* x W + b of all three, for all steps in one product. */
static tl_var *project(void *self, tl_var *x)
{
    const gru_cell *c = self;
    tl_tape *tape = tl_tape_of(x);
    return tl_affine(x, tl_use(tape, c->kernel), tl_use(tape, c->bias), TL_LINEAR);
}

/* `count` of the three parts that lie side by side, from part `first` on. */
static tl_var *part(const gru_cell *c, tl_var *x, int first, int count)
{
    return tl_slice(x, -1, first * c->units, count * c->units);
}

/* The two gates are one product, and sums and activations are done with the products. */
static tl_var *step(void *self, tl_var *x, tl_var *state[])
{
    const gru_cell *c = self;
    tl_var *u = tl_use(tl_tape_of(x), c->recurrent), *h = state[0], *dropped = tl_dropped(x, h);
    tl_var *gates = tl_affine(dropped, part(c, u, 0, 2), part(c, x, 0, 2), TL_SIGMOID);
    tl_var *z = part(c, gates, 0, 1), *r = part(c, gates, 1, 1);
    tl_var *n = tl_affine(tl_mul(r, dropped), part(c, u, 2, 1), part(c, x, 2, 1), TL_TANH);
    return state[0] = tl_add(n, tl_mul(z, tl_sub(h, n)));
}

void *gru(int64_t units)
{
    gru_cell *c = calloc(1, sizeof *c);
    if (!c) {
        tl_error(TL_ERROR_MEMORY, "gru: out of memory");
        return NULL;
    }
    *c = (gru_cell){.cell = {.name = "gru",
                             .states = {units},
                             .build = build,
                             .project = project,
                             .step = step,
                             .free = free,
                             .applies_dropout = true},
                    .units = units};
    return c;
}
