#include "sequences.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static json_t *numbered_names(int64_t width)
{
    json_t *names = json_array();
    for (int64_t i = 1; i <= width; i++)
        json_array_append_new(names, json_sprintf("x%lld", (long long)i));
    return names;
}

tl_status make_sequences(sequences *s, int64_t count, int64_t rows, int64_t width)
{
    s->count = count;
    s->width = width;
    s->starts = calloc((size_t)count + 1, sizeof *s->starts);
    s->values = calloc((size_t)rows, (size_t)width * sizeof *s->values);
    s->labels = calloc((size_t)count, sizeof *s->labels);
    if (!s->features)
        s->features = numbered_names(width);
    if (s->starts && s->values && s->labels && json_array_size(s->features) == (size_t)width)
        return TL_OK;
    return tl_error(TL_ERROR_MEMORY, "out of memory for %lld sequences", (long long)count);
}

void free_sequences(sequences *s)
{
    tl_csv_free(s->file);
    json_decref(s->features);
    free(s->starts);
    free(s->values);
    free(s->labels);
}

const char *id_of(const sequences *s, int64_t sequence)
{
    return tl_csv_cell(s->file, s->starts[sequence], s->id_column);
}

int64_t length_of(const sequences *s, int64_t sequence)
{
    return s->starts[sequence + 1] - s->starts[sequence];
}

tl_status check_features(const sequences *s, const json_t *expected)
{
    size_t count = json_array_size(s->features), known = json_array_size(expected);
    if (!expected)
        return TL_OK;
    if (count != known)
        return tl_error(TL_ERROR_FORMAT, "%s: %zu features, expected %zu as in training", s->path, count,
                        known);
    for (size_t i = 0; i < count; i++) {
        const json_t *name = json_array_get(s->features, i), *other = json_array_get(expected, i);
        if (!json_equal(name, other))
            return tl_error(TL_ERROR_FORMAT, "%s: feature %zu is '%.60s', expected '%.60s' as in training",
                            s->path, i + 1, json_string_value(name), json_string_value(other));
    }
    return TL_OK;
}

static void write_header(const sequences *s, FILE *to)
{
    fputs("id,label", to);
    for (int64_t i = 0; i < s->width; i++)
        fprintf(to, ",%s", json_string_value(json_array_get(s->features, (size_t)i)));
    fputc('\n', to);
}

static void write_rows(const sequences *s, int64_t sequence, FILE *to)
{
    for (int64_t row = s->starts[sequence]; row < s->starts[sequence + 1]; row++) {
        fprintf(to, "%lld,%d", (long long)sequence + 1, s->labels[sequence]);
        for (int64_t i = 0; i < s->width; i++)
            fprintf(to, ",%.3f", s->values[row * s->width + i]);
        fputc('\n', to);
    }
}

tl_status write_sequences(const sequences *s, const char *path)
{
    FILE *to = fopen(path, "w");
    if (!to)
        return tl_error(TL_ERROR_IO, "%s: %s", path, strerror(errno));
    write_header(s, to);
    for (int64_t i = 0; i < s->count; i++)
        write_rows(s, i, to);
    bool written = !ferror(to);
    if (fclose(to) != 0 || !written)
        return tl_error(TL_ERROR_IO, "%s: cannot be written to its end", path);
    return TL_OK;
}
