/* OpenBLAS: the products of ours, which packs its operands in every call. CASE is kernels/product-MxKxN, out
 * = a b, or kernels/outer-MxKxN, out += a^T g. */
#include "peer.h"

#include <cblas.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct product {
    bool outer;
    blasint m, k, n;
    float *a, *b, *out;
} product;

static tl_status run(void *given)
{
    const product *p = given;
    if (p->outer)
        cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, p->k, p->n, p->m, 1, p->a, p->k, p->b, p->n, 1,
                    p->out, p->n);
    else
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, p->m, p->n, p->k, 1, p->a, p->k, p->b, p->n, 0,
                    p->out, p->n);
    return TL_OK;
}

static float *new_matrix(blasint rows, blasint columns)
{
    const size_t count = (size_t)rows * (size_t)columns;
    float *numbers = malloc(count * sizeof *numbers);
    if (!numbers)
        give_up("openblas: out of memory");
    fill_randomly(numbers, count);
    return numbers;
}

int main(int argc, char **argv)
{
    const peer_order order = read_order(argc, argv);
    product p = {.outer = strncmp(order.name, "kernels/outer-", strlen("kernels/outer-")) == 0};
    const char *sizes = strchr(order.name, '-');
    if (!sizes || sscanf(sizes, "-%dx%dx%d", &p.m, &p.k, &p.n) != 3)
        give_up("openblas: %s: expected kernels/product-MxKxN or kernels/outer-MxKxN", order.name);
    p.a = new_matrix(p.m, p.k);
    p.b = p.outer ? new_matrix(p.m, p.n) : new_matrix(p.k, p.n);
    p.out = p.outer ? new_matrix(p.k, p.n) : new_matrix(p.m, p.n);
    openblas_set_num_threads(order.threads);
    int status = time_peer(&order, run, &p);
    free(p.a);
    free(p.b);
    free(p.out);
    return status;
}
