#include "tensor/memory_internal.h"
#include "tensor/error.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

void *tl_allocate_raw(size_t bytes)
{
    size_t size = bytes > SIZE_MAX - TL_ALIGNMENT ? SIZE_MAX : tl_aligned(bytes ? bytes : 1);
    void *memory = size == SIZE_MAX ? NULL : aligned_alloc(TL_ALIGNMENT, size);
    if (!memory)
        tl_error(TL_ERROR_MEMORY, "out of memory: %zu bytes", bytes);
    return memory;
}

void *tl_allocate(size_t bytes)
{
    void *memory = tl_allocate_raw(bytes);
    if (memory)
        memset(memory, 0, bytes);
    return memory;
}

char *tl_allocate_text(const char *text)
{
    size_t size = strlen(text) + 1;
    char *copy = tl_allocate_raw(size);
    return copy ? memcpy(copy, text, size) : NULL;
}

tl_status tl_memory_expect(size_t bytes)
{
    volatile char *memory = tl_allocate_raw(bytes);
    if (!memory)
        return TL_ERROR_MEMORY;
    *memory = 0; /* or a compiler might see that nobody needs it */
    tl_release((void *)(uintptr_t)memory);
    return TL_OK;
}

void tl_release(void *memory)
{
    free(memory);
}
