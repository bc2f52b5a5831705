/* test_budget.c: what the kernel's files say about memory, from trees that a test made up. */
#include "config.h"
#include "check.h"
#include "base/budget.h"

#include <limits.h>
#include <sys/stat.h>

#define KIB UINT64_C(1024)
#define MIB (UINT64_C(1) << 20)
#define GIB (UINT64_C(1) << 30)

static char root[PATH_MAX];
static struct kith__budget_groups groups;
static struct kith__budget budget;

static void remove_root(void)
{
    char command[PATH_MAX + 16];

    snprintf(command, sizeof command, "rm -rf '%s'", root);
    CU_ASSERT_EQUAL(system(command), 0);
}

/* A file of the tree, with the directories above it. */
static void file(const char *path, const char *text)
{
    char name[2 * PATH_MAX];
    FILE *f;

    snprintf(name, sizeof name, "%s%s", root, path);
    for (char *slash = name + strlen(root) + 1; (slash = strchr(slash, '/')) != NULL; slash++) {
        *slash = '\0';
        mkdir(name, 0755);
        *slash = '/';
    }
    f = fopen(name, "w");
    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    fputs(text, f);
    fclose(f);
}

static void machine(const char *available)
{
    const char *directory = getenv("TMPDIR");
    char text[256];

    snprintf(root, sizeof root, "%.1000s/budget-XXXXXX", directory ? directory : "/tmp");
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(root));
    memset(&groups, 0, sizeof groups);
    snprintf(text, sizeof text, "MemTotal:       16777216 kB\nMemFree:         1048576 kB\n%s", available);
    file("/proc/meminfo", text);
    file("/proc/self/cgroup", "");
    file("/proc/self/mountinfo", "");
}

static void look(void)
{
    kith__budget_read(root, &groups, &budget);
}

static void look_and_end(void)
{
    look();
    remove_root();
}

static void v1(const char *group, const char *top)
{
    char text[512];

    snprintf(text, sizeof text, "4:memory:%s\n3:cpuset:/x\n1:cpu,cpuacct:/y\n0::/\n", group);
    file("/proc/self/cgroup", text);
    snprintf(text, sizeof text,
             "22 27 0:21 / /proc rw,relatime - proc proc rw\n"
             "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755\n"
             "32 31 0:29 / /sys/fs/cgroup/cpu rw,relatime shared:5 - cgroup cgroup rw,cpu,cpuacct\n"
             "35 31 0:32 %s /sys/fs/cgroup/memory rw,relatime shared:9 master:1 - cgroup cgroup rw,memory\n",
             top);
    file("/proc/self/mountinfo", text);
}

static void v2(const char *group, const char *top)
{
    char text[512];

    snprintf(text, sizeof text, "0::%s\n", group);
    file("/proc/self/cgroup", text);
    snprintf(text, sizeof text, "30 23 0:26 %s /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n",
             top);
    file("/proc/self/mountinfo", text);
}

static void machine_bounds_what_no_group_does(void)
{
    machine("MemAvailable:    8388608 kB\nBuffers: 1 kB\n");
    look_and_end();
    CU_ASSERT_EQUAL(budget.left, 8 * GIB - 64 * MIB);
    CU_ASSERT_EQUAL(budget.limit, 16 * GIB);
    CU_ASSERT_STRING_EQUAL(budget.where, "");
}

static void old_kernel_tells_free_memory_only(void)
{
    machine("");
    look_and_end();
    CU_ASSERT_EQUAL(budget.left, GIB - 64 * MIB);
}

static void nothing_is_kept_back_below_zero(void)
{
    machine("MemAvailable:    1000 kB\n");
    look_and_end();
    CU_ASSERT_EQUAL(budget.left, 0);
}

static void v1_group_bounds_by_its_limit(void)
{
    machine("MemAvailable:    8388608 kB\n");
    v1("/job", "/");
    file("/sys/fs/cgroup/memory/job/memory.limit_in_bytes", "1073741824\n");
    file("/sys/fs/cgroup/memory/job/memory.usage_in_bytes", "536870912\n");
    file("/sys/fs/cgroup/memory/job/memory.stat",
         "cache 1\ninactive_file 7\ntotal_cache 3\ntotal_inactive_file 104857600\n");
    look();
    CU_ASSERT_EQUAL(budget.left, 512 * MIB + 100 * MIB - 16 * MIB);
    CU_ASSERT_EQUAL(budget.limit, GIB);
    CU_ASSERT_PTR_NOT_NULL(strstr(budget.where, "/sys/fs/cgroup/memory/job/memory.limit_in_bytes"));
    remove_root();
}

