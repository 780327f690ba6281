#include "data/unpack_internal.h"
#include "tensor/memory_internal.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum { SLICES = 8, TRAILER = 8 };

struct tl_unpack {
    struct archive *archive;
    FILE *file;
    const char *problem;
    uint32_t crc;                /* CRC-32 of what was read, inverted */
    uint32_t length;             /* its bytes, modulo 2^32 */
    uint32_t table[SLICES][256]; /* [k][b]: what byte b does to the CRC, k bytes further on */
};

static void make_table(uint32_t table[SLICES][256])
{
    for (uint32_t byte = 0; byte < 256; byte++) {
        uint32_t crc = byte;
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0xEDB88320u : 0);
        table[0][byte] = crc;
    }
    for (int k = 1; k < SLICES; k++)
        for (int byte = 0; byte < 256; byte++)
            table[k][byte] = table[k - 1][byte] >> 8 ^ table[0][table[k - 1][byte] & 0xFF];
}

static uint32_t little_endian(const unsigned char *bytes)
{
    return (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
}

static void update(tl_unpack *unpack, const unsigned char *bytes, size_t count)
{
    uint32_t(*table)[256] = unpack->table;
    uint32_t crc = unpack->crc;
    unpack->length += (uint32_t)count;
    for (; count >= SLICES; bytes += SLICES, count -= SLICES) {
        uint32_t low = crc ^ little_endian(bytes), high = little_endian(bytes + 4);
        crc = table[7][low & 0xFF] ^ table[6][low >> 8 & 0xFF] ^ table[5][low >> 16 & 0xFF] ^
              table[4][low >> 24] ^ table[3][high & 0xFF] ^ table[2][high >> 8 & 0xFF] ^
              table[1][high >> 16 & 0xFF] ^ table[0][high >> 24];
    }
    for (; count > 0; bytes++, count--)
        crc = crc >> 8 ^ table[0][(crc ^ *bytes) & 0xFF];
    unpack->crc = crc;
}

static ptrdiff_t fail(tl_unpack *unpack, const char *problem)
{
    unpack->problem = problem;
    return -1;
}

/* The last eight bytes of a gzip file are the CRC-32 and the length of what is in it. */
static ptrdiff_t check_trailer(tl_unpack *unpack)
{
    if (archive_filter_code(unpack->archive, 0) != ARCHIVE_FILTER_GZIP)
        return 0;
    unsigned char trailer[TRAILER];
    bool read = fseek(unpack->file, -TRAILER, SEEK_END) == 0 && fread(trailer, TRAILER, 1, unpack->file) == 1;
    if (!read)
        return fail(unpack, "its end cannot be read");
    if (little_endian(trailer) != ~unpack->crc || little_endian(trailer + 4) != unpack->length)
        return fail(unpack, "the gzip checksum does not match");
    return 0;
}

ptrdiff_t tl_unpack_next(tl_unpack *unpack, const void **block)
{
    size_t size = 0;
    int64_t offset;
    while (size == 0) {
        int code = archive_read_data_block(unpack->archive, block, &size, &offset);
        if (code == ARCHIVE_EOF)
            return check_trailer(unpack);
        if (code != ARCHIVE_OK)
            return fail(unpack, archive_error_string(unpack->archive));
    }
    update(unpack, *block, size);
    return (ptrdiff_t)size;
}

const char *tl_unpack_problem(const tl_unpack *unpack)
{
    return unpack->problem ? unpack->problem : "it cannot be read";
}

static tl_status open_stream(tl_unpack *unpack, const char *what, const char *path)
{
    struct archive_entry *whole;
    unpack->file = fopen(path, "rb");
    if (!unpack->file)
        return tl_error(TL_ERROR_IO, "%s: %s: %s", what, path, strerror(errno));
    unpack->archive = archive_read_new();
    if (!unpack->archive)
        return tl_error(TL_ERROR_MEMORY, "%s: %s: out of memory", what, path);
    archive_read_support_filter_gzip(unpack->archive);
    archive_read_support_format_raw(unpack->archive);
    if (archive_read_open_FILE(unpack->archive, unpack->file) == ARCHIVE_OK &&
        archive_read_next_header(unpack->archive, &whole) == ARCHIVE_OK)
        return TL_OK;
    const char *why = archive_error_string(unpack->archive);
    return tl_error(TL_ERROR_FORMAT, "%s: %s: %s", what, path, why ? why : "it cannot be read");
}

tl_unpack *tl_unpack_open(const char *what, const char *path)
{
    tl_unpack *unpack = tl_allocate(sizeof *unpack);
    if (!unpack)
        return NULL;
    unpack->crc = ~0u;
    make_table(unpack->table);
    if (open_stream(unpack, what, path) == TL_OK)
        return unpack;
    tl_unpack_close(unpack);
    return NULL;
}

void tl_unpack_close(tl_unpack *unpack)
{
    if (!unpack)
        return;
    archive_read_free(unpack->archive);
    if (unpack->file)
        fclose(unpack->file);
    tl_release(unpack);
}
