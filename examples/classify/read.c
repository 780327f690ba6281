/* Sequences out of CSV files. */
#include "sequences.h"

#include <stdlib.h>
#include <string.h>

/* A file on its way into sequences. */
typedef struct reader {
    sequences *s;
    const columns *named;
    const json_t *expected; /* names of the features; NULL: any */
    bool labelled;
    int label_column; /* -1: the file has none */
} reader;

static int64_t line_of(const sequences *s, int64_t row)
{
    return tl_csv_line(s->file, row);
}

/* --- columns --- */

/* True if the file has no labels and need not have any: it has an id and all features, and no column of the
 * label's name. */
static bool lacks_labels(const reader *in, int label_column)
{
    const tl_csv *file = in->s->file;
    bool whole = in->expected && tl_csv_columns(file) == (int)json_array_size(in->expected) + 1;
    return !in->labelled && whole &&
           (label_column < 0 || strcmp(tl_csv_name(file, label_column), in->named->label) != 0);
}

/* Finds the columns that are no features. */
static tl_status find_columns(reader *in)
{
    sequences *s = in->s;
    s->id_column = tl_csv_column(s->file, in->named->id);
    if (s->id_column < 0)
        return tl_error_status();
    in->label_column = tl_csv_column(s->file, in->named->label);
    if (lacks_labels(in, in->label_column))
        in->label_column = -1;
    else if (in->label_column < 0)
        return tl_error_status();
    else if (in->label_column == s->id_column)
        return tl_error(TL_ERROR_ARGUMENT, "%s: column %d cannot be both the id and the label", s->path,
                        s->id_column + 1);
    return TL_OK;
}

static bool is_feature(const reader *in, int column)
{
    return column != in->s->id_column && column != in->label_column;
}

static tl_status name_features(reader *in)
{
    sequences *s = in->s;
    s->features = json_array();
    for (int column = 0; column < tl_csv_columns(s->file); column++) {
        const char *name = tl_csv_name(s->file, column);
        if (tl_utf8_check(name, strlen(name)) >= 0)
            return tl_error(TL_ERROR_FORMAT, "%s: the name of column %d is not UTF-8", s->path, column + 1);
        if (is_feature(in, column) && json_array_append_new(s->features, json_string(name)) != 0)
            return tl_error(TL_ERROR_MEMORY, "out of memory for the names of features");
    }
    if (json_array_size(s->features) == 0)
        return tl_error(TL_ERROR_FORMAT, "%s: no features, expected columns besides the id and the label",
                        s->path);
    return TL_OK;
}

/* --- rows to sequences --- */

static bool starts_sequence(const sequences *s, int64_t row)
{
    return row == 0 ||
           strcmp(tl_csv_cell(s->file, row, s->id_column), tl_csv_cell(s->file, row - 1, s->id_column)) != 0;
}

static tl_status make_room(const reader *in)
{
    sequences *s = in->s;
    int64_t rows = tl_csv_rows(s->file), count = 0;
    for (int64_t row = 0; row < rows; row++)
        count += starts_sequence(s, row);
    if (make_sequences(s, count, rows, (int64_t)json_array_size(s->features)) != TL_OK)
        return tl_error_status();
    int64_t *start = s->starts;
    for (int64_t row = 0; row < rows; row++)
        if (starts_sequence(s, row))
            *start++ = row;
    *start = rows;
    return TL_OK;
}

/* The beginning of a sequence, for sorting. */
typedef struct beginning {
    const char *id;
    int64_t row;
} beginning;

static int compare(const void *left, const void *right)
{
    const beginning *a = left, *b = right;
    int order = strcmp(a->id, b->id);
    return order ? order : (a->row > b->row) - (a->row < b->row);
}

/* The first beginning, by row, that has an id of an earlier one in front of it; NULL if there is none. */
static const beginning *find_repeated(beginning *sorted, int64_t count)
{
    const beginning *first = NULL;
    qsort(sorted, (size_t)count, sizeof *sorted, compare);
    for (int64_t i = 1; i < count; i++)
        if (strcmp(sorted[i - 1].id, sorted[i].id) == 0 && (!first || sorted[i].row < first->row))
            first = &sorted[i];
    return first;
}

