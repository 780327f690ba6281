#include "command.h"

#include "interrupt.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tapeloop.h>

enum { MOST_STRINGS = 32 };

static const char *program = "program";

static int complain(const char *what, const char *why)
{
    fprintf(stderr, "%s: %s%s%s; see %s --help\n", program, what, why ? ": " : "", why ? why : "", program);
    return USAGE;
}

/* The argument behind the options, if there is to be one. */
static int take_argument(const command *c, poptContext context)
{
    const char *first = poptGetArg(context), *second = first ? poptPeekArg(context) : NULL;
    if (first && !c->argument)
        return complain(first, "unexpected");
    if (second)
        return complain(second, "unexpected; put a text in quotes");
    if (first && !(*c->argument = strdup(first))) {
        fprintf(stderr, "%s: out of memory\n", program);
        return 1;
    }
    return GO_ON;
}

/* What string options have for defaults, which popt loses hold of when the options are given. */
typedef struct defaults {
    char **places[MOST_STRINGS], *texts[MOST_STRINGS];
    int count;
} defaults;

static void note_defaults(defaults *d, const struct poptOption *table)
{
    for (; table->longName || table->shortName || table->arg; table++) {
        const unsigned type = table->argInfo & POPT_ARG_MASK;
        if (type == POPT_ARG_INCLUDE_TABLE)
            note_defaults(d, table->arg);
        if (type != POPT_ARG_STRING || !table->arg || d->count == MOST_STRINGS)
            continue;
        d->places[d->count] = table->arg;
        d->texts[d->count++] = *(char **)table->arg;
    }
}

static void free_replaced(const defaults *d)
{
    for (int i = 0; i < d->count; i++)
        if (*d->places[i] != d->texts[i])
            free(d->texts[i]);
}

/* --- what options were given, as a text --- */

static int is_among(const char *value, const char *const *expected)
{
    while (*expected && strcmp(*expected, value) != 0)
        expected++;
    return *expected != NULL;
}

/* Appends as snprintf does; what does not fit is left out. */
static void append(char text[], size_t size, const char *format, ...)
{
    const size_t used = strlen(text);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text + used, size - used, format, arguments);
    va_end(arguments);
}

static void append_value(const struct poptOption *option, char text[], size_t size)
{
    const unsigned type = option->argInfo & POPT_ARG_MASK;
    append(text, size, "%s%s ", *text ? " " : "", option->longName);
    if (type == POPT_ARG_STRING)
        append(text, size, "%s", *(char **)option->arg);
    else if (type == POPT_ARG_DOUBLE)
        append(text, size, "%.15g", *(double *)option->arg);
    else /* numbers, and whether an option without a value was given */
        append(text, size, "%lld",
               type == POPT_ARG_LONGLONG ? *(long long *)option->arg : *(int *)option->arg);
}

/* Whether an option has a value, given or by default. */
static int has_value(const struct poptOption *option)
{
    const unsigned type = option->argInfo & POPT_ARG_MASK;
    if (type == POPT_ARG_STRING)
        return *(char **)option->arg != NULL;
    if (type == POPT_ARG_DOUBLE)
        return *(double *)option->arg != NO_NUMBER;
    return type == POPT_ARG_LONGLONG || *(int *)option->arg != NOT_GIVEN;
}

static void list_values(const struct poptOption *table, const char *const names[], char text[], size_t size)
{
    for (; table->longName || table->shortName || table->arg; table++)
        if (table->longName && is_among(table->longName, names) && has_value(table))
            append_value(table, text, size);
}

/* --- reading --- */

int read_command(const command *c, int argc, const char **argv)
{
    program = c->name;
    defaults before = {0};
    note_defaults(&before, c->options);
    poptContext context = poptGetContext(c->name, argc, argv, c->options, 0);
    if (!context) {
        fprintf(stderr, "%s: out of memory\n", program);
        return 1;
    }
    poptSetOtherOptionHelp(context, c->usage);
    int code = poptGetNextOpt(context), status;
    free_replaced(&before);
    char text[200];
    const char *mistake;
    if (code < -1)
        status = complain(poptBadOption(context, 0), poptStrerror(code));
    else
        status = take_argument(c, context);
    if (status == GO_ON && c->find_mistake && (mistake = c->find_mistake(c->given, text, sizeof text)))
        status = complain(mistake, NULL);
    if (status == GO_ON && c->listed)
        list_values(c->options, c->names, c->listed, c->listed_size);
    poptFreeContext(context);
    return status;
}

const char *find_out_of_range(const range ranges[], int count, char text[], size_t size)
{
    for (int i = 0; i < count; i++) {
        const range *r = &ranges[i];
        bool given = r->value != NO_NUMBER && r->value != NOT_GIVEN;
        if (!given || (r->value >= r->least && r->value <= r->most))
            continue;
        snprintf(text, size, "--%s %.15g: expected %.15g to %.15g", r->option, r->value, r->least, r->most);
        return text;
    }
    return NULL;
}

const char *find_unknown(const choice choices[], int count, char text[], size_t size)
{
    for (int i = 0; i < count; i++) {
        const choice *c = &choices[i];
        if (!c->value || is_among(c->value, c->expected))
            continue;
        size_t used = (size_t)snprintf(text, size, "--%s '%s': expected", c->option, c->value);
        for (int j = 0; c->expected[j] && used < size; j++)
            used += (size_t)snprintf(text + used, size - used, "%s %s", j ? "," : "", c->expected[j]);
        return text;
    }
    return NULL;
}

int fail(void)
{
    fflush(stdout); /* what was printed came before the mistake */
    fprintf(stderr, "%s: %s\n", program, tl_error_message());
    return interrupted ? 128 + (int)interrupted : 1;
}

int finish(int status)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return status;
    if (status == 0)
        fprintf(stderr, "%s: standard output cannot be written\n", program);
    return status ? status : 1;
}
