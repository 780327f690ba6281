#include "nn/model_internal.h"

/* 343201 as "343,201". */
static const char *with_commas(int64_t number, char text[32])
{
    char digits[24];
    int count = snprintf(digits, sizeof digits, "%lld", (long long)number), used = 0;
    for (int i = 0; i < count; i++) {
        if (i > 0 && (count - i) % 3 == 0)
            text[used++] = ',';
        text[used++] = digits[i];
    }
    text[used] = '\0';
    return text;
}

/* The shape with the batch in front, and what may be any number as Keras has it: "(None, 500, 32)". */
static const char *with_batch(tl_shape shape, char text[TL_SHAPE_TEXT_SIZE])
{
    int used = snprintf(text, TL_SHAPE_TEXT_SIZE, "(None");
    for (int i = 0; i < shape.rank; i++) {
        size_t room = TL_SHAPE_TEXT_SIZE - (size_t)used;
        used += shape.dims[i] == TL_ANY ? snprintf(text + used, room, ", None")
                                        : snprintf(text + used, room, ", %lld", (long long)shape.dims[i]);
    }
    snprintf(text + used, TL_SHAPE_TEXT_SIZE - (size_t)used, ")");
    return text;
}

static int64_t weights_of(const tl_model *model, bool trainable)
{
    int64_t count = 0;
    for (int i = 0; i < model->parameter_count; i++)
        if (model->parameters[i]->trainable == trainable)
            count += tl_tensor_count(model->parameters[i]->value);
    return count;
}

tl_status tl_summary(const tl_model *model, FILE *to)
{
    if (tl_model_check("summary", model, false, true) != TL_OK)
        return tl_error_status();
    static const char line[] = "_____________________________________________________________________";
    char shape[TL_SHAPE_TEXT_SIZE], number[32];
    fprintf(to, "%s\n%-28s %-26s %12s\n%s\n", line, "Layer (type)", "Output Shape", "Param #", line);
    for (int i = 0; i < model->layer_count; i++) {
        const tl_module *layer = model->layers[i];
        char name[160];
        snprintf(name, sizeof name, "%s (%s)", layer->name, layer->kind);
        fprintf(to, "%-28s %-26s %12s\n", name, with_batch(layer->output, shape),
                with_commas(tl_module_weights(layer), number));
    }
    int64_t trainable = weights_of(model, true), frozen = weights_of(model, false);
    fprintf(to, "%s\n", line);
    fprintf(to, "Total params: %s\n", with_commas(trainable + frozen, number));
    fprintf(to, "Trainable params: %s\n", with_commas(trainable, number));
    fprintf(to, "Non-trainable params: %s\n", with_commas(frozen, number));
    if (fflush(to) != 0 || ferror(to))
        return tl_error(TL_ERROR_IO, "summary: cannot write");
    return TL_OK;
}
