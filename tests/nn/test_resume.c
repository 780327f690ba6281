/* Training that is stopped at any step, by a flag or by a failure, and goes on with another model ends with
 * the same bytes as one that never stopped: weights, history, log, best weights, checkpoint, and what
 * callbacks remember. */
#include "nn/checkpoint.h"
#include "nn/gradients.h"
#include "tests/nn/folder_internal.h"
#include "tests/nn/testing_internal.h"

#include <signal.h>

enum { SAMPLES = 45, TIME = 5, WORDS = 8, EPOCHS = 4, BATCH = 16 }; /* 36 to train on: 3 steps an epoch */

/* --- A layer that changes nothing, counts steps of training, and stops it or fails --- */

typedef struct watch {
    int steps, stops_at, fails_at; /* 0: never */
    volatile sig_atomic_t flag;
} watch;

static watch *watched; /* by the model at work */

typedef struct watcher {
    tl_module module;
} watcher;

static tl_status watch_build(tl_module *module, tl_builder *builder, tl_shape input, tl_shape *output)
{
    (void)module, (void)builder;
    *output = input;
    return TL_OK;
}

static tl_var *watch_forward(const tl_module *module, tl_var *x)
{
    (void)module;
    return x;
}

static tl_var *watch_prepare(tl_module *module, const tl_step *step, tl_var *table, bool *failed)
{
    (void)module;
    if (!step || !tl_tape_is_training(step->tape))
        return table;
    watched->steps++;
    if (watched->steps == watched->stops_at)
        watched->flag = 1;
    if (watched->steps == watched->fails_at) {
        tl_error(TL_ERROR_IO, "the power failed");
        *failed = true;
    }
    return table;
}

static const tl_module_type watch_type = {.name = "watcher",
                                          .build = watch_build,
                                          .forward = watch_forward,
                                          .prepare = watch_prepare,
                                          .takes_mask = true};

/* --- Trainings --- */

/* Everything that an optimizer may have to remember, with each schedule. */
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
        return tl_rmsprop(.learning_rate = 0.01, .clip_value = 0.1);
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

/* What is trained, and how. */
typedef struct plan {
    int optimizer;
    bool stateful, in_order, validates, callbacks;
    int64_t every;
    tl_dtype dtype;
    int epochs, patience;
    bool waits; /* nothing is ever better: early stopping and the plateau wait all the time */
} plan;

static const plan standard = {.optimizer = ADAM,
                              .validates = true,
                              .callbacks = true,
                              .every = 5,
                              .dtype = TL_F32,
                              .epochs = EPOCHS,
                              .patience = EPOCHS};

/* With dropout of every kind, and masks; or with states that are carried. */
static tl_model *new_model(const plan *p, uint64_t seed)
{
    tl_module *last = tl_simple_rnn(3, .stateful = p->stateful, .return_sequences = p->stateful);
    tl_model *model =
        tl_sequential(tl_embedding(WORDS, 4, .mask_zero = true), tl_module_new(&watch_type, sizeof(watcher)),
                      tl_bidirectional(tl_simple_rnn(3, .return_sequences = true, .dropout = 0.2),
                                       tl_simple_rnn(3, .return_sequences = true, .recurrent_dropout = 0.2)),
                      tl_dropout_layer(0.2), tl_layer_normalization(), last,
                      p->stateful ? tl_bidirectional(tl_simple_rnn(2, .stateful = true), tl_simple_rnn(2))
                                  : tl_dropout_layer(0.1),
                      tl_dense(1, .activation = TL_SIGMOID));
    check_ok(tl_compile(model, .optimizer = new_optimizer(p->optimizer), .loss = TL_BINARY_CROSSENTROPY));
    check_ok(tl_build(model, tl_shape(TIME), p->dtype, seed));
    return model;
}

/* A callback of the user's, with one of each kind to remember. */
typedef struct observer {
    tl_callback callback;
    int64_t epochs;
    double sum;
    tl_tensor first; /* weights after the first epoch */
} observer;

