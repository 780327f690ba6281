/* Models: putting together, compiling, building, predicting, and every error that sticks. */
#include "tests/nn/testing_internal.h"

static tl_dataset points(tl_tensor *x, tl_tensor *y)
{
    *x = random_tensor(TL_F32, tl_shape(10, 3), 1);
    *y = random_labels(10, 2, 2);
    return tl_dataset_of(*x, *y);
}

static void check_fit_refused(tl_history *history, tl_status status, const char *part)
{
    ck_assert_ptr_null(history);
    check_error(status, part);
}

/* --- Fused activations --- */

/* Predictions are probabilities whether or not the loss took the activation over, and so is the loss. */
static void check_fused(tl_activation activation, int64_t units, tl_loss loss, bool from_logits)
{
    tl_model *plain = build_randomly(tl_sequential(tl_dense(units, .activation = activation)), tl_shape(3),
                                     TL_F64, 1),
             *model = build_randomly(tl_sequential(tl_dense(units, .activation = activation)), tl_shape(3),
                                     TL_F64, 1);
    check_ok(tl_compile(model, .optimizer = tl_sgd(), .loss = loss, .from_logits = from_logits));
    tl_tensor x = random_tensor(TL_F64, tl_shape(10, 3), 1), y = tl_tensor_new(TL_F64, tl_shape(10, units));
    for (int64_t i = 0; i < 10; i++)
        tl_tensor_fill(tl_tensor_select(tl_tensor_select(y, 0, i), 0, i % units), 1);
    tl_tensor a = tl_predict(plain, x, 0), b = tl_predict(model, x, 0);
    ck_assert_msg(difference(b, a) < 1e-15, "%s with %s: predictions %g apart",
                  tl_activation_name(activation), tl_loss_name(loss), difference(b, a));
    tl_tape *tape = tl_tape_new();
    tl_var *rows = tl_loss_rows(loss, tl_input(tape, a), tl_input(tape, y), from_logits);
    double truth = tl_tensor_item(tl_value(tl_mean(rows, TL_ALL_AXES, false)));
    tl_metrics metrics;
    check_ok(tl_evaluate(model, tl_dataset_of(x, y), 4, &metrics));
    ck_assert_msg(fabs(metrics.loss - truth) < 1e-12, "%s with %s: loss %.15g, expected %.15g",
                  tl_activation_name(activation), tl_loss_name(loss), metrics.loss, truth);
    tl_tape_free(tape);
    tl_tensor *all[] = {&x, &y, &a, &b};
    for (int i = 0; i < 4; i++)
        tl_tensor_free(all[i]);
    tl_model_free(plain);
    tl_model_free(model);
}

START_TEST(predictions_are_probabilities_whatever_the_loss_took)
{
    check_fused(TL_SIGMOID, 1, TL_BINARY_CROSSENTROPY, false);
    check_fused(TL_SIGMOID, 4, TL_BINARY_CROSSENTROPY, false);
    check_fused(TL_SOFTMAX, 4, TL_CATEGORICAL_CROSSENTROPY, false);
    check_fused(TL_LINEAR, 4, TL_BINARY_CROSSENTROPY, true);
    check_fused(TL_LINEAR, 4, TL_CATEGORICAL_CROSSENTROPY, true);
    check_fused(TL_SIGMOID, 2, TL_MEAN_SQUARED_ERROR, false);
}
END_TEST

/* An activation that is not the loss's own stays where it is. */
START_TEST(an_activation_of_another_loss_is_left_alone)
{
    check_fused(TL_SOFTMAX, 3, TL_BINARY_CROSSENTROPY, false);
    check_fused(TL_SIGMOID, 3, TL_CATEGORICAL_CROSSENTROPY, false);
    check_fused(TL_TANH, 3, TL_BINARY_CROSSENTROPY, false);
    check_fused(TL_LINEAR, 3, TL_BINARY_CROSSENTROPY, false);
    check_fused(TL_SIGMOID, 3, TL_CATEGORICAL_CROSSENTROPY, true);
}
END_TEST

