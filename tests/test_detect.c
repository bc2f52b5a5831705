/* test_detect.c: who started a program and what it brings, from an environment that the test makes up; and
 * which CPUs of a job of Slurm a start leaves unused. */
#include "config.h"
#include "check.h"
#include "start/allocation.h"
#include "start/detect.h"

#include <stdlib.h>
#include <string.h>

static char variables[16][64];

static const char *get(const char *name)
{
    size_t n = strlen(name);

    for (int i = 0; i < 16; i++)
        if (strncmp(variables[i], name, n) == 0 && variables[i][n] == '=')
            return variables[i] + n + 1;
    return NULL;
}

/* "A=1 B=2": these and no others. */
static void set(const char *text)
{
    char copy[1024], *save = NULL;
    int n = 0;

    memset(variables, 0, sizeof variables);
    snprintf(copy, sizeof copy, "%s", text);
    for (char *word = strtok_r(copy, " ", &save); word && n < 16; word = strtok_r(NULL, " ", &save))
        snprintf(variables[n++], sizeof variables[0], "%s", word);
}

static int has_module(const char *mpi)
{
    return strcmp(mpi, "openmpi") == 0;
}

static int each_alone(int cpu)
{
    return cpu;
}

static int in_pairs(int cpu)
{
    return cpu & ~1;
}

/* On a machine of 8 CPUs, of which the process may use the first mask, in a job with node CPUs here and job
 * in all. */
static struct kith__launch detect(const char *text, int mask, int node, int job)
{
    struct kith__environment env = {
        .get = get, .has_module = has_module, .core = each_alone, .usable = mask
    };
    struct kith__launch launch;
    int silent;

    set(text);
    snprintf(env.launcher, sizeof env.launcher, "%s", get("SLURM_STEP_ID") ? "slurmstepd" : "mpirun");
    env.cpu_count = mask;
    env.launcher_cpus = 8;
    for (int i = 0; i < 8; i++)
        env.cpus[i] = env.launcher_set[i] = i;
    env.slurm_node = node;
    env.slurm_job = job;
    PASS(kith__launch_from(&launch, &env, &silent));
    return launch;
}

#define RANK(rank, size, here)                                                                        \
    "OMPI_COMM_WORLD_RANK=" #rank " OMPI_COMM_WORLD_SIZE=" #size " OMPI_COMM_WORLD_LOCAL_RANK=" #rank \
    " OMPI_COMM_WORLD_LOCAL_SIZE=" #here " "

static void a_task_has_its_cpus_under_mpirun_too(void)
{
    struct kith__launch l = detect(RANK(0, 1, 1) "SLURM_CPUS_PER_TASK=4", 1, 4, 4);

    CU_ASSERT_EQUAL(l.workers, 4);
    CU_ASSERT_EQUAL(l.cpu_count, 8); /* mpirun's own binding to one core does not count */
    l = detect(RANK(0, 2, 2) "SLURM_CPUS_PER_TASK=4", 1, 8, 8);
    CU_ASSERT_EQUAL(l.workers, 4);
    l = detect(RANK(0, 1, 1), 1, 4, 4); /* the job has tasks of one CPU */
    CU_ASSERT_EQUAL(l.workers, 1);
    CU_ASSERT_EQUAL(l.cpu_count, 8); /* a pool may be opened with more */
    l = detect(RANK(0, 1, 1) "SLURM_CPUS_PER_TASK=4 KITH_WORKERS=2", 1, 4, 4);
    CU_ASSERT_EQUAL(l.workers, 2);
    l = detect("SLURM_STEP_ID=0 SLURM_STEP_NUM_TASKS=1 SLURM_PROCID=0 PMIX_RANK=0 SLURM_CPUS_PER_TASK=4", 8,
               4, 0);
    CU_ASSERT_EQUAL(l.workers, 4);
}

static void ranks_share_what_the_job_has_on_the_node(void)
{
    struct kith__launch l;
    int sum = 0;

    l = detect(RANK(0, 3, 3) "SLURM_CPUS_PER_TASK=4", 1, 4, 4);
    sum += l.workers;
    l = detect(RANK(1, 3, 3) "SLURM_CPUS_PER_TASK=4", 1, 4, 4);
    sum += l.workers;
    l = detect(RANK(2, 3, 3) "SLURM_CPUS_PER_TASK=4", 1, 4, 4);
    sum += l.workers;
    CU_ASSERT_EQUAL(sum, 4);
    l = detect(RANK(5, 6, 6) "SLURM_CPUS_PER_TASK=4", 1, 4, 4);
    CU_ASSERT_EQUAL(l.workers, 1);
}

/* srun of 22.05 and later does not know the --cpus-per-task of sbatch; the variable stays, the mask tells. */
static void a_task_that_srun_binds_to_less_has_less(void)
{
    struct kith__launch l = detect(
        "SLURM_STEP_ID=0 SLURM_STEP_NUM_TASKS=1 SLURM_PROCID=0 PMIX_RANK=0 SLURM_CPUS_PER_TASK=4", 1, 4, 0);

    CU_ASSERT_EQUAL(l.workers, 1);
}

