#include "autograd/shards.h"
#include "autograd/tape_internal.h"
#include "tensor/compute_internal.h"
#include "tensor/flush_internal.h"
#include "tensor/memory_internal.h"
#include "tensor/team_internal.h"

#include <omp.h>
#include <stdio.h>
#include <string.h>

enum { MESSAGE_SIZE = 512 };

/* The gradient of one leaf in one shard. */
typedef struct kept_gradient {
    const void *key;
    bool key_is_var;
    tl_tensor dense;             /* storage NULL: none */
    const tl_row_gradient *rows; /* NULL: none */
    struct kept_gradient *next;
} kept_gradient;

typedef struct shard {
    tl_arena *arena;
    kept_gradient *first;
    tl_status status;
    double seconds; /* that it took */
    char message[MESSAGE_SIZE];
} shard;

/* Where the gradients of one leaf of all shards go. */
typedef struct target {
    const void *key;
    bool key_is_var;
    bool fresh; /* the gradient, row-major, is to be set to zeros first */
    tl_tensor gradient;
} target;

struct tl_shards {
    tl_tape **tapes;
    int tape_count;
    shard *shards;
    int64_t capacity, count;
    double seconds; /* of a shard of the last run */
    target *targets;
    int target_count, target_capacity;
};

tl_shards *tl_shards_new(void)
{
    return tl_allocate(sizeof(tl_shards));
}

void tl_shards_free(tl_shards *shards)
{
    if (!shards)
        return;
    for (int i = 0; i < shards->tape_count; i++)
        tl_tape_free(shards->tapes[i]);
    for (int64_t i = 0; i < shards->capacity; i++)
        tl_arena_free(shards->shards[i].arena);
    tl_release(shards->tapes);
    tl_release(shards->shards);
    tl_release(shards->targets);
    tl_release(shards);
}

static tl_status grow_tapes(tl_shards *s, int threads)
{
    if (threads <= s->tape_count)
        return TL_OK;
    tl_tape **tapes = tl_allocate((size_t)threads * sizeof(tl_tape *));
    if (!tapes)
        return TL_ERROR_MEMORY;
    if (s->tape_count > 0)
        memcpy(tapes, s->tapes, (size_t)s->tape_count * sizeof(tl_tape *));
    tl_release(s->tapes);
    s->tapes = tapes;
    for (; s->tape_count < threads; s->tape_count++) {
        tapes[s->tape_count] = tl_tape_new();
        if (!tapes[s->tape_count])
            return TL_ERROR_MEMORY;
        tapes[s->tape_count]->keeps = true;
    }
    return TL_OK;
}

static tl_status grow_shards(tl_shards *s, int64_t count)
{
    if (count <= s->capacity)
        return TL_OK;
    shard *grown = tl_allocate((size_t)count * sizeof *grown);
    if (!grown)
        return TL_ERROR_MEMORY;
    if (s->capacity > 0)
        memcpy(grown, s->shards, (size_t)s->capacity * sizeof *grown);
    tl_release(s->shards);
    s->shards = grown;
    for (; s->capacity < count; s->capacity++) {
        grown[s->capacity].arena = tl_arena_new(0);
        if (!grown[s->capacity].arena)
            return TL_ERROR_MEMORY;
    }
    return TL_OK;
}

static tl_status keep_dense(shard *to, tl_tensor gradient, tl_tensor *kept)
{
    size_t header = tl_aligned(sizeof(tl_storage)), bytes = gradient.storage->bytes;
    tl_storage *storage = tl_arena_take(to->arena, header + bytes);
    if (!storage)
        return TL_ERROR_MEMORY;
    *storage = (tl_storage){.data = (char *)storage + header, .bytes = bytes};
    memcpy(storage->data, gradient.storage->data, bytes);
    *kept = gradient;
    kept->storage = storage;
    return TL_OK;
}

