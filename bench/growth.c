/* How time and memory of a training step grow with the number of steps, of rows and of units. */
#include "case.h"
#include "data.h"
#include "network.h"
#include "tensor/memory_internal.h"

enum { FEATURES = 16, BATCHES = 2, STANDARD_TIME = 100, STANDARD_ROWS = 32, STANDARD_UNITS = 64 };

static const int64_t times[] = {50, 100, 200, 500, 1000, 2000, 5000},
                     rows[] = {1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024},
                     units[] = {16, 32, 64, 128, 256, 512, 1024};

static void *set_up(const bench_case *c)
{
    network *n = tl_allocate(sizeof *n);
    if (!n)
        return NULL;
    *n = (network){.model = tl_sequential(tl_simple_rnn(c->units), tl_dense(1)),
                   .x = random_floats(tl_shape(BATCHES, c->rows, c->steps, FEATURES), 1),
                   .y = random_floats(tl_shape(BATCHES, c->rows, 1), 2)};
    if (tl_tensor_ok(n->x) && tl_tensor_ok(n->y) &&
        tl_compile(n->model, .optimizer = tl_sgd(), .loss = TL_MEAN_SQUARED_ERROR) == TL_OK)
        return n;
    free_network(n);
    return NULL;
}

static tl_status add_size(case_list *list, const char *axis, int64_t time, int64_t batch, int64_t width)
{
    const double positions = (double)(time * batch);
    bench_case c = {.flops = 2 * positions * (double)(width * (2 * FEATURES + 3 * width)),
                    .rows = batch,
                    .steps = time,
                    .units = width,
                    .set_up = set_up,
                    .run = train_network,
                    .tear_down = free_network,
                    .peak_bytes = network_peak_bytes};
    name_case(list, &c, "growth/%s%lld", axis,
              (long long)(*axis == 'T'   ? time
                          : *axis == 'B' ? batch
                                         : width));
    return add_case(list, &c);
}

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

tl_status add_growth(case_list *list)
{
    tl_status status = TL_OK;
    for (size_t i = 0; i < COUNT(times) && status == TL_OK; i++)
        status = add_size(list, "T", times[i], STANDARD_ROWS, STANDARD_UNITS);
    for (size_t i = 0; i < COUNT(rows) && status == TL_OK; i++)
        status = add_size(list, "B", STANDARD_TIME, rows[i], STANDARD_UNITS);
    for (size_t i = 0; i < COUNT(units) && status == TL_OK; i++)
        status = add_size(list, "U", STANDARD_TIME, STANDARD_ROWS, units[i]);
    return status;
}
