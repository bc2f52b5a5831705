/* test_cpus.c: CPUs by affinity, by trees of cgroups that the test makes, by Slurm's variables. */
#include "config.h"
#include "check.h"
#include "base/cgroup.h"
#include "base/cpus.h"

#include <dlfcn.h>
#include <errno.h>
#include <ftw.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static char root[256];

/* Stands in for the C library's: with large, a machine of 4096 CPUs of which 3 are ours. */
static int large;
int sched_getaffinity(pid_t pid, size_t size, cpu_set_t *set)
{
    long n;

    if (!large) {
        n = syscall(SYS_sched_getaffinity, pid, size, set);
        if (n >= 0)
            memset((char *)set + n, 0, size - (size_t)n);
        return n < 0 ? -1 : 0;
    }
    if (size < 4096 / 8) {
        errno = EINVAL;
        return -1;
    }
    CPU_ZERO_S(size, set);
    CPU_SET_S(0, size, set);
    CPU_SET_S(1024, size, set);
    CPU_SET_S(4095, size, set);
    return 0;
}

/* Writes text into root/path, making the folders that it needs. */
static void put(const char *path, const char *text)
{
    char name[512];
    FILE *f;

    snprintf(name, sizeof name, "%s%s", root, path);
    for (char *at = name + strlen(root) + 1; (at = strchr(at, '/')); at++) {
        *at = '\0';
        mkdir(name, 0755);
        *at = '/';
    }
    f = fopen(name, "w");
    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    fputs(text, f);
    fclose(f);
}

static int unlink_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)st;
    (void)flag;
    return ftw->level ? remove(path) : 0;
}

static void clear(void)
{
    nftw(root, unlink_one, 8, FTW_DEPTH | FTW_PHYS);
}

static void version_2(const char *group)
{
    char line[256];

    clear();
    put("/proc/self/mountinfo",
        "22 1 0:20 / /proc rw - proc proc rw\n"
        "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n");
    snprintf(line, sizeof line, "0::%s\n", group);
    put("/proc/self/cgroup", line);
}

static void version_1(const char *top, const char *group)
{
    char line[512];

    clear();
    snprintf(line, sizeof line,
             "31 23 0:28 / /sys/fs/cgroup ro - tmpfs tmpfs ro\n"
             "32 31 0:29 /other /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
             "33 31 0:30 %s /sys/fs/cgroup/cpu,cpuacct rw shared:9 master:2 - cgroup cgroup rw,cpu,cpuacct\n",
             top);
    put("/proc/self/mountinfo", line);
    snprintf(line, sizeof line, "4:memory:/elsewhere\n3:cpuset:/\n2:cpu,cpuacct:%s\n", group);
    put("/proc/self/cgroup", line);
}

static void no_cgroup_is_no_limit(void)
{
    clear();
    CU_ASSERT_EQUAL(kith__cgroup_cpus(root), 0);
    version_2("/user.slice");
    CU_ASSERT_EQUAL(kith__cgroup_cpus(root), 0);
}

static void least_quota_up_the_tree_counts(void)
{
    version_2("/a/b/c");
    put("/sys/fs/cgroup/a/b/c/cpu.max", "max 100000\n");
    CU_ASSERT_EQUAL(kith__cgroup_cpus(root), 0);
    put("/sys/fs/cgroup/a/b/cpu.max", "700000 100000\n");
    CU_ASSERT_EQUAL(kith__cgroup_cpus(root), 7);
    put("/sys/fs/cgroup/a/cpu.max", "300000 100000\n");
    CU_ASSERT_EQUAL(kith__cgroup_cpus(root), 3);
    put("/sys/fs/cgroup/a/b/c/cpu.max", "500000 100000\n");
    CU_ASSERT_EQUAL(kith__cgroup_cpus(root), 3);
    put("/sys/fs/cgroup/cpu.max", "200000 100000\n"); /* the top level of a container has one */
    CU_ASSERT_EQUAL(kith__cgroup_cpus(root), 2);
    put("/sys/fs/cgroup/b/cpu.max", "100000 100000\n"); /* not above this process */
    CU_ASSERT_EQUAL(kith__cgroup_cpus(root), 2);
}

