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

/* "dense_1 (dense)"; returns how long that is. */
static int name_of(const tl_module *layer, char text[160])
{
    return snprintf(text, 160, "%s (%s)", layer->name, layer->kind);
}

/* The width of the first column: room for the longest name, and as in Keras at least 28. */
static int name_width(const tl_model *model)
{
    char name[160];
    int width = 28;
    for (int i = 0; i < model->layer_count; i++) {
        int length = name_of(model->layers[i], name) + 1;
        width = length > width ? length : width;
    }
    return width;
}

static void print_line(FILE *to, int length)
{
    for (int i = 0; i < length; i++)
        fputc('_', to);
    fputc('\n', to);
}

tl_status tl_summary(const tl_model *model, FILE *to)
{
    if (tl_model_check("summary", model, false, true) != TL_OK)
        return tl_error_status();
    char name[160], shape[TL_SHAPE_TEXT_SIZE], number[32];
    int width = name_width(model), length = width + 41;
    print_line(to, length);
    fprintf(to, "%-*s %-26s %12s\n", width, "Layer (type)", "Output Shape", "Param #");
    print_line(to, length);
    for (int i = 0; i < model->layer_count; i++) {
        const tl_module *layer = model->layers[i];
        name_of(layer, name);
        fprintf(to, "%-*s %-26s %12s\n", width, name, with_batch(layer->output, shape),
                with_commas(tl_module_weights(layer), number));
    }
    int64_t trainable = weights_of(model, true), frozen = weights_of(model, false);
    print_line(to, length);
    fprintf(to, "Total params: %s\n", with_commas(trainable + frozen, number));
    fprintf(to, "Trainable params: %s\n", with_commas(trainable, number));
    fprintf(to, "Non-trainable params: %s\n", with_commas(frozen, number));
    if (fflush(to) != 0 || ferror(to))
        return tl_error(TL_ERROR_IO, "summary: cannot write");
    return TL_OK;
}
