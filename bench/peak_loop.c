#include "peak_internal.h"
#include "tensor/kernels/vector_internal.h"

/* Chains of multiply-adds: enough to keep two units busy over their latency, few enough for the registers of
 * every instruction set. */
enum { CHAINS = 12 };

extern const double FOR_ISA(peak_flops);
const double FOR_ISA(peak_flops) = 2.0 * CHAINS * WIDTH;

float FOR_ISA(peak_loop)(int64_t rounds, float factor, float addend)
{
    const vector f = splat(factor), a = splat(addend);
    vector chain[CHAINS];
    for (int i = 0; i < CHAINS; i++)
        chain[i] = splat((float)i);
    for (int64_t round = 0; round < rounds; round++) {
        UNROLL
        for (int i = 0; i < CHAINS; i++)
            chain[i] = multiply_add(chain[i], f, a);
    }
    float sum = 0;
    for (int i = 0; i < CHAINS; i++)
        sum += chain[i][0];
    return sum;
}
