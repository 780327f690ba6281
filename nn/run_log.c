#include "nn/run_log_internal.h"
#include "tensor/error_internal.h"
#include "tensor/memory_internal.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static tl_status failure(const tl_run_log *log)
{
    return tl_error(tl_status_of(errno), "%s: cannot write %s: %s", log->what, log->path, strerror(errno));
}

tl_status tl_run_log_start(tl_run_log *log, const char *what, const char *path)
{
    *log = (tl_run_log){.what = what, .path = tl_allocate_text(path)};
    return log->path ? TL_OK : TL_ERROR_MEMORY;
}

tl_status tl_run_log_remember(tl_run_log *log, tl_memory *memory, const char *name)
{
    log->durable = true;
    return tl_remember_count(memory, name, &log->lines);
}

static bool starts_with(FILE *file, const char *text)
{
    while (*text && getc(file) == (unsigned char)*text)
        text++;
    return !*text;
}

static tl_status go_on(tl_run_log *log, const char *header)
{
    log->file = fopen(log->path, "r+");
    if (!log->file)
        return failure(log);
    const bool ours = starts_with(log->file, header);
    int64_t lines = -1; /* the header is none */
    for (int c; ours && lines < log->lines && (c = getc(log->file)) != EOF;)
        lines += c == '\n';
    if (lines < log->lines)
        return tl_error(TL_ERROR_FORMAT, "%s: %s is not the log of this training, which has %lld lines",
                        log->what, log->path, (long long)log->lines);
    const off_t end = ftello(log->file);
    if (end < 0 || ftruncate(fileno(log->file), end) != 0 || fseeko(log->file, end, SEEK_SET) != 0)
        return failure(log);
    return TL_OK;
}

tl_status tl_run_log_open(tl_run_log *log, const char *header, bool *anew)
{
    struct stat status;
    const bool stream =
        stat(log->path, &status) == 0 && !S_ISREG(status.st_mode); /* no lines to go back to */
    *anew = log->lines == 0 || stream;
    if (!*anew)
        return go_on(log, header);
    log->file = fopen(log->path, "w");
    return log->file ? TL_OK : failure(log);
}

/* What is no file, such as a pipe, has nothing to bring to a disk. */
tl_status tl_run_log_flush(const tl_run_log *log)
{
    const bool written =
        fflush(log->file) == 0 && !ferror(log->file) &&
        (!log->durable || fsync(fileno(log->file)) == 0 || errno == EINVAL || errno == ENOTSUP);
    return written ? TL_OK : failure(log);
}

tl_status tl_run_log_line(tl_run_log *log)
{
    log->lines++;
    return tl_run_log_flush(log);
}

tl_status tl_run_log_close(tl_run_log *log)
{
    const int failed = fclose(log->file);
    log->file = NULL;
    return failed ? failure(log) : TL_OK;
}

void tl_run_log_free(tl_run_log *log)
{
    if (log->file)
        fclose(log->file);
    tl_release(log->path);
}
