/* Packed matrices. Those of parameters are kept over resets, valid as long as the version of the memory they
 * came from; others live as long as the step. */
#include "autograd/tape_internal.h"
#include "tensor/compute_internal.h"
#include "tensor/memory_internal.h"

enum { FIRST_CAPACITY = 64, MOST_PACKS = 1024 };

static bool same_memory(const tl_pack *pack, const tl_pack *wanted)
{
    return pack->storage == wanted->storage && pack->offset == wanted->offset && pack->k == wanted->k &&
           pack->n == wanted->n && pack->row == wanted->row && pack->column == wanted->column;
}

static tl_pack *find(tl_pack *packs, int capacity, const tl_pack *wanted)
{
    size_t mask = (size_t)capacity - 1;
    size_t slot = ((uintptr_t)wanted->storage >> 6) * 31 + (size_t)wanted->offset * 17 + (size_t)wanted->row;
    for (slot &= mask; packs[slot].storage && !same_memory(&packs[slot], wanted);)
        slot = (slot + 1) & mask;
    return &packs[slot];
}

static void drop_all(tl_tape *tape)
{
    for (int i = 0; i < tape->pack_capacity; i++) {
        tl_release(tape->packs[i].data);
        tape->packs[i] = (tl_pack){0};
    }
    tape->pack_count = 0;
}

static tl_status grow(tl_tape *tape)
{
    int capacity = tape->pack_capacity ? tape->pack_capacity * 2 : FIRST_CAPACITY;
    tl_pack *packs = tl_allocate((size_t)capacity * sizeof *packs);
    if (!packs)
        return TL_ERROR_MEMORY;
    for (int i = 0; i < tape->pack_capacity; i++)
        if (tape->packs[i].storage)
            *find(packs, capacity, &tape->packs[i]) = tape->packs[i];
    tl_release(tape->packs);
    tape->packs = packs;
    tape->pack_capacity = capacity;
    return TL_OK;
}

/* For a matrix that this step alone uses, computed or given: packed in the tape's memory, and gone with it.
 * Loops use the same matrix again and again, so the latest few are all that need looking at. */
static const void *pack_for_step(tl_tape *tape, tl_tensor b, const tl_pack *wanted)
{
    enum { LOOKED_AT = 64 };
    int looked = 0;
    for (const tl_pack *pack = tape->step_packs; pack && looked < LOOKED_AT; pack = pack->next, looked++)
        if (same_memory(pack, wanted) && pack->version == b.storage->version)
            return pack->data;
    const tl_kernels *kernels = tl_kernels_for(b.dtype);
    tl_pack *pack = tl_arena_take(tape->arena, sizeof *pack);
    void *data = pack ? tl_arena_take(tape->arena, kernels->packed_bytes(wanted->k, wanted->n)) : NULL;
    if (!data)
        return NULL;
    kernels->pack(wanted->k, wanted->n, tl_address(b), wanted->row, wanted->column, data);
    *pack = *wanted;
    pack->version = b.storage->version;
    pack->data = data;
    pack->next = tape->step_packs;
    tape->step_packs = pack;
    return data;
}

const void *tl_tape_pack(tl_tape *tape, tl_tensor b)
{
    tl_pack wanted = {.storage = b.storage,
                      .offset = b.offset,
                      .k = b.shape.dims[0],
                      .n = b.shape.dims[1],
                      .row = b.strides[0],
                      .column = b.strides[1]};
    bool imported = b.storage->tape && b.storage->tape != tape;
    if (!b.storage->is_parameter && !imported)
        return pack_for_step(tape, b, &wanted);
    if (tape->pack_count >= MOST_PACKS)
        drop_all(tape); /* a program that never multiplies by the same memory twice */
    if (tape->pack_count * 2 >= tape->pack_capacity && grow(tape) != TL_OK)
        return NULL;
    tl_pack *pack = find(tape->packs, tape->pack_capacity, &wanted);
    if (pack->storage && pack->version == b.storage->version)
        return pack->data;
    const tl_kernels *kernels = tl_kernels_for(b.dtype);
    size_t bytes = kernels->packed_bytes(wanted.k, wanted.n);
    if (!pack->data || pack->bytes < bytes) {
        void *data = tl_allocate_raw(bytes);
        if (!data)
            return NULL;
        tl_release(pack->data);
        tape->pack_count += pack->storage ? 0 : 1;
        *pack = wanted;
        pack->data = data;
        pack->bytes = bytes;
    }
    kernels->pack(wanted.k, wanted.n, tl_address(b), wanted.row, wanted.column, pack->data);
    pack->version = b.storage->version;
    return pack->data;
}
