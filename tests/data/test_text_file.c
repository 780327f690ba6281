/* Files are made here, byte by byte. */
#include "data/text_file.h"
#include "tests/support/folder.h"
#include "tests/support/suite.h"

static const char path[] = "some.txt";
static const char text[] = "Twice \u00FCber\r\nthe\0 sea\xFF"; /* as it is, whatever it is */
enum { SIZE = sizeof text - 1 };

static void expect_text(const char *expected, size_t count)
{
    size_t size = 0;
    char *got = tl_text_read(path, &size);
    ck_assert_msg(got, "%s", tl_error_message());
    ck_assert_uint_eq(size, count);
    ck_assert_mem_eq(got, expected, count);
    ck_assert_int_eq(got[count], '\0');
    tl_text_free(got);
}

static void expect_refused(tl_status status, const char *message)
{
    size_t size = 77;
    tl_error(TL_OK, "no message was set");
    ck_assert_ptr_null(tl_text_read(path, &size));
    EXPECT_ERROR(status, message);
    ck_assert_uint_eq(size, 77);
}

START_TEST(plain_or_gzip_a_file_is_its_bytes)
{
    put_bytes(path, text, SIZE);
    expect_text(text, SIZE);
    put_gzip(path, text, SIZE);
    expect_text(text, SIZE);
    char *got = tl_text_read(path, NULL);
    ck_assert_mem_eq(got, text, SIZE + 1);
    tl_text_free(got);
    tl_text_free(NULL);
}
END_TEST

/* Sizes around those at which memory grows. */
START_TEST(long_texts_come_whole)
{
    const size_t sizes[] = {1, 65535, 65536, 65537, 131072, 131073, 1000000};
    char *letters = malloc(1000000);
    ck_assert_ptr_nonnull(letters);
    for (unsigned i = 0; i < 1000000; i++)
        letters[i] = (char)('a' + (i * 2654435761u >> 20) % 26);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        put_bytes(path, letters, sizes[i]);
        expect_text(letters, sizes[i]);
        put_gzip(path, letters, sizes[i]);
        expect_text(letters, sizes[i]);
    }
    free(letters);
}
END_TEST

START_TEST(an_empty_file_is_refused)
{
    put_bytes(path, "", 0);
    expect_refused(TL_ERROR_FORMAT, "text: some.txt: the file is empty");
    put_gzip(path, "", 0);
    expect_refused(TL_ERROR_FORMAT, "text: some.txt: the file is empty");
}
END_TEST

/* What is left of a gzip file is never taken for a text, but for a lone first byte, which is like any other.
 */
START_TEST(a_gzip_file_cut_anywhere_is_refused)
{
    put_gzip(path, text, SIZE);
    size_t size;
    char *bytes = get_bytes(path, &size);
    for (size_t left = 2; left < size; left++) {
        put_bytes(path, bytes, left);
        tl_error(TL_OK, "no message was set");
        ck_assert_msg(!tl_text_read(path, NULL), "read with %zu of %zu bytes", left, size);
        ck_assert_int_eq(tl_error_status(), TL_ERROR_FORMAT);
    }
    put_bytes(path, bytes, 5);
    expect_refused(TL_ERROR_FORMAT, "text: some.txt: its gzip header is damaged or cut short");
    put_bytes(path, bytes, size - 9);
    expect_refused(TL_ERROR_FORMAT, "text: some.txt: truncated gzip input");
    free(bytes);
}
END_TEST

START_TEST(a_changed_byte_is_found)
{
    put_gzip(path, text, SIZE);
    size_t size;
    char *bytes = get_bytes(path, &size);
    char *letter = memmem(bytes, size, "Twice", 5);
    ck_assert_ptr_nonnull(letter);
    *letter = 't';
    put_bytes(path, bytes, size);
    expect_refused(TL_ERROR_FORMAT, "text: some.txt: the gzip checksum does not match");
    *letter = 'T';
    bytes[3] = (char)0xE0; /* flags that no version of the format knows */
    put_bytes(path, bytes, size);
    expect_refused(TL_ERROR_FORMAT, "text: some.txt: its gzip header is damaged or cut short");
    free(bytes);
}
END_TEST

START_TEST(what_cannot_be_opened_is_named)
{
    expect_refused(TL_ERROR_IO, "text: some.txt: No such file or directory");
    ck_assert_int_eq(mkdir(path, 0755), 0);
    expect_refused(TL_ERROR_IO, "text: some.txt: Is a directory");
    tl_error(TL_ERROR_IO, "what went wrong first");
    ck_assert_ptr_null(tl_text_read(NULL, NULL));
    EXPECT_ERROR(TL_ERROR_IO, "what went wrong first");
}
END_TEST

int main(void)
{
    TCase *tests = case_in_folder("text file");
    tcase_add_test(tests, plain_or_gzip_a_file_is_its_bytes);
    tcase_add_test(tests, long_texts_come_whole);
    tcase_add_test(tests, an_empty_file_is_refused);
    tcase_add_test(tests, a_gzip_file_cut_anywhere_is_refused);
    tcase_add_test(tests, a_changed_byte_is_found);
    tcase_add_test(tests, what_cannot_be_opened_is_named);
    return run_case("text file", tests);
}
