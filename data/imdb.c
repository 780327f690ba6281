#include "data/imdb.h"
#include "data/reviews_internal.h"
#include "data/sequences.h"
#include "data/text.h"
#include "data/unpack_internal.h"
#include "data/vocabulary_internal.h"
#include "tensor/arena.h"
#include "tensor/memory_internal.h"
#include "tensor/options_internal.h"
#include "tensor/random.h"

#include <stdio.h>
#include <string.h>

enum { TRAIN = 0, TEST, SPLITS };

/* Streams of random numbers that nothing else draws from. */
static const uint64_t shuffle_streams[SPLITS] = {0x696D646200, 0x696D646201};

static const tl_dataset none;

struct tl_imdb {
    tl_vocabulary *own; /* NULL if the vocabulary came by an option */
    const tl_vocabulary *vocabulary;
    tl_tensor x[SPLITS], y[SPLITS];
};

/* A split on its way to tensors. */
typedef struct split {
    int64_t count;
    const tl_review **reviews; /* in the order given ... */
    int64_t *order;            /* ... and shuffled: row i is review order[i] */
    tl_sequence *rows;
} split;

typedef struct builder {
    const char *source; /* for messages */
    const tl_imdb_options *options;
    tl_arena *arena;
    split splits[SPLITS];
    size_t longest; /* text, in bytes */
    size_t bytes;   /* of all texts */
    tl_imdb *imdb;
} builder;

static tl_status check_options(const tl_imdb_options *options)
{
    if (options->pad_to < 0)
        return tl_error(TL_ERROR_ARGUMENT,
                        "imdb: pad_to %lld, expected 1 or more, or 0 for the longest review",
                        (long long)options->pad_to);
    if (options->vocabulary && (options->num_words || options->skip_top))
        return tl_error(TL_ERROR_ARGUMENT,
                        "imdb: num_words %lld, skip_top %lld: a vocabulary that is given settles these",
                        (long long)options->num_words, (long long)options->skip_top);
    return tl_vocabulary_check("imdb", options->num_words, options->skip_top);
}

static tl_status check_review(builder *b, const tl_review *review, int64_t number)
{
    char numbered[32];
    snprintf(numbered, sizeof numbered, "review %lld", (long long)number);
    const char *name = review->name ? review->name : numbered;
    if (!review->text)
        return tl_error(TL_ERROR_ARGUMENT, "imdb: %s: %s has no text", b->source, name);
    size_t length = strlen(review->text);
    int64_t bad = tl_utf8_check(review->text, length);
    if (bad >= 0)
        return tl_error(TL_ERROR_FORMAT, "imdb: %s: %s is not UTF-8 at byte %lld", b->source, name,
                        (long long)bad);
    if (tl_text_is_blank(review->text))
        return tl_error(TL_ERROR_FORMAT, "imdb: %s: %s is empty", b->source, name);
    b->longest = length > b->longest ? length : b->longest;
    b->bytes += length;
    return TL_OK;
}

/* Checks the reviews one by one, and that both splits have both classes. */
static tl_status check_reviews(builder *b, const tl_review *reviews, int64_t count)
{
    static const char *const names[SPLITS][2] = {{"negative training", "positive training"},
                                                 {"negative test", "positive test"}};
    int64_t counts[SPLITS][2] = {{0}};
    if (count == 0)
        return tl_error(TL_ERROR_FORMAT, "imdb: %s: no labelled reviews found", b->source);
    for (int64_t i = 0; i < count; i++) {
        tl_status status = check_review(b, &reviews[i], i);
        if (status != TL_OK)
            return status;
        counts[reviews[i].test][reviews[i].positive]++;
    }
    for (int s = 0; s < SPLITS; s++) {
        b->splits[s].count = counts[s][0] + counts[s][1];
        for (int class = 0; class < 2; class ++)
            if (counts[s][class] == 0)
                return tl_error(TL_ERROR_FORMAT, "imdb: %s: no %s reviews among %lld", b->source,
                                names[s][class], (long long)count);
    }
    return TL_OK;
}

