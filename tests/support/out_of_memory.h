/* What happens when memory runs out, at every place where it can: a piece of work is done over and over, and
 * each time another call of the heap fails, alone or with all that follow it. Include it in one file. */
#ifndef TESTS_SUPPORT_OUT_OF_MEMORY_H
#define TESTS_SUPPORT_OUT_OF_MEMORY_H

#include "tensor/error.h"
#include "tests/support/heap_calls.h"

#include <check.h>
#include <stdio.h>

typedef struct shortage {
    const char *name;
    void (*begin)(void); /* makes what the work needs; may be NULL, as may all but the work */
    /* What is to fail. It asserts nothing, and can be done again after it failed. On success it adds all that
     * came out of it to `outcome`. */
    tl_status (*work)(void);
    void (*look)(void); /* after a failure: is everything as it should be? */
    void (*end)(void);  /* frees everything */
    const char
        *spared; /* a library that does not survive failures, and so gets what it asks for; NULL: none */
} shortage;

static uint64_t outcome; /* a hash */

static inline void add_bytes(const void *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++)
        outcome = (outcome ^ ((const unsigned char *)bytes)[i]) * 0x100000001B3u;
}

static inline void do_if(void (*function)(void))
{
    if (function)
        function();
}

/* Does the work with failures from call `number` on, and again without when it failed. False if there were no
 * failures any more. */
static inline bool fail_once(const shortage *s, long long number, bool and_all_after, uint64_t expected)
{
    const long long held = heap_blocks;
    do_if(s->begin);
    outcome = 0;
    tl_error(TL_OK, "%s", "");
    fail_heap_calls(number, and_all_after);
    tl_status status = s->work();
    const bool failed = stop_failing_heap_calls() > 0;
    if (status != TL_OK) {
        ck_assert_msg(failed, "%s: fails by itself: %s", s->name, tl_error_message());
        ck_assert_msg(status == TL_ERROR_MEMORY && tl_error_status() == status && *tl_error_message(),
                      "%s: call %lld: status %d, last error %d, '%s'", s->name, number, status,
                      tl_error_status(), tl_error_message());
        do_if(s->look);
        outcome = 0;
        status = s->work();
        ck_assert_msg(status == TL_OK, "%s: after call %lld had failed: %s", s->name, number,
                      tl_error_message());
    }
    ck_assert_msg(outcome == expected, "%s: call %lld failed, and something else comes out", s->name, number);
    do_if(s->end);
    ck_assert_msg(!counts_heap_blocks || heap_blocks == held, "%s: call %lld: %lld blocks are left", s->name,
                  number, (long long)heap_blocks - held);
    return failed;
}

/* Every call of the heap that the work makes fails once alone, and once with all that follow. */
static inline void fail_everywhere(const shortage *s)
{
    start_counting_heap_calls_but(s->spared);
    if (!counts_heap_calls()) {
        printf(
            "%s: SKIPPED running out of memory: a sanitizer, valgrind or another C library is in the way\n",
            s->name);
        return;
    }
    uint64_t expected = 0;
    for (int i = 0; i < 2; i++) { /* what is made once and kept is made in the first round */
        do_if(s->begin);
        outcome = 0;
        const tl_status status = s->work();
        ck_assert_msg(status == TL_OK, "%s: %s", s->name, tl_error_message());
        ck_assert_msg(i == 0 || outcome == expected, "%s: comes out otherwise each time", s->name);
        expected = outcome;
        do_if(s->end);
    }
    long long counts[2] = {0, 0};
    for (int all = 0; all < 2; all++)
        while (fail_once(s, counts[all], all, expected))
            counts[all]++;
    ck_assert_msg(counts[0] > 0, "%s asks nothing of the heap", s->name);
    printf("%s: %lld calls of the heap failed alone, %lld with all that followed\n", s->name, counts[0],
           counts[1]);
}

#endif
