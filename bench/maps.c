/* Functions element by element, and softmax row by row, over numbers in the first level of cache. */
#include "case.h"
#include "data.h"
#include "tensor/memory_internal.h"
#include "tensor/tensor_internal.h"

typedef struct map_kind {
    const char *name;
    tl_map map;
    int64_t rows, columns; /* softmax: of each row */
    bool softmax;
} map_kind;

static const map_kind kinds[] = {
    {.name = "tanh", .map = TL_MAP_TANH, .rows = 64, .columns = 64},
    {.name = "sigmoid", .map = TL_MAP_SIGMOID, .rows = 64, .columns = 64},
    {.name = "exp", .map = TL_MAP_EXP, .rows = 64, .columns = 64},
    {.name = "softmax", .rows = 32, .columns = 10, .softmax = true},
    {.name = "softmax", .rows = 64, .columns = 65, .softmax = true},
};

typedef struct subject {
    const tl_kernels *kernels;
    const map_kind *kind;
    tl_tensor in, out;
} subject;

static void tear_down(void *given)
{
    subject *s = given;
    tl_tensor_free(&s->in);
    tl_tensor_free(&s->out);
    tl_release(s);
}

static void *set_up(const bench_case *c)
{
    const map_kind *kind = c->what;
    subject *s = tl_allocate(sizeof *s);
    if (!s)
        return NULL;
    tl_shape shape = tl_shape(kind->rows, kind->columns);
    *s = (subject){.kernels = c->kernels,
                   .kind = kind,
                   .in = tl_tensor_new(TL_F32, shape),
                   .out = tl_tensor_new(TL_F32, shape)};
    if (tl_tensor_ok(s->in) && tl_tensor_ok(s->out) && tl_random_fill_uniform(s->in, -4, 4, 1, 1) == TL_OK)
        return s;
    tear_down(s);
    return NULL;
}

static tl_status run(void *given)
{
    const subject *s = given;
    const map_kind *k = s->kind;
    float *in = (float *)(void *)tl_address(s->in), *out = (float *)(void *)tl_address(s->out);
    if (!k->softmax)
        s->kernels->map[k->map](k->rows * k->columns, in, 1, NULL, 1, out, 1, NULL);
    else
        for (int64_t i = 0; i < k->rows; i++)
            s->kernels->softmax(k->columns, in + i * k->columns, out + i * k->columns);
    return TL_OK;
}

tl_status add_maps(case_list *list)
{
    for (int table = 0; table < list->table_count; table++)
        for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
            bench_case c = {.kernels = list->tables[table],
                            .serial = true,
                            .what = &kinds[i],
                            .set_up = set_up,
                            .run = run,
                            .tear_down = tear_down};
            name_case(list, &c, "kernels/%s-%lldx%lld", kinds[i].name, (long long)kinds[i].rows,
                      (long long)kinds[i].columns);
            if (add_case(list, &c) != TL_OK)
                return tl_error_status();
        }
    return TL_OK;
}
