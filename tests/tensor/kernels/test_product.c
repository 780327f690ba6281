/* Packed products with all that they do besides: addends, activations, masks. */
#include "tests/support/products.h"
#include "tests/support/suite.h"

/* A product of these; c without data stands for no addend, with one row for one that all rows share. */
static tl_product product_of(matrix a, const void *b, matrix c, matrix out)
{
    return (tl_product){.m = out.rows,
                        .n = out.columns,
                        .k = a.columns,
                        .a = a.data,
                        .a_row = a.row,
                        .b = b,
                        .c = c.data,
                        .c_row = c.rows == 1 ? 0 : c.row,
                        .out = out.data,
                        .out_row = out.row,
                        .activation = TL_MAP_COPY};
}

/* With no addend, a row, a matrix, and the output itself. Whatever is not an addend is NaN before. */
static void check_addends(const tl_kernels *kernels, matrix a, const void *b, truth t, int64_t gap)
{
    const int64_t m = t.rows, n = t.columns;
    matrix none = {0}, row = random_matrix(1, n, 0, 3), full = random_matrix(m, n, 2 * gap, 4);
    matrix out = new_matrix(m, n, gap), in_place = random_matrix(m, n, gap, 5);
    fill_matrix(out, NAN);
    tl_product p = product_of(a, b, none, out);
    kernels->product(&p);
    expect_product(kernels->isa, out, t, none);
    fill_matrix(out, NAN);
    p = product_of(a, b, row, out);
    kernels->product(&p);
    expect_product(kernels->isa, out, t, row);
    if (m != 1) { /* a matrix of one row would be taken for a shared row */
        fill_matrix(out, NAN);
        p = product_of(a, b, full, out);
        kernels->product(&p);
        expect_product(kernels->isa, out, t, full);
    }
    matrix before = copy_matrix(in_place);
    p = product_of(a, b, in_place, in_place);
    kernels->product(&p);
    expect_product(kernels->isa, in_place, t, before);
    const matrix all[] = {row, full, out, in_place, before};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        free_matrix(all[i]);
}

START_TEST(products_are_right_at_all_sizes)
{
    static const int64_t heights[] = {0, 1, 2, 5, 6, 7, 12, 13, 24, 25, 48, 49, 100};
    static const int64_t terms[] = {0, 1, 2, 3, 8, 17, 33, 64};
    const tl_kernels *tables[TABLES];
    const int available = tl_kernels_available(tables, TABLES);
    for (int64_t gap = 0; gap <= 3; gap += 3)
        for (size_t h = 0; h < sizeof heights / sizeof heights[0]; h++)
            for (int width = 0; width < RAGGED; width++)
                for (size_t k = 0; k < sizeof terms / sizeof terms[0]; k++) {
                    matrix a = random_matrix(heights[h], terms[k], gap, 1);
                    matrix b = random_matrix(terms[k], ragged[width], gap, 2);
                    truth t = true_product(a, b, false);
                    for (int i = 0; i < available; i++) {
                        void *right = packed(tables[i], b);
                        check_addends(tables[i], a, right, t, gap);
                        free(right);
                    }
                    free_matrix(a);
                    free_matrix(b);
                    free_truth(t);
                }
}
END_TEST

static const int64_t some_sizes[][3] = {{1, 1, 1},   {5, 3, 4},    {13, 37, 20},
                                        {50, 16, 8}, {100, 33, 5}, {97, 64, 64}};
enum { SOME_SIZES = sizeof some_sizes / sizeof some_sizes[0] };

