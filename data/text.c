#include "data/text.h"

#include <string.h>

enum { LONGEST_CHARACTER = 4 };

static const bool separates[256] = {
    ['\0'] = true, ['\t'] = true, ['\n'] = true, ['\v'] = true, ['\f'] = true, ['\r'] = true, [' '] = true,
    ['!'] = true,  ['"'] = true,  ['#'] = true,  ['$'] = true,  ['%'] = true,  ['&'] = true,  ['('] = true,
    [')'] = true,  ['*'] = true,  ['+'] = true,  [','] = true,  ['-'] = true,  ['.'] = true,  ['/'] = true,
    [':'] = true,  [';'] = true,  ['<'] = true,  ['='] = true,  ['>'] = true,  ['?'] = true,  ['@'] = true,
    ['['] = true,  ['\\'] = true, [']'] = true,  ['^'] = true,  ['_'] = true,  ['`'] = true,  ['{'] = true,
    ['|'] = true,  ['}'] = true,  ['~'] = true,
};

/* Capital letters past ASCII, in order: every step-th code point from first to last has its small letter
 * `offset` further on. */
static const struct {
    uint32_t first, last, step;
    int32_t offset;
} capitals[] = {
    /* Latin-1 */
    {0x00C0, 0x00D6, 1, 32},
    {0x00D8, 0x00DE, 1, 32},
    /* Latin Extended-A */
    {0x0100, 0x012E, 2, 1},
    {0x0130, 0x0130, 1, 'i' - 0x0130},
    {0x0132, 0x0136, 2, 1},
    {0x0139, 0x0147, 2, 1},
    {0x014A, 0x0176, 2, 1},
    {0x0178, 0x0178, 1, 0x00FF - 0x0178},
    {0x0179, 0x017D, 2, 1},
    /* Latin Extended-B */
    {0x01A0, 0x01A0, 1, 1},
    {0x01AF, 0x01AF, 1, 1},
    {0x01CD, 0x01DB, 2, 1},
    {0x01DE, 0x01EE, 2, 1},
    {0x01F8, 0x021E, 2, 1},
    {0x0222, 0x0232, 2, 1},
    /* Greek */
    {0x0386, 0x0386, 1, 38},
    {0x0388, 0x038A, 1, 37},
    {0x038C, 0x038C, 1, 64},
    {0x038E, 0x038F, 1, 63},
    {0x0391, 0x03A1, 1, 32},
    {0x03A3, 0x03AB, 1, 32},
    /* Cyrillic */
    {0x0400, 0x040F, 1, 80},
    {0x0410, 0x042F, 1, 32},
    {0x0460, 0x0480, 2, 1},
    {0x048A, 0x04BE, 2, 1},
    {0x04C0, 0x04C0, 1, 15},
    {0x04C1, 0x04CD, 2, 1},
    {0x04D0, 0x052E, 2, 1},
    /* Armenian */
    {0x0531, 0x0556, 1, 48},
    /* Latin Extended Additional */
    {0x1E00, 0x1E94, 2, 1},
    {0x1E9E, 0x1E9E, 1, 0x00DF - 0x1E9E},
    {0x1EA0, 0x1EFE, 2, 1},
};

static uint32_t lower(uint32_t code)
{
    for (size_t i = 0; i < sizeof capitals / sizeof *capitals && code >= capitals[i].first; i++)
        if (code <= capitals[i].last && (code - capitals[i].first) % capitals[i].step == 0)
            return code + (uint32_t)capitals[i].offset;
    return code;
}

/* The length of the sequence at `at`, which has `left` > 0 bytes, and its code point; 0 if malformed. Reads
 * no further than the first byte that does not fit, so a terminating zero is as good as a length. */
static size_t decode(const char *at, size_t left, uint32_t *code)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    unsigned char lead = (unsigned char)*at;
    size_t length = lead < 0x80 ? 1 : lead >> 5 == 6 ? 2 : lead >> 4 == 14 ? 3 : lead >> 3 == 30 ? 4 : 0;
    if (length == 0 || length > left)
        return 0;
    uint32_t value = length == 1 ? lead : lead & (0x7Fu >> length);
    for (size_t i = 1; i < length; i++) {
        unsigned char next = (unsigned char)at[i];
        if (next >> 6 != 2)
            return 0;
        value = value << 6 | (next & 0x3Fu);
    }
    *code = value;
    bool surrogate = value >= 0xD800 && value <= 0xDFFF;
    return value < least[length] || value > 0x10FFFF || surrogate ? 0 : length;
}

/* Writes a code point of two bytes or more, or a small letter of ASCII; returns its length. */
static size_t encode(uint32_t code, char *out)
{
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    size_t length = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    for (size_t i = length - 1; i > 0; i--, code >>= 6)
        out[i] = (char)(0x80 | (code & 0x3F));
    out[0] = (char)((0xF00 >> length & 0xFF) | code);
    return length;
}

/* The leading bytes that are ASCII, eight at a time; up to seven may be missing. */
static size_t ascii_run(const char *text, size_t size)
{
    size_t run = 0;
    for (uint64_t eight; size - run >= sizeof eight; run += sizeof eight) {
        memcpy(&eight, text + run, sizeof eight);
        if (eight & 0x8080808080808080u)
            break;
    }
    return run;
}

int64_t tl_utf8_check(const char *text, size_t size)
{
    size_t at = 0;
    while (at < size) {
        at += ascii_run(text + at, size - at);
        for (size_t i = 0; i < sizeof(uint64_t) && at < size; i++) {
            uint32_t code;
            size_t length = decode(text + at, size - at, &code);
            if (length == 0)
                return (int64_t)at;
            at += length;
        }
    }
    return -1;
}

/* The length of an HTML line break at `at`, or 0. */
static size_t line_break(const char *at)
{
    if (at[0] != '<' || (at[1] | 0x20) != 'b' || (at[2] | 0x20) != 'r')
        return 0;
    const char *end = at + 3;
    end += strspn(end, " ");
    end += *end == '/';
    return *end == '>' ? (size_t)(end + 1 - at) : 0;
}

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

bool tl_text_is_blank(const char *text)
{
    while (*text) {
        size_t skip = is_space(*text) ? 1 : line_break(text);
        if (skip == 0)
            return false;
        text += skip;
    }
    return true;
}

static const char *skip_separators(const char *at)
{
    while (*at && separates[(unsigned char)*at]) {
        size_t skip = line_break(at);
        at += skip ? skip : 1;
    }
    return at;
}

static char small_ascii(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

/* Appends the small letter of the character at `at`, which is not ASCII; returns the next character. */
static const char *take_character(tl_words *words, const char *at)
{
    uint32_t code;
    size_t length = decode(at, SIZE_MAX, &code);
    char *out = words->word + words->length;
    size_t written = 1;
    if (length == 0)
        *out = *at;
    else
        written = encode(lower(code), out);
    words->length += written;
    return at + (length ? length : 1);
}

tl_words tl_words_of(const char *text)
{
    return (tl_words){.rest = text};
}

const char *tl_words_next(tl_words *words)
{
    const char *at = skip_separators(words->rest);
    words->length = 0;
    while (!separates[(unsigned char)*at]) {
        unsigned char c = (unsigned char)*at;
        if (words->length > TL_WORD_SIZE - LONGEST_CHARACTER - 1)
            at++; /* no room: the rest of the word is passed over */
        else if (c < 0x80)
            words->word[words->length++] = small_ascii(*at++);
        else
            at = take_character(words, at);
    }
    words->word[words->length] = '\0';
    words->rest = at;
    return words->length ? words->word : NULL;
}
