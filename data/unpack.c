#include "data/unpack_internal.h"
#include "tensor/error_internal.h"
#include "tensor/memory_internal.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SLICES = 8, TRAILER = 8 };

struct tl_unpack {
    const char *what, *path;
    struct archive *archive;
    struct archive_entry *whole; /* our own: libarchive goes on without one when there is no memory for it */
    FILE *file;
    bool empty, started;
    const char *problem;
    const char *left; /* of the last block, for tl_unpack_read */
    size_t left_bytes;
    uint32_t crc;                /* CRC-32 of what was read, inverted */
    int64_t length;              /* its bytes, of gzip alone ... */
    int64_t most;                /* ... and how many there may be */
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
    unpack->length += (int64_t)count;
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

static bool is_gzip(const tl_unpack *unpack)
{
    return archive_filter_code(unpack->archive, 0) == ARCHIVE_FILTER_GZIP;
}

/* The last eight bytes of a gzip file are the CRC-32 and the length of what is in it. */
static ptrdiff_t check_trailer(tl_unpack *unpack)
{
    if (!is_gzip(unpack))
        return 0;
    unsigned char trailer[TRAILER];
    bool read = fseek(unpack->file, -TRAILER, SEEK_END) == 0 && fread(trailer, TRAILER, 1, unpack->file) == 1;
    if (!read)
        return fail(unpack, "its end cannot be read");
    if (little_endian(trailer) != ~unpack->crc || little_endian(trailer + 4) != (uint32_t)unpack->length)
        return fail(unpack, "the gzip checksum does not match");
    return 0;
}

ptrdiff_t tl_unpack_next(tl_unpack *unpack, const void **block)
{
    size_t size = 0;
    int64_t offset;
    if (unpack->empty)
        return check_trailer(unpack);
    while (size == 0) {
        int code = archive_read_data_block(unpack->archive, block, &size, &offset);
        if (code == ARCHIVE_EOF)
            return check_trailer(unpack);
        if (code != ARCHIVE_OK)
            return fail(unpack, archive_error_string(unpack->archive));
    }
    if (!unpack->started && !is_gzip(unpack) && size > 1 && memcmp(*block, "\x1F\x8B", 2) == 0)
        return fail(unpack, "its gzip header is damaged or cut short");
    unpack->started = true;
    if (is_gzip(unpack))
        update(unpack, *block, size);
    if (unpack->length > unpack->most)
        return fail(unpack, "it unpacks to over 64 MiB and 100 times its size");
    return (ptrdiff_t)size;
}

const char *tl_unpack_problem(const tl_unpack *unpack)
{
    return unpack->problem ? unpack->problem : "it cannot be read";
}

tl_status tl_unpack_status(const tl_unpack *unpack)
{
    return archive_errno(unpack->archive) == ENOMEM ? TL_ERROR_MEMORY : TL_ERROR_FORMAT;
}

tl_status tl_unpack_failed(const tl_unpack *unpack)
{
    return tl_error(tl_unpack_status(unpack), "%s: %s: %s", unpack->what, unpack->path,
                    tl_unpack_problem(unpack));
}

ptrdiff_t tl_unpack_read(tl_unpack *unpack, void *out, size_t bytes)
{
    size_t got = 0;
    while (got < bytes) {
        if (unpack->left_bytes == 0) {
            const void *block;
            ptrdiff_t size = tl_unpack_next(unpack, &block);
            if (size < 0)
                tl_unpack_failed(unpack);
            if (size <= 0)
                return size < 0 ? -1 : (ptrdiff_t)got;
            unpack->left = block;
            unpack->left_bytes = (size_t)size;
        }
        size_t part = bytes - got < unpack->left_bytes ? bytes - got : unpack->left_bytes;
        memcpy((char *)out + got, unpack->left, part);
        unpack->left += part;
        unpack->left_bytes -= part;
        got += part;
    }
    return (ptrdiff_t)got;
}

/* Exchanges memory with `used` bytes in it for some with room for `bytes` and a zero. */
static char *grow(char *memory, size_t used, size_t bytes)
{
    char *larger = tl_allocate_raw(bytes + 1);
    if (larger && used > 0)
        memcpy(larger, memory, used);
    tl_release(memory);
    return larger;
}

char *tl_unpack_take(tl_unpack *unpack, size_t most, size_t *count)
{
    enum { FIRST = 1 << 16 };
    char *memory = NULL;
    size_t got = 0, room = most < FIRST ? most : FIRST;
    for (;;) {
        memory = grow(memory, got, room);
        ptrdiff_t read = memory ? tl_unpack_read(unpack, memory + got, room - got) : -1;
        if (read < 0) {
            tl_release(memory);
            return NULL;
        }
        got += (size_t)read;
        if (got < room || room == most)
            break;
        room = room < most / 2 ? room * 2 : most;
    }
    memory[got] = '\0';
    *count = got;
    return memory;
}

int64_t tl_unpack_most(int64_t bytes)
{
    const int64_t least = 1 << 26, ratio = 100;
    return bytes < (INT64_MAX - least) / ratio ? least + ratio * bytes : INT64_MAX;
}

FILE *tl_unpack_file(const char *what, const char *path, int64_t *bytes)
{
    struct stat about;
    /* a pipe must not keep the opening waiting; for regular files O_NONBLOCK means nothing */
    int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    FILE *file = NULL;
    const bool there = descriptor >= 0 && fstat(descriptor, &about) == 0;
    if (there && !S_ISREG(about.st_mode))
        tl_error(TL_ERROR_IO, "%s: %s: %s", what, path,
                 S_ISDIR(about.st_mode) ? strerror(EISDIR) : "not a regular file");
    else if (!there || (file = fdopen(descriptor, "rb")) == NULL)
        tl_error(tl_status_of(errno), "%s: %s: %s", what, path, strerror(errno));
    else
        *bytes = about.st_size;
    if (!file && descriptor >= 0)
        close(descriptor);
    return file;
}

static tl_status open_stream(tl_unpack *unpack)
{
    enum { PLAIN_AND_GZIP = 2, BUFFERS = 1 << 20 /* of libarchive, which may crash without, and of zlib */ };
    if (tl_memory_expect(BUFFERS) != TL_OK)
        return TL_ERROR_MEMORY;
    unpack->archive = archive_read_new();
    unpack->whole = archive_entry_new();
    if (!unpack->archive || !unpack->whole)
        return tl_error(TL_ERROR_MEMORY, "%s: %s: out of memory", unpack->what, unpack->path);
    int code = archive_read_support_filter_gzip(unpack->archive);
    if (code == ARCHIVE_OK)
        code = archive_read_support_format_raw(unpack->archive);
    if (code == ARCHIVE_OK)
        code = archive_read_support_format_empty(unpack->archive);
    if (code == ARCHIVE_OK)
        code = archive_read_open_FILE(unpack->archive, unpack->file);
    if (code == ARCHIVE_OK)
        code = archive_read_next_header2(unpack->archive, unpack->whole);
    unpack->empty = code == ARCHIVE_EOF;
    if (is_gzip(unpack)) {
        unpack->crc = ~0u;
        make_table(unpack->table);
    }
    bool nested = archive_filter_count(unpack->archive) > PLAIN_AND_GZIP;
    if (!nested && (code == ARCHIVE_OK || code == ARCHIVE_EOF))
        return TL_OK;
    fail(unpack, nested ? "gzip within gzip" : archive_error_string(unpack->archive));
    return tl_unpack_failed(unpack);
}

tl_unpack *tl_unpack_open(const char *what, const char *path)
{
    tl_unpack *unpack = tl_allocate(sizeof *unpack);
    if (!unpack)
        return NULL;
    unpack->what = what;
    unpack->path = path;
    int64_t bytes = 0;
    unpack->file = tl_unpack_file(what, path, &bytes);
    unpack->most = tl_unpack_most(bytes);
    if (unpack->file && open_stream(unpack) == TL_OK)
        return unpack;
    tl_unpack_close(unpack);
    return NULL;
}

void tl_unpack_close(tl_unpack *unpack)
{
    if (!unpack)
        return;
    archive_entry_free(unpack->whole);
    archive_read_free(unpack->archive);
    if (unpack->file)
        fclose(unpack->file);
    tl_release(unpack);
}
