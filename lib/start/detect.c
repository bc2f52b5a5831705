/* detect.c: see detect.h.
 *
 * The environment alone tells a launcher: each leaves variables of its own. Some of them stay in the
 * environment of whatever a rank starts, so a rank leaves the name of its seat there: who finds it and is
 * another process is alone.
 */
#include "config.h"
#include "start/detect.h"
#include "base/cpus.h"
#include "base/error.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char seat_variable[] = "KITH_SEAT", srun[] = "srun";

static const struct {
    const char *module, *title, *cure;
} mpis[] = { { "openmpi", "Open MPI", "mpirun of Open MPI (mpirun.openmpi on Debian)" },
             { "mpich", "MPICH", "mpiexec of MPICH (mpiexec.mpich on Debian)" } };
enum { MPIS = sizeof mpis / sizeof mpis[0] };

/* Launchers of other MPIs, and the variable in which they tell each rank its number. */
static const struct {
    const char *rank, *launcher;
} strangers[] = { { "MV2_COMM_WORLD_RANK", "the mpirun of MVAPICH" },
                  { "PALS_RANKID", "mpiexec of PALS" },
                  { "ALPS_APP_PE", "aprun" },
                  { "JSM_NAMESPACE_RANK", "jsrun" } };

static int mpi_index(const char *name)
{
    for (int i = 0; i < MPIS; i++)
        if (strcmp(mpis[i].module, name) == 0)
            return i;
    return -1;
}

/* The number in a variable; otherwise, when it is not set or holds something else. */
static long number(const struct kith__environment *a, const char *name, long otherwise)
{
    const char *text = a->get(name);
    char *end;
    long n;

    if (!text || text[0] < '0' || text[0] > '9')
        return otherwise;
    errno = 0;
    n = strtol(text, &end, 10);
    return *end == '\0' && errno == 0 ? n : otherwise;
}

static int small(const struct kith__environment *a, const char *name, int otherwise)
{
    long n = number(a, name, otherwise);

    return n <= INT_MAX ? (int)n : otherwise;
}

int kith__launch_speaks(const struct kith__launch *launch)
{
    return launch->rank == 0 || launch->local_rank == 0;
}

/* ---- which launcher */

static int is_openmpi(const struct kith__environment *a)
{
    return number(a, "OMPI_COMM_WORLD_RANK", -1) >= 0 && number(a, "OMPI_COMM_WORLD_SIZE", 0) > 0;
}

static int is_hydra(const struct kith__environment *a)
{
    return number(a, "PMI_RANK", -1) >= 0 && (a->get("PMI_FD") || a->get("PMI_PORT"));
}

static void from_openmpi(struct kith__launch *l, const struct kith__environment *a)
{
    l->mpi = "openmpi";
    l->launcher = "mpirun of Open MPI";
    l->by_mpirun = 1;
    l->rank = small(a, "OMPI_COMM_WORLD_RANK", 0);
    l->size = small(a, "OMPI_COMM_WORLD_SIZE", 0);
    l->local_rank = small(a, "OMPI_COMM_WORLD_LOCAL_RANK", -1);
    l->local_size = small(a, "OMPI_COMM_WORLD_LOCAL_SIZE", 0);
}

static int tasks_of_step(const struct kith__environment *a)
{
    return small(a, "SLURM_STEP_NUM_TASKS", 0);
}

static void from_slurm(struct kith__launch *l, const struct kith__environment *a)
{
    const char *tasks = a->get("SLURM_STEP_TASKS_PER_NODE");

    l->launcher = srun;
    l->size = tasks_of_step(a);
    l->local_rank = small(a, "SLURM_LOCALID", -1);
    l->local_size = tasks ? kith__slurm_entry(tasks, small(a, "SLURM_NODEID", 0)) : 0;
}

static void from_hydra(struct kith__launch *l, const struct kith__environment *a)
{
    if (a->get("SLURM_STEP_ID") && strncmp(a->launcher, "hydra", 5) != 0) {
        from_slurm(l, a);
    } else {
        l->launcher = "mpiexec of MPICH";
        l->local_rank = small(a, "MPI_LOCALRANKID", -1);
        l->local_size = small(a, "MPI_LOCALNRANKS", 0);
    }
    l->mpi = "mpich";
    l->rank = small(a, "PMI_RANK", 0);
    l->size = small(a, "PMI_SIZE", 0);
}

/* PMIx without the variables of mpirun: srun --mpi=pmix. */
static void from_pmix(struct kith__launch *l, const struct kith__environment *a)
{
    from_slurm(l, a);
    if (!a->get("SLURM_STEP_ID"))
        l->launcher = "a launcher with PMIx";
    l->mpi = "openmpi";
    l->rank = small(a, "PMIX_RANK", 0);
}

