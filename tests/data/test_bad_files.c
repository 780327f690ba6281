/* Small files that promise much: every reader refuses them for what they are, with little memory to do it in.
 * Files that are none are not waited for. tests/fuzz goes on where this ends. */
#include "data/csv.h"
#include "data/idx.h"
#include "data/imdb.h"
#include "data/safetensors.h"
#include "data/text_file.h"
#include "nn/checkpoint.h"
#include "nn/layers.h"
#include "nn/loss.h"
#include "tests/support/folder.h"
#include "tests/support/limit.h"
#include "tests/support/suite.h"

enum { MIB = 1 << 20, ENOUGH = 16 * MIB, BLOCK = 512 };

static const char path[] = "bad";

static void read_idx(void)
{
    tl_tensor tensor = tl_idx_read(path);
    ck_assert(!tl_tensor_ok(tensor));
}

static void read_text(void)
{
    ck_assert_ptr_null(tl_text_read(path, NULL));
}

static void read_csv(void)
{
    ck_assert_ptr_null(tl_csv_read(path));
}

static void read_reviews(void)
{
    ck_assert_ptr_null(tl_imdb_load(path));
}

static void read_safetensors(void)
{
    ck_assert_ptr_null(tl_safetensors_read(path));
}

static tl_model *model;

static void make_model(void)
{
    model = tl_sequential(tl_dense(1));
    ck_assert_int_eq(tl_compile(model, .optimizer = tl_adam(), .loss = TL_MEAN_SQUARED_ERROR), TL_OK);
    ck_assert_int_eq(tl_build(model, tl_shape(1), TL_F32, 1), TL_OK);
}

static void free_model(void)
{
    tl_model_free(model);
}

static void read_weights(void)
{
    ck_assert_int_ne(tl_load_weights(model, path), TL_OK);
}

static void read_checkpoint(void)
{
    ck_assert_int_ne(tl_checkpoint_load(model, path), TL_OK);
}

/* The last message ends so, or the test fails and shows both. */
static void expect_reason(tl_status status, const char *reason)
{
    const char *message = tl_error_message();
    size_t length = strlen(message), end = strlen(reason);
    ck_assert_str_eq(message + (length > end ? length - end : 0), reason);
    ck_assert_int_eq(tl_error_status(), status);
}

/* --- promises --- */

#define HEADER(length, text) length "\0\0\0\0\0\0" text
#define FILE_OF(bytes)       bytes, sizeof(bytes) - 1

static const struct {
    void (*read)(void);
    const char *bytes;
    size_t count;
    const char *reason;
} promises[] = {
    {read_idx, FILE_OF("\0\0\x0E\x02\0\0\xFF\xFF\0\0\xFF\xFF"),
     "shape [65535, 65535] takes 34358689800 bytes of data, the file has 0"},
    {read_idx, FILE_OF("\0\0\x08\x01\xFF\xFF\xFF\xFF!"),
     "shape [4294967295] takes 4294967295 bytes of data, the file has 1"},
    {read_safetensors, FILE_OF("\0\xE1\xF5\x05\0\0\0\0{}"), "a header of 100000000 bytes, the file has 2"},
    {read_safetensors, FILE_OF("\1\xE1\xF5\x05\0\0\0\0{}"),
     "it starts with a header length of 100000001, expected 1 to 100000000"},
    {read_safetensors, FILE_OF("\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF{}"),
     "it starts with a header length of 18446744073709551615, expected 1 to 100000000"},
    {read_safetensors,
     FILE_OF(
         HEADER("\x42\0", "{\"a\":{\"dtype\":\"F64\",\"shape\":[99999999999],\"data_offsets\":[0,8]}}  ")),
     "8 bytes of data, [99999999999] of F64 takes 799999999992"},
    {read_safetensors,
     FILE_OF(HEADER("\x47\0",
                    "{\"a\":{\"dtype\":\"U8\",\"shape\":[9999999999],\"data_offsets\":[0,9999999999]}}")),
     "header promises 9999999999 bytes of data, the file has 0"},
    {read_weights, FILE_OF("\0\xE1\xF5\x05\0\0\0\0{}"), "a header of 100000000 bytes, the file has 2"},
    {read_checkpoint, FILE_OF("\0\xE1\xF5\x05\0\0\0\0{}"), "a header of 100000000 bytes, the file has 2"},
};

START_TEST(a_promise_takes_no_memory)
{
    put_bytes(path, promises[_i].bytes, promises[_i].count);
    limit_memory(ENOUGH);
    promises[_i].read();
    lift_memory_limit();
    expect_reason(TL_ERROR_FORMAT, promises[_i].reason);
}
END_TEST

