#include "generated.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const good[] = {"good",    "great",     "wonderful", "moving",   "brilliant", "funny",
                                   "superb",  "charming",  "gripping",  "touching", "clever",    "beautiful",
                                   "amazing", "memorable", "excellent", "honest"};
static const char *const bad[] = {"bad",      "awful",  "dull",  "boring",  "terrible", "silly",
                                  "weak",     "clumsy", "poor",  "tedious", "shallow",  "annoying",
                                  "lifeless", "stupid", "stale", "horrible"};
static const char *const things[] = {"the story",    "the acting",      "the music", "the ending",
                                     "the plot",     "the script",      "the cast",  "the pace",
                                     "the dialogue", "the camera work", "the hero",  "the film",
                                     "this movie",   "the first half",  "the comedy"};
static const char *const verbs[] = {"was", "is", "seemed", "felt", "looked"};
static const char *const amounts[] = {"", "", "really", "very", "quite", "so", "rather", "truly"};
static const char *const openings[] = {"i saw it last week with some friends",
                                       "we rented this one on a rainy evening", "it opened in town on friday",
                                       "the director made two films before this one",
                                       "my sister took me to see it"};
static const char *const endings[] = {"that is all there is to say", "it runs for two hours",
                                      "we talked about it on the way home", "it was filmed in canada"};

#define COUNT(array)   ((int64_t)(sizeof(array) / sizeof((array)[0])))
#define PICK(d, array) (array)[draw(d, COUNT(array))]

enum { STREAM = 0xE0, MOST_TEXT = 400 };

/* A source of random choices, and the text they make. */
typedef struct draft {
    uint64_t seed, counter;
    char text[MOST_TEXT];
} draft;

static int64_t draw(draft *d, int64_t limit)
{
    return tl_random_below(d->seed, (uint64_t)STREAM << 56, d->counter++, limit);
}

static void add(draft *d, const char *words)
{
    size_t used = strlen(d->text);
    if (*words)
        snprintf(d->text + used, sizeof d->text - used, "%s%s", used ? " " : "", words);
}

/* "the plot was not very clever": of that opinion, by an adjective of the same side or a negated one of the
 * other. */
static void add_clause(draft *d, bool positive)
{
    bool negated = draw(d, 3) == 0;
    add(d, PICK(d, things));
    add(d, PICK(d, verbs));
    if (negated)
        add(d, "not");
    add(d, PICK(d, amounts));
    add(d, positive != negated ? PICK(d, good) : PICK(d, bad));
}

static void write_review(draft *d, bool positive)
{
    enum { PLAIN, BUT, ALTHOUGH_FIRST, ALTHOUGH_LAST, FORMS };
    int64_t form = draw(d, FORMS);
    if (draw(d, 3) == 0)
        add(d, PICK(d, openings));
    if (form == ALTHOUGH_FIRST)
        add(d, "although");
    add_clause(d, form == BUT || form == ALTHOUGH_FIRST ? !positive : positive);
    if (form == BUT)
        add(d, "but");
    if (form == ALTHOUGH_LAST)
        add(d, "although");
    if (form != PLAIN)
        add_clause(d, form == ALTHOUGH_LAST ? !positive : positive);
    if (draw(d, 3) == 0)
        add(d, PICK(d, endings));
}

tl_imdb *generate_reviews(int64_t num_words, int64_t pad_to, uint64_t seed)
{
    enum { TOTAL = GENERATED_TRAIN + GENERATED_TEST };
    tl_review *reviews = calloc(TOTAL, sizeof *reviews);
    char(*texts)[MOST_TEXT] = calloc(TOTAL, sizeof *texts);
    tl_imdb *made = NULL;
    if (!reviews || !texts)
        tl_error(TL_ERROR_MEMORY, "out of memory for %d generated reviews", TOTAL);
    draft d = {.seed = seed};
    for (int i = 0; reviews && texts && i < TOTAL; i++) {
        bool positive = draw(&d, 2) == 1;
        d.text[0] = '\0';
        write_review(&d, positive);
        memcpy(texts[i], d.text, sizeof d.text);
        reviews[i] = (tl_review){.text = texts[i], .positive = positive, .test = i >= GENERATED_TRAIN};
    }
    if (reviews && texts)
        made = tl_imdb_from_reviews(reviews, TOTAL, .num_words = num_words, .pad_to = pad_to, .seed = seed);
    free(texts);
    free(reviews);
    return made;
}
