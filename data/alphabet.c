#include "data/alphabet.h"
#include "data/utf8_internal.h"
#include "tensor/error_internal.h"
#include "tensor/memory_internal.h"
#include "tensor/options_internal.h"

#include <stdio.h>
#include <string.h>

enum { BYTES = 256, WORD = 64 }; /* characters; bits that note which of them were seen */

struct tl_alphabet {
    bool by_bytes;
    int64_t size;
    int32_t characters[]; /* ascending */
};

static const tl_tensor none;

static tl_alphabet *new_alphabet(bool by_bytes, int64_t size)
{
    tl_alphabet *alphabet = tl_allocate_raw(sizeof *alphabet + (size_t)size * sizeof(int32_t));
    if (alphabet) {
        alphabet->by_bytes = by_bytes;
        alphabet->size = size;
    }
    return alphabet;
}

/* The length of the character at `at`, and what it is; 0 with the error set if it is not UTF-8. */
static size_t take(bool by_bytes, const char *text, size_t size, size_t at, uint32_t *code)
{
    if (by_bytes) {
        *code = (unsigned char)text[at];
        return 1;
    }
    size_t length = tl_utf8_decode(text + at, size - at, code);
    if (length == 0)
        tl_error(TL_ERROR_FORMAT, "alphabet: the text is not UTF-8 at byte %zu", at);
    return length;
}

/* Marks the characters that are there, and returns how many differ; -1 with the error set. */
static int64_t mark(const tl_alphabet_options *o, uint64_t seen[])
{
    int64_t distinct = 0;
    for (size_t at = 0; at < o->length;) {
        uint32_t code;
        size_t length = take(o->by_bytes, o->text, o->length, at, &code);
        if (length == 0)
            return -1;
        uint64_t bit = (uint64_t)1 << code % WORD;
        distinct += !(seen[code / WORD] & bit);
        seen[code / WORD] |= bit;
        at += length;
    }
    return distinct;
}

tl_alphabet *tl_alphabet_from_text_with(const tl_alphabet_options *given)
{
    tl_alphabet_options options;
    tl_options_read(&options, sizeof options, given);
    if (!options.text || options.length == 0) {
        if (options.text)
            tl_error(TL_ERROR_ARGUMENT, "alphabet: the text is empty");
        else
            tl_missing("alphabet", "text");
        return NULL;
    }
    int32_t codes = options.by_bytes ? BYTES : TL_UTF8_CODES;
    uint64_t *seen = tl_allocate((size_t)codes / WORD * sizeof *seen);
    int64_t size = seen ? mark(&options, seen) : -1;
    tl_alphabet *alphabet = size > 0 ? new_alphabet(options.by_bytes, size) : NULL;
    int64_t place = 0;
    for (int32_t code = 0; alphabet && place < size; code++)
        if (seen[code / WORD] >> code % WORD & 1)
            alphabet->characters[place++] = code;
    tl_release(seen);
    return alphabet;
}

static tl_status check_characters(const tl_alphabet_options *o)
{
    if (!o->characters || o->count < 1)
        return tl_error(TL_ERROR_ARGUMENT, "alphabet: %lld characters at %p", (long long)o->count,
                        (const void *)o->characters);
    int32_t codes = o->by_bytes ? BYTES : TL_UTF8_CODES, last = -1;
    for (int64_t i = 0; i < o->count; i++) {
        int32_t code = o->characters[i];
        if (code < 0 || code >= codes || (code >= 0xD800 && code <= 0xDFFF))
            return tl_error(TL_ERROR_ARGUMENT, "alphabet: character %lld is %d, which is no %s", (long long)i,
                            code, o->by_bytes ? "byte" : "code point");
        if (code <= last)
            return tl_error(TL_ERROR_ARGUMENT,
                            "alphabet: character %lld is %d after %d, expected a larger one", (long long)i,
                            code, last);
        last = code;
    }
    return TL_OK;
}

tl_alphabet *tl_alphabet_from_characters_with(const tl_alphabet_options *given)
{
    tl_alphabet_options options;
    tl_options_read(&options, sizeof options, given);
    if (check_characters(&options) != TL_OK)
        return NULL;
    tl_alphabet *alphabet = new_alphabet(options.by_bytes, options.count);
    if (alphabet)
        memcpy(alphabet->characters, options.characters, (size_t)options.count * sizeof(int32_t));
    return alphabet;
}

