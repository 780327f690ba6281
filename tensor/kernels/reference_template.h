/* The plain table for one element type: plain_template.h with products as three loops. Include with REAL,
 * MATH and NAME as there, and TABLE, the name of the table. The vector code is tested against this. */
#define WITH_SMOOTH_MAPS
#include "plain_template.h"

static size_t NAME(packed_bytes)(int64_t k, int64_t n)
{
    return (size_t)(k * n) * sizeof(REAL);
}

static void NAME(pack)(int64_t k, int64_t n, const void *b, int64_t b_row, int64_t b_column, void *packed)
{
    const REAL *x = b;
    REAL *z = packed;
    for (int64_t i = 0; i < k; i++)
        for (int64_t j = 0; j < n; j++)
            z[i * n + j] = x[i * b_row + j * b_column];
}

static void NAME(product)(const tl_product *p)
{
    const REAL *a = p->a, *b = p->b, *c = p->c;
    tl_map_kernel *activation = TABLE.map[p->activation];
    for (int64_t i = 0; i < p->m; i++) {
        REAL *z = (REAL *)p->out + i * p->out_row;
        const REAL *x = a + i * p->a_row;
        if (p->mask && !p->mask[i * p->mask_stride]) {
            memcpy(z, x, (size_t)p->n * sizeof *z);
            continue;
        }
        for (int64_t j = 0; j < p->n; j++)
            z[j] = c ? c[i * p->c_row + j] : 0;
        for (int64_t l = 0; l < p->k; l++)
            for (int64_t j = 0; j < p->n; j++)
                z[j] += x[l] * b[l * p->n + j];
        activation(p->n, z, 1, NULL, 1, z, 1, NULL);
        if (p->slope != TL_MAP_COPY)
            TABLE.map[p->slope](p->n, z, 1, (const REAL *)p->h + i * p->h_row, 1, z, 1, NULL);
    }
}

static void NAME(outer)(const tl_outer *o)
{
    for (int64_t l = 0; l < o->k; l++) {
        REAL *z = (REAL *)o->out + l * o->out_row;
        if (!o->add)
            memset(z, 0, (size_t)o->n * sizeof *z);
        for (int64_t i = 0; i < o->count * o->m; i++) {
            const int64_t row = o->m - 1 - i % o->m;
            const REAL *a = (const REAL *)o->pairs[i / o->m].a + row * o->a_row;
            const REAL *g = (const REAL *)o->pairs[i / o->m].g + row * o->g_row;
            for (int64_t j = 0; j < o->n; j++)
                z[j] += a[o->first + l] * g[j];
        }
    }
}

static void NAME(gather)(int64_t count, int64_t n, const void *table, int64_t table_row, const int32_t *ids,
                         int64_t id_step, void *out, int64_t out_row)
{
    const REAL *rows = table;
    REAL *z = out;
    for (int64_t i = 0; i < count; i++, z += out_row) {
        const REAL *x = rows + ids[i * id_step] * table_row;
        for (int64_t j = 0; j < n; j++)
            z[j] = x[j];
    }
}

static void NAME(add_rows)(int64_t count, int64_t n, const void *a, int64_t a_row, void *const *to)
{
    const REAL *x = a;
    for (int64_t i = 0; i < count; i++, x += a_row) {
        REAL *z = to[i];
        for (int64_t j = 0; j < n; j++)
            z[j] += x[j];
    }
}

static void NAME(add_up_rows)(int64_t count, int64_t n, const void *const *from, void *out)
{
    REAL *z = out;
    for (int64_t i = 0; i < count; i++) {
        const REAL *x = from[i];
        for (int64_t j = 0; j < n; j++)
            z[j] += x[j];
    }
}

const tl_kernels TABLE = {
    .isa = "plain",
    .map = {PLAIN_MAPS(MAP_ENTRY) SMOOTH_MAPS(MAP_ENTRY)},
    PLAIN_ENTRIES,
    .gather = NAME(gather),
    .add_rows = NAME(add_rows),
    .add_up_rows = NAME(add_up_rows),
    .packed_bytes = NAME(packed_bytes),
    .pack = NAME(pack),
    .product = NAME(product),
    .outer = NAME(outer),
};

#undef WITH_SMOOTH_MAPS
#undef EXP_MAP
#undef PLAIN_MAPS
#undef SMOOTH_MAPS
#undef MAP_ENTRY
#undef PLAIN_ENTRIES