/* Copies the gradients of a tape's leaves to where the tape's reset does not reach them. */
static tl_status keep_gradients(const tl_tape *tape, shard *to)
{
    kept_gradient **next = &to->first;
    for (const tl_var *leaf = tape->first_leaf; leaf; leaf = leaf->next_leaf) {
        if (!leaf->gradient.storage && !leaf->rows)
            continue;
        kept_gradient *kept = tl_arena_take(to->arena, sizeof *kept);
        if (!kept)
            return TL_ERROR_MEMORY;
        *kept = (kept_gradient){.key = leaf->key, .key_is_var = leaf->key_is_var, .rows = leaf->rows};
        if (leaf->gradient.storage && keep_dense(to, leaf->gradient, &kept->dense) != TL_OK)
            return TL_ERROR_MEMORY;
        *next = kept;
        next = &kept->next;
    }
    return TL_OK;
}

int64_t tl_shard_rows(int64_t batch)
{
    enum { LEAST = 8, MOST = 64, SHARDS = 4 };
    int64_t rows = batch / SHARDS + (batch % SHARDS != 0);
    return rows < LEAST ? LEAST : rows > MOST ? MOST : rows;
}

static void run_one(shard *to, int64_t number, tl_tape *tape, tl_shard_function f, void *context)
{
    const double start = omp_get_wtime();
    tl_arena_reset(to->arena);
    tl_tape_reset(tape);
    tape->rows_arena = to->arena;
    to->first = NULL;
    const unsigned mode = tl_flush_set(tl_flushing); /* which ops then need not set each for itself */
    to->status = f(context, number, tape);
    tl_flush_set(mode);
    if (to->status == TL_OK)
        to->status = keep_gradients(tape, to);
    if (to->status != TL_OK)
        snprintf(to->message, sizeof to->message, "%s", tl_error_message());
    to->seconds = omp_get_wtime() - start;
}

/* How many threads to use for so many shards, going by what those of the last run took: no result depends on
 * it. A first run uses all, so that every tape finds its size. */
static int threads_for(const tl_shards *s, int64_t count)
{
    static const double worth_threads = 20e-6; /* seconds that to start and await others takes, twice over */
    const int threads = tl_team_size(count);
    return s->tape_count >= threads && s->seconds * (double)count < worth_threads ? 1 : threads;
}

tl_status tl_shards_run(tl_shards *s, int64_t count, tl_shard_function f, void *context)
{
    s->count = 0;
    if (count < 1)
        return TL_OK;
    const int threads = threads_for(s, count);
    if (grow_tapes(s, threads) != TL_OK || grow_shards(s, count) != TL_OK)
        return TL_ERROR_MEMORY;
    s->count = count;
#pragma omp parallel for schedule(static, 1) num_threads(threads) if (threads > 1)
    for (int64_t i = 0; i < count; i++)
        run_one(&s->shards[i], i, s->tapes[omp_get_thread_num()], f, context);
    s->seconds = 0;
    for (int64_t i = 0; i < count; i++)
        s->seconds += s->shards[i].seconds / (double)count;
    for (int64_t i = 0; i < count; i++)
        if (s->shards[i].status != TL_OK) {
            s->count = 0;
            return tl_error(s->shards[i].status, "%s", s->shards[i].message);
        }
    return TL_OK;
}

static target *find_target(const tl_shards *s, const void *key)
{
    for (int i = 0; i < s->target_count; i++)
        if (s->targets[i].key == key)
            return &s->targets[i];
    return NULL;
}

static tl_status add_target(tl_shards *s, const kept_gradient *kept)
{
    if (s->target_count == s->target_capacity) {
        int capacity = s->target_capacity ? 2 * s->target_capacity : 16;
        target *grown = tl_allocate((size_t)capacity * sizeof *grown);
        if (!grown)
            return TL_ERROR_MEMORY;
        if (s->target_count > 0)
            memcpy(grown, s->targets, (size_t)s->target_count * sizeof *grown);
        tl_release(s->targets);
        s->targets = grown;
        s->target_capacity = capacity;
    }
    target *t = &s->targets[s->target_count];
    *t = (target){.key = kept->key, .key_is_var = kept->key_is_var};
    if (kept->key_is_var) {
        /* The key is const for the many tapes that read the var; its gradient is this thread's to write. */
        tl_var *home = (tl_var *)(uintptr_t)kept->key;
        t->fresh = !home->base && !home->gradient.storage && tl_tensor_is_row_major(home->value);
        if (t->fresh && tl_gradient_new(home->tape, home->value, &home->gradient) != TL_OK)
            return TL_ERROR_MEMORY;
        if (tl_gradient_of(home, &t->gradient) != TL_OK)
            return TL_ERROR_MEMORY;
    } else {
        t->gradient = ((const tl_parameter *)kept->key)->gradient;
        t->gradient.storage->version = tl_next_version();
    }
    s->target_count++;
    return TL_OK;
}

