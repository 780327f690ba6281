/* The four files of MNIST, if they are in mnist/ of the folder in TAPELOOP_DATA. */
#include "data/idx.h"
#include "data/locate.h"
#include "tests/support/suite.h"

#include <limits.h>
#include <stdio.h>

enum { CLASSES = 10 };

static const struct {
    const char *images, *labels, *shape;
    int64_t counts[CLASSES]; /* of the labels 0 to 9, as published */
} parts[] = {
    {"mnist/train-images-idx3-ubyte.gz",
     "mnist/train-labels-idx1-ubyte.gz",
     "[60000, 28, 28]",
     {5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949}},
    {"mnist/t10k-images-idx3-ubyte.gz",
     "mnist/t10k-labels-idx1-ubyte.gz",
     "[10000, 28, 28]",
     {980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009}},
};

/* The tensor of a file; an empty one if it is not there. */
static tl_tensor read_if_there(const char *name)
{
    char path[PATH_MAX];
    const char *dir = getenv("TAPELOOP_DATA");
    if (!dir || tl_data_locate(dir, &name, 1, path, sizeof path) != TL_OK) {
        printf("SKIPPED: no %s in the folder that TAPELOOP_DATA names\n", name);
        return (tl_tensor){0};
    }
    tl_tensor tensor = tl_idx_read(path);
    ck_assert_msg(tl_tensor_ok(tensor), "%s", tl_error_message());
    ck_assert_int_eq(tensor.dtype, TL_U8);
    return tensor;
}

START_TEST(labels_are_spread_as_published)
{
    tl_tensor labels = read_if_there(parts[_i].labels);
    if (!tl_tensor_ok(labels))
        return;
    int64_t counts[CLASSES] = {0};
    const uint8_t *label = tl_data(labels);
    for (int64_t i = 0; i < tl_tensor_count(labels); i++) {
        ck_assert_int_lt(label[i], CLASSES);
        counts[label[i]]++;
    }
    ck_assert_mem_eq(counts, parts[_i].counts, sizeof counts);
    tl_tensor_free(&labels);
}
END_TEST

/* Every image has ink in the middle and none in the corners. */
START_TEST(images_are_where_they_should_be)
{
    enum { SIDE = 28, PIXELS = SIDE * SIDE };
    tl_tensor images = read_if_there(parts[_i].images);
    if (!tl_tensor_ok(images))
        return;
    ck_assert_str_eq(TL_SHAPE_TEXT(images.shape), parts[_i].shape);
    const uint8_t *image = tl_data(images);
    for (int64_t i = 0; i < images.shape.dims[0]; i++, image += PIXELS) {
        int ink = 0;
        for (int row = SIDE / 4; row < SIDE - SIDE / 4; row++)
            for (int column = SIDE / 4; column < SIDE - SIDE / 4; column++)
                ink += image[row * SIDE + column];
        ck_assert_msg(ink > 1000, "image %lld has %d in its middle", (long long)i, ink);
        ck_assert_int_eq(image[0] + image[SIDE - 1] + image[PIXELS - SIDE] + image[PIXELS - 1], 0);
    }
    tl_tensor_free(&images);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("mnist");
    TCase *tests = tcase_create("mnist");
    tcase_add_loop_test(tests, labels_are_spread_as_published, 0, (int)(sizeof parts / sizeof parts[0]));
    tcase_add_loop_test(tests, images_are_where_they_should_be, 0, (int)(sizeof parts / sizeof parts[0]));
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