START_TEST(forward_gives_logits_once_compiled)
{
    tl_model *model =
        build_randomly(tl_sequential(tl_dense(1, .activation = TL_SIGMOID)), tl_shape(3), TL_F64, 1);
    tl_tensor x = random_tensor(TL_F64, tl_shape(5, 3), 1), none = {0};
    tl_tensor probabilities = output_of(model, x, none);
    check_ok(tl_compile(model, .optimizer = tl_rmsprop(), .loss = TL_BINARY_CROSSENTROPY));
    tl_tensor logits = output_of(model, x, none);
    for (int64_t i = 0; i < 5; i++)
        ck_assert_double_eq_tol(1 / (1 + exp(-element(logits, i))), element(probabilities, i), 1e-14);
    tl_tensor_free(&x);
    tl_tensor_free(&logits);
    tl_tensor_free(&probabilities);
    tl_model_free(model);
}
END_TEST

/* --- Making and building --- */

START_TEST(layers_of_a_kind_are_numbered)
{
    tl_model *model = tl_sequential(tl_dense(2), tl_dense(2), tl_simple_rnn(2, .return_sequences = true),
                                    tl_dense(2), tl_simple_rnn(2));
    int count;
    ck_assert_ptr_null(tl_model_parameters(model, &count));
    ck_assert_int_eq(count, 0);
    check_ok(tl_build(model, tl_shape(3, 2), TL_F32, 0));
    const char *names[] = {"dense/kernel",
                           "dense/bias",
                           "dense_1/kernel",
                           "dense_1/bias",
                           "simple_rnn/kernel",
                           "simple_rnn/recurrent_kernel",
                           "simple_rnn/bias",
                           "dense_2/kernel",
                           "dense_2/bias",
                           "simple_rnn_1/kernel",
                           "simple_rnn_1/recurrent_kernel",
                           "simple_rnn_1/bias"};
    tl_parameter *const *parameters = tl_model_parameters(model, &count);
    ck_assert_int_eq(count, 12);
    for (int i = 0; i < 12; i++)
        ck_assert_str_eq(parameters[i]->name, names[i]);
    tl_model_free(model);
}
END_TEST

START_TEST(weights_are_a_function_of_the_seed)
{
    tl_model *models[3];
    const uint64_t seeds[] = {1, 1, 2};
    for (int i = 0; i < 3; i++) {
        models[i] = tl_sequential(tl_embedding(9, 4), tl_simple_rnn(3), tl_dense(2));
        check_ok(tl_build(models[i], tl_shape(5), TL_F32, seeds[i]));
    }
    ck_assert(same_weights(models[0], models[1]));
    ck_assert(!same_weights(models[0], models[2]));
    for (int i = 0; i < 3; i++)
        tl_model_free(models[i]);
}
END_TEST

START_TEST(a_layer_that_failed_makes_no_model)
{
    tl_model *model = tl_sequential(tl_embedding(9, 4), tl_simple_rnn(-3), tl_dense(1));
    ck_assert_ptr_null(model);
    check_error(TL_ERROR_ARGUMENT, "simple_rnn: units -3");
    ck_assert_ptr_null(tl_sequential_of(NULL, 0));
    check_error(TL_ERROR_ARGUMENT, "sequential: no layers");
}
END_TEST

START_TEST(building_is_done_once_and_for_floats)
{
    tl_model *model = tl_sequential(tl_dense(2));
    ck_assert_int_eq(tl_build(model, tl_shape(3), TL_I32, 0), TL_ERROR_DTYPE);
    check_error(TL_ERROR_DTYPE, "build: weights of i32");
    ck_assert_int_ne(tl_build(model, tl_shape(-3), TL_F32, 0), TL_OK);
    check_ok(tl_build(model, tl_shape(3), TL_F32, 0));
    ck_assert_int_eq(tl_build(model, tl_shape(3), TL_F32, 0), TL_ERROR_STATE);
    check_error(TL_ERROR_STATE, "built already");
    tl_model_free(model);
}
END_TEST

