/* What a trained network makes of the test images, for the terminal. */
#ifndef MNIST_REPORT_H
#define MNIST_REPORT_H

#include "digits.h"

/* Predictions, [images, 10] or, step by step, [images, time, 10] of which the last counts: draws the first
 * `shown` images with what they are and what they were taken for, prints the confusion matrix with the
 * accuracy of each class, and the accuracy of all as "test_accuracy: 0.9543". `pictures` has the pixels in
 * their places. */
void print_report(tl_tensor predictions, tl_tensor pictures, tl_tensor labels,
                  const char *const names[CLASSES], int shown);

#endif
