/* Files are made here, byte by byte. The reader is compiled in, over a heap that can be told to fail. */
#include "tests/support/heap.h"
#include "data/csv.c"
#include "tests/support/folder.h"
#include "tests/support/suite.h"

static const char path[] = "sales.csv";

static void put(const char *text)
{
    put_bytes(path, text, strlen(text));
}

static tl_csv *checked(tl_csv *csv)
{
    ck_assert_msg(csv != NULL, "%s", tl_error_message());
    return csv;
}

/* Reads a text as a file with a header. The caller frees it. */
static tl_csv *read_text(const char *text)
{
    put(text);
    return checked(tl_csv_read(path));
}

/* The whole table on one line, "a|b;1|2;", the header first; rows and columns are counted. */
static const char *joined(const tl_csv *csv)
{
    static char text[1000];
    size_t used = 0;
    bool header = tl_csv_name(csv, 0) != NULL;
    for (int64_t row = header ? -1 : 0; row < tl_csv_rows(csv); row++)
        for (int i = 0; i < tl_csv_columns(csv); i++) {
            const char *cell = row < 0 ? tl_csv_name(csv, i) : tl_csv_cell(csv, row, i);
            bool last = i == tl_csv_columns(csv) - 1;
            used += (size_t)snprintf(text + used, sizeof text - used, "%s%s", cell, last ? ";" : "|");
            ck_assert_uint_lt(used, sizeof text);
        }
    return text;
}

static void expect_table(tl_csv *csv, const char *table)
{
    ck_assert_str_eq(joined(checked(csv)), table);
    tl_csv_free(csv);
}

static const struct {
    const char *text, *table;
} files_of[] = {
    {"a,b\n1,2\n3,4\n", "a|b;1|2;3|4;"},
    {"a,b\n1,2\n3,4", "a|b;1|2;3|4;"}, /* no line end after the last */
    {"a,b\n1,2\n3,", "a|b;1|2;3|;"},
    {"a\n1", "a;1;"},
    {"a,b\r\n1,2\r\n3,4\r\n", "a|b;1|2;3|4;"},
    {"a,b\r1,2\r3,4\r", "a|b;1|2;3|4;"},
    {"a,b\n1,2\r3,4\r\n5,6", "a|b;1|2;3|4;5|6;"},
    {"\n\r\n \t\na,b\n\n1,2\n   \n\n3,4\n\n", "a|b;1|2;3|4;"}, /* blank lines */
    {"a,b\n,\n\"\",\n", "a|b;|;|;"},                           /* empty cells */
    {"  a\t, b \n 1 2 ,\t\n", "a|b;1 2|;"},                    /* spaces around cells */
    {"\"a,b\",\"say \"\"hi\"\"\"\n\" 1 \",  \"2\"  \n", "a,b|say \"hi\"; 1 |2;"},
    {"a,b\n\"one\ntwo\",\"\r\n\"\n", "a|b;one\ntwo|\r\n;"},
    {"a,b\n1,\"2\"", "a|b;1|2;"},
    {"\"a\"\"\"\n\"\"\"\"\n", "a\";\";"},
    {"\xEF\xBB\xBF"
     "a,b\n1,2\n",
     "a|b;1|2;"}, /* a byte-order mark */
    {"\xEF\xBB\xBF\"a,\",b\n1,2\n", "a,|b;1|2;"},
    {"price \u20AC,caf\xE9\n1,2\n", "price \u20AC|caf\xE9;1|2;"}, /* Latin-1 does no harm */
};

START_TEST(tables_are_read)
{
    expect_table(read_text(files_of[_i].text), files_of[_i].table);
}
END_TEST

