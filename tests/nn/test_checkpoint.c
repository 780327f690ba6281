/* Checkpoints: training that stops after any epoch and goes on elsewhere ends with the same bits as one that
 * never stopped; files that are refused leave all as it was. */
#include "nn/checkpoint.h"
#include "tests/nn/folder_internal.h"
#include "tests/nn/testing_internal.h"

enum { SAMPLES = 45, TIME = 5, WORDS = 8, EPOCHS = 4, BATCH = 16 };

static const char path[] = "run.checkpoint";

/* Everything that an optimizer may have to remember, each with a schedule. 3 steps an epoch. */
static tl_optimizer *new_optimizer(int which)
{
    const tl_schedule cosine = tl_cosine_decay(10, .alpha = 0.1, .warmup_steps = 2);
    switch (which) {
    case 0:
        return tl_sgd(.learning_rate = 0.3, .momentum = 0.9, .schedule = tl_step_decay(4, 0.5));
    case 1:
        return tl_sgd(.learning_rate = 0.3, .momentum = 0.9, .nesterov = true, .clip_norm = 0.1);
    case 2:
        return tl_rmsprop(.centered = true, .momentum = 0.5, .schedule = cosine);
    case 3:
        return tl_rmsprop(.learning_rate = 0.01);
    case 4:
        return tl_adam(.learning_rate = 0.01, .amsgrad = true, .schedule = tl_exponential_decay(3, 0.8));
    case 5:
        return tl_adamw(.learning_rate = 0.01, .weight_decay = 0.1, .schedule = cosine);
    case 6:
        return tl_adagrad(.learning_rate = 0.05, .global_clip_norm = 0.5);
    default:
        return tl_sgd(.learning_rate = 0.3);
    }
}
enum { OPTIMIZERS = 8, ADAM = 4, PLAIN_SGD = 7 };

/* With dropout of every kind. */
static tl_model *new_model(int optimizer, int64_t units, uint64_t seed)
{
    tl_model *model = tl_sequential(
        tl_embedding(WORDS, 4, .mask_zero = true),
        tl_bidirectional(tl_simple_rnn(units, .return_sequences = true, .dropout = 0.2),
                         tl_simple_rnn(units, .return_sequences = true, .recurrent_dropout = 0.2)),
        tl_dropout_layer(0.2), tl_layer_normalization(), tl_simple_rnn(units),
        tl_dense(1, .activation = TL_SIGMOID));
    check_ok(tl_compile(model, .optimizer = new_optimizer(optimizer), .loss = TL_BINARY_CROSSENTROPY));
    check_ok(tl_build(model, tl_shape(TIME), TL_F32, seed));
    return model;
}

static tl_dataset new_data(void)
{
    return tl_dataset_of(padded_ids(SAMPLES, TIME, WORDS, 1), random_labels(SAMPLES, 2, 2));
}

/* Epochs first + 1 to last, saved after the last of them. */
static tl_history *train(tl_model *model, tl_dataset data, int first, int last)
{
    tl_history *history =
        tl_fit(model, data, .epochs = last, .initial_epoch = first, .batch_size = BATCH,
               .validation_split = 0.2, .seed = 5, .callbacks = tl_callbacks(tl_checkpoint(path)));
    ck_assert_msg(history != NULL, "%s", tl_error_message());
    ck_assert_int_eq(history->count, last - first);
    return history;
}

static void check_same_state(const tl_model *a, const tl_model *b)
{
    ck_assert(same_weights(a, b));
    const tl_optimizer *p = tl_model_optimizer(a), *q = tl_model_optimizer(b);
    ck_assert_int_eq(tl_optimizer_steps(p), tl_optimizer_steps(q));
    ck_assert_double_eq(tl_optimizer_current_rate(p), tl_optimizer_current_rate(q));
}

/* --- Going on --- */

