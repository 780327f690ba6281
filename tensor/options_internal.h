/* Reading options given by name. Their first field is the size of the struct as the caller's header knew
 * it, so that a program built against an older header goes on working: the fields it never heard of are 0. */
#ifndef TL_TENSOR_OPTIONS_INTERNAL_H
#define TL_TENSOR_OPTIONS_INTERNAL_H

#include <stddef.h>
#include <string.h>

/* Copies `given`, whose first field is its size, to `options`, which has `size` bytes. NULL gives zeros. */
static inline void tl_options_read(void *options, size_t size, const void *given)
{
    memset(options, 0, size);
    if (!given)
        return;
    size_t known;
    memcpy(&known, given, sizeof known);
    memcpy(options, given, known < size ? known : size);
}

#endif