/* Brackets within brackets are no way to use up the stack. */
START_TEST(a_header_is_nested_only_so_deep)
{
    enum { DEPTH = 1 << 16 };
    char *bytes = malloc(8 + 5 + DEPTH);
    memcpy(bytes, "\x05\0\x01\0\0\0\0\0{\"a\":", 8 + 5);
    memset(bytes + 8 + 5, '[', DEPTH);
    put_bytes(path, bytes, 8 + 5 + DEPTH);
    free(bytes);
    limit_memory(ENOUGH);
    read_safetensors();
    lift_memory_limit();
    expect_reason(TL_ERROR_FORMAT, "maximum parsing depth reached near '['");
}
END_TEST

/* --- archives --- */

static void put_digits(char *field, int width, int64_t value)
{
    char digits[16];
    snprintf(digits, sizeof digits, "%0*llo", width, (long long)value);
    memcpy(field, digits, (size_t)width);
}

/* A member's header, with the checksum in place; `hole`: of GNU's sparse kind, whose `size` bytes are zeros
 * but for the last block. */
static void put_member(char header[BLOCK], const char *name, int64_t size, bool hole)
{
    memset(header, 0, BLOCK);
    strcpy(header, name);
    memcpy(header + 100, "0000644\0000000000\0000000000", 23);
    put_digits(header + 124, 11, hole ? BLOCK : size);
    memcpy(header + 136, "00000000000\0        ", 20);
    header[156] = hole ? 'S' : '0';
    memcpy(header + 257, "ustar  ", 7);
    if (hole) {
        put_digits(header + 386, 11, size - BLOCK);
        put_digits(header + 398, 11, BLOCK);
        put_digits(header + 483, 11, size);
    }
    unsigned sum = 0;
    for (int i = 0; i < BLOCK; i++)
        sum += (unsigned char)header[i];
    put_digits(header + 148, 6, sum);
    header[154] = '\0';
}

START_TEST(a_review_has_a_limit)
{
    char header[BLOCK];
    put_member(header, "train/pos/0_9.txt", (int64_t)4 << 30, false);
    put_bytes(path, header, sizeof header);
    limit_memory(ENOUGH);
    read_reviews();
    lift_memory_limit();
    expect_reason(TL_ERROR_FORMAT,
                  "train/pos/0_9.txt has 4294967296 bytes, expected a review of at most 1048576");
}
END_TEST

/* A million bytes each, of which the file has 512. */
START_TEST(holes_are_refused_one_by_one)
{
    enum { MEMBERS = 100 };
    static char archive[MEMBERS][2][BLOCK];
    for (int i = 0; i < MEMBERS; i++) {
        char name[32];
        snprintf(name, sizeof name, "train/pos/%d_9.txt", i);
        put_member(archive[i][0], name, MIB, true);
        memset(archive[i][1], 'a', BLOCK);
    }
    put_bytes(path, archive, sizeof archive);
    limit_memory(ENOUGH);
    read_reviews();
    lift_memory_limit();
    expect_reason(TL_ERROR_FORMAT, "train/pos/0_9.txt has a zero at byte 0, expected text");
}
END_TEST

START_TEST(one_long_review_does_not_stretch_all_others)
{
    enum { COUNT = 400, WORDS = 400000 };
    char *text = malloc(2 * WORDS + 1);
    for (int i = 0; i < WORDS; i++)
        memcpy(text + 2 * i, "a ", 3);
    static tl_review reviews[COUNT];
    for (int i = 0; i < COUNT; i++)
        reviews[i] = (tl_review){.text = i ? "b" : text, .positive = i & 1, .test = i & 2};
    limit_memory(4 * ENOUGH);
    ck_assert_ptr_null(tl_imdb_from_reviews(reviews, COUNT));
    expect_reason(
        TL_ERROR_FORMAT,
        "reviews: one of 400 reviews has 400001 words, and rows of that length take over 64 MiB and 100 "
        "times the text: give pad_to");
    tl_imdb *imdb = tl_imdb_from_reviews(reviews, COUNT, .pad_to = 20);
    ck_assert_msg(imdb != NULL, "%s", tl_error_message());
    lift_memory_limit();
    tl_imdb_free(imdb);
    free(text);
}
END_TEST

/* --- gzip --- */

/* So many zeros, packed as well as gzip can, and then once more if `twice`. */
static void put_zeros(size_t count, bool twice)
{
    static const char zeros[MIB];
    struct archive *archive = archive_write_new();
    struct archive_entry *entry = archive_entry_new();
    for (int i = 0; i <= twice; i++)
        archive_write_add_filter_gzip(archive);
    archive_write_set_bytes_in_last_block(archive, 1);
    archive_write_set_format_raw(archive);
    ck_assert_int_eq(archive_write_open_filename(archive, path), ARCHIVE_OK);
    archive_entry_set_filetype(entry, AE_IFREG);
    ck_assert_int_eq(archive_write_header(archive, entry), ARCHIVE_OK);
    for (; count > 0; count -= sizeof zeros)
        ck_assert_int_eq(archive_write_data(archive, zeros, sizeof zeros), sizeof zeros);
    ck_assert_int_eq(archive_write_close(archive), ARCHIVE_OK);
    archive_entry_free(entry);
    archive_write_free(archive);
}