START_TEST(stopping_after_any_epoch_changes_no_bit)
{
    enter_folder();
    tl_dataset data = new_data();
    tl_model *undisturbed = new_model(_i, 3, 1);
    tl_history *whole = train(undisturbed, data, 0, EPOCHS);
    for (int stop = 1; stop < EPOCHS; stop++) {
        tl_model *before = new_model(_i, 3, 1), *after = new_model(_i, 3, 99); /* other weights at first */
        tl_history_free(train(before, data, 0, stop));
        int done = -1;
        check_ok(tl_checkpoint_load(after, path, &done));
        ck_assert_int_eq(done, stop);
        check_same_state(after, before);
        tl_history *rest = train(after, data, done, EPOCHS);
        for (int i = 0; i < rest->count; i++) {
            const tl_epoch *e = &rest->epochs[i], *f = &whole->epochs[stop + i];
            ck_assert_int_eq(e->epoch, f->epoch);
            ck_assert_mem_eq(&e->train, &f->train, sizeof e->train);
            ck_assert_mem_eq(&e->validation, &f->validation, sizeof e->validation);
        }
        check_same_state(after, undisturbed);
        tl_history_free(rest);
        tl_model_free(before);
        tl_model_free(after);
    }
    ck_assert_double_ne(whole->epochs[0].train.loss, whole->epochs[EPOCHS - 1].train.loss);
    tl_history_free(whole);
    tl_model_free(undisturbed);
    tl_dataset_free(&data);
    leave_folder();
}
END_TEST

/* A learning rate that was changed on the way is remembered; the schedule's factor is not mixed up with it.
 */
START_TEST(the_learning_rate_is_remembered)
{
    enter_folder();
    tl_dataset data = new_data();
    tl_model *model = new_model(ADAM, 3, 1), *other = new_model(ADAM, 3, 1);
    tl_history_free(train(model, data, 0, 1));
    check_ok(tl_optimizer_set_learning_rate(tl_model_optimizer(model), 0.125));
    check_ok(tl_checkpoint_save(model, path, 1));
    int done;
    check_ok(tl_checkpoint_load(other, path, &done));
    ck_assert_double_eq(tl_optimizer_learning_rate(tl_model_optimizer(other)), 0.125);
    ck_assert_double_ne(tl_optimizer_current_rate(tl_model_optimizer(other)), 0.125);
    check_same_state(model, other);
    tl_model_free(model);
    tl_model_free(other);
    tl_dataset_free(&data);
    leave_folder();
}
END_TEST

/* When all epochs are done there is nothing left to do: no error, and no change. */
START_TEST(nothing_happens_after_the_last_epoch)
{
    enter_folder();
    tl_dataset data = new_data();
    tl_model *model = new_model(ADAM, 3, 1), *other = new_model(ADAM, 3, 1);
    tl_history_free(train(model, data, 0, 2));
    int done;
    check_ok(tl_checkpoint_load(other, path, &done));
    for (int epochs = 1; epochs <= 2; epochs++) {
        tl_history *history = tl_fit(other, data, .epochs = epochs, .initial_epoch = done);
        ck_assert_msg(history != NULL, "%s", tl_error_message());
        ck_assert_int_eq(history->count, 0);
        ck_assert_int_eq(tl_history_best(history, "loss"), -1);
        tl_history_free(history);
    }
    check_same_state(model, other);
    ck_assert_ptr_null(tl_fit(other, data, .initial_epoch = -1));
    check_error(TL_ERROR_ARGUMENT, "fit: initial_epoch -1, expected 0 or more");
    tl_model_free(model);
    tl_model_free(other);
    tl_dataset_free(&data);
    leave_folder();
}
END_TEST

START_TEST(there_is_one_file_and_it_is_the_last)
{
    enter_folder();
    tl_dataset data = new_data();
    tl_model *model = new_model(ADAM, 3, 1), *other = new_model(ADAM, 3, 2);
    tl_history_free(train(model, data, 0, 3));
    ck_assert_int_eq(count_files(), 1);
    int done;
    check_ok(tl_checkpoint_load(other, path, &done));
    ck_assert_int_eq(done, 3);
    check_same_state(model, other);
    tl_model_free(model);
    tl_model_free(other);
    tl_dataset_free(&data);
    leave_folder();
}
END_TEST

/* --- Files that are refused --- */

/* A checkpoint of an Adam's training after two epochs. */
static void write_checkpoint(void)
{
    tl_dataset data = new_data();
    tl_model *model = new_model(ADAM, 3, 1);
    tl_history_free(train(model, data, 0, 2));
    tl_model_free(model);
    tl_dataset_free(&data);
}