static void quota_is_rounded_up_to_at_least_one(void)
{
    static const struct {
        const char *text;
        int cpus;
    } quota[] = { { "50000 100000", 1 },
                  { "1000 100000", 1 },
                  { "100001 100000", 2 },
                  { "250000 100000", 3 },
                  { "max", 0 },
                  { "x y", 0 },
                  { "", 0 },
                  { "0 100000", 0 },
                  { "100000 0", 0 },
                  { "-1 -1", 0 },
                  { "9223372036854775807 1", 0 },
                  { "99999999999999999999 100000", 0 } };

    for (size_t i = 0; i < sizeof quota / sizeof quota[0]; i++) {
        version_2("/");
        put("/sys/fs/cgroup/cpu.max", quota[i].text);
        CU_ASSERT_EQUAL(kith__cgroup_cpus(root), quota[i].cpus);
    }
}

static void version_1_is_read_too(void)
{
    version_1("/", "/slurm/uid_1/job_2");
    put("/sys/fs/cgroup/cpu,cpuacct/slurm/uid_1/job_2/cpu.cfs_quota_us", "-1\n");
    put("/sys/fs/cgroup/cpu,cpuacct/slurm/uid_1/job_2/cpu.cfs_period_us", "100000\n");
    CU_ASSERT_EQUAL(kith__cgroup_cpus(root), 0);
    put("/sys/fs/cgroup/cpu,cpuacct/slurm/cpu.cfs_quota_us", "350000\n");
    CU_ASSERT_EQUAL(kith__cgroup_cpus(root), 0); /* no period, no limit */
    put("/sys/fs/cgroup/cpu,cpuacct/slurm/cpu.cfs_period_us", "100000\n");
    CU_ASSERT_EQUAL(kith__cgroup_cpus(root), 4);
}