static tl_status observe(tl_callback *callback, tl_model *model, const tl_epoch *epoch, bool *stop)
{
    observer *o = (observer *)callback;
    (void)stop;
    o->sum = 3 * o->sum + epoch->train.loss;
    return o->epochs++ == 0 ? tl_tensor_copy(o->first, parameter_of(model, "dense/kernel")->value) : TL_OK;
}

static tl_status observer_remember(tl_callback *callback, tl_model *model, tl_memory *memory)
{
    observer *o = (observer *)callback;
    (void)model;
    check_ok(tl_remember(memory, "observer/sum", &o->sum));
    check_ok(tl_remember_count(memory, "observer/epochs", &o->epochs));
    return tl_remember_tensor(memory, "observer/first", o->first);
}

static observer new_observer(const plan *p)
{
    return (observer){.callback = {.epoch_end = observe, .remember = observer_remember},
                      .first = tl_tensor_new(p->dtype, tl_shape(p->stateful ? 4 : 3, 1))};
}

static tl_dataset new_data(const plan *p)
{
    int64_t samples = p->stateful ? 48 : SAMPLES; /* batches of one size */
    return tl_dataset_of(padded_ids(samples, TIME, WORDS, 1), random_labels(samples, 2, 2));
}

typedef struct result {
    tl_model *model;
    tl_history *history; /* NULL: it failed */
    observer seen;
} result;

static void free_result(result *r)
{
    tl_model_free(r->model);
    tl_history_free(r->history);
    tl_tensor_free(&r->seen.first);
}

static char *name_of(const char *prefix, const char *what, char name[64])
{
    snprintf(name, 64, "%s.%s", prefix, what);
    return name;
}

/* Trains a new model, whose files have names that begin with `prefix`. */
static result train(const plan *p, const char *prefix, watch *w, bool resume)
{
    char checkpoint[64], log[64], best[64];
    result r = {.model = new_model(p, resume ? 99 : 1), .seen = new_observer(p)}; /* other weights at first */
    tl_dataset data = new_data(p), held = {0};
    if (p->stateful && p->validates) {
        held = tl_dataset_slice(data, 32, 16);
        data = tl_dataset_slice(data, 0, 32);
    }
    tl_callback *callbacks[] = {
        tl_early_stopping(.monitor = p->validates ? "val_loss" : "loss", .patience = p->patience,
                          .min_delta = p->waits ? 10 : 0, .restore_best_weights = true),
        tl_reduce_lr_on_plateau(.monitor = "loss", .patience = p->waits ? 2 : 1, .factor = 0.7,
                                .min_delta = p->waits ? 10 : 0.01, .cooldown = p->waits ? 2 : 1),
        tl_model_checkpoint(name_of(prefix, "best", best), .monitor = "accuracy", .save_best_only = true),
        tl_csv_log(name_of(prefix, "log", log)), &r.seen.callback};
    if (!p->callbacks)
        for (int i = 0; i < 4; i++)
            callbacks[i]->free(callbacks[i]);
    watched = w;
    w->flag = 0;
    w->steps = 0;
    r.history = tl_fit(r.model, data, .epochs = p->epochs, .batch_size = BATCH,
                       .validation_split = p->validates && !p->stateful ? 0.2 : 0, .validation_data = held,
                       .no_shuffle = p->in_order, .seed = 5,
                       .callbacks = {p->callbacks ? callbacks : NULL, p->callbacks ? 5 : 0},
                       .checkpoint = name_of(prefix, "checkpoint", checkpoint), .checkpoint_every = p->every,
                       .resume = resume, .stop = &w->flag);
    if (held.x.storage) /* slices of the whole */
        data = (tl_dataset){tl_tensor_slice(held.x, 0, 0, 1), tl_tensor_slice(held.y, 0, 0, 1)};
    tl_tensor_free(&data.x);
    tl_tensor_free(&data.y);
    return r;
}

