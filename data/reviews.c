#include "data/reviews_internal.h"
#include "data/unpack_internal.h"
#include "tensor/error_internal.h"

#include <archive.h>
#include <archive_entry.h>
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { LONGEST_REVIEW = 1 << 20 };

static const char *const splits[] = {"train", "test"};
static const char *const classes[] = {"neg", "pos"};

typedef struct found {
    struct found *next;
    tl_review review;
} found;

typedef struct reader {
    const char *path;
    tl_arena *arena;
    found *last;
    int64_t count;
} reader;

/* If `member` ends in {train,test}/{pos,neg}/ID_RATING.txt, sets the review's name, class and split. */
static bool is_review(const char *member, tl_review *review)
{
    const char *name = member + strlen(member);
    for (int slashes = 0; name > member; name--)
        if (name[-1] == '/' && ++slashes == 3)
            break;
    char split[6], class[4];
    int end = -1;
    sscanf(name, "%5[a-z]/%3[a-z]/%*[0-9]_%*[0-9].txt%n", split, class, &end);
    if (end < 0 || name[end])
        return false;
    review->name = name;
    review->positive = strcmp(class, classes[1]) == 0;
    review->test = strcmp(split, splits[1]) == 0;
    return strcmp(class, classes[review->positive]) == 0 && strcmp(split, splits[review->test]) == 0;
}

/* Makes room for a review and its text of `size` bytes, zero-terminated, which the caller fills in. */
static char *add(reader *r, const tl_review *review, size_t size)
{
    size_t name_size = strlen(review->name) + 1;
    found *entry = tl_arena_take(r->arena, sizeof *entry + name_size + size + 1);
    if (!entry)
        return NULL;
    char *name = (char *)(entry + 1), *text = name + name_size;
    memcpy(name, review->name, name_size);
    text[size] = '\0';
    *entry = (found){.next = r->last, .review = *review};
    entry->review.name = name;
    entry->review.text = text;
    r->last = entry;
    r->count++;
    return text;
}

static tl_status check_size(const reader *r, const char *name, int64_t size)
{
    if (size >= 0 && size <= LONGEST_REVIEW)
        return TL_OK;
    return tl_error(TL_ERROR_FORMAT, "imdb: %s: %s has %lld bytes, expected a review of at most %d", r->path,
                    name, (long long)size, LONGEST_REVIEW);
}

/* A zero byte would hide the rest of a text. It is looked for at once: a hole in a sparse file is made of
 * zeros, and takes memory that the file has no bytes for. */
static tl_status check_text(const reader *r, const char *name, const char *text, size_t size)
{
    size_t length = strlen(text);
    if (length == size)
        return TL_OK;
    return tl_error(TL_ERROR_FORMAT, "imdb: %s: %s has a zero at byte %zu, expected text", r->path, name,
                    length);
}

/* An archive on its way in: libarchive's tar reader on top of an unpacking stream. */
typedef struct tarball {
    struct archive *tar;
    tl_unpack *file;
    const char *problem; /* of the stream */
} tarball;

static la_ssize_t next_block(struct archive *tar, void *context, const void **block)
{
    tarball *t = context;
    ptrdiff_t size = tl_unpack_next(t->file, block);
    if (size < 0) {
        t->problem = tl_unpack_problem(t->file);
        archive_set_error(tar, EIO, "%s", t->problem);
    }
    return size;
}

static tl_status archive_failed(const reader *r, const tarball *t, const char *name)
{
    const char *why = t->problem ? t->problem : archive_error_string(t->tar);
    const bool memory = archive_errno(t->tar) == ENOMEM || tl_unpack_status(t->file) == TL_ERROR_MEMORY;
    return tl_error(memory ? TL_ERROR_MEMORY : TL_ERROR_FORMAT, "imdb: %s is not a whole archive%s%s: %s",
                    r->path, *name ? " near " : "", name, why ? why : "unreadable");
}

static tl_status read_member(reader *r, const tarball *t, struct archive_entry *entry)
{
    const char *member = archive_entry_pathname(entry);
    tl_review review;
    if (!member || archive_entry_filetype(entry) != AE_IFREG || !is_review(member, &review))
        return TL_OK;
    int64_t size = archive_entry_size(entry);
    tl_status status = check_size(r, review.name, size);
    if (status != TL_OK)
        return status;
    char *text = add(r, &review, (size_t)size);
    if (!text)
        return TL_ERROR_MEMORY;
    if (archive_read_data(t->tar, text, (size_t)size) != size)
        return archive_failed(r, t, review.name);
    return check_text(r, review.name, text, (size_t)size);
}

static tl_status read_members(reader *r, tarball *t, struct archive_entry *entry)
{
    const char *last = "";
    if (archive_read_open(t->tar, t, NULL, next_block, NULL) != ARCHIVE_OK)
        return archive_failed(r, t, last);
    for (;;) {
        int code = archive_read_next_header2(t->tar, entry);
        if (code == ARCHIVE_EOF)
            return TL_OK;
        if (code != ARCHIVE_OK && code != ARCHIVE_WARN)
            return archive_failed(r, t, last);
        tl_status status = read_member(r, t, entry);
        if (status != TL_OK)
            return status;
        last = r->last ? r->last->review.name : "";
    }
}

