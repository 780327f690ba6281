#include "nn/checkpoint.h"
#include "nn/checkpoint_internal.h"
#include "nn/model_internal.h"
#include "nn/rnn_internal.h"
#include "optim/optimizer_internal.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { NAME_SIZE = 256 };

/* --- What there is --- */

static tl_status remember_weights(tl_kept_model *kept)
{
    const tl_model *model = kept->model;
    for (int i = 0; i < model->parameter_count; i++)
        if (tl_remember_tensor(&kept->memory, model->parameters[i]->name, model->parameters[i]->value) !=
            TL_OK)
            return tl_error_status();
    return TL_OK;
}

static tl_status remember_optimizer(tl_kept_model *kept)
{
    const int64_t exact = INT64_C(1) << 53;
    const tl_optimizer *optimizer = kept->model->optimizer;
    tl_optimizer_state state;
    for (int i = 0; tl_optimizer_state_at(optimizer, i, &state); i++) {
        char name[NAME_SIZE];
        snprintf(name, sizeof name, "%s/%s/%s", tl_optimizer_name(optimizer), state.name,
                 state.parameter->name);
        if (tl_remember_tensor(&kept->memory, name, state.value) != TL_OK)
            return tl_error_status();
    }
    if (tl_memory_count(&kept->memory, "optimizer/steps", &kept->steps, exact) != TL_OK)
        return tl_error_status();
    const double largest = 0x1.fffffffffffffp1023;
    return tl_memory_number(&kept->memory, "optimizer/learning_rate", &kept->learning_rate, 0, largest);
}

/* Does something with state i of a stateful layer, whose name in the memory is given. */
typedef tl_status (*state_action)(tl_kept_model *kept, tl_module *layer, int i, const char *name);

static tl_status for_each_state(tl_kept_model *kept, tl_module *module, state_action act)
{
    for (int i = 0; i < tl_rnn_carried_states(module); i++) {
        char name[NAME_SIZE];
        snprintf(name, sizeof name, "carried/%s/%d", module->name, i);
        if (act(kept, module, i, name) != TL_OK)
            return tl_error_status();
    }
    for (int i = 0; i < module->child_count; i++)
        if (for_each_state(kept, module->children[i], act) != TL_OK)
            return tl_error_status();
    return TL_OK;
}

static tl_status for_all_states(tl_kept_model *kept, state_action act)
{
    for (int i = 0; i < kept->model->layer_count; i++)
        if (for_each_state(kept, kept->model->layers[i], act) != TL_OK)
            return tl_error_status();
    return TL_OK;
}

static tl_status remember_state(tl_kept_model *kept, tl_module *layer, int i, const char *name)
{
    return tl_memory_rows(&kept->memory, name, tl_rnn_carried(layer, i));
}

/* What a batch left may be elsewhere than what the one before did. */
static tl_status renew_state(tl_kept_model *kept, tl_module *layer, int i, const char *name)
{
    tl_memory_replace(&kept->memory, name, tl_rnn_carried(layer, i));
    return TL_OK;
}

static tl_status give_state(tl_kept_model *kept, tl_module *layer, int i, const char *name)
{
    tl_rnn_carry(layer, i, tl_memory_take(&kept->memory, name));
    return TL_OK;
}

/* Layers have settings that no weight shows; their kinds and their order are told apart at least. */
static tl_status note_layers(tl_kept_model *kept)
{
    const tl_model *model = kept->model;
    char kinds[512];
    size_t used = 0;
    for (int i = 0; i < model->layer_count && used < sizeof kinds; i++)
        used +=
            (size_t)snprintf(kinds + used, sizeof kinds - used, "%s%s", i ? " " : "", model->layers[i]->kind);
    return tl_memory_fact(&kept->memory, "layers", "%s", kinds);
}

static tl_status note_model(tl_kept_model *kept, const char *maker)
{
    const tl_optimizer_texts optimizer = tl_optimizer_describe(kept->model->optimizer);
    tl_memory *memory = &kept->memory;
    if (tl_memory_fact(memory, "checkpoint", "%s", maker) != TL_OK || note_layers(kept) != TL_OK ||
        tl_memory_fact(memory, "loss", "%s%s", tl_loss_name(kept->model->loss),
                       kept->model->from_logits ? " of logits" : "") != TL_OK ||
        tl_memory_fact(memory, "optimizer", "%s", optimizer.rule) != TL_OK ||
        tl_memory_fact(memory, "clipping", "%s", optimizer.clipping) != TL_OK)
        return tl_error_status();
    return tl_memory_fact(memory, "schedule", "%s", optimizer.schedule);
}

tl_status tl_kept_model_start(tl_kept_model *kept, const tl_model *model, const char *maker)
{
    *kept = (tl_kept_model){.model = (tl_model *)(uintptr_t)model}; /* written to by read alone */
    if (note_model(kept, maker) == TL_OK && remember_weights(kept) == TL_OK &&
        remember_optimizer(kept) == TL_OK && for_all_states(kept, remember_state) == TL_OK)
        return TL_OK;
    tl_kept_model_free(kept);
    return tl_error_status();
}

void tl_kept_model_free(tl_kept_model *kept)
{
    tl_memory_free(&kept->memory);
}

/* --- To a file and back --- */

tl_status tl_kept_model_write(tl_kept_model *kept, const char *path)
{
    kept->steps = tl_optimizer_steps(kept->model->optimizer);
    kept->learning_rate = tl_optimizer_learning_rate(kept->model->optimizer);
    for_all_states(kept, renew_state);
    return tl_memory_write(&kept->memory, path);
}

tl_status tl_kept_model_read(tl_kept_model *kept, const char *path)
{
    tl_status status = tl_memory_read(&kept->memory, path);
    if (status != TL_OK)
        return status;
    for_all_states(kept, give_state);
    tl_optimizer_set_steps(kept->model->optimizer, kept->steps); /* both were checked */
    return tl_optimizer_set_learning_rate(kept->model->optimizer, kept->learning_rate);
}

/* --- For loops of one's own --- */

typedef tl_status (*transfer)(tl_kept_model *kept, const char *path);

static tl_status run(const char *what, const tl_model *model, const char *path, transfer move)
{
    if (tl_model_check(what, model, true, true) != TL_OK)
        return tl_error_status();
    if (!path)
        return tl_missing(what, "path");
    tl_kept_model kept;
    tl_status status = tl_kept_model_start(&kept, model, "of a model");
    if (status == TL_OK)
        status = tl_memory_fact(&kept.memory, "seed", "%llu", (unsigned long long)model->seed);
    if (status == TL_OK)
        status = move(&kept, path);
    tl_kept_model_free(&kept);
    return status;
}

tl_status tl_checkpoint_save(const tl_model *model, const char *path)
{
    return run("checkpoint_save", model, path, tl_kept_model_write);
}

tl_status tl_checkpoint_load(tl_model *model, const char *path)
{
    return run("checkpoint_load", model, path, tl_kept_model_read);
}
