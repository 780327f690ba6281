/* Models when memory runs out, at every place where it can: training, measuring, predicting, saving and
 * loading end with an ordinary error or do what they should, leave nothing behind, and can be done again. */
#include "nn/checkpoint.h"
#include "optim/optimizer_internal.h"
#include "tensor/threads.h"
#include "tests/nn/cells_internal.h"
#include "tests/nn/testing_internal.h"
#include "tests/support/folder.h"
#include "tests/support/out_of_memory.h"

#include <fcntl.h>

enum { SAMPLES = 20, TIME = 5, WORDS = 12, FEATURES = 3, BATCH = 16, MODELS = 4, MOST_TENSORS = 64 };

static int which; /* of the models below */
static tl_model *model;
static user_cell cell;
static tl_dataset data;
static tl_tensor kept[MOST_TENSORS]; /* weights and states as they were at first */
static int kept_count;
static double rate;

/* --- the models --- */

static tl_model *layers_of(int number)
{
    cell = new_cell(1, 3, true);
    switch (number) {
    case 0:
        return tl_sequential(tl_embedding(WORDS, 4, .mask_zero = true),
                             tl_simple_rnn(5, .dropout = 0.2, .recurrent_dropout = 0.2),
                             tl_dropout_layer(0.3), tl_dense(1, .activation = TL_SIGMOID));
    case 1:
        return tl_sequential(
            tl_masking(.mask_value = 0),
            tl_bidirectional(tl_simple_rnn(4, .return_sequences = true),
                             tl_simple_rnn(4, .return_sequences = true, .go_backwards = true)),
            tl_layer_normalization(), tl_rnn(&cell), tl_dense(1, .activation = TL_SIGMOID));
    case 2:
        return tl_sequential(tl_simple_rnn(4, .return_sequences = true, .checkpoint_every = 2),
                             tl_rnn(&cell, .checkpoint_every = 3, .dropout = 0.1), tl_dense(1));
    default:
        return tl_sequential(tl_category_encoding(WORDS), tl_simple_rnn(4, .return_sequences = true),
                             tl_global_max_pooling_1d(), tl_dense(1, .activation = TL_SIGMOID));
    }
}

static bool takes_ids(int number)
{
    return number == 0 || number == 3;
}

static tl_optimizer *optimizer_of(int number)
{
    return number == 0   ? tl_rmsprop(.momentum = 0.5, .centered = true)
           : number == 1 ? tl_adam(.amsgrad = true, .global_clip_norm = 1)
                         : tl_sgd(.momentum = 0.9);
}

static tl_status make_model(void)
{
    model = layers_of(which);
    tl_status status = model ? tl_compile(model, .optimizer = optimizer_of(which),
                                          .loss = TL_BINARY_CROSSENTROPY, .from_logits = which == 2)
                             : tl_error_status();
    tl_shape sample = takes_ids(which) ? tl_shape(TIME) : tl_shape(TIME, FEATURES);
    if (status == TL_OK)
        status = tl_build(model, sample, TL_F32, 7);
    return status;
}

static void free_model(void)
{
    tl_model_free(model);
    model = NULL;
}

static void add_tensor(tl_tensor tensor)
{
    add_bytes(tl_data(tensor), (size_t)tl_tensor_count(tensor) * tl_dtype_size(tensor.dtype));
}

static void add_weights(void)
{
    int count;
    tl_parameter *const *parameters = tl_model_parameters(model, &count);
    for (int i = 0; i < count; i++)
        add_tensor(parameters[i]->value);
}

/* All that training changes: weights, gradients, and the optimizer's states. */
static int trained_tensors(tl_tensor tensors[MOST_TENSORS])
{
    int count, n = 0;
    tl_parameter *const *parameters = tl_model_parameters(model, &count);
    for (int i = 0; i < count; i++)
        tensors[n++] = parameters[i]->value;
    tl_optimizer_state state;
    for (int i = 0; tl_optimizer_state_at(tl_model_optimizer(model), i, &state); i++)
        tensors[n++] = state.value;
    return n;
}

static void remember(void)
{
    tl_tensor tensors[MOST_TENSORS];
    kept_count = trained_tensors(tensors);
    ck_assert_int_le(kept_count, MOST_TENSORS);
    for (int i = 0; i < kept_count; i++)
        kept[i] = copy_of(tensors[i]);
}

static void go_back(void)
{
    tl_tensor tensors[MOST_TENSORS];
    trained_tensors(tensors);
    for (int i = 0; i < kept_count; i++)
        check_ok(tl_tensor_copy(tensors[i], kept[i]));
    check_ok(tl_optimizer_set_steps(tl_model_optimizer(model), 0));
}

