/* Checkpoints of training loops of one's own: one that stops after any step and goes on elsewhere ends with
 * the same bits as one that never stopped; files that are refused leave all as it was. */
#include "nn/checkpoint.h"
#include "tests/nn/folder_internal.h"
#include "tests/nn/testing_internal.h"

enum { BATCH = 9, TIME = 5, WORDS = 8, STEPS = 12 };

static const char path[] = "run.checkpoint";

/* Everything that an optimizer may have to remember, each with a schedule. */
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
enum { OPTIMIZERS = 8, ADAM = 4 };

/* With dropout of every kind. */
static tl_model *new_model(int optimizer, int64_t units, uint64_t seed)
{
    tl_model *model = tl_sequential(
        tl_embedding(WORDS, 4, .mask_zero = true),
        tl_bidirectional(tl_simple_rnn(units, .return_sequences = true, .dropout = 0.2),
                         tl_simple_rnn(units, .return_sequences = true, .recurrent_dropout = 0.2)),
        tl_dropout_layer(0.2), tl_layer_normalization(), tl_simple_rnn(units, .stateful = true),
        tl_dense(1, .activation = TL_SIGMOID));
    check_ok(tl_compile(model, .optimizer = new_optimizer(optimizer), .loss = TL_BINARY_CROSSENTROPY));
    check_ok(tl_build(model, tl_shape(TIME), TL_F32, seed));
    return model;
}

/* Steps first + 1 to last, each with a batch of its own. */
static void train(tl_model *model, int64_t first, int64_t last)
{
    for (int64_t step = first; step < last; step++) {
        tl_tensor x = padded_ids(BATCH, TIME, WORDS, (uint64_t)step),
                  y = random_labels(BATCH, 2, (uint64_t)step);
        check_ok(tl_train_on_batch(model, x, y, NULL));
        tl_tensor_free(&x);
        tl_tensor_free(&y);
    }
}

static void check_same_state(const tl_model *a, const tl_model *b)
{
    ck_assert(same_weights(a, b));
    const tl_optimizer *p = tl_model_optimizer(a), *q = tl_model_optimizer(b);
    ck_assert_int_eq(tl_optimizer_steps(p), tl_optimizer_steps(q));
    ck_assert_double_eq(tl_optimizer_current_rate(p), tl_optimizer_current_rate(q));
    check_ok(tl_checkpoint_save(a, "a"));
    check_ok(tl_checkpoint_save(b, "b"));
    size_t size, other;
    char *one = file_contents("a", &size), *two = file_contents("b", &other);
    ck_assert(size == other && memcmp(one, two, size) == 0);
    free(one);
    free(two);
    unlink("a");
    unlink("b");
}

/* --- Going on --- */

START_TEST(stopping_after_any_step_changes_no_bit)
{
    enter_folder();
    tl_model *undisturbed = new_model(_i, 3, 1);
    train(undisturbed, 0, STEPS);
    for (int stop = 0; stop < STEPS; stop++) {
        tl_model *before = new_model(_i, 3, 1), *after = new_model(_i, 3, 1);
        train(before, 0, stop);
        train(after, 7, 9); /* somewhere else */
        check_ok(tl_checkpoint_save(before, path));
        check_ok(tl_checkpoint_load(after, path));
        check_same_state(after, before);
        ck_assert_int_eq(tl_optimizer_steps(tl_model_optimizer(after)), stop);
        train(after, stop, STEPS);
        check_same_state(after, undisturbed);
        tl_model_free(before);
        tl_model_free(after);
    }
    tl_model_free(undisturbed);
    leave_folder();
}
END_TEST

/* A learning rate that was changed on the way is remembered; the schedule's factor is not mixed up with it.
 */
START_TEST(the_learning_rate_is_remembered)
{
    enter_folder();
    tl_model *model = new_model(ADAM, 3, 1), *other = new_model(ADAM, 3, 1);
    train(model, 0, 3);
    check_ok(tl_optimizer_set_learning_rate(tl_model_optimizer(model), 0.125));
    check_ok(tl_checkpoint_save(model, path));
    check_ok(tl_checkpoint_load(other, path));
    ck_assert_double_eq(tl_optimizer_learning_rate(tl_model_optimizer(other)), 0.125);
    ck_assert_double_ne(tl_optimizer_current_rate(tl_model_optimizer(other)), 0.125);
    check_same_state(model, other);
    tl_model_free(model);
    tl_model_free(other);
    leave_folder();
}
END_TEST

