/* How far trainings drift apart that differ in nothing but the instruction set, or the compiler: sums in
 * another order and tanh, exp and sigmoid with errors of their own round differently, and every step starts
 * from there. Weights after 1, 10 and 100 steps under every table that runs here are held against those of
 * the plain one.
 *
 *     test_isa write FILE        writes what the table chosen by TAPELOOP_ISA comes to
 *     test_isa compare FILE FILE prints how far two such files are apart, and fails past the bounds below:
 * for those of two builds, see scripts/compare-builds
 */
#include "tests/nn/testing_internal.h"
#include "tests/support/again.h"
#include "tests/support/folder.h"
#include "tests/support/kernels.h"

enum { SAMPLES = 64, TIME = 20, WORDS = 40, FEATURES = 6, CLASSES = 4 };

static const int moments[] = {1, 10, 100}; /* steps */
enum { MOMENTS = sizeof moments / sizeof moments[0] };

static tl_model *text_model(void)
{
    tl_model *model = tl_sequential(tl_embedding(WORDS, 8, .mask_zero = true), tl_simple_rnn(16),
                                    tl_dropout_layer(0.2), tl_dense(1, .activation = TL_SIGMOID));
    check_ok(tl_compile(model, .optimizer = tl_rmsprop(), .loss = TL_BINARY_CROSSENTROPY));
    return model;
}

static tl_model *stacked_model(void)
{
    tl_model *model = tl_sequential(tl_bidirectional(tl_simple_rnn(12, .return_sequences = true),
                                                     tl_simple_rnn(12, .return_sequences = true)),
                                    tl_layer_normalization(), tl_simple_rnn(20),
                                    tl_dense(CLASSES, .activation = TL_SOFTMAX));
    check_ok(
        tl_compile(model, .optimizer = tl_adam(.clip_norm = 1), .loss = TL_SPARSE_CATEGORICAL_CROSSENTROPY));
    return model;
}

static tl_model *plain_model(void)
{
    tl_model *model = tl_sequential(tl_simple_rnn(32), tl_dense(CLASSES, .activation = TL_SOFTMAX));
    check_ok(tl_compile(model, .optimizer = tl_sgd(.learning_rate = 0.05, .momentum = 0.9),
                        .loss = TL_SPARSE_CATEGORICAL_CROSSENTROPY));
    return model;
}

/* The bounds are on the largest difference of a weight, as a part of the largest weight of its parameter:
 * about ten times what x86-64 shows. RMSprop and Adam divide a gradient by its size, so that one that is
 * little more than rounding still moves its weight: there more is allowed. */
static const struct {
    const char *name;
    tl_model *(*model)(void);
    bool words;
    double bound;
} trainings[] = {
    {"embedding, mask, dropout; rmsprop", text_model, true, 1e-4},
    {"both ways, normalized, stacked; adam", stacked_model, false, 5e-5},
    {"simple_rnn; sgd with momentum", plain_model, false, 1e-5},
};
enum { TRAININGS = sizeof trainings / sizeof trainings[0] };

/* --- Writing --- */

static const char *target = "weights";

static void write_numbers(FILE *file, const void *numbers, size_t size, int64_t count)
{
    ck_assert_uint_eq(fwrite(numbers, size, (size_t)count, file), (size_t)count);
}

/* Every parameter: how many weights, and those. */
static void write_weights(FILE *file, const tl_model *model)
{
    int count;
    tl_parameter *const *parameters = tl_model_parameters(model, &count);
    write_numbers(file, &(int64_t){count}, sizeof(int64_t), 1);
    for (int i = 0; i < count; i++) {
        const int64_t size = tl_tensor_count(parameters[i]->value);
        write_numbers(file, &size, sizeof size, 1);
        write_numbers(file, tl_data(parameters[i]->value), sizeof(float), size);
    }
}

static void write_training(FILE *file, int number)
{
    const bool words = trainings[number].words;
    tl_tensor x = words ? padded_ids(SAMPLES, TIME, WORDS, 1)
                        : random_tensor(TL_F32, tl_shape(SAMPLES, TIME, FEATURES), 1);
    tl_tensor y = random_labels(SAMPLES, words ? 2 : CLASSES, 2);
    tl_model *model = trainings[number].model();
    int step = 0;
    for (int i = 0; i < MOMENTS; i++) {
        for (; step < moments[i]; step++)
            check_ok(tl_train_on_batch(model, x, y, NULL));
        write_weights(file, model);
    }
    tl_model_free(model);
    tl_tensor_free(&x);
    tl_tensor_free(&y);
}

/* The only test of this program when it is run again. */
START_TEST(write_all)
{
    FILE *file = fopen(target, "wb");
    ck_assert_ptr_nonnull(file);
    for (int i = 0; i < TRAININGS; i++)
        write_training(file, i);
    ck_assert_int_eq(fclose(file), 0);
}
END_TEST