static void begin(void)
{
    data.x = takes_ids(which) ? padded_ids(SAMPLES, TIME, WORDS, 1)
                              : random_tensor(TL_F32, tl_shape(SAMPLES, TIME, FEATURES), 2);
    data.y = tl_tensor_new(TL_F32, tl_shape(SAMPLES, 1));
    for (int i = 0; i < SAMPLES; i++)
        ((float *)tl_data_mut(data.y))[i] = (float)(i % 2);
    ck_assert_msg(make_model() == TL_OK, "%s", tl_error_message());
    remember();
    rate = tl_optimizer_learning_rate(tl_model_optimizer(model));
}

static void end(void)
{
    free_model();
    for (int i = 0; i < kept_count; i++)
        tl_tensor_free(&kept[i]);
    kept_count = 0;
    tl_dataset_free(&data);
}

/* --- what is done with them --- */

static tl_status make_and_free(void)
{
    tl_status status = make_model();
    if (status == TL_OK)
        add_weights();
    free_model();
    return status;
}

static void begin_with_layers(void)
{
    begin();
    free_model();
    model = layers_of(which);
    check_ok(tl_build(model, takes_ids(which) ? tl_shape(TIME) : tl_shape(TIME, FEATURES), TL_F32, 7));
}

static tl_status compile(void)
{
    return tl_compile(model, .optimizer = optimizer_of(which), .loss = TL_MEAN_SQUARED_ERROR);
}

static tl_status fit_with(tl_callback_list callbacks, const char *checkpoint)
{
    tl_history *history =
        tl_fit(model, data, .epochs = 2, .batch_size = BATCH, .validation_split = 0.2, .seed = 3,
               .callbacks = callbacks, .checkpoint = checkpoint, .checkpoint_every = checkpoint ? 1 : 0);
    if (!history)
        return tl_error_status();
    for (int i = 0; i < history->count; i++) {
        add_bytes(&history->epochs[i].train, sizeof(tl_metrics));
        add_bytes(&history->epochs[i].validation.loss, sizeof(double));
    }
    tl_history_free(history);
    add_weights();
    return TL_OK;
}

static tl_status fit(void)
{
    tl_callback *stopping = tl_early_stopping(.patience = 2, .restore_best_weights = true);
    tl_callback *plateau = tl_reduce_lr_on_plateau(.patience = 1, .factor = 0.5);
    return fit_with(tl_callbacks(stopping, plateau), NULL);
}

static tl_status fit_with_files(void)
{
    tl_callback *best = tl_model_checkpoint("best", .save_best_only = true);
    tl_callback *log = tl_csv_log("log");
    return fit_with(tl_callbacks(best, log), "checkpoint");
}

/* Files are whole or not there. */
static void look_at_files(void)
{
    static const char *const names[] = {"best", "checkpoint", "log"};
    int expected = 0;
    for (int i = 0; i < 3; i++) {
        const bool there = access(names[i], F_OK) == 0;
        expected += there;
        if (!there || i == 2)
            continue;
        tl_safetensors *file = tl_safetensors_read(names[i]);
        ck_assert_msg(file != NULL, "%s", tl_error_message());
        tl_safetensors_free(file);
    }
    ck_assert_int_eq(files(), expected);
}

static void look_and_go_back(void)
{
    look_at_files();
    go_back();
    check_ok(tl_optimizer_set_learning_rate(tl_model_optimizer(model), rate));
}

static tl_status evaluate(void)
{
    tl_metrics metrics;
    tl_status status = tl_evaluate(model, data, BATCH, &metrics);
    add_bytes(&metrics, status == TL_OK ? sizeof metrics : 0);
    return status;
}

static tl_status predict(void)
{
    tl_tensor out = tl_predict(model, data.x, BATCH);
    if (!tl_tensor_ok(out))
        return tl_error_status();
    add_tensor(out);
    tl_tensor_free(&out);
    return TL_OK;
}

/* A batch that fails has changed nothing: it is done again, and the steps that follow are the same. */
static int steps_done;

static tl_status train_on_batches(void)
{
    tl_metrics metrics;
    for (; steps_done < 3; steps_done++)
        if (tl_train_on_batch(model, data.x, data.y, &metrics) != TL_OK)
            return tl_error_status();
    steps_done = 0;
    tl_tensor tensors[MOST_TENSORS];
    const int count = trained_tensors(tensors);
    for (int i = 0; i < count; i++)
        add_tensor(tensors[i]);
    add_bytes(&metrics, sizeof metrics);
    return TL_OK;
}

static tl_status build_while_training(void)
{
    tl_model *built = model;
    model = layers_of(which);
    tl_status status =
        model ? tl_compile(model, .optimizer = optimizer_of(which), .loss = TL_MEAN_SQUARED_ERROR)
              : tl_error_status();
    tl_history *history = status == TL_OK ? tl_fit(model, data, .epochs = 1, .batch_size = BATCH) : NULL;
    status = history ? TL_OK : tl_error_status();
    if (history)
        add_weights();
    tl_history_free(history);
    tl_model_free(model);
    model = built;
    return status;
}

