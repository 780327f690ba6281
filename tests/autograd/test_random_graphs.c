/* Random expressions over all ops against the gradient check, and float32 against float64: what ops do to
 * each other, which the cases of single ops do not show. The seed of a graph that fails is printed with its
 * nodes.
 *
 * TAPELOOP_GRAPHS tells how many graphs (if not 1500), TAPELOOP_FIRST_SEED where their seeds start (if not at
 * 0).
 */
#include "autograd/tape_internal.h"
#include "tests/autograd/random_graph_internal.h"

#include <stdio.h>

enum { GRAPHS = 1500, PER_TEST = 50, FEW = 50 };

/* By how much float32 may be off, as a part of the largest number of a tensor or of 1. Over 50,000 graphs the
 * worst was 2.9e-6. */
static const double float32_bound = 1e-5;

static const tl_shape input_shapes[INPUTS] = {
    {2, {2, 3}}, {2, {3, 3}}, {3, {2, 2, 3}}, {1, {3}}, {0, {0}},
};

typedef struct request {
    uint64_t seed;
    bool wrong;      /* one of the nodes is an op with a wrong rule */
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
    for (int i = INPUTS; i < g->count && used < sizeof r->nodes; i++)
        used += (size_t)snprintf(r->nodes + used, sizeof r->nodes - used, " %s%s", kinds[g->kinds[i]].name,
                                 TL_SHAPE_TEXT(tl_shape_of(g->vars[i])));
}

/* The graph over the inputs; false with the error set if an op refused what it was given. */
static bool grow(graph *g, request *r, tl_var *const inputs[])
{
    *g = (graph){.seed = r->seed, .tape = tl_tape_of(inputs[0]), .count = INPUTS};
    for (int i = 0; i < INPUTS; i++)
        g->vars[i] = inputs[i];
    if (r->wrong)
        g->vars[0] = tl_apply(&too_large, &inputs[0], 1, NULL, 0);
    bool grown = grow_graph(g);
    describe(g, r);
    return grown;
}

static tl_var *random_graph(void *context, tl_var *const inputs[])
{
    graph g;
    return grow(&g, context, inputs) ? all_of_graph(&g) : NULL;
}

static void new_inputs(tl_dtype dtype, uint64_t seed, tl_tensor inputs[INPUTS])
{
    for (int i = 0; i < INPUTS; i++)
        inputs[i] = random_tensor(dtype, input_shapes[i], seed * INPUTS + (uint64_t)i);
}

static void free_inputs(tl_tensor inputs[INPUTS])
{
    for (int i = 0; i < INPUTS; i++)
        tl_tensor_free(&inputs[i]);
}

static tl_status check_graph(request *r, int64_t *checked)
{
    tl_tensor inputs[INPUTS];
    tl_gradcheck_report report;
    new_inputs(TL_F64, r->seed, inputs);
    tl_status status = tl_gradcheck(random_graph, r, inputs, INPUTS, NULL, &report);
    free_inputs(inputs);
    *checked += report.checked;
    return status;
}

/* --- Which seeds --- */

static uint64_t first_seed;
static int graphs = GRAPHS;

static void read_environment(void)
{
    const char *first = getenv("TAPELOOP_FIRST_SEED"), *count = getenv("TAPELOOP_GRAPHS");
    if (first)
        first_seed = strtoull(first, NULL, 10);
    if (count)
        graphs = (int)strtol(count, NULL, 10);
    printf("random graphs: %d, seeds %llu to %llu\n", graphs, (unsigned long long)first_seed,
           (unsigned long long)first_seed + (unsigned long long)graphs - 1);
    fflush(stdout); /* before it forks */
}

/* The seeds of one test. */
static int first_of(int test)
{
    return test * PER_TEST;
}

static int end_of(int test)
{
    return (test + 1) * PER_TEST < graphs ? (test + 1) * PER_TEST : graphs;
}

static int test_count(void)
{
    return (graphs + PER_TEST - 1) / PER_TEST;
}

static request request_of(int number)
{
    return (request){.seed = first_seed + (uint64_t)number};
}

/* --- Against differences --- */

START_TEST(random_graphs_pass_the_gradient_check)
{
    int64_t checked = 0;
    for (int i = first_of(_i); i < end_of(_i); i++) {
        request r = request_of(i);
        tl_status status = check_graph(&r, &checked);
        ck_assert_msg(status == TL_OK, "seed %llu:%s: %s", (unsigned long long)r.seed, r.nodes,
                      tl_error_message());
    }
    printf("seeds from %llu: %d graphs, %lld derivatives\n",
           (unsigned long long)first_seed + (unsigned long long)first_of(_i), end_of(_i) - first_of(_i),
           (long long)checked);
}
END_TEST