static void container_sees_its_part_only(void)
{
    version_1("/docker/f00", "/docker/f00");
    put("/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "200000\n");
    put("/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000\n");
    CU_ASSERT_EQUAL(kith__cgroup_cpus(root), 2);
    version_1("/docker/f00", "/docker/f00/inner");
    put("/sys/fs/cgroup/cpu,cpuacct/inner/cpu.cfs_quota_us", "100000\n");
    put("/sys/fs/cgroup/cpu,cpuacct/inner/cpu.cfs_period_us", "100000\n");
    CU_ASSERT_EQUAL(kith__cgroup_cpus(root), 1);
    version_1("/docker/f00", "/docker/f00bar"); /* a name that only begins alike */
    put("/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "300000\n");
    put("/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000\n");
    put("/sys/fs/cgroup/cpu,cpuacctbar/cpu.cfs_quota_us", "100000\n");
    put("/sys/fs/cgroup/cpu,cpuacctbar/cpu.cfs_period_us", "100000\n");
    CU_ASSERT_EQUAL(kith__cgroup_cpus(root), 3);
    version_2("/../../init.scope"); /* outside of the namespace */
    put("/sys/fs/cgroup/cpu.max", "300000 100000\n");
    CU_ASSERT_EQUAL(kith__cgroup_cpus(root), 3);
}

static void mount_point_with_blanks_is_found(void)
{
    clear();
    put("/proc/self/mountinfo", "30 23 0:26 / /my\\040groups rw - cgroup2 cgroup2 rw\n");
    put("/proc/self/cgroup", "0::/a b\n");
    put("/my groups/a b/cpu.max", "400000 100000\n");
    CU_ASSERT_EQUAL(kith__cgroup_cpus(root), 4);
}

static void damaged_files_are_no_limit(void)
{
    static const char *const bad[] = { "", "\n", ":", "::", "0:", "0::", "x", "0:cpu", "\n\n:::\n" };

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        version_2("/");
        put("/proc/self/cgroup", bad[i]);
        CU_ASSERT_EQUAL(kith__cgroup_cpus(root), 0);
        version_2("/");
        put("/proc/self/mountinfo", bad[i]);
        CU_ASSERT_EQUAL(kith__cgroup_cpus(root), 0);
    }
}

static void slurm_lists_are_read_with_repeats(void)
{
    static const struct {
        const char *list;
        int node, cpus;
    } entry[] = { { "24(x2),16", 0, 24 },
                  { "24(x2),16", 1, 24 },
                  { "24(x2),16", 2, 16 },
                  { "24(x2),16", 3, 0 },
                  { "8", 0, 8 },
                  { "8", 1, 0 },
                  { "40,8", 0, 40 },
                  { "40,8", 1, 8 },
                  { "1,2(x3),5", 3, 2 },
                  { "1,2(x3),5", 4, 5 },
                  { "16(x1000000)", 999999, 16 },
                  { "", 0, 0 },
                  { "x", 0, 0 },
                  { "24(x2", 0, 0 },
                  { "24(x)", 0, 0 },
                  { "24(x0)", 0, 0 },
                  { "24,", 0, 0 },
                  { ",24", 0, 0 },
                  { "24(x2)16", 0, 0 },
                  { "-3", 0, 0 },
                  { "0", 0, 0 },
                  { "99999999999999999999", 0, 0 },
                  { "24(2)", 0, 0 },
                  { "24", -1, 0 } };

    for (size_t i = 0; i < sizeof entry / sizeof entry[0]; i++)
        CU_ASSERT_EQUAL(kith__slurm_entry(entry[i].list, entry[i].node), entry[i].cpus);
}

static void slurm(const char *on_node, const char *per_task, const char *list, const char *tasks,
                  const char *node)
{
    const char *const names[] = { "SLURM_CPUS_ON_NODE", "SLURM_CPUS_PER_TASK", "SLURM_JOB_CPUS_PER_NODE",
                                  "SLURM_TASKS_PER_NODE", "SLURM_NODEID" };
    const char *const values[] = { on_node, per_task, list, tasks, node };

    for (int i = 0; i < 5; i++)
        if (values[i])
            setenv(names[i], values[i], 1);
        else
            unsetenv(names[i]);
}

static void slurm_variables_bound_the_job(void)
{
    slurm(NULL, NULL, NULL, NULL, NULL);
    CU_ASSERT_EQUAL(kith__slurm_cpus(), 0);
    slurm("6", NULL, NULL, NULL, NULL);
    CU_ASSERT_EQUAL(kith__slurm_cpus(), 6);
    slurm("64", "4", "64", "1", "0"); /* a whole node for one task of 4 */
    CU_ASSERT_EQUAL(kith__slurm_cpus(), 4);
    slurm("64", "2", "64(x2)", "2,1", "0"); /* two tasks here */
    CU_ASSERT_EQUAL(kith__slurm_cpus(), 4);
    slurm("64", "2", "64(x2)", "2,1", "1");
    CU_ASSERT_EQUAL(kith__slurm_cpus(), 2);
    slurm(NULL, NULL, "24(x2),16", NULL, "2");
    CU_ASSERT_EQUAL(kith__slurm_cpus(), 16);
    slurm("3", "4", NULL, "8", NULL); /* never more than there are */
    CU_ASSERT_EQUAL(kith__slurm_cpus(), 3);
    slurm("many", "-2", "24(", NULL, NULL);
    CU_ASSERT_EQUAL(kith__slurm_cpus(), 0);
    slurm("16", "4", NULL, "1", NULL);
    setenv("OMPI_COMM_WORLD_LOCAL_SIZE", "3", 1); /* mpirun in an allocation: its ranks count */
    CU_ASSERT_EQUAL(kith__slurm_cpus(), 12);
    unsetenv("OMPI_COMM_WORLD_LOCAL_SIZE");
    slurm("3", "2", "3,24(x2)", "1", "0"); /* the node's, the job's */
    CU_ASSERT_EQUAL(kith__slurm_node_cpus(), 3);
    CU_ASSERT_EQUAL(kith__slurm_job_cpus(), 51);
    slurm(NULL, "2", "3,24(x2)", "1", "1");
    CU_ASSERT_EQUAL(kith__slurm_node_cpus(), 24);
    slurm(NULL, NULL, "3,24(x", NULL, NULL);
    CU_ASSERT_EQUAL(kith__slurm_job_cpus(), 0);
    slurm("1", NULL, NULL, NULL, NULL);
    CU_ASSERT_EQUAL(kith_usable_cpus(), 1);
    slurm(NULL, NULL, NULL, NULL, NULL);
}

static void affinity_bounds_and_names_the_cpus(void)
{
    cpu_set_t before, one;
    int cpus[CPU_SETSIZE], all, last;

    CU_ASSERT_FATAL(sched_getaffinity(0, sizeof before, &before) == 0);
    all = kith__cpu_set(cpus, CPU_SETSIZE);
    CU_ASSERT_EQUAL(all, CPU_COUNT(&before));
    CU_ASSERT(kith_cpu_count() >= 1 && kith_usable_cpus() >= 1 && kith_usable_cpus() <= all);
    for (int i = 0; i < all; i++)
        CU_ASSERT(CPU_ISSET(cpus[i], &before) && (i == 0 || cpus[i] > cpus[i - 1]));
    last = cpus[all - 1];
    CPU_ZERO(&one);
    CPU_SET(last, &one);
    CU_ASSERT_FATAL(sched_setaffinity(0, sizeof one, &one) == 0);
    cpus[0] = -1;
    CU_ASSERT_EQUAL(kith__cpu_set(cpus, 0), 1);
    CU_ASSERT_EQUAL(cpus[0], -1);
    CU_ASSERT_EQUAL(kith__cpu_set(cpus, 1), 1);
    CU_ASSERT_EQUAL(cpus[0], last);
    CU_ASSERT_EQUAL(kith_usable_cpus(), 1);
    sched_setaffinity(0, sizeof before, &before);
}

static void masks_of_large_machines_are_read(void)
{
    int cpus[3];

    large = 1;
    CU_ASSERT_EQUAL(kith__cpu_set(cpus, 3), 3);
    large = 0;
    CU_ASSERT(cpus[0] == 0 && cpus[1] == 1024 && cpus[2] == 4095);
}

static void thread_variables_leave_the_users_alone(void)
{
    unsetenv("OMP_NUM_THREADS");
    setenv("MKL_NUM_THREADS", "9", 1);
    kith__set_thread_variables(3);
    CU_ASSERT_STRING_EQUAL(getenv("OMP_NUM_THREADS"), "3");
    CU_ASSERT_STRING_EQUAL(getenv("OPENBLAS_NUM_THREADS"), "3");
    CU_ASSERT_STRING_EQUAL(getenv("VECLIB_MAXIMUM_THREADS"), "3");
    CU_ASSERT_STRING_EQUAL(getenv("MKL_NUM_THREADS"), "9");
}

/* OpenMP reads its variable when it is loaded: a forked worker comes too late for that. */
static void loaded_openmp_is_told(void)
{
    void *gomp = dlopen("libgomp.so.1", RTLD_NOW | RTLD_GLOBAL), *p;
    int (*max_threads)(void);

    if (!gomp)
        return;
    p = dlsym(gomp, "omp_get_max_threads");
    CU_ASSERT_PTR_NOT_NULL_FATAL(p);
    memcpy(&max_threads, &p, sizeof max_threads);
    unsetenv("OMP_NUM_THREADS");
    kith__set_thread_variables(5);
    CU_ASSERT_EQUAL(max_threads(), 5);
    kith__set_thread_variables(7); /* the variable is there: it stays */
    CU_ASSERT_EQUAL(max_threads(), 5);
}

static struct test tests[] = { TEST(no_cgroup_is_no_limit),
                               TEST(least_quota_up_the_tree_counts),
                               TEST(quota_is_rounded_up_to_at_least_one),
                               TEST(version_1_is_read_too),
                               TEST(container_sees_its_part_only),
                               TEST(mount_point_with_blanks_is_found),
                               TEST(damaged_files_are_no_limit),
                               TEST(slurm_lists_are_read_with_repeats),
                               TEST(slurm_variables_bound_the_job),
                               TEST(affinity_bounds_and_names_the_cpus),
                               TEST(masks_of_large_machines_are_read),
                               TEST(thread_variables_leave_the_users_alone),
                               TEST(loaded_openmp_is_told),
                               TEST_END };

int main(void)
{
    int status;

    snprintf(root, sizeof root, "%.200s/kith-cpus-XXXXXX", getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
    if (!mkdtemp(root))
        return 1;
    status = run_tests("cpus", tests);
    clear();
    rmdir(root);
    return status;
}
