/* What models need of optimizers beyond the public header. */
#ifndef TL_OPTIM_OPTIMIZER_INTERNAL_H
#define TL_OPTIM_OPTIMIZER_INTERNAL_H

#include "optim/optimizer.h"

/* Marks the optimizer as somebody's, who frees it. An error if it is already. */
tl_status tl_optimizer_hand_over(tl_optimizer *optimizer);

#endif
