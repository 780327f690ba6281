/* embed OUTPUT FILE...: a C source with the texts of files, one after the other, as one constant. For the
 * build. */
#include <stdio.h>

static int copy(const char *path, FILE *to, unsigned long *count)
{
    FILE *from = fopen(path, "rb");
    if (!from)
        return -1;
    for (int c; (c = getc(from)) != EOF; ++*count)
        fprintf(to, c > 127 ? "(char)%d,%s" : "%d,%s", c, *count % 24 == 23 ? "\n" : "");
    int failed = ferror(from);
    fclose(from);
    return failed ? -1 : 0;
}

int main(int argc, char **argv)
{
    unsigned long count = 0;
    FILE *to = argc > 2 ? fopen(argv[1], "wb") : NULL;
    if (!to)
        return fprintf(stderr, "embed: usage: embed OUTPUT FILE...\n"), 1;
    fputs("#include \"text.h\"\n\nconst char embedded_text[] = {", to);
    int failed = 0;
    for (int i = 2; i < argc && !failed; i++)
        if ((failed = copy(argv[i], to, &count)) != 0)
            fprintf(stderr, "embed: cannot read %s\n", argv[i]);
    fprintf(to, "0};\nconst size_t embedded_size = %lu;\n", count);
    failed |= ferror(to);
    return fclose(to) != 0 || failed;
}
