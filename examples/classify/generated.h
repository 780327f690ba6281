/* Sequences for when there are none: noise in which two events take place, one each, a rise of the first half
 * of the features at one step, and of the second half at another. The label is 1 if the first half's event
 * comes first.
 *
 * A bag of steps cannot tell. Exchange the two steps with the events: the sequence has the same steps as
 * before, was as likely to be drawn, as length, places and noise do not depend on the label, and has the
 * other label. So whoever knows a sequence's steps, but not their order, is right half of the time.
 */
#ifndef CLASSIFY_GENERATED_H
#define CLASSIFY_GENERATED_H

#include "sequences.h"

typedef struct design {
    int64_t count; /* of sequences */
    int64_t time;  /* the longest; the shortest have a quarter of it, and at least 2 steps */
    int64_t width; /* features, at least 2 */
    uint64_t seed;
} design;

/* Sequence i is a function of the seed, time, width and i. Values have three decimals, so that a file holds
 * them exactly. free_sequences even when this fails. */
tl_status generate_sequences(sequences *s, const design *d);

#endif