/* The activation of a product is the table's own map of the plain product, to the bit. */
static void check_activations(const tl_kernels *kernels)
{
    for (int size = 0; size < SOME_SIZES; size++)
        for (int64_t gap = 0; gap <= 3; gap += 3)
            for (tl_map map = TL_MAP_COPY; map <= TL_MAP_RELU; map++) {
                const int64_t m = some_sizes[size][0], n = some_sizes[size][1], k = some_sizes[size][2];
                matrix a = random_matrix(m, k, gap, 1), b = random_matrix(k, n, 0, 2),
                       c = random_matrix(1, n, 0, 3);
                matrix out = new_matrix(m, n, gap), expected = new_matrix(m, n, gap);
                void *right = packed(kernels, b);
                tl_product p = product_of(a, right, c, expected);
                kernels->product(&p);
                for (int64_t i = 0; i < m; i++) {
                    float *row = expected.data + i * expected.row;
                    kernels->map[map](n, row, 1, NULL, 1, row, 1, NULL);
                }
                p = product_of(a, right, c, out);
                p.activation = map;
                kernels->product(&p);
                expect_same_matrix(kernels->isa, out, expected);
                free(right);
                const matrix all[] = {a, b, c, out, expected};
                for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
                    free_matrix(all[i]);
            }
}

START_TEST(activations_are_those_of_the_table)
{
    for_each_table(check_activations);
}
END_TEST

/* A slope is the table's own map of the plain product and the values, to the bit. */
static void check_slopes(const tl_kernels *kernels)
{
    static const tl_map slopes[] = {TL_MAP_TANH_GRAD, TL_MAP_SIGMOID_GRAD, TL_MAP_RELU_GRAD};
    for (int size = 0; size < SOME_SIZES; size++)
        for (int64_t gap = 0; gap <= 3; gap += 3)
            for (size_t s = 0; s < sizeof slopes / sizeof slopes[0]; s++) {
                const int64_t m = some_sizes[size][0], n = some_sizes[size][1], k = some_sizes[size][2];
                matrix a = random_matrix(m, k, gap, 1), b = random_matrix(k, n, 0, 2),
                       c = random_matrix(m, n, 0, 3), h = random_matrix(m, n, gap, 4);
                matrix out = new_matrix(m, n, gap), expected = new_matrix(m, n, gap);
                void *right = packed(kernels, b);
                tl_product p = product_of(a, right, c, expected);
                kernels->product(&p);
                for (int64_t i = 0; i < m; i++) {
                    float *row = expected.data + i * expected.row;
                    kernels->map[slopes[s]](n, row, 1, h.data + i * h.row, 1, row, 1, NULL);
                }
                p = product_of(a, right, c, out);
                p.slope = slopes[s];
                p.h = h.data;
                p.h_row = h.row;
                kernels->product(&p);
                expect_same_matrix(kernels->isa, out, expected);
                free(right);
                const matrix all[] = {a, b, c, h, out, expected};
                for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
                    free_matrix(all[i]);
            }
}

START_TEST(slopes_are_those_of_the_table)
{
    for_each_table(check_slopes);
}
END_TEST

/* Where the mask is 0 a row is a's row, whatever the rest of the product would have given. */
static void check_masks(const tl_kernels *kernels)
{
    static const int64_t widths[] = {1, 7, 16, 33};
    for (size_t w = 0; w < sizeof widths / sizeof widths[0]; w++)
        for (int64_t stride = 0; stride <= 3; stride++) {
            const int64_t m = 77, n = widths[w];
            matrix a = random_matrix(m, n, 2, 1), b = random_matrix(n, n, 0, 2),
                   c = random_matrix(m, n, 0, 3);
            matrix out = new_matrix(m, n, 5), expected = new_matrix(m, n, 5);
            uint8_t *mask = room_for((m - 1) * stride + 1, 1);
            memset(mask, 0, (size_t)((m - 1) * stride + 1));
            void *right = packed(kernels, b);
            tl_product p = product_of(a, right, c, expected);
            p.activation = TL_MAP_TANH;
            kernels->product(&p);
            for (int64_t i = 0; i < m; i++)
                mask[i * stride] = (uint8_t)(i % 5 == 1 ? 1 : i % 5 == 3 ? 255 : 0);
            for (int64_t i = 0; i < m; i++)
                if (!mask[i * stride]) {
                    memcpy(expected.data + i * expected.row, a.data + i * a.row, (size_t)n * sizeof(float));
                    c.data[i * c.row] = NAN;
                }
            p = product_of(a, right, c, out);
            p.activation = TL_MAP_TANH;
            p.mask = mask;
            p.mask_stride = stride;
            kernels->product(&p);
            expect_same_matrix(kernels->isa, out, expected);
            free(right);
            free(mask);
            const matrix all[] = {a, b, c, out, expected};
            for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
                free_matrix(all[i]);
        }
}

