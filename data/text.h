/* Words out of text, cut as Keras's text_to_word_sequence cuts them. Rests on nothing but error.h's TL_API.
 *
 * A word is what lies between separators: ASCII white space and control code 0, and ASCII punctuation but
 * for the apostrophe (Keras's default filters), so "don't" is one word and "well-known" two. The HTML line
 * breaks <br>, <br/> and <br />, in either case, separate as well and leave no word "br" behind.
 *
 * Words are lower-cased by a table: Latin (ASCII, Latin-1, Extended-A, Extended Additional, and of Extended-B
 * what Romanian, Vietnamese and pinyin need), Greek, Cyrillic and Armenian, one code point to one, as in
 * Unicode's simple mapping. Other letters stay as they are. Two places differ from Python's str.lower, which
 * Keras calls: a capital sigma always becomes the sigma of the middle of a word, and a capital I with a dot
 * becomes a plain i.
 *
 * Text is UTF-8. Bytes that are not pass through unchanged and do no harm; tl_utf8_check finds them. Every
 * function is thread-safe.
 */
#ifndef TL_DATA_TEXT_H
#define TL_DATA_TEXT_H

#include "../tensor/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* -1 if the `size` bytes are UTF-8, else the offset of the first malformed sequence. Strict: overlong
 * forms, surrogates and code points past U+10FFFF are malformed. */
TL_API int64_t tl_utf8_check(const char *text, size_t size);

/* True if a text has nothing but white space and HTML line breaks. */
TL_API bool tl_text_is_blank(const char *text);

enum { TL_WORD_SIZE = 256 }; /* room for a word: what goes past 252 bytes is cut off */

/* The words of a text, one after the other, with no memory but this struct's:
 *
 *     tl_words words = tl_words_of(text);
 *     for (const char *word; (word = tl_words_next(&words)) != NULL;)
 *         puts(word);
 */
typedef struct tl_words {
    const char *rest; /* where to go on */
    size_t length;    /* of the word, in bytes */
    char word[TL_WORD_SIZE];
} tl_words;

/* Starts at the beginning of a text, which must stay while the words are read. */
TL_API tl_words tl_words_of(const char *text);

/* The next word, lower-cased, or NULL after the last. It stays until the next call. */
TL_API const char *tl_words_next(tl_words *words);

#endif
