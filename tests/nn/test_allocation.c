/* A training loop asks nothing of the heap after its first round: neither tl_fit after its first epoch, nor a
 * loop of one's own on the bare tape with an optimizer. */
#include "tensor/threads.h"
#include "tests/nn/cells_internal.h"
#include "tests/nn/testing_internal.h"
#include "tests/support/heap_calls.h"

#include <stdio.h>

enum { SAMPLES = 83, TIME = 12, WORDS = 30, EPOCHS = 6 };

static bool skipped(void)
{
    start_counting_heap_calls();
    if (!counts_heap_calls())
        puts("test_allocation: SKIPPED counting calls of the heap: a sanitizer, valgrind or another C "
             "library is in the way");
    return !counts_heap_calls();
}

/* Notes the calls at the end of every epoch; no assertions in here, since Check's call the heap. */
typedef struct counter {
    tl_callback callback;
    int epochs;
    long long calls[EPOCHS];
} counter;

static tl_status note(tl_callback *callback, tl_model *model, const tl_epoch *epoch, bool *stop)
{
    counter *c = (counter *)callback;
    (void)model, (void)stop, (void)epoch;
    c->calls[c->epochs++] = heap_calls;
    return TL_OK;
}

static tl_model *new_model(int which, user_cell *cell)
{
    tl_model *model = NULL;
    tl_optimizer *optimizer = tl_rmsprop();
    tl_loss loss = TL_BINARY_CROSSENTROPY;
    *cell = new_cell(which % USER_CELLS, 9, true);
    if (which == 0)
        model = tl_sequential(tl_embedding(WORDS, 8, .mask_zero = true), tl_simple_rnn(16),
                              tl_dropout_layer(0.3), tl_dense(1, .activation = TL_SIGMOID));
    else if (which == 1) /* more rows than a batch has positions */
        model = tl_sequential(tl_embedding(5000, 8), tl_rnn(cell), tl_dense(1, .activation = TL_SIGMOID));
    else if (which == 2)
        model = tl_sequential(tl_embedding(WORDS, 8, .mask_zero = true),
                              tl_simple_rnn(12, .return_sequences = true), tl_rnn(cell, .go_backwards = true),
                              tl_dense(1, .activation = TL_SIGMOID));
    else if (which == 3)
        model = tl_sequential(
            tl_embedding(WORDS, 8, .mask_zero = true),
            tl_bidirectional(tl_rnn(cell, .return_sequences = true, .dropout = 0.1),
                             tl_simple_rnn(9, .return_sequences = true, .recurrent_dropout = 0.1)),
            tl_layer_normalization(), tl_global_average_pooling_1d(), tl_dense(1, .activation = TL_SIGMOID));
    else
        model = tl_sequential(tl_category_encoding(WORDS), tl_rnn(cell, .stateful = true),
                              tl_dense(1, .activation = TL_SIGMOID));
    if (which == 1) {
        tl_optimizer_free(optimizer);
        optimizer = tl_adam(.global_clip_norm = 1);
    }
    check_ok(tl_compile(model, .optimizer = optimizer, .loss = loss));
    return model;
}
enum { MODELS = 5, STATEFUL = 4 };

/* 66 samples to train on, a ragged last batch, and 17 to validate on; for the stateful model 64 and 16. */
START_TEST(epochs_after_the_first_ask_nothing_of_the_heap)
{
    if (skipped())
        return;
    check_ok(tl_set_threads(1 + _i % 2));
    user_cell cell;
    tl_model *model = new_model(_i / 2, &cell);
    int64_t samples = _i / 2 == STATEFUL ? 80 : SAMPLES;
    tl_tensor x = padded_ids(samples, TIME, WORDS, 1), y = random_labels(samples, 2, 2);
    counter c = {.callback = {.epoch_end = note}};
    tl_history *history = tl_fit(model, tl_dataset_of(x, y), .epochs = EPOCHS, .batch_size = 16,
                                 .validation_split = 0.2, .callbacks = tl_callbacks(&c.callback));
    ck_assert_msg(history != NULL, "%s", tl_error_message());
    ck_assert_int_eq(c.epochs, EPOCHS);
    for (int i = 1; i < EPOCHS; i++)
        ck_assert_msg(c.calls[i] == c.calls[i - 1],
                      "model %d on %d threads: epoch %d called the heap %lld times", _i / 2, 1 + _i % 2,
                      i + 1, c.calls[i] - c.calls[i - 1]);
    ck_assert_int_gt(c.calls[0], 0); /* the counter does count */
    tl_history_free(history);
    tl_tensor_free(&x);
    tl_tensor_free(&y);
    tl_model_free(model);
}
END_TEST

typedef struct bare {
    tl_parameter *w, *u, *v;
    tl_optimizer *optimizer;
    tl_tensor x, y;
} bare;

static bare new_bare(void)
{
    bare b = {.w = random_parameter("w", TL_F32, tl_shape(5, 16), 1),
              .u = random_parameter("u", TL_F32, tl_shape(16, 16), 2),
              .v = random_parameter("v", TL_F32, tl_shape(16, 1), 3),
              .optimizer = tl_sgd(.momentum = 0.9, .clip_norm = 1),
              .x = random_tensor(TL_F32, tl_shape(7, TIME, 5), 4),
              .y = random_tensor(TL_F32, tl_shape(7, 1), 5)};
    check_ok(tl_optimizer_add(b.optimizer, (tl_parameter *[]){b.w, b.u, b.v}, 3));
    return b;
}

static tl_status bare_step(tl_tape *tape, const bare *b)
{
    tl_var *h = tl_zeros(tape, TL_F32, tl_shape(7, 16));
    for (int t = 0; t < TIME; t++) {
        tl_var *x = tl_input(tape, tl_tensor_select(b->x, 1, t));
        h = tl_tanh(tl_add(tl_matmul(x, tl_use(tape, b->w)), tl_matmul(h, tl_use(tape, b->u))));
    }
    tl_var *loss = tl_mse(tl_matmul(h, tl_use(tape, b->v)), tl_input(tape, b->y));
    tl_status status = tl_backward(loss);
    if (status == TL_OK)
        status = tl_optimizer_step(b->optimizer);
    tl_tape_reset(tape);
    return status;
}

START_TEST(steps_on_the_bare_tape_ask_nothing_either)
{
    if (skipped())
        return;
    bare b = new_bare();
    tl_tape *tape = tl_tape_new();
    check_ok(bare_step(tape, &b));
    long long before = heap_calls;
    tl_status status = TL_OK;
    for (int step = 2; step <= 50 && status == TL_OK; step++)
        status = bare_step(tape, &b);
    long long calls = heap_calls - before;
    check_ok(status);
    ck_assert_msg(calls == 0, "49 steps called the heap %lld times", calls);
    tl_tape_free(tape);
    tl_optimizer_free(b.optimizer);
    tl_parameter *parameters[] = {b.w, b.u, b.v};
    for (int i = 0; i < 3; i++)
        tl_parameter_free(parameters[i]);
    tl_tensor_free(&b.x);
    tl_tensor_free(&b.y);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("allocation");
    tcase_add_loop_test(tests, epochs_after_the_first_ask_nothing_of_the_heap, 0, 2 * MODELS);
    tcase_add_test(tests, steps_on_the_bare_tape_ask_nothing_either);
    return run_tests("allocation", tests);
}
