/* Hands the files of folders to a target, one after the other, in the order of their names. */
#include "tests/fuzz/target.h"

#include <dirent.h>
#include <limits.h>
#include <sys/stat.h>

size_t LLVMFuzzerMutate(uint8_t *bytes, size_t count, size_t most);

/* What libFuzzer would offer to a target that changes bytes in its own way. */
size_t LLVMFuzzerMutate(uint8_t *bytes, size_t count, size_t most)
{
    (void)bytes;
    (void)most;
    return count;
}

static void replay(const char *path)
{
    FILE *file = fopen(path, "rb");
    struct stat about;
    EXPECT(file && fstat(fileno(file), &about) == 0);
    size_t count = (size_t)about.st_size;
    uint8_t *bytes = malloc(count ? count : 1);
    EXPECT(bytes && fread(bytes, 1, count, file) == count);
    fclose(file);
    LLVMFuzzerTestOneInput(bytes, count);
    free(bytes);
}

static int is_input(const struct dirent *found)
{
    return found->d_name[0] != '.';
}

static int replay_folder(const char *folder)
{
    struct dirent **found;
    int count = scandir(folder, &found, is_input, alphasort);
    EXPECT(count >= 0);
    for (int i = 0; i < count; i++) {
        char path[PATH_MAX];
        EXPECT(snprintf(path, sizeof path, "%s/%s", folder, found[i]->d_name) < (int)sizeof path);
        replay(path);
        free(found[i]);
    }
    free(found);
    return count;
}

int main(int count, char *arguments[])
{
    int replayed = 0;
    for (int i = 1; i < count; i++)
        replayed += replay_folder(arguments[i]);
    printf("%d files\n", replayed);
    return replayed ? EXIT_SUCCESS : EXIT_FAILURE;
}
