#include "output.h"

#include <errno.h>
#include <string.h>

static tl_status cannot_write(const char *path)
{
    return tl_error(TL_ERROR_IO, "%s: cannot be written: %s", path, strerror(errno));
}

tl_status check_output(const char *path)
{
    return path ? tl_safetensors_writable(path) : TL_OK; /* it looks at the path alone */
}

FILE *open_output(const char *path)
{
    FILE *file = fopen(path, "w");
    if (!file)
        cannot_write(path);
    return file;
}

tl_status close_output(FILE *file, const char *path)
{
    int lost = ferror(file);
    return fclose(file) != 0 || lost ? cannot_write(path) : TL_OK;
}

tl_status save_plot(const tl_plot *p, const char *path)
{
    FILE *to = open_output(path);
    if (!to)
        return tl_error_status();
    tl_status drawn = tl_plot_svg(p, to), closed = close_output(to, path);
    return closed != TL_OK ? closed : drawn;
}
