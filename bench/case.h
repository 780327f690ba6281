/* What can be timed: cases by name, in groups, each group in a file of its own. */
#ifndef BENCH_CASE_H
#define BENCH_CASE_H

#include "tensor/kernels/kernels_internal.h"

#include <tapeloop.h>

enum { NAME_SIZE = 64 };

typedef struct bench_case bench_case;
struct bench_case {
    char name[NAME_SIZE]; /* "layers/rnn128"; the group before the slash */
    const tl_kernels
        *kernels;     /* of cases of one kernel, which is called directly; NULL: the library chooses */
    bool serial;      /* one thread, however many there may be */
    double flops;     /* multiplications and additions in products; 0: no count that says much */
    const void *what; /* for set_up */
    int64_t rows;     /* for set_up */

    /* Makes what is run; NULL with the library's error set. */
    void *(*set_up)(const bench_case *c);
    tl_status (*run)(void *subject);
    void (*tear_down)(void *subject);

    /* Where memory matters, else NULL: the most that a run took; and, beside rows, the sizes that it grows
     * with. */
    size_t (*peak_bytes)(const void *subject);
    int64_t steps, units;
};

typedef struct case_list {
    bench_case *items;
    int count, capacity;
    const tl_kernels *tables[8]; /* kernels to list, the chosen ones first */
    int table_count;
} case_list;

/* Appends a copy. */
tl_status add_case(case_list *list, const bench_case *c);

/* Sets the name, printf-style; one of other kernels than the chosen ones gets "@" and their name behind. */
void name_case(const case_list *list, bench_case *c, const char *format, ...) TL_PRINTF(3, 4);

/* The groups. */
tl_status add_products(case_list *list);
tl_status add_maps(case_list *list);
tl_status add_tables(case_list *list);
tl_status add_layers(case_list *list);
tl_status add_steps(case_list *list);
tl_status add_masked(case_list *list);
tl_status add_latency(case_list *list);
tl_status add_growth(case_list *list);
tl_status add_long(case_list *list);

/* All of them, of the chosen kernels or of all that this machine can run. */
tl_status list_cases(case_list *list, bool all_isas);
void free_cases(case_list *list);

#endif
