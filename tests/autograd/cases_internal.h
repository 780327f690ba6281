/* Running the sample cases of ops, for the tests that walk the registry. */
#ifndef TL_TESTS_AUTOGRAD_CASES_INTERNAL_H
#define TL_TESTS_AUTOGRAD_CASES_INTERNAL_H

#include "autograd/cases_internal.h"
#include "tests/autograd/testing_internal.h"

/* A case on a tape: `tensors` are the caller's, an input that is another one again has none. */
typedef struct case_run {
    const tl_op *op;
    const tl_op_case *sample;
    tl_dtype dtype;
    tl_tensor tensors[TL_MAX_INPUTS];
    tl_var *vars[TL_MAX_INPUTS];
    tl_var *output;
} case_run;

/* What came of it, in tensors of the caller's. An input without a gradient has none. */
typedef struct case_result {
    tl_tensor value, gradients[TL_MAX_INPUTS];
} case_result;

static inline case_run new_case_run(const tl_op *op, const tl_op_case *sample, tl_dtype dtype)
{
    case_run run = {.op = op, .sample = sample, .dtype = dtype};
    check_ok(tl_case_tensors(sample, dtype, run.tensors));
    return run;
}

static inline void free_case_run(case_run *run)
{
    for (int i = 0; i < TL_MAX_INPUTS; i++)
        tl_tensor_free(&run->tensors[i]);
}

static inline bool has_gradient(const case_run *run, int input)
{
    return run->tensors[input].storage && tl_dtype_is_float(run->tensors[input].dtype);
}

/* Forward on a tape that was reset; the op's value is there when this returns. */
static inline void record_case(case_run *run, tl_tape *tape)
{
    for (int i = 0; i < run->sample->count; i++)
        run->vars[i] =
            has_gradient(run, i) ? tl_variable(tape, run->tensors[i]) : tl_input(tape, run->tensors[i]);
    run->output = tl_case_apply(run->op, run->sample, run->vars);
    ck_assert_msg(run->output && tl_tensor_ok(tl_value(run->output)), "%s (%s): %s", run->op->name,
                  run->sample->name, tl_error_message());
}

/* Backward from random gradients, the same for f32 and f64 up to rounding. */
static inline tl_status differentiate_case(const case_run *run)
{
    tl_tensor seed = random_tensor(run->dtype, tl_shape_of(run->output), 1000);
    tl_status status = tl_backward_from(run->output, seed);
    tl_tensor_free(&seed);
    return status;
}

static inline case_result case_result_of(const case_run *run)
{
    case_result result = {.value = copy_of(tl_value(run->output))};
    for (int i = 0; i < run->sample->count; i++)
        if (has_gradient(run, i))
            result.gradients[i] = copy_of(tl_grad(run->vars[i]));
    return result;
}

static inline case_result differentiated(case_run *run, tl_tape *tape)
{
    tl_tape_reset(tape);
    record_case(run, tape);
    tl_status status = differentiate_case(run);
    ck_assert_msg(status == TL_OK, "%s (%s): %s", run->op->name, run->sample->name, tl_error_message());
    return case_result_of(run);
}

static inline void free_case_result(case_result *result)
{
    tl_tensor_free(&result->value);
    for (int i = 0; i < TL_MAX_INPUTS; i++)
        tl_tensor_free(&result->gradients[i]);
}

/* The number of ops in the registry. */
static inline int op_count(void)
{
    int count = 0;
    while (tl_op_at(count))
        count++;
    return count;
}

#endif