/* What follows a tar's end is of no interest, but only its own end tells whether a file is whole. */
static tl_status read_to_end(const reader *r, tarball *t)
{
    const void *block;
    ptrdiff_t size;
    while ((size = tl_unpack_next(t->file, &block)) > 0)
        continue;
    t->problem = tl_unpack_problem(t->file);
    return size == 0 ? TL_OK : archive_failed(r, t, "");
}

static tl_status read_archive(reader *r)
{
    tarball t = {.file = tl_unpack_open("imdb", r->path)};
    if (!t.file)
        return tl_error_status();
    t.tar = archive_read_new();
    struct archive_entry *entry = archive_entry_new();
    tl_status status = t.tar && entry ? TL_OK : tl_error(TL_ERROR_MEMORY, "imdb: %s: out of memory", r->path);
    if (status == TL_OK) {
        status = archive_read_support_format_tar(t.tar) == ARCHIVE_OK ? read_members(r, &t, entry)
                                                                      : archive_failed(r, &t, "");
    }
    if (status == TL_OK)
        status = read_to_end(r, &t);
    archive_entry_free(entry);
    archive_read_free(t.tar);
    tl_unpack_close(t.file);
    return status;
}

static tl_status read_text(reader *r, const tl_review *review, const char *path, FILE *file, int64_t bytes)
{
    tl_status status = check_size(r, review->name, bytes);
    if (status != TL_OK)
        return status;
    size_t size = (size_t)bytes;
    char *text = add(r, review, size);
    if (!text)
        return TL_ERROR_MEMORY;
    if (fread(text, 1, size, file) != size)
        return tl_error(TL_ERROR_IO, "imdb: %s: %s", path, ferror(file) ? strerror(errno) : "too short");
    return check_text(r, review->name, text, size);
}

static tl_status read_file(reader *r, const tl_review *review, const char *path)
{
    int64_t bytes = 0;
    FILE *file = tl_unpack_file("imdb", path, &bytes);
    if (!file)
        return tl_error_status();
    tl_status status = read_text(r, review, path, file, bytes);
    fclose(file);
    return status;
}

static tl_status join(char path[PATH_MAX], const char *folder, const char *name)
{
    if (snprintf(path, PATH_MAX, "%s/%s", folder, name) < PATH_MAX)
        return TL_OK;
    return tl_error(TL_ERROR_IO, "imdb: %s/%s: the path is too long", folder, name);
}

static tl_status read_entries(reader *r, const char *folder, DIR *entries)
{
    for (;;) {
        errno = 0;
        struct dirent *entry = readdir(entries);
        if (!entry)
            return errno ? tl_error(TL_ERROR_IO, "imdb: %s: %s", folder, strerror(errno)) : TL_OK;
        char path[PATH_MAX];
        tl_review review;
        tl_status status = join(path, folder, entry->d_name);
        if (status == TL_OK && is_review(path, &review))
            status = read_file(r, &review, path);
        if (status != TL_OK)
            return status;
    }
}

static tl_status read_class(reader *r, const char *root, const char *split, const char *class)
{
    char within[16], folder[PATH_MAX];
    snprintf(within, sizeof within, "%s/%s", split, class);
    tl_status status = join(folder, root, within);
    if (status != TL_OK)
        return status;
    DIR *entries = opendir(folder);
    if (!entries && errno == ENOENT)
        return TL_OK; /* what is missing shows when reviews are counted */
    if (!entries)
        return tl_error(tl_status_of(errno), "imdb: %s: %s", folder, strerror(errno));
    status = read_entries(r, folder, entries);
    closedir(entries);
    return status;
}

static tl_status read_folder(reader *r)
{
    char inner[PATH_MAX];
    struct stat about;
    tl_status status = join(inner, r->path, "aclImdb");
    const char *root = status == TL_OK && stat(inner, &about) == 0 ? inner : r->path;
    for (int s = 0; s < 2; s++)
        for (int c = 0; c < 2; c++)
            if (status == TL_OK)
                status = read_class(r, root, splits[s], classes[c]);
    return status;
}

static int by_name(const void *left, const void *right)
{
    return strcmp(((const tl_review *)left)->name, ((const tl_review *)right)->name);
}

/* The list as an array, sorted. */
static tl_status collect(const reader *r, tl_review *reviews)
{
    int64_t at = 0;
    for (const found *entry = r->last; entry; entry = entry->next)
        reviews[at++] = entry->review;
    qsort(reviews, (size_t)r->count, sizeof *reviews, by_name);
    for (int64_t i = 1; i < r->count; i++)
        if (by_name(&reviews[i - 1], &reviews[i]) == 0)
            return tl_error(TL_ERROR_FORMAT, "imdb: %s: %s is there twice", r->path, reviews[i].name);
    return TL_OK;
}

tl_status tl_reviews_read(const char *path, tl_arena *arena, tl_review **reviews, int64_t *count)
{
    reader r = {.path = path, .arena = arena};
    struct stat about;
    if (stat(path, &about) != 0)
        return tl_error(tl_status_of(errno), "imdb: %s: %s", path, strerror(errno));
    tl_status status = S_ISDIR(about.st_mode) ? read_folder(&r) : read_archive(&r);
    if (status != TL_OK)
        return status;
    *reviews = tl_arena_take(arena, (size_t)r.count * sizeof **reviews);
    *count = r.count;
    return *reviews ? collect(&r, *reviews) : TL_ERROR_MEMORY;
}
