#include "case.h"
#include "tensor/memory_internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

tl_status add_case(case_list *list, const bench_case *c)
{
    if (list->count == list->capacity) {
        int capacity = list->capacity ? 2 * list->capacity : 128;
        bench_case *grown = tl_allocate((size_t)capacity * sizeof *grown);
        if (!grown)
            return TL_ERROR_MEMORY;
        if (list->count > 0)
            memcpy(grown, list->items, (size_t)list->count * sizeof *grown);
        tl_release(list->items);
        list->items = grown;
        list->capacity = capacity;
    }
    list->items[list->count++] = *c;
    return TL_OK;
}

void name_case(const case_list *list, bench_case *c, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(c->name, sizeof c->name, format, arguments);
    va_end(arguments);
    size_t used = strlen(c->name);
    if (c->kernels && c->kernels != list->tables[0])
        snprintf(c->name + used, sizeof c->name - used, "@%s", c->kernels->isa);
}

/* The chosen table first, then the others if they are wanted. */
static void choose_tables(case_list *list, bool all_isas)
{
    const tl_kernels *all[sizeof list->tables / sizeof list->tables[0]];
    int count = all_isas ? tl_kernels_available(all, (int)(sizeof all / sizeof all[0])) : 0;
    list->tables[list->table_count++] = tl_kernels_for(TL_F32);
    for (int i = count - 1; i >= 0; i--)
        if (all[i] != list->tables[0])
            list->tables[list->table_count++] = all[i];
}

tl_status list_cases(case_list *list, bool all_isas)
{
    static tl_status (*const groups[])(case_list *) = {add_products, add_maps,   add_tables,
                                                       add_layers,   add_steps,  add_masked,
                                                       add_latency,  add_growth, add_long};
    *list = (case_list){0};
    choose_tables(list, all_isas);
    for (size_t i = 0; i < sizeof groups / sizeof groups[0]; i++)
        if (groups[i](list) != TL_OK)
            return tl_error_status();
    return TL_OK;
}

void free_cases(case_list *list)
{
    tl_release(list->items);
    *list = (case_list){0};
}
