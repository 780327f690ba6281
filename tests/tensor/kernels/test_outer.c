/* Outer products, the kernel of weight gradients: a^T g, over or onto what is there. */
#include "tests/support/products.h"
#include "tests/support/suite.h"

static tl_outer outer_of(tl_pair *pair, matrix a, matrix g, matrix out, bool add)
{
    *pair = (tl_pair){a.data, g.data};
    return (tl_outer){.m = a.rows,
                      .n = g.columns,
                      .k = a.columns,
                      .count = 1,
                      .pairs = pair,
                      .a_row = a.row,
                      .g_row = g.row,
                      .out = out.data,
                      .out_row = out.row,
                      .add = add};
}

START_TEST(outer_products_are_right_at_all_sizes)
{
    static const int64_t heights[] = {0, 1, 2, 9, 33},
                         rows[] = {0, 1, 2, 5, 6, 7, 12, 13, 25, 32, 64, 70, 100};
    const tl_kernels *tables[TABLES];
    const int available = tl_kernels_available(tables, TABLES);
    for (int64_t gap = 0; gap <= 3; gap += 3)
        for (size_t m = 0; m < sizeof heights / sizeof heights[0]; m++)
            for (int width = 0; width < RAGGED; width++)
                for (size_t k = 0; k < sizeof rows / sizeof rows[0]; k++) {
                    matrix a = random_matrix(heights[m], rows[k], gap, 1);
                    matrix g = random_matrix(heights[m], ragged[width], 2 * gap, 2);
                    truth t = true_product(a, g, true);
                    for (int i = 0; i < available; i++) {
                        matrix out = new_matrix(t.rows, t.columns, gap);
                        matrix added = random_matrix(t.rows, t.columns, gap, 3), before = copy_matrix(added);
                        fill_matrix(out, NAN); /* overwriting reads nothing */
                        tl_pair pair;
                        tl_outer over = outer_of(&pair, a, g, out, false),
                                 onto = outer_of(&pair, a, g, added, true);
                        tables[i]->outer(&over);
                        expect_product(tables[i]->isa, out, t, (matrix){0});
                        tables[i]->outer(&onto);
                        expect_product(tables[i]->isa, added, t, before);
                        free_matrix(out);
                        free_matrix(added);
                        free_matrix(before);
                    }
                    free_matrix(a);
                    free_matrix(g);
                    free_truth(t);
                }
}
END_TEST

/* Vectors, part of one, and columns beyond them. */
static const int64_t widths[] = {13, 30, 50, 64, 65};

static void check_pieces(const tl_kernels *kernels)
{
    static const int64_t pieces[] = {1, 5, 7, 12};
    for (size_t w = 0; w < sizeof widths / sizeof widths[0]; w++)
        for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++)
            for (int add = 0; add < 2; add++) {
                const int64_t m = 30, n = widths[w], k = 53;
                matrix a = random_matrix(m, k, 0, 1), g = random_matrix(m, n, 0, 2);
                matrix whole = random_matrix(k, n, 0, 3), cut = copy_matrix(whole);
                tl_pair pair;
                tl_outer all = outer_of(&pair, a, g, whole, add);
                kernels->outer(&all);
                for (int64_t first = 0; first < k; first += pieces[i]) {
                    tl_outer part = outer_of(&pair, a, g, cut, add);
                    part.k = k - first < pieces[i] ? k - first : pieces[i];
                    part.first = first;
                    part.out = cut.data + first * cut.row;
                    kernels->outer(&part);
                }
                expect_same_matrix(kernels->isa, cut, whole);
                free_matrix(a);
                free_matrix(g);
                free_matrix(whole);
                free_matrix(cut);
            }
}

START_TEST(outer_products_do_not_depend_on_how_rows_are_cut)
{
    for_each_table(check_pieces);
}
END_TEST

