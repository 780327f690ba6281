/* Errors of files, and files that take the place of another whole or not at all. */
#ifndef TL_DATA_FILE_INTERNAL_H
#define TL_DATA_FILE_INTERNAL_H

#include "tensor/error.h"

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* "path: reason"; of a long path the end is shown, so that the reason still fits. */
tl_status tl_file_error(tl_status status, const char *path, const char *format, ...) TL_PRINTF(3, 4);

/* The system's error `code` while the file was to be `what`: "read", "written". */
tl_status tl_file_cannot(const char *what, const char *path, int code);

/* An error unless the mode is that of a regular file. */
tl_status tl_file_need_regular(const char *what, const char *path, mode_t mode);

typedef struct tl_replacement {
    const char *path;      /* as the caller wrote it */
    char target[PATH_MAX]; /* the same with links resolved, cut in two: folder and name */
    const char *name;
    char temporary[32]; /* name in the folder; "" once it was renamed */
    int folder, file;
} tl_replacement;

/* Starts a temporary file in the folder of `path`. What open began, close ends. */
tl_status tl_replacement_open(tl_replacement *to, const char *path);
tl_status tl_replacement_put(tl_replacement *to, const char *bytes, size_t count);

/* Brings what was put to the disk and gives it its name. */
tl_status tl_replacement_finish(tl_replacement *to);

/* Removes the temporary file unless it took its place. */
void tl_replacement_close(tl_replacement *to);

#endif
