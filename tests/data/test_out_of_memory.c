/* Readers and writers of data when memory runs out, at every place where it can: each ends with an error or
 * with what it should, leaves nothing behind, and can be called again. libcsv, the C library and
 * jansson's writing get nothing then either. libarchive and jansson's parser are spared, which crash: the
 * library looks for memory before it calls them. */
#include "data/alphabet.h"
#include "data/csv.h"
#include "data/generated.h"
#include "data/idx.h"
#include "data/imdb.h"
#include "data/safetensors.h"
#include "data/sequences.h"
#include "data/text_file.h"
#include "data/vocabulary.h"
#include "data/windows.h"
#include "tests/support/folder.h"
#include "tests/support/out_of_memory.h"

static const char jansson[] = "/libjansson.", archives[] = "/libarchive.";
static const char text[] = "first,second\n1,2\n3.5,\"4\"\n";
static const unsigned char images[] = {0, 0, 8, 2, 0, 0, 0, 2, 0, 0, 0, 3, 1, 2, 3, 4, 5, 6};

static void add_tensor(tl_tensor tensor)
{
    add_bytes(tl_data(tensor), tensor.storage->bytes);
}

static tl_status take_tensor(tl_tensor tensor)
{
    if (!tl_tensor_ok(tensor))
        return tl_error_status();
    add_tensor(tensor);
    tl_tensor_free(&tensor);
    return TL_OK;
}

static tl_status take_dataset(tl_dataset data)
{
    if (!tl_dataset_ok(data))
        return tl_error_status();
    add_tensor(data.x);
    add_tensor(data.y);
    tl_dataset_free(&data);
    return TL_OK;
}

/* --- files --- */

static void put_files(void)
{
    put_bytes("text", text, sizeof text - 1);
    put_gzip("text.gz", text, sizeof text - 1);
    put_bytes("images", images, sizeof images);
    put_gzip("images.gz", images, sizeof images);
}

static tl_status read_text_file(const char *path)
{
    size_t size;
    char *bytes = tl_text_read(path, &size);
    if (!bytes)
        return tl_error_status();
    add_bytes(bytes, size);
    tl_text_free(bytes);
    return TL_OK;
}

static tl_status read_plain(void)
{
    return read_text_file("text");
}

static tl_status read_packed(void)
{
    return read_text_file("text.gz");
}

static tl_status read_images(void)
{
    return take_tensor(tl_idx_read("images"));
}

static tl_status read_packed_images(void)
{
    return take_tensor(tl_idx_read("images.gz"));
}

static tl_status read_csv(void)
{
    tl_csv *csv = tl_csv_read("text.gz");
    tl_status status = csv ? take_tensor(tl_csv_numbers(csv, 1)) : tl_error_status();
    tl_csv_free(csv);
    return status;
}

/* --- safetensors --- */

static float numbers[] = {1, 2, 3, 4, 5, 6};
static tl_tensor tensor;

static tl_status write_tensors(void)
{
    const tl_named_tensor named[] = {{"a tensor of a long name", tensor}, {"b", tensor}};
    const tl_metadata about[] = {{"what", "numbers"}, {"quoted", "\"\n\xC3\xA9"}};
    return tl_safetensors_write("tensors", named, 2, about, 2);
}

static void put_tensors(void)
{
    tensor = tl_tensor_of(TL_F32, tl_shape(2, 3), numbers);
    ck_assert_int_eq(write_tensors(), TL_OK);
}

static tl_status read_tensors(void)
{
    tl_safetensors *file = tl_safetensors_read("tensors");
    if (!file)
        return tl_error_status();
    add_tensor(tl_safetensors_tensor(file, "a tensor of a long name"));
    const char *quoted = tl_safetensors_metadata(file, "quoted");
    add_bytes(quoted, strlen(quoted));
    tl_safetensors_free(file);
    return TL_OK;
}

/* The old file is there, whole, and nothing else. */
static void look_at_tensors(void)
{
    ck_assert_int_eq(files(), 1);
    ck_assert_msg(read_tensors() == TL_OK, "%s", tl_error_message());
}

static void drop_tensors(void)
{
    tl_tensor_free(&tensor);
}

/* --- reviews --- */

static const tl_review reviews[] = {{"A good film", "train/pos/0_9.txt", true, false},
                                    {"a bad film, a bad one", "train/neg/0_1.txt", false, false},
                                    {"good", "test/pos/0_9.txt", true, true},
                                    {"bad", "test/neg/0_1.txt", false, true}};
enum { REVIEWS = sizeof reviews / sizeof *reviews };

static void put_archive(void)
{
    struct archive *archive = archive_write_new();
    archive_write_add_filter_gzip(archive);
    archive_write_set_format_ustar(archive);
    ck_assert_int_eq(archive_write_open_filename(archive, "reviews.tar.gz"), ARCHIVE_OK);
    for (int i = 0; i < REVIEWS; i++) {
        struct archive_entry *entry = archive_entry_new();
        const size_t size = strlen(reviews[i].text);
        archive_entry_set_pathname(entry, reviews[i].name);
        archive_entry_set_filetype(entry, AE_IFREG);
        archive_entry_set_perm(entry, 0644);
        archive_entry_set_size(entry, (la_int64_t)size);
        ck_assert_int_eq(archive_write_header(archive, entry), ARCHIVE_OK);
        ck_assert_int_eq(archive_write_data(archive, reviews[i].text, size), (la_ssize_t)size);
        archive_entry_free(entry);
    }
    ck_assert_int_eq(archive_write_close(archive), ARCHIVE_OK);
    archive_write_free(archive);
}

