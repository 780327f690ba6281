#include "data/csv.h"
#include "data/file_internal.h"
#include "data/unpack_internal.h"
#include "tensor/error_internal.h"
#include "tensor/memory_internal.h"
#include "tensor/options_internal.h"

#include <csv.h>
#include <limits.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SHOWN = 41, LIST_SIZE = 220 }; /* bytes of a cell and of a list of columns in a message */

struct tl_csv {
    char *path;
    char *text;         /* the file, turned into the cells' texts as they are read */
    const char **cells; /* row by row */
    int64_t *lines;     /* a row's first */
    int64_t rows, columns;
    bool header; /* its names are the cells of row 0 here; rows of the interface begin after it */
};

/* A file on its way into a table. */
typedef struct reader {
    tl_csv *csv;
    struct csv_parser parser;
    size_t bytes;   /* of the file */
    size_t used;    /* bytes of csv->text that are cells */
    int64_t filled; /* cells so far */
    int64_t line;   /* on which the row began */
    tl_status status;
} reader;

/* A text for a message: on one line, and cut between two characters if it is long. */
static const char *shown(const char *text, char out[SHOWN])
{
    size_t length = strnlen(text, SHOWN - 1);
    while (length > 0 && ((unsigned char)text[length] & 0xC0) == 0x80)
        length--;
    snprintf(out, SHOWN, "%.*s", (int)length, text);
    for (char *at = out; *at; at++)
        if ((unsigned char)*at < ' ' || *at == 0x7F)
            *at = ' ';
    return out;
}

/* --- the file in memory --- */

static tl_status read_file(reader *in)
{
    tl_unpack *file = tl_unpack_open("csv", in->csv->path);
    if (file)
        in->csv->text = tl_unpack_take(file, PTRDIFF_MAX, &in->bytes);
    tl_unpack_close(file);
    return in->csv->text ? TL_OK : tl_error_status();
}

/* Where the line at `at` ends, and the next begins. */
static const char *line_after(const char *at, const char *end)
{
    while (at < end && *at != '\n' && *at != '\r')
        at++;
    if (end - at >= 2 && at[0] == '\r' && at[1] == '\n')
        return at + 2;
    return at < end ? at + 1 : end;
}

/* Makes room for the cells and rows that the bytes can have at most, and looks for zeros. */
static tl_status prepare(reader *in, char delimiter)
{
    tl_csv *csv = in->csv;
    const char *zero = memchr(csv->text, 0, in->bytes), *end = zero ? zero + 1 : csv->text + in->bytes;
    size_t delimiters = 0;
    int64_t lines = 0;
    for (const char *at = csv->text; at < end; at = line_after(at, end))
        lines++;
    if (zero)
        return tl_file_error(TL_ERROR_FORMAT, csv->path,
                             "line %lld: a byte that is zero: no text, or not UTF-8", (long long)lines);
    for (const char *at = csv->text; at < end; at++)
        delimiters += *at == delimiter;
    csv->cells = tl_allocate_raw((delimiters + (size_t)lines) * sizeof *csv->cells);
    csv->lines = tl_allocate_raw((size_t)lines * sizeof *csv->lines);
    return csv->cells && csv->lines ? TL_OK : TL_ERROR_MEMORY;
}

/* --- cells and rows as libcsv finds them --- */

static int64_t cells_of_row(const reader *in)
{
    return in->filled - in->csv->rows * in->csv->columns;
}

/* Puts a cell's text where it or others stood in the file: what libcsv has read already is longer. */
static void take_cell(void *text, size_t length, void *context)
{
    reader *in = context;
    char *cell = in->csv->text + in->used;
    memcpy(cell, text, length);
    cell[length] = '\0';
    in->csv->cells[in->filled++] = cell;
    in->used += length + 1;
}

static void take_row(int terminator, void *context)
{
    reader *in = context;
    tl_csv *csv = in->csv;
    int64_t cells = cells_of_row(in);
    (void)terminator;
    if (in->status != TL_OK)
        return;
    if (csv->rows == 0)
        csv->columns = cells;
    if (cells != csv->columns)
        in->status = tl_file_error(TL_ERROR_FORMAT, csv->path, "line %lld has %lld cells, line %lld has %lld",
                                   (long long)in->line, (long long)cells, (long long)csv->lines[0],
                                   (long long)csv->columns);
    else if (cells > INT_MAX)
        in->status =
            tl_file_error(TL_ERROR_FORMAT, csv->path, "line %lld has %lld cells, expected %d at most",
                          (long long)in->line, (long long)cells, INT_MAX);
    csv->lines[csv->rows++] = in->line;
}

