/* Matrix products of the shapes that recurrent layers have: out[m, n] = a[m, k] b[k, n] over packed b, the
 * same with the rest of a recurrent step, tanh(a b + c), and the accumulating out[k, n] += a[m, k]^T g[m, n]
 * that makes gradients of weights. m is that of a shard. */
#include "case.h"
#include "data.h"
#include "tensor/memory_internal.h"
#include "tensor/tensor_internal.h"

typedef struct product_shape {
    int64_t k, n;
} product_shape;

/* Those of the steps imdb (one), rows and pixels (three each: input, recurrent, output) and char (two), of
 * the layers of 128, 256 and 512 units, and of the GRU's. */
static const product_shape shapes[] = {{32, 32},   {28, 50},   {50, 50},   {50, 10},  {1, 100},
                                       {100, 100}, {100, 10},  {256, 256}, {256, 65}, {128, 128},
                                       {128, 256}, {128, 384}, {512, 512}};
static const int64_t heights[] = {8, 16, 32, 64};

/* One of the two is run. */
typedef struct subject {
    const tl_kernels *kernels;
    tl_product product;
    tl_outer outer;
    tl_pair pair;
    tl_tensor a, b, c, out;
    void *packed;
} subject;

static void tear_down(void *given)
{
    subject *s = given;
    tl_tensor *tensors[] = {&s->a, &s->b, &s->c, &s->out};
    for (int i = 0; i < 4; i++)
        tl_tensor_free(tensors[i]);
    tl_release(s->packed);
    tl_release(s);
}

static subject *new_subject(const bench_case *c, tl_shape b, tl_shape out)
{
    const product_shape *shape = c->what;
    subject *s = tl_allocate(sizeof *s);
    if (!s)
        return NULL;
    s->kernels = c->kernels;
    s->a = random_floats(tl_shape(c->rows, shape->k), 1);
    s->b = random_floats(b, 2);
    s->c = random_floats(out, 3);
    s->out = tl_tensor_new(TL_F32, out);
    if (tl_tensor_ok(s->a) && tl_tensor_ok(s->b) && tl_tensor_ok(s->c) && tl_tensor_ok(s->out))
        return s;
    tear_down(s);
    return NULL;
}

static subject *set_up_packed(const bench_case *c, bool step)
{
    const int64_t m = c->rows, k = ((const product_shape *)c->what)->k,
                  n = ((const product_shape *)c->what)->n;
    subject *s = new_subject(c, tl_shape(k, n), tl_shape(m, n));
    if (!s)
        return NULL;
    s->packed = tl_allocate(s->kernels->packed_bytes(k, n));
    if (!s->packed) {
        tear_down(s);
        return NULL;
    }
    s->kernels->pack(k, n, tl_address(s->b), n, 1, s->packed);
    s->product = (tl_product){.m = m,
                              .n = n,
                              .k = k,
                              .a = tl_address(s->a),
                              .a_row = k,
                              .b = s->packed,
                              .c = step ? tl_address(s->c) : NULL,
                              .c_row = n,
                              .out = tl_address(s->out),
                              .out_row = n,
                              .activation = step ? TL_MAP_TANH : TL_MAP_COPY};
    return s;
}

static void *set_up_product(const bench_case *c)
{
    return set_up_packed(c, false);
}

static void *set_up_step(const bench_case *c)
{
    return set_up_packed(c, true);
}

static void *set_up_outer(const bench_case *c)
{
    const int64_t m = c->rows, k = ((const product_shape *)c->what)->k,
                  n = ((const product_shape *)c->what)->n;
    subject *s = new_subject(c, tl_shape(m, n), tl_shape(k, n));
    if (!s)
        return NULL;
    s->pair = (tl_pair){tl_address(s->a), tl_address(s->b)};
    s->outer = (tl_outer){.m = m,
                          .n = n,
                          .k = k,
                          .count = 1,
                          .pairs = &s->pair,
                          .a_row = k,
                          .g_row = n,
                          .out = tl_address(s->out),
                          .out_row = n,
                          .add = true};
    return s;
}

static tl_status run_product(void *given)
{
    const subject *s = given;
    s->kernels->product(&s->product);
    return TL_OK;
}

static tl_status run_outer(void *given)
{
    const subject *s = given;
    s->kernels->outer(&s->outer);
    return TL_OK;
}

static const struct {
    const char *name;
    void *(*set_up)(const bench_case *c);
    tl_status (*run)(void *subject);
} kinds[] = {{"product", set_up_product, run_product},
             {"step", set_up_step, run_product},
             {"outer", set_up_outer, run_outer}};

static tl_status add_kind(case_list *list, const tl_kernels *kernels, int kind)
{
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++)
        for (size_t j = 0; j < sizeof heights / sizeof heights[0]; j++) {
            const int64_t m = heights[j], k = shapes[i].k, n = shapes[i].n;
            bench_case c = {.kernels = kernels,
                            .serial = true,
                            .flops = 2.0 * (double)(m * k * n),
                            .what = &shapes[i],
                            .rows = m,
                            .set_up = kinds[kind].set_up,
                            .run = kinds[kind].run,
                            .tear_down = tear_down};
            name_case(list, &c, "kernels/%s-%lldx%lldx%lld", kinds[kind].name, (long long)m, (long long)k,
                      (long long)n);
            if (add_case(list, &c) != TL_OK)
                return tl_error_status();
        }
    return TL_OK;
}

tl_status add_products(case_list *list)
{
    for (int i = 0; i < list->table_count; i++)
        for (int kind = 0; kind < (int)(sizeof kinds / sizeof kinds[0]); kind++)
            if (add_kind(list, list->tables[i], kind) != TL_OK)
                return tl_error_status();
    return TL_OK;
}
