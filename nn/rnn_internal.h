/* What layers around recurrent layers need of them. */
#ifndef TL_NN_RNN_INTERNAL_H
#define TL_NN_RNN_INTERNAL_H

#include "nn/rnn.h"

/* The options of a layer that tl_rnn made; NULL for any other. */
const tl_rnn_options *tl_rnn_options_of(const tl_module *module);

/* Makes a layer go from the last step to the first, and return sequences in the order of its input even so.
 */
void tl_rnn_turn_round(tl_module *rnn);

#endif