/* --- Comparing --- */

static bool read_number(FILE *files[2], int64_t *number)
{
    int64_t read[2] = {0, 0};
    for (int i = 0; i < 2; i++)
        if (fread(&read[i], sizeof read[i], 1, files[i]) != 1)
            return false;
    *number = read[0];
    return read[0] == read[1];
}

/* How far the next weights of two files are apart; infinite if they are not of the same kind. */
static double next_apart(FILE *files[2])
{
    const double infinite = (double)INFINITY;
    int64_t count, size;
    double most = 0;
    if (!read_number(files, &count))
        return infinite;
    for (; count > 0; count--) {
        if (!read_number(files, &size))
            return infinite;
        double apart = 0, largest = 0;
        for (int64_t i = 0; i < size; i++) {
            float a, b;
            if (fread(&a, sizeof a, 1, files[0]) != 1 || fread(&b, sizeof b, 1, files[1]) != 1 ||
                !isfinite(a) || !isfinite(b))
                return infinite;
            apart = fmax(apart, fabs((double)a - (double)b));
            largest = fmax(largest, fabs((double)a));
        }
        most = fmax(most, largest > 0 ? apart / largest : apart);
    }
    return most;
}

/* Fills in how far two files are apart. */
static bool compare(const char *one, const char *other, double apart[TRAININGS][MOMENTS])
{
    FILE *files[2] = {fopen(one, "rb"), fopen(other, "rb")};
    const bool found = files[0] && files[1];
    for (int i = 0; i < TRAININGS && found; i++)
        for (int j = 0; j < MOMENTS; j++)
            apart[i][j] = next_apart(files);
    for (int i = 0; i < 2; i++)
        if (files[i])
            fclose(files[i]);
    return found;
}

static bool print_comparison(const char *one, const char *other)
{
    double apart[TRAININGS][MOMENTS];
    if (!compare(one, other, apart)) {
        fprintf(stderr, "%s or %s cannot be read\n", one, other);
        return false;
    }
    bool within = true;
    for (int i = 0; i < TRAININGS; i++) {
        printf("  %-38s", trainings[i].name);
        for (int j = 0; j < MOMENTS; j++) {
            printf(" %8.1e", apart[i][j]);
            within = within && apart[i][j] <= trainings[i].bound;
        }
        puts(within ? "" : "  past the bounds");
    }
    return within;
}

START_TEST(every_table_trains_nearly_alike)
{
    const tl_kernels *tables[TABLES];
    const int count = tl_kernels_available(tables, TABLES);
    char text[TEXT_SIZE];
    for (int i = 0; i < count; i++) {
        ck_assert_int_eq(run_again("TAPELOOP_ISA", tables[i]->isa, text), 0);
        ck_assert_int_eq(rename("weights", tables[i]->isa), 0);
    }
    for (int i = 0; i < count; i++) {
        double apart[TRAININGS][MOMENTS];
        ck_assert(compare("plain", tables[i]->isa, apart));
        for (int j = 0; j < TRAININGS; j++)
            for (int k = 0; k < MOMENTS; k++)
                ck_assert_msg(apart[j][k] <= trainings[j].bound, "%s, %s: %g after %d steps, at most %g",
                              tables[i]->isa, trainings[j].name, apart[j][k], moments[k], trainings[j].bound);
        /* The tables are not one: what was compared would not be what it says. */
        ck_assert(i == 0 ? apart[0][0] == 0 : apart[0][MOMENTS - 1] > 0);
    }
}
END_TEST

START_TEST(weights_did_move)
{
    char text[TEXT_SIZE];
    ck_assert_int_eq(run_again("TAPELOOP_ISA", "plain", text), 0);
    FILE *files[2] = {fopen("weights", "rb"), fopen("weights", "rb")};
    ck_assert(files[0] && files[1]);
    ck_assert_double_eq(next_apart(files), 0);
    rewind(files[1]);
    ck_assert_double_gt(next_apart(files), 0.001); /* after 10 steps and after 1 */
    fclose(files[0]);
    fclose(files[1]);
}
END_TEST

int main(int argc, char **argv)
{
    if (argc == 4 && strcmp(argv[1], "compare") == 0)
        return print_comparison(argv[2], argv[3]) ? EXIT_SUCCESS : EXIT_FAILURE;
    if (argc > 1) {
        target = argc > 2 ? argv[2] : target;
        TCase *writing = tcase_create("again");
        tcase_add_test(writing, write_all);
        return run_quietly(writing);
    }
    enum { SECONDS = 240 };
    TCase *tests = case_in_folder("isa");
    tcase_set_timeout(tests, SECONDS);
    tcase_add_test(tests, every_table_trains_nearly_alike);
    tcase_add_test(tests, weights_did_move);
    return run_case("isa", tests);
}
