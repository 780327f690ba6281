/* Saved models: the same predictions in a new process, and files that are refused without harm. The program
 * runs itself for the new process: test_save --predict FROM TO. */
#include "tests/nn/folder_internal.h"
#include "tests/nn/testing_internal.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

enum { SAMPLES = 40, TIME = 7, WORDS = 15 };

static const char saved[] = "w.safetensors", predicted[] = "p.safetensors";

/* Without Check's assertions, which work in tests alone; a failure shows in what comes after. */
static tl_model *new_model(int64_t units)
{
    tl_model *model = tl_sequential(tl_embedding(WORDS, 4, .mask_zero = true), tl_simple_rnn(units),
                                    tl_dense(1, .activation = TL_SIGMOID));
    tl_compile(model, .optimizer = tl_adam(.learning_rate = 0.01), .loss = TL_BINARY_CROSSENTROPY);
    tl_build(model, tl_shape(TIME), TL_F32, 3);
    return model;
}

static tl_model *trained_model(void)
{
    tl_model *model = new_model(6);
    tl_tensor x = padded_ids(SAMPLES, TIME, WORDS, 1), y = random_labels(SAMPLES, 2, 2);
    tl_history *history = tl_fit(model, tl_dataset_of(x, y), .epochs = 3);
    ck_assert_msg(history != NULL, "%s", tl_error_message());
    tl_history_free(history);
    tl_tensor_free(&x);
    tl_tensor_free(&y);
    return model;
}

static tl_tensor predictions_of(tl_model *model)
{
    tl_tensor x = padded_ids(SAMPLES, TIME, WORDS, 1), p = tl_predict(model, x, 0);
    tl_tensor_free(&x);
    return p;
}

/* --- A new process --- */

static int predict(const char *from, const char *to)
{
    tl_model *model = new_model(6);
    tl_status status = tl_load_weights(model, from);
    tl_tensor p = predictions_of(model);
    if (status == TL_OK)
        status = tl_safetensors_write(to, &(tl_named_tensor){"p", p}, 1, NULL, 0);
    if (status != TL_OK)
        fprintf(stderr, "%s\n", tl_error_message());
    tl_tensor_free(&p);
    tl_model_free(model);
    return status == TL_OK ? EXIT_SUCCESS : EXIT_FAILURE;
}

static void predict_in_a_new_process(void)
{
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        execl("/proc/self/exe", "test_save", "--predict", saved, predicted, (char *)NULL);
        _exit(127);
    }
    int status;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "the new process failed");
}

START_TEST(a_new_process_predicts_the_same)
{
    enter_folder();
    tl_model *model = trained_model();
    check_ok(tl_save(model, saved));
    predict_in_a_new_process();
    tl_tensor here = predictions_of(model);
    tl_safetensors *file = tl_safetensors_read(predicted);
    ck_assert_msg(file != NULL, "%s", tl_error_message());
    ck_assert(same_bits(tl_safetensors_tensor(file, "p"), here));
    tl_safetensors_free(file);
    tl_tensor_free(&here);
    tl_model_free(model);
    leave_folder();
}
END_TEST

/* Loading replaces weights that were used, and packed, before. */
START_TEST(loading_takes_effect_at_once)
{
    enter_folder();
    tl_model *model = trained_model(), *other = new_model(6);
    check_ok(tl_save_with(model, saved, (tl_metadata[]){{"epochs", "3"}}, 1));
    tl_tensor expected = predictions_of(model), before = predictions_of(other);
    ck_assert(!same_bits(before, expected));
    tl_safetensors *file = tl_safetensors_read(saved);
    ck_assert_str_eq(tl_safetensors_metadata(file, "epochs"), "3");
    check_ok(tl_load_weights_from(other, file));
    tl_safetensors_free(file);
    tl_tensor after = predictions_of(other);
    ck_assert(same_bits(after, expected));
    ck_assert(same_weights(model, other));
    tl_tensor *all[] = {&expected, &before, &after};
    for (int i = 0; i < 3; i++)
        tl_tensor_free(all[i]);
    tl_model_free(model);
    tl_model_free(other);
    leave_folder();
}
END_TEST

/* --- Files that are refused --- */

static void check_refused(const char *path, tl_status status, const char *part)
{
    tl_model *model = new_model(6), *untouched = new_model(6);
    ck_assert_int_eq(tl_load_weights(model, path), status);
    check_error(status, part);
    ck_assert(same_weights(model, untouched));
    tl_model_free(model);
    tl_model_free(untouched);
}

START_TEST(damaged_files_are_refused)
{
    enter_folder();
    check_refused("missing.safetensors", TL_ERROR_IO, "missing.safetensors");
    tl_model *model = trained_model();
    check_ok(tl_save(model, saved));
    size_t size;
    char *bytes = file_contents(saved, &size);
    for (size_t cut = 0; cut < size; cut += cut < 64 ? 1 : 97) {
        write_contents("cut.safetensors", bytes, cut);
        check_refused("cut.safetensors", TL_ERROR_FORMAT, "cut.safetensors");
    }
    write_contents("cut.safetensors", bytes, size - 1);
    check_refused("cut.safetensors", TL_ERROR_FORMAT, "cut short");
    write_contents("text.safetensors", "To be, or not to be, that is the question", 41);
    check_refused("text.safetensors", TL_ERROR_FORMAT, "text.safetensors");
    free(bytes);
    tl_model_free(model);
    leave_folder();
}
END_TEST

