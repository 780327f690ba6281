/* An op of one's own: its gradients are checked, as are those of two wrong versions of it; then it is the
 * activation of a small network that learns a wave, beside the same network with tanh. */
#include "../common/command.h"
#include "snake.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>

enum { RANGE = 12, SAMPLES = 512, UNITS = 32 };
static const double bound = 0.02; /* a loss above that is not learning */

typedef struct options {
    int epochs, threads;
    long long seed;
} options;

static const char *find_mistake(const void *given, char text[], size_t size)
{
    const options *o = given;
    const range ranges[] = {{"epochs", o->epochs, 1, INT_MAX},
                            {"seed", (double)o->seed, 0, (double)LLONG_MAX},
                            {"threads", o->threads, 0, 1024}};
    return find_out_of_range(ranges, sizeof ranges / sizeof ranges[0], text, size);
}

static int read_options(options *o, int argc, const char **argv)
{
    *o = (options){.epochs = 200};
    const struct poptOption table[] = {
        {"epochs", 0, POPT_ARG_INT | POPT_ARGFLAG_SHOW_DEFAULT, &o->epochs, 0, "times through the wave", "N"},
        {"seed", 0, POPT_ARG_LONGLONG | POPT_ARGFLAG_SHOW_DEFAULT, &o->seed, 0, "of all that is random", "N"},
        {"threads", 0, POPT_ARG_INT, &o->threads, 0,
         "threads to use (default: all cores; no result depends on it)", "N"},
        POPT_AUTOHELP POPT_TABLEEND};
    const command c = {
        .name = "custom_op",
        .usage = "[OPTION...]\nChecks an op of its own and two wrong versions, and trains with it.\n",
        .options = table,
        .find_mistake = find_mistake,
        .given = o};
    return read_command(&c, argc, argv);
}

/* Prints what the gradient check says of an op. TL_OK if it says what is expected. */
static tl_status judge(const tl_op *op, tl_gradcheck_verdict expected)
{
    tl_gradcheck_report report;
    tl_status status = tl_gradcheck_op(op, &report);
    if (status != TL_OK && status != TL_ERROR_NUMERIC)
        return status;
    if (status == TL_OK)
        printf("%s: all %lld derivatives agree\n", op->name, (long long)report.checked);
    else
        printf("%s\n", report.message);
    if (report.verdict != expected)
        return tl_error(TL_ERROR_STATE, "%s: the check came to another verdict than expected", op->name);
    return TL_OK;
}

static tl_status check_gradients(void)
{
    const tl_op wrong_sign = snake_of_wrong_sign(), lacks_term = snake_without_a_term();
    printf("Gradients, compared with central differences:\n");
    if (judge(&snake_op, TL_GRADIENT_CORRECT) != TL_OK || judge(&wrong_sign, TL_GRADIENT_WRONG_SIGN) != TL_OK)
        return tl_error_status();
    return judge(&lacks_term, TL_GRADIENT_MISSING_TERM);
}

/* y = sin(x) + sin(x / 2) / 2 on an even grid. The caller frees both tensors. */
static tl_dataset wave(double from, double to)
{
    tl_shape shape = tl_shape(SAMPLES, 1);
    tl_dataset data = {.x = tl_tensor_new(TL_F32, shape), .y = tl_tensor_new(TL_F32, shape)};
    if (!tl_tensor_ok(data.x) || !tl_tensor_ok(data.y))
        return data; /* whoever uses it will complain */
    float *x = tl_data_mut(data.x), *y = tl_data_mut(data.y);
    for (int i = 0; i < SAMPLES; i++) {
        double at = from + (to - from) * (i + 0.5) / SAMPLES;
        x[i] = (float)at;
        y[i] = (float)(sin(at) + sin(at / 2) / 2);
    }
    return data;
}

/* Trains a model on what it sees, and prints its mean squared errors there and elsewhere. */
static tl_status learn(const char *name, tl_model *model, const tl_dataset waves[2], const options *o,
                       double *loss)
{
    uint64_t seed = (uint64_t)o->seed;
    tl_optimizer *adam = tl_adam(.learning_rate = 0.01);
    tl_metrics before, after, beyond;
    if (tl_compile(model, .optimizer = adam, .loss = TL_MEAN_SQUARED_ERROR) != TL_OK ||
        tl_build(model, tl_shape(1), TL_F32, seed) != TL_OK ||
        tl_evaluate(model, waves[0], SAMPLES, &before) != TL_OK)
        return tl_error_status();
    tl_history *history = tl_fit(model, waves[0], .epochs = o->epochs, .seed = seed);
    if (!history)
        return tl_error_status();
    tl_history_free(history);
    if (tl_evaluate(model, waves[0], SAMPLES, &after) != TL_OK ||
        tl_evaluate(model, waves[1], SAMPLES, &beyond) != TL_OK)
        return tl_error_status();
    printf("%s: loss before %.4f, after %.4f, beyond %.4f\n", name, before.loss, after.loss, beyond.loss);
    *loss = after.loss;
    return TL_OK;
}

static tl_status train(const options *o)
{
    tl_model *with_snake = tl_sequential(tl_dense(UNITS), snake_layer(), tl_dense(1));
    tl_model *with_tanh = tl_sequential(tl_dense(UNITS, .activation = TL_TANH), tl_dense(1));
    tl_dataset waves[] = {wave(-RANGE, RANGE), wave(RANGE, 2 * RANGE)};
    double loss = NAN, other;
    printf("\nA wave, learned from x = %d to %d; beyond is from %d to %d:\n", -RANGE, RANGE, RANGE,
           2 * RANGE);
    tl_status status = learn("snake", with_snake, waves, o, &loss);
    if (status == TL_OK)
        status = learn("tanh", with_tanh, waves, o, &other);
    if (status == TL_OK && !(loss < bound))
        status = tl_error(TL_ERROR_NUMERIC, "with snake the loss is %.4f after %d epochs, expected below %g",
                          loss, o->epochs, bound);
    tl_model_free(with_snake);
    tl_model_free(with_tanh);
    for (int i = 0; i < 2; i++) {
        tl_tensor_free(&waves[i].x);
        tl_tensor_free(&waves[i].y);
    }
    return status;
}

int main(int argc, const char **argv)
{
    options o;
    int status = read_options(&o, argc, argv);
    if (status != GO_ON)
        return status;
    bool fine = tl_set_threads(o.threads) == TL_OK && check_gradients() == TL_OK && train(&o) == TL_OK;
    return finish(fine ? 0 : fail());
}
