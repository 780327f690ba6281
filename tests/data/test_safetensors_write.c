#include "tests/data/safetensors_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/resource.h>

/* ---- writing what cannot be written ---- */

static const char old_text[] = "what was there before";

static void expect_old_file(void)
{
    size_t size;
    char *bytes = get_bytes(path, &size);
    ck_assert_str_eq(bytes, old_text);
    free(bytes);
    ck_assert_int_eq(files(), 1);
}

START_TEST(unfit_names_leave_the_old_file)
{
    tl_tensor a = counting(TL_F32, tl_shape(2));
    tl_tensor vast = counting(TL_U8, tl_shape(1));
    vast.shape = tl_shape(INT64_MAX / 2, 3);
    tl_error(TL_ERROR_STATE, "why there is none");
    const struct {
        tl_named_tensor tensor;
        tl_metadata pair;
        tl_status status;
        const char *message;
    } cases[] = {
        {{"a", a}, {"k", "v"}, TL_ERROR_ARGUMENT, "w.safetensors: tensor name \"a\" is already taken"},
        {{"__metadata__", a},
         {"k", "v"},
         TL_ERROR_ARGUMENT,
         "w.safetensors: tensor name \"__metadata__\" is already taken"},
        {{NULL, a}, {"k", "v"}, TL_ERROR_ARGUMENT, "w.safetensors: a tensor name is NULL"},
        {{"\xc3(", a}, {"k", "v"}, TL_ERROR_ARGUMENT, "w.safetensors: a tensor name is not UTF-8"},
        {{"b", a}, {"k", NULL}, TL_ERROR_ARGUMENT, "w.safetensors: a metadata value is NULL"},
        {{"b", a}, {NULL, "v"}, TL_ERROR_ARGUMENT, "w.safetensors: a metadata key is NULL"},
        {{"b", a}, {"\xff", "v"}, TL_ERROR_ARGUMENT, "w.safetensors: a metadata key is not UTF-8"},
        {{"b", a}, {"k", "\xed\xa0\x80"}, TL_ERROR_ARGUMENT, "w.safetensors: a metadata value is not UTF-8"},
        {{"b", a},
         {"first", "v"},
         TL_ERROR_ARGUMENT,
         "w.safetensors: metadata key \"first\" is already taken"},
        {{"b", {0}}, {"k", "v"}, TL_ERROR_STATE, "why there is none"},
        {{"b", vast},
         {"k", "v"},
         TL_ERROR_SHAPE,
         "w.safetensors: tensor \"b\": shape [4611686018427387903, 3] has too many elements"},
    };
    put_bytes(path, old_text, strlen(old_text));
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        tl_error(TL_ERROR_STATE, "why there is none");
        tl_status status = tl_safetensors_write(path, (tl_named_tensor[]){{"a", a}, cases[i].tensor}, 2,
                                                (tl_metadata[]){{"first", ""}, cases[i].pair}, 2);
        ck_assert_int_eq(status, cases[i].status);
        expect_error(cases[i].status, cases[i].message);
        expect_old_file();
    }
    tl_tensor_free(&a);
    vast.shape = TL_SCALAR;
    tl_tensor_free(&vast);
}
END_TEST

START_TEST(an_empty_tensor_without_a_message_is_an_error)
{
    tl_error(TL_OK, "none yet");
    ck_assert_int_eq(tl_safetensors_write(path, &(tl_named_tensor){"a", {0}}, 1, NULL, 0), TL_ERROR_ARGUMENT);
    expect_error(TL_ERROR_ARGUMENT, "w.safetensors: tensor \"a\" is empty");
    ck_assert_int_eq(files(), 0);
}
END_TEST