/* The model's weights with one change each. */
typedef struct change {
    int skipped, spoiled; /* tensor left out, tensor that gets the value; -1: none */
    double value;
    const char *renamed; /* another name for the first */
    bool doubled, added; /* all as f64; one more */
    tl_status status;
    const char *part;
} change;

static void write_changed(const tl_model *model, const change *c)
{
    int count, used = 0;
    tl_parameter *const *parameters = tl_model_parameters(model, &count);
    tl_named_tensor tensors[16];
    tl_tensor copies[16];
    for (int i = 0; i < count; i++) {
        if (i == c->skipped)
            continue;
        tl_tensor value = parameters[i]->value;
        copies[used] = tl_tensor_new(c->doubled ? TL_F64 : TL_F32, value.shape);
        check_ok(tl_tensor_copy(copies[used], value));
        if (i == c->spoiled)
            tl_tensor_fill(tl_tensor_select(copies[used], 0, -1), c->value);
        tensors[used] =
            (tl_named_tensor){i == 0 && c->renamed ? c->renamed : parameters[i]->name, copies[used]};
        used++;
    }
    if (c->added)
        tensors[used] = (tl_named_tensor){"extra", copies[0]};
    check_ok(tl_safetensors_write(saved, tensors, used + c->added, NULL, 0));
    for (int i = 0; i < used; i++)
        tl_tensor_free(&copies[i]);
}

START_TEST(weights_that_do_not_fit_are_refused)
{
    const change changes[] = {
        {-1, -1, 0, "embedding/table", false, false, TL_ERROR_FORMAT, "embedding/embeddings"},
        {2, -1, 0, NULL, false, false, TL_ERROR_FORMAT, "the file has 5 tensors, the model 6"},
        {-1, -1, 0, NULL, false, true, TL_ERROR_FORMAT, "the file has 7 tensors, the model 6"},
        {-1, -1, 0, NULL, true, false, TL_ERROR_FORMAT, "f64"},
        {-1, 0, (double)NAN, NULL, false, false, TL_ERROR_NUMERIC, "embedding/embeddings"},
        {-1, 5, (double)NAN, NULL, false, false, TL_ERROR_NUMERIC, "dense/bias"},
        {-1, 3, -(double)INFINITY, NULL, false, false, TL_ERROR_NUMERIC, "simple_rnn/bias"},
    };
    enter_folder();
    tl_model *model = trained_model();
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        write_changed(model, &changes[i]);
        check_refused(saved, changes[i].status, changes[i].part);
    }
    write_changed(model, &(change){.skipped = -1, .spoiled = -1}); /* without a change it is fine */
    tl_model *other = new_model(6), *wide = new_model(8);
    check_ok(tl_load_weights(other, saved));
    ck_assert(same_weights(model, other));
    ck_assert_int_eq(tl_load_weights(wide, saved), TL_ERROR_FORMAT);
    check_error(TL_ERROR_FORMAT, "simple_rnn/kernel is f32 [4, 6] in the file, the model has f32 [4, 8]");
    tl_model_free(model);
    tl_model_free(other);
    tl_model_free(wide);
    leave_folder();
}
END_TEST

START_TEST(a_model_must_be_built_to_load)
{
    enter_folder();
    tl_model *model = trained_model(), *bare = tl_sequential(tl_dense(1));
    check_ok(tl_save(model, saved));
    ck_assert_int_eq(tl_load_weights(bare, saved), TL_ERROR_STATE);
    check_error(TL_ERROR_STATE, "load_weights: the model is not built");
    ck_assert_int_ne(tl_load_weights(NULL, saved), TL_OK);
    tl_model_free(model);
    tl_model_free(bare);
    leave_folder();
}
END_TEST

/* --- Writing that fails --- */

START_TEST(a_save_that_fails_leaves_the_old_file)
{
    enter_folder();
    tl_model *old = new_model(6), *model = trained_model();
    check_ok(tl_save(old, saved));
    struct rlimit usual, tight;
    ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &usual), 0);
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    tight = usual;
    tight.rlim_cur = 300; /* bytes that a file may have: the disk is full */
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &tight), 0);
    tl_status status = tl_save(model, saved);
    setrlimit(RLIMIT_FSIZE, &usual); /* Check itself writes a file */
    signal(SIGXFSZ, handler);
    ck_assert_int_eq(status, TL_ERROR_IO);
    check_error(TL_ERROR_IO, saved);
    ck_assert_int_eq(count_files(), 1);
    check_ok(tl_load_weights(model, saved));
    ck_assert(same_weights(model, old));
    tl_model_free(model);
    tl_model_free(old);
    leave_folder();
}
END_TEST

START_TEST(a_path_that_leads_nowhere_is_an_error)
{
    enter_folder();
    tl_model *model = new_model(6);
    ck_assert_int_eq(tl_save(model, "not/there/w.safetensors"), TL_ERROR_IO);
    check_error(TL_ERROR_IO, "not/there/w.safetensors");
    ck_assert_int_eq(tl_save(model, "."), TL_ERROR_IO);
    ck_assert_int_eq(count_files(), 0);
    tl_model_free(model);
    leave_folder();
}
END_TEST

int main(int count, char **arguments)
{
    if (count == 4 && strcmp(arguments[1], "--predict") == 0)
        return predict(arguments[2], arguments[3]);
    return RUN_SUITE("save", a_new_process_predicts_the_same, loading_takes_effect_at_once,
                     damaged_files_are_refused, weights_that_do_not_fit_are_refused,
                     a_model_must_be_built_to_load, a_save_that_fails_leaves_the_old_file,
                     a_path_that_leads_nowhere_is_an_error);
}
