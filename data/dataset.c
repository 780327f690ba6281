#include "data/dataset.h"

static const tl_dataset none;

tl_dataset tl_dataset_of(tl_tensor x, tl_tensor y)
{
    if (!x.storage || !y.storage)
        return none;
    if (x.shape.rank == 0 || y.shape.rank == 0 || x.shape.dims[0] != y.shape.dims[0]) {
        tl_error(TL_ERROR_SHAPE, "dataset: x %s and y %s differ in their number of samples",
                 TL_SHAPE_TEXT(x.shape), TL_SHAPE_TEXT(y.shape));
        return none;
    }
    return (tl_dataset){.x = x, .y = y};
}

void tl_dataset_free(tl_dataset *dataset)
{
    if (!dataset)
        return;
    tl_tensor_free(&dataset->x);
    tl_tensor_free(&dataset->y);
}

bool tl_dataset_ok(tl_dataset dataset)
{
    return dataset.x.storage != NULL && dataset.y.storage != NULL;
}

int64_t tl_dataset_size(tl_dataset dataset)
{
    return tl_dataset_ok(dataset) ? dataset.x.shape.dims[0] : 0;
}

tl_dataset tl_dataset_slice(tl_dataset dataset, int64_t start, int64_t count)
{
    if (!tl_dataset_ok(dataset))
        return none;
    return tl_dataset_of(tl_tensor_slice(dataset.x, 0, start, count),
                         tl_tensor_slice(dataset.y, 0, start, count));
}
