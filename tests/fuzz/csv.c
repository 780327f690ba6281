/* A table. The first byte is how it is to be read; a file that was read has all its cells. */
#include "data/csv.h"
#include "tests/fuzz/target.h"

#include <string.h>

static const char delimiters[] = {'\0', ';', '\t', ' ', ',', '|', '\xE9', '0'};

static void look_at_column(const tl_csv *csv, int column, size_t count)
{
    for (int64_t row = 0; row < tl_csv_rows(csv); row++) {
        const char *cell = tl_csv_cell(csv, row, column);
        EXPECT(cell && strlen(cell) < count);
        EXPECT(tl_csv_line(csv, row) >= 1);
    }
    const char *name = tl_csv_name(csv, column);
    if (name)
        EXPECT(tl_csv_column(csv, name) < tl_csv_columns(csv));
    tl_tensor numbers = tl_csv_numbers(csv, column);
    EXPECT(!tl_tensor_ok(numbers) || tl_tensor_count(numbers) == tl_csv_rows(csv));
    tl_tensor_free(&numbers);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    if (count == 0)
        return 0;
    tl_csv *csv = tl_csv_read(file_of(bytes + 1, count - 1), .delimiter = delimiters[bytes[0] % 8],
                              .no_header = bytes[0] & 8);
    if (csv) {
        enum { LOOKED_AT = 16 };
        EXPECT(tl_csv_rows(csv) >= 1 && tl_csv_columns(csv) >= 1);
        for (int column = 0; column < tl_csv_columns(csv) && column < LOOKED_AT; column++)
            look_at_column(csv, column, count);
        EXPECT(!tl_csv_cell(csv, tl_csv_rows(csv), 0) && !tl_csv_cell(csv, 0, tl_csv_columns(csv)));
    }
    tl_csv_free(csv);
    return 0;
}
