#include "nn/remember_internal.h"
#include "data/file_internal.h"
#include "data/text.h"
#include "tensor/error_internal.h"
#include "tensor/memory_internal.h"

#include <assert.h>
#include <limits.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const double anything = (double)INFINITY;

void tl_memory_free(tl_memory *memory)
{
    for (int i = 0; i < memory->count; i++) {
        tl_place *p = &memory->places[i];
        tl_release(p->name);
        if (p->number || p->count)
            tl_tensor_free(&p->tensor);
        tl_tensor_free(&p->found);
    }
    for (int i = 0; i < memory->fact_count; i++)
        tl_release(memory->facts[i].value);
    tl_release(memory->places);
    *memory = (tl_memory){0};
}

/* --- What there is --- */

static tl_status make_room(tl_memory *memory)
{
    if (memory->count < memory->room)
        return TL_OK;
    int room = memory->room ? 2 * memory->room : 32;
    tl_place *places = tl_allocate((size_t)room * sizeof *places);
    if (!places)
        return TL_ERROR_MEMORY;
    if (memory->count > 0)
        memcpy(places, memory->places, (size_t)memory->count * sizeof *places);
    tl_release(memory->places);
    memory->places = places;
    memory->room = room;
    return TL_OK;
}

static tl_place *find(tl_memory *memory, const char *name)
{
    for (int i = 0; i < memory->count; i++)
        if (strcmp(memory->places[i].name, name) == 0)
            return &memory->places[i];
    return NULL;
}

/* What a file cannot hold is found here, before training. */
static tl_status check_text(const char *what, const char *text)
{
    if (tl_utf8_check(text, strlen(text)) < 0)
        return TL_OK;
    return tl_error(TL_ERROR_ARGUMENT, "checkpoint: %s: not UTF-8", what);
}

/* Takes a place over but for its tensor; with its name in the memory's scope. */
static tl_status add(tl_memory *memory, const char *name, tl_place place)
{
    char full[256];
    if (!name)
        return tl_missing("remember", "name");
    int length = snprintf(full, sizeof full, "%s%s%s", memory->scope, memory->scope[0] ? "/" : "", name);
    if (length >= (int)sizeof full)
        return tl_error(TL_ERROR_ARGUMENT, "remember: a name of %zu bytes, \"%.40s...\", is too long",
                        strlen(name), name);
    if (find(memory, full))
        return tl_error(TL_ERROR_ARGUMENT, "remember: the name \"%.200s\" is taken already", full);
    if (check_text("name of what a callback remembers", full) != TL_OK)
        return tl_error_status();
    if (make_room(memory) != TL_OK || !(place.name = tl_allocate_text(full)))
        return TL_ERROR_MEMORY;
    memory->places[memory->count++] = place;
    return TL_OK;
}

static tl_status add_number(tl_memory *memory, const char *name, tl_place place)
{
    if (!place.number && !place.count)
        return tl_missing("remember", "place");
    place.tensor = tl_tensor_new(TL_F64, TL_SCALAR);
    tl_status status = place.tensor.storage ? add(memory, name, place) : tl_error_status();
    if (status != TL_OK)
        tl_tensor_free(&place.tensor);
    return status;
}

tl_status tl_memory_number(tl_memory *memory, const char *name, double *number, double least, double most)
{
    return add_number(memory, name, (tl_place){.number = number, .least = least, .most = most});
}

tl_status tl_memory_count(tl_memory *memory, const char *name, int64_t *count, int64_t most)
{
    return add_number(memory, name, (tl_place){.count = count, .least = 0, .most = (double)most});
}

tl_status tl_remember(tl_memory *memory, const char *name, double *number)
{
    return tl_memory_number(memory, name, number, -anything, anything);
}

tl_status tl_remember_count(tl_memory *memory, const char *name, int64_t *count)
{
    const int64_t exact = INT64_C(1) << 53; /* counts are f64 in the file */
    return tl_memory_count(memory, name, count, exact);
}

tl_status tl_remember_tensor(tl_memory *memory, const char *name, tl_tensor tensor)
{
    if (!tensor.storage || !tl_data(tensor)) /* views that are not row-major have left the error */
        return tensor.storage ? tl_error_status() : tl_missing("remember", "tensor");
    return add(memory, name, (tl_place){.tensor = tensor});
}