/* --- What is compared --- */

static void check_same_file(const char *a, const char *b, const char *what)
{
    char one[64], other[64];
    size_t size, other_size;
    char *p = file_contents(name_of(a, what, one), &size),
         *q = file_contents(name_of(b, what, other), &other_size);
    ck_assert_msg(size == other_size && memcmp(p, q, size) == 0, "%s and %s differ", one, other);
    free(p);
    free(q);
}

/* The log without its seconds. */
static char *log_of(const char *prefix)
{
    char name[64];
    char *text = file_contents(name_of(prefix, "log", name), NULL), *to = text;
    int commas = 0;
    bool header = true;
    for (const char *from = text; *from; from++) {
        commas = *from == '\n' ? 0 : commas + (*from == ',');
        if (header || commas != 1 || *from == ',')
            *to++ = *from;
        header &= *from != '\n';
    }
    *to = '\0';
    return text;
}

static void check_same_log(const char *a, const char *b)
{
    char *one = log_of(a), *other = log_of(b);
    ck_assert_str_eq(one, other);
    free(one);
    free(other);
}

static void check_same_history(const tl_history *a, const tl_history *b)
{
    ck_assert_int_eq(a->count, b->count);
    for (int i = 0; i < a->count; i++) {
        const tl_epoch *e = &a->epochs[i], *f = &b->epochs[i];
        ck_assert(e->epoch == f->epoch && e->epochs == f->epochs && e->has_accuracy == f->has_accuracy &&
                  e->has_validation == f->has_validation);
        ck_assert_mem_eq(&e->train, &f->train, sizeof e->train);
        ck_assert(memcmp(&e->validation, &f->validation, sizeof e->validation) == 0 ||
                  (isnan(e->validation.loss) && isnan(f->validation.loss)));
    }
}

static void check_same(const plan *p, const result *a, const char *name, const result *b, const char *other)
{
    ck_assert_msg(b->history != NULL, "%s", tl_error_message());
    ck_assert(same_weights(a->model, b->model));
    check_same_history(a->history, b->history);
    check_same_file(name, other, "checkpoint");
    if (!p->callbacks)
        return;
    check_same_log(name, other);
    check_same_file(name, other, "best");
    ck_assert_int_eq(a->seen.epochs, b->seen.epochs);
    ck_assert_double_eq(a->seen.sum, b->seen.sum);
    ck_assert(same_bits(a->seen.first, b->seen.first));
}

/* Trains with a stop at every step, each time with all the rest after it, against a training without. */
static void check_every_stop(const plan *p)
{
    enter_folder();
    watch w = {0};
    result whole = train(p, "whole", &w, false);
    ck_assert_msg(whole.history != NULL, "%s", tl_error_message());
    const int steps = w.steps;
    ck_assert_int_ge(steps, 3);
    ck_assert(p->epochs == EPOCHS || whole.history->count < p->epochs); /* those are to end early */
    for (int stop = 1; stop <= steps; stop++) {
        w.stops_at = stop;
        result part = train(p, "part", &w, false);
        ck_assert_msg(part.history != NULL, "%s", tl_error_message());
        ck_assert_int_eq(w.steps, stop);
        w.stops_at = 0;
        result rest = train(p, "part", &w, true);
        ck_assert_int_eq(w.steps, steps - stop);
        check_same(p, &whole, "whole", &rest, "part");
        free_result(&part);
        free_result(&rest);
    }
    free_result(&whole);
    leave_folder();
}

START_TEST(any_optimizer_goes_on_from_any_step)
{
    plan p = standard;
    p.optimizer = _i;
    check_every_stop(&p);
}
END_TEST

