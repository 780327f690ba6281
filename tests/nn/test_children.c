/* A layer of one's own around other layers: their names, their weights, and who frees them. */
#include "tests/nn/folder_internal.h"
#include "tests/nn/testing_internal.h"

enum { TIME = 4, WIDTH = 3 };

/* y = second(first(x)) + first(x), as a user writes it. */
typedef struct residual {
    tl_module module;
    tl_parameter *scale;
} residual;

static int freed;

static tl_status build(tl_module *module, tl_builder *builder, tl_shape input, tl_shape *output)
{
    residual *r = (residual *)module;
    r->scale = tl_build_parameter(builder, "scale", tl_shape(1), TL_ONES);
    for (int i = 0; i < module->child_count; i++) {
        if (tl_module_build(module->children[i], builder, input) != TL_OK)
            return tl_error_status();
        input = module->children[i]->output;
    }
    *output = input;
    return r->scale ? TL_OK : tl_error_status();
}

static tl_var *forward(const tl_module *module, tl_var *x)
{
    tl_var *first = tl_module_forward(module->children[0], x);
    tl_var *second = tl_module_forward(module->children[1], first);
    tl_var *scale = tl_use(tl_tape_of(x), ((const residual *)module)->scale);
    return tl_add(tl_mul(second, scale), first);
}

static tl_var *prepare(tl_module *module, const tl_step *step, tl_var *table, bool *failed)
{
    for (int i = 0; i < module->child_count && !*failed; i++)
        table = tl_module_prepare(module->children[i], step, table, failed);
    return NULL;
}

static void count_free(tl_module *module)
{
    (void)module;
    freed++;
}

static const tl_module_type type = {
    .name = "residual", .build = build, .forward = forward, .prepare = prepare, .free = count_free};

static tl_module *new_residual(tl_module *first, tl_module *second)
{
    residual *r = tl_module_new(&type, sizeof *r);
    ck_assert_ptr_nonnull(r);
    check_ok(tl_module_adopt(&r->module, first));
    check_ok(tl_module_adopt(&r->module, second));
    return &r->module;
}

static tl_model *new_model(void)
{
    return tl_sequential(
        tl_dense(WIDTH), new_residual(tl_dense(5), tl_dense(5, .activation = TL_TANH)),
        new_residual(tl_dense(2), new_residual(tl_simple_rnn(2, .return_sequences = true), tl_dense(2))));
}

START_TEST(names_and_weights_are_counted)
{
    static const struct {
        const char *name;
        int64_t count;
    } expected[] = {{"dense/kernel", 9},
                    {"dense/bias", 3},
                    {"residual/scale", 1},
                    {"residual/dense/kernel", 15},
                    {"residual/dense/bias", 5},
                    {"residual/dense_1/kernel", 25},
                    {"residual/dense_1/bias", 5},
                    {"residual_1/scale", 1},
                    {"residual_1/dense/kernel", 10},
                    {"residual_1/dense/bias", 2},
                    {"residual_1/residual/scale", 1},
                    {"residual_1/residual/simple_rnn/kernel", 4},
                    {"residual_1/residual/simple_rnn/recurrent_kernel", 4},
                    {"residual_1/residual/simple_rnn/bias", 2},
                    {"residual_1/residual/dense/kernel", 4},
                    {"residual_1/residual/dense/bias", 2}};
    enum { COUNT = sizeof expected / sizeof expected[0] };
    tl_model *model = new_model();
    check_ok(tl_build(model, tl_shape(TIME, WIDTH), TL_F32, 1));
    int count;
    tl_parameter *const *parameters = tl_model_parameters(model, &count);
    ck_assert_int_eq(count, COUNT);
    for (int i = 0; i < COUNT; i++) {
        ck_assert_str_eq(parameters[i]->name, expected[i].name);
        ck_assert_int_eq(tl_tensor_count(parameters[i]->value), expected[i].count);
    }
    tl_model_free(model);
}
END_TEST

START_TEST(the_summary_has_one_line_for_all_of_it)
{
    enter_folder();
    tl_model *model = new_model();
    check_ok(tl_build(model, tl_shape(TIME, WIDTH), TL_F32, 1));
    FILE *file = fopen("summary", "w");
    check_ok(tl_summary(model, file));
    fclose(file);
    char *text = file_contents("summary", NULL);
    ck_assert_msg(strstr(text, "residual (residual)          (None, 4, 5)                         51\n"),
                  "%s", text);
    ck_assert_msg(strstr(text, "residual_1 (residual)        (None, 4, 2)                         30\n"),
                  "%s", text);
    ck_assert_ptr_nonnull(strstr(text, "Total params: 93\n"));
    free(text);
    tl_model_free(model);
    leave_folder();
}
END_TEST

