/* A dictionary: words, of which it keeps copies, and an int64_t for each. Words come back in the order in
 * which they went in, so a place (0 for the first word) is as good a key as the word itself.
 *
 * Meant for the host side (vocabularies, parameter names), never for kernels. Rests on stb_ds, which only
 * dictionary.c knows. Looking things up from many threads is fine; changing one dictionary is for one
 * thread at a time. */
#ifndef TL_TENSOR_DICTIONARY_INTERNAL_H
#define TL_TENSOR_DICTIONARY_INTERNAL_H

#include "tensor/error.h"

#include <stdint.h>

typedef struct tl_dictionary tl_dictionary;

/* An empty dictionary, or NULL with the error set. The caller frees it. */
tl_dictionary *tl_dictionary_new(void);

/* Frees the dictionary and its words. NULL is fine. */
void tl_dictionary_free(tl_dictionary *dictionary);

/* The number of words. */
int64_t tl_dictionary_count(const tl_dictionary *dictionary);

/* The place of a word, or -1 if it is not there, which is no error. */
int64_t tl_dictionary_find(const tl_dictionary *dictionary, const char *word);

/* The value of a word, or `missing` if it is not there. */
int64_t tl_dictionary_get(const tl_dictionary *dictionary, const char *word, int64_t missing);

/* Sets the value of a word, new or known; a failure leaves the dictionary as it was. */
tl_status tl_dictionary_put(tl_dictionary *dictionary, const char *word, int64_t value);

/* Adds to the value of a word; one that was not there starts from 0. A failure leaves all as it was. */
tl_status tl_dictionary_add(tl_dictionary *dictionary, const char *word, int64_t amount);

/* The word and the value at a place from 0 to tl_dictionary_count - 1. The word is the dictionary's. */
const char *tl_dictionary_word(const tl_dictionary *dictionary, int64_t place);
int64_t tl_dictionary_value(const tl_dictionary *dictionary, int64_t place);

#endif
