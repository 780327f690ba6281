/* Rows that lie here and there, as vector code: rows are short, so what counts is how they end. */
#include "tensor/kernels/vector_internal.h"

/* Memory is asked for rows some time ahead, since they come from anywhere. */
enum { AHEAD = 8 };

ALWAYS_INLINE void ask_for(int64_t n, const float *row)
{
    enum { LINE = 16 };
    for (int64_t at = 0; at < n; at += LINE)
        __builtin_prefetch(row + at);
}

void FOR_ISA(tl_gather)(int64_t count, int64_t n, const void *table, int64_t table_row, const int32_t *ids,
                        int64_t id_step, void *out, int64_t out_row)
{
    const float *rows = table;
    float *z = out;
    for (int64_t i = 0; i < count; i++, z += out_row) {
        const float *x = rows + ids[i * id_step] * table_row;
        if (i + AHEAD < count)
            ask_for(n, rows + ids[(i + AHEAD) * id_step] * table_row);
        int64_t j = 0;
        for (; j + WIDTH <= n; j += WIDTH)
            store(z + j, load(x + j));
        if (j < n)
            store_part(z + j, load_part(x + j, n - j), n - j);
    }
}

/* z += x */
ALWAYS_INLINE void add_row(int64_t n, const float *x, float *z)
{
    int64_t j = 0;
    for (; j + WIDTH <= n; j += WIDTH)
        store(z + j, load(z + j) + load(x + j));
    if (j < n)
        store_part(z + j, load_part(z + j, n - j) + load_part(x + j, n - j), n - j);
}

void FOR_ISA(tl_add_rows)(int64_t count, int64_t n, const void *a, int64_t a_row, void *const *to)
{
    const float *x = a;
    for (int64_t i = 0; i < count; i++, x += a_row) {
        if (i + AHEAD < count)
            ask_for(n, to[i + AHEAD]);
        add_row(n, x, to[i]);
    }
}

void FOR_ISA(tl_add_up_rows)(int64_t count, int64_t n, const void *const *from, void *out)
{
    for (int64_t i = 0; i < count; i++)
        add_row(n, from[i], out);
}
