/* Random expressions over the smooth ops against the gradient check: what ops do to each other, which the
 * cases of single ops do not show. The seed of a graph that fails is printed with its nodes. */
#include "tests/autograd/random_graph_internal.h"

#include <stdio.h>

enum { GRAPHS = 300, PER_TEST = 30 };

static const tl_shape input_shapes[INPUTS] = {
    {2, {2, 3}}, {2, {3, 3}}, {3, {2, 2, 3}}, {1, {3}}, {0, {0}},
};

typedef struct request {
    uint64_t seed;
    bool wrong;      /* one of the nodes is an op with a wrong rule */
    int *used;       /* counts kinds of nodes, if not NULL */
    char nodes[512]; /* their names, for messages */
} request;

/* --- an op with a wrong rule --- */

static tl_status identity_forward(const tl_op_call *call)
{
    return tl_tensor_copy(call->output, *call->inputs[0]);
}

static tl_status too_large_backward(const tl_op_call *call)
{
    const double *g = tl_data(call->grad_output);
    double *dx = tl_data_mut(call->grad_inputs[0]);
    for (int64_t i = 0; i < tl_tensor_count(call->output); i++)
        dx[i] = 1.01 * g[i];
    return TL_OK;
}

static const tl_op too_large = {.name = "too_large",
                                .inputs = 1,
                                .infer = tl_infer_same,
                                .forward = identity_forward,
                                .backward = too_large_backward};

/* --- graphs --- */

static void describe(const graph *g, request *r)
{
    size_t used = 0;
    for (int i = INPUTS; i < g->count && used < sizeof r->nodes; i++) {
        used += (size_t)snprintf(r->nodes + used, sizeof r->nodes - used, " %s%s", kinds[g->kinds[i]].name,
                                 TL_SHAPE_TEXT(tl_shape_of(g->vars[i])));
        if (r->used)
            r->used[g->kinds[i]]++;
    }
}

static tl_var *random_graph(void *context, tl_var *const inputs[])
{
    request *r = context;
    graph g = {.seed = r->seed, .tape = tl_tape_of(inputs[0]), .count = INPUTS};
    for (int i = 0; i < INPUTS; i++)
        g.vars[i] = inputs[i];
    if (r->wrong)
        g.vars[0] = tl_apply(&too_large, &inputs[0], 1, NULL, 0);
    bool grown = grow_graph(&g);
    describe(&g, r);
    return grown ? all_of_graph(&g) : NULL;
}

static tl_status check_graph(request *r)
{
    tl_tensor inputs[INPUTS];
    for (int i = 0; i < INPUTS; i++)
        inputs[i] = random_tensor(TL_F64, input_shapes[i], r->seed * INPUTS + (uint64_t)i);
    tl_status status = tl_gradcheck(random_graph, r, inputs, INPUTS, NULL, NULL);
    for (int i = 0; i < INPUTS; i++)
        tl_tensor_free(&inputs[i]);
    return status;
}

START_TEST(random_graphs_pass_the_gradient_check)
{
    for (int seed = _i * PER_TEST; seed < (_i + 1) * PER_TEST; seed++) {
        request r = {.seed = (uint64_t)seed};
        tl_status status = check_graph(&r);
        ck_assert_msg(status == TL_OK, "seed %d:%s: %s", seed, r.nodes, tl_error_message());
    }
}
END_TEST

START_TEST(a_wrong_rule_anywhere_is_caught)
{
    for (int seed = 0; seed < PER_TEST; seed++) {
        request r = {.seed = (uint64_t)seed, .wrong = true};
        ck_assert_msg(check_graph(&r) == TL_ERROR_NUMERIC, "seed %d:%s: passes", seed, r.nodes);
    }
}
END_TEST

START_TEST(graphs_are_made_of_everything)
{
    int used[KINDS] = {0};
    tl_tape *tape = tl_tape_new();
    tl_tensor inputs[INPUTS];
    tl_var *vars[INPUTS];
    for (int i = 0; i < INPUTS; i++)
        inputs[i] = random_tensor(TL_F64, input_shapes[i], (uint64_t)i);
    for (int seed = 0; seed < GRAPHS; seed++) {
        request r = {.seed = (uint64_t)seed, .used = used};
        for (int i = 0; i < INPUTS; i++)
            vars[i] = tl_variable(tape, inputs[i]);
        ck_assert_msg(random_graph(&r, vars) != NULL, "seed %d: %s", seed, tl_error_message());
        tl_tape_reset(tape);
    }
    for (int i = 0; i < KINDS; i++)
        ck_assert_msg(used[i] >= 20, "%s was used %d times", kinds[i].name, used[i]);
    for (int i = 0; i < INPUTS; i++)
        tl_tensor_free(&inputs[i]);
    tl_tape_free(tape);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("random graphs");
    tcase_add_loop_test(tests, random_graphs_pass_the_gradient_check, 0, GRAPHS / PER_TEST);
    tcase_add_test(tests, a_wrong_rule_anywhere_is_caught);
    tcase_add_test(tests, graphs_are_made_of_everything);
    return run_tests("random graphs", tests);
}
