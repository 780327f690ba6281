/* Benchmarks: times kernels, layers, training steps and single time steps, and how they grow. */
#include "case.h"
#include "options.h"
#include "peak.h"
#include "report.h"

#include <stdio.h>
#include <string.h>

/* Rows whose states are kept at the same time: those of a shard on each thread. */
static int64_t rows_at_once(int64_t batch, int threads)
{
    const int64_t most = threads * tl_shard_rows(batch);
    return batch < most ? batch : most;
}

static int fail(void)
{
    fflush(stdout);
    fprintf(stderr, "bench: %s\n", tl_error_message());
    return 1;
}

static void print_names(const case_list *list)
{
    for (int i = 0; i < list->count; i++)
        puts(list->items[i].name);
}

/* What a case is held against: the peak of its instruction set on the threads that it has. */
static double peak_for(const bench_case *c, const setting *s)
{
    if (c->kernels && strcmp(c->kernels->isa, s->isa) != 0)
        return fma_peak(c->kernels->isa, 1);
    return c->serial ? s->peak_one : s->peak_all;
}

static tl_status run_case(const bench_case *c, const setting *s, double seconds, bench_result *found)
{
    void *subject = c->set_up(c);
    if (!subject)
        return tl_error_status();
    tl_status status = measure(c->run, subject, seconds, &found->time);
    found->peak = c->flops > 0 ? peak_for(c, s) : 0;
    found->bytes = c->peak_bytes ? c->peak_bytes(subject) : 0;
    found->rows_at_once = c->peak_bytes ? rows_at_once(c->rows, s->threads) : 0;
    c->tear_down(subject);
    return status;
}

static int run_cases(const options *o, const case_list *list)
{
    const char *isa = list->tables[0]->isa;
    const setting s = {.threads = tl_threads(),
                       .isa = isa,
                       .peak_one = fma_peak(isa, 1),
                       .peak_all = fma_peak(isa, tl_threads())};
    report *r = begin_report(o->json, &s);
    if (!r) {
        tl_error(TL_ERROR_MEMORY, "out of memory");
        return fail();
    }
    tl_status status = TL_OK;
    for (int i = 0; i < list->count && status == TL_OK; i++) {
        const bench_case *c = &list->items[i];
        bench_result found;
        if (!is_wanted(o, c->name))
            continue;
        status = run_case(c, &s, o->seconds, &found);
        if (status == TL_OK)
            report_case(r, c, &found);
        else
            tl_error(status, "%s: %s", c->name, tl_error_message());
    }
    bool printed = end_report(r);
    if (status != TL_OK)
        return fail();
    if (!printed)
        fprintf(stderr, "bench: the results cannot be printed\n");
    return printed ? 0 : 1;
}

static int run(const options *o)
{
    case_list list;
    if (tl_set_threads(o->threads) != TL_OK || list_cases(&list, o->isas) != TL_OK)
        return fail();
    int status = 0;
    const char *useless = find_useless(o, &list);
    if (useless) {
        fprintf(stderr, "bench: %s: no case has such a name; see bench --list\n", useless);
        status = USAGE;
    } else if (o->list) {
        print_names(&list);
    } else {
        status = run_cases(o, &list);
    }
    free_cases(&list);
    return status;
}

int main(int argc, const char **argv)
{
    options o;
    int status = read_options(&o, argc, argv);
    if (status == GO_ON)
        status = run(&o);
    free_options(&o);
    if (fflush(stdout) != 0 || ferror(stdout)) {
        fprintf(stderr, "bench: standard output cannot be written\n");
        return status ? status : 1;
    }
    return status;
}