START_TEST(so_does_any_kind_of_training)
{
    plan plans[] = {standard, standard, standard, standard, standard, standard, standard, standard};
    plans[0].stateful = true;
    plans[1].stateful = true, plans[1].validates = false, plans[1].in_order = true;
    plans[2].in_order = true;
    plans[3].validates = false;
    plans[4].callbacks = false;
    plans[5].dtype = TL_F64;
    plans[6].patience = 0, plans[6].epochs = 9; /* stops early */
    plans[7].patience = 5, plans[7].epochs = 8, plans[7].waits = true;
    check_every_stop(&plans[_i]);
}
END_TEST

/* One step at a time, each with a new model. */
START_TEST(a_stop_after_each_step_changes_nothing)
{
    enter_folder();
    plan p = standard;
    p.stateful = _i;
    p.every = 100;
    watch w = {0};
    result whole = train(&p, "whole", &w, false);
    const int steps = w.steps;
    w.stops_at = 1;
    for (int i = 0; i < steps; i++) {
        result one = train(&p, "part", &w, i > 0);
        ck_assert_int_eq(w.steps, 1);
        free_result(&one);
    }
    result rest = train(&p, "part", &w, true);
    ck_assert_int_eq(w.steps, 0);
    check_same(&p, &whole, "whole", &rest, "part");
    free_result(&rest);
    free_result(&whole);
    leave_folder();
}
END_TEST

/* A line that was not complete when the power failed. */
static void spoil_log(void)
{
    FILE *log = fopen("part.log", "a");
    ck_assert_ptr_nonnull(log);
    fputs("3,0.001,0.6931471805599453094172321214581765680755001343602552541206800094933936", log);
    ck_assert_int_eq(fclose(log), 0);
}

/* A training that fails leaves its last checkpoint, and files of the callbacks that may be ahead of it. */
START_TEST(a_failure_at_any_step_costs_only_time)
{
    enter_folder();
    plan p = standard;
    p.every = _i; /* 0: after each epoch */
    watch w = {0};
    result whole = train(&p, "whole", &w, false);
    const int steps = w.steps;
    for (int fail = 1; fail <= steps; fail++) {
        unlink("part.checkpoint");
        w.fails_at = fail;
        result part = train(&p, "part", &w, false);
        ck_assert_ptr_null(part.history);
        check_error(TL_ERROR_IO, "the power failed");
        w.fails_at = 0;
        spoil_log();
        result rest = train(&p, "part", &w, true);
        const int every = p.every ? (int)p.every : 3, done = (fail - 1) / every * every;
        ck_assert_int_eq(w.steps, steps - done);
        if (done == 0) { /* anew, but from other weights */
            free_result(&rest);
            unlink("part.checkpoint");
            rest = train(&p, "part", &w, false);
        }
        check_same(&p, &whole, "whole", &rest, "part");
        free_result(&part);
        free_result(&rest);
    }
    free_result(&whole);
    leave_folder();
}
END_TEST

START_TEST(what_is_complete_stays_so_and_may_be_for_more_epochs)
{
    enter_folder();
    plan p = standard;
    p.callbacks = false;
    watch w = {0};
    result whole = train(&p, "whole", &w, false);
    p.epochs = 2;
    result part = train(&p, "part", &w, false), again = train(&p, "part", &w, true);
    ck_assert_int_eq(w.steps, 0);
    check_same(&p, &part, "part", &again, "part");
    p.epochs = EPOCHS;
    result rest = train(&p, "part", &w, true);
    check_same(&p, &whole, "whole", &rest, "part");
    p.epochs = 1;
    result less = train(&p, "part", &w, true); /* has more than that behind it */
    ck_assert_int_eq(w.steps, 0);
    ck_assert_int_eq(less.history->count, EPOCHS);
    ck_assert(same_weights(less.model, whole.model));
    ck_assert_double_gt(rest.history->epochs[EPOCHS - 1].seconds, 0);
    ck_assert_double_eq(rest.history->epochs[0].seconds, 0);
    result *all[] = {&whole, &part, &again, &rest, &less};
    for (int i = 0; i < 5; i++)
        free_result(all[i]);
    leave_folder();
}
END_TEST