START_TEST(any_delimiter_will_do)
{
    put("a;b\n1,5;2\n");
    expect_table(tl_csv_read(path, .delimiter = ';'), "a|b;1,5|2;");
    put("a\tb\tc\n1 2\t\t3\n\t\t\n");
    expect_table(tl_csv_read(path, .delimiter = '\t'), "a|b|c;1 2||3;||;");
    put("a b\n1 2\n");
    expect_table(tl_csv_read(path, .delimiter = ' '), "a|b;1|2;");
    put("a|b\n1|2\n");
    tl_csv *csv = checked(tl_csv_read(path, .delimiter = '|'));
    ck_assert_int_eq(tl_csv_columns(csv), 2);
    tl_csv_free(csv);
}
END_TEST

START_TEST(a_file_may_have_no_header)
{
    put("1,2\n3,4\n");
    tl_csv *csv = checked(tl_csv_read(path, .no_header = true));
    ck_assert_int_eq(tl_csv_rows(csv), 2);
    ck_assert_ptr_null(tl_csv_name(csv, 0));
    ck_assert_str_eq(joined(csv), "1|2;3|4;");
    ck_assert_int_eq(tl_csv_column(csv, "2"), 1);
    ck_assert_int_eq(tl_csv_column(csv, "3"), -1); /* a cell, though no name */
    EXPECT_ERROR(TL_ERROR_ARGUMENT, "sales.csv: no column '3', expected a number from 1 to 2");
    ck_assert(!tl_tensor_ok(tl_csv_numbers(csv, 2)));
    EXPECT_ERROR(TL_ERROR_RANGE, "sales.csv: column 2 of 2, counted from 0");
    tl_csv_free(csv);
    put("1\n");
    expect_table(tl_csv_read(path, .no_header = true), "1;");
    put("1,x\n");
    csv = checked(tl_csv_read(path, .no_header = true));
    ck_assert(!tl_tensor_ok(tl_csv_numbers(csv, 1)));
    EXPECT_ERROR(TL_ERROR_FORMAT, "sales.csv: line 1, column 2: 'x' is not a number");
    tl_csv_free(csv);
}
END_TEST

START_TEST(gzip_gives_the_same)
{
    put_gzip(path, "a,b\n1,2\n", 8);
    expect_table(tl_csv_read(path), "a|b;1|2;");
}
END_TEST

START_TEST(a_large_file_is_read_whole)
{
    enum { ROWS = 20000, LONG = 100000 };
    char *text = malloc(ROWS * 24 + LONG + 100), *at = text + sprintf(text, "n,square,text\n");
    for (int i = 0; i < ROWS; i++)
        at += sprintf(at, "%d,%lld,\"%d\n\"\n", i, (long long)i * i, i % 7);
    at += sprintf(at, "-1,1,");
    memset(at, 'x', LONG);
    put_bytes(path, text, (size_t)(at + LONG - text));
    free(text);

    tl_csv *csv = checked(tl_csv_read(path));
    ck_assert_int_eq(tl_csv_rows(csv), ROWS + 1);
    tl_tensor n = tl_csv_numbers(csv, 0), square = tl_csv_numbers(csv, 1);
    ck_assert_int_eq(tl_tensor_count(n), ROWS + 1);
    const double *a = tl_data(n), *b = tl_data(square);
    for (int i = 0; i < ROWS; i++) {
        ck_assert_double_eq(a[i], i);
        ck_assert_double_eq(b[i], (double)i * i);
        ck_assert_int_eq(tl_csv_cell(csv, i, 2)[0], '0' + i % 7);
        ck_assert_int_eq(tl_csv_line(csv, i), 2 + 2 * i);
    }
    ck_assert_uint_eq(strlen(tl_csv_cell(csv, ROWS, 2)), LONG);
    ck_assert_uint_eq(strspn(tl_csv_cell(csv, ROWS, 2), "x"), LONG);
    tl_tensor_free(&n);
    tl_tensor_free(&square);
    tl_csv_free(csv);
}
END_TEST

/* --- columns --- */

