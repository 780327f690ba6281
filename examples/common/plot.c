#include "plot.h"

#include "output.h"

#include <math.h>
#include <string.h>

enum { ROWS = 16, LABEL = 10, COLUMNS = PLOT_COLUMNS - LABEL }; /* of characters */
enum { DOTS_ACROSS = 2 * COLUMNS, DOTS_DOWN = 4 * ROWS };
enum { WIDTH = 960, HEIGHT = 420, LEFT = 80, RIGHT = 20, TOP = 60, BOTTOM = 40 }; /* of a picture */

static_assert(PLOT_POINTS == DOTS_ACROSS, "a dot a point");

static const char letters[] = ".+ox*#"; /* of the lines; the first is drawn in dots */
static const char *const colors[] = {"#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377"};
static_assert(sizeof letters - 1 == PLOT_LINES && sizeof colors / sizeof colors[0] == PLOT_LINES, "one each");

/* --- scales --- */

/* The values that are shown, and where the numbers beside them stand. */
typedef struct scale {
    double least, most, step; /* a tick at every multiple of step */
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

static scale scale_of(double least, double most, int ticks)
{
    if (!(most > least)) { /* one value, or none */
        double around = isfinite(least) ? least : 0, margin = fmax(fabs(around) / 10, 1);
        least = around - margin;
        most = around + margin;
    }
    return (scale){least, most, round_step(most - least, ticks)};
}

static scale scale_of_values(const plot *p)
{
    double least = (double)INFINITY, most = (double)-INFINITY;
    for (int i = 0; i < p->line_count; i++)
        for (int64_t j = 0; j < p->count; j++) {
            double value = p->lines[i].values[j];
            if (isfinite(value)) {
                least = fmin(least, value);
                most = fmax(most, value);
            }
        }
    return scale_of(least, most, 4);
}

static scale scale_of_points(const plot *p)
{
    return scale_of((double)p->first, (double)(p->first + p->count - 1), 8);
}

/* Where a value stands, from 0 to `length`. */
static double place(const scale *s, double value, double length)
{
    return (value - s->least) / (s->most - s->least) * length;
}

static double first_tick(const scale *s)
{
    return ceil(s->least / s->step) * s->step;
}

/* --- in a terminal --- */

typedef struct canvas {
    unsigned char dots[ROWS][COLUMNS]; /* of braille, as Unicode numbers them */
    char marks[ROWS][COLUMNS];         /* instead of dots; 0: none */
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

static void draw_in_dots(canvas *c, const plot *p, const scale *x, const scale *y)
{
    const double *values = p->lines[0].values;
    for (int64_t j = 0; j < p->count; j++) {
        int64_t before = j > 0 && isfinite(values[j - 1]) ? j - 1 : j;
        if (isfinite(values[j]))
            stroke(c, column_of(x, p->first + before), row_of(y, values[before]), column_of(x, p->first + j),
                   row_of(y, values[j]));
    }
}

static void draw_in_letters(canvas *c, const plot *p, int line, const scale *x, const scale *y)
{
    const double *values = p->lines[line].values;
    for (int64_t j = 0; j < p->count; j++)
        if (isfinite(values[j]))
            c->marks[row_of(y, values[j]) / 4][column_of(x, p->first + j) / 2] = letters[line];
}

/* The tick in a row of text as a label, "" if there is none. */
static const char *label_of(const scale *y, int row, char text[LABEL + 1])
{
    text[0] = '\0';
    for (double tick = first_tick(y); tick <= y->most; tick += y->step)
        if (row_of(y, tick) / 4 == row)
            snprintf(text, LABEL + 1, "%.5g", fabs(tick) < y->step / 2 ? 0 : tick);
    return text;
}

static void put_cell(const canvas *c, int row, int column, FILE *to)
{
    if (c->marks[row][column]) {
        fputc(c->marks[row][column], to);
    } else if (c->dots[row][column]) { /* U+2800 and the dots, in UTF-8 */
        fputc(0xE2, to);
        fputc(0xA0 | c->dots[row][column] >> 6, to);
        fputc(0x80 | (c->dots[row][column] & 0x3F), to);
    } else {
        fputc(' ', to);
    }
}

void print_plot(const plot *p, FILE *to)
{
    canvas c = {0};
    const scale x = scale_of_points(p), y = scale_of_values(p);
    draw_in_dots(&c, p, &x, &y);
    for (int i = 1; i < p->line_count; i++)
        draw_in_letters(&c, p, i, &x, &y);
    fprintf(to, "%*s%s\n", LABEL, "", p->title);
    for (int row = 0; row < ROWS; row++) {
        char label[LABEL + 1];
        fprintf(to, "%*s ", LABEL - 1, label_of(&y, row, label));
        for (int column = 0; column < COLUMNS; column++)
            put_cell(&c, row, column, to);
        fputc('\n', to);
    }
    fprintf(to, "%*s%-*lld%*lld\n%*s", LABEL, "", COLUMNS / 2, (long long)p->first, COLUMNS / 2,
            (long long)(p->first + p->count - 1), LABEL, "");
    for (int i = 0; i < p->line_count; i++)
        fprintf(to, "%s%s %s", i ? "   " : "", i ? (char[]){letters[i], '\0'} : "⠒⠒", p->lines[i].name);
    fputc('\n', to);
}

/* --- as a picture --- */

static void put_text(const char *text, FILE *to)
{
    for (; *text; text++) {
        if (*text == '<' || *text == '&')
            fprintf(to, "&#%d;", *text);
        else
            fputc((unsigned char)*text < ' ' ? ' ' : *text, to);
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

static void put_grid(const scale *x, const scale *y, FILE *to)
{
    for (double tick = first_tick(y); tick <= y->most; tick += y->step) {
        double at = picture_y(y, tick);
        fprintf(to, "<path d=\"M%d %.1fH%d\" stroke=\"#dddddd\"/>", LEFT, at, WIDTH - RIGHT);
        fprintf(to, "<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%.6g</text>\n", LEFT - 8, at + 4,
                fabs(tick) < y->step / 2 ? 0 : tick);
    }
    for (double tick = first_tick(x); tick <= x->most; tick += x->step)
        fprintf(to, "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%.10g</text>\n", picture_x(x, tick),
                HEIGHT - BOTTOM + 20, tick);
}

static void put_line(const plot *p, int line, const scale *x, const scale *y, FILE *to)
{
    const double *values = p->lines[line].values;
    bool drawing = false;
    fprintf(to, "<path fill=\"none\" stroke=\"%s\" stroke-width=\"1.5\" d=\"", colors[line]);
    for (int64_t j = 0; j < p->count; j++) {
        if (isfinite(values[j]))
            fprintf(to, "%c%.2f %.2f", drawing ? 'L' : 'M', picture_x(x, (double)(p->first + j)),
                    picture_y(y, values[j]));
        drawing = isfinite(values[j]);
    }
    fprintf(to, "\"/>\n<text x=\"%d\" y=\"46\" fill=\"%s\">", LEFT + 150 * line, colors[line]);
    put_text(p->lines[line].name, to);
    fputs("</text>\n", to);
}

tl_status save_plot(const plot *p, const char *path)
{
    const scale x = scale_of_points(p), y = scale_of_values(p);
    FILE *to = open_output(path);
    if (!to)
        return tl_error_status();
    fprintf(to,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" font-family=\"sans-serif\" "
            "font-size=\"13\">\n<rect width=\"100%%\" height=\"100%%\" fill=\"white\"/>\n"
            "<text x=\"%d\" y=\"24\" font-size=\"17\">",
            WIDTH, HEIGHT, LEFT);
    put_text(p->title, to);
    fputs("</text>\n", to);
    put_grid(&x, &y, to);
    for (int i = 0; i < p->line_count; i++)
        put_line(p, i, &x, &y, to);
    fputs("</svg>\n", to);
    return close_output(to, path);
}
