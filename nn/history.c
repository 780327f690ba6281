#include "nn/callback.h"
#include "tensor/memory_internal.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

static const struct {
    const char *key;
    size_t offset;
} keys[] = {
    {"loss", offsetof(tl_epoch, train.loss)},
    {"accuracy", offsetof(tl_epoch, train.accuracy)},
    {"val_loss", offsetof(tl_epoch, validation.loss)},
    {"val_accuracy", offsetof(tl_epoch, validation.accuracy)},
};

double tl_epoch_value(const tl_epoch *epoch, const char *key)
{
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        if (strcmp(keys[i].key, key) == 0)
            return *(const double *)(const void *)((const char *)epoch + keys[i].offset);
    tl_error(TL_ERROR_ARGUMENT, "'%s' is not measured, expected loss, accuracy, val_loss or val_accuracy",
             key);
    return (double)NAN;
}

void tl_history_free(tl_history *history)
{
    if (!history)
        return;
    tl_release(history->epochs);
    tl_release(history);
}

int tl_history_best(const tl_history *history, const char *key)
{
    if (!history)
        return -1;
    bool larger = strstr(key, "accuracy") != NULL;
    int best = -1;
    double most = 0;
    for (int i = 0; i < history->count; i++) {
        double value = tl_epoch_value(&history->epochs[i], key);
        value = larger ? value : -value;
        if (!isnan(value) && (best < 0 || value > most)) {
            best = i;
            most = value;
        }
    }
    return best;
}
