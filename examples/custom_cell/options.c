#include "options.h"

#include "network.h"

static const char *find_mistake(const void *given, char text[], size_t size)
{
    const options *o = given;
    const range ranges[] = {{"units", o->units, 1, MOST_UNITS},
                            {"time", o->time, 2, 10000},
                            {"samples", o->samples, 2, 10000000},
                            {"factor", o->factor, 0, 1e6}};
    const char *mistake = training_mistake(&o->training, text, size);
    return mistake ? mistake : find_out_of_range(ranges, sizeof ranges / sizeof ranges[0], text, size);
}

int read_options(options *o, int argc, const char **argv)
{
    *o = (options){.units = 64, .time = 100, .samples = 10000, .factor = 10};
    const training_defaults defaults = {
        .epochs = 5, .batch_size = 32, .optimizer = "adam", .learning_rate = 0.01, .validation_split = 0.1};
    if (!training_start(&o->training, &defaults)) {
        tl_error(TL_ERROR_MEMORY, "out of memory for the options");
        return fail();
    }
    const struct poptOption table[] = {
        {"units", 0, POPT_ARG_INT | POPT_ARGFLAG_SHOW_DEFAULT, &o->units, 0, "units of either network", "N"},
        {"time", 0, POPT_ARG_INT | POPT_ARGFLAG_SHOW_DEFAULT, &o->time, 0, "steps of a sequence", "N"},
        {"samples", 0, POPT_ARG_INT | POPT_ARGFLAG_SHOW_DEFAULT, &o->samples, 0,
         "sequences to train and validate on", "N"},
        {"factor", 0, POPT_ARG_DOUBLE | POPT_ARGFLAG_SHOW_DEFAULT, &o->factor, 0,
         "by which the GRU's error has to be below the constant answer's, or the program ends with status 1",
         "X"},
        TRAINING_TABLE(&o->training),
        POPT_AUTOHELP POPT_TABLEEND};
    const command c = {
        .name = "custom_cell",
        .usage = "[OPTION...]\nTrains a GRU that is written in this program, and a SimpleRNN beside it, to "
                 "remember two\nnumbers of a sequence and to add them. --log, --save and --load are for the "
                 "GRU.\n",
        .options = table,
        .find_mistake = find_mistake,
        .given = o};
    return read_command(&c, argc, argv);
}

void free_options(options *o)
{
    training_free(&o->training);
}