void tl_alphabet_free(tl_alphabet *alphabet)
{
    tl_release(alphabet);
}

int64_t tl_alphabet_size(const tl_alphabet *alphabet)
{
    return alphabet ? alphabet->size : 0;
}

const int32_t *tl_alphabet_characters(const tl_alphabet *alphabet)
{
    return alphabet ? alphabet->characters : NULL;
}

bool tl_alphabet_by_bytes(const tl_alphabet *alphabet)
{
    return alphabet && alphabet->by_bytes;
}

/* The id of a character, or -1. */
static int64_t find(const tl_alphabet *alphabet, uint32_t code)
{
    int64_t low = 0, high = alphabet->size;
    while (low < high) {
        int64_t middle = low + (high - low) / 2;
        if ((uint32_t)alphabet->characters[middle] < code)
            low = middle + 1;
        else
            high = middle;
    }
    return low < alphabet->size && (uint32_t)alphabet->characters[low] == code ? low : -1;
}

static void unknown(const tl_alphabet *alphabet, uint32_t code, size_t at)
{
    char name[32], text[TL_CHARACTER_SIZE] = "";
    bool shows = code >= ' ' && (code < 0x7F || code > 0x9F);
    if (alphabet->by_bytes) {
        snprintf(name, sizeof name, "byte 0x%02X", code);
    } else {
        if (shows)
            tl_utf8_encode(code, text);
        snprintf(name, sizeof name, shows ? "U+%04X \"%s\"" : "U+%04X%s", code, text);
    }
    tl_error(TL_ERROR_ARGUMENT, "alphabet: %s at byte %zu is not one of the %lld characters", name, at,
             (long long)alphabet->size);
}

/* The number of characters, whose ids are written unless that is NULL; -1 with the error set. */
static int64_t encode(const tl_alphabet *alphabet, const char *text, size_t size, int32_t *ids)
{
    int64_t count = 0;
    for (size_t at = 0; at < size; count++) {
        uint32_t code;
        size_t length = take(alphabet->by_bytes, text, size, at, &code);
        int64_t id = length ? find(alphabet, code) : -1;
        if (length && id < 0)
            unknown(alphabet, code, at);
        if (id < 0)
            return -1;
        if (ids)
            ids[count] = (int32_t)id;
        at += length;
    }
    return count;
}

tl_tensor tl_alphabet_encode(const tl_alphabet *alphabet, const char *text, size_t size)
{
    if (!alphabet || (!text && size > 0)) {
        tl_missing("alphabet_encode", alphabet ? "text" : "alphabet");
        return none;
    }
    int64_t count = encode(alphabet, text, size, NULL);
    tl_tensor ids = count >= 0 ? tl_tensor_new(TL_I32, tl_shape(count)) : none;
    if (tl_tensor_ok(ids))
        encode(alphabet, text, size, tl_data_mut(ids));
    return ids;
}

int tl_alphabet_text(const tl_alphabet *alphabet, int64_t id, char out[TL_CHARACTER_SIZE])
{
    out[0] = '\0';
    if (!alphabet) {
        tl_missing("alphabet_text", "alphabet");
        return -1;
    }
    if (id < 0 || id >= alphabet->size) {
        tl_error(TL_ERROR_RANGE, "alphabet: id %lld, expected 0 to %lld", (long long)id,
                 (long long)alphabet->size - 1);
        return -1;
    }
    int32_t code = alphabet->characters[id];
    size_t length = 1;
    if (alphabet->by_bytes)
        out[0] = (char)code;
    else
        length = tl_utf8_encode((uint32_t)code, out);
    out[length] = '\0';
    return (int)length;
}

int64_t tl_alphabet_decode(const tl_alphabet *alphabet, const int32_t *ids, int64_t count, char *text,
                           size_t size)
{
    if (!alphabet || (!ids && count > 0)) {
        tl_missing("alphabet_decode", alphabet ? "ids" : "alphabet");
        return -1;
    }
    size_t at = 0;
    if (size > 0)
        text[0] = '\0';
    for (int64_t i = 0; i < count; i++) {
        char character[TL_CHARACTER_SIZE];
        int length = tl_alphabet_text(alphabet, ids[i], character);
        if (length < 0)
            return -1;
        if (at + (size_t)length < size)
            memcpy(text + at, character, (size_t)length + 1);
        at += (size_t)length;
    }
    return (int64_t)at;
}