static void binding_on_request_counts_more(void)
{
    struct kith__launch l =
        detect(RANK(0, 1, 1) "SLURM_CPUS_PER_TASK=4 OMPI_MCA_hwloc_base_binding_policy=core "
                             "OMPI_MCA_orte_bound_at_launch=1",
               2, 4, 4);

    CU_ASSERT_EQUAL(l.workers, 2);
    CU_ASSERT_EQUAL(l.cpu_count, 2);
}

/* ---- what is left */

/* nodes of given CPUs each, with ranks of workers each. */
static struct kith__ranks make(int nodes, int given, int ranks, int workers, struct kith__rank *all)
{
    struct kith__ranks out = { .size = nodes * ranks, .locals = ranks, .all = all };

    for (int i = 0; i < out.size; i++)
        all[i] = (struct kith__rank){
            .node = i / ranks, .local = i % ranks, .workers = workers, .given = given, .threads = 1
        };
    return out;
}

static int unused(struct kith__launch l, const struct kith__ranks *ranks)
{
    int given;

    return kith__allocation_unused(&l, ranks, &given);
}

static void cpus_that_no_worker_uses_are_counted(void)
{
    struct kith__rank all[16];
    struct kith__ranks ranks = make(1, 4, 1, 1, all);
    struct kith__launch l = detect(RANK(0, 1, 1), 1, 4, 4);

    CU_ASSERT_EQUAL(unused(l, &ranks), 3);
    ranks = make(1, 4, 2, 2, all);
    CU_ASSERT_EQUAL(unused(l, &ranks), 0);
    ranks = make(1, 4, 4, 3, all); /* too many are not the business of this */
    CU_ASSERT_EQUAL(unused(l, &ranks), 0);
    ranks = make(2, 4, 1, 1, all);
    CU_ASSERT_EQUAL(unused(detect(RANK(0, 2, 1), 1, 4, 8), &ranks), 6);
    ranks = make(1, 4, 4, 1, all); /* a whole node of the job has no rank */
    CU_ASSERT_EQUAL(unused(detect(RANK(0, 4, 4), 1, 4, 8), &ranks), 4);
}

static void two_threads_of_a_core_are_used_by_one_worker(void)
{
    struct kith__rank all[16];
    struct kith__ranks ranks = make(1, 8, 4, 1, all);
    struct kith__environment env = {
        .get = get, .has_module = has_module, .core = in_pairs, .cpu_count = 8, .slurm_node = 8
    };
    struct kith__launch l;
    int silent;

    for (int i = 0; i < 8; i++)
        env.cpus[i] = i;
    set(RANK(0, 4, 4));
    PASS(kith__launch_from(&l, &env, &silent));
    CU_ASSERT_EQUAL(l.threads, 2);
    for (int i = 0; i < 4; i++)
        all[i].threads = l.threads;
    CU_ASSERT_EQUAL(unused(l, &ranks), 0);
}

static void who_wants_it_so_is_not_told(void)
{
    struct kith__rank all[16];
    struct kith__ranks ranks = make(1, 4, 1, 1, all);

    CU_ASSERT_EQUAL(unused(detect(RANK(0, 1, 1) "KITH_WORKERS=1", 1, 4, 4), &ranks), 0);
    CU_ASSERT_EQUAL(unused(detect("KITH_LAUNCH=none", 4, 4, 8), &ranks), 0);
    CU_ASSERT_EQUAL(unused(detect(RANK(0, 1, 1), 1, 0, 0), &ranks), 0); /* no job */
}

/* By hand in a batch script: all of this node, and nothing of the others. In a step of srun the others are
 * somebody else's. */
static void by_hand_other_nodes_are_unused(void)
{
    struct kith__ranks none = { .size = 1 };

    CU_ASSERT_EQUAL(unused(detect("", 4, 4, 4), &none), 0);
    CU_ASSERT_EQUAL(unused(detect("", 4, 4, 12), &none), 8);
    CU_ASSERT_EQUAL(unused(detect("", 2, 4, 4), &none), 0); /* taskset: on purpose */
    CU_ASSERT_EQUAL(unused(detect("SLURM_STEP_ID=0 SLURM_STEP_NUM_TASKS=1", 4, 4, 12), &none), 0);
}

static struct test tests[] = { TEST(a_task_has_its_cpus_under_mpirun_too),
                               TEST(ranks_share_what_the_job_has_on_the_node),
                               TEST(a_task_that_srun_binds_to_less_has_less),
                               TEST(binding_on_request_counts_more),
                               TEST(cpus_that_no_worker_uses_are_counted),
                               TEST(two_threads_of_a_core_are_used_by_one_worker),
                               TEST(who_wants_it_so_is_not_told),
                               TEST(by_hand_other_nodes_are_unused),
                               TEST_END };

int main(void)
{
    return run_tests("detect", tests);
}
