/* The archive of reviews. What libFuzzer makes of one gets its headers' checksums put right, or the archive
 * would end at the first change. */
#include "data/imdb.h"
#include "tests/fuzz/target.h"

#include <string.h>

enum { BLOCK = 512, CHECKSUM = 148, CHECKSUM_DIGITS = 8, MAGIC = 257 };

size_t LLVMFuzzerMutate(uint8_t *bytes, size_t count, size_t most);
size_t LLVMFuzzerCustomMutator(uint8_t *bytes, size_t count, size_t most, unsigned seed);

static void put_checksum_right(uint8_t *header)
{
    unsigned sum = 0;
    char digits[CHECKSUM_DIGITS];
    memset(header + CHECKSUM, ' ', CHECKSUM_DIGITS);
    for (int i = 0; i < BLOCK; i++)
        sum += header[i];
    snprintf(digits, sizeof digits, "%06o", sum);
    memcpy(header + CHECKSUM, digits, CHECKSUM_DIGITS - 1);
}

/* One archive in eight keeps the checksums it has. */
size_t LLVMFuzzerCustomMutator(uint8_t *bytes, size_t count, size_t most, unsigned seed)
{
    count = LLVMFuzzerMutate(bytes, count, most);
    for (size_t at = 0; seed % 8 && at + BLOCK <= count; at += BLOCK)
        if (memcmp(bytes + at + MAGIC, "ustar", 5) == 0)
            put_checksum_right(bytes + at);
    return count;
}

static void look_at(const tl_imdb *imdb, tl_dataset data)
{
    const int32_t *ids = tl_data(data.x);
    EXPECT(ids && data.x.shape.dims[0] == data.y.shape.dims[0]);
    for (int64_t i = 0; i < tl_tensor_count(data.x); i++)
        EXPECT(ids[i] >= 0 && ids[i] < tl_vocabulary_limit(tl_imdb_vocabulary(imdb)));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    tl_imdb *imdb = tl_imdb_load(file_of(bytes, count));
    if (imdb) {
        look_at(imdb, tl_imdb_train(imdb));
        look_at(imdb, tl_imdb_test(imdb));
    }
    tl_imdb_free(imdb);
    return 0;
}