START_TEST(a_header_beyond_the_format_is_refused)
{
    enum { LENGTH = 100000000 };
    char *value = malloc(LENGTH + 1);
    memset(value, 'v', LENGTH);
    value[LENGTH] = '\0';
    put_bytes(path, old_text, strlen(old_text));
    ck_assert_int_eq(tl_safetensors_write(path, NULL, 0, &(tl_metadata){"k", value}, 1), TL_ERROR_ARGUMENT);
    expect_error(TL_ERROR_ARGUMENT, "w.safetensors: names and metadata take a header of 100000032 bytes, "
                                    "the most is 100000000");
    expect_old_file();
    free(value);
}
END_TEST

/* Neither the check nor the writing works, and both give this reason. */
static void expect_unwritable(const char *target, const char *reason)
{
    char message[600];
    snprintf(message, sizeof message, "%s: cannot be written: %s", target, reason);
    ck_assert_int_eq(tl_safetensors_writable(target), TL_ERROR_IO);
    expect_error(TL_ERROR_IO, message);
    ck_assert_int_eq(tl_safetensors_write(target, NULL, 0, NULL, 0), TL_ERROR_IO);
    expect_error(TL_ERROR_IO, message);
}

START_TEST(a_place_that_takes_no_file_is_named)
{
    ck_assert_int_eq(mkdir("models", 0755), 0);
    put_bytes(path, old_text, strlen(old_text));
    expect_unwritable("", strerror(ENOENT));
    expect_unwritable("missing/w.safetensors", strerror(ENOENT));
    expect_unwritable("models", strerror(EISDIR));
    expect_unwritable("models/", strerror(EISDIR));
    expect_unwritable(".", strerror(EISDIR));
    expect_unwritable("w.safetensors/w.safetensors", strerror(ENOTDIR));
    ck_assert_int_eq(symlink("nowhere", "dangling"), 0);
    expect_unwritable("dangling", strerror(ENOENT));
    ck_assert_int_eq(remove("dangling"), 0);
    ck_assert_int_eq(mkfifo("fifo", 0644), 0);
    expect_unwritable("fifo", "not a regular file");
    ck_assert_int_eq(remove("fifo"), 0);
    char name[300];
    memset(name, 'n', sizeof name);
    name[sizeof name - 1] = '\0';
    ck_assert_int_eq(tl_safetensors_write(name, NULL, 0, NULL, 0), TL_ERROR_IO);
    ck_assert_ptr_nonnull(strstr(tl_error_message(), strerror(ENAMETOOLONG)));
    ck_assert_int_eq(tl_safetensors_writable(name), TL_ERROR_IO);
    ck_assert_int_eq(tl_safetensors_write(NULL, NULL, 0, NULL, 0), TL_ERROR_ARGUMENT);
    expect_error(TL_ERROR_ARGUMENT, "no path to write to");
    ck_assert_int_eq(tl_safetensors_writable(NULL), TL_ERROR_ARGUMENT);
    ck_assert_int_eq(remove("models"), 0);
    expect_old_file();
}
END_TEST

/* An endless path is an error before it is anything else. */
START_TEST(a_path_beyond_the_system_is_refused)
{
    char *endless = malloc(PATH_MAX + 10);
    memset(endless, '/', PATH_MAX + 10);
    memcpy(endless + PATH_MAX + 7, "w", 2);
    ck_assert_int_eq(tl_safetensors_writable(endless), TL_ERROR_IO);
    ck_assert_ptr_nonnull(strstr(tl_error_message(), strerror(ENAMETOOLONG)));
    free(endless);
}
END_TEST

START_TEST(permissions_are_heeded)
{
    const uid_t nobody = 65534;
    bool root = geteuid() == 0;
    put_bytes(path, old_text, strlen(old_text));
    ck_assert_int_eq(chmod(path, 0444), 0);
    ck_assert_int_eq(mkdir("closed", 0555), 0);
    if (root) /* whom nothing is closed to */
        ck_assert_int_eq(seteuid(nobody), 0);
    expect_unwritable("closed/w.safetensors", strerror(EACCES));
    if (root)
        ck_assert_int_eq(seteuid(0), 0);
    ck_assert_int_eq(chmod(".", 0777), 0);
    if (root)
        ck_assert_int_eq(seteuid(nobody), 0);
    expect_unwritable(path, strerror(EACCES));
    if (root)
        ck_assert_int_eq(seteuid(0), 0);
    ck_assert_int_eq(chmod(".", 0755), 0);
    ck_assert_int_eq(remove("closed"), 0);
    expect_old_file();
}
END_TEST

