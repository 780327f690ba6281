/* Where data sets are on this machine. Rests on error.h.
 *
 * A program asks for a file by name; the user says where data lies with a folder on the command line or in
 * the environment, or lets a download put it into the cache.
 */
#ifndef TL_DATA_LOCATE_H
#define TL_DATA_LOCATE_H

#include "../tensor/error.h"

#include <stddef.h>

/* Writes the path of the first of `count` names that is there, file or folder, to path, which has room for
 * `size` bytes. With `dir` given, it alone is searched; without (NULL), the folder in the environment
 * variable TAPELOOP_DATA, then the user's cache, $XDG_CACHE_HOME/tapeloop or else ~/.cache/tapeloop. All
 * names are tried in one folder before the next.
 *
 * TL_ERROR_IO if none is there, with a message that says what was looked for and where; TL_ERROR_ARGUMENT if
 * a path has no room. Thread-safe as far as getenv is. */
TL_API tl_status tl_data_locate(const char *dir, const char *const names[], int count, char *path,
                                size_t size);

#endif
