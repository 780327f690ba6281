#include "options.h"

#include <fnmatch.h>
#include <popt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char usage[] = "[OPTION...] [PATTERN...]\n"
                            "Times kernels, layers and training steps. A PATTERN is the name of a case, of a "
                            "group, or a shell pattern for\n"
                            "such names: steps, 'kernels/outer-*', latency/rnn256. Without one all cases are "
                            "run but those of growth and long.\n";

static int complain(const char *what, const char *why)
{
    fprintf(stderr, "bench: %s: %s; see bench --help\n", what, why);
    return USAGE;
}

static int add_pattern(options *o, const char *pattern)
{
    char **grown = realloc(o->patterns, (size_t)(o->pattern_count + 1) * sizeof *grown);
    char *copy = strdup(pattern);
    if (grown)
        o->patterns = grown;
    if (!grown || !copy) {
        free(copy);
        fprintf(stderr, "bench: out of memory\n");
        return 1;
    }
    o->patterns[o->pattern_count++] = copy;
    return GO_ON;
}

static int take_patterns(options *o, poptContext context)
{
    int status = GO_ON;
    for (const char *argument; status == GO_ON && (argument = poptGetArg(context));)
        status = add_pattern(o, argument);
    if (status == GO_ON && o->growth)
        status = add_pattern(o, "growth");
    return status;
}

static int check(const options *o)
{
    char text[80];
    if (o->threads < 0 || o->threads > 1024) {
        snprintf(text, sizeof text, "--threads %d", o->threads);
        return complain(text, "expected 0 to 1024");
    }
    if (!(o->seconds > 0 && o->seconds <= 3600)) {
        snprintf(text, sizeof text, "--seconds %g", o->seconds);
        return complain(text, "expected more than 0, up to 3600");
    }
    return GO_ON;
}

int read_options(options *o, int argc, const char **argv)
{
    enum { CASE = 1 };
    *o = (options){.seconds = 1};
    char *pattern = NULL;
    const struct poptOption table[] = {
        {"list", 0, POPT_ARG_NONE, &o->list, 0, "print the names of all cases, and run none", NULL},
        {"case", 0, POPT_ARG_STRING, &pattern, CASE, "a pattern, as behind the options; may be repeated",
         "PATTERN"},
        {"growth", 0, POPT_ARG_NONE, &o->growth, 0, "how time and memory grow with steps, rows and units",
         NULL},
        {"isas", 0, POPT_ARG_NONE, &o->isas, 0,
         "kernels of every instruction set that runs here, not of the chosen one alone", NULL},
        {"threads", 0, POPT_ARG_INT, &o->threads, 0, "threads to use (default: all cores)", "N"},
        {"seconds", 0, POPT_ARG_DOUBLE | POPT_ARGFLAG_SHOW_DEFAULT, &o->seconds, 0, "time for each case",
         "S"},
        {"json", 0, POPT_ARG_NONE, &o->json, 0, "print JSON, not tables", NULL},
        POPT_AUTOHELP POPT_TABLEEND};
    poptContext context = poptGetContext("bench", argc, argv, table, 0);
    if (!context) {
        fprintf(stderr, "bench: out of memory\n");
        return 1;
    }
    poptSetOtherOptionHelp(context, usage);
    int code, status = GO_ON;
    while (status == GO_ON && (code = poptGetNextOpt(context)) == CASE) {
        status = add_pattern(o, pattern);
        free(pattern);
        pattern = NULL;
    }
    if (status == GO_ON && code < -1)
        status = complain(poptBadOption(context, 0), poptStrerror(code));
    if (status == GO_ON)
        status = take_patterns(o, context);
    if (status == GO_ON)
        status = check(o);
    poptFreeContext(context);
    return status;
}

void free_options(options *o)
{
    for (int i = 0; i < o->pattern_count; i++)
        free(o->patterns[i]);
    free(o->patterns);
    *o = (options){0};
}

/* A group's name fits all of its cases. */
static bool fits(const char *pattern, const char *name)
{
    return fnmatch(pattern, name, FNM_LEADING_DIR) == 0;
}

bool is_wanted(const options *o, const char *name)
{
    for (int i = 0; i < o->pattern_count; i++)
        if (fits(o->patterns[i], name))
            return true;
    return o->pattern_count == 0 && !fits("growth", name) && !fits("long", name);
}

const char *find_useless(const options *o, const case_list *list)
{
    for (int i = 0; i < o->pattern_count; i++) {
        int j = 0;
        while (j < list->count && !fits(o->patterns[i], list->items[j].name))
            j++;
        if (j == list->count)
            return o->patterns[i];
    }
    return NULL;
}
