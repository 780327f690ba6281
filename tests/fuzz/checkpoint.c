#include "nn/checkpoint.h"
#include "tests/fuzz/model.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    float before[MODEL_VALUES];
    tl_model *model = small_model();
    weights_of(model, before);
    tl_status status = tl_checkpoint_load(model, file_of(bytes, count));
    expect_all_or_nothing(status, model, before);
    return 0;
}
