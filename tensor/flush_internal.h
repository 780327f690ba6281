/* Flush-to-zero: vanishing gradients become denormal numbers, which slow float32 loops tenfold, so those run
 * with denormals taken as zero. float64 never does. The mode is each thread's own; threads that OpenMP starts
 * inherit that of the one that starts them, for good. */
#ifndef TL_TENSOR_FLUSH_INTERNAL_H
#define TL_TENSOR_FLUSH_INTERNAL_H

/* The mode in which denormals are flushed; 0 is the one in which they are not. */
extern const unsigned tl_flushing;

/* Sets this thread's mode and returns what it was. */
unsigned tl_flush_set(unsigned mode);

#endif
