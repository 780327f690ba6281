#include "data/text.h"
#include "data/utf8_internal.h"

#include <string.h>

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
    size_t length = tl_utf8_decode(at, SIZE_MAX, &code);
    char *out = words->word + words->length;
    size_t written = 1;
    if (length == 0)
        *out = *at;
    else
        written = tl_utf8_encode(lower(code), out);
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
        if (words->length > TL_WORD_SIZE - TL_UTF8_LONGEST - 1)
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
