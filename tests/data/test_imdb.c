/* Small archives and folders are made here; with TAPELOOP_DATA the real archive is read as well. */
#include "data/imdb.h"
#include "data/locate.h"

#include <archive.h>
#include <archive_entry.h>
#include <check.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct member {
    const char *name, *text;
} member;

static const member good[] = {
    {"aclImdb/README", "Not a review."},
    {"aclImdb/imdb.vocab", "the\nand\n"},
    {"aclImdb/train/pos/0_9.txt", "The film<br /><br />was good, the best."},
    {"aclImdb/train/pos/10_10.txt", "Good film!"},
    {"aclImdb/train/neg/0_1.txt", "the Film was BAD, bad"},
    {"aclImdb/train/unsup/0_0.txt", "unlabelled unlabelled unlabelled unlabelled"},
    {"aclImdb/train/labeledBow.feat", "9 0:9 1:1"},
    {"aclImdb/train/pos/._0_9.txt", "\x01\xFF"},
    {"aclImdb/train/pos/notes.txt", "\xFF"},
    {"aclImdb/test/neg/0_2.txt", "the worst film"},
    {"aclImdb/test/pos/0_8.txt", "h\u00E9ros: so good"},
    {"aclImdb/test/urls_pos.txt", "address"},
};
enum { GOOD = sizeof good / sizeof *good };

/* What becomes of them: the (4) film (5) was (6) bad (7) good (8) best (9); words as frequent as each other
 * are ranked as train/neg/0_1.txt, train/pos/0_9.txt, train/pos/10_10.txt bring them. Rows by name. */
enum { WIDTH = 5 };
static const int32_t train_rows[][WIDTH] = {{4, 5, 6, 7, 7}, {5, 6, 8, 4, 9}, {0, 0, 1, 8, 5}};
static const float train_labels[] = {0, 1, 1};
static const int32_t test_rows[][WIDTH] = {{0, 1, 4, 2, 5}, {0, 1, 2, 2, 8}};
static const float test_labels[] = {0, 1};

static char folder[] = "test-imdb-XXXXXX"; /* in the folder the test runs in */

static void make_folder(void)
{
    ck_assert_ptr_nonnull(mkdtemp(folder));
}

static int remove_one(const char *path, const struct stat *about, int kind, struct FTW *at)
{
    (void)about, (void)kind, (void)at;
    return remove(path);
}

