/* Plain or gzip, the bytes are the same tensor or none. */
#include "data/idx.h"
#include "tests/fuzz/gzip.h"
#include "tests/fuzz/target.h"

static tl_tensor read_wrapped(const uint8_t *bytes, size_t count)
{
    uint8_t *wrapped = malloc(count + GZIP_EXTRA);
    EXPECT(wrapped);
    gzip_stored(bytes, count, wrapped);
    tl_tensor tensor = tl_idx_read(file_of(wrapped, count + GZIP_EXTRA));
    free(wrapped);
    return tensor;
}

static void expect_equal(tl_tensor a, tl_tensor b)
{
    EXPECT(tl_tensor_ok(a) == tl_tensor_ok(b));
    if (!tl_tensor_ok(a))
        return;
    EXPECT(a.dtype == b.dtype && tl_shape_equal(a.shape, b.shape));
    EXPECT(memcmp(tl_data(a), tl_data(b), (size_t)tl_tensor_count(a) * tl_dtype_size(a.dtype)) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    tl_tensor plain = tl_idx_read(file_of(bytes, count));
    if (count <= GZIP_MOST && !(count > 1 && bytes[0] == 0x1F && bytes[1] == 0x8B)) {
        tl_tensor wrapped = read_wrapped(bytes, count);
        expect_equal(plain, wrapped);
        tl_tensor_free(&wrapped);
    }
    tl_tensor_free(&plain);
    return 0;
}
