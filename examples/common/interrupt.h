/* Ctrl-C, and what the system sends before it shuts down: training finishes its step and is saved first. */
#ifndef COMMON_INTERRUPT_H
#define COMMON_INTERRUPT_H

#include <signal.h>

/* The number of the signal that came; 0: none. For tl_fit's .stop. */
extern volatile sig_atomic_t interrupted;

/* From now on SIGINT and SIGTERM are noted; a second one ends the program at once. */
void catch_interrupts(void);

/* And from now on they end the program at once again. */
void release_interrupts(void);

#endif
