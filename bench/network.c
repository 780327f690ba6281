#include "network.h"
#include "tensor/memory_internal.h"

void free_network(void *given)
{
    network *n = given;
    tl_model_free(n->model);
    tl_tensor_free(&n->x);
    tl_tensor_free(&n->y);
    tl_release(n);
}

tl_status train_network(void *given)
{
    network *n = given;
    const int64_t batch = n->next++ % n->x.shape.dims[0];
    return tl_train_on_batch(n->model, tl_tensor_select(n->x, 0, batch), tl_tensor_select(n->y, 0, batch),
                             NULL);
}

size_t network_peak_bytes(const void *given)
{
    return tl_model_peak_bytes(((const network *)given)->model);
}
