/* Callbacks: early stopping, checkpoints, the CSV log, and a user's own. The model is one weight that never
 * learns; a callback writes the weight of the next epoch, so that losses follow a script. */
#include "tests/nn/folder_internal.h"
#include "tests/nn/testing_internal.h"

/* Weights epoch by epoch; the loss is their square. */
static const double script[] = {3, 2, 2.5, 1, 1.5, 1.25, 0.5, 4};
enum { EPOCHS = sizeof script / sizeof script[0] };

typedef struct actor {
    tl_callback callback;
    int begun, epochs, ended, freed;
    int fails_at, stops_at; /* epochs; 0: never */
    bool fails_to_begin, fails_to_end;
} actor;

static void set_weight(tl_model *model, double w)
{
    tl_tensor_fill(parameter_of(model, "dense/kernel")->value, w);
}

static double weight_of(const tl_model *model)
{
    return element(parameter_of(model, "dense/kernel")->value, 0);
}

static tl_status act_begin(tl_callback *callback, tl_model *model)
{
    actor *a = (actor *)callback;
    a->begun++;
    set_weight(model, script[0]);
    return a->fails_to_begin ? tl_error(TL_ERROR_IO, "stage fright") : TL_OK;
}

static tl_status act(tl_callback *callback, tl_model *model, const tl_epoch *epoch, bool *stop)
{
    actor *a = (actor *)callback;
    a->epochs++;
    ck_assert_int_eq(epoch->epoch, a->epochs);
    ck_assert_int_eq(epoch->epochs, EPOCHS);
    ck_assert_double_eq(epoch->train.loss, script[a->epochs - 1] * script[a->epochs - 1]);
    if (a->epochs < EPOCHS)
        set_weight(model, script[a->epochs]);
    *stop |= a->epochs == a->stops_at;
    return a->epochs == a->fails_at ? tl_error(TL_ERROR_NUMERIC, "line forgotten in epoch %d", epoch->epoch)
                                    : TL_OK;
}

static tl_status act_end(tl_callback *callback, tl_model *model)
{
    actor *a = (actor *)callback;
    (void)model;
    a->ended++;
    return a->fails_to_end ? tl_error(TL_ERROR_IO, "no applause") : TL_OK;
}

static void act_free(tl_callback *callback)
{
    ((actor *)callback)->freed++;
}

static actor new_actor(void)
{
    return (actor){.callback = {.begin = act_begin, .epoch_end = act, .end = act_end, .free = act_free}};
}

typedef struct stage {
    tl_tensor x, y;
    tl_dataset data;
    tl_model *model;
    actor actor;
} stage;

/* f32, whose squares of the script's numbers are exact. */
static void set_stage(stage *s)
{
    s->x = tl_tensor_of(TL_F32, tl_shape(1, 1), (float[]){1});
    s->y = tl_tensor_of(TL_F32, tl_shape(1, 1), (float[]){0});
    s->data = tl_dataset_of(s->x, s->y);
    s->model = tl_sequential(tl_dense(1, .no_bias = true));
    s->actor = new_actor();
    check_ok(
        tl_compile(s->model, .optimizer = tl_sgd(.learning_rate = TL_ZERO), .loss = TL_MEAN_SQUARED_ERROR));
}

static void clear_stage(stage *s)
{
    tl_tensor_free(&s->x);
    tl_tensor_free(&s->y);
    tl_model_free(s->model);
}

/* Fits with `watcher` before the actor, so that it sees the weights of the epoch that ended. The number of
 * epochs, or -1 for a failure. */
static int play(stage *s, tl_callback *watcher, bool validates)
{
    tl_dataset none = {0};
    tl_history *history =
        tl_fit(s->model, s->data, .epochs = EPOCHS, .validation_data = validates ? s->data : none,
               .callbacks = tl_callbacks(watcher, &s->actor.callback));
    int count = history ? history->count : -1;
    tl_history_free(history);
    ck_assert_int_eq(s->actor.freed, 1);
    return count;
}

/* --- Early stopping --- */

static void check_stopping(tl_callback *stopping, bool validates, int epochs, double weight)
{
    stage s;
    set_stage(&s);
    int count = play(&s, stopping, validates);
    ck_assert_msg(count == epochs, "%d epochs, not %d: %s", count, epochs, tl_error_message());
    ck_assert_double_eq(weight_of(s.model), weight);
    clear_stage(&s);
}

START_TEST(early_stopping_counts_epochs_that_are_no_better)
{
    check_stopping(tl_early_stopping(.patience = 0), true, 3, 1);
    check_stopping(tl_early_stopping(.patience = 1), true, 3, 1);
    check_stopping(tl_early_stopping(.patience = 2), true, 6, 0.5);
    check_stopping(tl_early_stopping(.patience = 3), true, 8, 4);
    check_stopping(tl_early_stopping(.monitor = "loss", .patience = 2), false, 6, 0.5);
}
END_TEST

