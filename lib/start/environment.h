/* environment.h: what a process can see of who started it, without asking anybody: its environment, its CPU
 * mask, its ancestors, the program it is. Tests put something else in its place. */
#ifndef KITH_ENVIRONMENT_H
#define KITH_ENVIRONMENT_H

#include <stddef.h>
#include <sys/types.h>

enum { KITH__CPUS = 1024 };

struct kith__environment {
    const char *(*get)(const char *name); /* as getenv */
    int (*has_module)(const char *mpi);   /* 1: the module for that MPI was built, and is found */
    int (*core)(int cpu);                 /* the first CPU of the core that cpu belongs to */
    const char *linked; /* the MPI that the program itself is linked with, as modules are called; "" for
                                                   one that has none; NULL: not linked with any */
    int is_static;      /* 1: linked with -static, so nothing can be loaded at run time */
    int usable;         /* kith_usable_cpus */
    int cpu_count, cpus[KITH__CPUS]; /* the mask of this process, in order */
    char launcher[16];  /* the nearest ancestor that starts ranks, as "orted"; "": none is seen */
    pid_t launcher_pid; /* 0: none is seen */
    int launcher_cpus, launcher_set[KITH__CPUS]; /* its mask; 0: not known */
    int slurm_node,
        slurm_job;    /* CPUs of the Slurm job on this node (inside srun: of the step), on all; 0: none */
    int used;         /* 1: this rank has run a program of kith before: kith__used_mark */
    const char *host; /* kith_host */
    char seat[64];    /* names this rank of this job, as long as it lives; "": none */
};

/* The file that a rank of Open MPI leaves in the directory of its job when its MPI starts: no other program
 * can start it again there. 0: it has such a directory. */
int kith__used_mark(char *path, size_t room);

void kith__environment_look(struct kith__environment *out);
int kith__environment_core(int cpu); /* .core of the real one */

#endif
