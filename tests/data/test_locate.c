#include "data/locate.h"

#include <check.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static const char *const names[] = {"first.tar.gz", "second"};
enum { NAMES = 2 };

static char root[32];
static char found[PATH_MAX];

static const char *path_of(const char *name)
{
    static char paths[4][PATH_MAX];
    static int turn;
    char *path = paths[turn++ % 4];
    ck_assert_int_lt(snprintf(path, PATH_MAX, "%s/%s", root, name), PATH_MAX);
    return path;
}

/* Three folders, each of which may hold data. */
static void make_folders(void)
{
    strcpy(root, "test-locate-XXXXXX"); /* in the folder the test runs in */
    ck_assert_ptr_nonnull(mkdtemp(root));
    const char *const folders[] = {
        "given", "variable", "cache", "cache/tapeloop", "home", "home/.cache", "home/.cache/tapeloop"};
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++)
        ck_assert_int_eq(mkdir(path_of(folders[i]), 0755), 0);
    setenv("TAPELOOP_DATA", path_of("variable"), 1);
    setenv("XDG_CACHE_HOME", path_of("cache"), 1);
    setenv("HOME", path_of("home"), 1);
}

static int remove_one(const char *path, const struct stat *about, int kind, struct FTW *at)
{
    (void)about, (void)kind, (void)at;
    return remove(path);
}

static void remove_folders(void)
{
    nftw(root, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static void put(const char *name)
{
    FILE *file = fopen(path_of(name), "wb");
    ck_assert_ptr_nonnull(file);
    fclose(file);
}

static void check_found(const char *dir, const char *expected)
{
    ck_assert_msg(tl_data_locate(dir, names, NAMES, found, sizeof found) == TL_OK, "%s", tl_error_message());
    ck_assert_str_eq(found, path_of(expected));
}

static void check_not_found(const char *dir, const char *part)
{
    ck_assert_int_eq(tl_data_locate(dir, names, NAMES, found, sizeof found), TL_ERROR_IO);
    ck_assert_int_eq(tl_error_status(), TL_ERROR_IO);
    ck_assert_ptr_nonnull(strstr(tl_error_message(), "first.tar.gz, second"));
    ck_assert_msg(strstr(tl_error_message(), part), "%s", tl_error_message());
}

START_TEST(a_given_folder_is_the_only_one)
{
    put("variable/first.tar.gz");
    put("cache/tapeloop/first.tar.gz");
    check_not_found(path_of("given"), "/given");
    ck_assert_ptr_null(strstr(tl_error_message(), "/variable"));
    put("given/second");
    check_found(path_of("given"), "given/second");
    put("given/first.tar.gz");
    check_found(path_of("given"), "given/first.tar.gz");
}
END_TEST

START_TEST(the_variable_comes_before_the_cache)
{
    put("cache/tapeloop/first.tar.gz");
    check_found(NULL, "cache/tapeloop/first.tar.gz");
    ck_assert_int_eq(mkdir(path_of("variable/second"), 0755), 0); /* a folder will do, too */
    check_found(NULL, "variable/second");
    unsetenv("TAPELOOP_DATA");
    check_found(NULL, "cache/tapeloop/first.tar.gz");
}
END_TEST

START_TEST(the_cache_is_in_the_home_unless_said_otherwise)
{
    put("home/.cache/tapeloop/second");
    check_not_found(NULL, "/cache/tapeloop");
    setenv("XDG_CACHE_HOME", "", 1);
    check_found(NULL, "home/.cache/tapeloop/second");
    unsetenv("XDG_CACHE_HOME");
    check_found(NULL, "home/.cache/tapeloop/second");
}
END_TEST

START_TEST(the_message_lists_where_it_looked)
{
    check_not_found(NULL, "/variable, ");
    check_not_found(NULL, "/cache/tapeloop");
    unsetenv("TAPELOOP_DATA");
    unsetenv("XDG_CACHE_HOME");
    unsetenv("HOME");
    check_not_found(NULL, "any folder");
}
END_TEST

START_TEST(a_path_without_room_is_an_error)
{
    put("given/second");
    char small[8];
    ck_assert_int_eq(tl_data_locate(path_of("given"), names, NAMES, small, sizeof small), TL_ERROR_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(tl_error_message(), "8 bytes"));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("locate");
    TCase *tests = tcase_create("locate");
    tcase_add_checked_fixture(tests, make_folders, remove_folders);
    tcase_add_test(tests, a_given_folder_is_the_only_one);
    tcase_add_test(tests, the_variable_comes_before_the_cache);
    tcase_add_test(tests, the_cache_is_in_the_home_unless_said_otherwise);
    tcase_add_test(tests, the_message_lists_where_it_looked);
    tcase_add_test(tests, a_path_without_room_is_an_error);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
