/* Files that programs write. */
#ifndef COMMON_OUTPUT_H
#define COMMON_OUTPUT_H

#include <stdio.h>
#include <tapeloop.h>

/* An error if the file could not be written; for before the training, as nothing is touched. NULL is fine. */
tl_status check_output(const char *path);

/* Opens a file for writing; NULL with the error set. */
FILE *open_output(const char *path);

/* Closes it; what could not be written is an error. */
tl_status close_output(FILE *file, const char *path);

/* Writes a plot as an SVG file. */
tl_status save_plot(const tl_plot *p, const char *path);

#endif
