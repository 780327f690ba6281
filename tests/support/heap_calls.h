/* Counts calls of the heap by standing in front of it, for one test program: include it in one file. Those
 * that LLVM's OpenMP runtime makes for itself, some for every parallel region, are left out. A sanitizer or
 * another C library may not allow any of that: then `counts_heap_calls` is false, and tests say that they
 * skip. */
#ifndef TESTS_SUPPORT_HEAP_CALLS_H
#define TESTS_SUPPORT_HEAP_CALLS_H

#include <dlfcn.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define TESTS_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define TESTS_SANITIZED 1
#endif
#endif

static atomic_llong heap_calls; /* by any thread */

#if defined(__GLIBC__) && !defined(TESTS_SANITIZED)
static const bool counts_heap_calls = true;

extern void *__libc_malloc(size_t bytes);
extern void *__libc_calloc(size_t count, size_t bytes);
extern void *__libc_realloc(void *memory, size_t bytes);
extern void *__libc_memalign(size_t alignment, size_t bytes);

static const void *openmp_runtime; /* where its code lies; NULL: its calls count */

/* Call this before counting. */
static inline void start_counting_heap_calls(void)
{
    Dl_info about;
    const void *function = dlsym(RTLD_DEFAULT, "__kmpc_fork_call"); /* LLVM's alone */
    openmp_runtime = function && dladdr(function, &about) ? about.dli_fbase : NULL;
}

static void count_heap_call(const void *caller)
{
    Dl_info about;
    if (!openmp_runtime || !dladdr(caller, &about) || about.dli_fbase != openmp_runtime)
        heap_calls++;
}

void *malloc(size_t bytes)
{
    count_heap_call(__builtin_return_address(0));
    return __libc_malloc(bytes);
}

void *calloc(size_t count, size_t bytes)
{
    count_heap_call(__builtin_return_address(0));
    return __libc_calloc(count, bytes);
}

void *realloc(void *memory, size_t bytes)
{
    count_heap_call(__builtin_return_address(0));
    return __libc_realloc(memory, bytes);
}

void *aligned_alloc(size_t alignment, size_t bytes)
{
    count_heap_call(__builtin_return_address(0));
    return __libc_memalign(alignment, bytes);
}

int posix_memalign(void **memory, size_t alignment, size_t bytes)
{
    enum { NO_MEMORY = 12 };
    count_heap_call(__builtin_return_address(0));
    *memory = __libc_memalign(alignment, bytes);
    return *memory ? 0 : NO_MEMORY;
}
#else
static const bool counts_heap_calls = false;

static inline void start_counting_heap_calls(void)
{
}
#endif

#endif
