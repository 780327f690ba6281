/* Rows of a table taken by number, and gradients of such rows gathered: one shard of sequences of ids, that
 * of the imdb step and that of the char step. */
#include "autograd/tape_internal.h"
#include "case.h"
#include "data.h"
#include "tensor/memory_internal.h"

typedef struct table_size {
    int64_t rows, width, ids;
} table_size;

static const table_size sizes[] = {{10000, 32, 16 * 500}, {65, 256, 8 * 64}};

typedef struct subject {
    tl_tape *tape;
    tl_tensor table, ids, values;
} subject;

static void tear_down(void *given)
{
    subject *s = given;
    tl_tape_free(s->tape);
    tl_tensor_free(&s->table);
    tl_tensor_free(&s->ids);
    tl_tensor_free(&s->values);
    tl_release(s);
}

static void *set_up(const bench_case *c)
{
    const table_size *size = c->what;
    subject *s = tl_allocate(sizeof *s);
    if (!s)
        return NULL;
    *s = (subject){.tape = tl_tape_new(),
                   .table = random_floats(tl_shape(size->rows, size->width), 1),
                   .ids = random_ids(tl_shape(size->ids), size->rows, 2),
                   .values = random_floats(tl_shape(size->ids, size->width), 3)};
    if (s->tape && tl_tensor_ok(s->table) && tl_tensor_ok(s->ids) && tl_tensor_ok(s->values)) {
        tl_tape_set_recording(s->tape, false);
        return s;
    }
    tear_down(s);
    return NULL;
}

static tl_status gather(void *given)
{
    const subject *s = given;
    tl_tape_reset(s->tape);
    tl_var *rows = tl_gather(tl_input(s->tape, s->table), tl_input(s->tape, s->ids));
    return tl_tensor_ok(tl_value(rows)) ? TL_OK : tl_error_status();
}

static tl_status scatter(void *given)
{
    const subject *s = given;
    tl_tape_reset(s->tape);
    tl_row_gradient *gradient = tl_row_gradient_new(s->tape->arena, s->table);
    return gradient ? tl_row_gradient_add(gradient, s->ids, s->values) : tl_error_status();
}

tl_status add_tables(case_list *list)
{
    static const struct {
        const char *name;
        tl_status (*run)(void *subject);
    } kinds[] = {{"gather", gather}, {"scatter", scatter}};
    for (int kind = 0; kind < 2; kind++)
        for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
            bench_case c = {.serial = true,
                            .what = &sizes[i],
                            .set_up = set_up,
                            .run = kinds[kind].run,
                            .tear_down = tear_down};
            name_case(list, &c, "kernels/%s-%lldof%lldx%lld", kinds[kind].name, (long long)sizes[i].ids,
                      (long long)sizes[i].rows, (long long)sizes[i].width);
            if (add_case(list, &c) != TL_OK)
                return tl_error_status();
        }
    return TL_OK;
}