START_TEST(columns_have_names_and_numbers)
{
    tl_csv *csv = read_text("date,price,2,\n1,2,3,4\n");
    ck_assert_int_eq(tl_csv_column(csv, "price"), 1);
    ck_assert_int_eq(tl_csv_column(csv, "1"), 0);
    ck_assert_int_eq(tl_csv_column(csv, "4"), 3);
    ck_assert_int_eq(tl_csv_column(csv, "2"), 2); /* the name wins */
    ck_assert_int_eq(tl_csv_column(csv, ""), 3);
    ck_assert_str_eq(tl_csv_name(csv, 3), "");
    tl_csv_free(csv);
}
END_TEST

START_TEST(an_unknown_column_lists_those_there_are)
{
    tl_csv *csv = read_text("date,price\n1,2\n");
    const char *const unknown[] = {
        "prise", "Price", "0", "3", "-1", "+1", "1.0", " 1", "99999999999999999999"};
    for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++) {
        char message[200];
        snprintf(message, sizeof message,
                 "sales.csv: no column '%s', expected 'date', 'price' or a number from 1 to 2", unknown[i]);
        ck_assert_int_eq(tl_csv_column(csv, unknown[i]), -1);
        EXPECT_ERROR(TL_ERROR_ARGUMENT, message);
    }
    ck_assert(!tl_tensor_ok(tl_csv_numbers(csv, tl_csv_column(csv, "x\ny"))));
    EXPECT_ERROR(TL_ERROR_ARGUMENT,
                 "sales.csv: no column 'x y', expected 'date', 'price' or a number from 1 to 2");
    tl_csv_free(csv);
}
END_TEST

START_TEST(a_long_list_of_columns_is_cut)
{
    char text[4000], *at = text;
    for (int i = 0; i < 100; i++)
        at += sprintf(at, "a long name of a column, number %d%s", i, i < 99 ? "|" : "\n");
    for (int i = 0; i < 100; i++)
        at += sprintf(at, "%d%s", i, i < 99 ? "|" : "\n");
    put(text);
    tl_csv *csv = checked(tl_csv_read(path, .delimiter = '|'));
    ck_assert_int_eq(tl_csv_column(csv, "x"), -1);
    EXPECT_ERROR(TL_ERROR_ARGUMENT,
                 "sales.csv: no column 'x', expected 'a long name of a column, number 0', "
                 "'a long name of a column, number 1', 'a long name of a column, number 2', ... "
                 "or a number from 1 to 100");
    tl_csv_free(csv);
}
END_TEST

START_TEST(a_name_over_two_columns_is_no_name)
{
    tl_csv *csv = read_text("a,b,a\n1,2,3\n");
    ck_assert_int_eq(tl_csv_column(csv, "b"), 1);
    ck_assert_int_eq(tl_csv_column(csv, "a"), -1);
    EXPECT_ERROR(TL_ERROR_ARGUMENT, "sales.csv: columns 1 and 3 are both called 'a', use a number");
    ck_assert_int_eq(tl_csv_column(csv, "3"), 2);
    tl_csv_free(csv);
}
END_TEST

START_TEST(places_outside_are_refused)
{
    tl_csv *csv = read_text("a,b\n1,2\n");
    ck_assert_ptr_null(tl_csv_cell(csv, 1, 0));
    EXPECT_ERROR(TL_ERROR_RANGE, "sales.csv: row 1 of 1, counted from 0");
    ck_assert_ptr_null(tl_csv_cell(csv, -1, 0));
    EXPECT_ERROR(TL_ERROR_RANGE, "sales.csv: row -1 of 1, counted from 0");
    ck_assert_ptr_null(tl_csv_cell(csv, 0, 2));
    EXPECT_ERROR(TL_ERROR_RANGE, "sales.csv: column 2 of 2, counted from 0");
    ck_assert_ptr_null(tl_csv_name(csv, -2));
    EXPECT_ERROR(TL_ERROR_RANGE, "sales.csv: column -2 of 2, counted from 0");
    ck_assert_int_eq(tl_csv_line(csv, 7), 0);
    EXPECT_ERROR(TL_ERROR_RANGE, "sales.csv: row 7 of 1, counted from 0");
    tl_csv_free(csv);
}
END_TEST

