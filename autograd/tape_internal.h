/* The insides of a tape, for the files of this folder. */
#ifndef TL_AUTOGRAD_TAPE_INTERNAL_H
#define TL_AUTOGRAD_TAPE_INTERNAL_H

#include "autograd/op.h"
#include "autograd/pool_internal.h"
#include "autograd/shards.h"
#include "tensor/arena.h"
#include "tensor/tensor_internal.h"

typedef struct tl_scope tl_scope;

typedef struct tl_node {
    const tl_op *op;
    struct tl_node *previous; /* in the order of recording */
    tl_var *output;           /* the first of its results */
    int count;
    tl_var **inputs;
    const void *attributes;
    uint64_t *versions;    /* of each input's storage when recorded, then the output's */
    bool *needed;          /* which inputs need a gradient */
    unsigned reads;        /* what backward looks at, as in tl_op */
    uint64_t chunk;        /* of the tape when recorded */
    const tl_scope *scope; /* likewise */
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
    bool lent;           /* the gradient lies in another var's, and is not given back */
    bool lends;          /* the other way round: the gradient is not given back, since others lie in it */
    bool made;           /* its value is an op's result, in memory of its own */
    bool is_part;        /* of base, which others may reach as a whole or by views, but not by other parts */
    bool has_views;      /* of a base: there are views other than parts, each used any number of times */
    bool has_used_parts; /* of a base: by one or more of them */
    bool in_parts;       /* of a base: what no part has claimed yet of its gradient is undefined */
    bool read_back;      /* a rule looks at the value again, here or in a view */
    int part_axis;       /* along which parts are cut off */
    int uses;            /* recorded, of this var itself */
    tl_var *first_part, *next_part;
    tl_row_gradient *rows; /* of a leaf with a home: the part of its gradient that came by rows */
    tl_tensor *mask;
    tl_var *dropout; /* of the input of a recurrent step: what states are multiplied by; NULL: nothing */
    tl_var *next_leaf;
    tl_var *next_result; /* of the same node */
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
    uint64_t generation; /* the version of every storage made since the reset, but for recycled ones: others
                            were there before them */
    tl_node *last;
    tl_var *first_leaf, **next_leaf; /* leaves with a home, in order of first use */
    tl_var **leaf_table;             /* the same by key, open addressing */
    int leaf_capacity, leaf_count;
    tl_pack *packs; /* by memory, open addressing; kept over resets */
    int pack_capacity, pack_count;
    tl_pack *step_packs;        /* of matrices computed in this step, the latest first; in the arena */
    uint64_t chunk;             /* nodes of one chunk may have their weight gradients summed together */
    struct tl_waiting *waiting; /* weight gradients to come; in the arena */
    int waiting_count;
    bool recycles; /* results are taken from memory that tl_recycle can give back */
    bool records, trains;
    bool keeps;           /* backward leaves gradients on the tape: shards.c collects them */
    tl_arena *rows_arena; /* of gradients by rows, which may outlive the step; NULL: the tape's own */
    bool consumed, in_backward;
    bool failed; /* backward did, and left gradients half made */
    uint64_t seed, step;
    int64_t first_row;
    uint64_t dropouts; /* recorded since the reset */
    tl_tape *beside;   /* where replays happen (replay.c); NULL: there was none */

    /* Of tracing (trace.c). */
    bool detects;           /* NaN and infinity */
    bool traces;            /* keeps scopes, and has recurrent layers take steps one by one */
    const tl_scope *scope;  /* of the ops to come; NULL: none */
    struct tl_probe *probe; /* that looks at states; NULL: none does */
};

struct tl_row_gradient {
    tl_arena *arena;
    tl_dtype dtype;
    int64_t rows, width;  /* of the table */
    uint32_t *place;      /* of each table row among the rows that have a gradient; 0: none */
    void **blocks;        /* of such rows, in order of first appearance; the first one is a row of zeros, for
                             all that have none */
    int64_t count, ready; /* rows that have one, and rows that there are zeros for */
};

/* Whether the rule of a node looks at an input's value. */
static inline bool tl_node_reads(const tl_node *node, int input)
{
    return input < 8 ? (node->reads >> input & 1) != 0 : (node->reads & TL_READS_INPUTS) != 0;
}

