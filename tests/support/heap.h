/* A heap that counts and can be told to fail. Include it before the .c file under test, whose allocations
 * then come here. */
#ifndef TESTS_SUPPORT_HEAP_H
#define TESTS_SUPPORT_HEAP_H

#include "tensor/error.h"
#include "tensor/memory_internal.h"

#include <string.h>

static int64_t allocated, held, failing = -1; /* calls so far, blocks held, the call that fails */

static inline void *test_allocate_raw(size_t bytes)
{
    if (allocated++ == failing) {
        tl_error(TL_ERROR_MEMORY, "out of memory: %zu bytes", bytes);
        return NULL;
    }
    void *memory = tl_allocate_raw(bytes);
    held += memory != NULL;
    return memory;
}

static inline void *test_allocate(size_t bytes)
{
    void *memory = test_allocate_raw(bytes);
    return memory ? memset(memory, 0, bytes) : NULL;
}

static inline void test_release(void *memory)
{
    held -= memory != NULL;
    tl_release(memory);
}

#define tl_allocate_raw test_allocate_raw
#define tl_allocate     test_allocate
#define tl_release      test_release

#endif
