#include "autograd/tape.h"
#include "autograd/tape_internal.h"
#include "tensor/error_internal.h"
#include "tensor/kernels/kernels_internal.h"
#include "tensor/memory_internal.h"

#include <string.h>

enum { FIRST_LEAF_CAPACITY = 32 };

tl_tape *tl_tape_new(void)
{
    tl_tape *tape = tl_kernels_check("tape") == TL_OK ? tl_allocate(sizeof *tape) : NULL;
    if (!tape)
        return NULL;
    tape->arena = tl_arena_new(0);
    tape->leaf_table = tl_allocate(FIRST_LEAF_CAPACITY * sizeof(tl_var *));
    if (!tape->arena || !tape->leaf_table) {
        tl_tape_free(tape);
        return NULL;
    }
    tape->pool.arena = tape->arena;
    tape->leaf_capacity = FIRST_LEAF_CAPACITY;
    tape->records = true;
    tape->trains = true;
    tl_tape_reset(tape);
    return tape;
}

void tl_tape_free(tl_tape *tape)
{
    if (!tape)
        return;
    for (int i = 0; i < tape->pack_capacity; i++)
        tl_release(tape->packs[i].data);
    tl_release(tape->packs);
    tl_release(tape->leaf_table);
    tl_tape_free(tape->beside);
    tl_arena_free(tape->arena);
    tl_release(tape);
}

void tl_tape_reset(tl_tape *tape)
{
    if (!tape)
        return;
    tl_arena_reset(tape->arena);
    tl_pool_reset(&tape->pool);
    memset(tape->leaf_table, 0, (size_t)tape->leaf_capacity * sizeof(tl_var *));
    tape->generation = tl_next_version();
    tape->last = NULL;
    tape->step_packs = NULL;
    tape->chunk = 0;
    tape->waiting = NULL;
    tape->waiting_count = 0;
    tape->recycles = false;
    tape->first_leaf = NULL;
    tape->next_leaf = &tape->first_leaf;
    tape->leaf_count = 0;
    tape->consumed = false;
    tape->failed = false;
    tape->in_backward = false;
    tape->dropouts = 0;
    tape->scope = NULL;
    tl_tape_reset(tape->beside);
}

void tl_tape_set_recording(tl_tape *tape, bool records)
{
    tape->records = records;
}

bool tl_tape_is_recording(const tl_tape *tape)
{
    return tape->records;
}

void tl_tape_set_training(tl_tape *tape, bool training)
{
    tape->trains = training;
}

bool tl_tape_is_training(const tl_tape *tape)
{
    return tape->trains;
}

void tl_tape_set_random(tl_tape *tape, uint64_t seed, uint64_t step, int64_t first_row)
{
    tape->seed = seed;
    tape->step = step;
    tape->first_row = first_row;
}

size_t tl_tape_peak_bytes(const tl_tape *tape)
{
    return tl_arena_peak(tape->arena) + (tape->beside ? tl_tape_peak_bytes(tape->beside) : 0);
}

tl_var *tl_var_new(tl_tape *tape)
{
    tl_var *x = tl_arena_take(tape->arena, sizeof *x);
    if (x)
        *x = (tl_var){.tape = tape};
    return x;
}

tl_status tl_tape_place(tl_tape *tape, tl_tensor *value)
{
    size_t bytes = (size_t)tl_tensor_count(*value) * tl_dtype_size(value->dtype);
    size_t header = tl_aligned(sizeof(tl_storage));
    tl_storage *storage = tape->recycles ? tl_pool_take(&tape->pool, header + bytes)
                                         : tl_arena_take(tape->arena, header + bytes);
    if (!storage)
        return TL_ERROR_MEMORY;
    *storage = (tl_storage){.data = (char *)storage + header,
                            .bytes = bytes,
                            .version = tape->recycles ? tl_next_version() : tape->generation,
                            .tape = tape,
                            .recycled = tape->recycles};
    value->storage = storage;
    value->offset = 0;
    return TL_OK;
}

static bool is_own_gradient(const tl_tape *tape, tl_tensor tensor)
{
    return tensor.storage->gradient_of == tape;
}

tl_var *tl_input(tl_tape *tape, tl_tensor tensor)
{
    if (!tape || !tensor.storage) {
        tl_missing("input", tape ? "tensor" : "tape");
        return NULL;
    }
    if (is_own_gradient(tape, tensor)) {
        tl_error(TL_ERROR_STATE,
                 "input: this is a gradient of the same tape, shape %s: gradients of gradients "
                 "are not supported; copy it out to use it as a constant",
                 TL_SHAPE_TEXT(tensor.shape));
        return NULL;
    }
    tl_var *x = tl_var_new(tape);
    if (x)
        x->value = tensor;
    return x;
}

/* Copies the value of a leaf with gaps: its gradient will be gapless, and views of the one must be views of
 * the other. */
static tl_var *without_gaps(tl_var *leaf)
{
    if (!leaf || tl_tensor_is_dense(leaf->value))
        return leaf;
    tl_tensor copy = leaf->value;
    tl_tensor_set_row_major(&copy);
    if (tl_tape_place(leaf->tape, &copy) != TL_OK)
        return NULL;
    tl_tensor_copy(copy, leaf->value);
    leaf->value = copy;
    return leaf;
}

tl_var *tl_variable(tl_tape *tape, tl_tensor tensor)
{
    if (tensor.storage && !tl_dtype_is_float(tensor.dtype)) {
        tl_error(TL_ERROR_DTYPE, "variable: %s, expected f32 or f64", tl_dtype_name(tensor.dtype));
        return NULL;
    }
    tl_var *x = tl_input(tape, tensor);
    if (!x)
        return NULL;
    x->needs_gradient = true;
    x->retains = true;
    return without_gaps(x);
}

