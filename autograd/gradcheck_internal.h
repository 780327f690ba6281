/* What gradient checks of functions and of models have in common: a number that depends on others in memory,
 * and the comparison of its gradient with differences. */
#ifndef TL_AUTOGRAD_GRADCHECK_INTERNAL_H
#define TL_AUTOGRAD_GRADCHECK_INTERNAL_H

#include "autograd/gradcheck.h"

/* The function to be checked. */
typedef struct tl_gradcheck_subject {
    void *context;
    int count;
    tl_tensor *inputs; /* f64 and row-major: moved, and put back bit for bit. Without storage: held fixed */
    const char *const *names; /* of the inputs, if they are parameters; NULL: they have numbers alone */
    tl_status (*evaluate)(void *context, double *value);
    tl_status (*differentiate)(void *context, const tl_tensor gradients[]); /* of those that are moved */
} tl_gradcheck_subject;

/* A comparison under way. */
typedef struct tl_comparison {
    const tl_gradcheck_subject *subject;
    tl_gradcheck_options options; /* defaults filled in */
    tl_gradcheck_report *report;
    tl_tensor *analytic, *again, *numeric; /* for each input; `again` by a second backward pass */
} tl_comparison;

/* Compares; the status is that of tl_gradcheck. options and report may be NULL. */
tl_status tl_gradcheck_run(const tl_gradcheck_subject *subject, const tl_gradcheck_options *options,
                           tl_gradcheck_report *report);

/* The function where one element of one input is moved by `step`. */
tl_status tl_comparison_evaluate_at(const tl_comparison *c, int input, int64_t element, double step,
                                    double *value);

/* How far two sides may be apart. */
double tl_comparison_tolerance(const tl_comparison *c, double numeric);

/* Finds out what is wrong with the report's input at element `worst`, and sets the verdict. */
tl_status tl_gradcheck_diagnose(const tl_comparison *c, int64_t worst);

/* Puts the report into a sentence, and makes that the error; its status follows from the verdict. */
tl_status tl_gradcheck_explain(const tl_comparison *c, int64_t worst);

/* The error for what is not computed in f64, which makes the verdict TL_GRADIENT_DTYPE_TOO_NARROW. */
tl_status tl_gradcheck_narrow(tl_gradcheck_report *report, const char *format, ...) TL_PRINTF(2, 3);

#endif