/* A new var without a value; NULL with the error set when out of memory. */
tl_var *tl_var_new(tl_tape *tape);

/* Memory of the tape's own for value.shape and value.dtype, with its strides. */
tl_status tl_tape_place(tl_tape *tape, tl_tensor *value);

/* Notes how vars came about that were not made by tl_apply: `results` of them, at least one that is not NULL,
 * from inputs that are values already. They need a gradient from then on. */
tl_status tl_record(const tl_op *op, tl_var *const inputs[], int count, const void *attributes,
                    size_t attribute_bytes, tl_var *const results[], int result_count);

/* The leaf of a key, made if it is not there. `value` is its tensor. */
tl_var *tl_tape_leaf(tl_tape *tape, const void *key, bool key_is_var, tl_tensor value, bool needs_gradient);

/* Runs a lazy op if x still waits for it. */
tl_status tl_materialize(tl_var *x);

/* If x is rows of a table that nobody looked at yet: true, the table and the ids. */
bool tl_is_gathered(const tl_var *x, tl_var **table, tl_var **ids);

/* b, a matrix view [k, n], packed for the product kernels of its dtype; packed once for as long as the
 * version of its storage stays. NULL with the error set when out of memory. */
const void *tl_tape_pack(tl_tape *tape, tl_tensor b);

/* Memory for a gradient of a value's shape and layout, contents undefined. */
tl_status tl_gradient_new(tl_tape *tape, tl_tensor like, tl_tensor *gradient);

/* Gives a var's gradient back, or one that belongs to no var. */
void tl_gradient_drop(tl_var *x);
void tl_gradient_give(tl_tape *tape, tl_storage *storage);

/* The var's gradient, made of zeros if it has none yet; for a view, that part of its base's. */
tl_status tl_gradient_of(tl_var *x, tl_tensor *gradient);

/* Whether one use is all that reaches x; if x is a part, all that reaches that part of its base. */
static inline bool tl_is_used_once(const tl_var *x)
{
    const tl_var *base = x->base;
    if (x->uses != 1)
        return false;
    if (!base)
        return !x->has_views && !x->has_used_parts;
    return x->is_part && !base->has_views && base->uses == 0;
}

/* Cuts a var that nobody has used yet into parts along an axis, to be taken each at most once. A part is a
 * view whose gradient need not be zeroed before the first rule writes it. False, with no error set, where the
 * var is a view or has no gradient of its own. */
bool tl_split(tl_var *x);
tl_var *tl_part(tl_var *x, int axis, int64_t index); /* always the same axis, 0 or more */

/* The gradient of a part that has none yet, contents undefined; false where there is no such place. */
bool tl_part_claim(tl_var *part, tl_tensor *gradient);

/* Zeroes what no part has claimed of the gradient of a var in parts. */
void tl_parts_settle(tl_var *x);

/* Takes the memory of a var back for other values, if it was used once, as a whole or part by part, and no
 * rule looks at it again. */
void tl_recycle(tl_var *x);

/* Sees to it that this does not happen, for somebody who looks at the value by other ways than uses of x. */
static inline void tl_keep_value(const tl_var *x)
{
    if (x->value.storage && x->value.storage->recycled)
        x->value.storage->recycled = false;
}

/* Remembers a^T g, to be added to out with others of its chunk. False if it must be done at once: memory of
 * the two is not sure to stay, or somebody wants to see the sum. */
bool tl_outer_wait(tl_tape *tape, tl_tensor out, tl_tensor a, tl_tensor g, bool add);

/* Adds all that waits. */
void tl_outer_settle(tl_tape *tape);

/* A row gradient of a table, empty. NULL with the error set when out of memory. */
tl_row_gradient *tl_row_gradient_new(tl_arena *arena, tl_tensor table);

/* Adds rows [first, last) of `count` gradients of one table, given by rows, to a dense one. */
void tl_row_gradients_add_to(const tl_row_gradient *const gradients[], int count, tl_tensor dense,
                             int64_t first, int64_t last);

/* Where row `row` of a tensor lies. */
static inline char *tl_row_address(tl_tensor t, int64_t row)
{
    return tl_address(t) + row * t.strides[0] * (int64_t)tl_size_of(t.dtype);
}

#endif