static void v2_group_bounds_by_its_limit(void)
{
    machine("MemAvailable:    8388608 kB\n");
    v2("/job", "/");
    file("/sys/fs/cgroup/job/memory.max", "1073741824\n");
    file("/sys/fs/cgroup/job/memory.current", "536870912\n");
    file("/sys/fs/cgroup/job/memory.stat", "anon 1\nfile 2\ninactive_file 104857600\nactive_file 7\n");
    look_and_end();
    CU_ASSERT_EQUAL(budget.left, 512 * MIB + 100 * MIB - 16 * MIB);
    CU_ASSERT_PTR_NOT_NULL(strstr(budget.where, "/sys/fs/cgroup/job/memory.max"));
}

static void tightest_level_above_bounds(void)
{
    machine("MemAvailable:    8388608 kB\n");
    v2("/user.slice/session/step 0", "/");
    file("/sys/fs/cgroup/user.slice/memory.max", "268435456\n");
    file("/sys/fs/cgroup/user.slice/memory.current", "0\n");
    file("/sys/fs/cgroup/user.slice/session/memory.max", "max\n");
    file("/sys/fs/cgroup/user.slice/session/memory.current", "0\n");
    file("/sys/fs/cgroup/user.slice/session/step 0/memory.max", "536870912\n");
    file("/sys/fs/cgroup/user.slice/session/step 0/memory.current", "0\n");
    look_and_end();
    CU_ASSERT_EQUAL(budget.left, 256 * MIB - 4 * MIB);
}

static void top_of_the_mount_counts_too(void)
{
    machine("MemAvailable:    8388608 kB\n");
    v1("/", "/");
    file("/sys/fs/cgroup/memory/memory.limit_in_bytes", "1073741824\n");
    file("/sys/fs/cgroup/memory/memory.usage_in_bytes", "0\n");
    look_and_end();
    CU_ASSERT_EQUAL(budget.left, GIB - 16 * MIB);
}

static void container_sees_its_group_as_the_top(void)
{
    machine("MemAvailable:    8388608 kB\n");
    v1("/docker/abc/inner", "/docker/abc");
    file("/sys/fs/cgroup/memory/inner/memory.limit_in_bytes", "9223372036854771712\n");
    file("/sys/fs/cgroup/memory/inner/memory.usage_in_bytes", "0\n");
    file("/sys/fs/cgroup/memory/memory.limit_in_bytes", "1073741824\n");
    file("/sys/fs/cgroup/memory/memory.usage_in_bytes", "1073741824\n");
    look_and_end();
    CU_ASSERT_EQUAL(budget.left, 0);
}

static void group_outside_of_the_mount_is_looked_for_at_its_top(void)
{
    machine("MemAvailable:    8388608 kB\n");
    v2("/../../elsewhere", "/");
    file("/sys/fs/cgroup/memory.max", "1073741824\n");
    file("/sys/fs/cgroup/memory.current", "0\n");
    look_and_end();
    CU_ASSERT_EQUAL(budget.left, GIB - 16 * MIB);
}

static void no_limit_is_no_bound(void)
{
    machine("MemAvailable:    8388608 kB\n");
    v1("/job", "/");
    file("/sys/fs/cgroup/memory/job/memory.limit_in_bytes", "9223372036854771712\n");
    file("/sys/fs/cgroup/memory/job/memory.usage_in_bytes", "1\n");
    look_and_end();
    CU_ASSERT_EQUAL(budget.left, 8 * GIB - 64 * MIB);
}

static void use_above_the_limit_leaves_nothing(void)
{
    machine("MemAvailable:    8388608 kB\n");
    v2("/job", "/");
    file("/sys/fs/cgroup/job/memory.max", "1000\n");
    file("/sys/fs/cgroup/job/memory.current", "2000\n");
    look_and_end();
    CU_ASSERT_EQUAL(budget.left, 0);
}