/* A model that was trained a little, so that there is much to spoil, goes on as if nobody had tried. */
static void check_refused(tl_model *model, tl_model *twin, const char *file, tl_status status,
                          const char *message)
{
    tl_dataset data = new_data();
    tl_history_free(train(model, data, 0, 1));
    tl_history_free(train(twin, data, 0, 1));
    int done = 77;
    ck_assert_int_eq(tl_checkpoint_load(model, file, &done), status);
    check_error(status, message);
    ck_assert_int_eq(done, 77);
    check_same_state(model, twin);
    tl_history_free(train(model, data, 1, 2));
    tl_history_free(train(twin, data, 1, 2));
    check_same_state(model, twin);
    tl_model_free(model);
    tl_model_free(twin);
    tl_dataset_free(&data);
}

START_TEST(checkpoints_of_others_are_refused)
{
    static const struct {
        int optimizer;
        int64_t units;
        const char *message;
    } others[] = {
        {ADAM, 4, "is f32 [4, 3] in the checkpoint, expected f32 [4, 4]"},
        {0, 3, "other.checkpoint: there is no tensor \"sgd/"},
        {5, 3, "other.checkpoint: there is no tensor \"adamw/"},
        {PLAIN_SGD, 3, "tensors, expected"},
    };
    enter_folder();
    write_checkpoint();
    ck_assert_int_eq(rename(path, "other.checkpoint"), 0);
    tl_model *model = new_model(others[_i].optimizer, others[_i].units, 3),
             *twin = new_model(others[_i].optimizer, others[_i].units, 3);
    check_refused(model, twin, "other.checkpoint", TL_ERROR_FORMAT, others[_i].message);
    leave_folder();
}
END_TEST

/* Weights alone, as tl_save writes them, are no checkpoint, nor is a checkpoint a file of weights. */
START_TEST(weights_are_no_checkpoint)
{
    enter_folder();
    tl_model *model = new_model(ADAM, 3, 1);
    check_ok(tl_save(model, "weights.safetensors"));
    check_ok(tl_checkpoint_save(model, path, 0));
    ck_assert_int_ne(tl_load_weights(model, path), TL_OK);
    check_error(TL_ERROR_FORMAT, "tensors, the model");
    tl_model_free(model);
    check_refused(new_model(ADAM, 3, 1), new_model(ADAM, 3, 1), "weights.safetensors", TL_ERROR_FORMAT,
                  "weights.safetensors: there is no tensor");
    leave_folder();
}
END_TEST

START_TEST(damaged_files_are_refused)
{
    enter_folder();
    write_checkpoint();
    size_t size;
    char *bytes = file_contents(path, &size);
    tl_model *model = new_model(ADAM, 3, 1), *twin = new_model(ADAM, 3, 1);
    int done = 77;
    for (size_t cut = 0; cut < size; cut += cut < 32 ? 1 : 199) {
        write_contents("cut.checkpoint", bytes, cut);
        ck_assert_int_eq(tl_checkpoint_load(model, "cut.checkpoint", &done), TL_ERROR_FORMAT);
        check_error(TL_ERROR_FORMAT, "cut.checkpoint");
    }
    write_contents("cut.checkpoint", bytes, size - 1);
    free(bytes);
    ck_assert_int_eq(done, 77);
    check_refused(model, twin, "cut.checkpoint", TL_ERROR_FORMAT, "cut short");
    check_refused(new_model(ADAM, 3, 1), new_model(ADAM, 3, 1), "missing.checkpoint", TL_ERROR_IO,
                  "missing.checkpoint");
    leave_folder();
}
END_TEST

/* A copy with one number replaced: the last of the first tensor whose name contains `part`. */
static void spoil(const char *part, double value)
{
    enum { MOST = 128 };
    tl_safetensors *file = tl_safetensors_read(path);
    tl_named_tensor tensors[MOST];
    int count = tl_safetensors_count(file), spoiled = -1;
    ck_assert_int_le(count, MOST);
    for (int i = 0; i < count; i++) {
        const char *name = tl_safetensors_name(file, i);
        tensors[i] = (tl_named_tensor){name, copy_of(tl_safetensors_tensor(file, name))};
        if (spoiled < 0 && strstr(name, part))
            spoiled = i;
    }
    ck_assert_int_ge(spoiled, 0);
    tl_tensor last = tensors[spoiled].tensor;
    while (last.shape.rank > 0)
        last = tl_tensor_select(last, 0, -1);
    tl_tensor_fill(last, value);
    check_ok(tl_safetensors_write("spoiled.checkpoint", tensors, count, NULL, 0));
    for (int i = 0; i < count; i++)
        tl_tensor_free(&tensors[i].tensor);
    tl_safetensors_free(file);
}

