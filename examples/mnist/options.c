#include "options.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

static const char *find_mistake(const void *given, char text[], size_t size)
{
    static const char *const sequences[] = {"rows", "pixels", NULL};
    static const char *const activations[] = {"tanh", "relu", "sigmoid", "linear", NULL};
    const options *o = given;
    const range ranges[] = {{"units", o->units, 1, MOST_UNITS},
                            {"layers", o->layers, 1, MOST_LAYERS},
                            {"dropout", o->dropout, 0, 0.99},
                            {"recurrent-dropout", o->recurrent_dropout, 0, 0.99},
                            {"permute", (double)o->permute, 0, (double)LLONG_MAX},
                            {"show", o->show, 0, 100}};
    const choice choices[] = {{"sequence", o->sequence, sequences},
                              {"activation", o->activation, activations},
                              {"kernel-initializer", o->kernel_initializer, initializers},
                              {"recurrent-initializer", o->initializer, initializers}};
    const char *mistake = training_mistake(&o->training, text, size);
    if (!mistake)
        mistake = find_out_of_range(ranges, sizeof ranges / sizeof ranges[0], text, size);
    if (!mistake)
        mistake = find_unknown(choices, sizeof choices / sizeof choices[0], text, size);
    return mistake;
}

/* What makes a training another one, as far as tl_fit cannot see. */
static const char *const settings[] = {"sequence",
                                       "permute",
                                       "units",
                                       "layers",
                                       "bidirectional",
                                       "activation",
                                       "kernel-initializer",
                                       "recurrent-initializer",
                                       "dropout",
                                       "recurrent-dropout",
                                       "return-sequences",
                                       NULL};

int read_options(options *o, int argc, const char **argv)
{
    *o = (options){.sequence = strdup("rows"),
                   .activation = strdup("tanh"),
                   .kernel_initializer = strdup("glorot_uniform"),
                   .initializer = strdup("orthogonal"),
                   .units = 50,
                   .layers = 1,
                   .permute = NOT_GIVEN,
                   .show = 4};
    const training_defaults defaults = {.epochs = 10, .batch_size = 32, .optimizer = "adam"};
    if (!training_start(&o->training, &defaults) || !o->sequence || !o->activation ||
        !o->kernel_initializer || !o->initializer) {
        tl_error(TL_ERROR_MEMORY, "out of memory for the options");
        return fail();
    }
    const struct poptOption table[] = {
        {"data", 0, POPT_ARG_STRING, &o->data, 0, "folder with the four files, or with mnist/", "DIR"},
        {"sequence", 0, POPT_ARG_STRING | POPT_ARGFLAG_SHOW_DEFAULT, &o->sequence, 0,
         "how an image is read: rows (28 steps of 28) or pixels (784 steps of 1)", "HOW"},
        {"permute", 0, POPT_ARG_LONGLONG, &o->permute, 0, "put all images' pixels in one random order",
         "SEED"},
        {"units", 0, POPT_ARG_INT | POPT_ARGFLAG_SHOW_DEFAULT, &o->units, 0, "units of a SimpleRNN", "N"},
        {"layers", 0, POPT_ARG_INT | POPT_ARGFLAG_SHOW_DEFAULT, &o->layers, 0,
         "SimpleRNNs on top of each other", "N"},
        {"bidirectional", 0, POPT_ARG_NONE, &o->bidirectional, 0, "read in both directions", NULL},
        {"activation", 0, POPT_ARG_STRING | POPT_ARGFLAG_SHOW_DEFAULT, &o->activation, 0,
         "tanh, relu, sigmoid or linear", "NAME"},
        {"kernel-initializer", 0, POPT_ARG_STRING | POPT_ARGFLAG_SHOW_DEFAULT, &o->kernel_initializer, 0,
         "what weights of inputs start from: orthogonal, identity, glorot_uniform, random_uniform, ...",
         "NAME"},
        {"recurrent-initializer", 0, POPT_ARG_STRING | POPT_ARGFLAG_SHOW_DEFAULT, &o->initializer, 0,
         "the same of recurrent weights", "NAME"},
        {"dropout", 0, POPT_ARG_DOUBLE, &o->dropout, 0, "share of what goes into the layers behind the first",
         "X"},
        {"recurrent-dropout", 0, POPT_ARG_DOUBLE, &o->recurrent_dropout, 0, "share of the recurrent states",
         "X"},
        {"return-sequences", 0, POPT_ARG_NONE, &o->return_sequences, 0,
         "learn to name the class at every step, and take the last", NULL},
        {"show", 0, POPT_ARG_INT | POPT_ARGFLAG_SHOW_DEFAULT, &o->show, 0, "test images to draw", "N"},
        TRAINING_TABLE(&o->training),
        CHECKPOINT_TABLE(&o->training),
        POPT_AUTOHELP POPT_TABLEEND};
    const command c = {.name = "mnist",
                       .usage =
                           "[OPTION...]\nTrains a SimpleRNN to name images that it reads as sequences.\n",
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
    free(o->data);
    free(o->sequence);
    free(o->activation);
    free(o->kernel_initializer);
    free(o->initializer);
}
