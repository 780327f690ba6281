#include "nn/progress_internal.h"

#include <math.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

double tl_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

void tl_progress_start(tl_progress *progress, bool shows)
{
    *progress = (tl_progress){.shows = shows, .terminal = isatty(STDERR_FILENO) != 0};
}

void tl_progress_resume(const tl_progress *progress, int epochs, int64_t batches, const char *checkpoint)
{
    if (!progress->shows)
        return;
    if (epochs < 0)
        fprintf(stderr, "There is no %s yet: starting anew\n", checkpoint);
    else if (batches == 0)
        fprintf(stderr, "Going on after epoch %d of %s\n", epochs, checkpoint);
    else
        fprintf(stderr, "Going on after step %lld in epoch %d of %s\n", (long long)batches, epochs + 1,
                checkpoint);
}

void tl_progress_epoch(tl_progress *progress)
{
    progress->started = progress->drawn = tl_seconds();
}

void tl_progress_batch(tl_progress *progress, const tl_epoch *epoch, int64_t done, int64_t batches)
{
    enum { CELLS = 30 };
    double now = tl_seconds();
    if (!progress->shows || !progress->terminal || now - progress->drawn < 0.1)
        return;
    progress->drawn = now;
    char bar[CELLS + 1];
    for (int i = 0; i < CELLS; i++)
        bar[i] = i < CELLS * done / batches ? '=' : '.';
    bar[CELLS] = '\0';
    fprintf(stderr, "\rEpoch %d/%d [%s] %lld/%lld - %.0fs", epoch->epoch, epoch->epochs, bar, (long long)done,
            (long long)batches, now - progress->started);
    fflush(stderr);
}

void tl_progress_line(const tl_progress *progress, const tl_epoch *epoch)
{
    if (!progress->shows)
        return;
    if (progress->terminal)
        fputs("\r\033[K", stderr); /* over the bar */
    fprintf(stderr, "Epoch %d/%d - %.1fs - loss: %.4f", epoch->epoch, epoch->epochs, epoch->seconds,
            epoch->train.loss);
    if (!isnan(epoch->train.accuracy))
        fprintf(stderr, " - accuracy: %.4f", epoch->train.accuracy);
    if (!isnan(epoch->validation.loss))
        fprintf(stderr, " - val_loss: %.4f", epoch->validation.loss);
    if (!isnan(epoch->validation.accuracy))
        fprintf(stderr, " - val_accuracy: %.4f", epoch->validation.accuracy);
    fputc('\n', stderr);
    fflush(stderr);
}
