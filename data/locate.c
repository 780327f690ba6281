#include "data/locate.h"

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FOLDERS = 2, LIST_SIZE = 256 };

/* The value of an environment variable, NULL if empty. */
static const char *variable(const char *name)
{
    const char *value = getenv(name);
    return value && *value ? value : NULL;
}

static bool cache_folder(char folder[PATH_MAX])
{
    const char *cache = variable("XDG_CACHE_HOME"), *home = variable("HOME");
    int length = cache  ? snprintf(folder, PATH_MAX, "%s/tapeloop", cache)
                 : home ? snprintf(folder, PATH_MAX, "%s/.cache/tapeloop", home)
                        : PATH_MAX;
    return length < PATH_MAX;
}

/* Adds an item to a list in words; one that is full stays as it is. */
static void append(char list[LIST_SIZE], const char *item)
{
    size_t used = strlen(list);
    snprintf(list + used, LIST_SIZE - used, "%s%s", used ? ", " : "", item);
}

/* Looks for the names in one folder: TL_OK if one is there, or an error without a message. */
static tl_status search(const char *folder, const char *const names[], int count, char *path, size_t size)
{
    for (int i = 0; i < count; i++) {
        int length = snprintf(path, size, "%s/%s", folder, names[i]);
        if (length < 0 || (size_t)length >= size)
            return TL_ERROR_ARGUMENT;
        if (access(path, F_OK) == 0)
            return TL_OK;
    }
    return TL_ERROR_IO;
}

static tl_status not_found(const char *const names[], int count, const char *places)
{
    char list[LIST_SIZE] = "";
    for (int i = 0; i < count; i++)
        append(list, names[i]);
    return tl_error(TL_ERROR_IO, "data: found none of %s in %s", list, *places ? places : "any folder");
}

tl_status tl_data_locate(const char *dir, const char *const names[], int count, char *path, size_t size)
{
    char cache[PATH_MAX], places[LIST_SIZE] = "";
    const char *folders[FOLDERS] = {dir};
    if (!dir) {
        folders[0] = variable("TAPELOOP_DATA");
        folders[1] = cache_folder(cache) ? cache : NULL;
    }
    for (int i = 0; i < FOLDERS; i++) {
        if (!folders[i])
            continue;
        tl_status status = search(folders[i], names, count, path, size);
        if (status == TL_OK)
            return TL_OK;
        if (status == TL_ERROR_ARGUMENT)
            return tl_error(status, "data: no room for the path of a file in %s: %zu bytes", folders[i],
                            size);
        append(places, folders[i]);
    }
    return not_found(names, count, places);
}
