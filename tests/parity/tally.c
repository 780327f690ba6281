#include "tests/parity/tally_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { MOST_GROUPS = 64, NAME = 80, TYPES = 2 };

typedef struct group {
    char name[NAME];
    int vectors, compared[TYPES];
    double worst[TYPES];
    char where[TYPES][NAME]; /* the rest of the name of the worst case */
} group;

static group *groups; /* in memory that forked processes share; the first without a name is the end */

void tally_start(void)
{
    groups =
        mmap(NULL, MOST_GROUPS * sizeof *groups, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (groups == MAP_FAILED)
        abort();
}

static group *group_of(const char *name)
{
    int length = (int)strcspn(name, "/");
    for (int i = 0; i < MOST_GROUPS; i++) {
        if (!groups[i].name[0])
            snprintf(groups[i].name, NAME, "%.*s", length, name);
        if (strncmp(groups[i].name, name, (size_t)length) == 0 && !groups[i].name[length])
            return &groups[i];
    }
    abort();
}

void tally_vector(const char *name)
{
    group_of(name)->vectors++;
}

void tally_error(const char *name, bool narrow, double error)
{
    group *of = group_of(name);
    of->compared[narrow]++;
    if (of->compared[narrow] > 1 && error <= of->worst[narrow])
        return;
    of->worst[narrow] = error;
    snprintf(of->where[narrow], NAME, "%s", name + strcspn(name, "/") + 1);
}

void tally_print(double float64_bound, double float32_bound)
{
    int vectors = 0, compared = 0;
    printf("%-42s %7s %8s  %-9s %-32s %-9s %s\n", "group", "vectors", "tensors", "float64", "worst in",
           "float32", "worst in");
    for (const group *of = groups; of < groups + MOST_GROUPS && of->name[0]; of++) {
        printf("%-42s %7d %8d  %-9.1e %-32s %-9.1e %s\n", of->name, of->vectors,
               of->compared[0] + of->compared[1], of->worst[0], of->where[0], of->worst[1], of->where[1]);
        vectors += of->vectors;
        compared += of->compared[0] + of->compared[1];
    }
    printf("%d vectors, %d tensors compared; bounds %g and %g\n", vectors, compared, float64_bound,
           float32_bound);
    munmap(groups, MOST_GROUPS * sizeof *groups);
}
