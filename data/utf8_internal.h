/* UTF-8, one character at a time. tl_utf8_check, for whole texts, is in text.h. Thread-safe. */
#ifndef TL_DATA_UTF8_INTERNAL_H
#define TL_DATA_UTF8_INTERNAL_H

#include <stddef.h>
#include <stdint.h>

enum { TL_UTF8_LONGEST = 4, TL_UTF8_CODES = 0x110000 };

/* The length of the sequence at `at`, which has `left` > 0 bytes, and its code point; 0 if malformed. Reads
 * no further than the first byte that does not fit, so a terminating zero is as good as a length. */
size_t tl_utf8_decode(const char *at, size_t left, uint32_t *code);

/* Writes a code point; returns its length. */
size_t tl_utf8_encode(uint32_t code, char *out);

#endif