tl_status tl_memory_rows(tl_memory *memory, const char *name, tl_tensor tensor)
{
    return add(memory, name, (tl_place){.tensor = tensor, .any_rows = true});
}

tl_tensor tl_memory_take(tl_memory *memory, const char *name)
{
    tl_place *place = find(memory, name);
    tl_tensor found = place ? place->found : (tl_tensor){0};
    if (place)
        place->found = (tl_tensor){0};
    return found;
}

void tl_memory_replace(tl_memory *memory, const char *name, tl_tensor tensor)
{
    find(memory, name)->tensor = tensor;
}

tl_status tl_memory_fact(tl_memory *memory, const char *key, const char *format, ...)
{
    char text[1024];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (length >= (int)sizeof text)
        return tl_error(TL_ERROR_ARGUMENT, "checkpoint: %s: %d bytes, expected less than %zu", key, length,
                        sizeof text);
    if (check_text(key, text) != TL_OK)
        return tl_error_status();
    assert(memory->fact_count < TL_MOST_FACTS);
    char *value = tl_allocate_text(text);
    if (!value)
        return TL_ERROR_MEMORY;
    memory->facts[memory->fact_count++] = (tl_fact){key, value};
    return TL_OK;
}

/* --- Writing --- */

static bool is_finite(tl_tensor tensor)
{
    const void *values = tl_data(tensor);
    const int64_t count = tl_dtype_is_float(tensor.dtype) ? tl_tensor_count(tensor) : 0;
    for (int64_t i = 0; i < count; i++)
        if (!isfinite(tensor.dtype == TL_F32 ? (double)((const float *)values)[i]
                                             : ((const double *)values)[i]))
            return false;
    return true;
}

static bool must_be_finite(const tl_place *place)
{
    return !place->number && !place->count && !place->any_rows;
}

static tl_status check_finite(const tl_place *place, const char *path, tl_tensor tensor, const char *so)
{
    if (!must_be_finite(place) || is_finite(tensor))
        return TL_OK;
    return tl_file_error(TL_ERROR_NUMERIC, path, "tensor \"%.100s\" holds NaN or infinity%s", place->name,
                         so);
}

static tl_status prepare_writing(tl_memory *memory, const char *path, tl_named_tensor tensors[])
{
    for (int i = 0; i < memory->count; i++) {
        const tl_place *p = &memory->places[i];
        if (check_finite(p, path, p->tensor, ": training has diverged, and nothing is written") != TL_OK)
            return tl_error_status();
        if (p->number || p->count)
            tl_tensor_fill(p->tensor, p->number ? *p->number : (double)*p->count);
        tensors[i] = (tl_named_tensor){p->name, p->tensor};
    }
    return TL_OK;
}

tl_status tl_memory_write(tl_memory *memory, const char *path)
{
    tl_metadata facts[TL_MOST_FACTS];
    for (int i = 0; i < memory->fact_count; i++)
        facts[i] = (tl_metadata){memory->facts[i].key, memory->facts[i].value};
    tl_named_tensor *tensors = tl_allocate((size_t)memory->count * sizeof *tensors);
    if (!tensors)
        return TL_ERROR_MEMORY;
    tl_status status = prepare_writing(memory, path, tensors);
    if (status == TL_OK)
        status = tl_safetensors_write(path, tensors, memory->count, facts, memory->fact_count);
    tl_release(tensors);
    return status;
}

/* --- Reading: all is checked, then all is copied --- */

/* Where to begin to show two texts that differ: some words before they do. */
static size_t shown_from(const char *one, const char *other)
{
    enum { BEFORE = 24 };
    size_t differ = 0;
    while (one[differ] && one[differ] == other[differ])
        differ++;
    size_t start = differ > BEFORE ? differ - BEFORE : 0;
    while (start > 0 && start < differ && one[start - 1] != ' ')
        start++;
    return start;
}

static tl_status check_fact(const tl_fact *fact, const tl_safetensors *file, const char *path)
{
    const char *stored = tl_safetensors_metadata(file, fact->key);
    if (!stored)
        return tl_file_error(TL_ERROR_FORMAT, path, "no checkpoint of such a training: it has no %s",
                             fact->key);
    if (strcmp(stored, fact->value) == 0)
        return TL_OK;
    const size_t from = shown_from(stored, fact->value);
    const char *dots = from > 0 ? "..." : "";
    return tl_file_error(TL_ERROR_FORMAT, path,
                         "of another training: %s %s%.80s in the checkpoint, here %s%.80s", fact->key, dots,
                         stored + from, dots, fact->value + from);
}