START_TEST(there_is_one_file_and_it_is_the_last)
{
    enter_folder();
    tl_model *model = new_model(ADAM, 3, 1), *other = new_model(ADAM, 3, 1);
    for (int i = 0; i < 3; i++) {
        train(model, i, i + 1);
        check_ok(tl_checkpoint_save(model, path));
        ck_assert_int_eq(count_files(), 1);
    }
    check_ok(tl_checkpoint_load(other, path));
    check_same_state(model, other);
    tl_model_free(model);
    tl_model_free(other);
    leave_folder();
}
END_TEST

/* --- Files that are refused --- */

/* A checkpoint of an Adam's training after some steps. */
static void write_checkpoint(void)
{
    tl_model *model = new_model(ADAM, 3, 1);
    train(model, 0, 6);
    check_ok(tl_checkpoint_save(model, path));
    tl_model_free(model);
}

/* A model that was trained a little, so that there is much to spoil, goes on as if nobody had tried. */
static void check_refused(tl_model *model, tl_model *twin, const char *file, tl_status status,
                          const char *message)
{
    train(model, 0, 2);
    train(twin, 0, 2);
    ck_assert_int_eq(tl_checkpoint_load(model, file), status);
    check_error(status, message);
    check_same_state(model, twin);
    train(model, 2, 4);
    train(twin, 2, 4);
    check_same_state(model, twin);
    tl_model_free(model);
    tl_model_free(twin);
}

START_TEST(checkpoints_of_others_are_refused)
{
    static const struct {
        int optimizer;
        int64_t units;
        uint64_t seed;
        const char *message;
    } others[] = {
        {ADAM, 4, 1, "is f32 [4, 3] in the checkpoint, expected f32 [4, 4]"},
        {0, 3, 1, "other.checkpoint: of another training: optimizer adam (0.9"},
        {5, 3, 1, "other.checkpoint: of another training: optimizer adam (0.9"},
        {ADAM, 3, 2, "other.checkpoint: of another training: seed 1 in the checkpoint, here 2"},
    };
    enter_folder();
    write_checkpoint();
    ck_assert_int_eq(rename(path, "other.checkpoint"), 0);
    tl_model *model = new_model(others[_i].optimizer, others[_i].units, others[_i].seed),
             *twin = new_model(others[_i].optimizer, others[_i].units, others[_i].seed);
    check_refused(model, twin, "other.checkpoint", TL_ERROR_FORMAT, others[_i].message);
    leave_folder();
}
END_TEST

/* Momentum and Nesterov's remember the same, and yet are two optimizers. */
START_TEST(momentum_is_not_nesterovs)
{
    tl_model *models[2];
    enter_folder();
    for (int i = 0; i < 2; i++) {
        models[i] = tl_sequential(tl_dense(1));
        check_ok(tl_compile(models[i], .optimizer = tl_sgd(.momentum = 0.9, .nesterov = i == 1),
                            .loss = TL_MEAN_SQUARED_ERROR));
        check_ok(tl_build(models[i], tl_shape(2), TL_F32, 0));
    }
    check_ok(tl_checkpoint_save(models[1], path));
    ck_assert_int_eq(tl_checkpoint_load(models[0], path), TL_ERROR_FORMAT);
    check_error(TL_ERROR_FORMAT, "of another training: optimizer ");
    tl_model_free(models[0]);
    tl_model_free(models[1]);
    leave_folder();
}
END_TEST