START_TEST(no_table_has_nothing)
{
    tl_csv_free(NULL);
    ck_assert_ptr_null(tl_csv_cell(NULL, 0, 0));
    EXPECT_ERROR(TL_ERROR_ARGUMENT, "csv: no table");
    tl_error(TL_ERROR_IO, "an earlier failure");
    ck_assert_int_eq(tl_csv_rows(NULL), 0);
    ck_assert_int_eq(tl_csv_columns(NULL), 0);
    ck_assert_int_eq(tl_csv_column(NULL, "a"), -1);
    ck_assert_ptr_null(tl_csv_name(NULL, 0));
    ck_assert_ptr_null(tl_csv_cell(NULL, 0, 0));
    ck_assert_int_eq(tl_csv_line(NULL, 0), 0);
    ck_assert(!tl_tensor_ok(tl_csv_numbers(NULL, 0)));
    EXPECT_ERROR(TL_ERROR_IO, "an earlier failure");
}
END_TEST

/* --- numbers --- */

START_TEST(numbers_are_decimal)
{
    static const double expected[] = {1, -2.5, 1500, .5, 7, -0.0, 0.1, 1.7976931348623157e308, 5e-324, 0};
    tl_csv *csv =
        read_text("x\n1\n-2.5\n +1.5e3\n.5\n7.\n-0\n\"0.1\"\n1.7976931348623157E+308\n5e-324\n1e-999");
    tl_tensor numbers = tl_csv_numbers(csv, 0);
    ck_assert_int_eq(numbers.dtype, TL_F64);
    ck_assert_str_eq(TL_SHAPE_TEXT(numbers.shape), "[10]");
    ck_assert_mem_eq(tl_data(numbers), expected, sizeof expected);
    tl_tensor_free(&numbers);
    tl_csv_free(csv);
}
END_TEST

static const struct {
    const char *cell, *reason;
} no_numbers[] = {
    {"abc", "'abc' is not a number"},
    {"", "'' is not a number"},
    {"\"\"", "'' is not a number"},
    {"\" 1\"", "' 1' is not a number"},
    {"1 2", "'1 2' is not a number"},
    {"1x", "'1x' is not a number"},
    {"1e", "'1e' is not a number"},
    {"-", "'-' is not a number"},
    {".", "'.' is not a number"},
    {"1.2.3", "'1.2.3' is not a number"},
    {"1;5", "'1;5' is not a number"},
    {"0x10", "'0x10' is not a number"},
    {"nan", "'nan' is not a number"},
    {"-NaN", "'-NaN' is not a number"},
    {"inf", "'inf' is not a number"},
    {"Infinity", "'Infinity' is not a number"},
    {"1e999", "'1e999' is too large"},
    {"-1e309", "'-1e309' is too large"},
    {"\"a\nb\x1B[2J\"", "'a b [2J' is not a number"},
    {"\u2212"
     "1",
     "'\u2212"
     "1' is not a number"},
    {"a cell of more than forty bytes is cut short here",
     "'a cell of more than forty bytes is cut s' is not a number"},
    {"thirty-nine bytes and then a letter: 39\u00E9",
     "'thirty-nine bytes and then a letter: 39' is not a number"},
    {"thirty-eight bytes and then a letter: \u00E9 and more",
     "'thirty-eight bytes and then a letter: \u00E9' is not a number"},
};

START_TEST(a_cell_that_is_no_number_is_named)
{
    char text[300], message[300];
    snprintf(text, sizeof text, "date,\"a,b\",price\n1,1,1\n\n2,\"\n\",%s\n", no_numbers[_i].cell);
    snprintf(message, sizeof message, "sales.csv: line 4, column 3 (price): %s", no_numbers[_i].reason);
    tl_csv *csv = read_text(text);
    ck_assert(!tl_tensor_ok(tl_csv_numbers(csv, 2)));
    EXPECT_ERROR(TL_ERROR_FORMAT, message);
    tl_tensor date = tl_csv_numbers(csv, 0); /* the others are fine */
    ck_assert_mem_eq(tl_data(date), ((double[]){1, 2}), 2 * sizeof(double));
    tl_tensor_free(&date);
    tl_csv_free(csv);
}
END_TEST

