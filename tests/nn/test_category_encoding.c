/* CategoryEncoding: vectors with a single 1, and layers behind it against the same vectors given as data. */
#include "tests/nn/testing_internal.h"

enum { ROWS = 6, TIME = 5, TOKENS = 7, UNITS = 4 };

/* [..., tokens] in the type of a model. */
static tl_tensor one_hot(tl_tensor ids, tl_dtype dtype)
{
    tl_shape shape = ids.shape;
    shape.dims[shape.rank++] = TOKENS;
    tl_tensor vectors = tl_tensor_new(dtype, shape);
    for (int64_t i = 0; i < tl_tensor_count(ids); i++) {
        int64_t place = i * TOKENS + (int64_t)element(ids, i);
        if (dtype == TL_F32)
            ((float *)tl_data_mut(vectors))[place] = 1;
        else
            ((double *)tl_data_mut(vectors))[place] = 1;
    }
    return vectors;
}

START_TEST(ids_become_rows_with_a_single_one)
{
    const tl_shape shapes[] = {tl_shape(ROWS), tl_shape(ROWS, TIME), tl_shape(ROWS, 2, TIME)};
    for (int i = 0; i < 6; i++) {
        tl_dtype dtype = i % 2 ? TL_F32 : TL_F64;
        tl_shape shape = shapes[i / 2], sample = {.rank = shape.rank - 1};
        memcpy(sample.dims, shape.dims + 1, sizeof sample.dims - sizeof sample.dims[0]);
        tl_model *model = tl_sequential(tl_category_encoding(TOKENS));
        check_ok(tl_build(model, sample, dtype, 0));
        tl_tensor ids = random_ids(shape, TOKENS, 1), expected = one_hot(ids, dtype),
                  out = tl_predict(model, ids, 0);
        ck_assert(same_bits(out, expected));
        tl_tensor *all[] = {&ids, &expected, &out};
        for (int j = 0; j < 3; j++)
            tl_tensor_free(all[j]);
        tl_model_free(model);
    }
}
END_TEST

/* Layers that may follow it. */
static tl_module *new_layer(int which)
{
    switch (which) {
    case 0:
        return tl_simple_rnn(UNITS, .return_sequences = true);
    case 1:
        return tl_simple_rnn(UNITS, .return_sequences = true, .dropout = 0.4, .recurrent_dropout = 0.2);
    case 2:
        return tl_bidirectional(tl_simple_rnn(UNITS, .return_sequences = true),
                                tl_simple_rnn(UNITS, .return_sequences = true));
    default:
        return tl_dense(UNITS, .activation = TL_TANH);
    }
}
enum { LAYERS = 4 };

/* The same layers over ids, or over vectors. */
static tl_model *new_model(int which, bool ids)
{
    tl_model *model = ids ? tl_sequential(tl_category_encoding(TOKENS), new_layer(which), tl_dense(2))
                          : tl_sequential(new_layer(which), tl_dense(2));
    check_ok(tl_compile(model, .optimizer = tl_sgd(.learning_rate = 0.5), .loss = TL_MEAN_SQUARED_ERROR));
    return build_randomly(model, ids ? tl_shape(TIME) : tl_shape(TIME, TOKENS), TL_F64, 0.6);
}

static void train(tl_model *model, tl_dataset data, int64_t batch_size)
{
    tl_history *history = tl_fit(model, data, .epochs = 3, .batch_size = batch_size, .seed = 3);
    ck_assert_msg(history != NULL, "%s", tl_error_message());
    tl_history_free(history);
}

/* In a batch of one row there are fewer positions than tokens, so no table of them all is projected. */
START_TEST(what_follows_sees_the_same_as_from_vectors)
{
    tl_tensor ids = random_ids(tl_shape(ROWS, TIME), TOKENS, 1), vectors = one_hot(ids, TL_F64),
              y = random_tensor(TL_F64, tl_shape(ROWS, TIME, 2), 2);
    for (int64_t batch_size = 1; batch_size <= ROWS; batch_size += ROWS - 1) {
        tl_model *of_ids = new_model(_i, true), *of_vectors = new_model(_i, false);
        ck_assert(same_weights(of_ids, of_vectors));
        train(of_ids, tl_dataset_of(ids, y), batch_size);
        train(of_vectors, tl_dataset_of(vectors, y), batch_size);
        ck_assert_double_lt(weights_apart(of_ids, of_vectors), 1e-13);
        tl_tensor p = tl_predict(of_ids, ids, batch_size), q = tl_predict(of_vectors, vectors, batch_size);
        ck_assert_double_lt(difference(p, q), 1e-13);
        tl_tensor_free(&p);
        tl_tensor_free(&q);
        tl_model_free(of_ids);
        tl_model_free(of_vectors);
    }
    tl_tensor *all[] = {&ids, &vectors, &y};
    for (int i = 0; i < 3; i++)
        tl_tensor_free(all[i]);
}
END_TEST