START_TEST(impossible_numbers_are_refused)
{
    static const struct {
        const char *part;
        double value;
        tl_status status;
        const char *message;
    } cases[] = {
        {"dense/kernel", (double)NAN, TL_ERROR_NUMERIC, "dense/kernel"},
        {"adam/", (double)INFINITY, TL_ERROR_NUMERIC, "adam/"},
        {"training/progress", (double)NAN, TL_ERROR_NUMERIC, "training/progress"}, /* the learning rate */
        {"training/progress", -0.5, TL_ERROR_FORMAT,
         "2 epochs, 6 steps, learning rate -0.5: no numbers of a training"},
    };
    enter_folder();
    write_checkpoint();
    spoil(cases[_i].part, cases[_i].value);
    check_refused(new_model(ADAM, 3, 1), new_model(ADAM, 3, 1), "spoiled.checkpoint", cases[_i].status,
                  cases[_i].message);
    leave_folder();
}
END_TEST

/* --- Other errors --- */

START_TEST(models_that_are_not_ready_are_refused)
{
    enter_folder();
    tl_model *uncompiled = tl_sequential(tl_dense(1)), *unbuilt = tl_sequential(tl_dense(1));
    check_ok(tl_build(uncompiled, tl_shape(2), TL_F32, 0));
    check_ok(tl_compile(unbuilt, .optimizer = tl_sgd(), .loss = TL_MEAN_SQUARED_ERROR));
    int done;
    ck_assert_int_ne(tl_checkpoint_save(uncompiled, path, 1), TL_OK);
    check_error(TL_ERROR_STATE, "checkpoint_save: the model is not compiled");
    ck_assert_int_ne(tl_checkpoint_load(unbuilt, path, &done), TL_OK);
    check_error(TL_ERROR_STATE, "checkpoint_load: the model is not built");
    ck_assert_int_ne(tl_checkpoint_save(NULL, path, 1), TL_OK);
    ck_assert_int_eq(count_files(), 0);
    tl_model_free(uncompiled);
    tl_model_free(unbuilt);
    leave_folder();
}
END_TEST

START_TEST(a_negative_number_of_epochs_is_refused)
{
    enter_folder();
    tl_model *model = new_model(ADAM, 3, 1);
    ck_assert_int_ne(tl_checkpoint_save(model, path, -1), TL_OK);
    check_error(TL_ERROR_ARGUMENT, "checkpoint_save: -1 epochs done, expected 0 or more");
    ck_assert_int_eq(count_files(), 0);
    tl_model_free(model);
    leave_folder();
}
END_TEST

START_TEST(a_path_that_cannot_be_written_is_found_before_training)
{
    enter_folder();
    tl_dataset data = new_data();
    tl_model *model = new_model(ADAM, 3, 1), *untouched = new_model(ADAM, 3, 1);
    ck_assert_ptr_null(tl_checkpoint(NULL));
    ck_assert_ptr_null(tl_fit(model, data, .callbacks = tl_callbacks(tl_checkpoint("no/such/folder"))));
    check_error(TL_ERROR_IO, "no/such/folder");
    check_same_state(model, untouched);
    tl_model_free(model);
    tl_model_free(untouched);
    tl_dataset_free(&data);
    leave_folder();
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("checkpoint");
    tcase_add_loop_test(tests, stopping_after_any_epoch_changes_no_bit, 0, OPTIMIZERS);
    tcase_add_test(tests, the_learning_rate_is_remembered);
    tcase_add_test(tests, nothing_happens_after_the_last_epoch);
    tcase_add_test(tests, there_is_one_file_and_it_is_the_last);
    tcase_add_loop_test(tests, checkpoints_of_others_are_refused, 0, 4);
    tcase_add_test(tests, weights_are_no_checkpoint);
    tcase_add_test(tests, damaged_files_are_refused);
    tcase_add_loop_test(tests, impossible_numbers_are_refused, 0, 4);
    tcase_add_test(tests, models_that_are_not_ready_are_refused);
    tcase_add_test(tests, a_negative_number_of_epochs_is_refused);
    tcase_add_test(tests, a_path_that_cannot_be_written_is_found_before_training);
    return run_tests("checkpoint", tests);
}