static void put_folder(void)
{
    static const char *const folders[] = {"train", "test", "train/pos", "train/neg", "test/pos", "test/neg"};
    for (int i = 0; i < 6; i++)
        mkdir(folders[i], 0755);
    for (int i = 0; i < REVIEWS; i++)
        put_bytes(reviews[i].name, reviews[i].text, strlen(reviews[i].text));
}

static tl_status take_reviews(tl_imdb *imdb)
{
    if (!imdb)
        return tl_error_status();
    add_tensor(tl_imdb_train(imdb).x);
    add_tensor(tl_imdb_test(imdb).x);
    tl_imdb_free(imdb);
    return TL_OK;
}

static tl_status read_archive(void)
{
    return take_reviews(tl_imdb_load("reviews.tar.gz", .num_words = 20, .pad_to = 4));
}

static tl_status read_folder(void)
{
    return take_reviews(tl_imdb_load(".", .num_words = 20));
}

static tl_status take_from_memory(void)
{
    return take_reviews(tl_imdb_from_reviews(reviews, REVIEWS));
}

/* --- what is made in memory --- */

static tl_status make_vocabulary(void)
{
    const char *const texts[] = {"one two three four five six seven eight nine ten", "two three two"};
    tl_vocabulary *vocabulary = tl_vocabulary_from_texts(texts, 2, .num_words = 9);
    if (!vocabulary)
        return tl_error_status();
    int32_t ids[4];
    tl_vocabulary_encode(vocabulary, texts[1], ids, 4);
    add_bytes(ids, sizeof ids);
    tl_vocabulary_free(vocabulary);
    return TL_OK;
}

static tl_status make_alphabet(void)
{
    tl_alphabet *alphabet = tl_alphabet_from_text(text, sizeof text - 1);
    tl_status status =
        alphabet ? take_tensor(tl_alphabet_encode(alphabet, text, sizeof text - 1)) : tl_error_status();
    tl_alphabet_free(alphabet);
    return status;
}

static tl_status make_rows(void)
{
    static const int32_t ids[] = {1, 2, 3};
    const tl_sequence sequences[] = {{ids, 3}, {ids, 1}};
    return take_tensor(tl_pad_sequences(sequences, 2));
}

static tl_status make_streams(void)
{
    static const int32_t ids[] = {1, 2, 3, 4, 5, 6, 7, 8, 9};
    tl_tensor whole = tl_tensor_of(TL_I32, tl_shape(9), ids);
    tl_status status = tl_tensor_ok(whole) ? take_dataset(tl_streams(whole, 2, 2)) : tl_error_status();
    tl_tensor_free(&whole);
    return status;
}

static tl_status make_sums(void)
{
    return take_dataset(tl_adding_problem(3, 4, 1));
}

static tl_status make_messages(void)
{
    return take_dataset(tl_copy_task(3, 2, 2, 4, 1));
}

static const shortage shortages[] = {
    {"a text file", put_files, read_plain, NULL, NULL, archives},
    {"a packed text file", put_files, read_packed, NULL, NULL, archives},
    {"an IDX file", put_files, read_images, NULL, NULL, archives},
    {"a packed IDX file", put_files, read_packed_images, NULL, NULL, archives},
    {"a CSV file", put_files, read_csv, NULL, NULL, archives},
    {"writing safetensors", put_tensors, write_tensors, look_at_tensors, drop_tensors, NULL},
    {"reading safetensors", put_tensors, read_tensors, NULL, drop_tensors, jansson},
    {"an archive of reviews", put_archive, read_archive, NULL, NULL, archives},
    {"a folder of reviews", put_folder, read_folder, NULL, NULL, NULL},
    {"reviews in memory", NULL, take_from_memory, NULL, NULL, NULL},
    {"a vocabulary", NULL, make_vocabulary, NULL, NULL, NULL},
    {"an alphabet", NULL, make_alphabet, NULL, NULL, NULL},
    {"rows", NULL, make_rows, NULL, NULL, NULL},
    {"streams", NULL, make_streams, NULL, NULL, NULL},
    {"sums", NULL, make_sums, NULL, NULL, NULL},
    {"messages", NULL, make_messages, NULL, NULL, NULL},
};
enum { SHORTAGES = sizeof shortages / sizeof *shortages };

START_TEST(nothing_breaks_when_memory_runs_out)
{
    fail_everywhere(&shortages[_i]);
}
END_TEST

/* Files are written over and over here; that they are flushed is for other tests. */
int fsync(int file)
{
    (void)file;
    return 0;
}

int main(void)
{
    if (chdir("/dev/shm") != 0)
        puts("there is no /dev/shm: files are written here");
    TCase *tests = case_in_folder("memory");
    tcase_set_timeout(tests, 240);
    tcase_add_loop_test(tests, nothing_breaks_when_memory_runs_out, 0, SHORTAGES);
    return run_case("out of memory", tests);
}
