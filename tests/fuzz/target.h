/* What the fuzz targets share. A target hands bytes to one reader and aborts where an answer contradicts
 * another; the sanitizers watch the rest. Each is linked twice: with libFuzzer, which invents the bytes, and
 * with replay.c, which takes them from the corpus. */
#ifndef TESTS_FUZZ_TARGET_H
#define TESTS_FUZZ_TARGET_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);

#define EXPECT(condition)                                                                                    \
    do {                                                                                                     \
        if (!(condition)) {                                                                                  \
            fprintf(stderr, "%s:%d: expected %s\n", __FILE__, __LINE__, #condition);                         \
            abort();                                                                                         \
        }                                                                                                    \
    } while (0)

/* A file in memory with these bytes, the same one in every call; the path to it, for readers. */
static inline const char *file_of(const uint8_t *bytes, size_t count)
{
    static int file = -1;
    static char path[32];
    if (file < 0) {
        file = memfd_create("fuzz", MFD_CLOEXEC);
        EXPECT(file >= 0);
        snprintf(path, sizeof path, "/proc/self/fd/%d", file);
    }
    EXPECT(ftruncate(file, 0) == 0);
    EXPECT(pwrite(file, bytes, count, 0) == (ssize_t)count);
    return path;
}

#endif
