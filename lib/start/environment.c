/* environment.c: see environment.h. */
#include "config.h"
#include "start/environment.h"
#include "base/cpus.h"
#include "base/module.h"
#include "code/image.h"
#include "kith.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *get(const char *name)
{
    return getenv(name);
}

static int has_module(const char *mpi)
{
    char path[PATH_MAX], name[32];

    snprintf(name, sizeof name, "mpi-%s", mpi);
    return kith__module_path(name, path, sizeof path);
}

static size_t read_file(const char *path, char *text, size_t room)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, text, room - 1) : 0;

    if (fd >= 0)
        close(fd);
    text[n > 0 ? n : 0] = '\0';
    return n > 0 ? (size_t)n : 0;
}

int kith__environment_core(int cpu)
{
    char path[96], text[64];

    snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%d/topology/thread_siblings_list", cpu);
    return read_file(path, text, sizeof text) > 0 ? atoi(text) : cpu;
}

/* What the MPI standard lets a program ask before MPI is initialised; from whatever library it is linked
 * with. */
static const char *linked(void)
{
    static char version[16384]; /* more than any MPI's MPI_MAX_LIBRARY_VERSION_STRING */
    void *symbol = dlsym(RTLD_DEFAULT, "MPI_Get_library_version");
    int (*ask)(char *, int *), length = 0;

    if (!symbol)
        return NULL;
    memcpy(&ask, &symbol, sizeof ask);
    if (ask(version, &length) != 0)
        return "";
    if (strncmp(version, "Open MPI", 8) == 0)
        return "openmpi";
    return strncmp(version, "MPICH", 5) == 0 ? "mpich" : "";
}

/* The parent of pid, and its own name; 0: there is none to be seen. */
static pid_t parent_of(pid_t pid, char name[16])
{
    char path[32], text[512], *end;
    int parent = 0;

    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    read_file(path, text, sizeof text);
    end = strrchr(text, ')'); /* a name may hold anything */
    if (!end || !strchr(text, '('))
        return 0;
    *end = '\0';
    snprintf(name, 16, "%s", strchr(text, '(') + 1);
    return sscanf(end + 1, " %*c %d", &parent) == 1 ? parent : 0;
}

static int is_launcher(const char *name)
{
    static const char *const names[] = { "hydra_bstrap_pr", "hydra_pmi_proxy", "mpiexec",   "mpiexec.hydra",
                                         "mpiexec.mpich",   "mpiexec.openmpi", "mpirun",    "mpirun.mpich",
                                         "mpirun.openmpi",  "orted",           "orterun",   "prte",
                                         "prted",           "prterun",         "slurmstepd" };

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(name, names[i]) == 0)
            return 1;
    return 0;
}

static int read_mask(pid_t pid, int cpus[KITH__CPUS])
{
    cpu_set_t set;
    int count = 0;

    if (sched_getaffinity(pid, sizeof set, &set) != 0)
        return 0;
    for (int cpu = 0; cpu < KITH__CPUS; cpu++)
        if (CPU_ISSET(cpu, &set))
            cpus[count++] = cpu;
    return count;
}

/* A shell or a debugger may stand between. */
static void find_launcher(struct kith__environment *a)
{
    char name[16] = "";
    pid_t pid = getppid();

    for (int i = 0; i < 32 && pid > 1; i++) {
        pid_t parent = parent_of(pid, name);

        if (is_launcher(name)) {
            memcpy(a->launcher, name, sizeof name);
            a->launcher_pid = pid;
            a->launcher_cpus = read_mask(pid, a->launcher_set);
            return;
        }
        pid = parent;
    }
}

/* Who was started by one rank has the same name of the job and number of the rank, and the same socket. */
static void name_seat(struct kith__environment *a)
{
    const char *job = getenv("PMIX_NAMESPACE"), *rank = getenv("PMIX_RANK"), *fd = getenv("PMI_FD");
    char path[64], socket[32] = "";
    ssize_t n = 0;

    snprintf(path, sizeof path, "/proc/self/fd/%.10s", fd ? fd : "");
    if (fd)
        n = readlink(path, socket, sizeof socket - 1);
    socket[n > 0 ? n : 0] = '\0';
    if ((job && rank) || socket[0])
        snprintf(a->seat, sizeof a->seat, "%.24s.%.8s,%.24s", job ? job : "", rank ? rank : "", socket);
}

/* The directory lives as long as mpirun, or as Slurm's step; a rank's own one would go with the first
 * program. */
int kith__used_mark(char *path, size_t room)
{
    const char *place = getenv("OMPI_MCA_orte_jobfam_session_dir"), *job = getenv("PMIX_NAMESPACE"),
               *rank = getenv("PMIX_RANK");

    if (!place)
        place = getenv("PMIX_SERVER_TMPDIR");
    if (!place || !job || !rank ||
        snprintf(path, room, "%s/kith-used.%.24s.%.8s", place, job, rank) >= (int)room)
        return -1;
    return 0;
}

static int was_used(void)
{
    char path[PATH_MAX];

    return kith__used_mark(path, sizeof path) == 0 && access(path, F_OK) == 0;
}

/* Such a program has no loader. dlopen finds one all the same, and a second C library with it, which crashes
 * later. */
static int is_static(void)
{
    struct kith__image program;

    if (!kith__image_program(&program))
        return 0;
    for (size_t i = 0; i < program.header_count; i++)
        if (program.headers[i].p_type == PT_INTERP)
            return 0;
    return 1;
}

static int is_launched(void)
{
    static const char *const signs[] = { "OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK", "SLURM_STEP_ID" };

    for (size_t i = 0; i < sizeof signs / sizeof signs[0]; i++)
        if (getenv(signs[i]))
            return 1;
    return 0;
}

void kith__environment_look(struct kith__environment *out)
{
    memset(out, 0, sizeof *out);
    out->get = get;
    out->has_module = has_module;
    out->core = kith__environment_core;
    out->linked = linked();
    out->host = kith_host();
    out->usable = kith_usable_cpus();
    out->cpu_count = kith__cpu_set(out->cpus, KITH__CPUS);
    out->slurm_node = kith__slurm_node_cpus();
    out->slurm_job = kith__slurm_job_cpus();
    if (!is_launched()) /* most programs are not, and need not pay for the rest */
        return;
    out->is_static = is_static();
    find_launcher(out);
    name_seat(out);
    out->used = was_used();
}
