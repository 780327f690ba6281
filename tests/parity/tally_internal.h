/* The worst errors by group, over all tests of a program, each of which Check runs in a process of its own. A
 * case belongs to the group that its name begins with: "add" for "add/row". */
#ifndef TL_TESTS_PARITY_TALLY_INTERNAL_H
#define TL_TESTS_PARITY_TALLY_INTERNAL_H

#include <stdbool.h>

/* Before the tests: makes the table, and counts a vector. */
void tally_start(void);
void tally_vector(const char *name);

/* In a test: an error of a case, in float32 or in float64. */
void tally_error(const char *name, bool narrow, double error);

/* After the tests: prints the table and frees it. */
void tally_print(double float64_bound, double float32_bound);

#endif