static tl_tensor some_rows(tl_tensor t, int64_t first, int64_t last)
{
    return t.shape.rank ? tl_tensor_slice(t, 0, first, last - first) : t;
}

static const kept_gradient *find_kept(const shard *from, const target *t)
{
    const kept_gradient *kept = from->first;
    while (kept && kept->key != t->key)
        kept = kept->next;
    return kept;
}

/* Rows of gradients that came by rows, a few shards at a time, in shard order. */
static void merge_rows(const tl_shards *s, const target *t, int64_t first, int64_t last)
{
    enum { AT_ONCE = 64 };
    const tl_row_gradient *rows[AT_ONCE];
    int count = 0;
    for (int64_t i = 0; i < s->count; i++) {
        const kept_gradient *kept = find_kept(&s->shards[i], t);
        if (kept && kept->rows)
            rows[count++] = kept->rows;
        if (count == AT_ONCE || i == s->count - 1) {
            tl_row_gradients_add_to(rows, count, t->gradient, first, last);
            count = 0;
        }
    }
}

/* Part `part` of `parts` of a target: whole rows, so that what came by rows and what came dense meet on one
 * thread. */
static void merge_part(const tl_shards *s, const target *t, int part, int parts)
{
    const int64_t rows = t->gradient.shape.rank ? t->gradient.shape.dims[0] : 1;
    const int64_t first = rows * part / parts, last = rows * (part + 1) / parts;
    const tl_tensor to = some_rows(t->gradient, first, last);
    if (t->fresh)
        memset(tl_address(to), 0, (size_t)tl_tensor_count(to) * tl_size_of(to.dtype));
    for (int64_t i = 0; i < s->count; i++) {
        const kept_gradient *kept = find_kept(&s->shards[i], t);
        if (kept && kept->dense.storage && parts == 1)
            tl_compute_store(to, kept->dense, true);
        else if (kept && kept->dense.storage)
            tl_compute_store(to, some_rows(kept->dense, first, last), true);
    }
    merge_rows(s, t, first, last);
}

static bool is_large(const target *t)
{
    enum { LARGE = 1 << 15 };
    return tl_tensor_count(t->gradient) >= LARGE;
}

/* Takes memory back right after a step, so that the first one finds the sizes for all. */
static void forget(tl_shards *s)
{
    for (int i = 0; i < s->tape_count; i++)
        tl_tape_reset(s->tapes[i]);
    for (int64_t i = 0; i < s->count; i++)
        tl_arena_reset(s->shards[i].arena);
    s->count = 0;
}

tl_status tl_shards_merge(tl_shards *s)
{
    s->target_count = 0;
    for (int64_t i = 0; i < s->count; i++)
        for (const kept_gradient *kept = s->shards[i].first; kept; kept = kept->next)
            if (!find_target(s, kept->key) && add_target(s, kept) != TL_OK)
                return TL_ERROR_MEMORY;
    int threads = tl_team_size(INT64_MAX);
    for (int i = 0; i < s->target_count; i++) {
        const target *t = &s->targets[i];
        int parts = is_large(t) ? threads : 1;
#pragma omp parallel for num_threads(parts) if (parts > 1)
        for (int part = 0; part < parts; part++)
            merge_part(s, t, part, parts);
    }
    forget(s);
    return TL_OK;
}

size_t tl_shards_peak_bytes(const tl_shards *s)
{
    size_t bytes = 0;
    for (int i = 0; i < s->tape_count; i++)
        bytes += tl_tape_peak_bytes(s->tapes[i]);
    for (int64_t i = 0; i < s->capacity; i++)
        bytes += s->shards[i].arena ? tl_arena_peak(s->shards[i].arena) : 0;
    return bytes;
}
