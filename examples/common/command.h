/* What the programs' command lines have in common: reading them with popt, and saying what is wrong. */
#ifndef COMMON_COMMAND_H
#define COMMON_COMMAND_H

#include <float.h>
#include <limits.h>
#include <popt.h>
#include <stddef.h>

enum { GO_ON = -1, USAGE = 2 };

/* What a number is before an option gave it, where that has no number for a default. */
#define NO_NUMBER (-DBL_MAX)
enum { NOT_GIVEN = INT_MIN };

/* A number that an option gave, and where it makes sense. */
typedef struct range {
    const char *option; /* without its dashes */
    double value, least, most;
} range;

/* What an option asks for, as it is written on the command line. */
typedef struct choice {
    const char *option, *value, *const *expected; /* ended by NULL */
} choice;

typedef struct command {
    const char *name;  /* of the program; in front of its messages from now on */
    const char *usage; /* for --help, behind the name: "[OPTION...] [TEXT]\nWhat it does.\n" */
    const struct poptOption *options;

    /* What is wrong with what the options gave, in `text` or elsewhere; NULL if nothing is. May be NULL. */
    const char *(*find_mistake)(const void *given, char text[], size_t size);
    const void *given;

    /* The options, ended by NULL, of which values are listed as a text, "units 32 mask 0", but for those that
     * have none. Left alone if `listed` is NULL. */
    const char *const *names;
    char *listed;
    size_t listed_size;

    char **argument; /* where a single argument behind the options goes, to be freed; NULL: there is none */
} command;

/* Reads a command line. GO_ON, or the status to leave the program with: USAGE after a mistake, which
 * was explained on standard error. --help ends the program. */
int read_command(const command *c, int argc, const char **argv);

/* For find_mistake: the first number outside its range, or value that is not among those expected; NULL if
 * all are fine. What is NO_NUMBER or NOT_GIVEN is left alone. */
const char *find_out_of_range(const range ranges[], int count, char text[], size_t size);
const char *find_unknown(const choice choices[], int count, char text[], size_t size);

/* Prints the library's message on standard error. Returns 1, or what shells have for a program that a signal
 * has ended, if that is what happened: 130 for SIGINT, 143 for SIGTERM. */
int fail(void);

/* The status of a program that has come to its end; output that was lost makes it a failure. */
int finish(int status);

#endif
