/* Plots: lines over time, drawn with characters for a terminal, or as an SVG picture. Rests on data/text.h.
 *
 * Both are written to a file of the caller's, which may be standard output or, with open_memstream, a text:
 *
 *     tl_plot_line lines[] = {{"series", values}, {"forecast", forecasts}};
 *     tl_plot_print(&(tl_plot){.title = "sales", .count = 200, .lines = lines, .line_count = 2}, stdout);
 */
#ifndef TL_NN_PLOT_H
#define TL_NN_PLOT_H

#include "../tensor/error.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum {
    TL_PLOT_COLUMNS = 72, /* of a terminal, with the numbers beside the lines */
    TL_PLOT_POINTS = 120, /* that side by side have a place of their own there */
    TL_PLOT_LINES = 6     /* at most */
};

/* The values of a line at x = first, first + 1, ...; where they are not finite, the line has a gap. */
typedef struct tl_plot_line {
    const char *name;
    const double *values;
} tl_plot_line;

typedef struct tl_plot {
    const char *title;    /* on one line, as the names */
    int64_t first, count; /* of the points, for all lines; at least one */
    const tl_plot_line *lines;
    int line_count;   /* 1 to TL_PLOT_LINES */
    bool logarithmic; /* by powers of ten; values that are not positive are gaps */
} tl_plot;

/* Draws 16 rows of text between a title and a legend: the first line in dots (braille), the others in a
 * character each, where they part from it. An error if the file cannot be written. */
TL_API tl_status tl_plot_print(const tl_plot *plot, FILE *to);

/* Writes an SVG picture, a whole file. */
TL_API tl_status tl_plot_svg(const tl_plot *plot, FILE *to);

#endif
