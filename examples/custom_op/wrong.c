/* The op with two mistakes. Neither crashes, and a network trains with either, which is why one checks: with
 * the sign wrong its loss falls and then stays too high, and of the missing term there is next to nothing to
 * see.
 */
#include "snake.h"

#include <math.h>

/* The op in all but its rule. */
static tl_op with_rule(const char *name, tl_status (*backward)(const tl_op_call *call))
{
    tl_op op = snake_op;
    op.name = name;
    op.backward = backward;
    return op;
}

static double minus_by_a(double x, double a)
{
    return -snake_by_a(x, a);
}

static tl_status backward_of_wrong_sign(const tl_op_call *call)
{
    return snake_gradients(call, snake_by_x, minus_by_a);
}

tl_op snake_of_wrong_sign(void)
{
    return with_rule("snake of wrong sign", backward_of_wrong_sign);
}

/* The product rule forgotten: as if 1 / a were a constant. */
static double by_a_without_a_term(double x, double a)
{
    return x * sin(2 * a * x) / a;
}

static tl_status backward_without_a_term(const tl_op_call *call)
{
    return snake_gradients(call, snake_by_x, by_a_without_a_term);
}

tl_op snake_without_a_term(void)
{
    return with_rule("snake without a term", backward_without_a_term);
}
