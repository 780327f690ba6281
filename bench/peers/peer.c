#include "peer.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#if defined(__SSE__)
#include <xmmintrin.h>
#endif

void give_up(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    exit(1);
}

static void flush_denormals(void)
{
#if defined(__SSE__)
    enum { RESULTS = 0x8000, OPERANDS = 0x0040 };
    _mm_setcsr(_mm_getcsr() | RESULTS | OPERANDS);
#endif
}

peer_order read_order(int argc, char *const argv[])
{
    if (argc < 2 || argc > 4)
        give_up("usage: %s CASE [THREADS [SECONDS]]", argv[0]);
    const peer_order order = {.name = argv[1],
                              .threads = argc > 2 ? atoi(argv[2]) : 1,
                              .seconds = argc > 3 ? strtod(argv[3], NULL) : 1};
    if (order.threads < 1 || !(order.seconds > 0))
        give_up("%s: %d threads, %g seconds: expected more than 0", argv[0], order.threads, order.seconds);
    flush_denormals();
    return order;
}

int time_peer(const peer_order *order, tl_status (*run)(void *), void *subject)
{
    timing t;
    if (measure(run, subject, order->seconds, &t) != TL_OK)
        return 1;
    printf("%s threads %d min %.6g ms median %.6g ms\n", order->name, order->threads, 1e3 * t.least,
           1e3 * t.median);
    return 0;
}

void fill_randomly(float *numbers, size_t count)
{
    for (size_t i = 0; i < count; i++)
        numbers[i] = 0.2f * ((float)rand() / (float)RAND_MAX - 0.5f);
}
