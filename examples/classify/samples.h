/* From sequences to what a network takes: their order, the scale of their features, and tensors in which
 * shorter ones are padded. */
#ifndef CLASSIFY_SAMPLES_H
#define CLASSIFY_SAMPLES_H

#include "sequences.h"

/* An order of all sequences, drawn by the seed, in which every stretch has its share of both labels, so that
 * it can be cut anywhere. The caller frees it with free; NULL with the error set. */
int64_t *mixed_order(const sequences *s, uint64_t seed);

/* Some sequences: order[0] to order[count - 1]. */
typedef struct selection {
    const sequences *from;
    const int64_t *order; /* NULL: as they are */
    int64_t count;
} selection;

/* An error unless both labels are among them. `what` names them in messages: "the test part". */
tl_status check_labels(const selection *some, const char *what);

/* (value - mean) / deviation for each feature. */
typedef struct scaling {
    int64_t width;
    double *means, *deviations;
} scaling;

/* Mean and standard deviation of each feature over all steps of some sequences; a feature that does not vary
 * has a deviation of 1. free_scaling even when these fail. */
tl_status make_scaling(scaling *to, int64_t width);
tl_status find_scaling(scaling *to, const selection *some);
void free_scaling(scaling *to);

/* Scales all sequences in place. Features that are more than MOST deviations from the mean are refused: they
 * are mistakes, and so PADDING, which is farther away, is never taken for a step. */
enum { MOST = 1000000, PADDING = -2 * MOST };
tl_status scale(const sequences *s, const scaling *by);

/* How sequences are brought to one length. */
typedef struct padding {
    int64_t steps; /* 0: as many as the longest has */
    bool in_front; /* else behind */
} padding;

/* x f32 [count, steps, width], with steps of nothing but PADDING where there are no others, and y f32
 * [count]. Empty with the error set. The caller frees it with tl_dataset_free. */
tl_dataset pad(const selection *some, const padding *p);

#endif
