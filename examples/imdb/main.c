/* Movie reviews, good or bad: trains Embedding -> SimpleRNN -> Dense on the IMDB data set, or on generated
 * reviews where that is not there, and judges reviews with what it learned. */
#include "generated.h"
#include "options.h"
#include "saved.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { PATH_SIZE = 4096 };

/* --data may also name the archive itself. */
static tl_status find_reviews(const options *o, char path[PATH_SIZE])
{
    struct stat status;
    if (o->data && stat(o->data, &status) == 0 && S_ISREG(status.st_mode)) {
        snprintf(path, PATH_SIZE, "%s", o->data);
        return TL_OK;
    }
    static const char *const names[] = {"aclImdb_v1.tar.gz", "aclImdb"};
    return tl_data_locate(o->data, names, 2, path, PATH_SIZE);
}

/* The reviews that are there: those of --data, or of the usual places, or generated ones. */
static tl_imdb *read_reviews(const options *o)
{
    char path[PATH_SIZE];
    uint64_t seed = (uint64_t)o->training.seed;
    if (find_reviews(o, path) == TL_OK) {
        fprintf(stderr, "Data: %s\n", path);
        return tl_imdb_load(path, .num_words = o->num_words,
                            .pad_to = o->maxlen == NOT_GIVEN ? 500 : o->maxlen, .seed = seed);
    }
    if (o->data)
        return NULL;
    fprintf(stderr,
            "Data: no IMDB reviews found, so these are GENERATED ones, in which the order of words decides.\n"
            "      scripts/fetch-data imdb downloads the real ones.\n");
    return generate_reviews(o->num_words, o->maxlen == NOT_GIVEN ? 0 : o->maxlen, seed);
}

/* Finds out before training, not after it, whether what follows will work. */
static tl_status check_plans(const options *o)
{
    if (training_check(&o->training) != TL_OK)
        return tl_error_status();
    return o->text ? check_review(o->text, "the review") : TL_OK;
}

static int train_and_test(const options *o, sentiment *s, const tl_imdb *reviews)
{
    const training *t = &o->training;
    tl_dataset data = tl_imdb_train(reviews);
    s->vocabulary = tl_imdb_vocabulary(reviews);
    s->network = (network){.maxlen = data.x.shape.dims[1],
                           .embedding = o->embedding,
                           .units = o->units,
                           .mask = o->mask,
                           .bidirectional = o->bidirectional,
                           .normalize = o->normalize,
                           .pooling = o->pooling,
                           .dropout = o->dropout,
                           .recurrent_dropout = o->recurrent_dropout,
                           .initializer = tl_initializer_by_name(o->initializer)};
    const training_plan plan = {.data = data, .monitor = "val_accuracy"};
    tl_optimizer *optimizer = training_optimizer(t, training_steps(t, tl_dataset_size(data)));
    if (build_model(s, optimizer, (uint64_t)t->seed) != TL_OK || tl_summary(s->model, stdout) != TL_OK ||
        !training_run(t, s->model, &plan))
        return fail();
    return 0;
}

static int report_test(const options *o, const sentiment *s, const tl_imdb *reviews)
{
    tl_metrics test;
    if (tl_evaluate(s->model, tl_imdb_test(reviews), o->training.batch_size, &test) != TL_OK)
        return fail();
    printf("test_loss: %.4f test_accuracy: %.4f\n", test.loss, test.accuracy);
    return 0;
}

/* How many bytes of a text to show: no more than fit a line, and no part of a character. */
static int shown(const char *text)
{
    enum { MOST = 60 };
    int count = (int)strnlen(text, MOST);
    while (count > 0 && ((unsigned char)text[count] & 0xC0) == 0x80)
        count--;
    return count;
}

static int judge_one(const sentiment *s, const char *text, const char *name)
{
    double probability;
    if (judge(s, text, name, &probability) != TL_OK)
        return fail();
    printf("%s %.9f %.*s\n", probability > 0.5 ? "positive" : "negative", probability, shown(text), text);
    return 0;
}

/* `length` bytes that were read as a line; a zero byte would hide the rest of them. */
static int judge_line(const sentiment *s, char *line, size_t length, long number)
{
    char name[48];
    snprintf(name, sizeof name, "the review on line %ld", number);
    if (line[length - 1] == '\n')
        line[--length] = '\0';
    if (strlen(line) == length)
        return judge_one(s, line, name);
    tl_error(TL_ERROR_FORMAT, "%s has a zero byte, expected text", name);
    return fail();
}

/* One review a line; the first that cannot be judged ends it. */
static int judge_lines(const sentiment *s, FILE *from)
{
    char *line = NULL;
    size_t size = 0;
    ssize_t length;
    int status = 0;
    for (long number = 1; status == 0 && (length = getline(&line, &size, from)) > 0; number++)
        status = judge_line(s, line, (size_t)length, number);
    free(line);
    if (status == 0 && ferror(from)) {
        tl_error(TL_ERROR_IO, "standard input cannot be read");
        status = fail();
    }
    return status;
}

static int judge_reviews(const options *o, const sentiment *s)
{
    return o->text ? judge_one(s, o->text, "the review") : judge_lines(s, stdin);
}

static int use_saved(const options *o)
{
    sentiment s;
    int status = 0;
    tl_imdb *reviews = NULL;
    if (load_sentiment(&s, o->training.load) != TL_OK) {
        status = fail();
    } else if (o->predict) {
        status = judge_reviews(o, &s);
    } else {
        char path[PATH_SIZE];
        if (find_reviews(o, path) == TL_OK)
            reviews = tl_imdb_load(path, .pad_to = s.network.maxlen, .vocabulary = s.vocabulary);
        status = reviews ? report_test(o, &s, reviews) : fail();
    }
    tl_imdb_free(reviews);
    free_sentiment(&s);
    return status;
}

static int train_new(const options *o)
{
    sentiment s = {0};
    if (check_plans(o) != TL_OK)
        return fail();
    tl_imdb *reviews = read_reviews(o);
    int status = reviews ? train_and_test(o, &s, reviews) : fail();
    if (status == 0)
        status = report_test(o, &s, reviews);
    if (status == 0 && o->training.save)
        status = save_sentiment(&s, o->training.save) == TL_OK ? 0 : fail();
    if (status == 0 && o->predict)
        status = judge_reviews(o, &s);
    free_sentiment(&s);
    tl_imdb_free(reviews);
    return status;
}

int main(int argc, const char **argv)
{
    options o;
    int status = read_options(&o, argc, argv);
    if (status == GO_ON) {
        if (tl_set_threads(o.training.threads) != TL_OK)
            status = fail();
        else
            status = o.training.load ? use_saved(&o) : train_new(&o);
    }
    free_options(&o);
    return finish(status);
}