static void moved_process_is_found_again(void)
{
    machine("MemAvailable:    8388608 kB\n");
    v2("/one", "/");
    file("/sys/fs/cgroup/one/memory.max", "67108864\n");
    file("/sys/fs/cgroup/one/memory.current", "0\n");
    file("/sys/fs/cgroup/two/memory.max", "134217728\n");
    file("/sys/fs/cgroup/two/memory.current", "0\n");
    look();
    CU_ASSERT_EQUAL(budget.left, 63 * MIB);
    file("/proc/self/cgroup", "0::/two\n");
    look_and_end();
    CU_ASSERT_EQUAL(budget.left, 126 * MIB);
}

static void damaged_files_do_no_harm(void)
{
    machine("MemAvailable:    8388608 kB\n");
    file("/proc/self/cgroup", "4:memory\n:::\n\n0:\n4:memory:/job\n");
    file("/proc/self/mountinfo",
         "-\n - \n35 31 0:32 / - cgroup cgroup rw,memory\n35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup\n");
    look_and_end();
    CU_ASSERT_EQUAL(budget.left, 8 * GIB - 64 * MIB);
}

static void real_machine_has_a_budget(void)
{
    memset(&groups, 0, sizeof groups);
    kith__budget_read("", &groups, &budget);
    CU_ASSERT(budget.left > 0 && budget.left < UINT64_C(1) << 50);
}

static void sizes_are_read(void)
{
    static const struct {
        const char *text;
        uint64_t bytes;
    } good[] = {
        { "1", 1 },
        { "100000", 100000 },
        { "512M", 512 * MIB },
        { "512m", 512 * MIB },
        { "4G", 4 * GIB },
        { "1.5GiB", 3 * GIB / 2 },
        { "64KB", 64 * KIB },
        { "2T", 2048 * GIB },
        { "0.5G", GIB / 2 },
        { "77B", 77 },
    };
    static const char *const bad[] = { "",    "x", "-5M", "+5M", " 5M", "5X",       "5MM",
                                       "5M ", "0", "0.1", ".5G", "1e9", "99999999T" };
    uint64_t bytes = 0;

    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        PASS(kith__parse_size("KITH_MEM", good[i].text, &bytes));
        CU_ASSERT_EQUAL(bytes, good[i].bytes);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        bytes = 4711;
        FAILS_WITH(KITH_EINVAL, kith__parse_size("KITH_MEM", bad[i], &bytes));
        CU_ASSERT_EQUAL(bytes, 4711);
    }
}

static void sizes_are_written_for_people(void)
{
    char text[KITH__SIZE_TEXT];

    CU_ASSERT_STRING_EQUAL(kith__size_text(0, text), "0 bytes");
    CU_ASSERT_STRING_EQUAL(kith__size_text(1000, text), "1000 bytes");
    CU_ASSERT_STRING_EQUAL(kith__size_text(3 * MIB / 2, text), "1.5 MiB");
    CU_ASSERT_STRING_EQUAL(kith__size_text(100 * GIB, text), "100 GiB");
    CU_ASSERT_STRING_EQUAL(kith__size_text(UINT64_MAX, text), "16.0 EiB");
}

static struct test tests[] = { TEST(machine_bounds_what_no_group_does),
                               TEST(old_kernel_tells_free_memory_only),
                               TEST(nothing_is_kept_back_below_zero),
                               TEST(v1_group_bounds_by_its_limit),
                               TEST(v2_group_bounds_by_its_limit),
                               TEST(tightest_level_above_bounds),
                               TEST(top_of_the_mount_counts_too),
                               TEST(container_sees_its_group_as_the_top),
                               TEST(group_outside_of_the_mount_is_looked_for_at_its_top),
                               TEST(no_limit_is_no_bound),
                               TEST(use_above_the_limit_leaves_nothing),
                               TEST(moved_process_is_found_again),
                               TEST(damaged_files_do_no_harm),
                               TEST(real_machine_has_a_budget),
                               TEST(sizes_are_read),
                               TEST(sizes_are_written_for_people),
                               TEST_END };

int main(void)
{
    return run_tests("budget", tests);
}
