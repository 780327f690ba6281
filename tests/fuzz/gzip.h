/* Bytes wrapped as gzip, stored rather than packed, with a checksum that is right: what a fuzzer would never
 * find. */
#ifndef TESTS_FUZZ_GZIP_H
#define TESTS_FUZZ_GZIP_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { GZIP_MOST = 65535, GZIP_EXTRA = 10 + 5 + 8 }; /* what one stored block holds; what is put around it */

static inline uint32_t gzip_checksum(const uint8_t *bytes, size_t count)
{
    uint32_t crc = ~0u;
    for (size_t i = 0; i < count; i++) {
        crc ^= bytes[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0xEDB88320u : 0);
    }
    return ~crc;
}

/* The last argument has room for count + GZIP_EXTRA bytes, and count is GZIP_MOST at most. */
static inline void gzip_stored(const uint8_t *bytes, size_t count, uint8_t *out)
{
    const uint8_t low = (uint8_t)(count & 0xFF), high = (uint8_t)(count >> 8);
    const uint8_t head[] = {0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 3, 1, low, high, low ^ 0xFF, high ^ 0xFF};
    memcpy(out, head, sizeof head);
    if (count)
        memcpy(out + sizeof head, bytes, count);
    uint8_t *end = out + sizeof head + count;
    const uint32_t trailer[] = {gzip_checksum(bytes, count), (uint32_t)count};
    for (int i = 0; i < 8; i++)
        end[i] = (uint8_t)(trailer[i / 4] >> 8 * (i % 4));
}

#endif
