#include "nn/checkpoint.h"
#include "nn/model_internal.h"
#include "optim/optimizer_internal.h"
#include "tensor/memory_internal.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { EPOCHS, STEPS, RATE, NUMBERS };

static const char progress_name[] = "training/progress"; /* f64: the numbers above */

/* Room for "rmsprop/momentum/" and the name of a parameter. */
enum { NAME_SIZE = 256 };

typedef struct state_name {
    char text[NAME_SIZE];
} state_name;

/* Everything a checkpoint holds, in the order of the file: the parameters, then the optimizer's states, then
 * the numbers. */
typedef struct contents {
    tl_named_tensor *tensors;
    state_name *names; /* of the states */
    int count;
} contents;

static int count_states(const tl_optimizer *optimizer)
{
    tl_optimizer_state state;
    int count = 0;
    while (tl_optimizer_state_at(optimizer, count, &state))
        count++;
    return count;
}

static void release(contents *c)
{
    tl_release(c->tensors);
    tl_release(c->names);
}

static tl_status collect(const tl_model *model, tl_tensor progress, contents *c)
{
    int states = count_states(model->optimizer);
    *c =
        (contents){.tensors = tl_allocate((size_t)(model->parameter_count + states + 1) * sizeof *c->tensors),
                   .names = tl_allocate((size_t)(states + 1) * sizeof *c->names)};
    if (!c->tensors || !c->names || !progress.storage) {
        release(c);
        return TL_ERROR_MEMORY;
    }
    for (int i = 0; i < model->parameter_count; i++)
        c->tensors[c->count++] = (tl_named_tensor){model->parameters[i]->name, model->parameters[i]->value};
    for (int i = 0; i < states; i++) {
        tl_optimizer_state state;
        tl_optimizer_state_at(model->optimizer, i, &state);
        snprintf(c->names[i].text, NAME_SIZE, "%s/%s/%s", tl_optimizer_name(model->optimizer), state.name,
                 state.parameter->name);
        c->tensors[c->count++] = (tl_named_tensor){c->names[i].text, state.value};
    }
    c->tensors[c->count++] = (tl_named_tensor){progress_name, progress};
    return TL_OK;
}

tl_status tl_checkpoint_save(const tl_model *model, const char *path, int epochs_done)
{
    if (tl_model_check("checkpoint_save", model, true, true) != TL_OK)
        return tl_error_status();
    if (epochs_done < 0)
        return tl_error(TL_ERROR_ARGUMENT, "checkpoint_save: %d epochs done, expected 0 or more",
                        epochs_done);
    double numbers[NUMBERS] = {[EPOCHS] = epochs_done,
                               [STEPS] = (double)tl_optimizer_steps(model->optimizer),
                               [RATE] = tl_optimizer_learning_rate(model->optimizer)};
    tl_tensor progress = tl_tensor_of(TL_F64, tl_shape(NUMBERS), numbers);
    contents c;
    tl_status status = collect(model, progress, &c);
    if (status == TL_OK) {
        status = tl_safetensors_write(path, c.tensors, c.count, NULL, 0);
        release(&c);
    }
    tl_tensor_free(&progress);
    return status;
}

/* Every tensor of the model is in the file, alike, and the file has no others. */
static tl_status check_fit(const contents *c, const tl_safetensors *file, const char *path)
{
    for (int i = 0; i < c->count; i++) {
        tl_tensor own = c->tensors[i].tensor, stored = tl_safetensors_tensor(file, c->tensors[i].name);
        if (!stored.storage)
            return tl_error_status();
        if (stored.dtype != own.dtype || !tl_shape_equal(stored.shape, own.shape))
            return tl_error(TL_ERROR_FORMAT, "%s: %s is %s %s in the checkpoint, expected %s %s", path,
                            c->tensors[i].name, tl_dtype_name(stored.dtype), TL_SHAPE_TEXT(stored.shape),
                            tl_dtype_name(own.dtype), TL_SHAPE_TEXT(own.shape));
    }
    if (tl_safetensors_count(file) != c->count)
        return tl_error(TL_ERROR_FORMAT, "%s: %d tensors, expected %d: of another model or optimizer?", path,
                        tl_safetensors_count(file), c->count);
    return tl_safetensors_check_finite(file);
}

