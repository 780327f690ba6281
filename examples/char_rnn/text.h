/* The text to learn: a file, tiny Shakespeare, or this library's own source code. */
#ifndef CHAR_RNN_TEXT_H
#define CHAR_RNN_TEXT_H

#include "options.h"

typedef struct text {
    char *own; /* to be freed; NULL for the embedded one */
    const char *bytes;
    size_t size;
} text;

/* Reads the text that the options ask for and says on standard error which. The caller frees it, even when
 * this fails. */
tl_status read_text(text *t, const options *o);
void free_text(text *t);

/* Source code of the library, put into the program when it was built. */
extern const char embedded_text[];
extern const size_t embedded_size;

/* A text as data sets for stateful training: all but its end, and its end. */
typedef struct corpus {
    tl_dataset train, validation;
} corpus;

tl_status make_corpus(corpus *c, const text *t, const tl_alphabet *alphabet, const options *o);
void free_corpus(corpus *c);

#endif