START_TEST(the_locale_does_not_matter)
{
    static const char *const with_commas[] = {"de_DE.UTF-8", "de_DE.utf8", "fr_FR.UTF-8", "fr_FR.utf8"};
    bool set = false;
    for (int i = 0; i < 4 && !set; i++)
        set = setlocale(LC_ALL, with_commas[i]) != NULL;
    if (!set)
        puts("test_csv: SKIPPED numbers in a locale with decimal commas: none is installed");
    else
        ck_assert_double_eq(strtod("1.5", NULL), 1);
    put("a;b\n1.5;1,5\n");
    tl_csv *csv = checked(tl_csv_read(path, .delimiter = ';'));
    tl_tensor a = tl_csv_numbers(csv, 0);
    ck_assert_double_eq(tl_tensor_item(a), 1.5);
    ck_assert(!tl_tensor_ok(tl_csv_numbers(csv, 1)));
    tl_tensor_free(&a);
    tl_csv_free(csv);
}
END_TEST

/* --- files that are refused --- */

#define BAD_QUOTE "a quote inside a cell, where it has to be doubled, and the cell in quotes"

static const struct {
    const char *text, *message;
} refused[] = {
    {"", "sales.csv: empty"},
    {"\n \r\n\t\n", "sales.csv: empty"},
    {"\xEF\xBB\xBF", "sales.csv: empty"},
    {"a,b", "sales.csv: a header and no rows"},
    {"a,b\n\n", "sales.csv: a header and no rows"},
    {"a,b\n1,2\n3\n", "sales.csv: line 3 has 1 cells, line 1 has 2"},
    {"\n\na,b\n1,2\n1,2,3\n", "sales.csv: line 5 has 3 cells, line 3 has 2"},
    {"a,b\n\"1\n2\",2\n1,2,3", "sales.csv: line 4 has 3 cells, line 1 has 2"},
    {"a,b\n1,2\n1,2,\n1\n", "sales.csv: line 3 has 3 cells, line 1 has 2"},
    {"a,b\n1,\"2\n3,4\n", "sales.csv: line 2, column 2: a quote that is not closed"},
    {"a,b\n1,2\n\"", "sales.csv: line 3, column 1: a quote that is not closed"},
    {"\"a", "sales.csv: line 1, column 1: a quote that is not closed"},
    {"a,b\n1,2\"\n", "sales.csv: line 2, column 2: " BAD_QUOTE},
    {"a,b\n1,\"2\"3\n", "sales.csv: line 2, column 2: " BAD_QUOTE},
    {"a,b\n\"1\n2\" 3,4\n", "sales.csv: line 2, column 1: " BAD_QUOTE},
};

START_TEST(a_damaged_file_is_refused)
{
    put(refused[_i].text);
    ck_assert_ptr_null(tl_csv_read(path));
    EXPECT_ERROR(TL_ERROR_FORMAT, refused[_i].message);
}
END_TEST

START_TEST(zeros_are_refused)
{
    static const struct {
        const char *bytes;
        size_t count;
        const char *message;
    } files_with_zeros[] = {
        {"a,b\n1,2\n\0", 9, "sales.csv: line 3: a byte that is zero: no text, or not UTF-8"},
        {"a,b\n1,\0002\n", 9, "sales.csv: line 2: a byte that is zero: no text, or not UTF-8"},
        {"\0", 1, "sales.csv: line 1: a byte that is zero: no text, or not UTF-8"},
        {"\xFF\xFE"
         "a\0\n\0"
         "1\0",
         8, "sales.csv: line 1: a byte that is zero: no text, or not UTF-8"},
    };
    for (size_t i = 0; i < sizeof files_with_zeros / sizeof *files_with_zeros; i++) {
        put_bytes(path, files_with_zeros[i].bytes, files_with_zeros[i].count);
        ck_assert_ptr_null(tl_csv_read(path));
        EXPECT_ERROR(TL_ERROR_FORMAT, files_with_zeros[i].message);
    }
}
END_TEST