static void (*const unpacking[])(void) = {read_idx, read_text, read_csv, read_reviews};
enum { UNPACKING = sizeof unpacking / sizeof *unpacking };

/* What makes a thousand bytes of one makes a million if it is done twice. */
START_TEST(gzip_within_gzip_is_refused)
{
    put_zeros((size_t)32 * MIB, true);
    struct stat about;
    ck_assert_int_eq(stat(path, &about), 0);
    ck_assert_int_lt(about.st_size, 1000);
    limit_memory(ENOUGH);
    unpacking[_i]();
    lift_memory_limit();
    expect_reason(TL_ERROR_FORMAT, "bad: gzip within gzip");
}
END_TEST

START_TEST(gzip_unpacks_to_so_much_and_no_more)
{
    size_t size = 0;
    put_zeros((size_t)64 * MIB, false);
    char *text = tl_text_read(path, &size);
    ck_assert_msg(text != NULL, "%s", tl_error_message());
    ck_assert_uint_eq(size, (size_t)64 * MIB);
    tl_text_free(text);
    put_zeros((size_t)80 * MIB, false);
    limit_memory(16 * ENOUGH);
    read_text();
    lift_memory_limit();
    expect_reason(TL_ERROR_FORMAT, "bad: it unpacks to over 64 MiB and 100 times its size");
}
END_TEST

/* --- what is no file --- */

static void (*const readers[])(void) = {read_idx,         read_text,    read_csv,       read_reviews,
                                        read_safetensors, read_weights, read_checkpoint};
enum { READERS = sizeof readers / sizeof *readers };

/* Nobody writes to the pipe. */
START_TEST(pipes_and_devices_are_refused)
{
    ck_assert_int_eq(mkfifo(path, 0644), 0);
    readers[_i]();
    expect_reason(TL_ERROR_IO, "not a regular file");
    ck_assert_int_eq(remove(path), 0);
    ck_assert_int_eq(symlink("/dev/zero", path), 0);
    readers[_i]();
    expect_reason(TL_ERROR_IO, "not a regular file");
}
END_TEST

START_TEST(a_pipe_among_reviews_is_refused)
{
    ck_assert_int_eq(mkdir(path, 0755), 0);
    ck_assert_int_eq(mkdir("bad/train", 0755), 0);
    ck_assert_int_eq(mkdir("bad/train/pos", 0755), 0);
    ck_assert_int_eq(mkfifo("bad/train/pos/0_9.txt", 0644), 0);
    read_reviews();
    EXPECT_ERROR(TL_ERROR_IO, "imdb: bad/train/pos/0_9.txt: not a regular file");
}
END_TEST

/* An escape would be a command to the terminal that shows the message. */
START_TEST(messages_do_not_repeat_control_characters)
{
    static const char header[] = "{\"\\u001b[31m\":{}}";
    char bytes[8 + sizeof header - 1] = {sizeof header - 1};
    memcpy(bytes + 8, header, sizeof header - 1);
    put_bytes(path, bytes, sizeof bytes);
    read_safetensors();
    EXPECT_ERROR(TL_ERROR_FORMAT, "bad: tensor \"?[31m\": Object item not found: dtype");
}
END_TEST

int main(void)
{
    TCase *tests = case_in_folder("bad_files");
    tcase_add_checked_fixture(tests, make_model, free_model);
    tcase_add_loop_test(tests, a_promise_takes_no_memory, 0, (int)(sizeof promises / sizeof *promises));
    tcase_add_test(tests, a_header_is_nested_only_so_deep);
    tcase_add_test(tests, a_review_has_a_limit);
    tcase_add_test(tests, holes_are_refused_one_by_one);
    tcase_add_test(tests, one_long_review_does_not_stretch_all_others);
    tcase_add_loop_test(tests, gzip_within_gzip_is_refused, 0, UNPACKING);
    tcase_add_test(tests, gzip_unpacks_to_so_much_and_no_more);
    tcase_add_loop_test(tests, pipes_and_devices_are_refused, 0, READERS);
    tcase_add_test(tests, a_pipe_among_reviews_is_refused);
    tcase_add_test(tests, messages_do_not_repeat_control_characters);
    return run_case("bad_files", tests);
}
