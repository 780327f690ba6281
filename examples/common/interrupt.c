#include "interrupt.h"

#include <stddef.h>

volatile sig_atomic_t interrupted;

static const int caught[] = {SIGINT, SIGTERM};
enum { CAUGHT = sizeof caught / sizeof caught[0] };

static struct sigaction before[CAUGHT];

/* Sets what signals do, and notes in `old`, unless that is NULL, what they did. */
static void set_all(void (*handler)(int), struct sigaction old[])
{
    struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART};
    sigemptyset(&action.sa_mask);
    for (int i = 0; i < CAUGHT; i++)
        sigaction(caught[i], &action, old ? &old[i] : NULL);
}

static void note(int number)
{
    interrupted = number;
    set_all(SIG_DFL, NULL);
}

void catch_interrupts(void)
{
    set_all(note, before);
}

void release_interrupts(void)
{
    for (int i = 0; i < CAUGHT; i++)
        sigaction(caught[i], &before[i], NULL);
}