/* Steps of srun have numbers; batch scripts and interactive shells have none, or one from the top of the
 * range. */
static int is_in_step(const struct kith__environment *a)
{
    return number(a, "SLURM_STEP_ID", LONG_MAX) < 0xfffffff0L && tasks_of_step(a) > 0;
}

static int is_within_rank(const struct kith__environment *a)
{
    const char *seat = a->get(seat_variable);

    return seat && a->seat[0] && strcmp(seat, a->seat) == 0;
}

/* 1: there is one; *out says which. */
static int detect(struct kith__launch *l, const struct kith__environment *a)
{
    int openmpi = is_openmpi(a), hydra = is_hydra(a);

    if (l->within)
        return 0;
    if (openmpi && hydra) /* one was started by the other: the nearer one counts */
        openmpi = strncmp(a->launcher, "hydra", 5) != 0;
    if (openmpi)
        from_openmpi(l, a);
    else if (hydra)
        from_hydra(l, a);
    else if (number(a, "PMIX_RANK", -1) >= 0)
        from_pmix(l, a);
    else
        return 0;
    return 1;
}

/* ---- what cannot work */

static int refuse_stranger(const struct kith__environment *a, int *silent)
{
    for (size_t i = 0; i < sizeof strangers / sizeof strangers[0]; i++) {
        long rank = number(a, strangers[i].rank, -1);

        if (rank < 0)
            continue;
        *silent = rank > 0;
        return kith__fail(
            KITH_EPEER,
            "%s started this program, but kith works with Open MPI and MPICH only; start it with the mpirun "
            "of one of these, or set KITH_LAUNCH=none for a job of one process each",
            strangers[i].launcher);
    }
    return 0;
}

static int refuse_bare_srun(const struct kith__environment *a, int *silent)
{
    *silent = number(a, "SLURM_PROCID", 0) > 0;
    return kith__fail(KITH_EPEER,
                      "srun started %d tasks that do not know of each other: use srun --mpi=%s (srun "
                      "--mpi=list shows what is "
                      "there), or mpirun inside the allocation",
                      tasks_of_step(a), a->has_module("openmpi") ? "pmix" : "pmi2");
}

/* The launcher, and where it is when the program has called it itself and nobody else chose it. */
static const char *starter(const struct kith__launch *l, const struct kith__environment *a,
                           char text[PATH_MAX])
{
    const char *called = a->get(KITH__RERUN);

    if (!called)
        return l->launcher;
    snprintf(text, PATH_MAX, "%s (%s, which the program has called)", l->launcher, called);
    return text;
}

static int refuse_unlinked(const struct kith__launch *l, const struct kith__environment *a)
{
    int linked = mpi_index(a->linked);
    char text[PATH_MAX];

    if (linked < 0)
        return kith__fail(
            KITH_EPEER,
            "this program is linked with an MPI that kith does not know; it works with Open MPI and MPICH");
    return kith__fail(KITH_EPEER, "%s started this program, which is linked with %s: start it with %s",
                      starter(l, a, text), mpis[linked].title, mpis[linked].cure);
}

static int refuse_missing(const struct kith__launch *l, const struct kith__environment *a)
{
    int wanted = mpi_index(l->mpi), other = -1;
    char text[PATH_MAX];

    for (int i = 0; i < MPIS; i++)
        if (i != wanted && a->has_module(mpis[i].module))
            other = i;
    if (other < 0)
        return kith__fail(
            KITH_EPEER,
            "%s started this program, but kith has no module for any MPI: rebuild it after apt install "
            "libopenmpi-dev openmpi-bin, or set KITH_MODULES to where kith-mpi-%s.so is",
            l->launcher, l->mpi);
    if (strcmp(l->launcher, srun) == 0)
        return kith__fail(
            KITH_EPEER,
            "srun started this program with PMI for %s, but kith was built for %s: use srun --mpi=%s",
            mpis[wanted].title, mpis[other].title, other == 0 ? "pmix" : "pmi2");
    return kith__fail(KITH_EPEER, "%s started this program, but kith was built for %s: start it with %s",
                      starter(l, a, text), mpis[other].title, mpis[other].cure);
}

/* Another host than that of rank 0, where it may be there. mpirun hands on no variables. */
static int refuse_missing_there(const struct kith__launch *l, const struct kith__environment *a)
{
    return kith__fail(
        KITH_EPEER,
        "kith on %s has no module for %s: install the packages there that rank 0's host has, or pass "
        "KITH_MODULES on (kith run does, or mpirun -x KITH_MODULES)",
        a->host, mpis[mpi_index(l->mpi)].title);
}

