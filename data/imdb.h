/* Movie reviews, positive or negative: the Large Movie Review Dataset (Maas, Daly, Pham, Huang, Ng, Potts:
 * "Learning word vectors for sentiment analysis", ACL 2011) as tensors to train and test on, or any other
 * reviews that a program has in memory. Rests on vocabulary.h, sequences.h and dataset.h.
 *
 * Reviews become indices as vocabulary.h says, each beginning with TL_INDEX_START; the vocabulary is that of
 * the training reviews. Rows are padded and cut at the front. Each split is shuffled once, so that its end
 * can serve for validation.
 */
#ifndef TL_DATA_IMDB_H
#define TL_DATA_IMDB_H

#include "dataset.h"
#include "vocabulary.h"

typedef struct tl_imdb tl_imdb;

typedef struct tl_review {
    const char *text; /* UTF-8 */
    const char *name; /* for messages; may be NULL */
    bool positive;
    bool test; /* false: one to train on */
} tl_review;

typedef struct tl_imdb_options {
    size_t size;              /* of this struct; the macros below fill it in */
    const char *path;         /* tl_imdb_load's archive or folder */
    const tl_review *reviews; /* tl_imdb_from_reviews's reviews ... */
    int64_t count;            /* ... and their number */

    int64_t num_words; /* indices stay below; at least 5, which leaves one word; 0: no limit */
    int64_t pad_to;    /* the length of the rows; 0: that of the longest review of both splits */
    int64_t skip_top;  /* words with an index below count as unknown; 0: none do */
    uint64_t seed;     /* of the shuffle */

    /* To encode with this one instead of making one. It stays the caller's and must outlive the reviews;
     * num_words and skip_top, which it settles, must then be 0. */
    const tl_vocabulary *vocabulary;
} tl_imdb_options;

/* Reads the data set: tl_imdb_load("aclImdb_v1.tar.gz", .num_words = 10000, .pad_to = 500).
 *
 * The path is that of the archive (gzip or plain tar), which is read as a stream and not unpacked, or of the
 * folder aclImdb it unpacks to, or of the one around that. The reviews are its files
 * {train,test}/{pos,neg}/ID_RATING.txt; whatever else there is does not matter. Archive and folder give the
 * same tensors, because reviews are sorted by name before they are shuffled.
 *
 * NULL with the error set, naming path and file, if something cannot be opened or read, the archive is cut
 * short or damaged or unpacks to over 64 MiB and 100 times its size, or a review is not UTF-8, is empty
 * (nothing but white space and line breaks), has over 2^20 bytes or a zero among them, is no regular file or
 * is there twice; if either split has no positive or no negative reviews; if rows as long as the longest
 * review would take over 64 MiB and 100 times the bytes of all texts, and pad_to does not say how long they
 * are; if an option is out of range or memory is short. The caller frees the result. Thread-safe. */
#define tl_imdb_load(...)                                                                                    \
    tl_imdb_load_with(&(tl_imdb_options){.size = sizeof(tl_imdb_options), .path = __VA_ARGS__})
TL_API tl_imdb *tl_imdb_load_with(const tl_imdb_options *options);

/* The same of reviews in memory, in the order given: tl_imdb_from_reviews(reviews, count, .pad_to = 50). They
 * may go afterwards. Errors, ownership and thread-safety as above. */
#define tl_imdb_from_reviews(...)                                                                            \
    tl_imdb_from_reviews_with(&(tl_imdb_options){.size = sizeof(tl_imdb_options), .reviews = __VA_ARGS__})
TL_API tl_imdb *tl_imdb_from_reviews_with(const tl_imdb_options *options);

/* Frees the reviews, their tensors and their vocabulary, though not one that came by an option. NULL is
 * fine. */
TL_API void tl_imdb_free(tl_imdb *imdb);

/* A split: x i32 [reviews, pad_to], y f32 [reviews, 1] with 1 for positive. Views of what tl_imdb_free
 * frees; empty for NULL. */
TL_API tl_dataset tl_imdb_train(const tl_imdb *imdb);
TL_API tl_dataset tl_imdb_test(const tl_imdb *imdb);

/* The vocabulary, which is the data set's, or the one that came by an option; NULL for NULL. */
TL_API const tl_vocabulary *tl_imdb_vocabulary(const tl_imdb *imdb);

#endif
