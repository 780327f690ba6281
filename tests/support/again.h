/* Runs this very program once more with a variable set in its environment, for what is looked at only when a
 * program starts. Its main sees an argument then. */
#ifndef TESTS_SUPPORT_AGAIN_H
#define TESTS_SUPPORT_AGAIN_H

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { TEXT_SIZE = 1024 };

/* `value` NULL: not set. Fills in the first line that it prints, and returns its exit code. */
static inline int run_again(const char *variable, const char *value, char text[TEXT_SIZE])
{
    int ends[2], status;
    ck_assert_int_eq(pipe(ends), 0);
    const pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        if (value)
            setenv(variable, value, 1);
        else
            unsetenv(variable);
        dup2(ends[1], STDOUT_FILENO);
        close(ends[0]);
        execl("/proc/self/exe", "test", "again", (char *)NULL);
        _exit(127);
    }
    close(ends[1]);
    FILE *output = fdopen(ends[0], "r");
    ck_assert_ptr_nonnull(output);
    if (!fgets(text, TEXT_SIZE, output))
        text[0] = '\0';
    fclose(output);
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* For such a main: runs tests, whose asserts then work, in this process and without a word of Check's. */
static inline int run_quietly(TCase *tests)
{
    Suite *suite = suite_create("again");
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_set_fork_status(runner, CK_NOFORK);
    srunner_run_all(runner, CK_SILENT);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

#endif