static int check_module(const struct kith__launch *l, const struct kith__environment *a, int *silent)
{
    *silent = l->rank > 0;
    if (a->is_static)
        return kith__fail(
            KITH_EPEER,
            "%s started this program, which is linked with -static and so cannot load MPI: link it without, "
            "only libkith.a may be static",
            l->launcher);
    if (a->linked && strcmp(a->linked, l->mpi) != 0)
        return refuse_unlinked(l, a);
    if (!a->has_module(l->mpi)) {
        *silent = !kith__launch_speaks(l);
        return l->rank > 0 ? refuse_missing_there(l, a) : refuse_missing(l, a);
    }
    if (a->used && strcmp(l->mpi, "openmpi") == 0)
        return kith__fail(
            KITH_EPEER,
            "a program of kith has run in these ranks before, and Open MPI starts only one in each: "
            "give each program an %s of its own",
            strcmp(l->launcher, srun) == 0 ? srun : "mpirun");
    *silent = 0;
    return 0;
}

/* ---- what it brings */

/* Open MPI binds to a core when there are up to two ranks and to a socket when there are more, unless the
 * user says something else. Only then are the CPUs meant for this rank. */
static int was_binding_asked_for(const struct kith__environment *a)
{
    static const char *const always[] = {
        "OMPI_MCA_hwloc_base_binding_policy", "OMPI_MCA_hwloc_base_cpu_list",
        "OMPI_MCA_hwloc_base_slot_list",      "OMPI_MCA_orte_rankfile",
        "OMPI_MCA_rmaps_rank_file_path",      "OMPI_MCA_rmaps_base_cpus_per_proc",
        "OMPI_MCA_rmaps_base_cpus_per_rank",  "PRTE_MCA_hwloc_default_binding_policy",
        "PRTE_MCA_hwloc_default_cpu_list",    "PRTE_MCA_rmaps_default_rankfile"
    };
    static const char *const by_map[] = { "OMPI_MCA_rmaps_base_mapping_policy",
                                          "PRTE_MCA_rmaps_default_mapping_policy" };

    for (size_t i = 0; i < sizeof always / sizeof always[0]; i++)
        if (a->get(always[i]))
            return 1;
    for (size_t i = 0; i < sizeof by_map / sizeof by_map[0]; i++)
        if (a->get(by_map[i]) && strcasestr(a->get(by_map[i]), "pe="))
            return 1;
    return 0;
}

/* A mask that is the launcher's own binds nobody; but the word of mpirun or mpiexec counts where it binds to
 * all that there is. */
static int is_bound(const struct kith__launch *l, const struct kith__environment *a)
{
    int narrower = a->launcher_cpus == 0 || a->cpu_count < a->launcher_cpus;

    if (l->by_mpirun)
        return was_binding_asked_for(a) &&
               (a->get("OMPI_MCA_orte_bound_at_launch") || (a->launcher_cpus && narrower));
    if (strncmp(a->launcher, "hydra", 5) == 0 && a->get("HYDRA_USER_PROVIDED_BINDING"))
        return 1;
    return a->launcher_cpus && narrower;
}

int kith__cpus_by_core(const int *in, int count, int (*core)(int cpu), int *out)
{
    int cores = 0, used = 0, of[KITH__CPUS];

    for (int i = 0; i < count; i++)
        of[i] = core(in[i]);
    for (int i = 0; i < count; i++) {
        int mine = of[i];

        cores += mine >= 0;
        for (int k = i; mine >= 0 && k < count; k++)
            if (of[k] == mine) {
                out[used++] = in[k];
                of[k] = -1;
            }
    }
    return cores > 0 ? cores : 1;
}

static int is_by_srun(const struct kith__launch *l, const struct kith__environment *a)
{
    return is_in_step(a) && (!l->launcher || strcmp(l->launcher, srun) == 0);
}

/* The workers of a rank in a job of Slurm in which a task has CPUs of its own; 0: it is no such job. srun
 * gives each task its CPUs, and binds it to fewer when it was not told (from 22.05 on it does not take the
 * number over from sbatch). mpirun may start other ranks than Slurm has tasks: then they share what the job
 * has on the node. */
static int workers_of_task(const struct kith__launch *l, const struct kith__environment *a)
{
    int per_task = small(a, "SLURM_CPUS_PER_TASK", 0), share;

    if (is_by_srun(l, a))
        return l->bound && l->cpu_count < per_task ? 0 : per_task;
    if (l->kind == KITH__ALONE || l->bound || per_task == 0 || a->slurm_node == 0 || l->local_size <= 0)
        return 0;
    share = a->slurm_node / l->local_size + (l->local_rank < a->slurm_node % l->local_size);
    return share < per_task ? share : per_task;
}

