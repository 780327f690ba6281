#include "data/file_internal.h"
#include "tensor/error_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SHOWN_PATH = 200 }; /* bytes of a path in a message */

tl_status tl_file_error(tl_status status, const char *path, const char *format, ...)
{
    char reason[300];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(reason, sizeof reason, format, arguments);
    va_end(arguments);
    size_t length = strlen(path);
    return tl_error(status, "%s: %s", length > SHOWN_PATH ? path + length - SHOWN_PATH : path, reason);
}

tl_status tl_file_cannot(const char *what, const char *path, int code)
{
    return tl_file_error(tl_status_of(code), path, "cannot be %s: %s", what, strerror(code));
}

tl_status tl_file_need_regular(const char *what, const char *path, mode_t mode)
{
    if (S_ISREG(mode))
        return TL_OK;
    if (S_ISDIR(mode))
        return tl_file_cannot(what, path, EISDIR);
    return tl_file_error(TL_ERROR_IO, path, "cannot be %s: not a regular file", what);
}

/* Fills in target and name; returns the folder. */
static const char *split_path(tl_replacement *to)
{
    struct stat status;
    if (lstat(to->path, &status) == 0 && S_ISLNK(status.st_mode)) {
        if (!realpath(to->path, to->target))
            return NULL;
    } else if (snprintf(to->target, sizeof to->target, "%s", to->path) >= (int)sizeof to->target) {
        errno = ENAMETOOLONG;
        return NULL;
    }
    char *slash = strrchr(to->target, '/');
    to->name = slash ? slash + 1 : to->target;
    if (!slash)
        return ".";
    *slash = '\0';
    return slash == to->target ? "/" : to->target;
}

/* Whether the name leads to the open file, which its writer has locked until now. */
static bool is_still_there(const tl_replacement *to, int file)
{
    struct stat here, open;
    return fstatat(to->folder, to->temporary, &here, AT_SYMLINK_NOFOLLOW) == 0 && fstat(file, &open) == 0 &&
           here.st_dev == open.st_dev && here.st_ino == open.st_ino;
}

/* Removes the temporary file of a writer that was killed: its lock went with it. False if somebody writes to
 * the file, or it is not ours to remove. */
static bool remove_abandoned(const tl_replacement *to)
{
    int file = openat(to->folder, to->temporary, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (file < 0)
        return errno == ENOENT;
    bool removed = flock(file, LOCK_EX | LOCK_NB) == 0 &&
                   (!is_still_there(to, file) || unlinkat(to->folder, to->temporary, 0) == 0);
    close(file);
    return removed;
}

/* A new file under that name, locked; -1 if the name is taken, or was in between. Where the file system knows
 * no locks nobody can lock what others write, and so nobody removes it. */
static int create_locked(const tl_replacement *to)
{
    int file = openat(to->folder, to->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (file < 0 ||
        ((flock(file, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK) && is_still_there(to, file)))
        return file;
    close(file);
    errno = EEXIST;
    return -1;
}

/* The first name that nobody writes to. */
static bool claim_temporary(tl_replacement *to)
{
    enum { TRIES = 3 }; /* more than one removes what another has created, but not yet locked */
    for (int i = 0; i < INT_MAX; i++) {
        snprintf(to->temporary, sizeof to->temporary, ".tapeloop-%d.tmp", i);
        for (int j = 0; j < TRIES; j++) {
            to->file = create_locked(to);
            if (to->file >= 0)
                return true;
            if (errno != EEXIST)
                return false;
            if (!remove_abandoned(to))
                break;
        }
    }
    return false;
}

/* Creates the temporary file. Permissions are those of an old file, else what the umask leaves. */
static tl_status create_temporary(tl_replacement *to)
{
    struct stat old;
    bool exists = fstatat(to->folder, to->name, &old, 0) == 0;
    if (!exists && errno != ENOENT)
        return tl_file_cannot("written", to->path, errno);
    if (exists && tl_file_need_regular("written", to->path, old.st_mode) != TL_OK)
        return tl_error_status();
    if (exists && faccessat(to->folder, to->name, W_OK, AT_EACCESS) != 0)
        return tl_file_cannot("written", to->path, errno);
    if (!claim_temporary(to))
        return tl_file_cannot("written", to->path, errno);
    if (exists && fchmod(to->file, old.st_mode & 0777) != 0) {
        tl_status status = tl_file_cannot("written", to->path, errno);
        unlinkat(to->folder, to->temporary, 0);
        close(to->file);
        return status;
    }
    return TL_OK;
}

tl_status tl_replacement_open(tl_replacement *to, const char *path)
{
    if (!path)
        return tl_error(TL_ERROR_ARGUMENT, "no path to write to");
    to->path = path;
    const char *folder = split_path(to);
    if (!folder)
        return tl_file_cannot("written", path, errno);
    if (!to->name[0])
        return tl_file_cannot("written", path, path[0] ? EISDIR : ENOENT);
    to->folder = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (to->folder < 0)
        return tl_file_cannot("written", path, errno);
    tl_status status = create_temporary(to);
    if (status != TL_OK)
        close(to->folder);
    return status;
}

tl_status tl_replacement_put(tl_replacement *to, const char *bytes, size_t count)
{
    while (count > 0) {
        ssize_t written = write(to->file, bytes, count);
        if (written < 0 && errno != EINTR)
            return tl_file_cannot("written", to->path, errno);
        if (written > 0) {
            bytes += written;
            count -= (size_t)written;
        }
    }
    return TL_OK;
}

static int flush(int file)
{
    int result;
    do
        result = fsync(file);
    while (result != 0 && errno == EINTR);
    return result;
}

tl_status tl_replacement_finish(tl_replacement *to)
{
    if (flush(to->file) != 0 || renameat(to->folder, to->temporary, to->folder, to->name) != 0)
        return tl_file_cannot("written", to->path, errno);
    to->temporary[0] = '\0';
    if (flush(to->folder) != 0 && errno != EINVAL) /* EINVAL: a file system whose folders need no flushing */
        return tl_file_error(TL_ERROR_IO, to->path, "written, but its folder cannot be flushed: %s",
                             strerror(errno));
    return TL_OK;
}

void tl_replacement_close(tl_replacement *to)
{
    if (to->temporary[0])
        unlinkat(to->folder, to->temporary, 0);
    close(to->file);
    close(to->folder);
}
