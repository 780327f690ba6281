#include "tensor/dictionary_internal.h"
#include "tensor/arena.h"
#include "tensor/memory_internal.h"

#include <pthread.h>
#include <setjmp.h>
#include <string.h>

/* stb_ds expects its allocations to succeed, and seeds its tables from a global of its own. So whatever of
 * it allocates runs under this lock, and an allocation that fails leaves by `failure`. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static jmp_buf failure;

/* Every block remembers its size, which growing needs. */
typedef union sized {
    size_t size;
    max_align_t alignment;
} sized;

static void drop(void *memory)
{
    if (memory)
        tl_release((sized *)memory - 1);
}

static void *grow(void *memory, size_t size)
{
    sized *larger = tl_allocate_raw(size + sizeof(sized));
    if (!larger)
        longjmp(failure, 1);
    larger->size = size;
    if (memory) {
        size_t old = ((sized *)memory - 1)->size;
        memcpy(larger + 1, memory, old < size ? old : size);
        drop(memory);
    }
    return larger + 1;
}

/* Names of our own, so that a program that links the static library may use stb_ds as well. */
#define stbds_arrfreef      tl_stbds_arrfreef
#define stbds_arrgrowf      tl_stbds_arrgrowf
#define stbds_hash_bytes    tl_stbds_hash_bytes
#define stbds_hash_string   tl_stbds_hash_string
#define stbds_hmdel_key     tl_stbds_hmdel_key
#define stbds_hmfree_func   tl_stbds_hmfree_func
#define stbds_hmget_key     tl_stbds_hmget_key
#define stbds_hmget_key_ts  tl_stbds_hmget_key_ts
#define stbds_hmput_default tl_stbds_hmput_default
#define stbds_hmput_key     tl_stbds_hmput_key
#define stbds_rand_seed     tl_stbds_rand_seed
#define stbds_shmode_func   tl_stbds_shmode_func
#define stbds_stralloc      tl_stbds_stralloc
#define stbds_strreset      tl_stbds_strreset

#define STBDS_REALLOC(context, memory, size) grow(memory, size)
#define STBDS_FREE(context, memory)          drop(memory)
#define STBDS_NO_SHORT_NAMES
#define STB_DS_IMPLEMENTATION

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wsign-conversion"
#pragma GCC diagnostic ignored "-Wsign-compare"
#pragma GCC diagnostic ignored "-Wunused-parameter"
#include <stb_ds.h>
#pragma GCC diagnostic pop

typedef struct entry {
    char *key;
    int64_t value;
} entry;

struct tl_dictionary {
    entry *entries;  /* stb_ds's string map, which knows keys by address ... */
    tl_arena *texts; /* ... in here */
};

tl_dictionary *tl_dictionary_new(void)
{
    tl_dictionary *dictionary = tl_allocate(sizeof *dictionary);
    if (!dictionary)
        return NULL;
    dictionary->texts = tl_arena_new(0);
    if (dictionary->texts)
        return dictionary;
    tl_release(dictionary);
    return NULL;
}

void tl_dictionary_free(tl_dictionary *dictionary)
{
    if (!dictionary)
        return;
    stbds_shfree(dictionary->entries);
    tl_arena_free(dictionary->texts);
    tl_release(dictionary);
}

int64_t tl_dictionary_count(const tl_dictionary *dictionary)
{
    return stbds_shlen(dictionary->entries);
}

int64_t tl_dictionary_find(const tl_dictionary *dictionary, const char *word)
{
    if (!dictionary->entries) /* stb_ds would allocate */
        return -1;
    ptrdiff_t place;
    stbds_hmget_key_ts(dictionary->entries, sizeof(entry), (char *)word, sizeof(char *), &place,
                       STBDS_HM_STRING);
    return place;
}

int64_t tl_dictionary_get(const tl_dictionary *dictionary, const char *word, int64_t missing)
{
    int64_t place = tl_dictionary_find(dictionary, word);
    return place < 0 ? missing : dictionary->entries[place].value;
}

/* In steps of at most one allocation each, so that one that fails finds everything in order: the map's
 * default entry, room in its array; for the table itself stb_ds sees to that. */
static void insert_text(tl_dictionary *dictionary, char *text, int64_t value)
{
    dictionary->entries = stbds_hmput_default(dictionary->entries, sizeof(entry));
    dictionary->entries = (entry *)stbds_arrgrowf(dictionary->entries - 1, sizeof(entry), 1, 0) + 1;
    stbds_shput(dictionary->entries, text, value);
}

static tl_status insert(tl_dictionary *dictionary, const char *word, int64_t value)
{
    size_t size = strlen(word) + 1;
    char *text = tl_arena_take(dictionary->texts, size);
    if (!text)
        return TL_ERROR_MEMORY;
    memcpy(text, word, size);
    pthread_mutex_lock(&lock);
    if (setjmp(failure) != 0) {
        pthread_mutex_unlock(&lock);
        return TL_ERROR_MEMORY; /* tl_allocate_raw left the message */
    }
    insert_text(dictionary, text, value);
    pthread_mutex_unlock(&lock);
    return TL_OK;
}

tl_status tl_dictionary_put(tl_dictionary *dictionary, const char *word, int64_t value)
{
    int64_t place = tl_dictionary_find(dictionary, word);
    if (place < 0)
        return insert(dictionary, word, value);
    dictionary->entries[place].value = value;
    return TL_OK;
}

tl_status tl_dictionary_add(tl_dictionary *dictionary, const char *word, int64_t amount)
{
    int64_t place = tl_dictionary_find(dictionary, word);
    if (place < 0)
        return insert(dictionary, word, amount);
    dictionary->entries[place].value += amount;
    return TL_OK;
}

const char *tl_dictionary_word(const tl_dictionary *dictionary, int64_t place)
{
    return dictionary->entries[place].key;
}

int64_t tl_dictionary_value(const tl_dictionary *dictionary, int64_t place)
{
    return dictionary->entries[place].value;
}
