/* mpirun_messages.h: what Open MPI's mpirun and MPICH's mpiexec say, in one sentence for people. */
#ifndef KITH_MPIRUN_MESSAGES_H
#define KITH_MPIRUN_MESSAGES_H

#include "mpi.h"
#include "filter.h"

struct mpirun_messages {
    struct filter_judge out, err; /* for mpirun's stdout and stderr */
    int remote;                   /* ranks on other hosts */
    int asked;                    /* the signal by which kith was asked to end the job; 0: none */
    int stands;        /* the program has started on all hosts, and goes on without one that is lost */
    int spoke;         /* mpirun has said something of its own: most often, that the job ends */
    int said;          /* something was said of why the job ended */
    int status;        /* the exit status that follows from a message; 0: none does */
    int signal;        /* a rank died by it; 0: none did */
    char trouble[200]; /* the first line of MPICH's about its own trouble */
    int unreachable;   /* mpirun could not start its daemons on the other hosts */
};

void mpirun_messages_init(struct mpirun_messages *w, const struct mpi *m, int remote);

#endif
