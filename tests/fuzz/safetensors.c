/* A file that was read has tensors of the sizes it says, each under its name, and every value can be had. */
#include "data/safetensors.h"
#include "tests/fuzz/target.h"

#include <string.h>

static int64_t look_at(const tl_safetensors *file, int i)
{
    const char *name = tl_safetensors_name(file, i);
    EXPECT(name);
    tl_tensor tensor = tl_safetensors_tensor(file, name);
    EXPECT(tl_tensor_ok(tensor));
    size_t bytes = (size_t)tl_tensor_count(tensor) * tl_dtype_size(tensor.dtype);
    void *values = malloc(bytes + 1);
    EXPECT(tl_copy_out(tensor, values, bytes) == TL_OK);
    free(values);
    return (int64_t)bytes;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    tl_safetensors *file = tl_safetensors_read(file_of(bytes, count));
    int64_t total = 0;
    for (int i = 0; i < tl_safetensors_count(file); i++)
        total += look_at(file, i);
    EXPECT(total == tl_safetensors_bytes(file));
    if (file) {
        const char *value = tl_safetensors_metadata(file, "format");
        EXPECT(!value || strlen(value) < count);
        tl_safetensors_check_finite(file);
    }
    tl_safetensors_free(file);
    return 0;
}