static bool is_count(double number, double most)
{
    return number >= 0 && number <= most && number == floor(number);
}

static tl_status check_numbers(const double numbers[NUMBERS], const char *path)
{
    const double exact = 0x1p53;
    if (is_count(numbers[EPOCHS], INT_MAX) && is_count(numbers[STEPS], exact) && numbers[RATE] >= 0)
        return TL_OK;
    return tl_error(TL_ERROR_FORMAT, "%s: %g epochs, %g steps, learning rate %g: no numbers of a training",
                    path, numbers[EPOCHS], numbers[STEPS], numbers[RATE]);
}

static tl_status restore(tl_model *model, const contents *c, const tl_safetensors *file,
                         const double numbers[NUMBERS])
{
    for (int i = 0; i < c->count - 1; i++)
        if (tl_tensor_copy(c->tensors[i].tensor, tl_safetensors_tensor(file, c->tensors[i].name)) != TL_OK)
            return tl_error_status();
    tl_status status = tl_optimizer_set_steps(model->optimizer, (int64_t)numbers[STEPS]);
    return status == TL_OK ? tl_optimizer_set_learning_rate(model->optimizer, numbers[RATE]) : status;
}

static tl_status load(tl_model *model, const contents *c, const tl_safetensors *file, const char *path,
                      int *epochs_done)
{
    double numbers[NUMBERS];
    tl_status status = check_fit(c, file, path);
    if (status == TL_OK)
        status = tl_copy_out(tl_safetensors_tensor(file, progress_name), numbers, sizeof numbers);
    if (status == TL_OK)
        status = check_numbers(numbers, path);
    if (status == TL_OK)
        status = restore(model, c, file, numbers);
    if (status == TL_OK)
        *epochs_done = (int)numbers[EPOCHS];
    return status;
}

tl_status tl_checkpoint_load(tl_model *model, const char *path, int *epochs_done)
{
    if (tl_model_check("checkpoint_load", model, true, true) != TL_OK)
        return tl_error_status();
    if (!path || !epochs_done)
        return tl_missing("checkpoint_load", path ? "place for the number of epochs" : "path");
    tl_safetensors *file = tl_safetensors_read(path);
    tl_tensor progress = tl_tensor_new(TL_F64, tl_shape(NUMBERS));
    contents c;
    tl_status status = file ? collect(model, progress, &c) : tl_error_status();
    if (status == TL_OK) {
        status = load(model, &c, file, path, epochs_done);
        release(&c);
    }
    tl_tensor_free(&progress);
    tl_safetensors_free(file);
    return status;
}

typedef struct checkpoint {
    tl_callback callback;
    char *path;
} checkpoint;

static tl_status begin(tl_callback *callback, struct tl_model *model)
{
    (void)model;
    return tl_safetensors_writable(((checkpoint *)callback)->path);
}

static tl_status epoch_end(tl_callback *callback, struct tl_model *model, const tl_epoch *epoch, bool *stop)
{
    (void)stop;
    return tl_checkpoint_save(model, ((checkpoint *)callback)->path, epoch->epoch);
}

static void free_checkpoint(tl_callback *callback)
{
    tl_release(((checkpoint *)callback)->path);
    tl_release(callback);
}

tl_callback *tl_checkpoint(const char *path)
{
    if (!path) {
        tl_missing("checkpoint", "path");
        return NULL;
    }
    checkpoint *c = tl_allocate(sizeof *c);
    if (!c)
        return NULL;
    c->callback = (tl_callback){.begin = begin, .epoch_end = epoch_end, .free = free_checkpoint};
    c->path = tl_allocate_text(path);
    if (c->path)
        return &c->callback;
    tl_release(c);
    return NULL;
}
