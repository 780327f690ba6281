/* Data sets: inputs and targets side by side, one sample a row. Rests on tensor.h.
 *
 * A tl_dataset is a pair of views; whoever made the tensors owns them and keeps them for as long as the
 * data set is in use. Slices of it copy nothing. Where a maker of data sets says that the caller owns one,
 * tl_dataset_free frees it.
 */
#ifndef TL_DATA_DATASET_H
#define TL_DATA_DATASET_H

#include "../tensor/tensor.h"

typedef struct tl_dataset {
    tl_tensor x; /* [samples, ...]: f32 or f64 features, or i32 ids */
    tl_tensor y; /* [samples, ...]: f32, f64, i32 or u8 targets */
} tl_dataset;

/* The two tensors as a data set; empty, with the error set, unless both have a first axis of one length. */
TL_API tl_dataset tl_dataset_of(tl_tensor x, tl_tensor y);

/* Frees both tensors and makes *dataset empty. NULL and empty data sets are fine. Only for data sets whose
 * maker says that the caller owns them, and not for slices of these. */
TL_API void tl_dataset_free(tl_dataset *dataset);

/* False for the empty data set that stands for a failure. */
TL_API bool tl_dataset_ok(tl_dataset dataset);

/* The number of samples. */
TL_API int64_t tl_dataset_size(tl_dataset dataset);

/* `count` samples from `start` on; empty with the error set where they are not there. */
TL_API tl_dataset tl_dataset_slice(tl_dataset dataset, int64_t start, int64_t count);

#endif