static size_t leaf_slot(const tl_tape *tape, const void *key)
{
    size_t mask = (size_t)tape->leaf_capacity - 1;
    size_t slot = ((uintptr_t)key >> 6) & mask;
    while (tape->leaf_table[slot] && tape->leaf_table[slot]->key != key)
        slot = (slot + 1) & mask;
    return slot;
}

static tl_status grow_leaf_table(tl_tape *tape)
{
    tl_var **table = tl_allocate((size_t)tape->leaf_capacity * 2 * sizeof *table);
    if (!table)
        return TL_ERROR_MEMORY;
    tl_release(tape->leaf_table);
    tape->leaf_table = table;
    tape->leaf_capacity *= 2;
    for (tl_var *leaf = tape->first_leaf; leaf; leaf = leaf->next_leaf)
        table[leaf_slot(tape, leaf->key)] = leaf;
    return TL_OK;
}

tl_var *tl_tape_leaf(tl_tape *tape, const void *key, bool key_is_var, tl_tensor value, bool needs_gradient)
{
    size_t slot = leaf_slot(tape, key);
    if (tape->leaf_table[slot])
        return tape->leaf_table[slot];
    if (tape->leaf_count * 2 >= tape->leaf_capacity) {
        if (grow_leaf_table(tape) != TL_OK)
            return NULL;
        slot = leaf_slot(tape, key);
    }
    tl_var *leaf = tl_var_new(tape);
    if (!leaf)
        return NULL;
    leaf->value = value;
    leaf->key = key;
    leaf->key_is_var = key_is_var;
    leaf->needs_gradient = needs_gradient;
    leaf->retains = true;
    tape->leaf_table[slot] = leaf;
    tape->leaf_count++;
    *tape->next_leaf = leaf;
    tape->next_leaf = &leaf->next_leaf;
    return leaf;
}

tl_var *tl_use(tl_tape *tape, tl_parameter *parameter)
{
    if (!tape || !parameter) {
        tl_missing("use", tape ? "parameter" : "tape");
        return NULL;
    }
    return tl_tape_leaf(tape, parameter, false, parameter->value, parameter->trainable);
}

tl_var *tl_import(tl_tape *tape, tl_var *x)
{
    if (!tape || !x)
        return NULL;
    if (x->lazy) { /* several tapes may come at once, and only one may write */
        tl_error(TL_ERROR_STATE, "import: the value of this var was not looked at yet (tl_value)");
        return NULL;
    }
    tl_keep_value(x);
    return without_gaps(tl_tape_leaf(tape, x, true, x->value, x->needs_gradient));
}

tl_var *tl_zeros(tl_tape *tape, tl_dtype dtype, tl_shape shape)
{
    if (!tape || tl_shape_check("zeros", shape) != TL_OK)
        return NULL;
    tl_var *x = tl_var_new(tape);
    if (!x)
        return NULL;
    x->value = (tl_tensor){.dtype = dtype, .shape = shape};
    tl_tensor_set_row_major(&x->value);
    if (tl_tape_place(tape, &x->value) != TL_OK)
        return NULL;
    memset(x->value.storage->data, 0, x->value.storage->bytes);
    return x;
}

tl_var *tl_detach(tl_var *x)
{
    if (!x || tl_materialize(x) != TL_OK)
        return NULL;
    tl_var *cut = tl_var_new(x->tape);
    tl_keep_value(x);
    if (cut) {
        cut->value = x->value;
        cut->mask = x->mask;
    }
    return cut;
}

tl_tape *tl_tape_of(const tl_var *x)
{
    return x ? x->tape : NULL;
}

tl_tensor tl_value(tl_var *x)
{
    if (!x || tl_materialize(x) != TL_OK)
        return (tl_tensor){0};
    tl_keep_value(x);
    return x->value;
}

tl_shape tl_shape_of(const tl_var *x)
{
    return x ? x->value.shape : TL_SCALAR;
}

tl_dtype tl_dtype_of(const tl_var *x)
{
    return x ? x->value.dtype : TL_F32;
}

tl_var *tl_retain_grad(tl_var *x)
{
    if (x && !x->tape->consumed) { /* later there is none any more */
        x->retains = true;
        if (x->base)
            x->base->retains = true;
    }
    return x;
}

tl_var *tl_set_mask(tl_var *x, tl_tensor mask)
{
    if (!x || !mask.storage)
        return x;
    if (mask.dtype != TL_U8 || mask.shape.rank < 1 || mask.shape.rank > x->value.shape.rank) {
        tl_error(TL_ERROR_SHAPE,
                 "set_mask: mask %s of %s for values %s, expected u8 [batch, time] or [batch]",
                 TL_SHAPE_TEXT(mask.shape), tl_dtype_name(mask.dtype), TL_SHAPE_TEXT(x->value.shape));
        return NULL;
    }
    for (int i = 0; i < mask.shape.rank; i++)
        if (mask.shape.dims[i] != x->value.shape.dims[i]) {
            tl_error(TL_ERROR_SHAPE, "set_mask: mask %s does not fit values %s", TL_SHAPE_TEXT(mask.shape),
                     TL_SHAPE_TEXT(x->value.shape));
            return NULL;
        }
    x->mask = tl_arena_take(x->tape->arena, sizeof *x->mask);
    if (!x->mask)
        return NULL;
    *x->mask = mask;
    return x;
}

tl_tensor tl_mask_of(const tl_var *x)
{
    return x && x->mask ? *x->mask : (tl_tensor){0};
}