/* --- Errors that stick --- */

/* What a chain of calls does with a model that could not be made: every call says why. */
static void check_no_model(tl_status status, const char *message)
{
    tl_tensor x, y;
    tl_metrics metrics;
    tl_dataset data = points(&x, &y);
    tl_tape *tape = tl_tape_new();
    int count = 1;
    ck_assert_int_eq(tl_compile(NULL, .optimizer = tl_sgd(), .loss = TL_BINARY_CROSSENTROPY), status);
    ck_assert_int_eq(tl_build(NULL, tl_shape(3), TL_F32, 0), status);
    ck_assert_int_eq(tl_summary(NULL, stdout), status);
    ck_assert_ptr_null(tl_fit(NULL, data));
    ck_assert_int_eq(tl_evaluate(NULL, data, 0, &metrics), status);
    ck_assert(!tl_tensor_ok(tl_predict(NULL, x, 0)));
    ck_assert_ptr_null(tl_forward(NULL, tl_input(tape, x)));
    ck_assert_ptr_null(tl_model_parameters(NULL, &count));
    ck_assert_int_eq(count, 0);
    ck_assert_ptr_null(tl_model_optimizer(NULL));
    ck_assert_int_eq(tl_save(NULL, "nowhere/x.safetensors"), status);
    tl_model_free(NULL);
    tl_history_free(NULL);
    check_error(status, message);
    tl_tape_free(tape);
    tl_tensor_free(&x);
    tl_tensor_free(&y);
}

START_TEST(no_model_leaves_the_error_that_made_it_none)
{
    ck_assert_ptr_null(tl_sequential(tl_dense(-3)));
    check_no_model(TL_ERROR_ARGUMENT, "dense: units -3");
}
END_TEST

/* In a process in which nothing has failed so far. */
START_TEST(no_model_is_an_error_even_when_there_was_none)
{
    ck_assert_int_eq(tl_error_status(), TL_OK);
    check_no_model(TL_ERROR_ARGUMENT, "model");
}
END_TEST

START_TEST(a_failed_compile_is_remembered)
{
    tl_tensor x, y;
    tl_dataset data = points(&x, &y);
    tl_metrics metrics;
    tl_model *model = tl_sequential(tl_dense(1));
    ck_assert_int_eq(tl_compile(model, .optimizer = tl_adam(), .loss = TL_NO_LOSS), TL_ERROR_ARGUMENT);
    check_error(TL_ERROR_ARGUMENT, "compile: loss 0");
    ck_assert_ptr_null(tl_dense(-1)); /* another error in between */
    check_fit_refused(tl_fit(model, data), TL_ERROR_ARGUMENT,
                      "fit: the model failed to compile: compile: loss 0");
    ck_assert_int_eq(tl_evaluate(model, data, 0, &metrics), TL_ERROR_ARGUMENT);
    check_error(TL_ERROR_ARGUMENT, "failed to compile");
    tl_tensor_free(&x);
    tl_tensor_free(&y);
    tl_model_free(model);
}
END_TEST

START_TEST(an_optimizer_that_failed_is_not_replaced)
{
    tl_tensor x, y;
    tl_dataset data = points(&x, &y);
    tl_model *model = tl_sequential(tl_dense(1));
    tl_optimizer *unknown = tl_optimizer_by_name("nadam", 0);
    ck_assert_int_eq(tl_compile(model, .optimizer = unknown, .loss = TL_MEAN_SQUARED_ERROR),
                     TL_ERROR_ARGUMENT);
    check_fit_refused(tl_fit(model, data), TL_ERROR_ARGUMENT,
                      "fit: the model failed to compile: optimizer 'nadam'");
    tl_tensor_free(&x);
    tl_tensor_free(&y);
    tl_model_free(model);
}
END_TEST

