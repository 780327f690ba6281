/* The programs' handler of signals: the first is noted, the second ends the program, and what signals did
 * before comes back. Each test is a process of its own. */
#include "examples/common/interrupt.c"
#include "tests/support/suite.h"

START_TEST(the_first_is_noted)
{
    catch_interrupts();
    ck_assert_int_eq(interrupted, 0);
    ck_assert_int_eq(raise(_i ? SIGTERM : SIGINT), 0);
    ck_assert_int_eq(interrupted, _i ? SIGTERM : SIGINT);
}
END_TEST

START_TEST(the_second_ends_the_program)
{
    catch_interrupts();
    raise(_i % 2 ? SIGTERM : SIGINT);
    raise(SIGTERM);
    ck_abort_msg("still alive");
}
END_TEST

START_TEST(released_they_end_the_program)
{
    catch_interrupts();
    release_interrupts();
    raise(SIGTERM);
    ck_abort_msg("still alive");
}
END_TEST

START_TEST(what_was_ignored_is_ignored_again)
{
    signal(SIGTERM, SIG_IGN);
    catch_interrupts();
    raise(SIGTERM);
    ck_assert_int_eq(interrupted, SIGTERM);
    release_interrupts();
    ck_assert_int_eq(raise(SIGTERM), 0);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("interrupt");
    tcase_add_loop_test(tests, the_first_is_noted, 0, 2);
    tcase_add_loop_test_raise_signal(tests, the_second_ends_the_program, SIGTERM, 0, 2);
    tcase_add_test_raise_signal(tests, released_they_end_the_program, SIGTERM);
    tcase_add_test(tests, what_was_ignored_is_ignored_again);
    Suite *suite = suite_create("interrupt");
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
