/* dropout. Which elements are dropped is not stored but drawn again in backward: it is a function of the
 * seed, the step, which dropout of the tape this is, the row in the whole batch and the place in the row. */
#include "autograd/ops/ops_internal.h"
#include "tensor/random.h"

#include <string.h>

typedef struct dropout_attributes {
    double rate;
    uint64_t seed, stream;
    int64_t first_row;
} dropout_attributes;

/* 0 or 1 / (1 - rate) for each of n places of a row; four draws from a Philox block. */
static void draw_row(const dropout_attributes *at, int64_t row, int64_t n, tl_dtype dtype, void *factors)
{
    const double kept = 1 / (1 - at->rate), threshold = at->rate * 0x1p32;
    const uint32_t key[2] = {(uint32_t)at->seed, (uint32_t)(at->seed >> 32)};
    const uint64_t blocks = (uint64_t)(n + 3) / 4, first = (uint64_t)row * blocks;
    uint32_t bits[4];
    for (int64_t i = 0; i < n; i++) {
        uint64_t block = first + (uint64_t)i / 4;
        if (i % 4 == 0)
            tl_philox(key,
                      (const uint32_t[4]){(uint32_t)block, (uint32_t)(block >> 32), (uint32_t)at->stream,
                                          (uint32_t)(at->stream >> 32)},
                      bits);
        double factor = (double)bits[i % 4] < threshold ? 0 : kept;
        if (dtype == TL_F32)
            ((float *)factors)[i] = (float)factor;
        else
            ((double *)factors)[i] = factor;
    }
}

static tl_status apply_factors(const tl_op_call *call, tl_tensor out, tl_tensor in)
{
    const dropout_attributes *at = call->attributes;
    if (out.shape.rank == 0) {
        out = tl_tensor_unsqueeze(out, 0);
        in = tl_tensor_unsqueeze(in, 0);
    }
    if (out.shape.dims[0] == 0)
        return TL_OK;
    tl_tensor factors = tl_scratch_tensor(call, out.dtype, tl_tensor_select(out, 0, 0).shape);
    if (!factors.storage)
        return TL_ERROR_MEMORY;
    for (int64_t i = 0; i < out.shape.dims[0]; i++) {
        draw_row(at, at->first_row + i, tl_tensor_count(factors), out.dtype, tl_address(factors));
        tl_compute_map(TL_MAP_MUL, tl_tensor_select(out, 0, i), tl_tensor_select(in, 0, i), factors, NULL);
    }
    return TL_OK;
}

static tl_status forward(const tl_op_call *call)
{
    return apply_factors(call, call->output, *call->inputs[0]);
}

static tl_status backward(const tl_op_call *call)
{
    return apply_factors(call, call->grad_inputs[0], call->grad_output);
}

#define DROPOUT(name_, rate_, ...)                                                                           \
    {                                                                                                        \
        .name = name_, .count = 1, .inputs = {{__VA_ARGS__}},                                                \
        .attributes = &(const dropout_attributes){rate_, 7, 3, 5},                                           \
        .attribute_bytes = sizeof(dropout_attributes)                                                        \
    }
static const tl_op_case cases[] = {
    DROPOUT("matrix", 0.5, .shape = {2, {3, 7}}),
    DROPOUT("sequence", 0.2, .shape = {3, {2, 3, 4}}),
    DROPOUT("scalar", 0.5, .shape = {0}),
    DROPOUT("zero size", 0.5, .shape = {2, {0, 3}}),
    DROPOUT("transposed", 0.5, .shape = {2, {3, 5}}, .layout = TL_SAMPLE_TRANSPOSED),
};

static const tl_op dropout = {.name = "dropout",
                              .inputs = 1,
                              .infer = tl_infer_same,
                              .forward = forward,
                              .backward = backward,
                              .reads = TL_READS_NOTHING,
                              .strided = true,
                              .cases = cases,
                              .case_count = TL_COUNT(cases)};

const tl_op *const tl_dropout_ops[] = {&dropout, NULL};

tl_var *tl_dropout(tl_var *x, double rate)
{
    enum { STREAM = 0xD0 }; /* the top byte keeps these draws apart from all others */
    if (!x)
        return NULL;
    if (!(rate >= 0 && rate < 1)) {
        tl_error(TL_ERROR_ARGUMENT, "dropout: rate %g, expected 0 <= rate < 1", rate);
        return NULL;
    }
    tl_tape *tape = x->tape;
    uint64_t ordinal = tape->dropouts++;
    if (!tape->trains || rate == 0)
        return x;
    dropout_attributes attributes;
    memset(&attributes, 0, sizeof attributes);
    attributes.rate = rate;
    attributes.seed = tape->seed;
    attributes.stream = ((uint64_t)STREAM << 56) + (ordinal << 40) + (tape->step & 0xFFFFFFFFFFu);
    attributes.first_row = tape->first_row;
    tl_var *dropped = tl_apply1(&dropout, x, &attributes, sizeof attributes);
    if (dropped)
        dropped->mask = x->mask;
    return dropped;
}
