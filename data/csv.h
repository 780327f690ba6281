/* Tables of text: CSV files, from which series and sequences are read. Rests on tensor.h and options.h;
 * libcsv takes the lines apart.
 *
 *     tl_csv *sales = tl_csv_read("sales.csv", .delimiter = ';');
 *     tl_tensor price = tl_csv_numbers(sales, tl_csv_column(sales, "price"));
 *
 * A file is lines of cells with a delimiter between them, the same number in every line; the first line names
 * the columns. A cell in double quotes may hold delimiters, line ends, and quotes, each of them doubled;
 * spaces around an unquoted cell do not count. Lines end with LF, CR LF or CR; blank ones are skipped, as
 * is a byte-order mark of UTF-8. A file may be gzip, of which 64 MiB and 100 times its
 * size are unpacked at most; it has to fit into memory, 20 times if it is all delimiters, and there is no
 * other limit.
 *
 * Messages name file, line and column, counted from 1: "sales.csv: line 17, column 3 (price): 'abc' is not a
 * number". A row's line is the one on which it begins. In calls, rows and columns count from 0.
 *
 * Thread-safety: a table does not change, so any number of threads may read it.
 */
#ifndef TL_DATA_CSV_H
#define TL_DATA_CSV_H

#include "../tensor/options.h"
#include "../tensor/tensor.h"

typedef struct tl_csv tl_csv;

typedef struct tl_csv_options {
    size_t size; /* of this struct; the macro below fills it in */
    const char *path;
    char delimiter; /* ',' */
    bool no_header; /* the first line is a row like any other, and columns have numbers only */
} tl_csv_options;

/* Reads a file: tl_csv_read("sales.csv"). NULL with the error set, naming the file, if it cannot be read, is
 * no regular file, is empty or has a header and no rows; naming the line too if it has more or fewer cells
 * than the first, a quote that is not closed or stands inside a cell, or a byte that is zero; if the
 * delimiter is a quote or a line end, or memory is short. The caller frees the table. */
#define tl_csv_read(...)                                                                                     \
    tl_csv_read_with(&(tl_csv_options){.size = sizeof(tl_csv_options), .path = __VA_ARGS__})
TL_API tl_csv *tl_csv_read_with(const tl_csv_options *options);

/* Frees the table with the texts of its cells. NULL is fine. */
TL_API void tl_csv_free(tl_csv *csv);

/* The number of rows, without the header, and of columns: both at least 1, or 0 for NULL. */
TL_API int64_t tl_csv_rows(const tl_csv *csv);
TL_API int tl_csv_columns(const tl_csv *csv);

/* The column with this name or, where none has it, with this number in decimal digits, "1" for the first. -1
 * with an error that lists the columns if there is none, or if the name stands over several. */
TL_API int tl_csv_column(const tl_csv *csv, const char *name);

/* The name of a column. NULL if the file has no header or, with the error set, no such column. The text is
 * the table's. */
TL_API const char *tl_csv_name(const tl_csv *csv, int column);

/* The text of a cell, without its quotes; "" for an empty one. NULL with the error set if there is no such
 * row or column. The text is the table's. */
TL_API const char *tl_csv_cell(const tl_csv *csv, int64_t row, int column);

/* The line of the file on which a row begins, from 1, for messages. 0 with the error set if there is no such
 * row. */
TL_API int64_t tl_csv_line(const tl_csv *csv, int64_t row);

/* A column as numbers: f64 [rows], which the caller frees. Decimal, with a point and an exponent if need be
 * ("-1.5e3"), whatever the locale. Empty with the error set, naming the line, at the first cell that is no
 * such number, is empty, or is too large for a double; too small ones become 0. */
TL_API tl_tensor tl_csv_numbers(const tl_csv *csv, int column);

#endif
