/* What the programs of this folder have in common: each times one case, named as bench names its own, of
 * another library, and prints a line. PROGRAM CASE [THREADS [SECONDS]] */
#ifndef BENCH_PEER_H
#define BENCH_PEER_H

#include "../measure.h"

typedef struct peer_order {
    const char *name; /* of the case */
    int threads;
    double seconds;
} peer_order;

/* Reads the command line; explains a mistake and ends the program. Denormal numbers count as zero from then
 * on, as they do in ours: they would slow every peer. */
peer_order read_order(int argc, char *const argv[]);

/* Ends the program with a message. */
_Noreturn void give_up(const char *format, ...) TL_PRINTF(1, 2);

/* Times it, and prints what was found. Returns the status of the program. */
int time_peer(const peer_order *order, tl_status (*run)(void *subject), void *subject);

/* Numbers uniform in [-0.1, 0.1]. */
void fill_randomly(float *numbers, size_t count);

#endif
