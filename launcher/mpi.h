/* mpi.h: which MPI's mpirun there is. */
#ifndef KITH_MPI_H
#define KITH_MPI_H

#include <limits.h>

enum mpi_kind { OPEN_MPI, MPICH };

struct mpi {
    enum mpi_kind kind;
    int major; /* of its version; 0: not understood */
    char version[32];
    char path[PATH_MAX]; /* what is executed */
    const char *name;    /* what it is called, its argv[0]; points into path */
};

/* Finds it: KITH_MPIRUN, else mpirun or mpiexec in PATH. 0, or -1 after having said what is wrong. */
int mpi_find(struct mpi *m);

/* The file that execution of name would take: itself with a slash in it, else out of PATH. 0; else -1 and
 * errno: ENOENT, or EACCES when it is there but cannot be executed. */
int program_find(const char *name, char path[PATH_MAX]);

#endif
