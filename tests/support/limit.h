/* A limit on how much more memory this process may take, for tests of what a file can make a reader ask for.
 * A sanitizer's own memory is there already and does not count. */
#ifndef TESTS_SUPPORT_LIMIT_H
#define TESTS_SUPPORT_LIMIT_H

#include <check.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

static inline void limit_memory(size_t more)
{
    long pages = 0;
    FILE *sizes = fopen("/proc/self/statm", "r");
    ck_assert(sizes && fscanf(sizes, "%ld", &pages) == 1);
    fclose(sizes);
    struct rlimit limit;
    ck_assert_int_eq(getrlimit(RLIMIT_AS, &limit), 0);
    limit.rlim_cur = (rlim_t)pages * (rlim_t)sysconf(_SC_PAGESIZE) + more;
    ck_assert_int_eq(setrlimit(RLIMIT_AS, &limit), 0);
}

static inline void lift_memory_limit(void)
{
    struct rlimit limit;
    ck_assert_int_eq(getrlimit(RLIMIT_AS, &limit), 0);
    limit.rlim_cur = limit.rlim_max;
    ck_assert_int_eq(setrlimit(RLIMIT_AS, &limit), 0);
}

#endif
