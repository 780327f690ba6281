/* The instruction set that the library computes float32 with. Rests on error.h.
 *
 * With one instruction set, results are a function of seed and data, bit for bit, whatever the number of
 * threads and in every run. Another one adds up in another order and has tanh, exp and sigmoid with errors of
 * its own (within 3 ulp), so that weights drift apart: after 1, 10 and 100 steps by at most 1e-4 of the
 * largest weight of a parameter with RMSprop, 5e-5 with Adam and 1e-5 with SGD, in trainings of the size of
 * tests/nn/test_isa.c, which holds every table to that. Compilers are held to the same
 * (scripts/compare-builds): kernels are compiled so that none reorders or contracts on its own. Float64 is
 * computed without vectors, the same under each. */
#ifndef TL_TENSOR_ISA_H
#define TL_TENSOR_ISA_H

#include "error.h"

/* Its name: "avx512", "avx2", "neon" or "baseline", the best that the machine can run, or what the variable
 * TAPELOOP_ISA named when the library first computed something; "plain" is C without vectors. NULL, with the
 * error set, if TAPELOOP_ISA names what this machine cannot run: then no tape can be made either. Lasts as
 * long as the program. Thread-safe. */
TL_API const char *tl_isa(void);

#endif
