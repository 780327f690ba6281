#include "nn/plot.h"
#include "data/text.h"
#include "tensor/error_internal.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS = 16, LABEL = 12, COLUMNS = TL_PLOT_COLUMNS - LABEL }; /* of characters */
enum { TICK = 16 };                                                /* room for any number of put_tick */
enum { FEW_POWERS = 4 };                                           /* of ten, which have a tick each */
enum { DOTS_ACROSS = 2 * COLUMNS, DOTS_DOWN = 4 * ROWS };
enum { WIDTH = 960, HEIGHT = 420, LEFT = 80, RIGHT = 20, TOP = 60, BOTTOM = 40 }; /* of a picture */

static_assert((int)TL_PLOT_POINTS == (int)DOTS_ACROSS, "a dot a point");

static const char letters[] = ".+ox*#"; /* of the lines; the first is drawn in dots */
static const char *const colors[] = {"#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377"};
static_assert(sizeof letters - 1 == TL_PLOT_LINES && sizeof colors / sizeof colors[0] == TL_PLOT_LINES,
              "one each");

static tl_status check(const tl_plot *p, const FILE *to)
{
    if (!p || !to)
        return tl_missing("plot", p ? "file" : "lines");
    if (p->count < 1 || p->line_count < 1 || p->line_count > TL_PLOT_LINES)
        return tl_error(TL_ERROR_ARGUMENT, "plot: %d lines of %lld points, expected 1 to %d of 1 or more",
                        p->line_count, (long long)p->count, TL_PLOT_LINES);
    return TL_OK;
}

static tl_status written(FILE *to)
{
    return ferror(to) ? tl_error(TL_ERROR_IO, "plot: the file cannot be written") : TL_OK;
}

/* --- scales --- */

/* The values that are shown, and where numbers stand beside them: at the multiples of step. */
typedef struct scale {
    double least, most, step;
    double first; /* tick */
    int ticks;
} scale;

/* The smallest of 1, 2, 5, 10, 20, ... that divides a span into `most` parts at most. */
static double round_step(double span, int most)
{
    double unit = pow(10, floor(log10(span / most)));
    for (int i = 0; i < 3; i++) {
        static const double factors[] = {1, 2, 5};
        if (span <= most * unit * factors[i])
            return unit * factors[i];
    }
    return 10 * unit;
}

static scale scale_of(double least, double most, int parts)
{
    if (!(most > least)) { /* one value, or none */
        double around = isfinite(least) ? least : 0, margin = fmax(fabs(around) / 10, 1);
        least = around - margin;
        most = around + margin;
    }
    double step = round_step(most - least, parts), first = ceil(least / step) * step;
    return (scale){least, most, step, first, (int)fmin(floor((most - first) / step) + 1, parts + 1)};
}

/* The height of a value: a scale of powers of ten has no place for what is not positive. */
static double height_of(const tl_plot *p, double value)
{
    if (!p->logarithmic)
        return value;
    return value > 0 ? log10(value) : (double)NAN;
}

static double height_at(const tl_plot *p, int line, int64_t point)
{
    return height_of(p, p->lines[line].values[point]);
}

/* Of powers of ten, whole ones have ticks. */
static scale scale_of_values(const tl_plot *p)
{
    double least = (double)INFINITY, most = (double)-INFINITY;
    for (int i = 0; i < p->line_count; i++)
        for (int64_t j = 0; j < p->count; j++) {
            double value = height_at(p, i, j);
            if (isfinite(value)) {
                least = fmin(least, value);
                most = fmax(most, value);
            }
        }
    if (!p->logarithmic || most - least >= FEW_POWERS)
        return scale_of(least, most, 4);
    least = isfinite(least) ? floor(least) : 0;
    most = fmax(ceil(most), least + 1);
    return (scale){least, most, 1, least, (int)(most - least) + 1};
}

static scale scale_of_points(const tl_plot *p)
{
    return scale_of((double)p->first, (double)(p->first + p->count - 1), 8);
}