/* --- files --- */

static void begin_with_files(void)
{
    begin();
    check_ok(tl_save(model, "weights"));
    check_ok(tl_checkpoint_save(model, "checkpoint"));
}

/* Without the heap. */
static void add_file(const char *name)
{
    char bytes[1 << 12];
    const int file = open(name, O_RDONLY);
    for (ssize_t count; (count = read(file, bytes, sizeof bytes)) > 0;)
        add_bytes(bytes, (size_t)count);
    close(file);
}

/* The old file is there, whole, and nothing else. */
static void look_at_old_files(void)
{
    check_ok(tl_load_weights(model, "weights"));
    check_ok(tl_checkpoint_load(model, "checkpoint"));
    ck_assert_int_eq(files(), 2);
}

static tl_status save(void)
{
    tl_status status = tl_save_with(model, "weights", &(tl_metadata){"what", "a test"}, 1);
    if (status == TL_OK)
        add_file("weights");
    return status;
}

static tl_status save_checkpoint(void)
{
    tl_status status = tl_checkpoint_save(model, "checkpoint");
    if (status == TL_OK)
        add_file("checkpoint");
    return status;
}

static void look_at_weights(void)
{
    tl_tensor tensors[MOST_TENSORS];
    trained_tensors(tensors);
    for (int i = 0; i < kept_count; i++)
        ck_assert(same_bits(tensors[i], kept[i]));
}

static tl_status load(void)
{
    tl_status status = tl_load_weights(model, "weights");
    if (status == TL_OK)
        add_weights();
    return status;
}

static tl_status load_checkpoint(void)
{
    tl_status status = tl_checkpoint_load(model, "checkpoint");
    if (status == TL_OK)
        add_weights();
    return status;
}

static tl_status summarize(void)
{
    FILE *nowhere = fopen("/dev/null", "w");
    if (!nowhere)
        return tl_error(TL_ERROR_MEMORY, "no file");
    setvbuf(nowhere, NULL, _IONBF, 0);
    tl_status status = tl_summary(model, nowhere);
    fclose(nowhere);
    return status;
}

/* What computes is tried with every model on one thread and on two, the rest with two small ones. */
static const shortage computations[] = {
    {"making and building a model", NULL, make_and_free, NULL, NULL, NULL},
    {"compile", begin_with_layers, compile, NULL, end, NULL},
    {"fit", begin, fit, look_and_go_back, end, NULL},
    {"fit of a model that is not built", begin, build_while_training, NULL, end, NULL},
    {"train_on_batch", begin, train_on_batches, NULL, end, NULL},
    {"evaluate", begin, evaluate, look_at_weights, end, NULL},
    {"predict", begin, predict, look_at_weights, end, NULL},
};
static const shortage others[] = {
    {"fit with callbacks that write", begin, fit_with_files, look_and_go_back, end, NULL},
    {"save", begin_with_files, save, look_at_old_files, end, NULL},
    {"checkpoint_save", begin_with_files, save_checkpoint, look_at_old_files, end, NULL},
    {"load_weights", begin_with_files, load, look_at_weights, end, "/libjansson."},
    {"checkpoint_load", begin_with_files, load_checkpoint, look_at_weights, end, "/libjansson."},
    {"summary", begin, summarize, look_at_weights, end, NULL},
};
enum { COMPUTATIONS = sizeof computations / sizeof *computations, OTHERS = sizeof others / sizeof *others };

START_TEST(nothing_breaks_when_memory_runs_out)
{
    const int threads = 1 + _i % 2;
    which = _i / 2 % MODELS;
    tl_set_threads(threads);
    printf("model %d, %d threads: ", which, threads);
    fail_everywhere(&computations[_i / 2 / MODELS]);
}
END_TEST

START_TEST(files_are_whole_when_memory_runs_out)
{
    which = _i % 2 * 3;
    printf("model %d: ", which);
    fail_everywhere(&others[_i / 2]);
}
END_TEST

/* Thousands of files are written here: in memory, where the system has such a folder, and without flushing,
 * which is for other tests. */
int fsync(int file)
{
    (void)file;
    return 0;
}

int main(void)
{
    if (chdir("/dev/shm") != 0)
        puts("there is no /dev/shm: files are written here");
    TCase *tests = case_in_folder("memory");
    tcase_set_timeout(tests, 240);
    tcase_add_loop_test(tests, nothing_breaks_when_memory_runs_out, 0, COMPUTATIONS * MODELS * 2);
    tcase_add_loop_test(tests, files_are_whole_when_memory_runs_out, 0, OTHERS * 2);
    return run_case("out of memory", tests);
}
