/* rerun.h: a program of which every rank runs main, started by hand, starts itself again under mpirun. */
#ifndef KITH_RERUN_H
#define KITH_RERUN_H

#include "start/detect.h"

/* kith_init_ranks, before anything is forked. Started without a launcher: executes the program again under
 * the mpirun of the MPI that it is linked with, on all usable CPUs, and does not return. argv may be NULL. 0:
 * go on, there is a launcher, or it is to stay single (KITH_LAUNCH=none, or a rank has started it): then
 * kith__ranks_join makes an MPI of one. KITH_EPEER: this is the second time, and still there is no launcher;
 * or there is no mpirun. */
int kith__rerun(char **argv, const struct kith__launch *launch);

#endif