START_TEST(a_build_that_failed_can_be_tried_again)
{
    tl_model *model = tl_sequential(tl_embedding(5, 3), tl_simple_rnn(2), tl_dense(1));
    ck_assert_int_eq(tl_build(model, tl_shape(4, 4), TL_F64, 0), TL_ERROR_SHAPE);
    check_error(TL_ERROR_SHAPE, "simple_rnn: input [4, 4, 3], expected [time, features]");
    check_ok(tl_build(model, tl_shape(4), TL_F64, 0));
    int count;
    tl_model_parameters(model, &count);
    ck_assert_int_eq(count, 6);
    tl_model_free(model);
}
END_TEST

START_TEST(what_belongs_to_a_model_is_not_given_twice)
{
    tl_module *layer = tl_dense(2);
    ck_assert_ptr_null(tl_sequential(layer, layer));
    check_error(TL_ERROR_STATE, "sequential: layer 1, dense, is in a model already");
    tl_model *first = tl_sequential(layer), *second = tl_sequential(tl_dense(1));
    ck_assert_ptr_nonnull(first);
    ck_assert_ptr_null(tl_sequential(layer));
    tl_optimizer *adam = tl_adam();
    check_ok(tl_compile(first, .optimizer = adam, .loss = TL_MEAN_SQUARED_ERROR));
    ck_assert_int_eq(tl_compile(second, .optimizer = adam, .loss = TL_MEAN_SQUARED_ERROR), TL_ERROR_STATE);
    check_error(TL_ERROR_STATE, "adam: this optimizer belongs to a model already");
    tl_model_free(first);
    tl_model_free(second);
}
END_TEST

START_TEST(compiling_is_done_once)
{
    tl_tensor x, y;
    tl_dataset data = points(&x, &y);
    tl_model *model = tl_sequential(tl_dense(1));
    check_ok(tl_compile(model, .optimizer = tl_rmsprop(), .loss = TL_MEAN_SQUARED_ERROR));
    ck_assert_str_eq(tl_optimizer_name(tl_model_optimizer(model)), "rmsprop");
    ck_assert_int_eq(tl_compile(model, .optimizer = tl_adam(), .loss = TL_MEAN_SQUARED_ERROR),
                     TL_ERROR_STATE);
    check_error(TL_ERROR_STATE, "compiled already");
    ck_assert_str_eq(tl_optimizer_name(tl_model_optimizer(model)), "rmsprop");
    tl_history *history = tl_fit(model, data); /* the first one still holds */
    ck_assert_msg(history != NULL, "%s", tl_error_message());
    tl_history_free(history);
    tl_tensor_free(&x);
    tl_tensor_free(&y);
    tl_model_free(model);
}
END_TEST

START_TEST(what_is_not_ready_says_what_is_missing)
{
    tl_tensor x, y;
    tl_dataset data = points(&x, &y);
    tl_metrics metrics;
    tl_model *model = tl_sequential(tl_dense(1));
    check_fit_refused(tl_fit(model, data), TL_ERROR_STATE, "fit: the model is not compiled (tl_compile)");
    ck_assert_int_eq(tl_save(model, "nowhere/x.safetensors"), TL_ERROR_STATE);
    check_error(TL_ERROR_STATE, "save: the model is not built");
    ck_assert(!tl_tensor_ok(tl_predict(model, x, 0)));
    check_error(TL_ERROR_STATE, "predict: the model is not built");
    check_ok(tl_compile(model, .optimizer = tl_rmsprop(), .loss = TL_MEAN_SQUARED_ERROR));
    ck_assert_int_eq(tl_evaluate(model, data, 0, &metrics), TL_ERROR_STATE);
    check_error(TL_ERROR_STATE, "evaluate: the model is not built");
    tl_tensor_free(&x);
    tl_tensor_free(&y);
    tl_model_free(model);
}
END_TEST

