#include "options.h"

#include <stdlib.h>
#include <string.h>

/* What would be ignored. */
static const char *find_idle(const options *o)
{
    const training *t = &o->training;
    if (o->generate && (o->csv || o->test || o->predict || t->load || t->save || t->log))
        return "--generate writes generated sequences and does nothing else: expected no --csv, --test, "
               "--predict, --load, --save or --log";
    if (t->load && o->csv && o->test)
        return "--load tests on --test FILE or on a part of --csv FILE: expected one of them";
    return NULL;
}

static const char *find_mistake(const void *given, char text[], size_t size)
{
    static const char *const losses[] = {"binary_crossentropy", "mse", NULL};
    static const char *const sides[] = {"post", "pre", NULL};
    const options *o = given;
    const range ranges[] = {{"units", o->units, 1, 4096},      {"test-split", o->test_split, 0.001, 0.999},
                            {"pad-to", o->pad_to, 0, 1 << 20}, {"sequences", o->sequences, 2, 10000000},
                            {"time", o->time, 2, 1 << 20},     {"features", o->features, 2, 4096}};
    const choice choices[] = {{"loss", o->loss, losses}, {"padding", o->padding, sides}};
    const char *mistake = training_mistake(&o->training, text, size);
    if (!mistake)
        mistake = find_out_of_range(ranges, sizeof ranges / sizeof ranges[0], text, size);
    if (!mistake)
        mistake = find_unknown(choices, sizeof choices / sizeof choices[0], text, size);
    return mistake ? mistake : find_idle(o);
}

int read_options(options *o, int argc, const char **argv)
{
    *o = (options){.id = strdup("id"),
                   .label = strdup("label"),
                   .test_split = 0.2,
                   .units = 64,
                   .loss = strdup("binary_crossentropy"),
                   .padding = strdup("post"),
                   .sequences = 5000,
                   .time = 40,
                   .features = 10};
    const training_defaults defaults = {
        .epochs = 20, .batch_size = 32, .optimizer = "adam", .validation_split = 0.2};
    if (!training_start(&o->training, &defaults) || !o->id || !o->label || !o->loss || !o->padding) {
        tl_error(TL_ERROR_MEMORY, "out of memory for the options");
        return fail();
    }
    const struct poptOption table[] = {
        {"csv", 0, POPT_ARG_STRING, &o->csv, 0,
         "sequences, a row a step: a column with the sequence's id, one with its label, 0 or 1, the others "
         "features (default: generated sequences)",
         "FILE"},
        {"id", 0, POPT_ARG_STRING | POPT_ARGFLAG_SHOW_DEFAULT, &o->id, 0, "column of the ids", "NAME|N"},
        {"label", 0, POPT_ARG_STRING | POPT_ARGFLAG_SHOW_DEFAULT, &o->label, 0, "column of the labels",
         "NAME|N"},
        {"test", 0, POPT_ARG_STRING, &o->test, 0, "sequences to test on, in a file like --csv's", "FILE"},
        {"test-split", 0, POPT_ARG_DOUBLE | POPT_ARGFLAG_SHOW_DEFAULT, &o->test_split, 0,
         "share of the sequences to test on without --test, drawn by the seed; --load uses the share and "
         "the seed that the model was trained with",
         "X"},
        {"predict", 0, POPT_ARG_STRING, &o->predict, 0,
         "print the probability of label 1 for each sequence of a file, which needs no labels", "FILE"},
        {"loss", 0, POPT_ARG_STRING | POPT_ARGFLAG_SHOW_DEFAULT, &o->loss, 0, "binary_crossentropy or mse",
         "NAME"},
        {"units", 0, POPT_ARG_INT | POPT_ARGFLAG_SHOW_DEFAULT, &o->units, 0, "units of the SimpleRNN", "N"},
        {"padding", 0, POPT_ARG_STRING | POPT_ARGFLAG_SHOW_DEFAULT, &o->padding, 0,
         "where shorter sequences are filled up: post (behind) or pre (in front)", "SIDE"},
        {"pad-to", 0, POPT_ARG_INT, &o->pad_to, 0, "steps to fill up to (default: the longest sequence's)",
         "N"},
        {"sequences", 0, POPT_ARG_INT | POPT_ARGFLAG_SHOW_DEFAULT, &o->sequences, 0, "generated sequences",
         "N"},
        {"time", 0, POPT_ARG_INT | POPT_ARGFLAG_SHOW_DEFAULT, &o->time, 0,
         "steps of the longest generated sequences", "N"},
        {"features", 0, POPT_ARG_INT | POPT_ARGFLAG_SHOW_DEFAULT, &o->features, 0,
         "features of the generated sequences", "N"},
        {"generate", 0, POPT_ARG_STRING, &o->generate, 0,
         "write the generated sequences to a file, as an example of the format, and stop", "FILE.csv"},
        TRAINING_TABLE(&o->training),
        POPT_AUTOHELP POPT_TABLEEND};
    const command c = {.name = "classify",
                       .usage =
                           "[OPTION...]\n"
                           "Trains Masking -> SimpleRNN -> Dense to tell two kinds of sequences apart.\n",
                       .options = table,
                       .find_mistake = find_mistake,
                       .given = o};
    return read_command(&c, argc, argv);
}

void free_options(options *o)
{
    training_free(&o->training);
    free(o->csv);
    free(o->test);
    free(o->id);
    free(o->label);
    free(o->predict);
    free(o->generate);
    free(o->loss);
    free(o->padding);
}