static void count_workers(struct kith__launch *l, const struct kith__environment *a)
{
    int of_task;

    l->bound = l->kind == KITH__MPI && is_bound(l, a);
    l->usable = a->usable;
    l->cpu_count = a->cpu_count < KITH__CPUS ? a->cpu_count : KITH__CPUS;
    memcpy(l->cpus, a->cpus, (size_t)l->cpu_count * sizeof l->cpus[0]);
    l->workers = l->bound ? kith__cpus_by_core(a->cpus, l->cpu_count, a->core, l->cpus) : 1;
    if ((of_task = workers_of_task(l, a)) > 0)
        l->workers = of_task;
    else if (l->kind == KITH__ALONE)
        l->workers = a->usable;
}

/* mpirun binds one or two ranks to a core each by its own choice. Their workers may use what mpirun itself
 * may. */
static void widen_cpus(struct kith__launch *l, const struct kith__environment *a)
{
    if (!l->by_mpirun || l->bound || a->launcher_cpus <= l->cpu_count)
        return;
    l->cpu_count = a->launcher_cpus;
    memcpy(l->cpus, a->launcher_set, (size_t)l->cpu_count * sizeof l->cpus[0]);
}

/* What a rank has started, and who wants to be alone, does not mean to use the whole job. */
static void read_given(struct kith__launch *l, const struct kith__environment *a)
{
    const char *wish = a->get("KITH_LAUNCH");
    int cpus[KITH__CPUS], all = a->launcher_cpus > 0 ? a->launcher_cpus : l->cpu_count;

    if (l->within || a->slurm_node == 0 || (wish && strcmp(wish, "none") == 0))
        return;
    l->given_node = a->slurm_node;
    l->given_job = is_by_srun(l, a) ? 0 : a->slurm_job;
    l->given_tasks = small(a, "SLURM_NTASKS", 0);
    l->threads =
        all / kith__cpus_by_core(a->launcher_cpus > 0 ? a->launcher_set : l->cpus, all, a->core, cpus);
}

static int read_workers(struct kith__launch *l, const struct kith__environment *a)
{
    const char *text = a->get("KITH_WORKERS");
    long n = number(a, "KITH_WORKERS", -1);

    if (!text || !text[0])
        return 0;
    if (n < 1 || n > 1000000)
        return kith__fail(KITH_EINVAL, "KITH_WORKERS is \"%s\": it takes a number, 1 or more", text);
    l->workers = (int)n;
    l->workers_given = 1;
    return 0;
}

/* ---- all together */

static int find_launcher(struct kith__launch *l, const struct kith__environment *a, int *silent)
{
    const char *wish = a->get("KITH_LAUNCH");
    int found, rc;

    if (wish && strcmp(wish, "none") == 0)
        return 0;
    l->within = is_within_rank(a);
    found = detect(l, a);
    if (wish && wish[0]) {
        int i = mpi_index(wish);

        *silent = i < 0 && l->rank > 0;
        if (i < 0)
            return kith__fail(KITH_EINVAL, "KITH_LAUNCH is \"%s\": it takes none, openmpi or mpich", wish);
        l->mpi = mpis[i].module;
        if (!found) { /* only MPI knows how many there are */
            l->launcher = mpis[i].title;
            l->size = 0;
        }
    } else if (!found) {
        if (l->within)
            return 0;
        if ((rc = refuse_stranger(a, silent)) < 0)
            return rc;
        return is_in_step(a) && tasks_of_step(a) > 1 ? refuse_bare_srun(a, silent) : 0;
    }
    l->kind = KITH__MPI;
    l->launcher_pid = a->launcher_pid;
    return check_module(l, a, silent);
}

/* What a program that is alone would call MPI of. */
static const char *own_mpi(const struct kith__environment *a)
{
    if (a->linked)
        return mpi_index(a->linked) >= 0 ? mpis[mpi_index(a->linked)].module : NULL;
    for (int i = 0; i < MPIS; i++)
        if (a->has_module(mpis[i].module))
            return mpis[i].module;
    return NULL;
}

int kith__launch_from(struct kith__launch *out, const struct kith__environment *env, int *silent)
{
    int rc;

    memset(out, 0, sizeof *out);
    *silent = 0;
    out->size = 1;
    out->local_rank = -1;
    if ((rc = find_launcher(out, env, silent)) < 0)
        return rc;
    if (out->kind == KITH__ALONE)
        out->mpi = own_mpi(env);
    count_workers(out, env);
    if ((rc = read_workers(out, env)) < 0)
        *silent = !kith__launch_speaks(out);
    widen_cpus(out, env);
    read_given(out, env);
    return rc;
}

int kith__launch_read(struct kith__launch *out, int *silent)
{
    struct kith__environment env;
    int rc;

    kith__environment_look(&env);
    rc = kith__launch_from(out, &env, silent);
    if (rc == 0 && out->kind == KITH__MPI && env.seat[0])
        setenv(seat_variable, env.seat, 1);
    return rc;
}
