/* What a vocabulary asks of its options, for whoever passes them on and would rather know early. */
#ifndef TL_DATA_VOCABULARY_INTERNAL_H
#define TL_DATA_VOCABULARY_INTERNAL_H

#include "data/vocabulary.h"

/* TL_OK, or the error of operation `what`. */
tl_status tl_vocabulary_check(const char *what, int64_t num_words, int64_t skip_top);

#endif
