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

/* kind and version out of what mpirun --version has said. 0, or -1: it is neither MPI's. */
int mpi_read_version(struct mpi *m, const char *text);

#endif
