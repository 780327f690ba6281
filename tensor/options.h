/* Options by name: how constructors take them.
 *
 *     tl_simple_rnn(32, .return_sequences = true)
 *
 * is a macro around tl_simple_rnn_with(&(tl_simple_rnn_options){...}), which other languages call. A field
 * left out is zero and means the default; where zero itself is wanted and the default is something else,
 * TL_ZERO says so. The first field, `size`, is set by the macro, so that a program compiled against an older
 * header goes on working: fields that it never heard of are left out. Rests on error.h.
 */
#ifndef TL_TENSOR_OPTIONS_H
#define TL_TENSOR_OPTIONS_H

#include "error.h"

#include <stddef.h>

/* A zero that was meant. */
#define TL_ZERO (-0.0)

/* `value`, or `standard` if the value was left out. */
TL_API double tl_option(double value, double standard);

#endif