/* Weights alone, as tl_save writes them, are no checkpoint, nor is a checkpoint a file of weights. */
START_TEST(weights_are_no_checkpoint)
{
    enter_folder();
    tl_model *model = new_model(ADAM, 3, 1);
    check_ok(tl_save(model, "weights.safetensors"));
    check_ok(tl_checkpoint_save(model, path));
    ck_assert_int_ne(tl_load_weights(model, path), TL_OK);
    check_error(TL_ERROR_FORMAT, "tensors, the model");
    tl_model_free(model);
    check_refused(new_model(ADAM, 3, 1), new_model(ADAM, 3, 1), "weights.safetensors", TL_ERROR_FORMAT,
                  "weights.safetensors: no checkpoint of such a training: it has no checkpoint");
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
    for (size_t cut = 0; cut < size; cut += cut < 32 ? 1 : 199) {
        write_contents("cut.checkpoint", bytes, cut);
        ck_assert_int_eq(tl_checkpoint_load(model, "cut.checkpoint"), TL_ERROR_FORMAT);
        check_error(TL_ERROR_FORMAT, "cut.checkpoint");
    }
    write_contents("cut.checkpoint", bytes, size - 1);
    free(bytes);
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
    static const char *const keys[] = {"checkpoint", "layers",   "loss", "optimizer",
                                       "clipping",   "schedule", "seed"};
    enum { KEYS = sizeof keys / sizeof keys[0] };
    tl_metadata facts[KEYS];
    for (int i = 0; i < KEYS; i++)
        facts[i] = (tl_metadata){keys[i], tl_safetensors_metadata(file, keys[i])};
    check_ok(tl_safetensors_write("spoiled.checkpoint", tensors, count, facts, KEYS));
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
        {"optimizer/learning_rate", (double)NAN, TL_ERROR_FORMAT, "optimizer/learning_rate is nan"},
        {"optimizer/learning_rate", -0.5, TL_ERROR_FORMAT,
         "optimizer/learning_rate is -0.5, expected a number from 0"},
        {"optimizer/steps", 0.5, TL_ERROR_FORMAT, "optimizer/steps is 0.5, expected a whole number from 0"},
        {"optimizer/steps", -1, TL_ERROR_FORMAT, "optimizer/steps is -1, expected a whole number from 0"},
        {"optimizer/steps", 0x1p60, TL_ERROR_FORMAT, "optimizer/steps is 1.15292e+18, expected a whole"},
        {"optimizer/steps", (double)NAN, TL_ERROR_FORMAT, "optimizer/steps is nan, expected a whole"},
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
    ck_assert_int_ne(tl_checkpoint_save(uncompiled, path), TL_OK);
    check_error(TL_ERROR_STATE, "checkpoint_save: the model is not compiled");
    ck_assert_int_ne(tl_checkpoint_load(unbuilt, path), TL_OK);
    check_error(TL_ERROR_STATE, "checkpoint_load: the model is not built");
    ck_assert_int_ne(tl_checkpoint_save(NULL, path), TL_OK);
    ck_assert_int_eq(count_files(), 0);
    tl_model_free(uncompiled);
    tl_model_free(unbuilt);
    leave_folder();
}
END_TEST

START_TEST(paths_that_cannot_be_are_refused)
{
    enter_folder();
    tl_model *model = new_model(ADAM, 3, 1);
    ck_assert_int_ne(tl_checkpoint_save(model, NULL), TL_OK);
    ck_assert_int_ne(tl_checkpoint_load(model, NULL), TL_OK);
    ck_assert_int_eq(tl_checkpoint_save(model, "no/such/folder"), TL_ERROR_IO);
    check_error(TL_ERROR_IO, "no/such/folder");
    ck_assert_int_eq(count_files(), 0);
    tl_model_free(model);
    leave_folder();
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("checkpoint");
    tcase_add_loop_test(tests, stopping_after_any_step_changes_no_bit, 0, OPTIMIZERS);
    tcase_add_test(tests, the_learning_rate_is_remembered);
    tcase_add_test(tests, there_is_one_file_and_it_is_the_last);
    tcase_add_loop_test(tests, checkpoints_of_others_are_refused, 0, 4);
    tcase_add_test(tests, momentum_is_not_nesterovs);
    tcase_add_test(tests, weights_are_no_checkpoint);
    tcase_add_test(tests, damaged_files_are_refused);
    tcase_add_loop_test(tests, impossible_numbers_are_refused, 0, 8);
    tcase_add_test(tests, models_that_are_not_ready_are_refused);
    tcase_add_test(tests, paths_that_cannot_be_are_refused);
    return run_tests("checkpoint", tests);
}
