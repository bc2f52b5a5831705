/* detect.h: who started this process, and what it brings: decided once, before anything is forked and without
 * any MPI. */
#ifndef KITH_DETECT_H
#define KITH_DETECT_H

#include "start/environment.h"

#include <stdint.h>

/* The mark of a program that has started itself again, see rerun.c: the mpirun that it called. */
#define KITH__RERUN "KITH_RERUN"

enum kith__launch_kind { KITH__ALONE, KITH__MPI };

struct kith__launch {
    enum kith__launch_kind kind;
    const char *mpi; /* the module to load, "openmpi" or "mpich"; alone: what the program is linked with, or
                        else what is there; NULL: nothing */
    const char *launcher;       /* for sentences: "mpirun of Open MPI"; NULL: alone */
    int rank, size;             /* alone 0 of 1; size 0: only MPI knows */
    int local_rank, local_size; /* among the ranks that have this host name; -1 and 0: not known */
    int within;                 /* 1: alone, because a rank of a job has started it */
    int by_mpirun;              /* 1: Open MPI's own mpirun started it, not srun */
    pid_t launcher_pid;         /* whose end is the end of this rank; 0: not seen */
    int usable;                 /* CPUs here, by all limits: kith_usable_cpus, which reads files */
    int bound;                  /* 1: the CPUs are for this rank */
    int workers;                /* that this rank brings */
    uint64_t seed;              /* of random numbers, as it came to this rank: that of rank 0 counts */
    int workers_given;          /* 1: KITH_WORKERS says how many the node has, whatever its ranks bring */
    int cpu_count, cpus[KITH__CPUS]; /* for the workers; those of one core stand together */

    /* What Slurm gave to the job, for allocation.h. 0: this is no job of Slurm, or is not to be looked at. */
    int given_node,
        given_job;   /* CPUs on this node; on all nodes, 0 inside srun: a step has those of its nodes */
    int given_tasks; /* tasks that were asked for; 0: none were */
    int threads;     /* CPUs of a core */
};

/* Fills *out and returns 0. KITH_EINVAL for a bad KITH_LAUNCH or KITH_WORKERS. KITH_EPEER when it was started
 * by what no MPI that kith was built for understands; *silent is then 1 in all ranks but one, or but one on
 * each host where hosts may differ. Those are to end with status 0 and without a word: a failure would have
 * the launcher end the one that speaks before it has spoken. */
int kith__launch_read(struct kith__launch *out, int *silent);

/* The same from what is given: looks at nothing else, changes nothing. */
int kith__launch_from(struct kith__launch *out, const struct kith__environment *env, int *silent);

/* 1 in one rank of each host: who tells what may be wrong there alone, such as a variable, which mpirun does
 * not hand on. */
int kith__launch_speaks(const struct kith__launch *launch);

/* Copies count CPUs from in to out, those of one core together. Returns the number of cores. */
int kith__cpus_by_core(const int *in, int count, int (*core)(int cpu), int *out);

#endif
