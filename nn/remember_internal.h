/* What a checkpoint holds: places in memory by name, and facts that tell one training from another. */
#ifndef TL_NN_REMEMBER_INTERNAL_H
#define TL_NN_REMEMBER_INTERNAL_H

#include "data/safetensors.h"
#include "nn/callback.h"

/* A place: what is there goes into a file, and what a file has goes back there. */
typedef struct tl_place {
    char *name;
    tl_tensor tensor; /* of the owner, or, for a number, the memory's own */
    double *number;   /* one of these two, or NULL for a tensor */
    int64_t *count;
    double least, most; /* of a number or count; both infinite: anything, NaN too */
    bool any_rows;      /* a file may have more rows, or fewer; they go to `found` */
    tl_tensor found;
} tl_place;

typedef struct tl_fact {
    const char *key;
    char *value;
} tl_fact;

enum { TL_MOST_FACTS = 16 };

struct tl_memory {
    char scope[64]; /* in front of names */
    tl_place *places;
    int count, room;
    tl_fact facts[TL_MOST_FACTS];
    int fact_count;
};

/* Frees what the memory has of its own. */
void tl_memory_free(tl_memory *memory);

/* As tl_remember and tl_remember_count, but anything outside of the limits is refused. */
tl_status tl_memory_number(tl_memory *memory, const char *name, double *number, double least, double most);
tl_status tl_memory_count(tl_memory *memory, const char *name, int64_t *count, int64_t most);

/* A tensor whose number of rows differs from file to file, and which may hold anything. Nothing is copied
 * back: whoever it belongs to takes it with tl_memory_take. */
tl_status tl_memory_rows(tl_memory *memory, const char *name, tl_tensor tensor);

/* The tensor that was read for a name of tl_memory_rows, now the caller's; empty if nothing was read. */
tl_tensor tl_memory_take(tl_memory *memory, const char *name);

/* Another tensor for that name, to be written. */
void tl_memory_replace(tl_memory *memory, const char *name, tl_tensor tensor);

/* A fact; files in which it is another are refused. */
tl_status tl_memory_fact(tl_memory *memory, const char *key, const char *format, ...) TL_PRINTF(3, 4);

/* Writes it all to a file, whole or not at all. Tensors with NaN or infinity are an error, since a file with
 * them would be refused. */
tl_status tl_memory_write(tl_memory *memory, const char *path);

/* Reads a file into all places. An error, with no place touched, unless it has the same facts and, place by
 * place, what fits there. */
tl_status tl_memory_read(tl_memory *memory, const char *path);

#endif
