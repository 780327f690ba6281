/* What models need of optimizers beyond the public header. */
#ifndef TL_OPTIM_OPTIMIZER_INTERNAL_H
#define TL_OPTIM_OPTIMIZER_INTERNAL_H

#include "optim/optimizer.h"

/* Marks the optimizer as somebody's, who frees it. An error if it is already. */
tl_status tl_optimizer_hand_over(tl_optimizer *optimizer);

/* What an optimizer remembers of one parameter under one name. With the number of steps and the learning
 * rate, which callbacks may have changed, this is all that a step depends on besides how the optimizer was
 * made. */
typedef struct tl_optimizer_state {
    const char *name; /* "v", "momentum", ...: one of a parameter's states */
    const tl_parameter *parameter;
    tl_tensor value; /* the optimizer's own, to be read or copied into; of the parameter's shape and type */
} tl_optimizer_state;

/* How the optimizer was made, but for its learning rate, as texts: equal for those that are alike. */
enum { TL_OPTIMIZER_TEXT = 256 };
typedef struct tl_optimizer_texts {
    char rule[TL_OPTIMIZER_TEXT], clipping[TL_OPTIMIZER_TEXT], schedule[TL_OPTIMIZER_TEXT];
} tl_optimizer_texts;
tl_optimizer_texts tl_optimizer_describe(const tl_optimizer *optimizer);

/* The state at `index`, from 0, in the order of the parameters; false, with no error set, past the last. */
bool tl_optimizer_state_at(const tl_optimizer *optimizer, int index, tl_optimizer_state *state);

/* Goes on as if after so many steps. Negative ones are an error. */
tl_status tl_optimizer_set_steps(tl_optimizer *optimizer, int64_t steps);

#endif
