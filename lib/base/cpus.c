/* cpus.c: see cpus.h. */
#include "config.h"
#include "base/cpus.h"
#include "base/cgroup.h"
#include "kith.h"

#include <dlfcn.h>
#include <link.h>
#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int kith_cpu_count(void)
{
    long n = sysconf(_SC_NPROCESSORS_ONLN);

    return n > 0 && n <= INT_MAX ? (int)n : 1;
}

/* ---- affinity */

/* The kernel refuses a mask that is smaller than its own, so it grows. NULL: not to be had. */
static cpu_set_t *affinity(size_t *size)
{
    for (int cpus = 1024; cpus <= 1 << 20; cpus *= 2) {
        cpu_set_t *set = CPU_ALLOC(cpus);

        *size = CPU_ALLOC_SIZE(cpus);
        if (!set)
            return NULL;
        if (sched_getaffinity(0, *size, set) == 0)
            return set;
        CPU_FREE(set);
        if (errno != EINVAL)
            return NULL;
    }
    return NULL;
}

int kith__cpu_set(int *cpus, int room)
{
    size_t size;
    cpu_set_t *set = affinity(&size);
    int count = 0;

    for (int i = 0; set && i < (int)size * 8; i++)
        if (CPU_ISSET_S(i, size, set)) {
            if (count < room)
                cpus[count] = i;
            count++;
        }
    if (set)
        CPU_FREE(set);
    for (; !set && count < kith_cpu_count(); count++)
        if (count < room)
            cpus[count] = count;
    return count;
}

/* ---- cgroups */

static int read_line(const char *directory, const char *file, char *line, int room)
{
    char path[2 * PATH_MAX + 32];
    int done;
    FILE *f;

    snprintf(path, sizeof path, "%s/%s", directory, file);
    f = fopen(path, "re");
    if (!f)
        return 0;
    done = fgets(line, room, f) != NULL;
    fclose(f);
    return done;
}

/* Microseconds of CPU time in each period: v2 "150000 100000" in one file, "max …" for no limit; v1 two
 * files, -1 for no limit. */
static void least_quota(const char *directory, int version, void *arg)
{
    long long quota = -1, period = 0, cpus;
    int *least = arg;
    char line[64];

    if (version == 2) {
        if (!read_line(directory, "cpu.max", line, sizeof line) ||
            sscanf(line, "%lld %lld", &quota, &period) != 2)
            return;
    } else {
        if (!read_line(directory, "cpu.cfs_quota_us", line, sizeof line) ||
            sscanf(line, "%lld", &quota) != 1 ||
            !read_line(directory, "cpu.cfs_period_us", line, sizeof line) ||
            sscanf(line, "%lld", &period) != 1)
            return;
    }
    if (quota <= 0 || period <= 0)
        return;
    cpus = quota / period + (quota % period != 0);
    if (cpus < INT_MAX && (*least == 0 || cpus < *least))
        *least = (int)cpus;
}

int kith__cgroup_cpus(const char *root)
{
    int least = 0;

    kith__cgroups(root, "cpu", least_quota, &least);
    return least;
}

/* ---- Slurm */

/* A positive number at *text, which is moved behind it; 0: there is none. */
static int number(const char **text)
{
    char *end;
    long n;

    if (**text < '0' || **text > '9')
        return 0;
    errno = 0;
    n = strtol(*text, &end, 10);
    *text = end;
    return errno == 0 && n <= INT_MAX ? (int)n : 0;
}

/* The entry for node, and the sum of all; 0: there is no such entry, or it is no such list. */
static int read_list(const char *list, int node, long long *sum)
{
    int found = 0;

    *sum = 0;
    for (const char *at = list;; at++) {
        int value = number(&at), times = 1;

        if (value == 0)
            break;
        if (strncmp(at, "(x", 2) == 0) {
            at += 2;
            times = number(&at);
            if (times == 0 || *at++ != ')')
                break;
        }
        if (node >= 0 && node < times)
            found = value;
        node -= node < times ? node + 1 : times; /* found: negative from now on */
        *sum += (long long)value * times;
        if (*at == '\0')
            return found;
        if (*at != ',')
            break;
    }
    *sum = 0;
    return 0;
}

int kith__slurm_entry(const char *list, int node)
{
    long long sum;

    return read_list(list, node, &sum);
}

/* 0: the variable is not set, or is no positive number. */
static int variable(const char *name)
{
    const char *text = getenv(name);
    int value = text ? number(&text) : 0;

    return text && *text == '\0' ? value : 0;
}

static int entry(const char *name, int node)
{
    const char *list = getenv(name);

    return list ? kith__slurm_entry(list, node) : 0;
}

