#include "nn/checkpoint.h"
#include "tests/fuzz/model.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    float before[MODEL_VALUES];
    int epochs = -1;
    tl_model *model = small_model();
    weights_of(model, before);
    tl_status status = tl_checkpoint_load(model, file_of(bytes, count), &epochs);
    expect_all_or_nothing(status, model, before);
    EXPECT(status == TL_OK ? epochs >= 0 : epochs == -1);
    return 0;
}
