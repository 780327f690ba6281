#include "data/sequences.h"
#include "tensor/options_internal.h"

#include <string.h>

static const tl_tensor none;

static bool is_side(tl_side side)
{
    return side == TL_PRE || side == TL_POST;
}

static tl_status check(const tl_pad_options *options)
{
    if (options->count < 0 || (options->count > 0 && !options->sequences))
        return tl_error(TL_ERROR_ARGUMENT, "pad_sequences: %lld sequences at %p", (long long)options->count,
                        (const void *)options->sequences);
    if (options->maxlen < 0)
        return tl_error(TL_ERROR_ARGUMENT,
                        "pad_sequences: maxlen %lld, expected 1 or more, or 0 for the longest",
                        (long long)options->maxlen);
    if (!is_side(options->padding) || !is_side(options->truncating))
        return tl_error(TL_ERROR_ARGUMENT,
                        "pad_sequences: padding %d, truncating %d, expected TL_PRE or TL_POST",
                        (int)options->padding, (int)options->truncating);
    for (int64_t i = 0; i < options->count; i++) {
        tl_sequence row = options->sequences[i];
        if (row.length < 0 || (row.length > 0 && !row.ids))
            return tl_error(TL_ERROR_ARGUMENT, "pad_sequences: sequence %lld has %lld ids at %p",
                            (long long)i, (long long)row.length, (const void *)row.ids);
    }
    return TL_OK;
}

static int64_t longest(const tl_pad_options *options)
{
    int64_t most = 0;
    for (int64_t i = 0; i < options->count; i++)
        most = options->sequences[i].length > most ? options->sequences[i].length : most;
    return most;
}

static void fill(int32_t *out, int64_t count, int32_t value)
{
    for (int64_t i = 0; i < count; i++)
        out[i] = value;
}

/* One sequence into `out`, which has `width` places. */
static void place(tl_sequence row, int32_t *out, int64_t width, const tl_pad_options *options)
{
    int64_t kept = row.length < width ? row.length : width;
    int64_t from = options->truncating == TL_PRE ? row.length - kept : 0;
    int64_t at = options->padding == TL_PRE ? width - kept : 0;
    fill(out, at, options->value);
    if (kept > 0)
        memcpy(out + at, row.ids + from, (size_t)kept * sizeof *out);
    fill(out + at + kept, width - at - kept, options->value);
}

tl_tensor tl_pad_sequences_with(const tl_pad_options *given)
{
    tl_pad_options options;
    tl_options_read(&options, sizeof options, given);
    if (check(&options) != TL_OK)
        return none;
    int64_t width = options.maxlen ? options.maxlen : longest(&options);
    tl_tensor padded = tl_tensor_new(TL_I32, tl_shape(options.count, width));
    int32_t *out = tl_data_mut(padded);
    for (int64_t i = 0; out && i < options.count; i++)
        place(options.sequences[i], out + i * width, width, &options);
    return padded;
}
