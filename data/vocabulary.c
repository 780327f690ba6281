#include "data/vocabulary_internal.h"
#include "data/text.h"
#include "tensor/dictionary_internal.h"
#include "tensor/memory_internal.h"
#include "tensor/options_internal.h"

#include <stdlib.h>
#include <string.h>

static const char *const reserved[] = {
    [TL_INDEX_PAD] = "<pad>",
    [TL_INDEX_START] = "<start>",
    [TL_INDEX_UNKNOWN] = "<unknown>",
    [TL_INDEX_FROM] = "<unused>",
};

enum { FIRST_INDEX = TL_INDEX_FROM + 1 };

struct tl_vocabulary {
    tl_dictionary *words; /* word -> index, in the order of ranks */
    int64_t skip_top;
};

tl_status tl_vocabulary_check(const char *what, int64_t num_words, int64_t skip_top)
{
    if (num_words != 0 && (num_words <= FIRST_INDEX || num_words > INT32_MAX))
        return tl_error(TL_ERROR_ARGUMENT, "%s: num_words %lld, expected %d to %d, or 0 for no limit", what,
                        (long long)num_words, FIRST_INDEX + 1, INT32_MAX);
    if (skip_top < 0)
        return tl_error(TL_ERROR_ARGUMENT, "%s: skip_top %lld, expected 0 or more", what,
                        (long long)skip_top);
    return TL_OK;
}

/* Reads and checks the options of either constructor. */
static tl_status read_options(const tl_vocabulary_options *given, tl_vocabulary_options *options)
{
    tl_options_read(options, sizeof *options, given);
    if (options->count < 0 || (options->count > 0 && !options->strings))
        return tl_error(TL_ERROR_ARGUMENT, "vocabulary: %lld strings at %p", (long long)options->count,
                        (const void *)options->strings);
    return tl_vocabulary_check("vocabulary", options->num_words, options->skip_top);
}

static tl_status check_string(const char *text, int64_t number)
{
    if (!text)
        return tl_error(TL_ERROR_ARGUMENT, "vocabulary: string %lld is NULL", (long long)number);
    int64_t bad = tl_utf8_check(text, strlen(text));
    if (bad < 0)
        return TL_OK;
    return tl_error(TL_ERROR_FORMAT, "vocabulary: string %lld is not UTF-8 at byte %lld", (long long)number,
                    (long long)bad);
}

static tl_vocabulary *new_vocabulary(int64_t skip_top)
{
    tl_vocabulary *vocabulary = tl_allocate(sizeof *vocabulary);
    if (!vocabulary)
        return NULL;
    vocabulary->skip_top = skip_top;
    vocabulary->words = tl_dictionary_new();
    if (!vocabulary->words) {
        tl_vocabulary_free(vocabulary);
        return NULL;
    }
    return vocabulary;
}

void tl_vocabulary_free(tl_vocabulary *vocabulary)
{
    if (!vocabulary)
        return;
    tl_dictionary_free(vocabulary->words);
    tl_release(vocabulary);
}

/* How many of `count` words have an index below num_words. */
static int64_t words_kept(int64_t count, int64_t num_words)
{
    int64_t most = (num_words ? num_words : INT32_MAX) - FIRST_INDEX;
    return count < most ? count : most;
}

/* Gives `word` the next rank. */
static tl_status append(tl_vocabulary *vocabulary, const char *word)
{
    return tl_dictionary_put(vocabulary->words, word, tl_vocabulary_limit(vocabulary));
}

typedef struct tally {
    int64_t place; /* in the dictionary that counts, which is the order of first sight */
    int64_t times;
} tally;

static int by_frequency(const void *left, const void *right)
{
    const tally *a = left, *b = right;
    if (a->times != b->times)
        return a->times > b->times ? -1 : 1;
    return a->place < b->place ? -1 : 1;
}

static tl_status count_words(tl_dictionary *counts, const char *text)
{
    tl_words words = tl_words_of(text);
    for (const char *word; (word = tl_words_next(&words)) != NULL;)
        if (tl_dictionary_add(counts, word, 1) != TL_OK)
            return tl_error_status();
    return TL_OK;
}

static tl_status append_by_frequency(tl_vocabulary *vocabulary, const tl_dictionary *counts,
                                     int64_t num_words)
{
    int64_t count = tl_dictionary_count(counts), kept = words_kept(count, num_words);
    tally *tallies = tl_allocate_raw((size_t)count * sizeof *tallies);
    if (!tallies)
        return TL_ERROR_MEMORY;
    for (int64_t i = 0; i < count; i++)
        tallies[i] = (tally){.place = i, .times = tl_dictionary_value(counts, i)};
    qsort(tallies, (size_t)count, sizeof *tallies, by_frequency);
    tl_status status = TL_OK;
    for (int64_t i = 0; i < kept && status == TL_OK; i++)
        status = append(vocabulary, tl_dictionary_word(counts, tallies[i].place));
    tl_release(tallies);
    return status;
}

tl_vocabulary *tl_vocabulary_from_texts_with(const tl_vocabulary_options *given)
{
    tl_vocabulary_options options;
    if (read_options(given, &options) != TL_OK)
        return NULL;
    tl_vocabulary *vocabulary = new_vocabulary(options.skip_top);
    tl_dictionary *counts = vocabulary ? tl_dictionary_new() : NULL;
    tl_status status = counts ? TL_OK : TL_ERROR_MEMORY;
    for (int64_t i = 0; i < options.count && status == TL_OK; i++) {
        status = check_string(options.strings[i], i);
        if (status == TL_OK)
            status = count_words(counts, options.strings[i]);
    }
    if (status == TL_OK)
        status = append_by_frequency(vocabulary, counts, options.num_words);
    tl_dictionary_free(counts);
    if (status == TL_OK)
        return vocabulary;
    tl_vocabulary_free(vocabulary);
    return NULL;
}