/* Rows in several pairs are rows of one matrix, the last ones first. */
static void check_pairs(const tl_kernels *kernels)
{
    for (size_t w = 0; w < sizeof widths / sizeof widths[0]; w++)
        for (int64_t height = 1; height <= 6; height++) {
            const int64_t n = widths[w], k = 29;
            const int count = 5;
            matrix a = random_matrix(count * height, k, 0, 1), g = random_matrix(count * height, n, 2, 2);
            matrix whole = random_matrix(k, n, 0, 3), cut = copy_matrix(whole);
            tl_pair pair, pairs[5];
            tl_outer all = outer_of(&pair, a, g, whole, true), parts = outer_of(&pair, a, g, cut, true);
            kernels->outer(&all);
            for (int i = 0; i < count; i++)
                pairs[count - 1 - i] = (tl_pair){a.data + i * height * a.row, g.data + i * height * g.row};
            parts.m = height;
            parts.count = count;
            parts.pairs = pairs;
            kernels->outer(&parts);
            expect_same_matrix(kernels->isa, cut, whole);
            free_matrix(a);
            free_matrix(g);
            free_matrix(whole);
            free_matrix(cut);
        }
}

START_TEST(pairs_are_rows_of_one_matrix)
{
    for_each_table(check_pairs);
}
END_TEST

/* A NaN in column `row` of a spoils that row of the result, one in column `column` of g that column. */
static void poison(const tl_kernels *kernels)
{
    for (int64_t n = 1; n <= 35; n += 17)
        for (int in_g = 0; in_g < 2; in_g++) {
            const int64_t m = 5, k = 14, row = 13, column = n - 1;
            matrix a = new_matrix(m, k, 0), g = new_matrix(m, n, 0), out = new_matrix(k, n, 3);
            fill_matrix(a, 0);
            fill_matrix(g, 0);
            *(in_g ? &g.data[2 * n + column] : &a.data[2 * k + row]) = NAN;
            tl_pair pair;
            tl_outer o = outer_of(&pair, a, g, out, false);
            kernels->outer(&o);
            for (int64_t i = 0; i < k; i++)
                for (int64_t j = 0; j < n; j++)
                    if (isnan(element(out, i, j)) != (in_g ? j == column : i == row))
                        ck_abort_msg("%s: %g in row %lld, column %lld of %lld", kernels->isa,
                                     (double)element(out, i, j), (long long)i, (long long)j, (long long)n);
            free_matrix(a);
            free_matrix(g);
            free_matrix(out);
        }
}

START_TEST(nan_goes_through_outer_products)
{
    for_each_table(poison);
}
END_TEST

START_TEST(double_precision_outer_products_are_right)
{
    for (int height = 0; height < RAGGED; height++)
        for (int width = 0; width < RAGGED; width += 3)
            for (int add = 0; add < 2; add++) {
                const int64_t m = ragged[height], n = ragged[width], k = 11;
                double *a = random_doubles(m * k, -1, 1, 1), *g = random_doubles(m * n, -1, 1, 2);
                double *out = random_doubles(k * n, -1, 1, 3), *before = random_doubles(k * n, -1, 1, 3);
                for (int64_t i = 0; i < k * n && !add; i++)
                    out[i] = (double)NAN;
                tl_kernels_reference_f64.outer(&(tl_outer){.m = m,
                                                           .n = n,
                                                           .k = k,
                                                           .count = 1,
                                                           .pairs = &(tl_pair){a, g},
                                                           .a_row = k,
                                                           .g_row = n,
                                                           .out = out,
                                                           .out_row = n,
                                                           .add = add});
                for (int64_t i = 0; i < k * n; i++) {
                    long double sum = add ? before[i] : 0;
                    for (int64_t l = 0; l < m; l++)
                        sum += (long double)a[l * k + i / n] * g[l * n + i % n];
                    if (!(fabsl(sum - out[i]) <= 0x1p-53L * (long double)((m + 2) * (m + 1))))
                        ck_abort_msg("[%lld, %lld]: %.17g at %lld, expected %.17g", (long long)m,
                                     (long long)n, out[i], (long long)i, (double)sum);
                }
                free(a);
                free(g);
                free(out);
                free(before);
            }
}
END_TEST

int main(void)
{
    return RUN_SUITE("kernel outer products", outer_products_are_right_at_all_sizes,
                     outer_products_do_not_depend_on_how_rows_are_cut, pairs_are_rows_of_one_matrix,
                     nan_goes_through_outer_products, double_precision_outer_products_are_right);
}
