/* Arenas: memory that is handed out piece by piece and taken back all at once.
 *
 * A tape's values live in one. The first round may ask the heap several times; tl_arena_reset then joins
 * what was used into one stretch, so that later rounds of the same size never touch the heap. Rests on
 * error.h. An arena is for one thread at a time.
 */
#ifndef TL_TENSOR_ARENA_H
#define TL_TENSOR_ARENA_H

#include "error.h"

#include <stddef.h>

typedef struct tl_arena tl_arena;

/* A new arena with room for `bytes` (0: none yet). The caller frees it. */
TL_API tl_arena *tl_arena_new(size_t bytes);

/* Frees the arena and all that it gave. NULL is fine. */
TL_API void tl_arena_free(tl_arena *arena);

/* `bytes` of memory, aligned to 64, contents undefined; NULL with the error set when there is no more. It
 * is valid until the next reset. */
TL_API void *tl_arena_take(tl_arena *arena, size_t bytes);

/* Takes back everything. */
TL_API void tl_arena_reset(tl_arena *arena);

/* Bytes given since the last reset, and the most between any two resets. */
TL_API size_t tl_arena_used(const tl_arena *arena);
TL_API size_t tl_arena_peak(const tl_arena *arena);

#endif
