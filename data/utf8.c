#include "data/utf8_internal.h"
#include "data/text.h"

#include <string.h>

size_t tl_utf8_decode(const char *at, size_t left, uint32_t *code)
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

size_t tl_utf8_encode(uint32_t code, char *out)
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
            size_t length = tl_utf8_decode(text + at, size - at, &code);
            if (length == 0)
                return (int64_t)at;
            at += length;
        }
    }
    return -1;
}
