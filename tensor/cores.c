#include "tensor/cores_internal.h"

#include <limits.h>
#include <omp.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum { PATH_SIZE = 4096 };

/* The first line of a file; false if there is none. */
static bool read_line(const char *path, char line[PATH_SIZE])
{
    FILE *file = fopen(path, "r");
    const bool found = file && fgets(line, PATH_SIZE, file);
    if (file)
        fclose(file);
    return found;
}

static int rounded_up(long long quota, long long period)
{
    if (quota <= 0 || period <= 0)
        return 0;
    const long long cores = quota / period + (quota % period != 0);
    return cores < INT_MAX ? (int)cores : INT_MAX;
}

/* "200000 100000", or "max 100000" without a limit. */
static int quota_of_folder_v2(const char *folder)
{
    char path[PATH_SIZE + 32], line[PATH_SIZE];
    long long quota, period;
    snprintf(path, sizeof path, "%s/cpu.max", folder);
    return read_line(path, line) && sscanf(line, "%lld %lld", &quota, &period) == 2
               ? rounded_up(quota, period)
               : 0;
}

/* Two files of a number each; the quota is -1 without a limit. */
static int quota_of_folder_v1(const char *folder)
{
    static const char *const names[] = {"cpu.cfs_quota_us", "cpu.cfs_period_us"};
    long long values[2];
    for (int i = 0; i < 2; i++) {
        char path[PATH_SIZE + 32], line[PATH_SIZE];
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        if (!read_line(path, line) || sscanf(line, "%lld", &values[i]) != 1)
            return 0;
    }
    return rounded_up(values[0], values[1]);
}

static int lesser(int a, int b)
{
    return a == 0 || (b != 0 && b < a) ? b : a;
}

/* The least quota of a group and all above it. Where a container sees its own group as the topmost one, its
 * name may still be the one outside: then that of the topmost one is all there is to see. */
static int quota_of_group(const char *hierarchy, const char *group, int (*quota_of_folder)(const char *))
{
    char folder[PATH_SIZE];
    const int length = snprintf(folder, sizeof folder, "%s%s", hierarchy, group);
    if (length < 0 || length >= (int)sizeof folder)
        return 0;
    int least = 0;
    for (;;) {
        least = lesser(least, quota_of_folder(folder));
        char *last = strrchr(folder + strlen(hierarchy), '/');
        if (!last)
            return least;
        *last = '\0';
    }
}

/* Whether "cpu" is in a list such as "cpuacct,cpu". */
static bool lists_cpu(const char *controllers)
{
    for (const char *at = controllers; at; at = strchr(at, ',')) {
        at += *at == ',';
        if (strncmp(at, "cpu", 3) == 0 && (at[3] == ',' || at[3] == '\0'))
            return true;
    }
    return false;
}

/* Of a line "4:cpu,cpuacct:/group", or "0::/group" in version 2. */
static int quota_of_line(const char *root, char *line)
{
    line[strcspn(line, "\n")] = '\0';
    char *controllers = strchr(line, ':'), *group = controllers ? strchr(controllers + 1, ':') : NULL;
    if (!group)
        return 0;
    *group++ = '\0';
    controllers++;
    const bool v2 = *controllers == '\0';
    if (!v2 && !lists_cpu(controllers))
        return 0;
    char hierarchy[PATH_SIZE];
    const int length = snprintf(hierarchy, sizeof hierarchy, "%s/sys/fs/cgroup%s", root, v2 ? "" : "/cpu");
    if (length < 0 || length >= (int)sizeof hierarchy)
        return 0;
    return quota_of_group(hierarchy, group, v2 ? quota_of_folder_v2 : quota_of_folder_v1);
}

int tl_cores_quota(const char *root)
{
    char path[PATH_SIZE], line[PATH_SIZE];
    snprintf(path, sizeof path, "%s/proc/self/cgroup", root);
    FILE *groups = fopen(path, "r");
    if (!groups)
        return 0;
    int least = 0;
    while (fgets(line, sizeof line, groups))
        least = lesser(least, quota_of_line(root, line));
    fclose(groups);
    return least;
}

static struct {
    int seen, given;
} cores;

static void look_up(void)
{
    cores.seen = omp_get_num_procs() > 1 ? omp_get_num_procs() : 1;
    cores.given = lesser(cores.seen, tl_cores_quota(""));
}

static void look_up_once(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, look_up);
}

int tl_cores_seen(void)
{
    look_up_once();
    return cores.seen;
}

int tl_cores(void)
{
    look_up_once();
    return cores.given;
}
