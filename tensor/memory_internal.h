/* The library's only door to the heap, so that every failed allocation becomes the same ordinary error.
 * Thread-safe. */
#ifndef TL_TENSOR_MEMORY_INTERNAL_H
#define TL_TENSOR_MEMORY_INTERNAL_H

#include "tensor/error.h"

#include <stddef.h>
#include <stdint.h>

enum { TL_ALIGNMENT = 64 }; /* a cache line, and the widest vector there is */

/* Zeroed memory aligned to TL_ALIGNMENT, or NULL with the error set. Zero bytes give a valid pointer. */
void *tl_allocate(size_t bytes);

/* As tl_allocate, but with whatever was there before. */
void *tl_allocate_raw(size_t bytes);

/* A copy of a string, or NULL with the error set. */
char *tl_allocate_text(const char *text);

/* Frees what the three above returned; NULL is fine. */
void tl_release(void *memory);

/* bytes rounded up to the alignment. */
static inline size_t tl_aligned(size_t bytes)
{
    return (bytes + TL_ALIGNMENT - 1) & ~(size_t)(TL_ALIGNMENT - 1);
}

/* TL_OK if so much memory is there at this moment. Asked ahead of work in a library that does not survive an
 * allocation that fails. */
tl_status tl_memory_expect(size_t bytes);

#endif