START_TEST(a_full_disk_leaves_the_old_file)
{
    tl_tensor big = counting(TL_F32, tl_shape(3000));
    put_bytes(path, old_text, strlen(old_text));
    for (rlim_t most = 0; most <= 12000; most += 3000) { /* the first stops the header, the others the data */
        struct rlimit usual, tight;
        ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &usual), 0);
        void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
        tight = usual;
        tight.rlim_cur = most;
        int set = setrlimit(RLIMIT_FSIZE, &tight);
        tl_status before = tl_safetensors_writable(path);
        tl_status status = tl_safetensors_write(path, &(tl_named_tensor){"a", big}, 1, NULL, 0);
        setrlimit(RLIMIT_FSIZE, &usual); /* Check itself writes a file */
        signal(SIGXFSZ, handler);
        ck_assert_int_eq(set, 0);
        ck_assert_int_eq(before, TL_OK);
        ck_assert_int_eq(status, TL_ERROR_IO);
        expect_error(TL_ERROR_IO, "w.safetensors: cannot be written: File too large");
        expect_old_file();
    }
    tl_tensor_free(&big);
}
END_TEST

/* ---- what a file looks like from outside ---- */

static mode_t permissions(const char *name)
{
    struct stat status;
    ck_assert_int_eq(stat(name, &status), 0);
    return status.st_mode & 07777;
}

START_TEST(permissions_are_those_of_fopen)
{
    static const mode_t masks[] = {0, 022, 027, 077};
    for (size_t i = 0; i < sizeof masks / sizeof masks[0]; i++) {
        mode_t usual = umask(masks[i]);
        tl_status status = tl_safetensors_write(path, NULL, 0, NULL, 0);
        put_bytes("plain", "", 0);
        umask(usual);
        ck_assert_int_eq(status, TL_OK);
        ck_assert_uint_eq(permissions(path), 0666 & ~masks[i]);
        ck_assert_uint_eq(permissions(path), permissions("plain"));
        ck_assert_int_eq(chmod(path, 0604), 0);
        ck_assert_int_eq(tl_safetensors_write(path, NULL, 0, NULL, 0), TL_OK);
        ck_assert_uint_eq(permissions(path), 0604);
        empty_folder();
    }
}
END_TEST

START_TEST(a_new_file_takes_the_place_of_the_old)
{
    put_bytes(path, old_text, strlen(old_text));
    put_bytes(".tapeloop-0.tmp", "left by a crash", 15);
    tl_tensor a = counting(TL_F64, tl_shape(3));
    ck_assert_int_eq(tl_safetensors_write(path, &(tl_named_tensor){"a", a}, 1, NULL, 0), TL_OK);
    ck_assert_int_eq(files(), 1); /* what was left is gone */
    tl_safetensors *file = read_or_fail();
    expect_tensor(file, "a", a);
    ck_assert_int_eq(tl_safetensors_write(path, NULL, 0, NULL, 0), TL_OK);
    expect_tensor(file, "a", a); /* what was read stays */
    tl_safetensors_free(file);
    tl_tensor_free(&a);
}
END_TEST

