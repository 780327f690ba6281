/* Whole text files in memory. Rests on error.h. */
#ifndef TL_DATA_TEXT_FILE_H
#define TL_DATA_TEXT_FILE_H

#include "../tensor/error.h"

#include <stddef.h>

/* The bytes of a file, unpacked if it is gzip, as they are, with a zero behind them that is not counted;
 * *size says how many there are (size may be NULL). Whether they are UTF-8 is for others to check:
 * tl_utf8_check, or whoever reads the text.
 *
 * NULL with an error that names the file: TL_ERROR_IO if it cannot be opened or is no regular file,
 * TL_ERROR_FORMAT if it is empty, or gzip that is damaged, has gzip within or unpacks to over 64 MiB and 100
 * times its size, TL_ERROR_MEMORY. The caller frees the text with tl_text_free. Thread-safe. */
TL_API char *tl_text_read(const char *path, size_t *size);

/* Frees what tl_text_read gave. NULL is fine. */
TL_API void tl_text_free(char *text);

#endif