START_TEST(it_is_saved_and_loaded)
{
    enter_folder();
    tl_model *model = new_model(), *other = new_model();
    check_ok(tl_build(model, tl_shape(TIME, WIDTH), TL_F32, 1));
    check_ok(tl_build(other, tl_shape(TIME, WIDTH), TL_F32, 2));
    check_ok(tl_save(model, "w.safetensors"));
    check_ok(tl_load_weights(other, "w.safetensors"));
    ck_assert(same_weights(model, other));
    tl_model_free(model);
    tl_model_free(other);
    leave_folder();
}
END_TEST

/* Ids behind 5 are never used: in the larger table they keep it from being projected. */
static tl_model *new_text_model(int64_t rows)
{
    tl_model *model = tl_sequential(tl_embedding(rows, 3),
                                    new_residual(tl_simple_rnn(2, .return_sequences = true), tl_dense(2)));
    check_ok(tl_compile(model, .optimizer = tl_sgd(.learning_rate = 0.5), .loss = TL_MEAN_SQUARED_ERROR));
    return build_randomly(model, tl_shape(TIME), TL_F64, 0.5);
}

START_TEST(it_trains_whether_tables_are_projected_or_not)
{
    tl_tensor x = random_ids(tl_shape(30, TIME), 6, 1), y = random_tensor(TL_F64, tl_shape(30, TIME, 2), 2);
    tl_model *small = new_text_model(6), *large = new_text_model(600);
    tl_tensor table = parameter_of(small, "embedding/embeddings")->value;
    check_ok(
        tl_tensor_copy(tl_tensor_slice(parameter_of(large, "embedding/embeddings")->value, 0, 0, 6), table));
    tl_history *a = tl_fit(small, tl_dataset_of(x, y), .epochs = 20),
               *b = tl_fit(large, tl_dataset_of(x, y), .epochs = 20);
    ck_assert_msg(a && b, "%s", tl_error_message());
    for (int i = 0; i < 20; i++)
        ck_assert_double_eq_tol(a->epochs[i].train.loss, b->epochs[i].train.loss, 1e-10);
    ck_assert_double_lt(a->epochs[19].train.loss, 0.9 * a->epochs[0].train.loss);
    tl_history_free(a);
    tl_history_free(b);
    tl_model_free(small);
    tl_model_free(large);
    tl_tensor_free(&x);
    tl_tensor_free(&y);
}
END_TEST

/* A build that fails in a child may be tried again: the children are as they were. */
START_TEST(a_failed_build_can_be_tried_again)
{
    tl_model *model = tl_sequential(new_residual(tl_dense(5), tl_simple_rnn(5, .return_sequences = true)));
    ck_assert_int_ne(tl_build(model, tl_shape(WIDTH), TL_F32, 1), TL_OK);
    check_error(TL_ERROR_SHAPE, "simple_rnn: input [5], expected [time, features]");
    check_ok(tl_build(model, tl_shape(TIME, WIDTH), TL_F32, 1));
    int count;
    tl_model_parameters(model, &count);
    ck_assert_int_eq(count, 6);
    tl_model_free(model);
}
END_TEST

START_TEST(children_are_freed_with_it)
{
    freed = 0;
    tl_module_free(new_residual(new_residual(tl_dense(1), tl_dense(1)), tl_dense(1)));
    ck_assert_int_eq(freed, 2);
    tl_model_free(new_model());
    ck_assert_int_eq(freed, 5);
}
END_TEST

/* Each layer has one owner: what belongs to one already stays its. */
START_TEST(a_child_cannot_be_adopted_twice)
{
    tl_module *inner = tl_dense(1), *outer = new_residual(inner, tl_dense(1)), *fresh = tl_dense(2);
    ck_assert_int_eq(tl_module_adopt(outer, inner), TL_ERROR_STATE);
    check_error(TL_ERROR_STATE, "residual: layer dense belongs to another already");
    ck_assert_ptr_null(tl_sequential(fresh, inner));
    check_error(TL_ERROR_STATE, "sequential: layer 1, dense, is in a model already");
    tl_model *model = tl_sequential(fresh);
    ck_assert_int_eq(tl_module_adopt(outer, fresh), TL_ERROR_STATE);
    ck_assert_ptr_null(tl_sequential(fresh, tl_dense(0)));
    check_error(TL_ERROR_STATE, "sequential: layer 0, dense, is in a model already");
    ck_assert_int_eq(tl_module_adopt(outer, tl_dense(0)), TL_ERROR_ARGUMENT);
    check_error(TL_ERROR_ARGUMENT, "dense: units 0");
    ck_assert_int_eq(outer->child_count, 2);
    tl_model_free(model);
    tl_module_free(outer);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("children");
    tcase_add_test(tests, names_and_weights_are_counted);
    tcase_add_test(tests, the_summary_has_one_line_for_all_of_it);
    tcase_add_test(tests, it_is_saved_and_loaded);
    tcase_add_test(tests, it_trains_whether_tables_are_projected_or_not);
    tcase_add_test(tests, a_failed_build_can_be_tried_again);
    tcase_add_test(tests, children_are_freed_with_it);
    tcase_add_test(tests, a_child_cannot_be_adopted_twice);
    return run_tests("children", tests);
}
