#include "options.h"
#include "saved.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *find_mistake(const void *given, char text[], size_t size)
{
    const options *o = given;
    const range ranges[] = {
        {"maxlen", o->maxlen, 1, MOST_MAXLEN}, {"num-words", o->num_words, 5, 1 << 20},
        {"units", o->units, 1, MOST_UNITS},    {"embedding", o->embedding, 1, MOST_UNITS},
        {"dropout", o->dropout, 0, 0.99},      {"recurrent-dropout", o->recurrent_dropout, 0, 0.99}};
    const choice choices[] = {{"pooling", o->pooling, poolings},
                              {"recurrent-initializer", o->initializer, initializers}};
    const char *mistake = training_mistake(&o->training, text, size);
    if (!mistake)
        mistake = find_out_of_range(ranges, sizeof ranges / sizeof ranges[0], text, size);
    if (!mistake)
        mistake = find_unknown(choices, sizeof choices / sizeof choices[0], text, size);
    if (!mistake && !o->training.load && !(o->training.validation_split > 0))
        mistake = "--validation-split 0: expected some reviews to validate on";
    if (!mistake && o->text && !o->predict) {
        snprintf(text, size, "%s: unexpected; a TEXT goes with --predict", o->text);
        mistake = text;
    }
    return mistake;
}

/* What makes a training another one, as far as tl_fit cannot see. */
static const char *const settings[] = {"num-words",
                                       "embedding",
                                       "units",
                                       "mask",
                                       "bidirectional",
                                       "pooling",
                                       "normalize",
                                       "dropout",
                                       "recurrent-dropout",
                                       "recurrent-initializer",
                                       NULL};

int read_options(options *o, int argc, const char **argv)
{
    *o = (options){.maxlen = NOT_GIVEN,
                   .num_words = 10000,
                   .units = 32,
                   .embedding = 32,
                   .pooling = strdup("none"),
                   .initializer = strdup("orthogonal")};
    const training_defaults defaults = {
        .epochs = 10, .batch_size = 128, .optimizer = "rmsprop", .validation_split = 0.2};
    if (!training_start(&o->training, &defaults) || !o->pooling || !o->initializer) {
        tl_error(TL_ERROR_MEMORY, "out of memory for the options");
        return fail();
    }
    const struct poptOption table[] = {
        {"data", 0, POPT_ARG_STRING, &o->data, 0, "folder with aclImdb_v1.tar.gz or aclImdb/", "DIR"},
        {"maxlen", 0, POPT_ARG_INT, &o->maxlen, 0,
         "words of a review; shorter ones are padded, longer ones cut, in front (default: 500)", "N"},
        {"num-words", 0, POPT_ARG_INT | POPT_ARGFLAG_SHOW_DEFAULT, &o->num_words, 0, "words known", "N"},
        {"embedding", 0, POPT_ARG_INT | POPT_ARGFLAG_SHOW_DEFAULT, &o->embedding, 0, "numbers to a word",
         "N"},
        {"units", 0, POPT_ARG_INT | POPT_ARGFLAG_SHOW_DEFAULT, &o->units, 0, "units of the SimpleRNN", "N"},
        {"mask", 0, POPT_ARG_NONE, &o->mask, 0, "pass over the padding", NULL},
        {"bidirectional", 0, POPT_ARG_NONE, &o->bidirectional, 0, "read in both directions", NULL},
        {"pooling", 0, POPT_ARG_STRING | POPT_ARGFLAG_SHOW_DEFAULT, &o->pooling, 0,
         "what to take of the SimpleRNN's outputs: none (the last), average or max", "HOW"},
        {"normalize", 0, POPT_ARG_NONE, &o->normalize, 0, "layer normalization before the SimpleRNN", NULL},
        {"dropout", 0, POPT_ARG_DOUBLE, &o->dropout, 0, "share of the word's numbers, and of the outputs",
         "X"},
        {"recurrent-dropout", 0, POPT_ARG_DOUBLE, &o->recurrent_dropout, 0, "share of the recurrent states",
         "X"},
        {"recurrent-initializer", 0, POPT_ARG_STRING | POPT_ARGFLAG_SHOW_DEFAULT, &o->initializer, 0,
         "of recurrent weights: orthogonal, identity, glorot_uniform, random_uniform, ...", "NAME"},
        {"predict", 0, POPT_ARG_NONE, &o->predict, 0,
         "judge the review TEXT, or one review a line from standard input", NULL},
        TRAINING_TABLE(&o->training),
        CHECKPOINT_TABLE(&o->training),
        POPT_AUTOHELP POPT_TABLEEND};
    const command c = {.name = "imdb",
                       .usage =
                           "[OPTION...] [TEXT]\n"
                           "Trains Embedding -> SimpleRNN -> Dense to tell good movie reviews from bad.\n",
                       .options = table,
                       .find_mistake = find_mistake,
                       .given = o,
                       .names = settings,
                       .listed = o->training.settings,
                       .listed_size = SETTINGS_SIZE,
                       .argument = &o->text};
    return read_command(&c, argc, argv);
}

void free_options(options *o)
{
    training_free(&o->training);
    free(o->data);
    free(o->pooling);
    free(o->initializer);
    free(o->text);
}
