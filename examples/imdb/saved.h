/* A trained sentiment model as one thing: network, vocabulary and configuration, in memory and in a file. */
#ifndef IMDB_SAVED_H
#define IMDB_SAVED_H

#include <tapeloop.h>

enum {
    MOST_MAXLEN = 1 << 20, /* more than that is not a model but a mistake, or a damaged file */
    MOST_UNITS = 4096
};

/* What may be taken of a SimpleRNN's outputs: "none" (the last), "average", "max"; ended by NULL. */
extern const char *const poolings[];

/* What the network looks like. */
typedef struct network {
    int64_t maxlen, embedding, units;
    int mask, bidirectional, normalize;
    const char *pooling; /* one of poolings */
    double dropout;      /* while it is trained, as the rest */
    double recurrent_dropout;
    tl_initializer initializer;
} network;

typedef struct sentiment {
    network network;
    tl_model *model;
    tl_vocabulary *own_vocabulary;   /* of a loaded model; NULL for one that was just trained */
    const tl_vocabulary *vocabulary; /* the words it knows */
} sentiment;

/* Makes the model for network and vocabulary: Embedding -> SimpleRNN -> Dense(1, sigmoid), built. */
tl_status build_model(sentiment *s, tl_optimizer *optimizer, uint64_t seed);

/* Writes the model to a safetensors file; vocabulary and configuration are JSON in its metadata. */
tl_status save_sentiment(const sentiment *s, const char *path);

/* Reads it back; the caller frees it, even when this fails. */
tl_status load_sentiment(sentiment *s, const char *path);
void free_sentiment(sentiment *s);

/* An error if a text is no review: without words, or not UTF-8. `name` is what messages call it. */
tl_status check_review(const char *text, const char *name);

/* The probability that a review is positive. */
tl_status judge(const sentiment *s, const char *text, const char *name, double *probability);

#endif