static tl_status check_ids(const reader *in)
{
    const sequences *s = in->s;
    beginning *all = calloc((size_t)s->count, sizeof *all);
    if (!all)
        return tl_error(TL_ERROR_MEMORY, "out of memory for %lld ids", (long long)s->count);
    tl_status status = TL_OK;
    for (int64_t i = 0; i < s->count && status == TL_OK; i++) {
        all[i] = (beginning){id_of(s, i), s->starts[i]};
        if (!all[i].id[0] || strpbrk(all[i].id, "\r\n"))
            status = tl_error(TL_ERROR_FORMAT, "%s: line %lld, column %d: an id that is empty or has lines",
                              s->path, (long long)line_of(s, s->starts[i]), s->id_column + 1);
    }
    const beginning *again = status == TL_OK ? find_repeated(all, s->count) : NULL;
    if (again)
        status = tl_error(TL_ERROR_FORMAT,
                          "%s: line %lld: sequence '%.60s' again, which began on line %lld: expected its "
                          "rows one after the other",
                          s->path, (long long)line_of(s, again->row), again->id,
                          (long long)line_of(s, again[-1].row));
    free(all);
    return status;
}

/* --- cells --- */

/* `values` are those of the label's column. */
static tl_status take_label(const reader *in, int64_t sequence, const double *values)
{
    const sequences *s = in->s;
    int64_t first = s->starts[sequence];
    for (int64_t row = first; row < s->starts[sequence + 1]; row++) {
        if (values[row] != 0 && values[row] != 1)
            return tl_error(TL_ERROR_FORMAT, "%s: line %lld, column %d: label %g, expected 0 or 1", s->path,
                            (long long)line_of(s, row), in->label_column + 1, values[row]);
        if (values[row] != values[first])
            return tl_error(TL_ERROR_FORMAT,
                            "%s: line %lld, column %d: label %g, but sequence '%.60s' has %g on line %lld",
                            s->path, (long long)line_of(s, row), in->label_column + 1, values[row],
                            id_of(s, sequence), values[first], (long long)line_of(s, first));
    }
    s->labels[sequence] = values[first] > 0;
    return TL_OK;
}

static tl_status read_labels(const reader *in)
{
    tl_tensor column = tl_csv_numbers(in->s->file, in->label_column);
    const double *values = tl_data(column);
    tl_status status = values ? TL_OK : tl_error_status();
    for (int64_t i = 0; i < in->s->count && status == TL_OK; i++)
        status = take_label(in, i, values);
    tl_tensor_free(&column);
    return status;
}

static tl_status read_features(const reader *in)
{
    sequences *s = in->s;
    int64_t rows = tl_csv_rows(s->file);
    double *feature = s->values;
    for (int c = 0; c < tl_csv_columns(s->file); c++) {
        if (!is_feature(in, c))
            continue;
        tl_tensor column = tl_csv_numbers(s->file, c);
        const double *values = tl_data(column);
        for (int64_t row = 0; values && row < rows; row++)
            feature[row * s->width] = values[row];
        tl_tensor_free(&column);
        if (!values)
            return tl_error_status();
        feature++;
    }
    return TL_OK;
}

tl_status read_sequences(sequences *s, const char *path, const columns *named, const json_t *expected,
                         bool labelled)
{
    *s = (sequences){.file = tl_csv_read(path), .path = path};
    reader in = {.s = s, .named = named, .expected = expected, .labelled = labelled};
    if (!s->file || find_columns(&in) != TL_OK || name_features(&in) != TL_OK ||
        check_features(s, expected) != TL_OK || make_room(&in) != TL_OK || check_ids(&in) != TL_OK ||
        (labelled && read_labels(&in) != TL_OK))
        return tl_error_status();
    return read_features(&in);
}