/* Files of writers that live, and what is not ours to remove, are left alone. */
START_TEST(temporary_files_in_use_are_left)
{
    put_bytes(".tapeloop-0.tmp", "being written", 13);
    ck_assert_int_eq(mkdir(".tapeloop-1.tmp", 0755), 0);
    ck_assert_int_eq(symlink("elsewhere", ".tapeloop-2.tmp"), 0);
    put_bytes("elsewhere", "of somebody", 11);
    put_bytes(".tapeloop-3.tmp", "left by a crash", 15);
    int writer = open(".tapeloop-0.tmp", O_WRONLY);
    ck_assert_int_eq(flock(writer, LOCK_EX), 0);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(tl_safetensors_write(path, NULL, 0, NULL, 0), TL_OK);
    ck_assert_int_eq(files(), 5); /* the fourth is gone */
    ck_assert_int_ne(access(".tapeloop-3.tmp", F_OK), 0);
    ck_assert_int_eq(close(writer), 0); /* as when it is killed */
    ck_assert_int_eq(tl_safetensors_write(path, NULL, 0, NULL, 0), TL_OK);
    ck_assert_int_eq(files(), 4);
    size_t size;
    char *bytes = get_bytes("elsewhere", &size);
    ck_assert_str_eq(bytes, "of somebody");
    free(bytes);
}
END_TEST

START_TEST(a_link_leads_to_its_file)
{
    ck_assert_int_eq(mkdir("far", 0755), 0);
    put_bytes("far/w", old_text, strlen(old_text));
    ck_assert_int_eq(symlink("far/w", path), 0);
    ck_assert_int_eq(tl_safetensors_writable(path), TL_OK);
    ck_assert_int_eq(tl_safetensors_write(path, NULL, 0, NULL, 0), TL_OK);
    struct stat status;
    ck_assert_int_eq(lstat(path, &status), 0);
    ck_assert(S_ISLNK(status.st_mode));
    ck_assert_int_eq(lstat("far/w", &status), 0);
    ck_assert(S_ISREG(status.st_mode));
    tl_safetensors_free(read_or_fail());
    ck_assert_int_eq(remove("far/w"), 0);
    ck_assert_int_eq(remove("far"), 0);
}
END_TEST

START_TEST(an_absolute_path_is_fine)
{
    char *here = realpath(".", NULL);
    char absolute[PATH_MAX + 20];
    snprintf(absolute, sizeof absolute, "%s/%s", here, path);
    ck_assert_int_eq(tl_safetensors_writable(absolute), TL_OK);
    ck_assert_int_eq(files(), 0);
    ck_assert_int_eq(tl_safetensors_write(absolute, NULL, 0, NULL, 0), TL_OK);
    tl_safetensors_free(read_or_fail());
    free(here);
}
END_TEST

START_TEST(asking_changes_nothing)
{
    ck_assert_int_eq(tl_safetensors_writable(path), TL_OK);
    ck_assert_int_eq(files(), 0);
    put_bytes(path, old_text, strlen(old_text));
    struct stat before, after;
    ck_assert_int_eq(stat(path, &before), 0);
    ck_assert_int_eq(tl_safetensors_writable(path), TL_OK);
    ck_assert_int_eq(stat(path, &after), 0);
    ck_assert_uint_eq(before.st_ino, after.st_ino);
    ck_assert_int_eq(before.st_mtim.tv_sec, after.st_mtim.tv_sec);
    ck_assert_int_eq(before.st_mtim.tv_nsec, after.st_mtim.tv_nsec);
    expect_old_file();
}
END_TEST

int main(void)
{
    TCase *tests = case_in_folder("safetensors write");
    tcase_add_test(tests, unfit_names_leave_the_old_file);
    tcase_add_test(tests, an_empty_tensor_without_a_message_is_an_error);
    tcase_add_test(tests, a_header_beyond_the_format_is_refused);
    tcase_add_test(tests, a_place_that_takes_no_file_is_named);
    tcase_add_test(tests, a_path_beyond_the_system_is_refused);
    tcase_add_test(tests, permissions_are_heeded);
    tcase_add_test(tests, a_full_disk_leaves_the_old_file);
    tcase_add_test(tests, permissions_are_those_of_fopen);
    tcase_add_test(tests, a_new_file_takes_the_place_of_the_old);
    tcase_add_test(tests, temporary_files_in_use_are_left);
    tcase_add_test(tests, a_link_leads_to_its_file);
    tcase_add_test(tests, an_absolute_path_is_fine);
    tcase_add_test(tests, asking_changes_nothing);
    return run_case("safetensors write", tests);
}