static tl_status divide(builder *b, const tl_review *reviews, int64_t count)
{
    for (int s = 0; s < SPLITS; s++) {
        split *part = &b->splits[s];
        size_t size = (size_t)part->count;
        part->reviews = tl_arena_take(b->arena, size * sizeof *part->reviews);
        part->order = tl_arena_take(b->arena, size * sizeof *part->order);
        part->rows = tl_arena_take(b->arena, size * sizeof *part->rows);
        if (!part->reviews || !part->order || !part->rows)
            return TL_ERROR_MEMORY;
        tl_random_permutation(b->options->seed, shuffle_streams[s], part->count, part->order);
    }
    int64_t filled[SPLITS] = {0};
    for (int64_t i = 0; i < count; i++) {
        int s = reviews[i].test ? TEST : TRAIN;
        b->splits[s].reviews[filled[s]++] = &reviews[i];
    }
    return TL_OK;
}

/* Made from the reviews in the order given, which keeps it independent of the seed. */
static tl_status make_vocabulary(builder *b)
{
    const tl_imdb_options *options = b->options;
    const split *train = &b->splits[TRAIN];
    if (!options->vocabulary) {
        const char **texts = tl_arena_take(b->arena, (size_t)train->count * sizeof *texts);
        if (!texts)
            return TL_ERROR_MEMORY;
        for (int64_t i = 0; i < train->count; i++)
            texts[i] = train->reviews[i]->text;
        b->imdb->own = tl_vocabulary_from_texts(texts, train->count, .num_words = options->num_words,
                                                .skip_top = options->skip_top);
        if (!b->imdb->own)
            return tl_error_status();
    }
    b->imdb->vocabulary = options->vocabulary ? options->vocabulary : b->imdb->own;
    return TL_OK;
}

/* Encodes the reviews of a split in shuffled order; `scratch` has room for the longest. */
static tl_status encode(builder *b, split *part, int32_t *scratch, int64_t room)
{
    for (int64_t i = 0; i < part->count; i++) {
        const char *text = part->reviews[part->order[i]]->text;
        int64_t length = tl_vocabulary_encode(b->imdb->vocabulary, text, scratch, room);
        if (length < 0)
            return tl_error_status();
        int32_t *ids = tl_arena_take(b->arena, (size_t)length * sizeof *ids);
        if (!ids)
            return TL_ERROR_MEMORY;
        memcpy(ids, scratch, (size_t)length * sizeof *ids);
        part->rows[i] = (tl_sequence){.ids = ids, .length = length};
    }
    return TL_OK;
}

static tl_status encode_all(builder *b)
{
    int64_t room = (int64_t)b->longest / 2 + 2; /* a word and its separator take two bytes or more */
    int32_t *scratch = tl_arena_take(b->arena, (size_t)room * sizeof *scratch);
    tl_status status = scratch ? TL_OK : TL_ERROR_MEMORY;
    for (int s = 0; s < SPLITS && status == TL_OK; s++)
        status = encode(b, &b->splits[s], scratch, room);
    return status;
}

static int64_t longest_row(const builder *b)
{
    int64_t longest = 0;
    for (int s = 0; s < SPLITS; s++)
        for (int64_t i = 0; i < b->splits[s].count; i++)
            if (b->splits[s].rows[i].length > longest)
                longest = b->splits[s].rows[i].length;
    return longest;
}

/* One review that is long makes all rows long, unless the caller says how long they are. */
static tl_status check_width(const builder *b, int64_t width)
{
    int64_t rows = b->splits[TRAIN].count + b->splits[TEST].count;
    int64_t most = tl_unpack_most((int64_t)b->bytes) / (int64_t)sizeof(int32_t);
    if (b->options->pad_to || width <= most / rows)
        return TL_OK;
    return tl_error(TL_ERROR_FORMAT,
                    "imdb: %s: one of %lld reviews has %lld words, and rows of that length take over 64 MiB "
                    "and 100 times the text: give pad_to",
                    b->source, (long long)rows, (long long)width);
}

