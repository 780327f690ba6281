/* Generated data sets that ask a network to remember: two numbers out of many, or a message across a silence.
 * They need no file and can be made as hard as one likes. Rests on dataset.h and random.h.
 *
 * The caller owns a data set and frees it with tl_dataset_free. A sample is a function of the seed and its
 * own number, so that more samples of one seed begin with the fewer. An empty data set with the error set
 * means that an argument is out of range or memory is short. Thread-safe.
 */
#ifndef TL_DATA_GENERATED_H
#define TL_DATA_GENERATED_H

#include "dataset.h"

/* The adding problem: what do the two marked numbers add up to?
 *
 * x f32 [samples, time, 2]: feature 0 is uniform in [0, 1); feature 1 is 1 at two positions and 0 elsewhere,
 * one uniform among the first time / 2 (rounded down), one among the others. y f32 [samples, 1]: the sum of
 * the two numbers. Whoever always answers 1, the mean, has a mean squared error of 1/6.
 *
 * time is at least 2, samples at least 1. Hochreiter and Schmidhuber: "Long short-term memory", Neural
 * Computation 9, 1997, in the form of Le, Jaitly, Hinton: "A simple way to initialize recurrent networks of
 * rectified linear units", 2015. */
TL_API tl_dataset tl_adding_problem(int64_t samples, int64_t time, uint64_t seed);

/* The copy task: repeat a message after a delay.
 *
 * x i32 [samples, length + delay + length], y i32 of the same shape. The ids are 1 to `symbols` for the
 * message, each uniform, 0 for blank, and symbols + 1 for the marker that asks for the answer:
 *
 *     x   message (length)   blanks (delay - 1)   marker   blanks (length)
 *     y   blanks (length)    blanks (delay - 1)   blank    message (length)
 *
 * So x takes symbols + 2 ids and y symbols + 1. Without any memory, the best that can be done is blank before
 * the marker's successor and a guess from there on: a mean cross-entropy per step of
 * length * ln(symbols) / (2 length + delay) nats.
 *
 * samples, length, delay and symbols are at least 1, symbols below INT32_MAX - 1. Hochreiter and Schmidhuber
 * as above; in this form Arjovsky, Shah, Bengio: "Unitary evolution recurrent neural networks", ICML 2016,
 * where length is 10 and symbols is 8. */
TL_API tl_dataset tl_copy_task(int64_t samples, int64_t length, int64_t delay, int64_t symbols,
                               uint64_t seed);

#endif
