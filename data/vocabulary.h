/* Vocabularies: the words of a set of texts, numbered by how often they occur. Rests on text.h, which says
 * what a word is.
 *
 * The numbers are those of Keras's imdb.load_data. The most frequent word has rank 1; among equally frequent
 * words the one seen first comes first. A word's index is its rank + 3 (TL_INDEX_FROM), so the most
 * frequent word is 4; below are 0 for padding, 1 for the start of a text, 2 for unknown words, and 3, which
 * stays unused. With num_words, indices from there on are cut: with 10000, the words kept are those of rank
 * 1 to 9996, and all others are unknown. With skip_top, words whose index is below that are unknown too.
 *
 * A vocabulary never changes once made: every function but tl_vocabulary_free is thread-safe. Given NULL for
 * a vocabulary, functions fail and leave the message as it is.
 */
#ifndef TL_DATA_VOCABULARY_H
#define TL_DATA_VOCABULARY_H

#include "../tensor/error.h"

#include <stddef.h>
#include <stdint.h>

enum { TL_INDEX_PAD = 0, TL_INDEX_START = 1, TL_INDEX_UNKNOWN = 2, TL_INDEX_FROM = 3 };

typedef struct tl_vocabulary tl_vocabulary;

typedef struct tl_vocabulary_options {
    size_t size;                /* of this struct; the macros below fill it in */
    const char *const *strings; /* the texts or words */
    int64_t count;              /* of strings */
    int64_t num_words;          /* indices stay below; at least 5, which leaves one word; 0: no limit */
    int64_t skip_top;           /* words with an index below count as unknown; 0: none do */
} tl_vocabulary_options;

/* The vocabulary of some texts: tl_vocabulary_from_texts(texts, count, .num_words = 10000). NULL with the
 * error set if an option is out of range, a text is not UTF-8 or memory is short. The texts may go
 * afterwards; the caller frees the vocabulary. */
#define tl_vocabulary_from_texts(...)                                                                        \
    tl_vocabulary_from_texts_with(                                                                           \
        &(tl_vocabulary_options){.size = sizeof(tl_vocabulary_options), .strings = __VA_ARGS__})
TL_API tl_vocabulary *tl_vocabulary_from_texts_with(const tl_vocabulary_options *options);

/* The vocabulary with these words, the first of rank 1: tl_vocabulary_from_words(words, count). What
 * tl_vocabulary_word gives for the ranks 1 to tl_vocabulary_size makes an equal vocabulary, given the same
 * skip_top. Errors and ownership as above; an empty word and one that comes twice are errors as well. */
#define tl_vocabulary_from_words(...)                                                                        \
    tl_vocabulary_from_words_with(                                                                           \
        &(tl_vocabulary_options){.size = sizeof(tl_vocabulary_options), .strings = __VA_ARGS__})
TL_API tl_vocabulary *tl_vocabulary_from_words_with(const tl_vocabulary_options *options);

/* Frees a vocabulary. NULL is fine. */
TL_API void tl_vocabulary_free(tl_vocabulary *vocabulary);

/* The number of words kept, and the skip_top it was made with; 0 for NULL. */
TL_API int64_t tl_vocabulary_size(const tl_vocabulary *vocabulary);
TL_API int64_t tl_vocabulary_skip_top(const tl_vocabulary *vocabulary);

/* One more than the largest index that encoding can give: what an embedding needs as its input size. It is
 * tl_vocabulary_size + 4, and num_words itself unless the texts had fewer words; 0 for NULL. */
TL_API int64_t tl_vocabulary_limit(const tl_vocabulary *vocabulary);

/* The word of a rank from 1 to tl_vocabulary_size; NULL with the error set for any other rank. The
 * vocabulary owns it. */
TL_API const char *tl_vocabulary_word(const tl_vocabulary *vocabulary, int64_t rank);

/* The word of an index below tl_vocabulary_limit; "<pad>", "<start>", "<unknown>" and "<unused>" for the
 * indices 0 to 3; NULL with the error set for any other index. The vocabulary owns it. */
TL_API const char *tl_vocabulary_word_of(const tl_vocabulary *vocabulary, int64_t index);

/* The index of a word as tl_words_next gives it (lower case); TL_INDEX_UNKNOWN if it is not known. */
TL_API int64_t tl_vocabulary_index_of(const tl_vocabulary *vocabulary, const char *word);

/* Turns a text into indices, TL_INDEX_START and then one for each word. Returns how many there are and
 * writes the first `capacity` of them to `ids`, so that a call with capacity 0, where ids may be NULL, tells
 * the room needed. -1 with the error set if the text is not UTF-8. */
TL_API int64_t tl_vocabulary_encode(const tl_vocabulary *vocabulary, const char *text, int32_t *ids,
                                    int64_t capacity);

/* Turns `count` indices into words with spaces between; padding and start leave no trace. Returns the
 * length of the text and writes what fits into `size` bytes, a terminating zero included, as snprintf does.
 * -1 with the error set for an index that is not below tl_vocabulary_limit. */
TL_API int64_t tl_vocabulary_decode(const tl_vocabulary *vocabulary, const int32_t *ids, int64_t count,
                                    char *text, size_t size);

#endif
