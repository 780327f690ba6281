/* The CPU quota of control groups, in folders made for the purpose. */
#include "tensor/cores_internal.h"
#include "tests/support/folder.h"

static void make_folders(const char *path)
{
    char command[512];
    snprintf(command, sizeof command, "mkdir -p '%s'", path);
    ck_assert_int_eq(system(command), 0);
}

static void put_text(const char *folder_name, const char *file, const char *text)
{
    char path[512];
    make_folders(folder_name);
    snprintf(path, sizeof path, "%s/%s", folder_name, file);
    put_bytes(path, text, strlen(text));
}

static void put_groups(const char *text)
{
    put_text("proc/self", "cgroup", text);
}

static void put_v1(const char *group, const char *quota, const char *period)
{
    put_text(group, "cpu.cfs_quota_us", quota);
    put_text(group, "cpu.cfs_period_us", period);
}

START_TEST(missing_files_are_no_limit)
{
    ck_assert_int_eq(tl_cores_quota("."), 0);
    ck_assert_int_eq(tl_cores_quota("./nowhere"), 0);
    put_groups("0::/a/b\n");
    ck_assert_int_eq(tl_cores_quota("."), 0);
    put_groups("");
    ck_assert_int_eq(tl_cores_quota("."), 0);
}
END_TEST

START_TEST(quotas_of_version_2_are_rounded_up)
{
    static const struct {
        const char *text;
        int cores;
    } cases[] = {{"200000 100000\n", 2},
                 {"200001 100000\n", 3},
                 {"50000 100000\n", 1},
                 {"1 100000\n", 1},
                 {"150000 50000", 3},
                 {"max 100000\n", 0},
                 {"", 0},
                 {"200000\n", 0},
                 {"0 0\n", 0},
                 {"-1 100000\n", 0},
                 {"lots\n", 0}};
    put_groups("0::/job\n");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        put_text("sys/fs/cgroup/job", "cpu.max", cases[i].text);
        ck_assert_msg(tl_cores_quota(".") == cases[i].cores, "'%s': %d", cases[i].text, tl_cores_quota("."));
    }
}
END_TEST

START_TEST(the_least_of_a_group_and_all_above_it_counts)
{
    put_groups("0::/a/b/c\n");
    put_text("sys/fs/cgroup/a/b/c", "cpu.max", "max 100000\n");
    ck_assert_int_eq(tl_cores_quota("."), 0);
    put_text("sys/fs/cgroup/a", "cpu.max", "300000 100000\n");
    ck_assert_int_eq(tl_cores_quota("."), 3);
    put_text("sys/fs/cgroup/a/b", "cpu.max", "500000 100000\n");
    ck_assert_int_eq(tl_cores_quota("."), 3);
    put_text("sys/fs/cgroup/a/b/c", "cpu.max", "120000 100000\n");
    ck_assert_int_eq(tl_cores_quota("."), 2);
    put_text("sys/fs/cgroup/other", "cpu.max", "10000 100000\n");
    ck_assert_int_eq(tl_cores_quota("."), 2);
}
END_TEST

START_TEST(a_container_sees_its_own_group_on_top)
{
    put_groups("0::/\n");
    put_text("sys/fs/cgroup", "cpu.max", "400000 100000\n");
    ck_assert_int_eq(tl_cores_quota("."), 4);
    put_groups("0::/docker/0123456789\n"); /* its name outside, which is not there inside */
    ck_assert_int_eq(tl_cores_quota("."), 4);
}
END_TEST

START_TEST(quotas_of_version_1_are_found_by_their_controller)
{
    put_groups("12:cpuset:/x\n4:cpuacct,cpu:/jobs/1\n1:name=systemd:/y\n0::/\n");
    put_v1("sys/fs/cgroup/cpu/x", "100000\n", "100000\n");
    ck_assert_int_eq(tl_cores_quota("."), 0);
    put_v1("sys/fs/cgroup/cpu/jobs/1", "-1\n", "100000\n");
    ck_assert_int_eq(tl_cores_quota("."), 0);
    put_v1("sys/fs/cgroup/cpu/jobs", "250000\n", "100000\n");
    ck_assert_int_eq(tl_cores_quota("."), 3);
    put_v1("sys/fs/cgroup/cpu/jobs/1", "100000\n", "100000\n");
    ck_assert_int_eq(tl_cores_quota("."), 1);
    put_groups("3:cpuacct:/jobs/1\n");
    ck_assert_int_eq(tl_cores_quota("."), 0);
    put_groups("3:cpu:/jobs\n");
    ck_assert_int_eq(tl_cores_quota("."), 3);
}
END_TEST

START_TEST(lines_that_make_no_sense_are_passed_over)
{
    put_text("sys/fs/cgroup", "cpu.max", "400000 100000\n");
    put_groups("nonsense\n0:\n::\n7:cpu\n");
    ck_assert_int_eq(tl_cores_quota("."), 4); /* of "::", which names the topmost group */
    char line[9000];
    memset(line, 'x', sizeof line);
    memcpy(line, "0::/", 4);
    line[sizeof line - 1] = '\0';
    put_groups(line);
    ck_assert_int_ge(tl_cores_quota("."), 0);
}
END_TEST

START_TEST(there_is_a_core_at_least)
{
    ck_assert_int_ge(tl_cores(), 1);
    ck_assert_int_le(tl_cores(), tl_cores_seen());
}
END_TEST

int main(void)
{
    TCase *tests = case_in_folder("cores");
    tcase_add_test(tests, missing_files_are_no_limit);
    tcase_add_test(tests, quotas_of_version_2_are_rounded_up);
    tcase_add_test(tests, the_least_of_a_group_and_all_above_it_counts);
    tcase_add_test(tests, a_container_sees_its_own_group_on_top);
    tcase_add_test(tests, quotas_of_version_1_are_found_by_their_controller);
    tcase_add_test(tests, lines_that_make_no_sense_are_passed_over);
    tcase_add_test(tests, there_is_a_core_at_least);
    return run_case("cores", tests);
}
