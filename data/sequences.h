/* Sequences of different lengths, brought to one: Keras's pad_sequences. Rests on tensor.h. */
#ifndef TL_DATA_SEQUENCES_H
#define TL_DATA_SEQUENCES_H

#include "../tensor/tensor.h"

/* Some indices, which somebody else owns. */
typedef struct tl_sequence {
    const int32_t *ids;
    int64_t length;
} tl_sequence;

typedef enum tl_side {
    TL_PRE = 0, /* at the front */
    TL_POST     /* at the end */
} tl_side;

typedef struct tl_pad_options {
    size_t size; /* of this struct; the macro below fills it in */
    const tl_sequence *sequences;
    int64_t count;      /* of sequences */
    int64_t maxlen;     /* the length to bring them to; 0: that of the longest */
    tl_side padding;    /* where shorter ones are filled up */
    tl_side truncating; /* where longer ones are cut */
    int32_t value;      /* what to fill up with */
} tl_pad_options;

/* A new i32 tensor [count, maxlen], one sequence a row: tl_pad_sequences(sequences, count, .maxlen = 500).
 * An empty tensor with the error set if an option is out of range, a sequence has a length but no ids, or
 * memory is short. The sequences may go afterwards; the caller frees the tensor. Thread-safe. */
#define tl_pad_sequences(...)                                                                                \
    tl_pad_sequences_with(&(tl_pad_options){.size = sizeof(tl_pad_options), .sequences = __VA_ARGS__})
TL_API tl_tensor tl_pad_sequences_with(const tl_pad_options *options);

#endif
