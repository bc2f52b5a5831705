/* launch.h: who started this process, as its environment, its CPU mask and its parent tell. Looked at once, before
 * anything is forked and without any MPI. */
#ifndef KITH_LAUNCH_H
#define KITH_LAUNCH_H

enum { KITH__CPUS = 1024 };

enum kith__launch_kind { KITH__ALONE, KITH__MPI };

struct kith__launch {
    enum kith__launch_kind kind;
    const char *mpi;            /* of KITH__MPI: the module to load, "openmpi" or "mpich"; else NULL */
    int rank, size;             /* size 0: only MPI knows; alone 0 of 1 */
    int local_rank, local_size; /* among the ranks of this host name; -1 and 0: not known */
    int bound;                  /* 1: the launcher gave it CPUs of its own */
    int workers;                /* that this rank brings; alone: of the node */
    int workers_given;          /* 1: by KITH_WORKERS: the node has so many, whatever its ranks bring */
    int cpu_count;
    int cpus[KITH__CPUS];       /* for its workers; those of one core stand together */
    int silent;                 /* after a failure: another rank says the sentence; end with status 1 and no word */
};

/* 0; KITH_EINVAL for a bad KITH_LAUNCH or KITH_WORKERS; KITH_EPEER when it was started by something that no MPI which was
 * built here understands: then all ranks but one are .silent. */
int kith__launch_read(struct kith__launch *out);

/* What it is read from, so that tests can offer something else. */
struct kith__around {
    const char *(*get)(const char *name);       /* getenv */
    int (*has_module)(const char *mpi);         /* 1: it was built and can be found */
    int (*core)(int cpu);                       /* the first CPU of the core that cpu is in */
    const char *linked;                         /* the MPI that the program is linked with; NULL: none */
    int usable;                                 /* kith_usable_cpus */
    int slurm;                                  /* kith__slurm_cpus */
    int launcher_cpus;                          /* CPUs of the mask of mpirun, or who stands for it here; 0: not known */
    int cpu_count;
    int cpus[KITH__CPUS];                       /* this process's mask, in order */
};
void kith__launch_look(struct kith__around *out);
int  kith__launch_from(struct kith__launch *out, const struct kith__around *around);

#endif