static tl_status refuse_quote(const reader *in, const char *what)
{
    return tl_file_error(TL_ERROR_FORMAT, in->csv->path, "line %lld, column %lld: %s", (long long)in->line,
                         (long long)cells_of_row(in) + 1, what);
}

/* libcsv's memory: room for a cell as large as the file, at once, and never more. */
static void *take_memory(void *memory, size_t bytes)
{
    return memory ? NULL : tl_allocate_raw(bytes);
}

static tl_status parse_line(reader *in, const char *line, size_t bytes)
{
    if (csv_parse(&in->parser, line, bytes, take_cell, take_row, in) == bytes)
        return in->status;
    return csv_error(&in->parser) == CSV_EPARSE
               ? refuse_quote(in, "a quote inside a cell, where it has to be doubled, and the cell in quotes")
               : TL_ERROR_MEMORY; /* tl_allocate_raw left the message */
}

static tl_status parse(reader *in)
{
    static const char mark[] = "\xEF\xBB\xBF";
    const char *at = in->csv->text, *end = at + in->bytes;
    if (in->bytes >= sizeof mark - 1 && memcmp(at, mark, sizeof mark - 1) == 0)
        at += sizeof mark - 1;
    tl_status status = TL_OK;
    for (int64_t line = 1; at < end && status == TL_OK; line++) {
        const char *next = line_after(at, end);
        if (!in->parser.quoted) /* else it goes on with a cell of the line before */
            in->line = line;
        status = parse_line(in, at, (size_t)(next - at));
        at = next;
    }
    if (status == TL_OK && csv_fini(&in->parser, take_cell, take_row, in) != 0)
        return refuse_quote(in, "a quote that is not closed");
    return status == TL_OK ? in->status : status;
}

static tl_status check_rows(const tl_csv *csv)
{
    if (csv->rows == 0)
        return tl_file_error(TL_ERROR_FORMAT, csv->path, "empty");
    if (tl_csv_rows(csv) == 0)
        return tl_file_error(TL_ERROR_FORMAT, csv->path, "a header and no rows");
    return TL_OK;
}

static tl_status read_table(reader *in, char delimiter)
{
    tl_status status = read_file(in);
    if (status == TL_OK)
        status = prepare(in, delimiter);
    if (status != TL_OK)
        return status;
    csv_init(&in->parser, CSV_STRICT | CSV_STRICT_FINI);
    csv_set_delim(&in->parser, (unsigned char)delimiter);
    csv_set_realloc_func(&in->parser, take_memory);
    csv_set_free_func(&in->parser, tl_release);
    csv_set_blk_size(&in->parser, in->bytes + 1);
    status = parse(in);
    csv_free(&in->parser);
    return status == TL_OK ? check_rows(in->csv) : status;
}

tl_csv *tl_csv_read_with(const tl_csv_options *given)
{
    tl_csv_options options;
    tl_options_read(&options, sizeof options, given);
    char delimiter = options.delimiter ? options.delimiter : ',';
    if (!options.path)
        tl_error(TL_ERROR_ARGUMENT, "csv: no path to read from");
    else if (strchr("\"\r\n", delimiter))
        tl_error(TL_ERROR_ARGUMENT, "csv: delimiter 0x%02x, expected no quote or line end", delimiter);
    if (!options.path || strchr("\"\r\n", delimiter))
        return NULL;
    tl_csv *csv = tl_allocate(sizeof *csv);
    if (!csv)
        return NULL;
    csv->header = !options.no_header;
    csv->path = tl_allocate_text(options.path);
    reader in = {.csv = csv};
    if (csv->path && read_table(&in, delimiter) == TL_OK)
        return csv;
    tl_csv_free(csv);
    return NULL;
}

void tl_csv_free(tl_csv *csv)
{
    if (!csv)
        return;
    tl_release(csv->path);
    tl_release(csv->text);
    tl_release(csv->cells);
    tl_release(csv->lines);
    tl_release(csv);
}

/* --- the table --- */

int64_t tl_csv_rows(const tl_csv *csv)
{
    return csv ? csv->rows - csv->header : 0;
}

int tl_csv_columns(const tl_csv *csv)
{
    return csv ? (int)csv->columns : 0;
}

static bool check_column(const tl_csv *csv, int column)
{
    if (!csv)
        tl_missing("csv", "table");
    else if (column >= 0 && column < csv->columns)
        return true;
    else if (column == -1) /* what tl_csv_column left a message for */
        tl_missing("csv", "column");
    else
        tl_file_error(TL_ERROR_RANGE, csv->path, "column %d of %lld, counted from 0", column,
                      (long long)csv->columns);
    return false;
}