START_TEST(early_stopping_restores_the_best_weights)
{
    check_stopping(tl_early_stopping(.patience = 1, .restore_best_weights = true), true, 3, 2);
    check_stopping(tl_early_stopping(.patience = 2, .restore_best_weights = true), true, 6, 1);
    check_stopping(tl_early_stopping(.patience = 9, .restore_best_weights = true), true, 8, 0.5);
}
END_TEST

/* From 9 to 4 is 5 and no more; from 4 to 1 it is 3, and to 0.25 another 0.75. */
START_TEST(early_stopping_wants_to_see_min_delta)
{
    check_stopping(tl_early_stopping(.patience = 2, .min_delta = 5), true, 3, 1);
    check_stopping(tl_early_stopping(.patience = 3, .min_delta = 0.8, .restore_best_weights = true), true, 7,
                   1);
}
END_TEST

static void check_play_fails(tl_callback *watcher, bool validates, tl_status status, const char *part)
{
    stage s;
    set_stage(&s);
    ck_assert_int_eq(play(&s, watcher, validates), -1);
    check_error(status, part);
    clear_stage(&s);
}

START_TEST(what_is_not_measured_cannot_be_monitored)
{
    check_play_fails(tl_early_stopping(.patience = 1), false, TL_ERROR_STATE,
                     "there is no val_loss without validation data");
    check_play_fails(tl_early_stopping(.monitor = "val_accuracy"), true, TL_ERROR_STATE,
                     "there is no val_accuracy with this loss");
    check_play_fails(tl_early_stopping(.monitor = "f1"), true, TL_ERROR_ARGUMENT, "'f1' is not measured");
    check_play_fails(tl_early_stopping(.min_delta = -1), true, TL_ERROR_ARGUMENT, "min_delta -1");
    check_play_fails(tl_model_checkpoint(NULL), true, TL_ERROR_ARGUMENT, "model_checkpoint: no path");
}
END_TEST

/* --- Checkpoints --- */

static double saved_weight(const char *path)
{
    tl_safetensors *file = tl_safetensors_read(path);
    ck_assert_msg(file != NULL, "%s", tl_error_message());
    double w = element(tl_safetensors_tensor(file, "dense/kernel"), 0);
    tl_safetensors_free(file);
    return w;
}

START_TEST(checkpoints_keep_the_last_or_the_best)
{
    enter_folder();
    for (int best = 0; best < 2; best++) {
        stage s;
        set_stage(&s);
        tl_callback *checkpoint = tl_model_checkpoint("w.safetensors", .save_best_only = best);
        ck_assert_int_eq(play(&s, checkpoint, true), EPOCHS);
        ck_assert_double_eq(saved_weight("w.safetensors"), best ? 0.5 : 4);
        clear_stage(&s);
    }
    leave_folder();
}
END_TEST

START_TEST(an_unwritable_checkpoint_is_found_before_training)
{
    stage s;
    set_stage(&s);
    ck_assert_int_eq(play(&s, tl_model_checkpoint("not/there/w.safetensors"), true), -1);
    check_error(TL_ERROR_IO, "not/there/w.safetensors");
    ck_assert_int_eq(s.actor.epochs, 0);
    clear_stage(&s);
}
END_TEST

/* --- The CSV log --- */

/* The log with its seconds, which differ, left out. */
static void check_log(const char *path, const char *expected)
{
    char *text = file_contents(path, NULL), *to = text;
    int commas = 0;
    for (const char *from = text; *from; from++) {
        commas = *from == '\n' ? 0 : commas + (*from == ',');
        bool seconds = commas == 1 && *from != ',' && strchr(text, '\n') < from;
        if (seconds)
            ck_assert_msg(strchr("0123456789.", *from) != NULL, "seconds with a %c", *from);
        else
            *to++ = *from;
    }
    *to = '\0';
    ck_assert_str_eq(text, expected);
    free(text);
}

START_TEST(the_log_has_a_line_an_epoch)
{
    enter_folder();
    stage s;
    set_stage(&s);
    s.actor.stops_at = 3;
    ck_assert_int_eq(play(&s, tl_csv_log("log.csv"), true), 3);
    check_log("log.csv", "epoch,seconds,loss,accuracy,val_loss,val_accuracy\n"
                         "1,,9,,9,\n2,,4,,4,\n3,,6.25,,6.25,\n");
    clear_stage(&s);
    set_stage(&s);
    s.actor.stops_at = 1;
    ck_assert_int_eq(play(&s, tl_csv_log("log.csv"), false), 1); /* anew */
    check_log("log.csv", "epoch,seconds,loss,accuracy,val_loss,val_accuracy\n1,,9,,,\n");
    clear_stage(&s);
    leave_folder();
}
END_TEST

