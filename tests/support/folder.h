/* Tests of files: a folder of their own, empty before every test and the working folder during it, and files
 * byte by byte. `TCase *tests = case_in_folder("idx"); tcase_add_test(...); return run_case("idx", tests);`
 */
#ifndef TESTS_SUPPORT_FOLDER_H
#define TESTS_SUPPORT_FOLDER_H

#include <archive.h>
#include <archive_entry.h>
#include <check.h>
#include <dirent.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[] = "test-files-XXXXXX";

static inline int visible(const struct dirent *found)
{
    return strcmp(found->d_name, ".") != 0 && strcmp(found->d_name, "..") != 0;
}

/* The number of files in the folder. */
static inline int files(void)
{
    struct dirent **found;
    int count = scandir(".", &found, visible, NULL);
    ck_assert_int_ge(count, 0);
    for (int i = 0; i < count; i++)
        free(found[i]);
    free(found);
    return count;
}

static inline int remove_below(const char *name, const struct stat *status, int type, struct FTW *place)
{
    (void)status;
    (void)type;
    return place->level > 0 ? remove(name) : 0;
}

static inline void empty_folder(void)
{
    ck_assert_int_eq(nftw(".", remove_below, 8, FTW_DEPTH | FTW_PHYS), 0);
}

static inline void make_folder(void)
{
    ck_assert_ptr_nonnull(mkdtemp(folder));
    ck_assert_int_eq(chdir(folder), 0);
    ck_assert_int_eq(chmod(".", 0755), 0);
}

static inline void remove_folder(void)
{
    empty_folder();
    ck_assert_int_eq(chdir(".."), 0);
    ck_assert_int_eq(rmdir(folder), 0);
}

static inline void put_bytes(const char *name, const void *bytes, size_t count)
{
    FILE *file = fopen(name, "wb");
    ck_assert_ptr_nonnull(file);
    ck_assert_uint_eq(fwrite(bytes, 1, count, file), count);
    ck_assert_int_eq(fclose(file), 0);
}

/* The bytes of a file; the caller frees them. */
static inline char *get_bytes(const char *name, size_t *count)
{
    FILE *file = fopen(name, "rb");
    ck_assert_ptr_nonnull(file);
    ck_assert_int_eq(fseek(file, 0, SEEK_END), 0);
    *count = (size_t)ftell(file);
    rewind(file);
    char *bytes = malloc(*count + 1);
    ck_assert_ptr_nonnull(bytes);
    ck_assert_uint_eq(fread(bytes, 1, *count, file), *count);
    ck_assert_int_eq(fclose(file), 0);
    bytes[*count] = '\0';
    return bytes;
}

/* The bytes as a gzip file, stored rather than packed, so that a test can find and change them. */
static inline void put_gzip(const char *name, const void *bytes, size_t count)
{
    struct archive *archive = archive_write_new();
    struct archive_entry *entry = archive_entry_new();
    archive_write_add_filter_gzip(archive);
    archive_write_set_filter_option(archive, "gzip", "compression-level", "0");
    archive_write_set_bytes_in_last_block(archive, 1); /* no padding */
    archive_write_set_format_raw(archive);
    ck_assert_int_eq(archive_write_open_filename(archive, name), ARCHIVE_OK);
    archive_entry_set_filetype(entry, AE_IFREG);
    ck_assert_int_eq(archive_write_header(archive, entry), ARCHIVE_OK);
    ck_assert_int_eq(archive_write_data(archive, bytes, count), (la_ssize_t)count);
    ck_assert_int_eq(archive_write_close(archive), ARCHIVE_OK);
    archive_entry_free(entry);
    archive_write_free(archive);
}

/* A case whose tests each begin in the empty folder. */
static inline TCase *case_in_folder(const char *name)
{
    TCase *tests = tcase_create(name);
    tcase_add_unchecked_fixture(tests, make_folder, remove_folder);
    tcase_add_checked_fixture(tests, empty_folder, NULL);
    return tests;
}

static inline int run_case(const char *name, TCase *tests)
{
    Suite *suite = suite_create(name);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

#endif
