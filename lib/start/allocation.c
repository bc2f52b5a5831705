/* allocation.c: see allocation.h. */
#include "config.h"
#include "start/allocation.h"
#include "base/error.h"
#include "base/log.h"

#include <stdio.h>
#include <string.h>

/* Of the node that rank leader leads: CPUs that its workers use, at most those that it has. */
static int used_on(const struct kith__ranks *ranks, int leader)
{
    const struct kith__rank *all = ranks->all;
    long used = 0;

    for (int i = leader; i < ranks->size; i++)
        if (all[i].node == all[leader].node)
            used += (long)all[i].workers * (all[leader].threads > 0 ? all[leader].threads : 1);
    return used < all[leader].given ? (int)used : all[leader].given;
}

int kith__allocation_unused(const struct kith__launch *launch, const struct kith__ranks *ranks, int *given)
{
    int used = 0, there = 0;

    *given = 0;
    if (launch->given_node == 0 || launch->workers_given)
        return 0;
    if (launch->kind == KITH__ALONE)
        used = there = launch->given_node; /* what this process may not use was taken from it on purpose */
    for (int i = 0; launch->kind == KITH__MPI && i < ranks->size; i++) {
        if (ranks->all[i].local != 0)
            continue;
        if (ranks->all[i].given == 0) /* not by Slurm, but by ssh */
            return 0;
        used += used_on(ranks, i);
        there += ranks->all[i].given;
    }
    *given = launch->given_job > there ? launch->given_job : there;
    return *given - used;
}

void kith__allocation_tell(const struct kith__launch *launch, const struct kith__ranks *ranks)
{
    int given, unused = kith__allocation_unused(launch, ranks, &given), here = launch->given_node;
    int per_task = launch->kind == KITH__MPI && ranks->locals > 0 ? here / ranks->locals : here;
    char cure[160];

    if (unused <= 0)
        return;
    if (launch->kind == KITH__ALONE)
        snprintf(cure, sizeof cure,
                 "this process is on one node of several: start the program with mpirun or srun");
    else if (strcmp(launch->launcher, "srun") == 0)
        snprintf(cure, sizeof cure, "srun --cpus-per-task=%d, or KITH_WORKERS=%d, uses them", per_task, here);
    else if (launch->given_tasks > ranks->size)
        snprintf(cure, sizeof cure, "start %d ranks, as mpirun and kith run do without -n",
                 launch->given_tasks);
    else
        snprintf(cure, sizeof cure, "sbatch --cpus-per-task=%d or --ntasks=%d, or KITH_WORKERS=%d, uses them",
                 per_task, given, here);
    kith__notice("%d of the %d CPUs of this Slurm job %s no worker: %s (KITH_LOG=error silences this)",
                 unused, given, unused == 1 ? "has" : "have", cure);
}
