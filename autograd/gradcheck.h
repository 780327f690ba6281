/* Gradient checks: the gradients of the tape against central differences, with the meaning and the defaults
 * of torch.autograd.gradcheck. Rests on op.h.
 *
 * For every element x of every f64 input, the analytic derivative must be within atol + rtol |numeric| of
 * (f(x + eps) - f(x - eps)) / (2 eps). Where f has more than one element, both sides are of a weighted sum
 * of all of them with fixed random weights, so that no error can hide in one of them. A check that fails says
 * where it fails by most, and what that looks like. Whole models are checked by nn/gradcheck.h.
 *
 * Thread-safety: functions here use nothing shared; `f` is called on the calling thread.
 */
#ifndef TL_AUTOGRAD_GRADCHECK_H
#define TL_AUTOGRAD_GRADCHECK_H

#include "op.h"

/* The function under test: of vars on one tape (tl_tape_of(inputs[0])), returning one var, or NULL with the
 * error set. It must give the same result whenever it is called with the same inputs. */
typedef tl_var *(*tl_gradcheck_function)(void *context, tl_var *const inputs[]);

/* fast_mode compares one number for each input, the derivative along a random direction of length 1, so that
 * its cost depends on how many inputs there are, not on how large they are. What does not agree is checked
 * again element by element, which decides and names the place: fast_mode never fails where the slow mode
 * would not. It may pass where the slow mode fails, since what is wrong is seen through a sum: an error d in
 * one of n elements counts for about d / sqrt(n), against atol + rtol |s| for the slope s along the
 * direction, and errors of several elements may cancel. */
typedef struct tl_gradcheck_options {
    double eps;        /* 0: 1e-6 */
    double atol;       /* 0: 1e-5 */
    double rtol;       /* 0: 1e-3 */
    double nondet_tol; /* how far two calls with the same inputs may be apart; 0: not at all */
    bool fast_mode;
} tl_gradcheck_options;

typedef enum tl_gradcheck_verdict {
    TL_GRADIENT_CORRECT = 0,
    TL_GRADIENT_WRONG_SIGN,        /* analytic = -numeric throughout */
    TL_GRADIENT_FACTOR,            /* analytic = factor x numeric throughout */
    TL_GRADIENT_MISSING_TERM,      /* some right, some wrong, or zero where there should be something */
    TL_GRADIENT_KINK,              /* the function is not smooth at that point: choose another */
    TL_GRADIENT_NOT_DETERMINISTIC, /* two calls with the same inputs differ */
    TL_GRADIENT_NOT_FINITE,        /* NaN or infinity on either side */
    TL_GRADIENT_DTYPE_TOO_NARROW   /* f32 where f64 is needed, or inside of the function */
} tl_gradcheck_verdict;

/* What a check found: the worst element, that is the one farthest outside the tolerance. */
typedef struct tl_gradcheck_report {
    tl_gradcheck_verdict verdict;
    int input;
    const char *parameter;      /* of tl_gradcheck_model: the name, as long as the model lives; else NULL */
    tl_shape shape;             /* of that input */
    int64_t index[TL_MAX_RANK]; /* in it */
    double analytic, numeric;
    double factor;     /* of TL_GRADIENT_FACTOR */
    int64_t checked;   /* derivatives compared in all */
    char message[384]; /* the same in a sentence; "" if all is well */
} tl_gradcheck_report;

/* Checks f at `inputs`. Those of f64 are perturbed and checked; those of i32 and u8 are constants. The
 * tensors are only read. options NULL: the defaults; report NULL: not wanted. TL_OK if every element agrees;
 * TL_ERROR_NUMERIC with the report's message if not; TL_ERROR_DTYPE, with it as well, where a type is too
 * narrow to tell: for f32 among the inputs, an f that gives f32, and one that rounds to f32 on its way, so
 * that differences of 1e-6 drown; or the error that kept f from running. */
TL_API tl_status tl_gradcheck(tl_gradcheck_function f, void *context, const tl_tensor inputs[], int count,
                              const tl_gradcheck_options *options, tl_gradcheck_report *report);

/* Checks every sample case of an op; stops at the first that fails. An op without cases, or without a
 * backward function, is an error. */
TL_API tl_status tl_gradcheck_op(const tl_op *op, tl_gradcheck_report *report);

#endif
