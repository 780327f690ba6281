/* Lines over time, drawn with characters for a terminal, or as an SVG picture. */
#ifndef COMMON_PLOT_H
#define COMMON_PLOT_H

#include <stdio.h>
#include <tapeloop.h>

enum {
    PLOT_COLUMNS = 72, /* of a terminal, with the numbers beside the lines */
    PLOT_POINTS = 120, /* that side by side have a place of their own there */
    PLOT_LINES = 6     /* at most */
};

/* The values of a line at x = first, first + 1, ...; where they are not finite, the line has a gap. */
typedef struct plot_line {
    const char *name;
    const double *values;
} plot_line;

typedef struct plot {
    const char *title;    /* on one line, as the names */
    int64_t first, count; /* of the points, for all lines */
    const plot_line *lines;
    int line_count;
} plot;

/* Draws 16 rows of text between a title and a legend: the first line in dots (braille), the others in a
 * character each, where they part from it. */
void print_plot(const plot *p, FILE *to);

/* Writes an SVG file. */
tl_status save_plot(const plot *p, const char *path);

#endif