/* A flag that is set before training begins leaves a checkpoint of its beginning. */
START_TEST(a_stop_before_the_first_step)
{
    enter_folder();
    plan p = standard;
    watch w = {0};
    tl_model *model = new_model(&p, 1), *twin = new_model(&p, 1);
    tl_dataset data = new_data(&p);
    volatile sig_atomic_t flag = 1;
    watched = &w;
    tl_history *history = tl_fit(model, data, .checkpoint = "at.first", .stop = &flag);
    ck_assert_msg(history != NULL, "%s", tl_error_message());
    ck_assert_int_eq(history->count, 0);
    ck_assert_int_eq(w.steps, 0);
    ck_assert(same_weights(model, twin));
    ck_assert_int_eq(count_files(), 1);
    tl_history_free(history);
    history = tl_fit(twin, data, .checkpoint = "at.first", .resume = true);
    ck_assert_int_eq(history->count, 1);
    tl_history_free(history);
    tl_model_free(model);
    tl_model_free(twin);
    tl_dataset_free(&data);
    leave_folder();
}
END_TEST

START_TEST(a_training_is_stopped_without_a_checkpoint_too)
{
    plan p = standard;
    watch w = {.stops_at = 4};
    tl_model *model = new_model(&p, 1);
    tl_dataset data = new_data(&p);
    watched = &w;
    tl_history *history = tl_fit(model, data, .epochs = 3, .batch_size = BATCH, .stop = &w.flag);
    ck_assert_msg(history != NULL, "%s", tl_error_message());
    ck_assert_int_eq(history->count, 1); /* the second was not complete */
    ck_assert_int_eq(w.steps, 4);
    tl_history_free(history);
    tl_model_free(model);
    tl_dataset_free(&data);
}
END_TEST

/* --- What is refused, with nothing changed --- */

typedef struct refusal {
    tl_fit_options options;
    int optimizer;
    double rate; /* 0: the optimizer's */
    const char *message;
} refusal;

START_TEST(checkpoints_of_other_trainings_are_refused)
{
    enter_folder();
    plan p = standard;
    watch w = {0};
    tl_dataset data = new_data(&p), fewer = tl_dataset_slice(data, 0, 40);
    const tl_fit_options same = {.size = sizeof same,
                                 .data = data,
                                 .epochs = 3,
                                 .batch_size = BATCH,
                                 .validation_split = 0.2,
                                 .seed = 5,
                                 .settings = "dropout 0.2",
                                 .checkpoint = "run.checkpoint",
                                 .resume = true};
    refusal cases[] = {
        {same, ADAM, 0, "batch size 16 in the checkpoint, here 15"},
        {same, ADAM, 0, "seed 5 in the checkpoint, here 6"},
        {same, ADAM, 0, "data [36, 5] to [36] in the checkpoint, here [32, 5] to [32]"},
        {same, ADAM, 0, "validation data [9, 5] in the checkpoint, here none"},
        {same, ADAM, 0, "order of data shuffled in the checkpoint, here their own"},
        {same, ADAM, 0, "settings dropout 0.2 in the checkpoint, here dropout 0.3"},
        {same, ADAM, 0.25, "first learning rate 0.01 in the checkpoint, here 0.25"},
        {same, 5, 0, "optimizer adam (0.9"},
        {same, ADAM, 0, "tensors, expected"},
    };
    cases[0].options.batch_size = 15;
    cases[1].options.seed = 6;
    cases[2].options.data = fewer;
    cases[3].options.validation_split = 0, cases[3].options.data = tl_dataset_slice(data, 0, 36);
    cases[4].options.no_shuffle = true;
    cases[5].options.settings = "dropout 0.3";
    cases[8].options.callbacks = tl_callbacks(tl_reduce_lr_on_plateau());
    watched = &w;
    tl_model *model = new_model(&p, 1);
    tl_history *history = tl_fit_with(model, &same);
    ck_assert_msg(history != NULL, "%s", tl_error_message());
    tl_history_free(history);
    tl_model_free(model);
    size_t size, size_after;
    char *before = file_contents("run.checkpoint", &size);
    for (int i = 0; i < 9; i++) {
        p.optimizer = cases[i].optimizer;
        model = new_model(&p, 3);
        tl_model *twin = new_model(&p, 3);
        if (cases[i].rate > 0)
            check_ok(tl_optimizer_set_learning_rate(tl_model_optimizer(model), cases[i].rate));
        w.steps = 0;
        ck_assert_ptr_null(tl_fit_with(model, &cases[i].options));
        check_error(TL_ERROR_FORMAT, "run.checkpoint: ");
        check_error(TL_ERROR_FORMAT, i == 8 ? "callback/0/reduce_lr_on_plateau/best" : cases[i].message);
        ck_assert_int_eq(w.steps, 0);
        ck_assert(same_weights(model, twin));
        ck_assert_int_eq(tl_optimizer_steps(tl_model_optimizer(model)), 0);
        tl_model_free(model);
        tl_model_free(twin);
    }
    char *after = file_contents("run.checkpoint", &size_after);
    ck_assert(size == size_after && memcmp(before, after, size) == 0);
    free(before);
    free(after);
    tl_dataset_free(&data);
    leave_folder();
}
END_TEST

