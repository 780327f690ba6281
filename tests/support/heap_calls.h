/* Counts calls of the heap, and makes chosen ones fail, by standing in front of it, for one test program:
 * include it in one file. That takes in what the C library (fopen, opendir, qsort), jansson and libarchive
 * ask for. What the OpenMP runtime and the dynamic linker ask for is left out, since these give up when they
 * get nothing, and what zlib asks for, whose failure libarchive takes for damage. Another C library, a
 * sanitizer of threads or valgrind may not allow any of that: then counts_heap_calls() is false, and tests
 * say that they skip. */
#ifndef TESTS_SUPPORT_HEAP_CALLS_H
#define TESTS_SUPPORT_HEAP_CALLS_H

#include <errno.h>
#include <limits.h>
#include <link.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#if defined(__SANITIZE_ADDRESS__)
#define TESTS_SANITIZE_ADDRESSES 1
#elif defined(__SANITIZE_THREAD__)
#define TESTS_SANITIZE_OTHERWISE 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define TESTS_SANITIZE_ADDRESSES 1
#elif __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define TESTS_SANITIZE_OTHERWISE 1
#endif
#endif

/* The heap is called before a sanitizer is ready. */
#define EARLY __attribute__((no_sanitize("address")))

static atomic_llong heap_calls;  /* by any thread */
static atomic_llong heap_blocks; /* held, where counts_heap_blocks */
static atomic_llong heap_failures;
static atomic_llong first_failing = LLONG_MAX, last_failing; /* by the number of the call */

#if defined(__GLIBC__) && !defined(TESTS_SANITIZE_OTHERWISE)
#ifdef TESTS_SANITIZE_ADDRESSES
/* The sanitizer looks for leaks itself, and copies strings with a heap call that nobody sees. */
static const bool counts_heap_blocks = false;
extern void *__interceptor_malloc(size_t bytes);
extern void *__interceptor_calloc(size_t count, size_t bytes);
extern void *__interceptor_realloc(void *memory, size_t bytes);
extern void *__interceptor_memalign(size_t alignment, size_t bytes);
#define real_malloc   __interceptor_malloc
#define real_calloc   __interceptor_calloc
#define real_realloc  __interceptor_realloc
#define real_memalign __interceptor_memalign
#else
static const bool counts_heap_blocks = true;
extern void *__libc_malloc(size_t bytes);
extern void *__libc_calloc(size_t count, size_t bytes);
extern void *__libc_realloc(void *memory, size_t bytes);
extern void *__libc_memalign(size_t alignment, size_t bytes);
extern void __libc_free(void *memory);
#define real_malloc   __libc_malloc
#define real_calloc   __libc_calloc
#define real_realloc  __libc_realloc
#define real_memalign __libc_memalign
#endif

/* Where the code lies whose calls do not count. */
static struct {
    uintptr_t first, last;
} unseen[8];
static int unseen_count;

static int note_unseen(struct dl_phdr_info *library, size_t size, void *more)
{
    const char *const names[] = {"/libgomp.", "/libomp.", "/ld-linux", "/libz.", more};
    (void)size;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (names[i] && strstr(library->dlpi_name, names[i]) && unseen_count < 8) {
            uintptr_t end = 0;
            for (int j = 0; j < library->dlpi_phnum; j++) {
                const uintptr_t above = library->dlpi_phdr[j].p_vaddr + library->dlpi_phdr[j].p_memsz;
                end = above > end ? above : end;
            }
            unseen[unseen_count].first = library->dlpi_addr;
            unseen[unseen_count++].last = library->dlpi_addr + end;
        }
    return 0;
}

/* Without those of one library more; NULL: none. */
static inline void start_counting_heap_calls_but(const char *library)
{
    char name[32] = "";
    unseen_count = 0;
    dl_iterate_phdr(note_unseen, library ? strncpy(name, library, sizeof name - 1) : NULL);
}

EARLY static bool is_unseen(const void *caller)
{
    for (int i = 0; i < unseen_count; i++)
        if ((uintptr_t)caller >= unseen[i].first && (uintptr_t)caller < unseen[i].last)
            return true;
    return false;
}

