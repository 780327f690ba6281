/* Tracing: which op was the first to give NaN or infinity, forward or on the way back, and where that was.
 * Rests on tape.h.
 *
 * A loss that is NaN says nothing of where it comes from. On a tape that detects anomalies (the name is
 * PyTorch's) each op looks at what it computed, and tl_backward at each gradient that a rule wrote. The first
 * one that is not finite ends the computation with TL_ERROR_NUMERIC and a message that names forward or
 * backward, the op, its scope, the shapes, the place, and the inputs that were not finite already:
 *
 *     sqrt: backward, in simple_rnn/t=17: gradient of input 0 is NaN at [1, 2], where input 0 is 0;
 *     inputs [4, 8], result [4, 8], all finite, and so is the gradient of the result
 *     affine: forward, in dense: result is NaN at [0, 0]; inputs [4, 8], [8, 1], [1], result [4, 1]; input 1
 *     (parameter dense/kernel) brings it in: NaN at [3, 0]
 *
 * No bit of what is computed depends on it, time does. Scopes say where in a model an op is: layers and
 * recurrent loops set them, and so may whoever writes a model on the bare tape:
 *
 *     tl_tape_set_detect_anomaly(tape, true);
 *     for (int t = 0; t < length; t++) {
 *         tl_scope_push_steps(tape, t, 1);
 *         h = my_step(x, h);
 *         tl_scope_pop(tape);
 *     }
 *
 * Ops that give an infinity on purpose, such as the logarithm of 0 in front of a softmax, are found as well.
 * Thread-safety is that of the tape.
 */
#ifndef TL_AUTOGRAD_TRACE_H
#define TL_AUTOGRAD_TRACE_H

#include "tape.h"

/* Whether the tape detects anomalies (at first: no), from the next op on; stays over resets. */
TL_API void tl_tape_set_detect_anomaly(tl_tape *tape, bool detects);
TL_API bool tl_tape_detects_anomaly(const tl_tape *tape);

/* Ops are in this scope until tl_scope_pop, which goes back to the one around it: "encoder" in "model" is
 * model/encoder. The name is copied. A tape that does not detect anomalies knows no scopes, and both cost it
 * next to nothing. A reset leaves all scopes. Fails when out of memory, and the scope is then not there. */
TL_API tl_status tl_scope_push(tl_tape *tape, const char *name);
TL_API void tl_scope_pop(tl_tape *tape);

/* The scope of time step `first`, t=17, or of `count` of them that are computed together, t=16..31. */
TL_API tl_status tl_scope_push_steps(tl_tape *tape, int64_t first, int64_t count);

#endif
