/* Writing: one step of the model for each character, with the states carried from step to step. */
#include "writer.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { STREAM = 0x5A }; /* the top byte keeps these draws apart from all others */

/* Probabilities to weights at a temperature, in double. */
static void heat(const float *p, int64_t size, double temperature, double *weights)
{
    double most = 0;
    for (int64_t i = 0; i < size; i++)
        most = fmax(most, (double)p[i]);
    for (int64_t i = 0; i < size; i++)
        weights[i] = temperature == 1 ? (double)p[i] : pow((double)p[i] / most, 1 / temperature);
}

static int compare_downwards(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x < y) - (x > y);
}

/* Sets all but the k largest weights to 0; of equal ones at the edge the first stay. */
static void keep_largest(double *weights, double *sorted, int64_t size, int64_t k)
{
    memcpy(sorted, weights, (size_t)size * sizeof *sorted);
    qsort(sorted, (size_t)size, sizeof *sorted, compare_downwards);
    double edge = sorted[k - 1];
    int64_t room = k;
    for (int64_t i = 0; i < size; i++)
        room -= weights[i] > edge;
    for (int64_t i = 0; i < size; i++)
        if (weights[i] < edge || (weights[i] == edge && room-- <= 0))
            weights[i] = 0;
}

static int32_t likeliest(const float *p, int64_t size)
{
    int32_t best = 0;
    for (int64_t i = 1; i < size; i++)
        if (p[i] > p[best])
            best = (int32_t)i;
    return best;
}

/* Room for the choice of one character: weights and, behind them, the same sorted. */
static int32_t choose(const float *p, int64_t size, const taste *t, uint64_t draw, double *room)
{
    if (t->temperature == 0)
        return likeliest(p, size);
    heat(p, size, t->temperature, room);
    if (t->top_k > 0 && t->top_k < size)
        keep_largest(room, room + size, size, t->top_k);
    double sum = 0;
    for (int64_t i = 0; i < size; i++)
        sum += room[i];
    double left = sum * tl_random_uniform(t->seed, (uint64_t)STREAM << 56, draw);
    int32_t chosen = likeliest(p, size); /* for when rounding leaves something over */
    for (int64_t i = 0; i < size; i++)
        if ((left -= room[i]) < 0) {
            chosen = (int32_t)i;
            break;
        }
    return chosen;
}

static void print_character(const writer *w, int32_t id)
{
    char text[TL_CHARACTER_SIZE];
    int length = tl_alphabet_text(w->alphabet, id, text);
    fwrite(text, 1, length > 0 ? (size_t)length : 0, stdout);
}

/* The ids to begin with: the prime, or else a line end where the alphabet has one, or its first character. */
static tl_tensor first_ids(const writer *w, const char *prime)
{
    if (prime && *prime)
        return tl_alphabet_encode(w->alphabet, prime, strlen(prime));
    const int32_t *characters = tl_alphabet_characters(w->alphabet);
    int32_t id = 0;
    for (int32_t i = 0; i < tl_alphabet_size(w->alphabet); i++)
        if (characters[i] == '\n')
            id = i;
    return tl_tensor_of(TL_I32, tl_shape(1), &id);
}

/* What follows after x [1, steps] and all that was read before: copied to p. */
static tl_status read_on(const writer *w, tl_tensor x, float *p, int64_t size)
{
    tl_tensor all = tl_predict(w->model, x, 1); /* [1, steps, size] */
    tl_tensor last = tl_tensor_select(tl_tensor_select(all, 0, 0), 0, -1);
    tl_status status =
        tl_tensor_ok(last) ? tl_copy_out(last, p, (size_t)size * sizeof *p) : tl_error_status();
    tl_tensor_free(&all);
    return status;
}

static tl_status write_on(const writer *w, tl_tensor first, int count, const taste *t, float *p, double *room)
{
    int64_t size = tl_alphabet_size(w->alphabet);
    int32_t id = 0;
    tl_tensor next = tl_tensor_of(TL_I32, tl_shape(1, 1), &id);
    tl_status status =
        tl_tensor_ok(next) ? read_on(w, tl_tensor_unsqueeze(first, 0), p, size) : tl_error_status();
    for (int i = 0; i < count && status == TL_OK; i++) {
        id = choose(p, size, t, (uint64_t)i, room);
        print_character(w, id);
        *(int32_t *)tl_data_mut(next) = id;
        if (i + 1 < count)
            status = read_on(w, next, p, size);
    }
    tl_tensor_free(&next);
    return status;
}

tl_status write_sample(const writer *w, const char *prime, int count, const taste *t)
{
    int64_t size = tl_alphabet_size(w->alphabet);
    tl_tensor first = first_ids(w, prime);
    float *p = calloc((size_t)size, sizeof *p);
    double *room = calloc(2 * (size_t)size, sizeof *room);
    tl_status status = tl_tensor_ok(first) ? TL_OK : tl_error_status();
    if (status == TL_OK && (!p || !room))
        status = tl_error(TL_ERROR_MEMORY, "out of memory for a sample");
    if (status == TL_OK)
        status = tl_reset_states(w->model);
    if (status == TL_OK && prime)
        fputs(prime, stdout);
    if (status == TL_OK)
        status = write_on(w, first, count, t, p, room);
    if (status == TL_OK)
        putchar('\n');
    free(room);
    free(p);
    tl_tensor_free(&first);
    return status;
}
