/* The imdb step on reviews as long as real ones, padded in front to 500 words, with the padding masked and
 * without. The reviews are the real ones where they are found, otherwise made up. */
#include "case.h"
#include "network.h"
#include "tensor/memory_internal.h"

#include <math.h>
#include <stdio.h>

enum { WORDS = 10000, TIME = 500, ROWS = 128, SEED = 7 };
enum { LENGTHS, IDS, LABELS };

/* Lengths are log-normal around the real ones' median, and spread to their mean, 234; words are Zipf's. */
static void make_up_review(int32_t id[TIME], uint64_t number)
{
    const double median = 174, spread = 0.77;
    const double length = median * exp(spread * tl_random_normal(SEED, LENGTHS, number));
    const int count = length < 10 ? 10 : length > TIME ? TIME : (int)length;
    for (int t = TIME - count; t < TIME; t++) {
        const double u = tl_random_uniform(SEED, IDS, number * TIME + (uint64_t)t);
        id[t] = (int32_t)exp(u * log(WORDS - 1));
    }
}

static tl_status make_up(network *n)
{
    n->x = tl_tensor_new(TL_I32, tl_shape(POOL, ROWS, TIME));
    n->y = tl_tensor_new(TL_F32, tl_shape(POOL, ROWS, 1));
    if (!tl_tensor_ok(n->x) || !tl_tensor_ok(n->y))
        return tl_error_status();
    int32_t *id = tl_data_mut(n->x);
    float *label = tl_data_mut(n->y);
    for (int64_t i = 0; i < POOL * ROWS; i++) {
        make_up_review(id + i * TIME, (uint64_t)i);
        label[i] = (float)tl_random_below(SEED, LABELS, (uint64_t)i, 2);
    }
    return TL_OK;
}

static tl_status read_reviews(network *n, const char *path)
{
    tl_imdb *reviews = tl_imdb_load(path, .num_words = WORDS, .pad_to = TIME);
    tl_dataset data = tl_dataset_slice(tl_imdb_train(reviews), 0, POOL * ROWS);
    tl_status status = tl_dataset_ok(data) ? TL_OK : tl_error_status();
    if (status == TL_OK) {
        n->x = tl_tensor_of(TL_I32, tl_shape(POOL, ROWS, TIME), tl_data(data.x));
        n->y = tl_tensor_of(TL_F32, tl_shape(POOL, ROWS, 1), tl_data(data.y));
        status = tl_tensor_ok(n->x) && tl_tensor_ok(n->y) ? TL_OK : tl_error_status();
    }
    tl_imdb_free(reviews);
    return status;
}

static tl_status find_reviews(network *n)
{
    enum { PATH_SIZE = 4096 };
    static const char *const names[] = {"aclImdb_v1.tar.gz", "aclImdb"};
    char path[PATH_SIZE];
    bool found = tl_data_locate(NULL, names, 2, path, sizeof path) == TL_OK;
    fprintf(stderr, "bench: reviews: %s\n", found ? path : "made up");
    return found ? read_reviews(n, path) : make_up(n);
}

static void *set_up(const bench_case *c)
{
    network *n = tl_allocate(sizeof *n);
    if (!n)
        return NULL;
    n->model = tl_sequential(tl_embedding(WORDS, 32, .mask_zero = *(const bool *)c->what), tl_simple_rnn(32),
                             tl_dense(1, .activation = TL_SIGMOID));
    if (tl_compile(n->model, .optimizer = tl_rmsprop(), .loss = TL_BINARY_CROSSENTROPY) == TL_OK &&
        find_reviews(n) == TL_OK)
        return n;
    free_network(n);
    return NULL;
}

tl_status add_masked(case_list *list)
{
    static const bool masks[] = {false, true};
    for (int i = 0; i < 2; i++) {
        bench_case c = {.what = &masks[i], .set_up = set_up, .run = train_network, .tear_down = free_network};
        name_case(list, &c, "steps/imdb-%s", masks[i] ? "mask" : "padded");
        if (add_case(list, &c) != TL_OK)
            return tl_error_status();
    }
    return TL_OK;
}
