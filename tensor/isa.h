/* The instruction set that the library computes float32 with. Rests on error.h. */
#ifndef TL_TENSOR_ISA_H
#define TL_TENSOR_ISA_H

#include "error.h"

/* Its name: "avx512", "avx2", "neon" or "baseline", the best that the machine can run, or what the variable
 * TAPELOOP_ISA named when the library first computed something; "plain" is C without vectors. NULL, with the
 * error set, if TAPELOOP_ISA names what this machine cannot run: then no tape can be made either. Lasts as
 * long as the program. Thread-safe. */
TL_API const char *tl_isa(void);

#endif
