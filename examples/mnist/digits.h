/* Images of 28 x 28 with their classes, read as sequences: MNIST, or Fashion-MNIST in its place. */
#ifndef MNIST_DIGITS_H
#define MNIST_DIGITS_H

#include <tapeloop.h>

enum { SIDE = 28, PIXELS = SIDE * SIDE, CLASSES = 10 };

typedef struct images {
    tl_tensor pixels; /* f32 [images, 28, 28], 0 to 1 */
    tl_tensor labels; /* i32 [images] */
} images;

typedef struct digits {
    images train, test;
    const char *const *names; /* of the classes */
} digits;

/* Reads the four files of the folder `data`, or of the usual places, or Debian's Fashion-MNIST, and says on
 * standard error which. The caller frees it, even when this fails. */
tl_status read_digits(digits *d, const char *data);
void free_digits(digits *d);

/* Images as sequences, [images, 28, 28] by rows or [images, 784, 1] by pixels, and their labels, [images], or
 * [images, time] with a label a step. */
typedef struct reading {
    bool by_pixels, label_each_step;
    bool permuted;
    uint64_t permutation; /* the seed of a fixed order of the pixels */
} reading;

/* Rearranges the pixels as a reading asks for. */
void rearrange(images *i, const reading *r);

/* The images as samples, views of what they have. */
tl_dataset samples_of(const images *i, const reading *r);

#endif