/* Where a value stands, from 0 to `length`. Halves, as the whole span may be too large for a double. */
static double place(const scale *s, double value, double length)
{
    return fmax(0, fmin((value / 2 - s->least / 2) / (s->most / 2 - s->least / 2), 1)) * length;
}

static double tick_of(const scale *s, int i)
{
    double tick = s->first + i * s->step;
    return fabs(tick) < s->step / 2 ? 0 : tick; /* rounded */
}

/* Beside the lines: 0.5, or 1e-12. */
static void put_tick(const tl_plot *p, double tick, char text[TICK])
{
    snprintf(text, TICK, p->logarithmic ? "1e%.5g" : "%.5g", tick);
}

/* --- in a terminal --- */

typedef struct canvas {
    unsigned char dots[ROWS][COLUMNS]; /* of braille, as Unicode numbers them */
    char letters[ROWS][COLUMNS];       /* where there are no dots; 0: none */
} canvas;

static void dot(canvas *c, int x, int y)
{
    static const unsigned char bits[4][2] = {{0x01, 0x08}, {0x02, 0x10}, {0x04, 0x20}, {0x40, 0x80}};
    c->dots[y / 4][x / 2] |= bits[y % 4][x % 2];
}

static int column_of(const scale *x, int64_t point)
{
    return (int)lround(place(x, (double)point, DOTS_ACROSS - 1));
}

static int row_of(const scale *y, double value)
{
    return DOTS_DOWN - 1 - (int)lround(place(y, value, DOTS_DOWN - 1));
}

static void stroke(canvas *c, int from_x, int from_y, int to_x, int to_y)
{
    int across = abs(to_x - from_x), down = abs(to_y - from_y), steps = across > down ? across : down;
    for (int i = 0; i <= steps; i++) {
        double part = steps ? (double)i / steps : 0;
        dot(c, from_x + (int)lround(part * (to_x - from_x)), from_y + (int)lround(part * (to_y - from_y)));
    }
}

static void draw_in_dots(canvas *c, const tl_plot *p, const scale *x, const scale *y)
{
    for (int64_t j = 0; j < p->count; j++) {
        int64_t before = j > 0 && isfinite(height_at(p, 0, j - 1)) ? j - 1 : j;
        if (isfinite(height_at(p, 0, j)))
            stroke(c, column_of(x, p->first + before), row_of(y, height_at(p, 0, before)),
                   column_of(x, p->first + j), row_of(y, height_at(p, 0, j)));
    }
}

static void draw_in_letters(canvas *c, const tl_plot *p, int line, const scale *x, const scale *y)
{
    for (int64_t j = 0; j < p->count; j++) {
        const double height = height_at(p, line, j);
        if (isfinite(height))
            c->letters[row_of(y, height) / 4][column_of(x, p->first + j) / 2] = letters[line];
    }
}

/* The tick in a row of text as a label, "" if there is none. */
static const char *label_of(const tl_plot *p, const scale *y, int row, char text[TICK])
{
    text[0] = '\0';
    for (int i = 0; i < y->ticks; i++)
        if (row_of(y, tick_of(y, i)) / 4 == row)
            put_tick(p, tick_of(y, i), text);
    return text;
}

static void put_cell(unsigned char dots, char letter, FILE *to)
{
    if (dots) /* U+2800 and the dots, in UTF-8 */
        fprintf(to, "\xE2%c%c", 0xA0 | dots >> 6, 0x80 | (dots & 0x3F));
    else
        fputc(letter ? letter : ' ', to);
}

