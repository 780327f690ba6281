/* The learning rate on a plateau, by scripts of losses: what Keras's callback does with them. */
#include "tests/nn/testing_internal.h"

enum { MOST_EPOCHS = 12 };

typedef struct script {
    int count;
    double values[MOST_EPOCHS], rates[MOST_EPOCHS]; /* monitored, and the learning rate after that epoch */
} script;

static tl_model *compiled(double rate)
{
    tl_model *model = tl_sequential(tl_dense(1));
    check_ok(tl_compile(model, .optimizer = tl_sgd(.learning_rate = rate), .loss = TL_BINARY_CROSSENTROPY));
    return model;
}

/* An epoch in which everything that is measured has this value. */
static tl_epoch epoch_of(int number, double value)
{
    return (tl_epoch){.epoch = number,
                      .epochs = MOST_EPOCHS,
                      .train = {value, value},
                      .validation = {value, value},
                      .has_accuracy = true,
                      .has_validation = true};
}

static void play(tl_callback *plateau, script s)
{
    ck_assert_msg(plateau != NULL, "%s", tl_error_message());
    tl_model *model = compiled(1);
    const tl_optimizer *optimizer = tl_model_optimizer(model);
    for (int i = 0; i < s.count; i++) {
        const tl_epoch epoch = epoch_of(i + 1, s.values[i]);
        bool stop = false;
        check_ok(plateau->epoch_end(plateau, model, &epoch, &stop));
        ck_assert(!stop);
        ck_assert_msg(fabs(tl_optimizer_learning_rate(optimizer) - s.rates[i]) < 1e-15,
                      "epoch %d: learning rate %g, expected %g", i + 1, tl_optimizer_learning_rate(optimizer),
                      s.rates[i]);
    }
    plateau->free(plateau);
    tl_model_free(model);
}

START_TEST(the_rate_falls_after_patience_epochs_that_are_no_better)
{
    play(tl_reduce_lr_on_plateau(.patience = 1, .factor = 0.5),
         (script){6, {3, 2, 2, 1, 1.5, 1.25}, {1, 1, 0.5, 0.5, 0.25, 0.125}});
    play(tl_reduce_lr_on_plateau(.patience = 2, .factor = 0.5),
         (script){8, {3, 4, 2, 2, 2, 2, 2, 1}, {1, 1, 1, 1, 0.5, 0.5, 0.25, 0.25}});
    play(tl_reduce_lr_on_plateau(.patience = 2, .factor = TL_ZERO, .min_lr = 0.3),
         (script){5, {1, 1, 1, 1, 1}, {1, 1, 0.3, 0.3, 0.3}});
}
END_TEST

START_TEST(defaults_are_those_of_keras)
{
    play(tl_reduce_lr_on_plateau(),
         (script){12, {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1}, {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0.1, 0.1}});
    /* 1e-4 is needed to be better: 0.9 and 1.1 of it from epoch to epoch. */
    play(tl_reduce_lr_on_plateau(.patience = 1), (script){3, {1, 1 - 0.9e-4, 1 - 1.1e-4}, {1, 0.1, 0.1}});
}
END_TEST

START_TEST(better_means_by_more_than_min_delta)
{
    play(tl_reduce_lr_on_plateau(.patience = 1, .factor = 0.5, .min_delta = 1),
         (script){4, {3, 2, 1.5, 1}, {1, 0.5, 0.5, 0.25}});
    play(tl_reduce_lr_on_plateau(.patience = 1, .factor = 0.5, .min_delta = TL_ZERO),
         (script){3, {3, 3 - 1e-9, 3 - 1e-9}, {1, 1, 0.5}});
    play(tl_reduce_lr_on_plateau(.patience = 1, .factor = 0.5, .monitor = "accuracy"),
         (script){4, {0.5, 0.6, 0.55, 0.7}, {1, 1, 0.5, 0.5}});
    play(tl_reduce_lr_on_plateau(.patience = 1, .factor = 0.5),
         (script){3, {1, (double)NAN, 0.5}, {1, 0.5, 0.5}});
}
END_TEST