static tl_status check_facts(const tl_memory *memory, const tl_safetensors *file, const char *path)
{
    for (int i = 0; i < memory->fact_count; i++)
        if (check_fact(&memory->facts[i], file, path) != TL_OK)
            return tl_error_status();
    return TL_OK;
}

static tl_status check_shape(const tl_place *place, tl_tensor stored, const char *path)
{
    tl_shape expected = place->tensor.shape;
    if (place->any_rows && stored.shape.rank > 0 && stored.shape.dims[0] <= INT_MAX)
        expected.dims[0] = stored.shape.dims[0];
    if (stored.dtype == place->tensor.dtype && tl_shape_equal(stored.shape, expected))
        return TL_OK;
    return tl_file_error(TL_ERROR_FORMAT, path, "%s is %s %s in the checkpoint, expected %s %s", place->name,
                         tl_dtype_name(stored.dtype), TL_SHAPE_TEXT(stored.shape),
                         tl_dtype_name(place->tensor.dtype), TL_SHAPE_TEXT(place->tensor.shape));
}

static tl_status check_number(const tl_place *place, double value, const char *path)
{
    bool whole = !place->count || value == floor(value);
    if (place->least == -anything || (value >= place->least && value <= place->most && whole))
        return TL_OK;
    return tl_file_error(TL_ERROR_FORMAT, path, "%s is %g, expected %s from %g to %g", place->name, value,
                         place->count ? "a whole number" : "a number", place->least, place->most);
}

static tl_status check_place(const tl_place *place, const tl_safetensors *file, const char *path)
{
    tl_tensor stored = tl_safetensors_tensor(file, place->name);
    if (!stored.storage || check_shape(place, stored, path) != TL_OK ||
        check_finite(place, path, stored, "") != TL_OK)
        return tl_error_status();
    return place->number || place->count ? check_number(place, tl_tensor_item(stored), path) : TL_OK;
}

static tl_status check_places(const tl_memory *memory, const tl_safetensors *file, const char *path)
{
    for (int i = 0; i < memory->count; i++)
        if (check_place(&memory->places[i], file, path) != TL_OK)
            return tl_error_status();
    if (tl_safetensors_count(file) == memory->count)
        return TL_OK;
    return tl_file_error(TL_ERROR_FORMAT, path,
                         "%d tensors, expected %d: of another model, optimizer, or list of callbacks?",
                         tl_safetensors_count(file), memory->count);
}

/* Copies of what has a number of rows of its own: the last that can fail. */
static tl_status take_rows(tl_memory *memory, const tl_safetensors *file)
{
    for (int i = 0; i < memory->count; i++) {
        tl_place *p = &memory->places[i];
        tl_tensor stored = tl_safetensors_tensor(file, p->name);
        if (!p->any_rows)
            continue;
        tl_tensor_free(&p->found);
        p->found = tl_tensor_of(stored.dtype, stored.shape, tl_data(stored));
        if (!p->found.storage)
            return tl_error_status();
    }
    return TL_OK;
}

static void restore(tl_memory *memory, const tl_safetensors *file)
{
    for (int i = 0; i < memory->count; i++) {
        const tl_place *p = &memory->places[i];
        tl_tensor stored = tl_safetensors_tensor(file, p->name);
        if (p->number)
            *p->number = tl_tensor_item(stored);
        else if (p->count)
            *p->count = (int64_t)tl_tensor_item(stored);
        else if (!p->any_rows)
            tl_tensor_copy(p->tensor, stored);
    }
}

tl_status tl_memory_read(tl_memory *memory, const char *path)
{
    tl_safetensors *file = tl_safetensors_read(path);
    tl_status status = file ? check_facts(memory, file, path) : tl_error_status();
    if (status == TL_OK)
        status = check_places(memory, file, path);
    if (status == TL_OK)
        status = take_rows(memory, file);
    if (status == TL_OK)
        restore(memory, file);
    tl_safetensors_free(file);
    return status;
}