START_TEST(it_has_no_weights)
{
    tl_module *layer = tl_category_encoding(TOKENS);
    tl_model *model = tl_sequential(layer, tl_simple_rnn(UNITS));
    check_ok(tl_build(model, tl_shape(TL_ANY), TL_F32, 0));
    int count;
    tl_model_parameters(model, &count);
    ck_assert_int_eq(count, 3);
    ck_assert_int_eq(tl_module_weights(layer), 0);
    ck_assert(tl_shape_equal(parameter_of(model, "simple_rnn/kernel")->value.shape, tl_shape(TOKENS, UNITS)));
    tl_model_free(model);
}
END_TEST

/* The next of a cycle of tokens. */
START_TEST(it_learns)
{
    enum { SAMPLES = 100 };
    tl_tensor x = tl_tensor_new(TL_I32, tl_shape(SAMPLES, TIME)), y = tl_tensor_new(TL_I32, x.shape);
    int32_t *id = tl_data_mut(x), *next = tl_data_mut(y);
    for (int i = 0; i < SAMPLES * TIME; i++) {
        id[i] = (3 * (i / TIME) + 2 * (i % TIME)) % TOKENS;
        next[i] = (id[i] + 2) % TOKENS;
    }
    tl_model *model = tl_sequential(tl_category_encoding(TOKENS), tl_simple_rnn(8, .return_sequences = true),
                                    tl_dense(TOKENS, .activation = TL_SOFTMAX));
    check_ok(tl_compile(model, .optimizer = tl_adam(.learning_rate = 0.03),
                        .loss = TL_SPARSE_CATEGORICAL_CROSSENTROPY));
    tl_history *history = tl_fit(model, tl_dataset_of(x, y), .epochs = 20);
    ck_assert_msg(history != NULL, "%s", tl_error_message());
    ck_assert_double_gt(history->epochs[19].train.accuracy, 0.95);
    tl_history_free(history);
    tl_tensor_free(&x);
    tl_tensor_free(&y);
    tl_model_free(model);
}
END_TEST

/* --- Errors --- */

START_TEST(ids_out_of_range_are_refused)
{
    static const int32_t wrong[] = {TOKENS, -1};
    static const char *const messages[] = {"id 7, the table has rows 0 to 6",
                                           "id -1, the table has rows 0 to 6"};
    for (int which = 0; which < 2; which++) {
        tl_model *model = new_model(which, true);
        for (int64_t rows = 1; rows <= ROWS; rows += ROWS - 1) {
            tl_tensor ids = random_ids(tl_shape(rows, TIME), TOKENS, 1);
            ((int32_t *)tl_data_mut(ids))[3] = wrong[_i];
            ck_assert(!tl_tensor_ok(tl_predict(model, ids, 0)));
            check_error(TL_ERROR_RANGE, messages[_i]);
            tl_tensor_free(&ids);
        }
        tl_model_free(model);
    }
}
END_TEST

START_TEST(other_inputs_and_options_are_refused)
{
    for (int64_t tokens = 0; tokens >= -1; tokens--) {
        ck_assert_ptr_null(tl_category_encoding(tokens));
        check_error(TL_ERROR_ARGUMENT, "category_encoding: num_tokens");
    }
    tl_model *model = tl_sequential(tl_category_encoding(TOKENS));
    ck_assert_int_ne(tl_build(model, tl_shape(1, 1, 1, 1, 1, 1, 1), TL_F32, 0), TL_OK);
    check_error(TL_ERROR_SHAPE, "category_encoding: input [1, 1, 1, 1, 1, 1, 1] has too many axes");
    check_ok(tl_build(model, tl_shape(TIME), TL_F32, 0));
    tl_tensor floats = tl_tensor_new(TL_F32, tl_shape(ROWS, TIME));
    ck_assert(!tl_tensor_ok(tl_predict(model, floats, 0)));
    check_error(TL_ERROR_DTYPE, "ids of f32");
    tl_tensor_free(&floats);
    tl_model_free(model);
    model = tl_sequential(tl_category_encoding((int64_t)1 << 40));
    ck_assert_int_ne(tl_build(model, tl_shape(TIME), TL_F32, 0), TL_OK);
    check_error(TL_ERROR_SHAPE, "too many elements");
    tl_model_free(model);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("category_encoding");
    tcase_add_test(tests, ids_become_rows_with_a_single_one);
    tcase_add_loop_test(tests, what_follows_sees_the_same_as_from_vectors, 0, LAYERS);
    tcase_add_test(tests, it_has_no_weights);
    tcase_add_test(tests, it_learns);
    tcase_add_loop_test(tests, ids_out_of_range_are_refused, 0, 2);
    tcase_add_test(tests, other_inputs_and_options_are_refused);
    return run_tests("category_encoding", tests);
}