START_TEST(what_is_no_file_is_refused)
{
    ck_assert_ptr_null(tl_csv_read(path));
    EXPECT_ERROR(TL_ERROR_IO, "csv: sales.csv: No such file or directory");
    ck_assert_ptr_null(tl_csv_read("."));
    EXPECT_ERROR(TL_ERROR_IO, "csv: .: Is a directory");
    ck_assert_ptr_null(tl_csv_read(NULL));
    EXPECT_ERROR(TL_ERROR_ARGUMENT, "csv: no path to read from");
    ck_assert_ptr_null(tl_csv_read_with(NULL));
    EXPECT_ERROR(TL_ERROR_ARGUMENT, "csv: no path to read from");
}
END_TEST

START_TEST(a_delimiter_is_no_quote_or_line_end)
{
    put("a,b\n1,2\n");
    ck_assert_ptr_null(tl_csv_read(path, .delimiter = '"'));
    EXPECT_ERROR(TL_ERROR_ARGUMENT, "csv: delimiter 0x22, expected no quote or line end");
    ck_assert_ptr_null(tl_csv_read(path, .delimiter = '\n'));
    EXPECT_ERROR(TL_ERROR_ARGUMENT, "csv: delimiter 0x0a, expected no quote or line end");
}
END_TEST

START_TEST(every_allocation_may_fail)
{
    put("a,b\n1,\"a cell of some length\"\n");
    int refusals = 0;
    for (failing = 0; failing <= allocated; failing++) {
        allocated = 0;
        tl_csv *csv = tl_csv_read(path);
        if (csv)
            ck_assert_str_eq(joined(csv), "a|b;1|a cell of some length;");
        else
            ck_assert_int_eq(tl_error_status(), TL_ERROR_MEMORY);
        refusals += !csv;
        tl_csv_free(csv);
    }
    ck_assert_int_ge(refusals, 3); /* the table, its cells, its lines; libcsv can do with a smaller buffer */
}
END_TEST

#define ROWS_OF(table) ((int)(sizeof(table) / sizeof *(table)))

int main(void)
{
    TCase *tests = case_in_folder("csv");
    tcase_add_loop_test(tests, tables_are_read, 0, ROWS_OF(files_of));
    tcase_add_test(tests, any_delimiter_will_do);
    tcase_add_test(tests, a_file_may_have_no_header);
    tcase_add_test(tests, gzip_gives_the_same);
    tcase_add_test(tests, a_large_file_is_read_whole);
    tcase_add_test(tests, columns_have_names_and_numbers);
    tcase_add_test(tests, an_unknown_column_lists_those_there_are);
    tcase_add_test(tests, a_long_list_of_columns_is_cut);
    tcase_add_test(tests, a_name_over_two_columns_is_no_name);
    tcase_add_test(tests, places_outside_are_refused);
    tcase_add_test(tests, no_table_has_nothing);
    tcase_add_test(tests, numbers_are_decimal);
    tcase_add_loop_test(tests, a_cell_that_is_no_number_is_named, 0, ROWS_OF(no_numbers));
    tcase_add_test(tests, the_locale_does_not_matter);
    tcase_add_loop_test(tests, a_damaged_file_is_refused, 0, ROWS_OF(refused));
    tcase_add_test(tests, zeros_are_refused);
    tcase_add_test(tests, what_is_no_file_is_refused);
    tcase_add_test(tests, a_delimiter_is_no_quote_or_line_end);
    tcase_add_test(tests, every_allocation_may_fail);
    return run_case("csv", tests);
}