START_TEST(the_log_has_accuracies_where_there_are_any)
{
    enter_folder();
    tl_tensor x = tl_tensor_of(TL_F32, tl_shape(4, 1), (float[]){1, 1, -1, -1}),
              y = ids_of(tl_shape(4), (int32_t[]){1, 0, 0, 0});
    tl_model *model = tl_sequential(tl_dense(1, .activation = TL_SIGMOID, .kernel_initializer = TL_ONES));
    check_ok(
        tl_compile(model, .optimizer = tl_sgd(.learning_rate = TL_ZERO), .loss = TL_BINARY_CROSSENTROPY));
    tl_history *history = tl_fit(model, tl_dataset_of(x, y), .validation_split = 0.5,
                                 .callbacks = tl_callbacks(tl_csv_log("log.csv")));
    ck_assert_msg(history != NULL, "%s", tl_error_message());
    double loss, val_loss;
    int epoch;
    char *text = file_contents("log.csv", NULL);
    ck_assert_int_eq(sscanf(strchr(text, '\n'), "%d,%*f,%lf,0.5,%lf,1", &epoch, &loss, &val_loss), 3);
    ck_assert_double_eq_tol(loss, (log1p(exp(-1)) + log1p(exp(1))) / 2, 1e-6);
    ck_assert_double_eq_tol(val_loss, log1p(exp(-1)), 1e-6);
    free(text);
    tl_history_free(history);
    tl_tensor_free(&x);
    tl_tensor_free(&y);
    tl_model_free(model);
    leave_folder();
}
END_TEST

START_TEST(an_unwritable_log_is_found_before_training)
{
    stage s;
    set_stage(&s);
    ck_assert_int_eq(play(&s, tl_csv_log("not/there/log.csv"), true), -1);
    check_error(TL_ERROR_IO, "csv_log: cannot write not/there/log.csv");
    ck_assert_int_eq(s.actor.epochs, 0);
    clear_stage(&s);
}
END_TEST

/* --- One's own --- */

START_TEST(a_callback_sees_every_epoch)
{
    stage s;
    actor second = new_actor();
    second.callback = (tl_callback){.free = act_free}; /* the rest is optional */
    set_stage(&s);
    ck_assert_int_eq(play(&s, &second.callback, true), EPOCHS);
    ck_assert_int_eq(s.actor.begun, 1);
    ck_assert_int_eq(s.actor.epochs, EPOCHS);
    ck_assert_int_eq(s.actor.ended, 1);
    ck_assert_int_eq(second.freed, 1);
    clear_stage(&s);
}
END_TEST

/* How an actor misbehaves, and how many epochs it sees. */
static void check_failure(void (*spoil)(actor *a), int epochs, int ended, tl_status status, const char *part)
{
    stage s;
    actor idle = new_actor();
    idle.callback = (tl_callback){.free = act_free};
    set_stage(&s);
    spoil(&s.actor);
    ck_assert_int_eq(play(&s, &idle.callback, true), -1);
    check_error(status, part);
    ck_assert_int_eq(s.actor.epochs, epochs);
    ck_assert_int_eq(s.actor.ended, ended);
    ck_assert_int_eq(idle.freed, 1);
    s.actor = new_actor(); /* the model can be trained again */
    ck_assert_int_eq(play(&s, tl_early_stopping(.patience = 9), true), EPOCHS);
    clear_stage(&s);
}

static void spoil_begin(actor *a)
{
    a->fails_to_begin = true;
}

static void spoil_epoch(actor *a)
{
    a->fails_at = 3;
}

static void spoil_end(actor *a)
{
    a->fails_to_end = true;
}

START_TEST(a_callback_that_fails_ends_the_training)
{
    check_failure(spoil_begin, 0, 0, TL_ERROR_IO, "stage fright");
    check_failure(spoil_epoch, 3, 0, TL_ERROR_NUMERIC, "line forgotten in epoch 3");
    check_failure(spoil_end, EPOCHS, 1, TL_ERROR_IO, "no applause");
}
END_TEST

/* --- Histories --- */

START_TEST(the_best_epoch_is_found_by_key)
{
    const double nan = (double)NAN;
    tl_epoch epochs[] = {{.train = {3, 0.2}, .validation = {nan, nan}},
                         {.train = {1, 0.7}, .validation = {nan, nan}},
                         {.train = {2, 0.9}, .validation = {nan, nan}}};
    const tl_history history = {3, epochs};
    ck_assert_int_eq(tl_history_best(&history, "loss"), 1);
    ck_assert_int_eq(tl_history_best(&history, "accuracy"), 2);
    ck_assert_int_eq(tl_history_best(&history, "val_loss"), -1);
    ck_assert_double_eq(tl_epoch_value(&epochs[2], "accuracy"), 0.9);
    ck_assert_double_nan(tl_epoch_value(&epochs[0], "speed"));
    check_error(TL_ERROR_ARGUMENT,
                "'speed' is not measured, expected loss, accuracy, val_loss or val_accuracy");
}
END_TEST

int main(void)
{
    return RUN_SUITE("callback", early_stopping_counts_epochs_that_are_no_better,
                     early_stopping_restores_the_best_weights, early_stopping_wants_to_see_min_delta,
                     what_is_not_measured_cannot_be_monitored, checkpoints_keep_the_last_or_the_best,
                     an_unwritable_checkpoint_is_found_before_training, the_log_has_a_line_an_epoch,
                     the_log_has_accuracies_where_there_are_any, an_unwritable_log_is_found_before_training,
                     a_callback_sees_every_epoch, a_callback_that_fails_ends_the_training,
                     the_best_epoch_is_found_by_key);
}