START_TEST(a_wrong_rule_anywhere_is_caught)
{
    int64_t checked = 0;
    for (int i = 0; i < FEW; i++) {
        request r = request_of(i);
        r.wrong = true;
        ck_assert_msg(check_graph(&r, &checked) == TL_ERROR_NUMERIC, "seed %llu:%s: passes",
                      (unsigned long long)r.seed, r.nodes);
    }
}
END_TEST

/* --- float32 against float64 --- */

/* A graph with the gradients of its inputs, from random gradients of everything in it. */
typedef struct differentiated_graph {
    tl_tape *tape;
    graph g;
    tl_tensor inputs[INPUTS];
} differentiated_graph;

static void differentiate_graph(differentiated_graph *d, request *r, tl_dtype dtype)
{
    tl_var *vars[INPUTS];
    new_inputs(dtype, r->seed, d->inputs);
    d->tape = tl_tape_new();
    for (int i = 0; i < INPUTS; i++)
        vars[i] = tl_variable(d->tape, d->inputs[i]);
    ck_assert_msg(grow(&d->g, r, vars), "seed %llu: %s", (unsigned long long)r->seed, tl_error_message());
    tl_var *all = all_of_graph(&d->g);
    tl_tensor seed = random_tensor(dtype, tl_shape_of(all), r->seed + 1000);
    check_ok(tl_backward_from(all, seed));
    tl_tensor_free(&seed);
}

static void free_graph(differentiated_graph *d)
{
    tl_tape_free(d->tape);
    free_inputs(d->inputs);
}

static double check_near(const request *r, const char *what, int number, tl_tensor narrow, tl_tensor wide)
{
    ck_assert(narrow.dtype == TL_F32 && wide.dtype == TL_F64);
    double apart = difference(narrow, wide);
    ck_assert_msg(apart <= float32_bound, "seed %llu:%s: the %s %d is off by %.3g",
                  (unsigned long long)r->seed, r->nodes, what, number, apart);
    return apart;
}

START_TEST(float32_agrees_with_float64)
{
    double most = 0;
    for (int i = first_of(_i); i < end_of(_i); i++) {
        request r = request_of(i);
        differentiated_graph narrow, wide;
        differentiate_graph(&narrow, &r, TL_F32);
        differentiate_graph(&wide, &r, TL_F64);
        for (int j = INPUTS; j < MOST_VARS; j++)
            most = fmax(most, check_near(&r, "value of node", j - INPUTS, tl_value(narrow.g.vars[j]),
                                         tl_value(wide.g.vars[j])));
        for (int j = 0; j < INPUTS; j++)
            most = fmax(most, check_near(&r, "gradient of input", j, tl_grad(narrow.g.vars[j]),
                                         tl_grad(wide.g.vars[j])));
        free_graph(&narrow);
        free_graph(&wide);
    }
    printf("seeds from %llu: float32 is off by %.2g at most\n",
           (unsigned long long)first_seed + (unsigned long long)first_of(_i), most);
}
END_TEST

/* --- What they are made of --- */

static int index_of(const tl_op *op)
{
    int i = 0;
    while (tl_op_at(i) && tl_op_at(i) != op)
        i++;
    return i;
}

START_TEST(graphs_are_made_of_everything)
{
    enum { MOST_OPS = 100, ENOUGH = 20, SAMPLE = 300 };
    int used[KINDS] = {0}, ops[MOST_OPS] = {0};
    for (uint64_t seed = 0; seed < SAMPLE; seed++) {
        differentiated_graph d;
        differentiate_graph(&d, &(request){.seed = seed}, TL_F64);
        for (int i = INPUTS; i < MOST_VARS; i++)
            used[d.g.kinds[i]]++;
        for (const tl_node *node = d.tape->last; node; node = node->previous)
            ops[index_of(node->op)]++;
        free_graph(&d);
    }
    for (int i = 0; i < KINDS; i++) {
        ck_assert_msg(used[i] >= ENOUGH, "%s was used %d times", kinds[i].name, used[i]);
        const tl_op *op = NULL;
        for (int j = 0; (op = tl_op_at(j)); j++) /* views leave no nodes behind */
            ops[j] += op->view && strcmp(op->name, kinds[i].name) == 0 ? used[i] : 0;
    }
    for (int j = 0; tl_op_at(j); j++)
        ck_assert_msg(ops[j] >= ENOUGH, "op %s was used %d times", tl_op_at(j)->name, ops[j]);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("random graphs");
    read_environment();
    tcase_add_loop_test(tests, random_graphs_pass_the_gradient_check, 0, test_count());
    tcase_add_loop_test(tests, float32_agrees_with_float64, 0, test_count());
    tcase_add_test(tests, a_wrong_rule_anywhere_is_caught);
    tcase_add_test(tests, graphs_are_made_of_everything);
    return run_tests("random graphs", tests);
}
