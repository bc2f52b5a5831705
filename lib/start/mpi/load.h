/* load.h: finds and starts an MPI. */
#ifndef KITH_MPI_LOAD_H
#define KITH_MPI_LOAD_H

#include "start/mpi/mpi.h"

/* Loads the module for that MPI ("openmpi", "mpich"). 0; KITH_EPEER (not there, of another kith). */
int kith__mpi_load(const char *name, const struct kith__mpi **out);

/* The same, and initialises the MPI; KITH_EPEER also when that failed. */
int kith__mpi_start(const char *name, int *argc, char ***argv, int one_host, const struct kith__mpi **out);

#endif
