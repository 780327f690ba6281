/* What goes by a name in the tables of cases. An unknown name fails the test. */
#ifndef TL_TESTS_PARITY_NAMES_INTERNAL_H
#define TL_TESTS_PARITY_NAMES_INTERNAL_H

#include "nn/model.h"
#include "tests/parity/vectors_internal.h"

static inline tl_activation activation_of(const json_t *at)
{
    const char *name = text_of(at, "activation", NULL);
    if (!name)
        return TL_DEFAULT_ACTIVATION;
    for (int i = TL_LINEAR; tl_activation_name((tl_activation)i); i++)
        if (strcmp(tl_activation_name((tl_activation)i), name) == 0)
            return (tl_activation)i;
    ck_abort_msg("there is no activation %s", name);
    return TL_DEFAULT_ACTIVATION;
}

static inline tl_loss loss_of(const json_t *at)
{
    const char *name = text_of(at, "loss", "mean_squared_error");
    for (int i = TL_NO_LOSS + 1; tl_loss_name((tl_loss)i); i++)
        if (strcmp(tl_loss_name((tl_loss)i), name) == 0)
            return (tl_loss)i;
    ck_abort_msg("there is no loss %s", name);
    return TL_NO_LOSS;
}

#endif
