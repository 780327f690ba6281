/* Stands in front of the calls that bring a file to the disk, for one test program: include it in one file.
 * They are noted in their order, and one of them can be made to fail. */
#ifndef TESTS_SUPPORT_FILE_CALLS_H
#define TESTS_SUPPORT_FILE_CALLS_H

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* w: written, f: a file flushed, r: renamed, d: a folder flushed; of many w in a row, one. */
static char file_calls[4096];

/* The call that fails, with what error, after how many more of its kind; 0: none. */
static struct {
    char call;
    int countdown, error;
    bool half; /* of what is written is written nevertheless, and then no more */
} failing_call;

static inline void note_file_call(char call)
{
    size_t length = strlen(file_calls);
    if (length + 1 < sizeof file_calls && (call != 'w' || length == 0 || file_calls[length - 1] != 'w'))
        file_calls[length] = call;
}

/* Whether this call is to fail; errno is set. */
static inline bool file_call_fails(char call)
{
    note_file_call(call);
    if (failing_call.call != call || failing_call.countdown == 0 || --failing_call.countdown > 0)
        return false;
    errno = failing_call.error;
    return true;
}

ssize_t write(int file, const void *bytes, size_t count)
{
    struct stat status;
    const bool regular = file > 2 && fstat(file, &status) == 0 && S_ISREG(status.st_mode);
    if (regular && file_call_fails('w')) {
        if (!failing_call.half || count < 2)
            return -1;
        failing_call.half = false;
        failing_call.countdown = 1; /* the rest fails */
        count /= 2;
    }
    return syscall(SYS_write, file, bytes, count);
}

int fsync(int file)
{
    struct stat status;
    const bool is_folder = fstat(file, &status) == 0 && S_ISDIR(status.st_mode);
    return file_call_fails(is_folder ? 'd' : 'f') ? -1 : (int)syscall(SYS_fsync, file);
}

int renameat(int from_folder, const char *from, int to_folder, const char *to)
{
    return file_call_fails('r') ? -1 : (int)syscall(SYS_renameat2, from_folder, from, to_folder, to, 0);
}

#endif