START_TEST(options_that_make_no_sense_are_refused)
{
    plan p = standard;
    tl_model *model = new_model(&p, 1);
    tl_dataset data = new_data(&p);
    ck_assert_ptr_null(tl_fit(model, data, .resume = true));
    check_error(TL_ERROR_ARGUMENT, "fit: resume without a checkpoint");
    ck_assert_ptr_null(tl_fit(model, data, .checkpoint_every = 3));
    check_error(TL_ERROR_ARGUMENT, "fit: checkpoint_every without a checkpoint");
    ck_assert_ptr_null(tl_fit(model, data, .checkpoint = "file", .checkpoint_every = -1));
    check_error(TL_ERROR_ARGUMENT, "fit: checkpoint_every -1 steps, expected 0 or more");
    ck_assert_ptr_null(tl_fit(model, data, .checkpoint = "no/such/folder"));
    check_error(TL_ERROR_IO, "no/such/folder");
    ck_assert_ptr_null(tl_fit(model, data, .checkpoint = "file", .settings = "caf\xe9"));
    check_error(TL_ERROR_ARGUMENT, "checkpoint: settings: not UTF-8");
    char endless[2000] = {0};
    memset(endless, 'x', sizeof endless - 1);
    ck_assert_ptr_null(tl_fit(model, data, .checkpoint = "file", .settings = endless));
    check_error(TL_ERROR_ARGUMENT, "checkpoint: settings: 1999 bytes, expected less than 1024");
    ck_assert_int_ne(access("file", F_OK), 0);
    tl_model_free(model);
    tl_dataset_free(&data);
}
END_TEST

/* Callbacks that cannot say what they remember. */
typedef struct forgetful {
    tl_callback callback;
    int which;
} forgetful;

static tl_status forget(tl_callback *callback, tl_model *model, tl_memory *memory)
{
    static double number;
    static int64_t count;
    char endless[300] = {0};
    memset(endless, 'x', sizeof endless - 1);
    tl_tensor weights = parameter_of(model, "embedding/embeddings")->value;
    switch (((forgetful *)callback)->which) {
    case 0:
        return tl_remember(memory, "twice", &number) == TL_OK ? tl_remember_count(memory, "twice", &count)
                                                              : TL_OK;
    case 1:
        return tl_remember(memory, endless, &number);
    case 2:
        return tl_remember(memory, NULL, &number);
    case 3:
        return tl_remember(memory, "number", NULL);
    case 4:
        return tl_remember_count(memory, "caf\xe9", &count);
    case 5:
        return tl_remember_tensor(memory, "view", tl_tensor_transpose(weights, 0, 1));
    default:
        return tl_error(TL_ERROR_STATE, "what was it?");
    }
}

