#include "options.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

static const char *find_mistake(const void *given, char text[], size_t size)
{
    const options *o = given;
    const range ranges[] = {{"units", o->units, 1, MOST_UNITS},
                            {"layers", o->layers, 1, MOST_LAYERS},
                            {"embedding", o->embedding, 0, MOST_UNITS},
                            {"dropout", o->dropout, 0, 0.99},
                            {"recurrent-dropout", o->recurrent_dropout, 0, 0.99},
                            {"window", o->window, 1, 1 << 20},
                            {"sample", o->sample, 0, INT_MAX},
                            {"temperature", o->temperature, 0, 1000},
                            {"top-k", o->top_k, 0, INT_MAX}};
    const choice choices[] = {{"initializer", o->initializer, initializers}};
    const char *mistake = training_mistake(&o->training, text, size);
    if (!mistake)
        mistake = find_out_of_range(ranges, sizeof ranges / sizeof ranges[0], text, size);
    if (!mistake)
        mistake = find_unknown(choices, sizeof choices / sizeof choices[0], text, size);
    return mistake;
}

/* What makes a training another one, as far as tl_fit cannot see. */
static const char *const settings[] = {
    "units", "layers", "embedding", "initializer", "dropout", "recurrent-dropout", "bytes", NULL};

int read_options(options *o, int argc, const char **argv)
{
    *o = (options){.units = 256,
                   .layers = 1,
                   .embedding = NOT_GIVEN,
                   .initializer = strdup("random_uniform"),
                   .window = 64,
                   .sample = 500,
                   .temperature = 1};
    const training_defaults defaults = {.epochs = 12,
                                        .batch_size = 32,
                                        .optimizer = "adam",
                                        .learning_rate = 0.002,
                                        .global_clipnorm = 5,
                                        .validation_split = 0.1};
    if (!training_start(&o->training, &defaults) || !o->initializer) {
        tl_error(TL_ERROR_MEMORY, "out of memory for the options");
        return fail();
    }
    const struct poptOption table[] = {
        {"text", 0, POPT_ARG_STRING, &o->text, 0, "file to learn: UTF-8, gzip or plain", "FILE"},
        {"data", 0, POPT_ARG_STRING, &o->data, 0, "folder with tinyshakespeare.txt", "DIR"},
        {"bytes", 0, POPT_ARG_NONE, &o->bytes, 0, "characters are bytes, not code points: for any file",
         NULL},
        {"units", 0, POPT_ARG_INT | POPT_ARGFLAG_SHOW_DEFAULT, &o->units, 0, "units of a SimpleRNN", "N"},
        {"layers", 0, POPT_ARG_INT | POPT_ARGFLAG_SHOW_DEFAULT, &o->layers, 0,
         "SimpleRNNs on top of each other", "N"},
        {"embedding", 0, POPT_ARG_INT, &o->embedding, 0,
         "numbers to a character, 0 for one-hot (default: as many as units)", "N"},
        {"initializer", 0, POPT_ARG_STRING | POPT_ARGFLAG_SHOW_DEFAULT, &o->initializer, 0,
         "what weights start from: random_uniform, orthogonal, glorot_uniform, ...", "NAME"},
        {"dropout", 0, POPT_ARG_DOUBLE, &o->dropout, 0, "share of each layer's outputs", "X"},
        {"recurrent-dropout", 0, POPT_ARG_DOUBLE, &o->recurrent_dropout, 0, "share of the recurrent states",
         "X"},
        {"window", 0, POPT_ARG_INT | POPT_ARGFLAG_SHOW_DEFAULT, &o->window, 0,
         "characters that gradients flow back; states are carried further", "N"},
        {"sample", 0, POPT_ARG_INT | POPT_ARGFLAG_SHOW_DEFAULT, &o->sample, 0,
         "characters to write in the end", "N"},
        {"temperature", 0, POPT_ARG_DOUBLE | POPT_ARGFLAG_SHOW_DEFAULT, &o->temperature, 0,
         "how freely: 0 takes the likeliest", "X"},
        {"top-k", 0, POPT_ARG_INT, &o->top_k, 0, "choose among the N likeliest (default: all)", "N"},
        {"prime", 0, POPT_ARG_STRING, &o->prime, 0, "what the sample begins with", "TEXT"},
        TRAINING_TABLE(&o->training),
        CHECKPOINT_TABLE(&o->training),
        POPT_AUTOHELP POPT_TABLEEND};
    const command c = {.name = "char_rnn",
                       .usage =
                           "[OPTION...]\nTrains SimpleRNNs to foretell the next character of a text, and "
                           "writes some with what they learned.\n",
                       .options = table,
                       .find_mistake = find_mistake,
                       .given = o,
                       .names = settings,
                       .listed = o->training.settings,
                       .listed_size = SETTINGS_SIZE};
    return read_command(&c, argc, argv);
}

void free_options(options *o)
{
    training_free(&o->training);
    free(o->text);
    free(o->data);
    free(o->initializer);
    free(o->prime);
}
