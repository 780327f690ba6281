/* Logs that callbacks write: a header and a line an epoch, which go on with a training that does. */
#ifndef TL_NN_RUN_LOG_INTERNAL_H
#define TL_NN_RUN_LOG_INTERNAL_H

#include "nn/callback.h"

#include <stdio.h>

typedef struct tl_run_log {
    const char *what; /* of the callback, for messages */
    char *path;
    FILE *file;    /* while training lasts */
    int64_t lines; /* behind the header */
    bool durable;  /* lines have to be on the disk before a checkpoint that knows of them */
} tl_run_log;

/* TL_ERROR_MEMORY if there is no room for the path. */
tl_status tl_run_log_start(tl_run_log *log, const char *what, const char *path);

/* For tl_callback.remember: names the number of lines. */
tl_status tl_run_log_remember(tl_run_log *log, tl_memory *memory, const char *name);

/* For tl_callback.begin: opens the file, behind the lines that the training had when its checkpoint was
 * written, and cuts off later ones; a file whose header does not begin as given is an error. Where there are
 * no such lines, or no file to go back in, it begins anew: *anew asks the caller to write the header. */
tl_status tl_run_log_open(tl_run_log *log, const char *header, bool *anew);

/* Brings what was written to the file, as one more line, or none of it yet. */
tl_status tl_run_log_line(tl_run_log *log);
tl_status tl_run_log_flush(const tl_run_log *log);

/* For tl_callback.end and .free. */
tl_status tl_run_log_close(tl_run_log *log);
void tl_run_log_free(tl_run_log *log);

#endif
