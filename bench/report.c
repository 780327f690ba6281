#include "report.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

struct report {
    json_t *root, *cases; /* NULL: tables */
    bool in_table, in_growth, failed;
};

static const double milliseconds = 1e3, microseconds = 1e6, mega = 1e-6;

report *begin_report(bool json, const setting *s)
{
    report *r = calloc(1, sizeof *r);
    if (!r)
        return NULL;
    if (!json) {
        printf("threads: %d, instruction set: %s, FMA peak: %.1f GFLOP/s on one thread, %.1f on %d\n",
               s->threads, s->isa, s->peak_one, s->peak_all, s->threads);
        return r;
    }
    r->cases = json_array();
    r->root = json_pack("{s:i, s:s, s:f, s:f, s:O}", "threads", s->threads, "isa", s->isa, "peak_gflops_one",
                        s->peak_one, "peak_gflops_all", s->peak_all, "cases", r->cases);
    if (r->cases && r->root)
        return r;
    json_decref(r->cases);
    free(r);
    return NULL;
}

static double gflops(const bench_case *c, const bench_result *found)
{
    return 1e-9 * c->flops / found->time.median;
}

/* Memory for each step of each row that is kept at the same time, and the state that is all it has to be. */
static double bytes_per_step(const bench_case *c, const bench_result *found)
{
    return (double)found->bytes / (double)(c->steps * found->rows_at_once);
}

static double state_bytes(const bench_case *c)
{
    return (double)(c->units * (int64_t)sizeof(float));
}

static void add_json(report *r, const bench_case *c, const bench_result *found)
{
    const timing *t = &found->time;
    json_t *item =
        json_pack("{s:s, s:f, s:f, s:i, s:I}", "name", c->name, "min_ms", milliseconds * t->least,
                  "median_ms", milliseconds * t->median, "samples", t->samples, "runs", (json_int_t)t->runs);
    bool failed = !item;
    if (c->flops > 0)
        failed |= json_object_set_new(item, "gflops", json_real(gflops(c, found))) != 0 ||
                  json_object_set_new(item, "of_peak", json_real(gflops(c, found) / found->peak)) != 0;
    if (c->kernels)
        failed |= json_object_set_new(item, "isa", json_string(c->kernels->isa)) != 0;
    if (c->peak_bytes)
        failed |= json_object_set_new(item, "steps", json_integer(c->steps)) != 0 ||
                  json_object_set_new(item, "rows", json_integer(c->rows)) != 0 ||
                  json_object_set_new(item, "units", json_integer(c->units)) != 0 ||
                  json_object_set_new(item, "peak_bytes", json_integer((json_int_t)found->bytes)) != 0 ||
                  json_object_set_new(item, "rows_at_once", json_integer(found->rows_at_once)) != 0 ||
                  json_object_set_new(item, "bytes_per_step", json_real(bytes_per_step(c, found))) != 0 ||
                  json_object_set_new(item, "state_bytes", json_real(state_bytes(c))) != 0;
    failed |= json_array_append_new(r->cases, item) != 0;
    r->failed |= failed;
}

static void print_line(report *r, const bench_case *c, const bench_result *found)
{
    const timing *t = &found->time;
    if (!r->in_table)
        printf("\n| case | min (ms) | median (ms) | runs | GFLOP/s | of peak |\n"
               "| --- | --: | --: | --: | --: | --: |\n");
    r->in_table = true;
    printf("| %s | %.4g | %.4g | %lld |", c->name, milliseconds * t->least, milliseconds * t->median,
           (long long)t->runs);
    if (c->flops > 0)
        printf(" %.1f | %.0f %% |\n", gflops(c, found), 100 * gflops(c, found) / found->peak);
    else
        printf(" | |\n");
}

static void print_growth(report *r, const bench_case *c, const bench_result *found)
{
    if (!r->in_growth)
        printf("\n| case | steps | rows | units | median (ms) | us a step and row | GFLOP/s | peak (MB) |"
               " rows at once | bytes a step and row | one state (bytes) |\n"
               "| --- | --: | --: | --: | --: | --: | --: | --: | --: | --: | --: |\n");
    r->in_growth = true;
    printf("| %s | %lld | %lld | %lld | %.4g | %.3g | %.1f | %.4g | %lld | %.0f | %.0f |\n", c->name,
           (long long)c->steps, (long long)c->rows, (long long)c->units, milliseconds * found->time.median,
           microseconds * found->time.median / (double)(c->steps * c->rows), gflops(c, found),
           mega * (double)found->bytes, (long long)found->rows_at_once, bytes_per_step(c, found),
           state_bytes(c));
}

void report_case(report *r, const bench_case *c, const bench_result *found)
{
    if (r->root)
        add_json(r, c, found);
    else if (c->peak_bytes)
        print_growth(r, c, found);
    else
        print_line(r, c, found);
    fflush(stdout); /* who waits sees how far it is */
}

bool end_report(report *r)
{
    bool fine = !r->failed;
    if (r->root && fine)
        fine =
            json_dumpf(r->root, stdout, JSON_INDENT(1) | JSON_REAL_PRECISION(6)) == 0 && putchar('\n') != EOF;
    json_decref(r->cases);
    json_decref(r->root);
    free(r);
    return fine;
}
