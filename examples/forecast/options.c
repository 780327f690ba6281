#include "options.h"

#include "network.h"

#include <stdlib.h>

static const char *find_mistake(const void *given, char text[], size_t size)
{
    const options *o = given;
    const range ranges[] = {
        {"window", o->window, 2, MOST_STEPS}, {"horizon", o->horizon, 1, MOST_STEPS},
        {"season", o->season, 1, MOST_STEPS}, {"ahead", o->ahead, 0, MOST_STEPS},
        {"units", o->units, 1, MOST_UNITS},   {"test-split", o->test_split, 0.001, 0.999}};
    const char *mistake = training_mistake(&o->training, text, size);
    if (!mistake)
        mistake = find_out_of_range(ranges, sizeof ranges / sizeof ranges[0], text, size);
    if (!mistake && !o->csv && (o->column || o->no_header))
        mistake = "--column and --no-header: expected with --csv";
    return mistake;
}

int read_options(options *o, int argc, const char **argv)
{
    *o = (options){.window = NOT_GIVEN,
                   .season = NOT_GIVEN,
                   .ahead = NOT_GIVEN,
                   .horizon = 1,
                   .units = 32,
                   .test_split = 0.2};
    const training_defaults defaults = {
        .epochs = 50, .batch_size = 32, .optimizer = "adam", .learning_rate = 0.003, .validation_split = 0.2};
    if (!training_start(&o->training, &defaults)) {
        tl_error(TL_ERROR_MEMORY, "out of memory for the options");
        return fail();
    }
    const struct poptOption table[] = {
        {"csv", 0, POPT_ARG_STRING, &o->csv, 0, "read a series from this file (default: generate one)",
         "FILE"},
        {"column", 0, POPT_ARG_STRING, &o->column, 0, "of the file, by name or number (default: the last)",
         "NAME|N"},
        {"no-header", 0, POPT_ARG_NONE, &o->no_header, 0, "the file's first line has no names but values",
         NULL},
        {"window", 0, POPT_ARG_INT, &o->window, 0,
         "steps to look back (default: the season, and at least 24)", "N"},
        {"horizon", 0, POPT_ARG_INT | POPT_ARGFLAG_SHOW_DEFAULT, &o->horizon, 0, "steps to forecast at once",
         "N"},
        {"season", 0, POPT_ARG_INT, &o->season, 0,
         "steps of the season that the seasonal naive forecast repeats (default: that of the generated "
         "series, or by the autocorrelation of the training part)",
         "N"},
        {"test-split", 0, POPT_ARG_DOUBLE | POPT_ARGFLAG_SHOW_DEFAULT, &o->test_split, 0,
         "share of the series to test on, from its end; what is before is for training and validation", "X"},
        {"ahead", 0, POPT_ARG_INT, &o->ahead, 0,
         "values to forecast beyond the end of the series (default: none, or with --load the horizon)", "N"},
        {"units", 0, POPT_ARG_INT | POPT_ARGFLAG_SHOW_DEFAULT, &o->units, 0, "units of the SimpleRNN", "N"},
        {"output", 0, POPT_ARG_STRING, &o->output, 0, "write the forecasts to this file", "FILE.csv"},
        {"svg", 0, POPT_ARG_STRING, &o->svg, 0, "draw series and forecasts to this file", "FILE.svg"},
        TRAINING_TABLE(&o->training),
        POPT_AUTOHELP POPT_TABLEEND};
    const command c = {.name = "forecast",
                       .usage = "[OPTION...]\nTrains a SimpleRNN to forecast a series of numbers.\n",
                       .options = table,
                       .find_mistake = find_mistake,
                       .given = o};
    return read_command(&c, argc, argv);
}

void free_options(options *o)
{
    training_free(&o->training);
    free(o->csv);
    free(o->column);
    free(o->output);
    free(o->svg);
}