tl_status tl_plot_print(const tl_plot *p, FILE *to)
{
    if (check(p, to) != TL_OK)
        return tl_error_status();
    canvas c = {0};
    const scale x = scale_of_points(p), y = scale_of_values(p);
    draw_in_dots(&c, p, &x, &y);
    for (int i = 1; i < p->line_count; i++)
        draw_in_letters(&c, p, i, &x, &y);
    fprintf(to, "%*s%s\n", LABEL, "", p->title);
    for (int row = 0; row < ROWS; row++) {
        char label[TICK];
        fprintf(to, "%*s ", LABEL - 1, label_of(p, &y, row, label));
        for (int column = 0; column < COLUMNS; column++)
            put_cell(c.dots[row][column], c.letters[row][column], to);
        fputc('\n', to);
    }
    fprintf(to, "%*s%-*lld%*lld\n%*s", LABEL, "", COLUMNS / 2, (long long)p->first, COLUMNS / 2,
            (long long)(p->first + p->count - 1), LABEL, "");
    for (int i = 0; i < p->line_count; i++)
        fprintf(to, "%s%s %s", i ? "   " : "", i ? (char[]){letters[i], '\0'} : "⠒⠒", p->lines[i].name);
    fputc('\n', to);
    return written(to);
}

/* --- as a picture --- */

/* A text as XML, with '?' for bytes that are not UTF-8. */
static void put_text(const char *text, FILE *to)
{
    bool utf8 = tl_utf8_check(text, strlen(text)) < 0;
    for (; *text; text++) {
        if (*text == '<' || *text == '&')
            fprintf(to, "&#%d;", *text);
        else
            fputc(utf8 || (unsigned char)*text < 0x80 ? *text : '?', to);
    }
}

static double picture_x(const scale *x, double point)
{
    return LEFT + place(x, point, WIDTH - LEFT - RIGHT);
}

static double picture_y(const scale *y, double value)
{
    return HEIGHT - BOTTOM - place(y, value, HEIGHT - TOP - BOTTOM);
}

static void put_grid(const tl_plot *p, const scale *x, const scale *y, FILE *to)
{
    for (int i = 0; i < y->ticks; i++) {
        char label[TICK];
        double at = picture_y(y, tick_of(y, i));
        put_tick(p, tick_of(y, i), label);
        fprintf(to, "<path d=\"M%d %.1fH%d\" stroke=\"#dddddd\"/>", LEFT, at, WIDTH - RIGHT);
        fprintf(to, "<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%s</text>\n", LEFT - 8, at + 4, label);
    }
    for (int i = 0; i < x->ticks; i++)
        fprintf(to, "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%.10g</text>\n",
                picture_x(x, tick_of(x, i)), HEIGHT - BOTTOM + 20, tick_of(x, i));
}

static void put_line(const tl_plot *p, int line, const scale *x, const scale *y, FILE *to)
{
    bool drawing = false;
    fprintf(to, "<path fill=\"none\" stroke=\"%s\" stroke-width=\"1.5\" d=\"", colors[line]);
    for (int64_t j = 0; j < p->count; j++) {
        const double height = height_at(p, line, j);
        if (isfinite(height))
            fprintf(to, "%c%.2f %.2f", drawing ? 'L' : 'M', picture_x(x, (double)(p->first + j)),
                    picture_y(y, height));
        drawing = isfinite(height);
    }
    fprintf(to, "\"/>\n<text x=\"%d\" y=\"46\" fill=\"%s\">", LEFT + 150 * line, colors[line]);
    put_text(p->lines[line].name, to);
    fputs("</text>\n", to);
}

tl_status tl_plot_svg(const tl_plot *p, FILE *to)
{
    if (check(p, to) != TL_OK)
        return tl_error_status();
    const scale x = scale_of_points(p), y = scale_of_values(p);
    fprintf(to,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" font-family=\"sans-serif\" "
            "font-size=\"13\">\n<rect width=\"100%%\" height=\"100%%\" fill=\"white\"/>\n"
            "<text x=\"%d\" y=\"24\" font-size=\"17\">",
            WIDTH, HEIGHT, LEFT);
    put_text(p->title, to);
    fputs("</text>\n", to);
    put_grid(p, &x, &y, to);
    for (int i = 0; i < p->line_count; i++)
        put_line(p, i, &x, &y, to);
    fputs("</svg>\n", to);
    return written(to);
}
