/* The Large Movie Review Dataset's files, wherever they lie, as texts in memory. */
#ifndef TL_DATA_REVIEWS_INTERNAL_H
#define TL_DATA_REVIEWS_INTERNAL_H

#include "data/imdb.h"
#include "tensor/arena.h"

/* The labelled reviews of an archive or a folder, sorted by name ("train/pos/0_9.txt"), each once. The array
 * and all it points to are the arena's. */
tl_status tl_reviews_read(const char *path, tl_arena *arena, tl_review **reviews, int64_t *count);

#endif
