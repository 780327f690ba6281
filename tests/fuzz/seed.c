/* Writes valid files of the small model, whatever their format is now: seed FOLDER. */
#include "nn/checkpoint.h"
#include "tests/fuzz/model.h"

#include <limits.h>

static const char *path_in(const char *folder, const char *name, char path[PATH_MAX])
{
    EXPECT(snprintf(path, PATH_MAX, "%s/%s", folder, name) < PATH_MAX);
    return path;
}

int main(int count, char *arguments[])
{
    char path[PATH_MAX];
    EXPECT(count == 2);
    EXPECT(tl_save(small_model(), path_in(arguments[1], "weights", path)) == TL_OK);
    EXPECT(tl_checkpoint_save(small_model(), path_in(arguments[1], "checkpoint", path)) == TL_OK);
    return EXIT_SUCCESS;
}
