/* Files, unpacked as they are read if they are gzip: libarchive does the work, and what it leaves out, the
 * check of length and CRC-32 at the end of a gzip file, is done here. So is a limit, as deflate can make a
 * thousand bytes of one, and gzip within gzip, which is refused, a million. A file may be empty. One stream
 * is for one thread. */
#ifndef TL_DATA_UNPACK_INTERNAL_H
#define TL_DATA_UNPACK_INTERNAL_H

#include "tensor/error.h"

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* How many bytes that many may become: 64 MiB and 100 times as many. */
int64_t tl_unpack_most(int64_t bytes);

/* Opens a regular file and says how large it is; NULL with the error of operation `what` set. Never waits, as
 * opening a pipe would. The caller closes it. */
FILE *tl_unpack_file(const char *what, const char *path, int64_t *bytes);

typedef struct tl_unpack tl_unpack;

/* Opens a regular file; NULL with the error of operation `what` set. The caller closes it, and
 * keeps both strings until then. */
tl_unpack *tl_unpack_open(const char *what, const char *path);

/* Points *block to the next bytes and returns how many there are, 0 at the end, where all was checked, or -1.
 * They are valid until the next call. */
ptrdiff_t tl_unpack_next(tl_unpack *unpack, const void **block);

/* Why tl_unpack_next returned -1, for a message; the stream's own. No error is set. */
const char *tl_unpack_problem(const tl_unpack *unpack);

/* Of what kind that is: TL_ERROR_MEMORY or TL_ERROR_FORMAT. */
tl_status tl_unpack_status(const tl_unpack *unpack);

/* The same as an error: "what: path: problem". */
tl_status tl_unpack_failed(const tl_unpack *unpack);

/* Reads up to `bytes` bytes, fewer only where the file ends; -1 with the error set if it cannot be read. Not
 * to be mixed with tl_unpack_next. */
ptrdiff_t tl_unpack_read(tl_unpack *unpack, void *out, size_t bytes);

/* Reads `most` bytes, or all there are, into memory that grows as they come, so that a file that promises
 * much takes no more than it has. A zero follows them. NULL with the error set if the file cannot be read or
 * memory is short; the caller frees the result with tl_release. */
char *tl_unpack_take(tl_unpack *unpack, size_t most, size_t *count);

/* Closes the file. NULL is fine. */
void tl_unpack_close(tl_unpack *unpack);

#endif
