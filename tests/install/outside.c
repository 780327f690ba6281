/* A program of somebody else's, built against the installed package: a recurrent network on the bare tape
 * that learns to tell whether the steps of a sequence add up to more than 0. Prints the loss before and
 * after. */
#include <tapeloop.h>

#include <stdio.h>
#include <stdlib.h>

enum { BATCH = 32, TIME = 6, UNITS = 4, STEPS = 300, WEIGHTS = 3 };

static const double rate = 0.5;

static tl_parameter *new_weight(const char *name, int64_t rows, int64_t columns)
{
    float values[UNITS * UNITS];
    for (int i = 0; i < UNITS * UNITS; i++)
        values[i] = (float)((i * 7 + 3) % 11 - 5) / 10.0F;
    return tl_parameter_new(name, tl_tensor_of(TL_F32, tl_shape(rows, columns), values));
}

static void fill(float x[BATCH][TIME], float y[BATCH])
{
    for (int i = 0; i < BATCH; i++) {
        float sum = 0.0F;
        for (int t = 0; t < TIME; t++) {
            x[i][t] = (float)((i * 13 + t * 5) % 17 - 8) / 8.0F;
            sum += x[i][t];
        }
        y[i] = sum > 0.0F;
    }
}

static tl_var *loss_of(tl_tape *tape, tl_parameter *const w[WEIGHTS], tl_tensor x, tl_tensor y)
{
    tl_var *h = tl_zeros(tape, TL_F32, tl_shape(BATCH, UNITS));
    for (int t = 0; t < TIME; t++) {
        tl_var *x_t = tl_input(tape, tl_tensor_slice(x, 1, t, 1));
        h = tl_tanh(tl_add(tl_matmul(x_t, tl_use(tape, w[0])), tl_matmul(h, tl_use(tape, w[1]))));
    }
    tl_var *logits = tl_matmul(h, tl_use(tape, w[2]));
    return tl_mean(tl_sigmoid_cross_entropy_with_logits(logits, tl_input(tape, y)), TL_ALL_AXES, false);
}

/* Plain gradient descent. */
static void update(tl_parameter *w)
{
    float *value = tl_data_mut(w->value);
    const float *gradient = tl_data(w->gradient);
    for (int64_t i = 0; i < tl_tensor_count(w->value); i++)
        value[i] -= (float)rate * gradient[i];
    tl_parameter_clear_gradient(w);
}

/* Trains, and returns whether all went well and the loss fell to less than a third. */
static bool train(tl_tape *tape, tl_parameter *const w[WEIGHTS], tl_tensor x, tl_tensor y)
{
    double first = 0, last = 0;
    for (int step = 0; step < STEPS; step++) {
        tl_var *loss = loss_of(tape, w, x, y);
        if (tl_backward(loss) != TL_OK)
            return false;
        last = tl_tensor_item(tl_value(loss));
        if (step == 0)
            first = last;
        for (int i = 0; i < WEIGHTS; i++)
            update(w[i]);
        tl_tape_reset(tape);
    }
    printf("loss: %.4f, then %.4f\n", first, last);
    return last < first / 3;
}

int main(void)
{
    float inputs[BATCH][TIME], labels[BATCH];
    fill(inputs, labels);
    tl_tensor x = tl_tensor_of(TL_F32, tl_shape(BATCH, TIME), inputs);
    tl_tensor y = tl_tensor_of(TL_F32, tl_shape(BATCH, 1), labels);
    tl_tape *tape = tl_tape_new();
    tl_parameter *w[WEIGHTS] = {new_weight("input", 1, UNITS), new_weight("recurrent", UNITS, UNITS),
                                new_weight("output", UNITS, 1)};

    bool learned = train(tape, w, x, y);
    if (!learned)
        fprintf(stderr, "%s\n", tl_error_message());

    for (int i = 0; i < WEIGHTS; i++)
        tl_parameter_free(w[i]);
    tl_tape_free(tape);
    tl_tensor_free(&x);
    tl_tensor_free(&y);
    return learned ? EXIT_SUCCESS : EXIT_FAILURE;
}
