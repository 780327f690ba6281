/* Files, unpacked as they are read if they are gzip: libarchive does the work, and what it leaves out, the
 * check of length and CRC-32 at the end of a gzip file, is done here. One stream is for one thread. */
#ifndef TL_DATA_UNPACK_INTERNAL_H
#define TL_DATA_UNPACK_INTERNAL_H

#include "tensor/error.h"

#include <stddef.h>

typedef struct tl_unpack tl_unpack;

/* Opens a file that one can seek in; NULL with the error of operation `what` set. The caller closes it. */
tl_unpack *tl_unpack_open(const char *what, const char *path);

/* Points *block to the next bytes and returns how many there are, 0 at the end, where all was checked, or -1.
 * They are valid until the next call. */
ptrdiff_t tl_unpack_next(tl_unpack *unpack, const void **block);

/* Why tl_unpack_next returned -1, for a message; the stream's own. No error is set. */
const char *tl_unpack_problem(const tl_unpack *unpack);

/* Closes the file. NULL is fine. */
void tl_unpack_close(tl_unpack *unpack);

#endif
