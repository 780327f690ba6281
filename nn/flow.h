/* The flow of a gradient back through time: does it vanish, explode, or arrive? Rests on tensor/.
 *
 * With h_t the state behind step t, dL/dh_t is a product of one Jacobian for each step between t and the
 * loss, so that its norm tends to fall or grow by a constant factor a step  (Bengio, Simard and Frasconi,
 * "Learning long-term dependencies with gradient descent is difficult", 1994; Pascanu, Mikolov and Bengio,
 * "On the difficulty of training recurrent neural networks", 2013). What is judged here is how the norm at
 * the step farthest from the loss compares with that at the nearest. gradients.h measures the norms of a
 * model; on the bare tape they come from tl_retain_grad.
 */
#ifndef TL_NN_FLOW_H
#define TL_NN_FLOW_H

#include "../tensor/error.h"

#include <stdbool.h>
#include <stdint.h>

typedef enum tl_flow {
    TL_FLOW_HEALTHY = 0,
    TL_FLOW_VANISHING, /* ratio below 1 / TL_FLOW_BOUND */
    TL_FLOW_EXPLODING, /* ratio above TL_FLOW_BOUND, or a norm that is not finite */
    TL_FLOW_ABSENT     /* no gradient at any step */
} tl_flow;

/* Steps share their weights, so their gradients are added up, and no optimizer can give a step a learning
 * rate of its own. Where one step's part is a thousandth of another's it is less than what the choice of a
 * batch changes in the larger one: it is noise, and so is the larger one to the smaller if gradients explode.
 * Over 200 steps that bound is a factor of 0.966 or 1.035 a step, over 20 one of 0.70 or 1.44. */
#define TL_FLOW_BOUND 1e3

/* From here on it is not only little: added to the rest in float32 it is rounded away, 2^-24. */
#define TL_FLOW_ROUNDED_AWAY 5.9604644775390625e-8

typedef struct tl_flow_report {
    tl_flow flow;
    double first, last; /* norms at the step that was taken first, and at the last one that has a gradient */
    double ratio;       /* first / last */
    double factor;      /* what a step back multiplies the norm by, on average over the steps from the last to
                           the farthest that is neither zero nor infinite; 1 if that is one step */
    int64_t reach; /* steps back from the last before the norm leaves the bounds; all of them: it does not */
    char message[400]; /* the same in a sentence, with the verdict in front */
} tl_flow_report;

/* Judges norms [steps], by time; a layer that goes backwards takes the last step first. `name` stands in
 * front of the message. Where there is a loss at every step, as with return_sequences, what arrives at a step
 * is the sum of all that came after it, and says less of how far back any one of them reaches. Without steps,
 * or with zeros alone, the flow is absent. Thread-safe. */
TL_API tl_flow_report tl_flow_judge(const char *name, const double norms[], int64_t steps, bool backwards);

/* "healthy", "vanishing", ...; NULL for a value outside the enumeration. */
TL_API const char *tl_flow_name(tl_flow flow);

#endif
