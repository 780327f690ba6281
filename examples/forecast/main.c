/* The next values of a series: SimpleRNN -> Dense over windows of what came before, for a generated series or
 * a column of a CSV file, beside the naive forecasts that it has to beat. */
#include "network.h"
#include "options.h"
#include "results.h"

#include "../common/output.h"

#include <stdio.h>
#include <stdlib.h>

static tl_status take_series(const options *o, series *s)
{
    tl_status status = o->csv ? read_series(s, o->csv, o->column, !o->no_header)
                              : generate_series(s, (uint64_t)o->training.seed);
    if (status == TL_OK)
        fprintf(stderr, "Data: %s, %lld values\n", s->name, (long long)s->count);
    return status;
}

/* --- training --- */

/* An error unless each part has room for what is done with it. */
static tl_status check_parts(const network *n, const series *s, const parts *p)
{
    const struct {
        const char *name;
        int64_t has, needs;
    } all[] = {{"training", p->validation, n->window + n->horizon},
               {"validation", p->test - p->validation, p->test > p->validation ? n->horizon : 0},
               {"test", s->count - p->test, n->horizon}};
    for (int i = 0; i < 3; i++)
        if (all[i].has < all[i].needs)
            return tl_error(
                TL_ERROR_ARGUMENT,
                "%s: %lld values are too few: the %s part has %lld of them, expected at least %lld "
                "for a window of %lld and a horizon of %lld",
                s->name, (long long)s->count, all[i].name, (long long)all[i].has, (long long)all[i].needs,
                (long long)n->window, (long long)n->horizon);
    return TL_OK;
}

/* Season and window, as given or as they suit the series. */
static tl_status choose_lengths(const options *o, network *n, series *s, const parts *p)
{
    enum { LEAST_WINDOW = 24 };
    if (o->season != NOT_GIVEN)
        s->season = o->season;
    else if (s->season == 0 && find_season(s->values, p->validation, &s->season) != TL_OK)
        return tl_error_status();
    n->window = o->window != NOT_GIVEN ? o->window : s->season > LEAST_WINDOW ? s->season : LEAST_WINDOW;
    n->horizon = o->horizon;
    n->units = o->units;
    if (s->season > p->test)
        return tl_error(TL_ERROR_ARGUMENT,
                        "a season of %lld is longer than the %lld values before the test part",
                        (long long)s->season, (long long)p->test);
    return check_parts(n, s, p);
}

/* Windows that forecast the steps from `start` to `end`: they may look at what is before. */
static tl_dataset windows_between(const network *n, tl_tensor numbers, int64_t start, int64_t end)
{
    tl_tensor part = tl_tensor_slice(numbers, 0, start - n->window, end - start + n->window);
    return tl_windows(part, .window = n->window, .horizon = n->horizon);
}

static tl_status train(const options *o, network *n, const parts *p, tl_tensor numbers)
{
    const training *t = &o->training;
    training_plan plan = {.data = windows_between(n, numbers, n->window, p->validation),
                          .monitor = "val_loss"};
    if (p->test > p->validation)
        plan.validation = windows_between(n, numbers, p->validation, p->test);
    int64_t batches = (tl_dataset_size(plan.data) + t->batch_size - 1) / t->batch_size;
    tl_optimizer *optimizer = training_optimizer(t, batches * t->epochs);
    if (build_network(n, optimizer, (uint64_t)t->seed) != TL_OK || !training_run(t, n->model, &plan))
        return tl_error_status();
    return TL_OK;
}

static void print_lengths(const network *n, const series *s)
{
    if (s->season > 0)
        printf("season: %lld", (long long)s->season);
    else
        printf("season: none");
    printf(" window: %lld horizon: %lld\n", (long long)n->window, (long long)n->horizon);
}

static tl_status train_new(const options *o, network *n, series *s, parts *p)
{
    *p = parts_of(s, o->training.validation_split, o->test_split);
    if (choose_lengths(o, n, s, p) != TL_OK || learn_scale(n, s->values, p->validation) != TL_OK)
        return tl_error_status();
    print_lengths(n, s);
    tl_tensor numbers = scaled(n, s->values, s->count);
    tl_status status = tl_tensor_ok(numbers) ? train(o, n, p, numbers) : tl_error_status();
    tl_tensor_free(&numbers);
    return status == TL_OK && o->training.save ? save_network(n, o->training.save) : status;
}

/* --- forecasting --- */

static tl_status forecast_tested(const network *n, results *r)
{
    const series *s = r->series;
    int64_t known = s->count - r->first - n->horizon, windows = known + 1;
    double *forecasts = malloc((size_t)(windows * n->horizon) * sizeof *forecasts);
    if (!forecasts)
        return tl_error(TL_ERROR_MEMORY, "out of memory for %lld forecasts", (long long)windows);
    tl_status status = forecast_windows(n, s->values + r->first - n->window, n->window + known, forecasts);
    if (status == TL_OK)
        put_tested(r, forecasts);
    free(forecasts);
    return status;
}

static tl_status forecast_future(const network *n, results *r, int64_t ahead)
{
    const series *s = r->series;
    if (s->count < n->window)
        return tl_error(TL_ERROR_ARGUMENT, "%s: %lld values are too few for the model's window of %lld",
                        s->name, (long long)s->count, (long long)n->window);
    double *forecasts = malloc((size_t)(ahead + 1) * sizeof *forecasts);
    if (!forecasts)
        return tl_error(TL_ERROR_MEMORY, "out of memory for %lld forecasts", (long long)ahead);
    tl_status status = forecast_ahead(n, s->values, s->count, ahead, forecasts);
    if (status == TL_OK)
        put_ahead(r, forecasts);
    free(forecasts);
    return status;
}

/* The test part from `first` on, or nothing of it, then what follows the series. */
static int report(const options *o, const network *n, const series *s, int64_t first)
{
    int64_t ahead = o->ahead != NOT_GIVEN ? o->ahead : o->training.load ? n->horizon : 0;
    results r;
    tl_status status = new_results(&r, s, first, n->horizon, ahead);
    if (status == TL_OK && first < s->count)
        status = forecast_tested(n, &r);
    if (status == TL_OK)
        status = forecast_future(n, &r, ahead);
    if (status == TL_OK && first < s->count)
        print_scores(&r);
    if (status == TL_OK) {
        print_ahead(&r);
        status = draw_results(&r, stdout, o->svg);
    }
    if (status == TL_OK && o->output)
        status = write_results(&r, o->output);
    free_results(&r);
    return status == TL_OK ? 0 : fail();
}

static tl_status check_plans(const options *o)
{
    tl_status status = check_output(o->training.save);
    if (status == TL_OK)
        status = check_output(o->output);
    return status == TL_OK ? check_output(o->svg) : status;
}

static int run(const options *o)
{
    series s = {0};
    network n = {0};
    parts p;
    int status = 0;
    if (check_plans(o) != TL_OK || take_series(o, &s) != TL_OK)
        status = fail();
    else if (o->training.load)
        status = load_network(&n, o->training.load) == TL_OK ? report(o, &n, &s, s.count) : fail();
    else
        status = train_new(o, &n, &s, &p) == TL_OK ? report(o, &n, &s, p.test) : fail();
    free_network(&n);
    free_series(&s);
    return status;
}

int main(int argc, const char **argv)
{
    options o;
    int status = read_options(&o, argc, argv);
    if (status == GO_ON)
        status = tl_set_threads(o.training.threads) == TL_OK ? run(&o) : fail();
    free_options(&o);
    return finish(status);
}
