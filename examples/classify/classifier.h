/* The network, Masking -> SimpleRNN -> Dense(1, sigmoid), with what it takes to feed it: in memory and in a
 * file. */
#ifndef CLASSIFY_CLASSIFIER_H
#define CLASSIFY_CLASSIFIER_H

#include "samples.h"

typedef struct classifier {
    int units;
    tl_loss loss;
    json_t *features; /* their names */
    scaling scaling;
    uint64_t seed;     /* of the order of sequences, the last of which it was tested on, */
    double test_split; /* this share */
    int64_t sequences; /* of so many in all */
    tl_model *model;
} classifier;

/* Makes the model for loss, units and features, built for sequences of any length. */
tl_status build_classifier(classifier *c, tl_optimizer *optimizer);

/* free_classifier even when loading fails. */
tl_status save_classifier(const classifier *c, const char *path);
tl_status load_classifier(classifier *c, const char *path);
void free_classifier(classifier *c);

#endif
