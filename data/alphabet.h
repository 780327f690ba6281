/* Text as numbers, character by character: the distinct characters of a text, in the order of their code
 * points, numbered from 0. Rests on tensor.h and text.h.
 *
 * A character is a Unicode code point of UTF-8 text or, with .by_bytes, a byte of any text. Nothing is
 * changed on the way: capitals, line ends and a byte-order mark are characters like all others.
 *
 * An alphabet never changes once made: every function but tl_alphabet_free is thread-safe. Given NULL for an
 * alphabet or a text, functions fail and leave the message of whatever made it NULL.
 */
#ifndef TL_DATA_ALPHABET_H
#define TL_DATA_ALPHABET_H

#include "../tensor/tensor.h"

typedef struct tl_alphabet tl_alphabet;

typedef struct tl_alphabet_options {
    size_t size;               /* of this struct; the macros below fill it in */
    const char *text;          /* tl_alphabet_from_text's text ... */
    size_t length;             /* ... and its bytes */
    const int32_t *characters; /* tl_alphabet_from_characters's code points or bytes ... */
    int64_t count;             /* ... and their number */
    bool by_bytes;             /* a character is a byte, not a code point */
} tl_alphabet_options;

/* The alphabet of a text: tl_alphabet_from_text(text, size, .by_bytes = true). NULL with the error set if the
 * text is empty, it is not UTF-8 (the message says at which byte; never by bytes), or memory is short. The
 * text may go afterwards; the caller frees the alphabet. */
#define tl_alphabet_from_text(...)                                                                           \
    tl_alphabet_from_text_with(                                                                              \
        &(tl_alphabet_options){.size = sizeof(tl_alphabet_options), .text = __VA_ARGS__})
TL_API tl_alphabet *tl_alphabet_from_text_with(const tl_alphabet_options *options);

/* The alphabet with these characters, as tl_alphabet_characters gave them of another: for an alphabet that
 * was saved. tl_alphabet_from_characters(characters, count, .by_bytes = by_bytes). NULL with the error set
 * unless there is at least one, each is a code point (no surrogate) or byte, and they ascend. Ownership as
 * above. */
#define tl_alphabet_from_characters(...)                                                                     \
    tl_alphabet_from_characters_with(                                                                        \
        &(tl_alphabet_options){.size = sizeof(tl_alphabet_options), .characters = __VA_ARGS__})
TL_API tl_alphabet *tl_alphabet_from_characters_with(const tl_alphabet_options *options);

/* Frees an alphabet. NULL is fine. */
TL_API void tl_alphabet_free(tl_alphabet *alphabet);

/* The number of characters; ids are 0 to one less. 0 for NULL. */
TL_API int64_t tl_alphabet_size(const tl_alphabet *alphabet);

/* The characters in order, code points or bytes; the alphabet owns them. NULL for NULL. */
TL_API const int32_t *tl_alphabet_characters(const tl_alphabet *alphabet);

/* Whether they are bytes; false for NULL. */
TL_API bool tl_alphabet_by_bytes(const tl_alphabet *alphabet);

/* A text of `size` bytes as ids: a new tensor i32 [characters], which the caller frees. An empty tensor with
 * the error set for a character that is not in the alphabet (TL_ERROR_ARGUMENT: `alphabet: U+00E9 "é" at byte
 * 12 is not one of the 65 characters`), for text that is not UTF-8 unless by bytes (TL_ERROR_FORMAT), and if
 * memory is short. */
TL_API tl_tensor tl_alphabet_encode(const tl_alphabet *alphabet, const char *text, size_t size);

enum { TL_CHARACTER_SIZE = 5 }; /* room for a character and a zero */

/* Writes the character of an id, UTF-8 or the byte, and a zero; returns its length without that. -1 with the
 * error set, and an empty text, if the id is not below tl_alphabet_size. */
TL_API int tl_alphabet_text(const tl_alphabet *alphabet, int64_t id, char out[TL_CHARACTER_SIZE]);

/* Turns `count` ids into text. Returns its length in bytes and writes as many whole characters as fit into
 * `size` bytes with a zero behind them, so that a call with size 0, where text may be NULL, tells the room
 * needed. -1 with the error set for an id that is not below tl_alphabet_size. */
TL_API int64_t tl_alphabet_decode(const tl_alphabet *alphabet, const int32_t *ids, int64_t count, char *text,
                                  size_t size);

#endif
