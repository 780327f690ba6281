/* Where gradients lie: in memory of their own that is recycled as backward goes, in that of a base for views
 * of it, and in parts of one that nobody else reaches. */
#include "autograd/tape_internal.h"
#include "tensor/memory_internal.h"

#include <string.h>

tl_status tl_gradient_new(tl_tape *tape, tl_tensor like, tl_tensor *gradient)
{
    size_t bytes = (size_t)tl_tensor_count(like) * tl_dtype_size(like.dtype);
    size_t header = tl_aligned(sizeof(tl_storage));
    tl_storage *storage = tl_pool_take(&tape->pool, header + bytes);
    if (!storage)
        return TL_ERROR_MEMORY;
    *storage = (tl_storage){
        .data = (char *)storage + header, .bytes = bytes, .version = tape->generation, .gradient_of = tape};
    *gradient = (tl_tensor){.storage = storage, .shape = like.shape, .dtype = like.dtype};
    if (tl_tensor_is_row_major(like))
        memcpy(gradient->strides, like.strides, sizeof like.strides);
    else
        tl_tensor_set_strides_like(gradient, like);
    return TL_OK;
}

void tl_gradient_give(tl_tape *tape, tl_storage *storage)
{
    if (storage->awaited)
        tl_pool_hold(&tape->pool, storage);
    else
        tl_pool_give(&tape->pool, storage);
}

void tl_gradient_drop(tl_var *x)
{
    if (x->gradient.storage && !x->lent && !x->lends)
        tl_gradient_give(x->tape, x->gradient.storage);
    x->gradient = (tl_tensor){0};
}

/* The gradient of a view: the same view of the base's gradient as the value is of the base's value. */
static tl_tensor view_of_gradient(const tl_var *x)
{
    tl_tensor gradient = x->base->gradient;
    gradient.shape = x->value.shape;
    memcpy(gradient.strides, x->value.strides, sizeof gradient.strides);
    gradient.offset += x->value.offset - x->base->value.offset;
    return gradient;
}

tl_status tl_gradient_of(tl_var *x, tl_tensor *gradient)
{
    tl_var *home = x->base ? x->base : x;
    if (home->in_parts)
        tl_parts_settle(home);
    if (!home->gradient.storage) {
        if (tl_gradient_new(x->tape, home->value, &home->gradient) != TL_OK)
            return TL_ERROR_MEMORY;
        memset(home->gradient.storage->data, 0, home->gradient.storage->bytes);
    }
    *gradient = x->base ? view_of_gradient(x) : home->gradient;
    return TL_OK;
}

bool tl_split(tl_var *x)
{
    return !x->base && x->made && !x->lazy && x->uses == 0 && !x->has_views && !x->first_part && !x->retains;
}

tl_var *tl_part(tl_var *x, int axis, int64_t index)
{
    tl_var *part = tl_var_new(x->tape);
    if (!part)
        return NULL;
    part->value = tl_tensor_select(x->value, axis, index);
    part->needs_gradient = x->needs_gradient;
    part->base = x;
    part->is_part = true;
    x->part_axis = axis;
    part->next_part = x->first_part;
    x->first_part = part;
    return part;
}

bool tl_part_claim(tl_var *part, tl_tensor *gradient)
{
    tl_var *whole = part->base;
    if (part->gradient.storage || (whole->gradient.storage && !whole->in_parts))
        return false;
    if (!whole->gradient.storage) {
        if (tl_gradient_new(whole->tape, whole->value, &whole->gradient) != TL_OK)
            return false;
        whole->in_parts = true;
    }
    part->gradient = *gradient = view_of_gradient(part);
    return true;
}

static bool is_claimed(const tl_var *x, int64_t offset)
{
    for (const tl_var *part = x->first_part; part; part = part->next_part)
        if (part->gradient.storage && part->gradient.offset == offset)
            return true;
    return false;
}

void tl_parts_settle(tl_var *x)
{
    x->in_parts = false;
    const int axis = x->part_axis;
    for (int64_t i = 0; i < x->value.shape.dims[axis]; i++) {
        const tl_tensor piece = tl_tensor_select(x->gradient, axis, i);
        if (!is_claimed(x, piece.offset))
            tl_tensor_fill(piece, 0);
    }
    for (tl_var *part = x->first_part; part; part = part->next_part)
        if (!part->gradient.storage)
            part->gradient = view_of_gradient(part);
}

/* Once as a whole, or each part once. */
static bool is_all_used_once(const tl_var *x)
{
    if (!x->first_part)
        return tl_is_used_once(x);
    for (const tl_var *part = x->first_part; part; part = part->next_part)
        if (!tl_is_used_once(part) || part->retains)
            return false;
    return true;
}

void tl_recycle(tl_var *x)
{
    if (!x->made || x->read_back || x->retains || !x->value.storage->recycled || !is_all_used_once(x))
        return;
    tl_pool_give(&x->tape->pool, x->value.storage);
    x->made = false; /* not twice */
}