START_TEST(callbacks_that_cannot_remember_end_the_training)
{
    static const char *const messages[] = {"remember: the name \"callback/0/twice\" is taken already",
                                           "a name of 299 bytes",
                                           "remember",
                                           "remember",
                                           "name of what a callback remembers: not UTF-8",
                                           "row-major",
                                           "what was it?"};
    enter_folder();
    plan p = standard;
    watch w = {0};
    watched = &w;
    tl_model *model = new_model(&p, 1), *twin = new_model(&p, 1);
    tl_dataset data = new_data(&p);
    forgetful f = {.callback = {.remember = forget}, .which = _i};
    ck_assert_ptr_null(tl_fit(model, data, .checkpoint = "file", .callbacks = tl_callbacks(&f.callback)));
    ck_assert_msg(strstr(tl_error_message(), messages[_i]) != NULL, "%s", tl_error_message());
    ck_assert_int_eq(w.steps, 0);
    ck_assert(same_weights(model, twin));
    ck_assert_int_eq(count_files(), 0);
    tl_model_free(model);
    tl_model_free(twin);
    tl_dataset_free(&data);
    leave_folder();
}
END_TEST

/* What was the best loss is no accuracy to do better than. */
START_TEST(another_monitor_is_refused)
{
    static const char *const keys[] = {"loss", "accuracy"};
    plan p = standard;
    watch w = {0};
    watched = &w;
    enter_folder();
    tl_dataset data = new_data(&p);
    for (int i = 0; i < 2; i++) {
        tl_model *model = new_model(&p, 1);
        tl_history *history =
            tl_fit(model, data, .epochs = 1 + i, .batch_size = BATCH, .checkpoint = "run.checkpoint",
                   .resume = true, .callbacks = tl_callbacks(tl_early_stopping(.monitor = keys[i])));
        ck_assert(i == 0 ? history != NULL : history == NULL);
        tl_history_free(history);
        tl_model_free(model);
    }
    check_error(TL_ERROR_FORMAT, "callback/0/early_stopping/best_accuracy");
    tl_dataset_free(&data);
    leave_folder();
}
END_TEST

/* The log that a checkpoint knows of has to be there; another file is not cut. */
START_TEST(another_log_is_refused)
{
    enter_folder();
    plan p = standard;
    watch w = {.stops_at = 8};
    result part = train(&p, "part", &w, false);
    ck_assert_int_eq(part.history->count, 2);
    w.stops_at = 0;
    const char *const others[] = {"a text that somebody needs\n\n\n\n",
                                  "epoch,seconds,loss,accuracy,val_loss,val_accuracy\n1,0.1,1,1,1,1\n"};
    for (int i = 0; i < 2; i++) {
        write_contents("part.log", others[i], strlen(others[i]));
        result rest = train(&p, "part", &w, true);
        ck_assert_ptr_null(rest.history);
        check_error(TL_ERROR_FORMAT, "csv_log: part.log is not the log of this training, which has 2 lines");
        char *left = file_contents("part.log", NULL);
        ck_assert_str_eq(left, others[i]);
        free(left);
        free_result(&rest);
    }
    unlink("part.log");
    result rest = train(&p, "part", &w, true);
    ck_assert_ptr_null(rest.history);
    check_error(TL_ERROR_IO, "csv_log: cannot write part.log: No such file");
    free_result(&rest);
    free_result(&part);
    leave_folder();
}
END_TEST

