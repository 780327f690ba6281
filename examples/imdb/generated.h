/* Reviews for when there are no real ones: made up from a few phrases so that the order of words decides.
 * "not" turns what follows it, and of two clauses joined by "but" or "although" the main one counts, so that
 * reviews with the same words have different labels.
 */
#ifndef IMDB_GENERATED_H
#define IMDB_GENERATED_H

#include <tapeloop.h>

enum { GENERATED_TRAIN = 40000, GENERATED_TEST = 5000 };

/* The reviews as a data set; options as for tl_imdb_load. NULL with the error set. The caller frees it. */
tl_imdb *generate_reviews(int64_t num_words, int64_t pad_to, uint64_t seed);

#endif