/* Counts a call; true if it is to fail. */
EARLY static bool count_heap_call(const void *caller)
{
    if (is_unseen(caller))
        return false;
    const long long number = heap_calls++;
    if (number < first_failing || number > last_failing)
        return false;
    heap_failures++;
    errno = ENOMEM;
    return true;
}

/* The blocks that count, each in one of the places that its address leads to: who frees a block, a return
 * address does not tell, because the last call of a function may be a jump. */
enum { PLACES = 1 << 16, NEIGHBOURS = 64 };
static atomic_uintptr_t blocks[PLACES];

EARLY static bool exchange_block(const void *memory, uintptr_t from, uintptr_t to)
{
    const size_t first = (size_t)((uintptr_t)memory / 16 * 0x9E3779B97F4A7C15u >> 48);
    for (size_t i = 0; i < NEIGHBOURS; i++) {
        uintptr_t there = from;
        if (atomic_compare_exchange_strong(&blocks[(first + i) % PLACES], &there, to))
            return true;
    }
    return false;
}

EARLY static void *add_block(const void *caller, void *memory)
{
    if (memory && !is_unseen(caller) && exchange_block(memory, 0, (uintptr_t)memory))
        heap_blocks++;
    return memory;
}

EARLY static void remove_block(const void *memory)
{
    if (memory && exchange_block(memory, (uintptr_t)memory, 0))
        heap_blocks--;
}

EARLY void *malloc(size_t bytes)
{
    const void *caller = __builtin_return_address(0);
    return count_heap_call(caller) ? NULL : add_block(caller, real_malloc(bytes));
}

EARLY void *calloc(size_t count, size_t bytes)
{
    const void *caller = __builtin_return_address(0);
    return count_heap_call(caller) ? NULL : add_block(caller, real_calloc(count, bytes));
}

EARLY void *realloc(void *memory, size_t bytes)
{
    const void *caller = __builtin_return_address(0);
    if (count_heap_call(caller))
        return NULL;
    remove_block(memory); /* at once: another thread may get its place */
    void *larger = real_realloc(memory, bytes);
    if (!larger && bytes > 0)
        add_block(caller, memory);
    return add_block(caller, larger);
}

EARLY void *aligned_alloc(size_t alignment, size_t bytes)
{
    const void *caller = __builtin_return_address(0);
    return count_heap_call(caller) ? NULL : add_block(caller, real_memalign(alignment, bytes));
}

EARLY int posix_memalign(void **memory, size_t alignment, size_t bytes)
{
    const void *caller = __builtin_return_address(0);
    if (count_heap_call(caller))
        return ENOMEM;
    *memory = add_block(caller, real_memalign(alignment, bytes));
    return *memory ? 0 : ENOMEM;
}

#ifndef TESTS_SANITIZE_ADDRESSES
EARLY void free(void *memory)
{
    remove_block(memory);
    __libc_free(memory);
}
#endif

#else
static const bool counts_heap_blocks = false;

static inline void start_counting_heap_calls_but(const char *library)
{
    (void)library;
}
#endif

/* Whether calls come here. */
static inline bool counts_heap_calls(void)
{
    const long long before = heap_calls;
    void *(*volatile ask)(size_t) = malloc; /* volatile: else the compiler puts the function here */
    free(ask(1));
    return heap_calls != before;
}

/* Call this before counting. */
static inline void start_counting_heap_calls(void)
{
    start_counting_heap_calls_but(NULL);
}

/* From now on, call `number` from 0 fails, alone or with all that follow it. */
static inline void fail_heap_calls(long long number, bool and_all_after)
{
    heap_failures = 0;
    last_failing = and_all_after ? LLONG_MAX : heap_calls + number;
    first_failing = heap_calls + number;
}

/* No call fails any more; returns how many did. */
static inline long long stop_failing_heap_calls(void)
{
    first_failing = LLONG_MAX;
    return heap_failures;
}

#endif
