/* Plots: ticks of both scales, gaps, what stands in a picture, and mistakes. */
#include "nn/plot.h"
#include "tests/support/suite.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static char *drawn(const tl_plot *plot, tl_status (*draw)(const tl_plot *, FILE *))
{
    static char *text; /* static, since gcc 12 takes what is read from it for a pointer to it */
    static size_t size;
    FILE *to = open_memstream(&text, &size);
    const tl_status status = draw(plot, to);
    fclose(to);
    ck_assert_msg(status == TL_OK, "%s", tl_error_message());
    return text;
}

static tl_plot plot_of(const tl_plot_line *line, int64_t count, bool logarithmic)
{
    return (tl_plot){
        .title = "a title", .count = count, .lines = line, .line_count = 1, .logarithmic = logarithmic};
}

/* The labels, from the top, and nothing else of a plot. */
static void labels_of(const char *text, char labels[200])
{
    labels[0] = '\0';
    const char *line = strchr(text, '\n') + 1;
    for (int row = 0; row < 16; row++, line = strchr(line, '\n') + 1) {
        char label[12];
        snprintf(label, sizeof label, "%.11s", line);
        if (label[10] != ' ')
            strcat(strcat(labels, label + strspn(label, " ")), " ");
    }
}

static void expect_labels(const double values[], int64_t count, bool logarithmic, const char *expected)
{
    char labels[200];
    const tl_plot plot = plot_of(&(tl_plot_line){"line", values}, count, logarithmic);
    char *text = drawn(&plot, tl_plot_print);
    labels_of(text, labels);
    ck_assert_str_eq(labels, expected);
    free(text);
}

START_TEST(scales)
{
    expect_labels((double[]){0, 1, 2, 4}, 4, false, "4 3 2 1 0 ");
    expect_labels((double[]){1e-40, 1e-20, 1}, 3, true, "1e0 1e-10 1e-20 1e-30 1e-40 ");
    expect_labels((double[]){0.02, 0.5, 3}, 3, true, "1e1 1e0 1e-1 1e-2 ");
    expect_labels((double[]){1, 1, 1}, 3, true, "1e1 1e0 ");
    expect_labels((double[]){0, -1, (double)NAN}, 3, true, "1e1 1e0 "); /* nothing that has a place */
    expect_labels((double[]){1e200, 1e-200}, 2, true, "1e200 1e100 1e0 1e-100 1e-200 ");
}
END_TEST

START_TEST(gaps)
{
    const tl_plot plot =
        plot_of(&(tl_plot_line){"line", (double[]){1, 0, 10, 100, (double)INFINITY}}, 5, true);
    char *text = drawn(&plot, tl_plot_svg);
    const char *path = strstr(text, "stroke-width=\"1.5\" d=\"");
    ck_assert_ptr_nonnull(path);
    int moves = 0, strokes = 0;
    for (path = strstr(path, "d=\"") + 3; *path != '"'; path++) {
        moves += *path == 'M';
        strokes += *path == 'L';
    }
    ck_assert_int_eq(moves, 2);
    ck_assert_int_eq(strokes, 1);
    free(text);
}
END_TEST

START_TEST(mistakes)
{
    const double values[] = {1};
    tl_plot plot = plot_of(&(tl_plot_line){"line", values}, 0, false);
    ck_assert_int_eq(tl_plot_print(&plot, stdout), TL_ERROR_ARGUMENT);
    EXPECT_ERROR(TL_ERROR_ARGUMENT, "plot: 1 lines of 0 points, expected 1 to 6 of 1 or more");
    plot.count = 1;
    plot.line_count = 7;
    ck_assert_int_eq(tl_plot_svg(&plot, stdout), TL_ERROR_ARGUMENT);
    plot.line_count = 1;
    FILE *full = fopen("/dev/full", "w");
    setvbuf(full, NULL, _IONBF, 0);
    ck_assert_int_eq(tl_plot_svg(&plot, full), TL_ERROR_IO);
    EXPECT_ERROR(TL_ERROR_IO, "plot: the file cannot be written");
    fclose(full);
}
END_TEST

int main(void)
{
    return RUN_SUITE("plot", scales, gaps, mistakes);
}
