#include "tensor/flush_internal.h"

#include <stdint.h>

#if defined(__SSE__)
#include <xmmintrin.h>

const unsigned tl_flushing = 0x8000 | 0x0040; /* results to zero, operands as zero */

unsigned tl_flush_set(unsigned mode)
{
    unsigned control = _mm_getcsr(), old = control & tl_flushing;
    if (old != mode)
        _mm_setcsr((control & ~tl_flushing) | mode);
    return old;
}
#elif defined(__aarch64__)
const unsigned tl_flushing = 1u << 24;

unsigned tl_flush_set(unsigned mode)
{
    uint64_t control;
    __asm__ volatile("mrs %0, fpcr" : "=r"(control));
    unsigned old = (unsigned)control & tl_flushing;
    if (old != mode)
        __asm__ volatile("msr fpcr, %0" : : "r"((control & ~(uint64_t)tl_flushing) | mode));
    return old;
}
#else
const unsigned tl_flushing = 0;

unsigned tl_flush_set(unsigned mode)
{
    return mode;
}
#endif
