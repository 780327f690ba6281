#include "data/text_file.h"
#include "data/unpack_internal.h"
#include "tensor/error_internal.h"
#include "tensor/memory_internal.h"

char *tl_text_read(const char *path, size_t *size)
{
    if (!path) {
        tl_missing("text", "path");
        return NULL;
    }
    size_t count = 0;
    tl_unpack *file = tl_unpack_open("text", path);
    char *text = file ? tl_unpack_take(file, SIZE_MAX / 2, &count) : NULL;
    tl_unpack_close(file);
    if (text && count == 0) {
        tl_error(TL_ERROR_FORMAT, "text: %s: the file is empty", path);
        tl_text_free(text);
        return NULL;
    }
    if (text && size)
        *size = count;
    return text;
}

void tl_text_free(char *text)
{
    tl_release(text);
}