/* Epoch 2 reduces. With a cooldown of 3 its epochs are 3, 4 and 5, the last of which is waited in again. */
START_TEST(nothing_is_waited_for_during_a_cooldown)
{
    play(tl_reduce_lr_on_plateau(.patience = 1, .factor = 0.5, .cooldown = 3),
         (script){8, {1, 1, 1, 1, 1, 1, 1, 1}, {1, 0.5, 0.5, 0.5, 0.25, 0.25, 0.25, 0.125}});
    play(tl_reduce_lr_on_plateau(.patience = 2, .factor = 0.5, .cooldown = 2),
         (script){8, {1, 1, 1, 1, 1, 1, 1, 1}, {1, 1, 0.5, 0.5, 0.5, 0.25, 0.25, 0.25}});
    /* A better epoch counts as the best also then. */
    play(tl_reduce_lr_on_plateau(.patience = 1, .factor = 0.5, .cooldown = 2),
         (script){5, {2, 2, 1, 1.5, 0.5}, {1, 0.5, 0.5, 0.25, 0.25}});
}
END_TEST

START_TEST(the_rate_never_falls_below_min_lr)
{
    play(tl_reduce_lr_on_plateau(.patience = 1, .factor = 0.5, .min_lr = 0.2),
         (script){6, {1, 1, 1, 1, 1, 1}, {1, 0.5, 0.25, 0.2, 0.2, 0.2}});
    play(tl_reduce_lr_on_plateau(.patience = 1, .factor = 0.5, .min_lr = 7),
         (script){3, {1, 1, 1}, {1, 1, 1}}); /* nor is it raised */
}
END_TEST

/* A rate too small to move any weight: the loss stays for ever. */
START_TEST(fit_calls_it)
{
    tl_tensor x = tl_tensor_of(TL_F32, tl_shape(2, 1), (float[]){1, 2}),
              y = ids_of(tl_shape(2), (int32_t[]){0, 1});
    tl_model *model = tl_sequential(tl_dense(1, .activation = TL_SIGMOID, .bias_initializer = TL_ONES));
    check_ok(
        tl_compile(model, .optimizer = tl_adam(.learning_rate = 0x1p-60), .loss = TL_BINARY_CROSSENTROPY));
    tl_history *history = tl_fit(
        model, tl_dataset_of(x, y), .epochs = 7,
        .callbacks = tl_callbacks(tl_reduce_lr_on_plateau(.monitor = "loss", .patience = 2, .factor = 0.5)));
    ck_assert_msg(history != NULL, "%s", tl_error_message());
    ck_assert_int_eq(history->count, 7);
    ck_assert_double_eq(tl_optimizer_learning_rate(tl_model_optimizer(model)), 0x1p-63);
    tl_history_free(history);
    tl_tensor_free(&x);
    tl_tensor_free(&y);
    tl_model_free(model);
}
END_TEST

static void check_refused(tl_callback *plateau, const char *part)
{
    ck_assert_ptr_null(plateau);
    check_error(TL_ERROR_ARGUMENT, part);
}

START_TEST(impossible_options_are_refused_by_name_and_value)
{
    check_refused(tl_reduce_lr_on_plateau(.factor = 1), "reduce_lr_on_plateau: factor 1");
    check_refused(tl_reduce_lr_on_plateau(.factor = -0.5), "reduce_lr_on_plateau: factor -0.5");
    check_refused(tl_reduce_lr_on_plateau(.factor = (double)NAN), "reduce_lr_on_plateau: factor nan");
    check_refused(tl_reduce_lr_on_plateau(.patience = -2), "reduce_lr_on_plateau: patience -2");
    check_refused(tl_reduce_lr_on_plateau(.cooldown = -2), "and cooldown -2");
    check_refused(tl_reduce_lr_on_plateau(.min_delta = -1), "reduce_lr_on_plateau: min_delta -1");
    check_refused(tl_reduce_lr_on_plateau(.min_lr = -1), "and min_lr -1");
    check_refused(tl_reduce_lr_on_plateau(.monitor = "f1"), "'f1' is not measured");
}
END_TEST

START_TEST(what_is_not_measured_is_an_error)
{
    tl_model *model = compiled(1);
    tl_callback *plateau = tl_reduce_lr_on_plateau();
    tl_epoch epoch = epoch_of(1, 1);
    epoch.has_validation = false;
    bool stop = false;
    ck_assert_int_eq(plateau->epoch_end(plateau, model, &epoch, &stop), TL_ERROR_STATE);
    check_error(TL_ERROR_STATE, "there is no val_loss without validation data");
    plateau->free(plateau);
    tl_model_free(model);
}
END_TEST

int main(void)
{
    return RUN_SUITE("plateau", the_rate_falls_after_patience_epochs_that_are_no_better,
                     defaults_are_those_of_keras, better_means_by_more_than_min_delta,
                     nothing_is_waited_for_during_a_cooldown, the_rate_never_falls_below_min_lr, fit_calls_it,
                     impossible_options_are_refused_by_name_and_value, what_is_not_measured_is_an_error);
}
