#include "digits.h"

#include "../common/saved.h"

#include <stdio.h>
#include <string.h>

enum { PATH_SIZE = 4096 };

static const char *const digit_names[CLASSES] = {"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"};
static const char *const fashion_names[CLASSES] = {"T-shirt", "trouser", "pullover", "dress", "coat",
                                                   "sandal",  "shirt",   "sneaker",  "bag",   "boot"};
static const char fashion_folder[] = "/usr/share/datasets/fashion-mnist";

/* Each file as it is downloaded, or unpacked, in a folder of its own or not. */
static tl_status find_file(const char *folder, const char *stem, char path[PATH_SIZE])
{
    char names[4][64];
    const char *list[4];
    for (int i = 0; i < 4; i++) {
        snprintf(names[i], sizeof names[i], "%s%s%s", i < 2 ? "mnist/" : "", stem, i % 2 ? "" : ".gz");
        list[i] = names[i];
    }
    return tl_data_locate(folder, list, 4, path, PATH_SIZE);
}

static tl_status read_file(const char *folder, const char *stem, char path[PATH_SIZE], tl_tensor *file)
{
    if (find_file(folder, stem, path) != TL_OK)
        return tl_error_status();
    *file = tl_idx_read(path);
    return tl_tensor_ok(*file) ? TL_OK : tl_error_status();
}

static tl_status check_shapes(tl_tensor pixels, tl_tensor labels)
{
    int64_t count = tl_tensor_count(labels);
    if (pixels.dtype != TL_U8 || labels.dtype != TL_U8 || labels.shape.rank != 1 || count < 1 ||
        !tl_shape_equal(pixels.shape, tl_shape(count, SIDE, SIDE)))
        return tl_error(TL_ERROR_FORMAT, "images %s and labels %s, expected bytes [n, 28, 28] and [n]",
                        TL_SHAPE_TEXT(pixels.shape), TL_SHAPE_TEXT(labels.shape));
    return TL_OK;
}

static tl_status convert_pixels(tl_tensor pixels, tl_tensor *to)
{
    const uint8_t *bytes = tl_data(pixels);
    *to = tl_tensor_new(TL_F32, pixels.shape);
    if (!tl_tensor_ok(*to))
        return tl_error_status();
    float *x = tl_data_mut(*to);
    for (int64_t j = 0; j < tl_tensor_count(pixels); j++)
        x[j] = (float)bytes[j] / 255;
    return TL_OK;
}

static tl_status convert_labels(tl_tensor labels, tl_tensor *to)
{
    const uint8_t *classes = tl_data(labels);
    *to = tl_tensor_new(TL_I32, labels.shape);
    if (!tl_tensor_ok(*to))
        return tl_error_status();
    int32_t *y = tl_data_mut(*to);
    for (int64_t j = 0; j < tl_tensor_count(labels); j++) {
        if (classes[j] >= CLASSES)
            return tl_error(TL_ERROR_FORMAT, "label %d of image %lld, expected 0 to 9", classes[j],
                            (long long)j);
        y[j] = classes[j];
    }
    return TL_OK;
}

static tl_status read_images(const char *folder, const char *which, images *i)
{
    char pixel_stem[48], label_stem[48], pixel_path[PATH_SIZE], label_path[PATH_SIZE];
    snprintf(pixel_stem, sizeof pixel_stem, "%s-images-idx3-ubyte", which);
    snprintf(label_stem, sizeof label_stem, "%s-labels-idx1-ubyte", which);
    tl_tensor pixels = {0}, labels = {0};
    tl_status status = read_file(folder, pixel_stem, pixel_path, &pixels);
    if (status == TL_OK)
        status = read_file(folder, label_stem, label_path, &labels);
    if (status == TL_OK)
        status = in_file(check_shapes(pixels, labels), pixel_path);
    if (status == TL_OK)
        status = convert_pixels(pixels, &i->pixels);
    if (status == TL_OK)
        status = in_file(convert_labels(labels, &i->labels), label_path);
    tl_tensor_free(&pixels);
    tl_tensor_free(&labels);
    return status;
}

tl_status read_digits(digits *d, const char *data)
{
    char path[PATH_SIZE];
    *d = (digits){.names = digit_names};
    const char *folder = data;
    tl_status status = find_file(folder, "train-images-idx3-ubyte", path);
    if (status != TL_OK && !data) {
        if (find_file(fashion_folder, "train-images-idx3-ubyte", path) != TL_OK)
            return tl_error(
                TL_ERROR_IO,
                "no images: MNIST is neither in TAPELOOP_DATA nor in the cache (scripts/fetch-data "
                "mnist downloads it), nor Fashion-MNIST in %s (package dataset-fashion-mnist)",
                fashion_folder);
        folder = fashion_folder;
        d->names = fashion_names;
        status = TL_OK;
    }
    if (status == TL_OK)
        fprintf(stderr, "Data: %s%s\n", path,
                d->names == fashion_names ? ", which is Fashion-MNIST: clothes, not digits" : "");
    if (status == TL_OK)
        status = read_images(folder, "train", &d->train);
    return status == TL_OK ? read_images(folder, "t10k", &d->test) : status;
}

static void free_images(images *i)
{
    tl_tensor_free(&i->pixels);
    tl_tensor_free(&i->labels);
}

void free_digits(digits *d)
{
    free_images(&d->train);
    free_images(&d->test);
}

void rearrange(images *i, const reading *r)
{
    enum { STREAM = 0xA1 }; /* the top byte keeps these draws apart from all others */
    if (!r->permuted)
        return;
    int64_t order[PIXELS], count = tl_tensor_count(i->labels);
    float before[PIXELS], *x = tl_data_mut(i->pixels);
    tl_random_permutation(r->permutation, (uint64_t)STREAM << 56, PIXELS, order);
    for (int64_t j = 0; j < count; j++, x += PIXELS) {
        memcpy(before, x, sizeof before);
        for (int k = 0; k < PIXELS; k++)
            x[k] = before[order[k]];
    }
}

tl_dataset samples_of(const images *i, const reading *r)
{
    tl_tensor x = i->pixels, y = i->labels;
    int64_t count = tl_tensor_count(y), steps = r->by_pixels ? PIXELS : SIDE;
    if (r->by_pixels)
        x = tl_tensor_reshape(x, tl_shape(count, PIXELS, 1));
    if (r->label_each_step)
        y = tl_tensor_broadcast(tl_tensor_unsqueeze(y, 1), tl_shape(count, steps));
    return tl_dataset_of(x, y);
}
