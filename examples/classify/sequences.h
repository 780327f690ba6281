/* Sequences of feature vectors, of different lengths, each with a label: in memory and as CSV files.
 *
 * A file has a row a step, and a header. One column has the id of the sequence, whose rows follow one
 * another; one its label, 0 or 1, the same in all of its rows; the others are features:
 *
 *     id,label,x1,x2
 *     1,0,-0.211,0.483
 *     1,0,1.004,0.250
 *     2,1,0.117,-0.362
 */
#ifndef CLASSIFY_SEQUENCES_H
#define CLASSIFY_SEQUENCES_H

#include <jansson.h>
#include <tapeloop.h>

typedef struct sequences {
    tl_csv *file;     /* NULL for generated ones */
    const char *path; /* of the file, or what they are, for messages */
    int id_column;
    json_t *features;     /* their names */
    int64_t count, width; /* sequences; features of a step */
    int64_t *starts;      /* sequence i has the rows starts[i] to starts[i + 1] - 1 */
    double *values;       /* [rows, width] */
    int *labels;          /* all 0 where they are not known */
} sequences;

/* Room for so many sequences with so many rows in all, and names x1, x2, ... unless s has some.
 * free_sequences even when this fails. */
tl_status make_sequences(sequences *s, int64_t count, int64_t rows, int64_t width);
void free_sequences(sequences *s);

/* The columns of files, by name or number. */
typedef struct columns {
    const char *id, *label;
} columns;

/* An error unless the names of the features are the expected ones, so that no feature is taken for another.
 * NULL: any will do. */
tl_status check_features(const sequences *s, const json_t *expected);

/* Reads a file with the expected features. Without `labelled`, labels are not looked at, and need not be
 * there. free_sequences even when this fails. */
tl_status read_sequences(sequences *s, const char *path, const columns *named, const json_t *expected,
                         bool labelled);

/* Writes a file, with ids from 1 on and three decimals. */
tl_status write_sequences(const sequences *s, const char *path);

/* The id of a sequence that was read. */
const char *id_of(const sequences *s, int64_t sequence);

int64_t length_of(const sequences *s, int64_t sequence);

#endif
