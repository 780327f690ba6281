#include "options.h"
#include "saved.h"

#include <limits.h>
#include <popt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What is wrong with the values, or NULL. */
static const char *find_mistake(const options *o, char text[160])
{
    const struct {
        const char *name;
        long long value, least, most;
    } numbers[] = {
        {"epochs", o->epochs, 1, INT_MAX},     {"batch-size", o->batch_size, 1, INT_MAX},
        {"maxlen", o->maxlen, 1, MOST_MAXLEN}, {"num-words", o->num_words, 5, 1 << 20},
        {"units", o->units, 1, MOST_UNITS},    {"seed", o->seed, 0, LLONG_MAX},
        {"threads", o->threads, 0, 1024},
    };
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        if (numbers[i].value < numbers[i].least || numbers[i].value > numbers[i].most) {
            snprintf(text, 160, "--%s %lld: expected %lld to %lld", numbers[i].name, numbers[i].value,
                     numbers[i].least, numbers[i].most);
            return text;
        }
    if (o->lr_given && !(o->learning_rate > 0 && o->learning_rate < 1e30)) {
        snprintf(text, 160, "--lr %g: expected a number above 0 and below 1e30", o->learning_rate);
        return text;
    }
    if (!(o->validation_split > 0 && o->validation_split < 1)) {
        snprintf(text, 160, "--validation-split %g: expected a number between 0 and 1", o->validation_split);
        return text;
    }
    if (o->load && (o->save || o->log))
        return "--load uses a saved model: there is nothing to --save or to --log";
    return NULL;
}

static int complain(const char *what, const char *why)
{
    fprintf(stderr, "imdb: %s%s%s; see imdb --help\n", what, why ? ": " : "", why ? why : "");
    return USAGE;
}

int read_options(options *o, int argc, const char **argv)
{
    enum { MAXLEN = 1, LR };
    *o = (options){.epochs = 10,
                   .batch_size = 128,
                   .maxlen = 500,
                   .num_words = 10000,
                   .units = 32,
                   .validation_split = 0.2};
    int predict = 0;
    const struct poptOption table[] = {
        {"data", 0, POPT_ARG_STRING, &o->data, 0, "folder with aclImdb_v1.tar.gz or aclImdb/", "DIR"},
        {"epochs", 0, POPT_ARG_INT | POPT_ARGFLAG_SHOW_DEFAULT, &o->epochs, 0, "times through the reviews",
         "N"},
        {"batch-size", 0, POPT_ARG_INT | POPT_ARGFLAG_SHOW_DEFAULT, &o->batch_size, 0, "reviews to a step",
         "N"},
        {"maxlen", 0, POPT_ARG_INT | POPT_ARGFLAG_SHOW_DEFAULT, &o->maxlen, MAXLEN,
         "words of a review; shorter ones are padded, longer ones cut, in front", "N"},
        {"num-words", 0, POPT_ARG_INT | POPT_ARGFLAG_SHOW_DEFAULT, &o->num_words, 0, "words known", "N"},
        {"units", 0, POPT_ARG_INT | POPT_ARGFLAG_SHOW_DEFAULT, &o->units, 0, "units of the SimpleRNN", "N"},
        {"optimizer", 0, POPT_ARG_STRING, &o->optimizer, 0, "sgd, rmsprop (the default), adam or adagrad",
         "NAME"},
        {"lr", 0, POPT_ARG_DOUBLE, &o->learning_rate, LR, "learning rate (default: the optimizer's)", "X"},
        {"validation-split", 0, POPT_ARG_DOUBLE | POPT_ARGFLAG_SHOW_DEFAULT, &o->validation_split, 0,
         "share of the training reviews to validate on", "X"},
        {"seed", 0, POPT_ARG_LONGLONG | POPT_ARGFLAG_SHOW_DEFAULT, &o->seed, 0, "of all that is random", "N"},
        {"threads", 0, POPT_ARG_INT, &o->threads, 0,
         "threads to use (default: all cores; no result depends on it)", "N"},
        {"log", 0, POPT_ARG_STRING, &o->log, 0, "write a line an epoch to this file", "FILE.csv"},
        {"save", 0, POPT_ARG_STRING, &o->save, 0, "write the trained model to this file", "FILE"},
        {"load", 0, POPT_ARG_STRING, &o->load, 0, "use a saved model instead of training one", "FILE"},
        {"predict", 0, POPT_ARG_NONE, &predict, 0,
         "judge the review TEXT, or one review a line from standard input", NULL},
        POPT_AUTOHELP POPT_TABLEEND};
    poptContext context = poptGetContext("imdb", argc, argv, table, 0);
    if (!context) {
        fprintf(stderr, "imdb: out of memory\n");
        return 1;
    }
    poptSetOtherOptionHelp(context,
                           "[OPTION...] [TEXT]\n"
                           "Trains Embedding -> SimpleRNN -> Dense to tell good movie reviews from bad.\n");
    int code, status = GO_ON;
    char text[160];
    while ((code = poptGetNextOpt(context)) > 0) {
        o->maxlen_given |= code == MAXLEN;
        o->lr_given |= code == LR;
    }
    o->predict = predict != 0;
    const char *rest = poptGetArg(context), *mistake = find_mistake(o, text);
    if (code < -1)
        status = complain(poptBadOption(context, 0), poptStrerror(code));
    else if (rest && !o->predict)
        status = complain(rest, "unexpected; a TEXT goes with --predict");
    else if (rest && poptPeekArg(context))
        status = complain(poptPeekArg(context), "unexpected; put the TEXT in quotes");
    else if (mistake)
        status = complain(mistake, NULL);
    else if (!o->optimizer && !(o->optimizer = strdup("rmsprop")))
        status = 1;
    else if (rest && !(o->text = strdup(rest)))
        status = 1;
    poptFreeContext(context);
    return status;
}

void free_options(options *o)
{
    free(o->data);
    free(o->optimizer);
    free(o->log);
    free(o->save);
    free(o->load);
    free(o->text);
}
