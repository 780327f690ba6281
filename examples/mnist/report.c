#include "report.h"

#include <stdio.h>

/* Two rows of pixels to a line of text: a half block in the color of the upper one on that of the lower. */
static void draw(const float *pixels)
{
    static const char *const blocks[] = {" ", "▄", "▀", "█"};
    for (int y = 0; y < SIDE; y += 2) {
        for (int x = 0; x < SIDE; x++) {
            int upper = pixels[y * SIDE + x] > 0.4f, lower = pixels[(y + 1) * SIDE + x] > 0.4f;
            fputs(blocks[2 * upper + lower], stdout);
        }
        putchar('\n');
    }
}

static int largest(const float *of)
{
    int best = 0;
    for (int i = 1; i < CLASSES; i++)
        if (of[i] > of[best])
            best = i;
    return best;
}

static double percent(int64_t part, int64_t whole)
{
    return whole ? 100 * (double)part / (double)whole : 0;
}

static void print_confusion(int64_t counts[CLASSES][CLASSES], const char *const names[CLASSES])
{
    printf("\nTest images by class (rows) and what they were taken for (columns):\n%10s", "");
    for (int i = 0; i < CLASSES; i++)
        printf(" %5.5s", names[i]);
    printf("  accuracy\n");
    for (int i = 0; i < CLASSES; i++) {
        int64_t all = 0;
        printf("%10s", names[i]);
        for (int j = 0; j < CLASSES; j++) {
            printf(" %5lld", (long long)counts[i][j]);
            all += counts[i][j];
        }
        printf(" %8.2f%%\n", percent(counts[i][i], all));
    }
}

void print_report(tl_tensor predictions, tl_tensor pictures, tl_tensor labels,
                  const char *const names[CLASSES], int shown)
{
    int64_t counts[CLASSES][CLASSES] = {0}, right = 0, count = tl_tensor_count(labels);
    int64_t stride = tl_tensor_count(predictions) / count;
    const float *p = tl_data(predictions), *pixels = tl_data(pictures);
    const int32_t *y = tl_data(labels);
    for (int64_t i = 0; i < count; i++) {
        int guess = largest(p + (i + 1) * stride - CLASSES);
        counts[y[i]][guess]++;
        right += guess == y[i];
        if (i < shown) {
            draw(pixels + i * PIXELS);
            printf("predicted: %s, true: %s\n", names[guess], names[y[i]]);
        }
    }
    print_confusion(counts, names);
    printf("\ntest_accuracy: %.4f\n", (double)right / (double)count);
}