static bool check_row(const tl_csv *csv, int64_t row)
{
    if (!csv)
        tl_missing("csv", "table");
    else if (row >= 0 && row < tl_csv_rows(csv))
        return true;
    else
        tl_file_error(TL_ERROR_RANGE, csv->path, "row %lld of %lld, counted from 0", (long long)row,
                      (long long)tl_csv_rows(csv));
    return false;
}

/* The names of the columns, for a message: "'date', 'price' or ". */
static const char *list_names(const tl_csv *csv, char list[LIST_SIZE])
{
    char name[SHOWN];
    bool room = true;
    size_t used = 0;
    list[0] = '\0';
    for (int64_t i = 0; csv->header && i < csv->columns && room; i++) {
        room = used + 3 * SHOWN < LIST_SIZE;
        used += (size_t)snprintf(list + used, LIST_SIZE - used, room ? "%s'%s'" : "%s...", i ? ", " : "",
                                 shown(csv->cells[i], name));
    }
    if (csv->header)
        snprintf(list + used, LIST_SIZE - used, " or ");
    return list;
}

/* A number from 1 to `most` in decimal digits; 0 for any other text. */
static int64_t number_of(const char *text, int64_t most)
{
    int64_t number = 0;
    for (; *text >= '0' && *text <= '9' && number <= most; text++)
        number = 10 * number + (*text - '0');
    return *text || number > most ? 0 : number;
}

int tl_csv_column(const tl_csv *csv, const char *name)
{
    if (!csv || !name) {
        tl_missing("csv", csv ? "name of a column" : "table");
        return -1;
    }
    char text[SHOWN], list[LIST_SIZE];
    int found = -1;
    for (int i = 0; csv->header && i < csv->columns; i++) {
        if (strcmp(csv->cells[i], name) != 0)
            continue;
        if (found >= 0) {
            tl_file_error(TL_ERROR_ARGUMENT, csv->path,
                          "columns %d and %d are both called '%s', use a number", found + 1, i + 1,
                          shown(name, text));
            return -1;
        }
        found = i;
    }
    if (found < 0)
        found = (int)number_of(name, csv->columns) - 1;
    if (found < 0)
        tl_file_error(TL_ERROR_ARGUMENT, csv->path, "no column '%s', expected %sa number from 1 to %lld",
                      shown(name, text), list_names(csv, list), (long long)csv->columns);
    return found;
}

const char *tl_csv_name(const tl_csv *csv, int column)
{
    return check_column(csv, column) && csv->header ? csv->cells[column] : NULL;
}

const char *tl_csv_cell(const tl_csv *csv, int64_t row, int column)
{
    if (!check_column(csv, column) || !check_row(csv, row))
        return NULL;
    return csv->cells[(row + csv->header) * csv->columns + column];
}

int64_t tl_csv_line(const tl_csv *csv, int64_t row)
{
    return check_row(csv, row) ? csv->lines[row + csv->header] : 0;
}

static tl_status refuse_cell(const tl_csv *csv, int64_t row, int column, const char *why)
{
    char name[SHOWN], place[SHOWN + 4] = "", text[SHOWN];
    if (csv->header)
        snprintf(place, sizeof place, " (%s)", shown(csv->cells[column], name));
    return tl_file_error(TL_ERROR_FORMAT, csv->path, "line %lld, column %d%s: '%s' %s",
                         (long long)tl_csv_line(csv, row), column + 1, place,
                         shown(tl_csv_cell(csv, row, column), text), why);
}

static tl_status read_numbers(const tl_csv *csv, int column, locale_t plain, double *out)
{
    for (int64_t row = 0; row < tl_csv_rows(csv); row++) {
        const char *cell = tl_csv_cell(csv, row, column);
        char *end;
        out[row] = strtod_l(cell, &end, plain);
        bool decimal = cell[strspn(cell, "0123456789+-.eE")] == '\0'; /* no "nan", "inf", "0x1p3", " 1" */
        if (!decimal || end == cell || *end)
            return refuse_cell(csv, row, column, "is not a number");
        if (isinf(out[row]))
            return refuse_cell(csv, row, column, "is too large");
    }
    return TL_OK;
}

tl_tensor tl_csv_numbers(const tl_csv *csv, int column)
{
    if (!check_column(csv, column))
        return (tl_tensor){0};
    locale_t plain = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    if (!plain) {
        tl_error(TL_ERROR_MEMORY, "out of memory for the C locale");
        return (tl_tensor){0};
    }
    tl_tensor numbers = tl_tensor_new(TL_F64, tl_shape(tl_csv_rows(csv)));
    if (tl_tensor_ok(numbers) && read_numbers(csv, column, plain, tl_data_mut(numbers)) != TL_OK)
        tl_tensor_free(&numbers);
    freelocale(plain);
    return numbers;
}