static tl_status make_tensors(builder *b)
{
    int64_t width = b->options->pad_to ? b->options->pad_to : longest_row(b);
    if (check_width(b, width) != TL_OK)
        return tl_error_status();
    for (int s = 0; s < SPLITS; s++) {
        const split *part = &b->splits[s];
        b->imdb->x[s] = tl_pad_sequences(part->rows, part->count, .maxlen = width);
        b->imdb->y[s] = tl_tensor_new(TL_F32, tl_shape(part->count, 1));
        float *labels = tl_data_mut(b->imdb->y[s]);
        if (!tl_tensor_ok(b->imdb->x[s]) || !labels)
            return tl_error_status();
        for (int64_t i = 0; i < part->count; i++)
            labels[i] = part->reviews[part->order[i]]->positive ? 1.0f : 0.0f;
    }
    return TL_OK;
}

static tl_imdb *build(const char *source, const tl_imdb_options *options, tl_arena *arena,
                      const tl_review *reviews, int64_t count)
{
    builder b = {.source = source, .options = options, .arena = arena};
    b.imdb = tl_allocate(sizeof *b.imdb);
    tl_status status = b.imdb ? check_reviews(&b, reviews, count) : TL_ERROR_MEMORY;
    if (status == TL_OK)
        status = divide(&b, reviews, count);
    if (status == TL_OK)
        status = make_vocabulary(&b);
    if (status == TL_OK)
        status = encode_all(&b);
    if (status == TL_OK)
        status = make_tensors(&b);
    if (status == TL_OK)
        return b.imdb;
    tl_imdb_free(b.imdb);
    return NULL;
}

tl_imdb *tl_imdb_load_with(const tl_imdb_options *given)
{
    tl_imdb_options options;
    tl_options_read(&options, sizeof options, given);
    if (check_options(&options) != TL_OK)
        return NULL;
    if (!options.path) {
        tl_error(TL_ERROR_ARGUMENT, "imdb: no path given");
        return NULL;
    }
    tl_arena *arena = tl_arena_new(0);
    tl_review *reviews;
    int64_t count;
    tl_imdb *imdb = NULL;
    if (arena && tl_reviews_read(options.path, arena, &reviews, &count) == TL_OK)
        imdb = build(options.path, &options, arena, reviews, count);
    tl_arena_free(arena);
    return imdb;
}

tl_imdb *tl_imdb_from_reviews_with(const tl_imdb_options *given)
{
    tl_imdb_options options;
    tl_options_read(&options, sizeof options, given);
    if (check_options(&options) != TL_OK)
        return NULL;
    if (options.count < 0 || (options.count > 0 && !options.reviews)) {
        tl_error(TL_ERROR_ARGUMENT, "imdb: %lld reviews at %p", (long long)options.count,
                 (const void *)options.reviews);
        return NULL;
    }
    tl_arena *arena = tl_arena_new(0);
    if (!arena)
        return NULL;
    tl_imdb *imdb = build("reviews", &options, arena, options.reviews, options.count);
    tl_arena_free(arena);
    return imdb;
}

void tl_imdb_free(tl_imdb *imdb)
{
    if (!imdb)
        return;
    for (int s = 0; s < SPLITS; s++) {
        tl_tensor_free(&imdb->x[s]);
        tl_tensor_free(&imdb->y[s]);
    }
    tl_vocabulary_free(imdb->own);
    tl_release(imdb);
}

tl_dataset tl_imdb_train(const tl_imdb *imdb)
{
    return imdb ? tl_dataset_of(imdb->x[TRAIN], imdb->y[TRAIN]) : none;
}

tl_dataset tl_imdb_test(const tl_imdb *imdb)
{
    return imdb ? tl_dataset_of(imdb->x[TEST], imdb->y[TEST]) : none;
}

const tl_vocabulary *tl_imdb_vocabulary(const tl_imdb *imdb)
{
    return imdb ? imdb->vocabulary : NULL;
}