static tl_status append_new(tl_vocabulary *vocabulary, const char *word, int64_t number)
{
    tl_status status = check_string(word, number);
    if (status != TL_OK)
        return status;
    if (!*word)
        return tl_error(TL_ERROR_ARGUMENT, "vocabulary: word %lld is empty", (long long)number);
    int64_t before = tl_dictionary_find(vocabulary->words, word);
    if (before >= 0)
        return tl_error(TL_ERROR_ARGUMENT, "vocabulary: word %lld, \"%s\", is word %lld again",
                        (long long)number, word, (long long)before);
    return append(vocabulary, word);
}

tl_vocabulary *tl_vocabulary_from_words_with(const tl_vocabulary_options *given)
{
    tl_vocabulary_options options;
    if (read_options(given, &options) != TL_OK)
        return NULL;
    tl_vocabulary *vocabulary = new_vocabulary(options.skip_top);
    tl_status status = vocabulary ? TL_OK : TL_ERROR_MEMORY;
    int64_t kept = words_kept(options.count, options.num_words);
    for (int64_t i = 0; i < kept && status == TL_OK; i++)
        status = append_new(vocabulary, options.strings[i], i);
    if (status == TL_OK)
        return vocabulary;
    tl_vocabulary_free(vocabulary);
    return NULL;
}

int64_t tl_vocabulary_size(const tl_vocabulary *vocabulary)
{
    return vocabulary ? tl_dictionary_count(vocabulary->words) : 0;
}

int64_t tl_vocabulary_skip_top(const tl_vocabulary *vocabulary)
{
    return vocabulary ? vocabulary->skip_top : 0;
}

int64_t tl_vocabulary_limit(const tl_vocabulary *vocabulary)
{
    return vocabulary ? tl_dictionary_count(vocabulary->words) + FIRST_INDEX : 0;
}

const char *tl_vocabulary_word(const tl_vocabulary *vocabulary, int64_t rank)
{
    if (!vocabulary)
        return NULL;
    int64_t size = tl_vocabulary_size(vocabulary);
    if (rank >= 1 && rank <= size)
        return tl_dictionary_word(vocabulary->words, rank - 1);
    tl_error(TL_ERROR_RANGE, "vocabulary: rank %lld, expected 1 to %lld", (long long)rank, (long long)size);
    return NULL;
}

const char *tl_vocabulary_word_of(const tl_vocabulary *vocabulary, int64_t index)
{
    if (!vocabulary)
        return NULL;
    if (index >= 0 && index < FIRST_INDEX)
        return reserved[index];
    int64_t limit = tl_vocabulary_limit(vocabulary);
    if (index >= FIRST_INDEX && index < limit)
        return tl_vocabulary_word(vocabulary, index - TL_INDEX_FROM);
    tl_error(TL_ERROR_RANGE, "vocabulary: index %lld, expected 0 to %lld", (long long)index,
             (long long)limit - 1);
    return NULL;
}

int64_t tl_vocabulary_index_of(const tl_vocabulary *vocabulary, const char *word)
{
    if (!vocabulary || !word)
        return TL_INDEX_UNKNOWN;
    int64_t index = tl_dictionary_get(vocabulary->words, word, TL_INDEX_UNKNOWN);
    return index < vocabulary->skip_top ? TL_INDEX_UNKNOWN : index;
}

int64_t tl_vocabulary_encode(const tl_vocabulary *vocabulary, const char *text, int32_t *ids,
                             int64_t capacity)
{
    if (!vocabulary || !text)
        return -1;
    int64_t bad = tl_utf8_check(text, strlen(text));
    if (bad >= 0) {
        tl_error(TL_ERROR_FORMAT, "encode: the text is not UTF-8 at byte %lld", (long long)bad);
        return -1;
    }
    int64_t count = 0;
    if (count < capacity)
        ids[count] = TL_INDEX_START;
    count++;
    tl_words words = tl_words_of(text);
    for (const char *word; (word = tl_words_next(&words)) != NULL; count++)
        if (count < capacity)
            ids[count] = (int32_t)tl_vocabulary_index_of(vocabulary, word);
    return count;
}

/* Puts `piece` at byte `at` of a text with room for `size`; returns where it ends, there or not. */
static size_t put(char *text, size_t size, size_t at, const char *piece)
{
    size_t length = strlen(piece);
    if (at + 1 < size) {
        size_t room = size - at - 1, part = length < room ? length : room;
        memcpy(text + at, piece, part);
        text[at + part] = '\0';
    }
    return at + length;
}

int64_t tl_vocabulary_decode(const tl_vocabulary *vocabulary, const int32_t *ids, int64_t count, char *text,
                             size_t size)
{
    if (!vocabulary || (!ids && count > 0))
        return -1;
    if (size > 0)
        text[0] = '\0';
    size_t length = 0;
    for (int64_t i = 0; i < count; i++) {
        if (ids[i] == TL_INDEX_PAD || ids[i] == TL_INDEX_START)
            continue;
        const char *word = tl_vocabulary_word_of(vocabulary, ids[i]);
        if (!word)
            return -1;
        length = put(text, size, length, length ? " " : "");
        length = put(text, size, length, word);
    }
    return (int64_t)length;
}
