/* A folder of a test's own to write in, and whole files as text. */
#ifndef TL_TESTS_NN_FOLDER_INTERNAL_H
#define TL_TESTS_NN_FOLDER_INTERNAL_H

#include <check.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char folder[] = "tapeloop-nn-XXXXXX";

/* Makes the folder and goes there. */
static inline void enter_folder(void)
{
    const char *base = getenv("TMPDIR");
    ck_assert_int_eq(chdir(base ? base : P_tmpdir), 0);
    ck_assert_ptr_nonnull(mkdtemp(folder));
    ck_assert_int_eq(chdir(folder), 0);
}

/* The number of files here. */
static inline int count_files(void)
{
    DIR *here = opendir(".");
    int count = 0;
    for (const struct dirent *entry; (entry = readdir(here));)
        count += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
    closedir(here);
    return count;
}

/* Removes the folder with the files in it. */
static inline void leave_folder(void)
{
    DIR *here = opendir(".");
    for (const struct dirent *entry; (entry = readdir(here));)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            unlink(entry->d_name);
    closedir(here);
    ck_assert_int_eq(chdir(".."), 0);
    ck_assert_int_eq(rmdir(folder), 0);
    strcpy(strrchr(folder, '-'), "-XXXXXX"); /* for another one */
}

/* All of a file, ended with a 0. The caller frees it. */
static inline char *file_contents(const char *path, size_t *size)
{
    enum { MOST = 1 << 20 };
    FILE *file = fopen(path, "rb");
    ck_assert_msg(file != NULL, "there is no %s", path);
    char *contents = malloc(MOST);
    size_t count = fread(contents, 1, MOST - 1, file);
    contents[count] = '\0';
    fclose(file);
    if (size)
        *size = count;
    return contents;
}

static inline void write_contents(const char *path, const char *contents, size_t size)
{
    FILE *file = fopen(path, "wb");
    ck_assert_ptr_nonnull(file);
    ck_assert_uint_eq(fwrite(contents, 1, size, file), size);
    ck_assert_int_eq(fclose(file), 0);
}

#endif
