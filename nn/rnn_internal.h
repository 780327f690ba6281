/* What layers around recurrent layers need of them. */
#ifndef TL_NN_RNN_INTERNAL_H
#define TL_NN_RNN_INTERNAL_H

#include "nn/rnn.h"

/* The options of a layer that tl_rnn made; NULL for any other. */
const tl_rnn_options *tl_rnn_options_of(const tl_module *module);

/* The number of states that a layer carries from batch to batch: 0 unless tl_rnn made it, and stateful. State
 * i of a layer that is built, [rows, width], with no rows if it carries nothing at the moment; a view of the
 * layer's own. And another in its place, which the layer takes over. */
int tl_rnn_carried_states(const tl_module *module);
tl_tensor tl_rnn_carried(const tl_module *module, int i);
void tl_rnn_carry(tl_module *module, int i, tl_tensor state);

/* Makes a layer go from the last step to the first, and return sequences in the order of its input even so.
 */
void tl_rnn_turn_round(tl_module *rnn);

#endif