START_TEST(masked_rows_keep_what_was)
{
    for_each_table(check_masks);
}
END_TEST

/* The same product whole and in pieces of some rows each. */
static void check_pieces(const tl_kernels *kernels)
{
    static const int64_t pieces[] = {1, 5, 7, 12, 48};
    for (int64_t n = 13; n <= 149; n += 17)
        for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++)
            for (int masked = 0; masked < 2; masked++) {
                const int64_t m = 101, k = masked ? n : 29;
                matrix a = random_matrix(m, k, 0, 1), b = random_matrix(k, n, 0, 2),
                       c = random_matrix(m, n, 0, 3);
                matrix whole = new_matrix(m, n, 0), cut = new_matrix(m, n, 0);
                uint8_t mask[101];
                for (int64_t j = 0; j < m; j++)
                    mask[j] = j % 7 != 0;
                void *right = packed(kernels, b);
                tl_product p = product_of(a, right, c, whole);
                p.activation = TL_MAP_TANH;
                p.mask = masked ? mask : NULL;
                p.mask_stride = 1;
                kernels->product(&p);
                for (int64_t first = 0; first < m; first += pieces[i]) {
                    tl_product part = p;
                    part.m = m - first < pieces[i] ? m - first : pieces[i];
                    part.a = a.data + first * a.row;
                    part.c = c.data + first * c.row;
                    part.out = cut.data + first * cut.row;
                    part.mask = masked ? mask + first : NULL;
                    kernels->product(&part);
                }
                expect_same_matrix(kernels->isa, cut, whole);
                free(right);
                const matrix all[] = {a, b, c, whole, cut};
                for (size_t j = 0; j < sizeof all / sizeof all[0]; j++)
                    free_matrix(all[j]);
            }
}

START_TEST(products_do_not_depend_on_how_rows_are_cut)
{
    for_each_table(check_pieces);
}
END_TEST

/* b and its transpose in memory, packed by their strides, are the same; packing fills its bytes alone. */
static void check_packing(const tl_kernels *kernels)
{
    for (int height = 0; height < RAGGED; height += 3)
        for (int width = 0; width < RAGGED; width++) {
            const int64_t k = ragged[height], n = ragged[width];
            matrix b = random_matrix(k, n, 4, 1), turned = new_matrix(n, k, 3);
            for (int64_t i = 0; i < k; i++)
                for (int64_t j = 0; j < n; j++)
                    turned.data[j * turned.row + i] = element(b, i, j);
            const int64_t bytes = (int64_t)kernels->packed_bytes(k, n);
            ck_assert_int_ge(bytes, k * n * (int64_t)sizeof(float));
            ck_assert_int_eq(bytes % (int64_t)sizeof(float), 0);
            float *one = packed(kernels, b), *other = same_floats(bytes / 4 + 64, untouched);
            kernels->pack(k, n, turned.data, 1, turned.row, other);
            ck_assert_int_eq(first_difference(bytes / 4, one, other), -1);
            for (int64_t i = 0; i < 64; i++)
                ck_assert_msg(same_float(other[bytes / 4 + i], untouched), "%s packs more than it says",
                              kernels->isa);
            free(one);
            free(other);
            free_matrix(b);
            free_matrix(turned);
        }
}

START_TEST(packing_follows_strides)
{
    for_each_table(check_packing);
}
END_TEST

/* Runs a product of zeros with one NaN or infinity in it; fails unless exactly the elements of row `row`
 * and column `column`, where -1 means all, are NaN. */