/* Ranks of this job on this node: as mpirun or mpiexec say, who may have been started by one Slurm task. */
static int tasks_here(int node)
{
    static const char *const names[] = { "OMPI_COMM_WORLD_LOCAL_SIZE", "MPI_LOCALNRANKS" };
    int n = 0;

    for (size_t i = 0; n == 0 && i < sizeof names / sizeof names[0]; i++)
        n = variable(names[i]);
    if (n == 0)
        n = entry("SLURM_STEP_TASKS_PER_NODE", node);
    if (n == 0)
        n = entry("SLURM_TASKS_PER_NODE", node);
    return n ? n : 1;
}

static int node_number(void)
{
    return variable("SLURM_NODEID"); /* 0 where it is not set */
}

int kith__slurm_node_cpus(void)
{
    int here = variable("SLURM_CPUS_ON_NODE");

    return here ? here : entry("SLURM_JOB_CPUS_PER_NODE", node_number());
}

int kith__slurm_job_cpus(void)
{
    const char *list = getenv("SLURM_JOB_CPUS_PER_NODE");
    long long sum = 0;

    if (list)
        read_list(list, 0, &sum);
    return sum <= INT_MAX ? (int)sum : 0;
}

int kith__slurm_cpus(void)
{
    int here = kith__slurm_node_cpus(), per_task = variable("SLURM_CPUS_PER_TASK");
    long long by_tasks = (long long)per_task * tasks_here(node_number());

    if (per_task == 0 || (here != 0 && by_tasks > here))
        return here;
    return by_tasks < INT_MAX ? (int)by_tasks : 0;
}

int kith__given_cpus(void)
{
    int of_cgroup = kith__cgroup_cpus(""), of_slurm = kith__slurm_node_cpus();

    return of_slurm == 0 || (of_cgroup > 0 && of_cgroup < of_slurm) ? of_cgroup : of_slurm;
}

/* ---- what is used */

int kith_usable_cpus(void)
{
    int cpus = kith__cpu_set(NULL, 0), limits[] = { kith__cgroup_cpus(""), kith__slurm_cpus() };

    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++)
        if (limits[i] > 0 && limits[i] < cpus)
            cpus = limits[i];
    return cpus > 0 ? cpus : 1;
}

enum { LIBRARIES = 6 };

/* Libraries that are loaded already have read their variables: these are told by a call. */
static const struct {
    const char *variable, *function;
} libraries[LIBRARIES] = { { "OMP_NUM_THREADS", "omp_set_num_threads" }, /* the others follow it in part */
                           { "OPENBLAS_NUM_THREADS", "openblas_set_num_threads" },
                           { "MKL_NUM_THREADS", "MKL_Set_Num_Threads" },
                           { "BLIS_NUM_THREADS", NULL }, /* its function takes another type */
                           { "NUMEXPR_NUM_THREADS", NULL },
                           { "VECLIB_MAXIMUM_THREADS", NULL } };

static struct {
    unsigned long long loads; /* so many files had been loaded then; 0: never */
    void (*set[LIBRARIES])(int);
} found;

static int count_loads(struct dl_phdr_info *info, size_t size, void *loads)
{
    (void)size;
    *(unsigned long long *)loads = info->dlpi_adds;
    return 1;
}

void kith__find_thread_functions(void)
{
    unsigned long long loads = 0;

    dl_iterate_phdr(count_loads, &loads);
    if (loads == found.loads)
        return;
    for (size_t i = 0; i < LIBRARIES; i++) {
        void *p = libraries[i].function ? dlsym(RTLD_DEFAULT, libraries[i].function) : NULL;

        memcpy(&found.set[i], &p, sizeof p);
    }
    found.loads = loads;
}

/* Not by setenv: another thread of the program may have had its lock when this process was forked. */
static void add_to_environment(char *const *added, size_t count)
{
    static char **volatile kept; /* for leak checkers, when a later setenv puts another in its place */
    size_t n = 0;
    char **all;

    while (environ && environ[n])
        n++;
    if (!(all = malloc((n + count + 1) * sizeof *all)))
        return;
    if (n)
        memcpy(all, environ, n * sizeof *all);
    memcpy(all + n, added, count * sizeof *all);
    all[n + count] = NULL;
    free(kept); /* of an earlier call; nobody has it any more */
    environ = kept = all;
}

void kith__set_thread_variables(int cores)
{
    static char text[LIBRARIES][48];
    char *added[LIBRARIES];
    size_t count = 0;

    kith__find_thread_functions();
    for (size_t i = 0; i < LIBRARIES; i++) {
        if (getenv(libraries[i].variable))
            continue;
        snprintf(text[i], sizeof text[i], "%s=%d", libraries[i].variable, cores > 0 ? cores : 1);
        added[count++] = text[i];
        if (found.set[i])
            found.set[i](cores > 0 ? cores : 1);
    }
    add_to_environment(added, count);
}