START_TEST(data_of_another_shape_are_refused)
{
    tl_tensor x, y;
    points(&x, &y);
    tl_tensor wide = random_tensor(TL_F32, tl_shape(10, 4), 1),
              pairs = tl_tensor_new(TL_F32, tl_shape(10, 2));
    tl_model *model = tl_sequential(tl_dense(1, .activation = TL_SIGMOID));
    check_ok(tl_compile(model, .optimizer = tl_rmsprop(), .loss = TL_BINARY_CROSSENTROPY));
    check_ok(tl_build(model, tl_shape(3), TL_F32, 0));
    check_fit_refused(tl_fit(model, tl_dataset_of(wide, y)), TL_ERROR_SHAPE,
                      "[3], those of the data [10, 4] are [4]");
    check_fit_refused(tl_fit(model, tl_dataset_of(x, pairs)), TL_ERROR_SHAPE,
                      "binary_crossentropy: targets [8, 2] for predictions [8, 1]");
    check_fit_refused(tl_fit(model, tl_dataset_of(x, y), .validation_data = tl_dataset_of(wide, y)),
                      TL_ERROR_SHAPE, "those of the data [10, 4] are [4]");
    ck_assert(!tl_tensor_ok(tl_predict(model, wide, 0)));
    check_error(TL_ERROR_SHAPE, "[10, 4]");
    tl_tensor nine = tl_tensor_slice(x, 0, 0, 9);
    check_fit_refused(tl_fit(model, tl_dataset_of(nine, y)), TL_ERROR_SHAPE, "x [9, 3] and y [10]");
    tl_tensor *all[] = {&x, &y, &wide, &pairs};
    for (int i = 0; i < 4; i++)
        tl_tensor_free(all[i]);
    tl_model_free(model);
}
END_TEST

START_TEST(impossible_options_of_fit_are_refused)
{
    tl_tensor x, y;
    tl_dataset data = points(&x, &y);
    tl_model *model = tl_sequential(tl_dense(1));
    check_ok(tl_compile(model, .optimizer = tl_rmsprop(), .loss = TL_MEAN_SQUARED_ERROR));
    check_fit_refused(tl_fit(model, data, .epochs = -1), TL_ERROR_ARGUMENT, "fit: -1 epochs");
    check_fit_refused(tl_fit(model, data, .batch_size = -8), TL_ERROR_ARGUMENT, "batches of -8");
    check_fit_refused(tl_fit(model, data, .validation_split = 1), TL_ERROR_ARGUMENT, "validation_split 1");
    check_fit_refused(tl_fit(model, data, .validation_split = -0.5), TL_ERROR_ARGUMENT, "split -0.5");
    check_fit_refused(tl_fit(model, data, .validation_split = 0.5, .validation_data = data),
                      TL_ERROR_ARGUMENT, "both validation_split 0.5 and validation_data");
    check_fit_refused(tl_fit(model, data, .validation_split = 0.95), TL_ERROR_ARGUMENT,
                      "10 samples cannot be split");
    check_fit_refused(tl_fit(model, data, .callbacks = tl_callbacks(tl_early_stopping(.patience = -2))),
                      TL_ERROR_ARGUMENT, "early_stopping: patience -2");
    int count;
    ck_assert_ptr_null(tl_model_parameters(model, &count)); /* nothing was built on the way */
    tl_tensor_free(&x);
    tl_tensor_free(&y);
    tl_model_free(model);
}
END_TEST

int main(void)
{
    return RUN_SUITE("model", predictions_are_probabilities_whatever_the_loss_took,
                     an_activation_of_another_loss_is_left_alone, forward_gives_logits_once_compiled,
                     layers_of_a_kind_are_numbered, weights_are_a_function_of_the_seed,
                     a_layer_that_failed_makes_no_model, building_is_done_once_and_for_floats,
                     no_model_leaves_the_error_that_made_it_none,
                     no_model_is_an_error_even_when_there_was_none, a_failed_compile_is_remembered,
                     an_optimizer_that_failed_is_not_replaced, a_build_that_failed_can_be_tried_again,
                     what_belongs_to_a_model_is_not_given_twice, compiling_is_done_once,
                     what_is_not_ready_says_what_is_missing, data_of_another_shape_are_refused,
                     impossible_options_of_fit_are_refused);
}
