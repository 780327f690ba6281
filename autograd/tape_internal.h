/* The insides of a tape, for the files of this folder. */
#ifndef TL_AUTOGRAD_TAPE_INTERNAL_H
#define TL_AUTOGRAD_TAPE_INTERNAL_H

#include "autograd/op.h"
#include "autograd/pool_internal.h"
#include "autograd/shards.h"
#include "tensor/arena.h"
#include "tensor/tensor_internal.h"

typedef struct tl_node {
    const tl_op *op;
    struct tl_node *previous; /* in the order of recording */
    tl_var *output;
    int count;
    tl_var **inputs;
    const void *attributes;
    uint64_t *versions; /* of each input's storage when recorded, then the output's */
    bool *needed;       /* which inputs need a gradient */
} tl_node;

struct tl_var {
    tl_tensor value;    /* storage NULL while a lazy op has not run */
    tl_tensor gradient; /* storage NULL: nothing flowed here yet */
    tl_tape *tape;
    tl_node *node;   /* what made it; NULL for leaves and for vars that need no gradient */
    tl_node *lazy;   /* the call that will make its value, until then */
    tl_var *base;    /* of a view: the var whose gradient this one's is a view of */
    const void *key; /* of a leaf with a home: the parameter, or the var of another tape */
    bool key_is_var;
    bool needs_gradient, retains;
    tl_row_gradient *rows; /* of a leaf with a home: the part of its gradient that came by rows */
    tl_tensor *mask;
    tl_var *dropout; /* of the input of a recurrent step: what states are multiplied by; NULL: nothing */
    tl_var *next_leaf;
};

/* Weights packed for the product kernels, by the memory that they were packed from. */
typedef struct tl_pack {
    const tl_storage *storage;
    int64_t offset, k, n, row, column;
    uint64_t version;
    void *data;
    size_t bytes;
    struct tl_pack *next; /* of step_packs */
} tl_pack;

struct tl_tape {
    tl_arena *arena;
    tl_pool pool;        /* gradients and scratch, recycled within the arena */
    uint64_t generation; /* the version of every storage made since the reset */
    tl_node *last;
    tl_var *first_leaf, **next_leaf; /* leaves with a home, in order of first use */
    tl_var **leaf_table;             /* the same by key, open addressing */
    int leaf_capacity, leaf_count;
    tl_pack *packs; /* by memory, open addressing; kept over resets */
    int pack_capacity, pack_count;
    tl_pack *step_packs; /* of matrices computed in this step, the latest first; in the arena */
    bool records, trains;
    bool keeps; /* backward leaves gradients on the tape: shards.c collects them */
    bool consumed, in_backward;
    uint64_t seed, step;
    int64_t first_row;
    uint64_t dropouts; /* recorded since the reset */
};

struct tl_row_gradient {
    tl_tape *tape;
    tl_dtype dtype;
    int64_t rows, width; /* of the table */
    int32_t *place;      /* of each table row among the rows that have a gradient; -1: none */
    int32_t *row;        /* the other way round */
    void *values;        /* [capacity, width], in order of first appearance */
    int64_t count, capacity;
};

/* A new var without a value; NULL with the error set when out of memory. */
tl_var *tl_var_new(tl_tape *tape);

/* Memory of the tape's own for value.shape and value.dtype, with its strides. */
tl_status tl_tape_place(tl_tape *tape, tl_tensor *value);

/* The leaf of a key, made if it is not there. `value` is its tensor. */
tl_var *tl_tape_leaf(tl_tape *tape, const void *key, bool key_is_var, tl_tensor value, bool needs_gradient);

/* Runs a lazy op if x still waits for it. */
tl_status tl_materialize(tl_var *x);

/* If x is rows of a table that nobody looked at yet: true, the table and the ids. */
bool tl_is_gathered(const tl_var *x, tl_var **table, tl_var **ids);

/* b, a matrix view [k, n], packed for the product kernels of its dtype; packed once for as long as the
 * version of its storage stays. NULL with the error set when out of memory. */
const void *tl_tape_pack(tl_tape *tape, tl_tensor b);

/* The var's gradient, made of zeros if it has none yet; for a view, that part of its base's. */
tl_status tl_gradient_of(tl_var *x, tl_tensor *gradient);

/* A row gradient of a table, empty. */
tl_row_gradient *tl_row_gradient_new(tl_tape *tape, tl_tensor table);

/* Adds rows [first, last) of a table's gradient, given by rows, to a dense one. */
void tl_row_gradient_add_to(const tl_row_gradient *rows, tl_tensor dense, int64_t first, int64_t last);

#endif