/* A log of gradient norms goes on as well: one line before training and one an epoch, whatever stopped it. */
START_TEST(a_log_of_gradients_goes_on)
{
    static const char *const names[] = {"whole", "part"};
    char *logs[2];
    plan p = standard;
    watch w = {0};
    watched = &w;
    enter_folder();
    tl_dataset data = new_data(&p);
    tl_tensor x = tl_tensor_slice(data.x, 0, 0, 8), y = tl_tensor_slice(data.y, 0, 0, 8);
    for (int i = 0; i < 2; i++) {
        char checkpoint[64], log[64];
        for (int run = 0; run < 2; run++) { /* the first of "part" is stopped in its second epoch */
            tl_model *model = new_model(&p, 1);
            w = (watch){.stops_at = i == 1 && run == 0 ? 5 : 0};
            tl_history *history =
                tl_fit(model, data, .epochs = 3, .batch_size = BATCH, .stop = &w.flag, .resume = run == 1,
                       .checkpoint = name_of(names[i], "checkpoint", checkpoint),
                       .callbacks = tl_callbacks(tl_gradient_log(name_of(names[i], "log", log), x, y)));
            ck_assert_msg(history != NULL, "%s", tl_error_message());
            ck_assert_int_eq(history->count, i == 1 && run == 0 ? 1 : 3);
            tl_history_free(history);
            tl_model_free(model);
        }
        logs[i] = file_contents(log, NULL);
    }
    ck_assert_str_eq(logs[0], logs[1]);
    ck_assert_ptr_nonnull(strstr(logs[0], "\n0,"));
    ck_assert_ptr_nonnull(strstr(logs[0], "\n3,"));
    free(logs[0]);
    free(logs[1]);
    tl_dataset_free(&data);
    leave_folder();
}
END_TEST

/* Weights that are no numbers any more do not take the place of those that were. */
START_TEST(a_training_that_diverges_keeps_its_last_good_checkpoint)
{
    enter_folder();
    plan p = standard;
    p.optimizer = OPTIMIZERS - 1;
    watch w = {0};
    tl_model *model = new_model(&p, 1), *twin = new_model(&p, 1);
    tl_dataset data = new_data(&p);
    watched = &w;
    tl_history_free(tl_fit(model, data, .checkpoint = "run.checkpoint"));
    check_ok(tl_tensor_fill(parameter_of(model, "dense/bias")->value, (double)NAN));
    ck_assert_ptr_null(tl_fit(model, data, .checkpoint = "run.checkpoint"));
    check_error(TL_ERROR_NUMERIC, "holds NaN or infinity: training has diverged, and nothing is written");
    tl_history *history = tl_fit(twin, data, .checkpoint = "run.checkpoint", .resume = true);
    ck_assert_msg(history != NULL, "%s", tl_error_message());
    ck_assert_int_eq(history->count, 1);
    ck_assert_int_eq(count_files(), 1);
    tl_history_free(history);
    tl_model_free(model);
    tl_model_free(twin);
    tl_dataset_free(&data);
    leave_folder();
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("resume");
    tcase_add_loop_test(tests, any_optimizer_goes_on_from_any_step, 0, OPTIMIZERS);
    tcase_add_loop_test(tests, so_does_any_kind_of_training, 0, 8);
    tcase_add_loop_test(tests, a_stop_after_each_step_changes_nothing, 0, 2);
    tcase_add_loop_test(tests, a_failure_at_any_step_costs_only_time, 0, 6);
    tcase_add_test(tests, what_is_complete_stays_so_and_may_be_for_more_epochs);
    tcase_add_test(tests, a_stop_before_the_first_step);
    tcase_add_test(tests, a_training_is_stopped_without_a_checkpoint_too);
    tcase_add_test(tests, checkpoints_of_other_trainings_are_refused);
    tcase_add_test(tests, options_that_make_no_sense_are_refused);
    tcase_add_loop_test(tests, callbacks_that_cannot_remember_end_the_training, 0, 7);
    tcase_add_test(tests, another_monitor_is_refused);
    tcase_add_test(tests, another_log_is_refused);
    tcase_add_test(tests, a_log_of_gradients_goes_on);
    tcase_add_test(tests, a_training_that_diverges_keeps_its_last_good_checkpoint);
    return run_tests("resume", tests);
}