static void remove_folder(void)
{
    nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

/* folder/name, in one of a few buffers that take turns. */
static const char *path_of(const char *name)
{
    static char paths[4][PATH_MAX];
    static int turn;
    char *path = paths[turn++ % 4];
    ck_assert_int_lt(snprintf(path, PATH_MAX, "%s/%s", folder, name), PATH_MAX);
    return path;
}

/* Writes a .tar.gz whose contents are stored, not packed, so that a test can find and change them. */
static const char *write_archive(const char *name, const member *members, int count)
{
    const char *path = path_of(name);
    struct archive *archive = archive_write_new();
    archive_write_add_filter_gzip(archive);
    archive_write_set_filter_option(archive, "gzip", "compression-level", "0");
    archive_write_set_format_ustar(archive);
    ck_assert_int_eq(archive_write_open_filename(archive, path), ARCHIVE_OK);
    for (int i = 0; i < count; i++) {
        size_t size = strlen(members[i].text);
        struct archive_entry *entry = archive_entry_new();
        archive_entry_set_pathname(entry, members[i].name);
        archive_entry_set_filetype(entry, AE_IFREG);
        archive_entry_set_perm(entry, 0644);
        archive_entry_set_size(entry, (la_int64_t)size);
        ck_assert_int_eq(archive_write_header(archive, entry), ARCHIVE_OK);
        ck_assert_int_eq(archive_write_data(archive, members[i].text, size), (la_ssize_t)size);
        archive_entry_free(entry);
    }
    ck_assert_int_eq(archive_write_close(archive), ARCHIVE_OK);
    archive_write_free(archive);
    return path;
}

static const char *write_file(const char *name, const void *bytes, size_t size)
{
    const char *path = path_of(name);
    FILE *file = fopen(path, "wb");
    ck_assert_ptr_nonnull(file);
    ck_assert_uint_eq(fwrite(bytes, 1, size, file), size);
    ck_assert_int_eq(fclose(file), 0);
    return path;
}

static const char *write_tree(const char *name, const member *members, int count)
{
    mkdir(path_of(name), 0755);
    for (int i = 0; i < count; i++) {
        char within[PATH_MAX];
        snprintf(within, sizeof within, "%s/%s", name, members[i].name);
        for (char *slash = strchr(within, '/'); slash; slash = strchr(slash + 1, '/')) {
            *slash = '\0';
            mkdir(path_of(within), 0755);
            *slash = '/';
        }
        write_file(within, members[i].text, strlen(members[i].text));
    }
    return path_of(name);
}

static void *read_file(const char *path, size_t *size)
{
    FILE *file = fopen(path, "rb");
    ck_assert_ptr_nonnull(file);
    ck_assert_int_eq(fseek(file, 0, SEEK_END), 0);
    *size = (size_t)ftell(file);
    rewind(file);
    char *bytes = malloc(*size);
    ck_assert_ptr_nonnull(bytes);
    ck_assert_uint_eq(fread(bytes, 1, *size, file), *size);
    fclose(file);
    return bytes;
}

static void check_message(tl_status status, const char *part, const char *other)
{
    ck_assert_msg(strstr(tl_error_message(), part), "no '%s' in: %s", part, tl_error_message());
    ck_assert_msg(strstr(tl_error_message(), other), "no '%s' in: %s", other, tl_error_message());
    ck_assert_int_eq(tl_error_status(), status);
}

static void check_refused(const char *path, tl_status status, const char *part, const char *other)
{
    tl_error(TL_OK, "no message was set");
    ck_assert_ptr_null(tl_imdb_load(path, .pad_to = WIDTH));
    check_message(status, part, other);
    check_message(status, path, "imdb: ");
}

/* Both splits, row by row in any order. */
static void check_rows(tl_dataset split, int count, const int32_t rows[][WIDTH], const float *labels)
{
    ck_assert_int_eq(tl_dataset_size(split), count);
    ck_assert(tl_shape_equal(split.x.shape, tl_shape(count, WIDTH)) && split.x.dtype == TL_I32);
    ck_assert(tl_shape_equal(split.y.shape, tl_shape(count, 1)) && split.y.dtype == TL_F32);
    const int32_t *x = tl_data(split.x);
    const float *y = tl_data(split.y);
    for (int i = 0; i < count; i++) {
        int same = 0;
        for (int j = 0; j < count; j++)
            same += memcmp(rows[i], x + j * WIDTH, sizeof rows[i]) == 0 && y[j] == labels[i];
        ck_assert_msg(same == 1, "row %d is there %d times", i, same);
    }
}

static void check_good(const tl_imdb *imdb)
{
    ck_assert_msg(imdb, "%s", tl_error_message());
    check_rows(tl_imdb_train(imdb), 3, train_rows, train_labels);
    check_rows(tl_imdb_test(imdb), 2, test_rows, test_labels);
    ck_assert_int_eq(tl_vocabulary_size(tl_imdb_vocabulary(imdb)), 6);
    ck_assert_str_eq(tl_vocabulary_word(tl_imdb_vocabulary(imdb), 6), "best");
}

static bool same_values(tl_tensor a, tl_tensor b)
{
    return tl_shape_equal(a.shape, b.shape) && a.storage->bytes == b.storage->bytes &&
           memcmp(tl_data(a), tl_data(b), a.storage->bytes) == 0;
}

static bool same(const tl_imdb *a, const tl_imdb *b)
{
    return same_values(tl_imdb_train(a).x, tl_imdb_train(b).x) &&
           same_values(tl_imdb_train(a).y, tl_imdb_train(b).y) &&
           same_values(tl_imdb_test(a).x, tl_imdb_test(b).x) &&
           same_values(tl_imdb_test(a).y, tl_imdb_test(b).y);
}

START_TEST(an_archive_becomes_tensors)
{
    tl_imdb *imdb = tl_imdb_load(write_archive("good.tar.gz", good, GOOD), .pad_to = WIDTH);
    check_good(imdb);
    tl_imdb_free(imdb);
}
END_TEST

START_TEST(folders_give_the_same_as_the_archive)
{
    const char *tree = write_tree("tree", good, GOOD);
    tl_imdb *archive = tl_imdb_load(write_archive("good.tar.gz", good, GOOD), .pad_to = WIDTH);
    tl_imdb *around = tl_imdb_load(tree, .pad_to = WIDTH);
    tl_imdb *itself = tl_imdb_load(path_of("tree/aclImdb"), .pad_to = WIDTH);
    check_good(around);
    check_good(itself);
    ck_assert(same(archive, around));
    ck_assert(same(archive, itself));
    tl_imdb_free(archive);
    tl_imdb_free(around);
    tl_imdb_free(itself);
}
END_TEST

START_TEST(the_order_in_the_archive_does_not_matter)
{
    member turned[GOOD];
    for (int i = 0; i < GOOD; i++)
        turned[i] = good[GOOD - 1 - i];
    tl_imdb *first = tl_imdb_load(write_archive("good.tar.gz", good, GOOD), .pad_to = WIDTH);
    tl_imdb *second = tl_imdb_load(write_archive("turned.tar.gz", turned, GOOD), .pad_to = WIDTH);
    check_good(second);
    ck_assert(same(first, second));
    tl_imdb_free(first);
    tl_imdb_free(second);
}
END_TEST

START_TEST(options_are_followed)
{
    const char *path = write_archive("good.tar.gz", good, GOOD);
    tl_imdb *imdb = tl_imdb_load(path); /* the longest review: a start and six words */
    ck_assert(tl_shape_equal(tl_imdb_train(imdb).x.shape, tl_shape(3, 7)));
    ck_assert(tl_shape_equal(tl_imdb_test(imdb).x.shape, tl_shape(2, 7)));
    tl_imdb_free(imdb);

    imdb = tl_imdb_load(path, .num_words = 6, .skip_top = 5, .pad_to = WIDTH);
    const int32_t cut[][WIDTH] = {{2, 5, 2, 2, 2}, {5, 2, 2, 2, 2}, {0, 0, 1, 2, 5}};
    check_rows(tl_imdb_train(imdb), 3, cut, train_labels);
    ck_assert_int_eq(tl_vocabulary_limit(tl_imdb_vocabulary(imdb)), 6);
    tl_imdb_free(imdb);
}
END_TEST

START_TEST(bad_options_are_errors)
{
    const char *path = write_archive("good.tar.gz", good, GOOD);
    tl_vocabulary *none = tl_vocabulary_from_words(NULL, 0);
    ck_assert_ptr_null(tl_imdb_load(path, .num_words = 4));
    check_message(TL_ERROR_ARGUMENT, "imdb: num_words 4", "expected 5");
    ck_assert_ptr_null(tl_imdb_load(path, .pad_to = -1));
    check_message(TL_ERROR_ARGUMENT, "imdb: pad_to -1", "expected 1");
    ck_assert_ptr_null(tl_imdb_load(path, .skip_top = -1));
    check_message(TL_ERROR_ARGUMENT, "imdb: skip_top -1", "expected 0");
    ck_assert_ptr_null(tl_imdb_load(path, .vocabulary = none, .num_words = 10));
    check_message(TL_ERROR_ARGUMENT, "imdb: num_words 10", "vocabulary");
    ck_assert_ptr_null(tl_imdb_load(NULL));
    check_message(TL_ERROR_ARGUMENT, "imdb", "no path");
    tl_vocabulary_free(none);
}
END_TEST

START_TEST(a_missing_file_is_an_error)
{
    check_refused(path_of("nowhere.tar.gz"), TL_ERROR_IO, "nowhere.tar.gz", "No such file");
}
END_TEST

START_TEST(what_is_no_archive_is_an_error)
{
    char text[2000];
    memset(text, 'x', sizeof text);
    check_refused(write_file("text.tar.gz", text, sizeof text), TL_ERROR_FORMAT, "text.tar.gz",
                  "Unrecognized archive format");
    check_refused(write_file("empty.tar.gz", "", 0), TL_ERROR_FORMAT, "empty.tar.gz", "Unrecognized");
}
END_TEST

/* Every way to cut the archive short, a byte at a time at both ends and in larger steps between. */
START_TEST(a_truncated_archive_is_an_error)
{
    size_t size;
    char *bytes = read_file(write_archive("good.tar.gz", good, GOOD), &size);
    for (size_t left = 0; left < size; left += left < 30 || left + 30 > size ? 1 : size / 50)
        check_refused(write_file("short.tar.gz", bytes, left), TL_ERROR_FORMAT, "short.tar.gz", ": ");
    free(bytes);
}
END_TEST

START_TEST(a_truncated_archive_is_named_with_the_place)
{
    enum { LONG = 1000000 };
    static char text[LONG + 1];
    memset(text, 'a', LONG);
    member members[GOOD + 1];
    memcpy(members, good, sizeof good);
    members[GOOD] = (member){"aclImdb/train/pos/99_9.txt", text};
    size_t size;
    char *bytes = read_file(write_archive("long.tar.gz", members, GOOD + 1), &size);
    check_refused(write_file("cut.tar.gz", bytes, size / 2), TL_ERROR_FORMAT,
                  "not a whole archive near train/pos/99_9.txt", "truncated gzip input");
    free(bytes);
}
END_TEST

START_TEST(a_changed_letter_is_found_by_the_checksum)
{
    size_t size;
    char *bytes = read_file(write_archive("good.tar.gz", good, GOOD), &size);
    char *letter = memmem(bytes, size, "worst", 5);
    ck_assert_ptr_nonnull(letter);
    *letter = 'f';
    check_refused(write_file("changed.tar.gz", bytes, size), TL_ERROR_FORMAT, "not a whole archive",
                  "checksum");
    *letter = 'w';
    tl_imdb *imdb = tl_imdb_load(write_file("changed.tar.gz", bytes, size), .pad_to = WIDTH);
    check_good(imdb);
    tl_imdb_free(imdb);
    free(bytes);
}
END_TEST

/* The good members with another text in place of one, as archive and as folder. */
static void check_bad_text(const char *name, const char *text, const char *part)
{
    member members[GOOD];
    memcpy(members, good, sizeof good);
    const char *within = NULL;
    for (int i = 0; i < GOOD; i++)
        if (strstr(good[i].name, name)) {
            members[i].text = text;
            within = strchr(good[i].name, '/') + 1;
        }
    ck_assert_ptr_nonnull(within);
    check_refused(write_archive("bad.tar.gz", members, GOOD), TL_ERROR_FORMAT, within, part);
    check_refused(write_tree("bad", members, GOOD), TL_ERROR_FORMAT, within, part);
}

START_TEST(a_review_that_is_not_utf8_is_an_error)
{
    check_bad_text("test/pos/0_8.txt", "A caf\xE9 scene", "not UTF-8 at byte 5");
    check_bad_text("train/neg/0_1.txt", "\xED\xA0\x80", "not UTF-8 at byte 0");
}
END_TEST

START_TEST(an_empty_review_is_an_error)
{
    check_bad_text("train/pos/10_10.txt", "", "is empty");
    check_bad_text("test/neg/0_2.txt", " \n<br /><br />\t", "is empty");
}
END_TEST

START_TEST(a_review_with_a_zero_byte_is_an_error)
{
    write_tree("zero", good, GOOD);
    write_file("zero/aclImdb/test/pos/0_8.txt", "good\0film", 9);
    check_refused(path_of("zero"), TL_ERROR_FORMAT, "test/pos/0_8.txt", "zero at byte 4");
}
END_TEST

START_TEST(a_huge_review_is_an_error)
{
    size_t size = (1 << 20) + 2;
    char *text = malloc(size);
    ck_assert_ptr_nonnull(text);
    memset(text, 'a', size);
    text[size - 1] = '\0';
    check_bad_text("train/pos/0_9.txt", text, "1048577 bytes");
    free(text);
}
END_TEST

START_TEST(a_review_that_is_there_twice_is_an_error)
{
    member members[GOOD + 1];
    memcpy(members, good, sizeof good);
    members[GOOD] = (member){"other/train/pos/0_9.txt", "again"};
    check_refused(write_archive("twice.tar.gz", members, GOOD + 1), TL_ERROR_FORMAT, "train/pos/0_9.txt",
                  "twice");
}
END_TEST

START_TEST(missing_reviews_are_errors)
{
    static const struct {
        const char *missing, *part;
    } cases[] = {
        {"/train/neg/", "no negative training reviews"},
        {"/train/pos/", "no positive training reviews"},
        {"/test/neg/", "no negative test reviews"},
        {"/test/pos/", "no positive test reviews"},
        {"/train/", "no negative training reviews"},
        {"/test/", "no negative test reviews"},
        {"/", "no labelled reviews"},
    };
    for (int c = 0; c < 7; c++) {
        member members[GOOD];
        int count = 0;
        for (int i = 0; i < GOOD; i++)
            if (!strstr(good[i].name, cases[c].missing) || strstr(good[i].name, "README"))
                members[count++] = good[i];
        char name[16];
        snprintf(name, sizeof name, "some%d", c);
        check_refused(write_tree(name, members, count), TL_ERROR_FORMAT, name, cases[c].part);
        strcat(name, ".tar.gz");
        check_refused(write_archive(name, members, count), TL_ERROR_FORMAT, name, cases[c].part);
    }
}
END_TEST

static const tl_review reviews[] = {
    {.text = "the Film was BAD, bad"},
    {.text = "The film<br /><br />was good, the best.", .positive = true},
    {.text = "Good film!", .positive = true},
    {.text = "the worst film", .test = true},
    {.text = "h\u00E9ros: so good", .positive = true, .test = true},
};
enum { REVIEWS = sizeof reviews / sizeof *reviews };

START_TEST(reviews_in_memory_go_the_same_way)
{
    tl_imdb *memory = tl_imdb_from_reviews(reviews, REVIEWS, .pad_to = WIDTH);
    tl_imdb *archive = tl_imdb_load(write_archive("good.tar.gz", good, GOOD), .pad_to = WIDTH);
    check_good(memory);
    ck_assert(same(memory, archive));
    tl_imdb_free(memory);
    tl_imdb_free(archive);
}
END_TEST

START_TEST(a_vocabulary_can_be_given)
{
    const char *const words[] = {"film", "good"};
    tl_vocabulary *vocabulary = tl_vocabulary_from_words(words, 2);
    tl_imdb *imdb = tl_imdb_from_reviews(reviews, REVIEWS, .pad_to = WIDTH, .vocabulary = vocabulary);
    const int32_t rows[][WIDTH] = {{0, 1, 2, 2, 4}, {0, 1, 2, 2, 5}};
    check_rows(tl_imdb_test(imdb), 2, rows, test_labels);
    ck_assert_ptr_eq(tl_imdb_vocabulary(imdb), vocabulary);
    tl_imdb_free(imdb);
    ck_assert_str_eq(tl_vocabulary_word(vocabulary, 1), "film");
    tl_vocabulary_free(vocabulary);
}
END_TEST

START_TEST(bad_reviews_in_memory_are_errors)
{
    tl_review some[REVIEWS];
    memcpy(some, reviews, sizeof reviews);
    some[2].text = "<br />";
    ck_assert_ptr_null(tl_imdb_from_reviews(some, REVIEWS));
    check_message(TL_ERROR_FORMAT, "review 2", "is empty");
    some[2].name = "the third";
    some[2].text = "\xFF";
    ck_assert_ptr_null(tl_imdb_from_reviews(some, REVIEWS));
    check_message(TL_ERROR_FORMAT, "the third", "not UTF-8 at byte 0");
    some[2].text = NULL;
    ck_assert_ptr_null(tl_imdb_from_reviews(some, REVIEWS));
    check_message(TL_ERROR_ARGUMENT, "the third", "no text");
    ck_assert_ptr_null(tl_imdb_from_reviews(reviews, 2));
    check_message(TL_ERROR_FORMAT, "no negative test reviews", "2");
    ck_assert_ptr_null(tl_imdb_from_reviews(reviews, 0));
    check_message(TL_ERROR_FORMAT, "no labelled reviews", "");
    ck_assert_ptr_null(tl_imdb_from_reviews(NULL, 3));
    check_message(TL_ERROR_ARGUMENT, "3 reviews", "");
}
END_TEST

START_TEST(the_seed_decides_the_order_and_nothing_else)
{
    enum { COUNT = 40 };
    static char lines[COUNT][32];
    tl_review many[COUNT];
    for (int i = 0; i < COUNT; i++) {
        snprintf(lines[i], sizeof lines[i], "film number%d", i);
        many[i] = (tl_review){.text = lines[i], .positive = i % 2, .test = i >= COUNT / 2};
    }
    tl_imdb *a = tl_imdb_from_reviews(many, COUNT), *b = tl_imdb_from_reviews(many, COUNT);
    tl_imdb *c = tl_imdb_from_reviews(many, COUNT, .seed = 1);
    ck_assert(same(a, b));
    ck_assert(!same_values(tl_imdb_train(a).x, tl_imdb_train(c).x));
    ck_assert(!same_values(tl_imdb_test(a).y, tl_imdb_test(c).y));
    ck_assert(!same_values(tl_imdb_train(a).y, tl_imdb_test(a).y)); /* each split has its own order */
    for (int rank = 1; rank <= COUNT / 2; rank++)
        ck_assert_str_eq(tl_vocabulary_word(tl_imdb_vocabulary(a), rank),
                         tl_vocabulary_word(tl_imdb_vocabulary(c), rank));
    int changes = 0; /* positive and negative came in turn, and should no longer */
    const float *y = tl_data(tl_imdb_train(a).y);
    for (int i = 1; i < COUNT / 2; i++)
        changes += y[i] != y[i - 1];
    ck_assert_int_lt(changes, COUNT / 2 - 1);
    tl_imdb_free(a);
    tl_imdb_free(b);
    tl_imdb_free(c);
}
END_TEST

START_TEST(null_is_taken)
{
    tl_imdb_free(NULL);
    ck_assert(!tl_dataset_ok(tl_imdb_train(NULL)));
    ck_assert(!tl_dataset_ok(tl_imdb_test(NULL)));
    ck_assert_ptr_null(tl_imdb_vocabulary(NULL));
}
END_TEST

static void check_real_split(tl_dataset split)
{
    ck_assert(tl_shape_equal(split.x.shape, tl_shape(25000, 500)));
    ck_assert(tl_shape_equal(split.y.shape, tl_shape(25000, 1)));
    const int32_t *x = tl_data(split.x);
    const float *y = tl_data(split.y);
    int64_t positive = 0, tail = 0, empty = 0, wrong = 0; /* Check's own calls would take most of the time */
    for (int64_t i = 0; i < 25000; i++) {
        positive += y[i] == 1;
        tail += i >= 20000 && y[i] == 1;
        empty += x[i * 500 + 499] <= 0;
    }
    for (int64_t i = 0; i < 25000 * 500; i++)
        wrong += x[i] < 0 || x[i] >= 10000 || x[i] == 3;
    ck_assert_int_eq(empty, 0);
    ck_assert_int_eq(wrong, 0);
    ck_assert_int_eq(positive, 12500);
    ck_assert_int_gt(tail, 2300); /* what validation gets is mixed, too */
    ck_assert_int_lt(tail, 2700);
}

START_TEST(the_real_archive_can_be_read)
{
    char path[PATH_MAX];
    const char *const names[] = {"aclImdb_v1.tar.gz", "aclImdb"};
    const char *dir = getenv("TAPELOOP_DATA");
    if (!dir || tl_data_locate(dir, names, 2, path, sizeof path) != TL_OK) {
        printf("SKIPPED: no IMDB archive in the folder that TAPELOOP_DATA names\n");
        return;
    }
    tl_imdb *imdb = tl_imdb_load(path, .num_words = 10000, .pad_to = 500);
    ck_assert_msg(imdb, "%s", tl_error_message());
    check_real_split(tl_imdb_train(imdb));
    check_real_split(tl_imdb_test(imdb));
    const tl_vocabulary *vocabulary = tl_imdb_vocabulary(imdb);
    ck_assert_int_eq(tl_vocabulary_limit(vocabulary), 10000);
    ck_assert_int_eq(tl_vocabulary_index_of(vocabulary, "the"), 4);
    ck_assert_int_eq(tl_vocabulary_index_of(vocabulary, "and"), 5);
    ck_assert_int_eq(tl_vocabulary_index_of(vocabulary, "br"), TL_INDEX_UNKNOWN);
    tl_imdb_free(imdb);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("imdb");
    TCase *tests = tcase_create("imdb");
    tcase_add_unchecked_fixture(tests, make_folder, remove_folder);
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, an_archive_becomes_tensors);
    tcase_add_test(tests, folders_give_the_same_as_the_archive);
    tcase_add_test(tests, the_order_in_the_archive_does_not_matter);
    tcase_add_test(tests, options_are_followed);
    tcase_add_test(tests, bad_options_are_errors);
    tcase_add_test(tests, a_missing_file_is_an_error);
    tcase_add_test(tests, what_is_no_archive_is_an_error);
    tcase_add_test(tests, a_truncated_archive_is_an_error);
    tcase_add_test(tests, a_truncated_archive_is_named_with_the_place);
    tcase_add_test(tests, a_changed_letter_is_found_by_the_checksum);
    tcase_add_test(tests, a_review_that_is_not_utf8_is_an_error);
    tcase_add_test(tests, an_empty_review_is_an_error);
    tcase_add_test(tests, a_review_with_a_zero_byte_is_an_error);
    tcase_add_test(tests, a_huge_review_is_an_error);
    tcase_add_test(tests, a_review_that_is_there_twice_is_an_error);
    tcase_add_test(tests, missing_reviews_are_errors);
    tcase_add_test(tests, reviews_in_memory_go_the_same_way);
    tcase_add_test(tests, a_vocabulary_can_be_given);
    tcase_add_test(tests, bad_reviews_in_memory_are_errors);
    tcase_add_test(tests, the_seed_decides_the_order_and_nothing_else);
    tcase_add_test(tests, null_is_taken);
    suite_add_tcase(suite, tests);
    TCase *real = tcase_create("the real archive");
    tcase_set_timeout(real, 300);
    tcase_add_test(real, the_real_archive_can_be_read);
    suite_add_tcase(suite, real);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