static void expect_nan(const tl_kernels *kernels, tl_map activation, matrix a, matrix b, matrix c,
                       int64_t row, int64_t column)
{
    matrix out = new_matrix(a.rows, b.columns, 3);
    void *right = packed(kernels, b);
    tl_product p = product_of(a, right, c, out);
    p.activation = activation;
    kernels->product(&p);
    for (int64_t i = 0; i < out.rows; i++)
        for (int64_t j = 0; j < out.columns; j++)
            if (isnan(element(out, i, j)) != ((row < 0 || i == row) && (column < 0 || j == column)))
                ck_abort_msg("%s, activation %d: %g in row %lld, column %lld", kernels->isa, (int)activation,
                             (double)element(out, i, j), (long long)i, (long long)j);
    free(right);
    free_matrix(out);
}

static void poison(const tl_kernels *kernels)
{
    static const tl_map activations[] = {TL_MAP_COPY, TL_MAP_TANH, TL_MAP_SIGMOID, TL_MAP_RELU, TL_MAP_EXP};
    for (size_t i = 0; i < sizeof activations / sizeof activations[0]; i++)
        for (int64_t n = 1; n <= 35; n += 17) {
            const int64_t m = 14, k = 9, row = 13, column = n - 1;
            matrix a = new_matrix(m, k, 0), b = new_matrix(k, n, 0), c = new_matrix(m, n, 0);
            fill_matrix(a, 0);
            fill_matrix(b, 0);
            fill_matrix(c, 0);
            float *places[] = {&a.data[row * k + 4], &b.data[4 * n + column], &c.data[row * n + column]};
            for (int place = 0; place < 3; place++)
                for (int infinite = 0; infinite < (place < 2 ? 2 : 1); infinite++) {
                    *places[place] = infinite ? INFINITY : NAN; /* infinity times 0 is NaN too */
                    expect_nan(kernels, activations[i], a, b, c, place == 1 ? -1 : row,
                               place == 0 ? -1 : column);
                    *places[place] = 0;
                }
            free_matrix(a);
            free_matrix(b);
            free_matrix(c);
        }
}

START_TEST(nan_goes_through_products)
{
    for_each_table(poison);
}
END_TEST

START_TEST(double_precision_products_are_right)
{
    const tl_kernels *kernels = &tl_kernels_reference_f64;
    for (int height = 0; height < RAGGED; height += 3)
        for (int width = 0; width < RAGGED; width += 2)
            for (int term = 0; term < RAGGED; term++) {
                const int64_t m = ragged[height], n = ragged[width], k = ragged[term];
                double *a = random_doubles(m * k, -1, 1, 1), *b = random_doubles(k * n, -1, 1, 2);
                double *c = random_doubles(n, -1, 1, 3), *out = random_doubles(m * n, -1, 1, 4);
                void *right = room_for((int64_t)kernels->packed_bytes(k, n), 1);
                kernels->pack(k, n, b, 1, k, right); /* b holds its transpose */
                kernels->product(&(tl_product){.m = m,
                                               .n = n,
                                               .k = k,
                                               .a = a,
                                               .a_row = k,
                                               .b = right,
                                               .c = c,
                                               .out = out,
                                               .out_row = n,
                                               .activation = TL_MAP_NEG});
                for (int64_t i = 0; i < m * n; i++) {
                    long double sum = c[i % n];
                    for (int64_t l = 0; l < k; l++)
                        sum += (long double)a[i / n * k + l] * b[i % n * k + l];
                    if (!(fabsl(-sum - out[i]) <= 0x1p-53L * (long double)((k + 2) * (k + 1))))
                        ck_abort_msg("[%lld, %lld, %lld]: %.17g at %lld, expected %.17g", (long long)m,
                                     (long long)n, (long long)k, out[i], (long long)i, (double)-sum);
                }
                free(a);
                free(b);
                free(c);
                free(out);
                free(right);
            }
}
END_TEST

int main(void)
{
    return RUN_SUITE("kernel products", products_are_right_at_all_sizes, activations_are_those_of_the_table,
                     slopes_are_those_of_the_table, masked_rows_keep_what_was,
                     products_do_not_depend_on_how_rows_are_cut, packing_follows_strides,
                     nan_goes_through_products, double_precision_products_are_right);
}
