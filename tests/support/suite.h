/* The main of a test program, `return RUN_SUITE("shape", one_test, another_test);`, and the check that a
 * call failed as it should have. */
#ifndef TESTS_SUPPORT_SUITE_H
#define TESTS_SUPPORT_SUITE_H

#include "tensor/error.h"

#include <check.h>
#include <stdlib.h>

/* Each test has a process of its own. */
#define RUN_SUITE(name, ...) run_suite(name, (const TTest *const[]){__VA_ARGS__, NULL})

static inline int run_suite(const char *name, const TTest *const tests[])
{
    enum { SECONDS = 240 }; /* only for a test that hangs: sanitizers are slow */
    Suite *suite = suite_create(name);
    TCase *cases = tcase_create(name);
    tcase_set_timeout(cases, SECONDS);
    for (; *tests; tests++)
        tcase_add_test(cases, *tests);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* The last failure on this thread was this one. */
#define EXPECT_ERROR(status, message)                                                                        \
    do {                                                                                                     \
        ck_assert_int_eq(tl_error_status(), status);                                                         \
        ck_assert_str_eq(tl_error_message(), message);                                                       \
    } while (0)

#endif
